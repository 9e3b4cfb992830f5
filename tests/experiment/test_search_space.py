"""Ranges of keys as people write them, and the instants at which a swap may be."""

from __future__ import annotations

import pytest

from ccsim.experiment.search import SearchError, SearchRange, instants, parse_range
from ccsim.scenario import Scenario, parse_scenario


def scenario(duration: str = "60 s", flow: str = "", at: str = "20 s") -> Scenario:
    return parse_scenario(
        f"name: x\nduration: {duration}\npath: {{rate: 10 Mbit/s, rtt: 20 ms}}\n"
        f"flows: [{{name: bulk, congestion: cubic{flow}}}]\n"
        f"swaps: [{{at: {at}, via: setsockopt, flows: [bulk], to: reno}}]\n",
        "x",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path.buffer=0.5..2 BDP", SearchRange("path.buffer", 0.5, 2, "BDP")),
        ("path.buffer=0.5..2BDP", SearchRange("path.buffer", 0.5, 2, "BDP")),
        ("path.rtt=10ms..80ms", SearchRange("path.rtt", 10, 80, "ms")),
        ("path.loss=0..1 %", SearchRange("path.loss", 0, 1, "%")),
        ("flows.0.count=1..8", SearchRange("flows.0.count", 1, 8, "", whole=True)),
    ],
)
def test_a_range_has_a_key_two_ends_and_a_unit(text: str, expected: SearchRange) -> None:
    assert parse_range(text) == expected


@pytest.mark.parametrize(
    "text", ["path.buffer", "path.buffer=1", "=1..2", "a=x..y", "a=1 s..2 ms", "a=2..1", "a=1..1"]
)
def test_anything_else_is_refused_with_what_came(text: str) -> None:
    with pytest.raises(SearchError, match=r"search: .*expected .*got"):
        parse_range(text)


def test_values_are_written_as_a_scenario_has_them() -> None:
    assert parse_range("a=0.5..2 BDP").value(1.23456) == "1.235 BDP"
    assert parse_range("a=1..90000 kbit/s").value(12345.6) == "12350 kbit/s"
    assert parse_range("a=1..8").value(3) == 3
    assert parse_range("a=0.1..0.9").value(0.25) == 0.25
    assert SearchRange("at", 1, 90_000, "ms", whole=True).value(12_345) == "12.345 s"


def test_a_range_over_orders_of_magnitude_is_searched_by_them() -> None:
    assert parse_range("a=1..10 Mbit/s").log
    assert not parse_range("a=1..9 Mbit/s").log
    assert not parse_range("a=0..9 Mbit/s").log


def test_instants_leave_the_window_of_ten_seconds() -> None:
    assert instants(scenario(), 0) == SearchRange("swaps.0.at", 1, 50_000, "ms", whole=True)


def test_instants_lie_within_the_life_of_the_flow() -> None:
    found = instants(scenario(flow=", start: 5 s, stop: 40 s"), 0)
    assert (found.low, found.high) == (5_001, 30_000)


def test_of_a_short_run_half_is_searched() -> None:
    assert instants(scenario("8 s", at="2 s"), 0).high == 4_000


def test_instants_can_be_given() -> None:
    found = instants(scenario(), 0, "5 s..30 s")
    assert (found.low, found.high) == (5_000, 30_000)


@pytest.mark.parametrize("between", ["5 s", "30 s..5 s", "0 s..5 s", "5 s..60 s", "5..6", "a..b"])
def test_instants_outside_the_run_or_without_units_are_refused(between: str) -> None:
    with pytest.raises(SearchError, match=r"search: .*expected"):
        instants(scenario(), 0, between)


def test_a_swap_that_is_not_there_is_refused() -> None:
    with pytest.raises(SearchError, match="expected the number of a swap from 0 on, got 1 of 1"):
        instants(scenario(), 1)
