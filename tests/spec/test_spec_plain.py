"""Specifications as plain values: what is written reads back, and whatever else is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ccsim.errors import ScenarioError
from ccsim.spec import Flow, Guard, Path, Scenario, Swap, Trigger
from ccsim.spec.plain import NotPlain, from_plain, to_plain

PATH = Path(rate_bps=10**8, rtt_ns=40_000_000, buffer_packets=333)
FLOW = Flow(name="bulk", rtt_ns=40_000_000, congestion_params={"beta": 717, "on": True, "c": 0.5})
SWAP = Swap(
    at_ns=5,
    via="staged",
    to="bbr",
    link="cc",
    steps_ppm=(10, 1_000_000),
    guard=Guard(metric="stall", threshold=0, window_ns=1),
    trigger=Trigger(flow="bulk", loss=1, delay_ns=1),
)
SCENARIO = Scenario(name="s", duration_ns=10, path=PATH, flows=(FLOW,), swaps=(SWAP,))


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the scenario as plain values, one of them changed."""
    plain: dict[str, Any] = json.loads(json.dumps(SCENARIO.resolved()))
    place: Any = plain
    *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
    for key in way:
        place = place[key]
    place[last] = value
    return plain


def test_what_is_written_as_json_reads_back() -> None:
    assert Scenario.from_resolved(json.loads(json.dumps(SCENARIO.resolved()))) == SCENARIO


def test_the_file_that_a_scenario_came_from_is_not_part_of_it() -> None:
    named = replace(SCENARIO, source="/tmp/s.yaml")
    assert "source" not in named.resolved()
    assert named.resolved() == SCENARIO.resolved()


def test_parameters_keep_their_types() -> None:
    found = Scenario.from_resolved(SCENARIO.resolved()).flows[0].congestion_params
    assert [type(value) for value in found.values()] == [int, bool, float]


def test_an_integer_is_a_number_and_becomes_one() -> None:
    found = from_plain(Path, {**to_plain(PATH), "loss_probability": 1})
    assert type(found.loss_probability) is float
    assert to_plain(found)["loss_probability"] == 1.0


def test_a_key_that_is_missing_has_its_default_and_one_without_is_asked_for() -> None:
    plain = to_plain(PATH)
    del plain["qdisc"]
    assert from_plain(Path, plain) == PATH
    del plain["rate_bps"]
    with pytest.raises(NotPlain, match="expected a key 'rate_bps'"):
        from_plain(Path, plain)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seed", "1", 'seed: expected an integer, got "1"'),
        ("seed", True, "seed: expected an integer, got true"),
        ("seed", 1.0, "seed: expected an integer, got 1.0"),
        ("seed", -1, "seed: expected 0 to 9223372036854775807, got -1"),
        ("twins", 1, "twins: expected true or false, got 1"),
        ("name", "../etc", 'name: expected 1 to 64 of A-Z a-z 0-9 _ . -, got "../etc"'),
        ("name", "..", "name: expected 1 to 64"),
        ("sneed", 1, "sneed: no such key"),
        ("path.rate_bps", 0, "path.rate_bps: expected 1 to 10000000000000, got 0"),
        ("path.loss_probability", 1.5, "path.loss_probability: expected 0 to 1, got 1.5"),
        ("path.loss_probability", float("nan"), "path.loss_probability: expected 0 to 1, got .nan"),
        ("path.qdisc", "red", 'path.qdisc: expected a mapping, got "red"'),
        ("path.qdisc", {"kind": 5}, "path.qdisc.kind: expected a text, got 5"),
        ("flows", [], "expected at least one flow or workload"),
        ("flows", {}, "flows: expected a list, got a mapping"),
        ("flows.0", 7, "flows.0: expected a mapping, got 7"),
        ("flows.0.congestion_params.beta", [1], "flows.0.congestion_params.beta: expected a text"),
        ("flows.0.receiver.gro_packets", 65, "flows.0.receiver.gro_packets: expected 1 to 64"),
        ("swaps.0.steps_ppm.1", "all", "swaps.0.steps_ppm.1: expected an integer"),
        ("swaps.0.guard", 1, "swaps.0.guard: expected a mapping, got 1"),
        ("record.flows", "some", "record.flows: expected a list"),
        ("kernel.hz", True, "kernel.hz: expected one of 100, 250, 300, 1000, got true"),
    ],
)
def test_what_does_not_fit_is_refused_and_where(path: str, value: object, message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        Scenario.from_resolved(changed(path, value))
    assert str(error.value).startswith(f"resolved scenario: {message}")


def test_a_run_without_traffic_is_none() -> None:
    with pytest.raises(ValueError, match="expected at least one flow or workload"):
        Scenario(name="s", duration_ns=10, path=PATH, flows=())
