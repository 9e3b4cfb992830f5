"""The smallest and the emptiest that a key may have: editors, by the schema, and ccsim agree."""

from __future__ import annotations

import json

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import parse_scenario, scenario_schema
from ccsim.spec import Sysctls
from tests.scenario.test_scenario_schema import accepts

SCHEMA = scenario_schema()
PLAIN = {
    "name": '"x"',
    "duration": "1 s",
    "path": "{rate: 10 Mbit/s, rtt: 20 ms, buffer: 1 BDP}",
    "flows": "[{name: a, congestion: reno}]",
}
WEB = "{name: w, sizes: 9 kB, arrivals: {every: 100 ms}%s}"
ASKS = "[{name: w, arrivals: {every: 100 ms}, requests: {response: 9 kB%s}}]"
UDP = "[{name: u, %s}]"


def agreed(**changes: str) -> bool:
    """Report whether a scenario with other keys is accepted, which both must say."""
    from ruamel.yaml import YAML

    text = "".join(f"{key}: {value}\n" for key, value in {**PLAIN, **changes}.items())
    data = json.loads(json.dumps(YAML(typ="safe", pure=True).load(text)))
    try:
        parse_scenario(text, "s.yaml")
        loaded = True
    except ScenarioError:
        loaded = False
    assert accepts(SCHEMA, data) is loaded
    return loaded


@pytest.mark.parametrize(
    ("key", "least", "less"),
    [
        ("name", '"n"', '""'),
        ("flows", "[{congestion: reno, name: n}]", '[{congestion: reno, name: ""}]'),
        ("flows", "[{name: a, count: 1}]", "[{name: a, count: 0}]"),
        ("record", "{flows: [a]}", "{flows: []}"),
        ("record", "{flows: none}", "{flows: nobody}"),
        ("objects", "[]", '[{set: {"a": 1}}]'),
        ("workloads", f"[{WEB % ', max: 1'}]", f"[{WEB % ', max: 0'}]"),
        ("workloads", ASKS % ", count: 1", ASKS % ", count: 0"),
        ("workloads", "[{name: w, sizes: 9 kB, arrivals: {at_once: 1}}]",
         "[{name: w, sizes: 9 kB, arrivals: {at_once: 0}}]"),
        ("workloads", "[{name: w, sizes: 9 kB, arrivals: {at_once: 1}}]",
         "[{name: w, sizes: 9 kB, arrivals: {}}]"),
        ("traffic", UDP % "packets: [[1 ms, 1 B]]", UDP % "packets: []"),
        ("traffic", UDP % "packets: [[0 ms, 1 B]]", UDP % "packets: [[0 ms]]"),
        ("tcp", "{initial_window: 1}", "{initial_window: 0}"),
        ("tcp", "{quickacks: 0}", "{quickacks: -1}"),
        ("tcp", "{reordering: 1}", "{reordering: 0}"),
        ("tcp", "{reordering: 300}", "{reordering: 301}"),
        ("tcp", "{max_reordering: 300}", "{max_reordering: 301}"),
        ("tcp", "{pacing_ss_ratio: 1}", "{pacing_ss_ratio: 0}"),
        ("tcp", "{pacing_ss_ratio: 1000}", "{pacing_ss_ratio: 1001}"),
        ("tcp", "{pacing_ca_ratio: 1}", "{pacing_ca_ratio: 0}"),
        ("tcp", "{pacing_ca_ratio: 1000}", "{pacing_ca_ratio: 1001}"),
        ("tcp", "{recovery: 1}", "{recovery: 0}"),
        ("tcp", "{recovery: 7}", "{recovery: 2}"),
        ("tcp", "{sack: 1}", "{sack: 2}"),
        ("tcp", "{sack: 0}", "{sack: -1}"),
        ("tcp", "{early_retrans: 4}", "{early_retrans: 5}"),
        ("tcp", "{early_retrans: 0}", "{early_retrans: 1}"),
        ("tcp", "{early_retrans: 3}", "{early_retrans: 2}"),
        ("tcp", "{frto: 2}", "{frto: 3}"),
        ("tcp", "{frto: 0}", '{frto: "on"}'),
    ],
)  # fmt: skip
def test_the_least_is_accepted_and_less_is_refused(key: str, least: str, less: str) -> None:
    assert agreed(**{key: least})
    assert not agreed(**{key: less})


@pytest.mark.parametrize(
    ("tcp", "expected"),
    [
        ("sack: 0", {"sack": False}),
        ("dsack: false", {"dsack": False}),
        ("timestamps: 0", {"timestamps": False}),
        ("slow_start_after_idle: 0", {"slow_start_after_idle": False}),
        ("early_retrans: 0", {"early_retrans": False}),
        ("frto: 0", {"frto": False}),
        ("recovery: 5", {"recovery": 5}),
        ("min_rtt_wlen: 3 s", {"min_rtt_wlen_s": 3}),
        ("reordering: 300", {"reordering": 300}),
        ("reordering: 9, max_reordering: 9", {"reordering": 9, "max_reordering": 9}),
        ("notsent_lowat: 16 kB", {"notsent_lowat_bytes": 16_000}),
        ("pacing: fq", {"pacing": "fq"}),
    ],
)
def test_a_sysctl_that_is_not_linuxs_default_is_stored(tcp: str, expected: dict[str, int]) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in PLAIN.items())
    made = parse_scenario(f"{text}tcp: {{{tcp}}}\n", "s.yaml").tcp.sysctls
    assert made == Sysctls(**expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "tcp",
    [
        "sack: 1, dsack: true, timestamps: 1, frto: 2, early_retrans: 3, recovery: 1",
        "slow_start_after_idle: 1, min_rtt_wlen: 300 s, reordering: 3, max_reordering: 300",
        "pacing_ss_ratio: 200, pacing_ca_ratio: 120, pacing: internal",
    ],
)
def test_what_linux_does_by_default_is_nothing_that_is_stored(tcp: str) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in PLAIN.items())
    assert parse_scenario(f"{text}tcp: {{{tcp}}}\n", "s.yaml").tcp.sysctls is None


@pytest.mark.parametrize(
    ("tcp", "told"),
    [
        ("reordering: 10, max_reordering: 9", "a reordering of at most max_reordering, 9, got 10"),
        ("min_rtt_wlen: 1500 ms", "expected whole seconds, at most 86400 s, got 1.5 s"),
        ("min_rtt_wlen: 86401 s", "expected whole seconds, at most 86400 s, got 86401 s"),
    ],
)
def test_sysctls_that_no_kernel_takes_are_refused(tcp: str, told: str) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in PLAIN.items())
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(f"{text}tcp: {{{tcp}}}\n", "s.yaml")
    assert str(caught.value).endswith(told)
