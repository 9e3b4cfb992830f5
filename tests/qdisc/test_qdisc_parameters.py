"""Parameters of qdiscs: both spellings, bounds, and what is said of mistakes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ccsim.net.qdisc import KINDS, Draws, QdiscError, create, create_raw
from ccsim.net.qdisc.base import NEVER
from ccsim.net.qdisc.netem_parameters import _slot
from ccsim.net.qdisc.parameters import Parameter

REQUIRED: dict[str, dict[str, Any]] = {
    "red": {"limit": "60 kB"},
    "tbf": {"rate": "1 Mbit/s", "burst": "2 kB", "limit": "9 kB"},
    "police": {"mtu": "1500 B"},
}
SPELLINGS: dict[str, Any] = {  # by unit
    "packets": "7 packets",
    "bytes": "30 kB",
    "us": "3 ms",
    "ns": "3 ms",
    "s": "3 s",
    "byte/s": "8 Mbit/s",
    "flag": True,
    "probability": "2 %",
    "percent": "20 %",
    "": 1,
}
OWN: dict[str, Any] = {  # of parameters that have a spelling of their own or a narrower range
    "distribution": "normal",
    "gemodel": {"p": "1 %"},
    "gimodel": {"p13": "1 %"},
    "slot": {"min": "1 ms"},
    "weights": ["3 kB", "2 kB", "1 kB"],
    "overhead": "22 B",
    "mpu": "84 B",
    "avpkt": "500 B",
}
BESIDE: dict[tuple[str, str], dict[str, Any]] = {  # what a parameter needs, or excludes
    ("red", "nodrop"): {"ecn": True},
    ("red", "min"): {"max": "90 kB"},
    ("red", "max"): {"min": "10 kB"},
    ("red", "burst"): {"min": "2 kB", "max": "6 kB"},
    ("tbf", "latency"): {"limit": None},
    ("tbf", "peakrate"): {"minburst": "2 kB"},
    ("tbf", "minburst"): {"peakrate": "9 Mbit/s"},
    ("police", "rate"): {"burst": "9 kB"},
    ("police", "pps"): {"pkt_burst": 3},
    ("police", "peakrate"): {"rate": "1 Mbit/s", "burst": "9 kB"},
    **{
        ("sfq", name): {"redflowlimit": "30 kB"}
        for name in ("max", "avpkt", "burst", "probability", "ecn", "harddrop")
    },
    ("sfq", "min"): {"redflowlimit": "400 kB"},
}
PARAMETERS = [
    (kind, parameter)
    for kind, qdisc in KINDS.items()
    for parameter in qdisc.PARAMETERS
    if not parameter.internal
]


def spelled(parameter: Parameter) -> Any:
    if parameter.name in OWN:
        return OWN[parameter.name]
    return parameter.names[1] if parameter.names else SPELLINGS[parameter.unit]


@pytest.mark.parametrize(("kind", "parameter"), PARAMETERS, ids=lambda p: getattr(p, "name", p))
def test_every_parameter_can_be_said(kind: str, parameter: Parameter) -> None:
    values = {**REQUIRED.get(kind, {}), **BESIDE.get((kind, parameter.name), {})}
    values[parameter.name] = spelled(parameter)
    given = {name: value for name, value in values.items() if value is not None}
    qdisc = create(kind, given, 0, Draws(1))
    assert qdisc.kind == kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_described_and_begins_empty(kind: str) -> None:
    qdisc = create(kind, REQUIRED.get(kind, {}), 5, Draws(1))
    assert (qdisc.qlen, qdisc.backlog, list(qdisc.packets())) == (0, 0, [])
    assert (qdisc.dropped, qdisc.wake_ns) == ([], NEVER)
    assert qdisc.dequeue(5) is None
    assert qdisc.summary
    assert qdisc.keeps in ("order", "flow order", "none")
    assert all(parameter.text for parameter in qdisc.PARAMETERS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_at_the_head_of_a_file_names_every_parameter_with_its_unit(kind: str) -> None:
    module = __import__(KINDS[kind].__module__, fromlist=["__doc__"])
    rows = dict(re.findall(r"^(\w+) {2,}(\S+) {2,}", str(module.__doc__), re.MULTILINE))
    for parameter in KINDS[kind].PARAMETERS:
        if parameter.internal or (kind == "sfq" and parameter.name in RED_OF_SFQ):
            continue
        assert parameter.name in rows, parameter.name
        if parameter.unit and not (kind == "bfifo" and parameter.name == "limit"):
            assert rows[parameter.name] == parameter.unit


RED_OF_SFQ = {"min", "max", "avpkt", "burst", "probability", "ecn", "harddrop"}


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("codel", {"target": 5}, 'target: expected a time with a unit such as "40 ms", got 5'),
        ("codel", {"target": "-1 ms"}, "target: expected a time that is not negative"),
        ("codel", {"target": "1 h"}, "target_us: expected 0 to 2147483647 us, got 3600000000"),
        ("codel", {"ecn": "yes"}, 'ecn: expected true or false, got "yes"'),
        ("codel", {"limit": 1.5}, "limit: expected a whole number of packets"),
        ("codel", {"limits": 5}, 'got "limits"; did you mean "limit"?'),
        ("codel", {"xyz": 5}, "expected one of its parameters (ce_threshold, ecn, interval,"),
        ("fq_codel", {"flows": 0}, "flows: expected 1 to 65536, got 0"),
        ("fq_codel", {"flows": 70_000}, "flows: expected 1 to 65536, got 70000"),
        ("fq_codel", {"memory_limit": "4 GiB"}, "memory_limit: expected 0 to 2147483648 bytes"),
        ("pie", {"tupdate": "x ms"}, 'tupdate: expected a time with a unit such as "40 ms"'),
        ("pie", {"alpha": "2"}, 'alpha: expected a whole number, got "2"'),
        ("fq", {"weights": ["1 kB", "2 kB"]}, "weights: expected a list of 3 numbers, got a list"),
        ("fq", {"weights": "1 kB"}, 'weights: expected a list, got "1 kB"'),
        ("fq", {"weights": ["0 B", "1 B", "1 B"]}, "weights: expected 1 to 2147483647 bytes"),
        ("cake", {"diffserv": "diffserv5"}, "expected one of diffserv3, diffserv4, diffserv8"),
        ("cake", {"flow_mode": 3}, "flow_mode: expected one of flowblind, srchost, dsthost, hosts"),
        ("cake", {"raw": False}, "raw: expected true (leave it out otherwise), got false"),
        ("cake", {"overhead": "300 B"}, "overhead: expected -64 to 256 bytes, got 300"),
        ("netem", {"loss": "101 %"}, "loss: expected a probability from 0 to 1"),
        ("netem", {"gemodel": {"r": "1 %"}}, "expected a mapping of p, r, 1-h, 1-k (p at least)"),
        ("netem", {"gimodel": 3}, "gimodel: expected a mapping of p13, p31, p32, p14, p23"),
        ("netem", {"slot": {"min": "2 ms", "max": "1 ms"}}, "slot: expected max of at least min"),
        ("netem", {"slot": {"distribution": "normal", "min": "1 ms"}}, "min and max, or distribut"),
        ("netem", {"distribution": "cauchy"}, "expected one of uniform, normal, pareto"),
        ("netem", {"slot_dist": [1]}, "expected one of its parameters"),
    ],
)
def test_a_mistake_is_said_with_what_was_expected_and_what_came(
    kind: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(QdiscError) as error:
        create(kind, values, 0, Draws(1))
    assert str(error.value).startswith(f"{kind}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("codel", {"target": 5}, 'got "target"; did you mean "target_us"?'),
        ("codel", {"target_us": "5"}, 'codel: target_us: expected a whole number, got "5"'),
        ("codel", {"ecn": True}, "codel: ecn: expected a whole number, got true"),
        ("netem", {"gemodel": [1, 2, 3]}, "gemodel: expected a list of 4 numbers, got a list of 3"),
        ("netem", {"dist": [40_000]}, "netem: dist: expected -32768 to 32767 name, got 40000"),
        ("red", {"limit": 9, "stab": [1]}, "stab: expected a list of 256 numbers, got a list of 1"),
        ("fq_coddel", {}, 'got "fq_coddel"; did you mean "fq_codel"?'),
        ("x", {}, "expected a queueing discipline (pfifo, bfifo, pfifo_head_drop, codel,"),
    ],
)
def test_numbers_for_the_kernel_are_checked_too(
    kind: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(QdiscError) as error:
        create_raw(kind, values, 0, Draws(1))
    assert message in str(error.value)


def test_units_become_the_kernels_numbers() -> None:
    state = create("codel", {"target": "1 ms", "interval": "20 ms"}, 0, Draws(1)).observe()
    assert (state["target"], state["interval"]) == (976, 19_531)  # of 1024 ns
    state = create("fq", {"maxrate": "8 Mbit/s", "horizon": "2 s"}, 0, Draws(1)).observe()
    assert (state["maxrate"], state["horizon"]) == (1_000_000, 2_000_000_000)
    state = create("netem", {"loss": "1 %", "delay": "20 ms"}, 0, Draws(1)).observe()
    assert (state["loss"], state["latency"]) == (42_949_673, 20_000_000)
    state = create("netem", {"duplicate": "100 %"}, 0, Draws(1)).observe()
    assert state["duplicate"] == 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("slot", "values"),
    [
        ({"min": "1 ms"}, (1_000_000, 1_000_000, 0, 0, 0, 0)),
        ({"min": "1 ms", "max": "3 ms"}, (1_000_000, 3_000_000, 0, 0, 0, 0)),
        ({"max": "3 ms", "packets": "7 packets"}, (0, 3_000_000, 7, 0, 0, 0)),
        ({"min": "1 ms", "bytes": "9 kB"}, (1_000_000, 1_000_000, 0, 9_000, 0, 0)),
        (
            {"distribution": "normal", "delay": "5 ms", "jitter": "2 ms"},
            (0, 0, 0, 0, 5_000_000, 2_000_000),
        ),
    ],
)
def test_slots_have_no_limit_that_is_not_given(slot: dict[str, str], values: Any) -> None:
    assert _slot(slot) == values


def test_loss_models_are_said_as_tc_does() -> None:
    model = {"p": "2 %", "r": "20 %", "1-h": "70 %", "1-k": "0.1 %"}
    state = create("netem", {"gemodel": model}, 0, Draws(1)).observe()
    assert [state[f"a{k}"] for k in (1, 2, 3, 4)] == [
        85_899_346,
        858_993_459,
        1_288_490_189,
        4_294_967,
    ]
    state = create("netem", {"gemodel": {"p": "3 %"}}, 0, Draws(1)).observe()
    assert [state[f"a{k}"] for k in (2, 3, 4)] == [0xFFFF_FFFF - 128_849_019, 0, 0]
    state = create("netem", {"gimodel": {"p13": "1 %"}}, 0, Draws(1)).observe()
    assert [state[f"a{k}"] for k in (2, 3, 4, 5)] == [0xFFFF_FFFF - 42_949_673, 0, 0, 0xFFFF_FFFF]
