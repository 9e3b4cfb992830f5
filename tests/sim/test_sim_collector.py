"""A run leaves the garbage collector as it found it, however it ends."""

from __future__ import annotations

import gc

import pytest

from ccsim.scenario import parse_scenario
from ccsim.sim import simulate

TEXT = "name: g\nduration: 1 s\npath: {rate: 10 Mbit/s, rtt: 10 ms, buffer: 1 BDP}\n"


def test_while_it_runs_the_collector_looks_seldom_and_afterwards_as_before() -> None:
    before = gc.get_threshold()
    seen = []
    flows = "flows:\n  - {name: f, congestion: reno}\n"
    simulate(
        parse_scenario(TEXT + flows, "g"),
        lookahead_ns=1_000_000,  # so many windows that progress is told
        progress=lambda t_ns: seen.append(gc.get_threshold()[0]),
    )
    assert seen
    assert set(seen) == {100_000}
    assert gc.get_threshold() == before


def test_after_a_run_that_raises_it_is_as_before_too() -> None:
    before = gc.get_threshold()

    def stop(t_ns: int) -> None:
        raise KeyboardInterrupt

    flows = "flows:\n  - {name: f, congestion: reno}\n"
    with pytest.raises(KeyboardInterrupt):
        simulate(parse_scenario(TEXT + flows, "g"), lookahead_ns=1_000_000, progress=stop)
    assert gc.get_threshold() == before


def test_a_run_leaves_no_cycles_but_the_world_itself() -> None:
    text = TEXT.replace("1 s", "12 s").replace("10 Mbit/s, rtt: 10 ms", "100 Mbit/s, rtt: 40 ms")
    scenario = parse_scenario(text + "flows:\n  - {name: f, congestion: bbr}\n", "g")
    gc.collect()
    gc.disable()
    try:
        simulate(scenario)
        found = gc.collect()
    finally:
        gc.enable()
    assert found < 1000  # some 250 windows, each of which must not leave anything
