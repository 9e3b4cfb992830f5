"""Module parameters in simulated transfers: they change a run, or are refused before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.errors import AlgorithmError
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import SimResult
from ccsim.sim.world import World
from tests.selftests.selftest_rig import kernel_of, trace, world

PATH = "duration: 3 s\npath: {rate: 100 Mbit/s, rtt: 40 ms}\ntwins: false\n"


def run_of(text: str) -> SimResult:
    run = world(text, PATH)
    run.run()
    return run.result()


def served(result: SimResult) -> dict[str, tuple[str, ...]]:
    return {flow.name: flow.implementations for flow in result.flows}


def overshoot(congestion: str) -> tuple[int, int]:
    result = run_of(f"flows: [{{name: a, congestion: {congestion}}}]\n")
    flow = trace(result, "a")
    return int(flow.snd_cwnd.max()), flow.counters["packets_dropped"]


def test_without_hystart_slow_start_overshoots_the_pipe_and_its_buffer() -> None:
    """BDP and buffer hold 666 packets. Slow start that only a loss ends has doubled that by the
    time it hears of it, and loses about as many as the pipe holds.
    """
    cwnd, drops = overshoot("{name: cubic, hystart: false}")
    assert cwnd > 1.8 * 666
    assert drops > 500
    cwnd_with, drops_with = overshoot("cubic")
    assert cwnd_with < 1.2 * 666
    assert drops_with < 100
    assert overshoot("{name: cubic, hystart: true}") == (cwnd_with, drops_with)


def test_a_listeners_parameters_reach_what_it_accepts() -> None:
    text = "listeners: [{name: web, congestion: {name: cubic, hystart: 0}}]\n"
    result = run_of(f"{text}flows: [{{name: a, listener: web}}]\n")
    assert int(trace(result, "a").snd_cwnd.max()) > 1.8 * 666


def test_flows_with_the_same_parameters_share_one_variant() -> None:
    run = world(
        "flows:\n"
        "  - {congestion: {name: cubic, beta: 800}, count: 3, size: 100 KB}\n"
        "  - {congestion: {beta: 800, name: cubic}, size: 100 KB}\n"
        "  - {congestion: {name: cubic, beta: 600}, size: 100 KB}\n",
        PATH,
    )
    assert kernel_of(run).available() == ["reno", "cubic", "cubic.1", "cubic.2"]
    run.run()
    assert set(served(run.result()).values()) == {("cubic(beta=800)",), ("cubic(beta=600)",)}


MINE = """\
from dataclasses import dataclass, replace

from ccsim.kernel import TCP_RENO


@dataclass(frozen=True)
class Params:
    gain: int = 1

    def __post_init__(self):
        if self.gain >= 10:
            raise ValueError("expected a gain below 10")


my_map = replace(TCP_RENO, name="my_cc", flags=0, params=Params())
"""


@pytest.mark.parametrize(
    ("congestion", "message"),
    [
        ("{name: my_cc, gian: 2}", "my_cc: parameter: expected one of gain, got 'gian'"),
        ("{name: my_cc, gain: 99}", "my_cc: parameters: expected a gain below 10"),
    ],
)
def test_parameters_that_only_running_shows_wrong_are_refused_before_the_first_event(
    congestion: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    text = f"{PATH}objects: [mine.py]\nflows: [{{congestion: {congestion}, start: 2 s}}]\n"
    scenario = parse_scenario(text, "mine.yaml", tmp_path)
    with pytest.raises(AlgorithmError, match=message):
        simulate(scenario)


def test_a_users_own_algorithm_takes_its_parameters(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    text = f"{PATH}objects: [mine.py]\nflows: [{{congestion: {{name: my_cc, gain: 5}}}}]\n"
    run = World(parse_scenario(text, "mine.yaml", tmp_path))
    run.run()
    assert run.flows[0].sk.ca_ops.params.gain == 5
    assert served(run.result()) == {"flow-1": ("my_map(gain=5)",)}
