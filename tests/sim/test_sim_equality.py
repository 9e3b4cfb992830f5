"""The two core properties: neither cuts nor vector paths show in a single byte of the result.

    plain run        |--------- window ---------|------ window ------|---   vector paths
    switched off     |--------- window ---------|------ window ------|---   row by row
    cut              |--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|   down to one packet

Beside the result, the state that every socket is left in is compared, and packets are counted after
every window: sent = delivered + dropped + under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ccsim.catalog import scenarios_dir
from ccsim.scenario import load_scenario, parse_scenario
from ccsim.sim import simulate
from ccsim.sim.world import World
from ccsim.verify.fuzz import equality as fuzz
from ccsim.verify.fuzz.equality import check, difference, shrink
from ccsim.verify.fuzz.scenarios import Example, RandomDraw, complete, make_example, to_yaml
from tests.planting import is_difference, plant
from tests.sim.directed import DIRECTED
from tests.sim.sim_rig import MS, S, resolved, run, scenario_of, template

T = TypeVar("T")

SEEDS = range(48)  # the examples that must find every planted bug


class HypothesisDraw:
    """The generator's choices, drawn by hypothesis."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw

    def between(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def pick(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))


def check_text(text: str, *cuts: int) -> str:
    """Check one scenario with the given lookaheads."""
    return check(Example(resolved(text), cuts), resolved(text))


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),  # the fuzz makes scenarios smaller itself
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_neither_cuts_nor_vector_paths_show(data: st.DataObject) -> None:
    example = make_example(HypothesisDraw(data))
    found = check(example, template())
    assert not found, f"{found}\n{to_yaml(example.scenario)}\ncuts {example.cuts}"


@pytest.mark.parametrize("first", [SEEDS.start, SEEDS.start + 24])
def test_the_fuzz_finds_no_difference_in_its_own_examples(first: int) -> None:
    report = fuzz.fuzz(first, template(), examples=24)
    assert report.failure is None, report.failure
    assert report.examples == 24


# --- directed examples, for what random ones rarely meet ---


@pytest.mark.parametrize("name", DIRECTED)
def test_equality_holds_where(name: str) -> None:
    assert check_text(DIRECTED[name], 7 * MS, 1 * MS) == ""


@pytest.mark.parametrize(
    "name", ["cubic_to_bbr", "bbr_to_cubic", "cubic_to_reno_slow_start", "fairness", "link_update"]
)
def test_equality_holds_on_the_first_seconds_of_the_shipped(name: str) -> None:
    # at a tenth of the rate and of the time, so that the swaps are within it
    scenario = load_scenario(scenarios_dir() / f"{name}.yaml").resolved()
    scenario["path"]["rate_bps"] //= 10
    for swap in scenario["swaps"]:
        swap["at_ns"] //= 10
    for flow in scenario["flows"]:
        flow["start_ns"] //= 10
        flow["stop_ns"] = flow["stop_ns"] and flow["stop_ns"] // 10
    scenario["duration_ns"] //= 15
    scenario["path"]["buffer_packets"] = max(scenario["path"]["buffer_packets"] // 10, 8)
    assert check(Example(scenario, (11 * MS,)), scenario) == ""


TIES = """
duration: 1200 ms
path: {rate: 24 Mbit/s, rtt: 20 ms, buffer: 30 packets}
flows:
  - {name: a, congestion: cubic}
  - {name: b, congestion: reno, rtt: 35 ms}
tcp: {quickacks: 16}
"""


def ack_times(monkeypatch: pytest.MonkeyPatch, text: str) -> list[int]:
    """Return when ACKs reach the senders [ns]."""
    from ccsim.sim import sender_events as rows

    times: list[int] = []
    original = rows.on_ack

    def on_ack(sk: Any, t_ns: int, *rest: Any) -> None:
        times.append(t_ns)
        original(sk, t_ns, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(rows, "on_ack", on_ack)
        simulate(scenario_of(text), vector=False)
    return sorted(times)


@pytest.mark.pure
@pytest.mark.parametrize("part", [0.3, 0.5, 0.6, 0.8, 0.95])
def test_equality_holds_where_an_ack_a_sample_and_a_swap_fall_on_one_instant(
    part: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = ack_times(monkeypatch, TIES)
    t = times[int(len(times) * part)]
    tied = f"{TIES}record: {{interval: {t} ns}}\n"
    assert check_text(tied, 3 * MS) == ""
    swap = f"swaps:\n  - {{at: {t} ns, via: sweep, flows: [a, b], to: bbr}}\n"
    assert check_text(tied + swap, 3 * MS) == ""


@pytest.mark.pure
def test_a_sample_sees_the_ack_of_its_own_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccsim.sim import sampler
    from ccsim.sim import sender_events as rows

    times = ack_times(monkeypatch, TIES)
    t = times[len(times) // 2]
    sampled = run(f"{TIES}record: {{interval: {t} ns}}\n")
    later = run(f"{TIES}record: {{interval: {t + 1} ns}}\n")
    earlier = run(f"{TIES}record: {{interval: {t - 1} ns}}\n")
    acked = [
        sum(int(f.delivered_bytes[1]) for f in result.flows) for result in (earlier, sampled, later)
    ]
    assert acked[0] < acked[1] == acked[2]
    # and one that does not is found
    for taking in (rows._take_columns, rows._take_tuples):
        plant(monkeypatch, taking, "sampler.next_ns < t:", "sampler.next_ns <= t:")
    plant(monkeypatch, rows._catch_up, "sampler.next_ns < t_ns:", "sampler.next_ns <= t_ns:")
    right = "if self.next_ns >= before_ns:"
    plant(monkeypatch, sampler.Sampler.catch_up, right, f"before_ns += 1\n    {right}")
    assert is_difference(check_text(f"{TIES}record: {{interval: {t} ns}}\n", 3 * MS))


@pytest.mark.pure
def test_a_swap_acts_before_the_ack_of_its_own_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    times = ack_times(monkeypatch, TIES)
    t = times[len(times) // 2]
    swap = f"swaps:\n  - {{at: {t} ns, via: sweep, flows: [a, b], to: reno}}\n"
    with_ack = run(f"{TIES}{swap}record: {{interval: {t} ns}}\n")
    before = next(e for e in with_ack.events if e.kind == "swap").detail["before"]
    alone = run(f"{TIES}record: {{interval: {t - 1} ns}}\n")
    assert before["snd_cwnd"] == int(alone.flows[0].snd_cwnd[1])


# --- the tools themselves ---


def test_half_of_the_scenarios_are_aligned_and_most_have_long_pipes() -> None:
    made = [make_example(RandomDraw(seed)).scenario for seed in range(400)]
    aligned = [
        s for s in made if all(f["rtt_ns"] * s["path"]["rate_bps"] % S == 0 for f in s["flows"])
    ]
    bdp = [s["path"]["rtt_ns"] * s["path"]["rate_bps"] // (12_000 * S) for s in made]
    assert 150 < len(aligned) < 250
    assert 250 < sum(packets >= 40 for packets in bdp) < 350  # three in five, and some short ones


@pytest.mark.pure
def test_a_fifth_of_the_scenarios_makes_trains_of_paced_acks_and_a_tenth_of_sacks() -> None:
    paced = sacked = 0
    for seed in range(60):
        world = World(
            complete(make_example(RandomDraw(seed)).scenario, template()), explain_trains=True
        )
        world.run()
        trains: Counter[str] = Counter()
        assert world.tally is not None
        for words, times, _ in world.tally.rows():
            trains[words] += times
        paced += trains["taken at once: paced"] >= 5
        sacked += trains["taken at once: recovery"] > 0
    assert paced >= 4
    assert sacked >= 5


def test_the_same_seed_makes_the_same_scenario_and_another_another() -> None:
    assert make_example(RandomDraw(5)) == make_example(RandomDraw(5))
    assert make_example(RandomDraw(5)) != make_example(RandomDraw(6))


@pytest.mark.parametrize("seed", range(60))
def test_a_scenario_as_yaml_resolves_to_what_the_fuzz_ran(seed: int) -> None:
    scenario = make_example(RandomDraw(seed)).scenario
    read = parse_scenario(to_yaml(scenario), "fuzz.yaml")
    assert read == complete(scenario, template())


def test_a_difference_names_its_place_and_both_values() -> None:
    text = "duration: 1 s\npath: {rate: 2 Mbit/s, rtt: 20 ms}\nflows:\n  - {congestion: reno}\n"
    one, other = run(text), run(text.replace("reno", "bbr"))
    assert difference(one, one) == ""
    assert difference(one, other) == "flows.0.congestion: 'reno', 'bbr'"
    assert difference(one, run(text.replace("1 s", "2 s"))) == "duration_ns: 1000000000, 2000000000"


def test_shrinking_keeps_the_failure_and_little_else() -> None:
    example = make_example(RandomDraw(3))
    assert len(example.scenario["flows"]) > 1

    def fails(smaller: Example) -> bool:
        return any(flow["name"] == "flow-2" for flow in smaller.scenario["flows"])

    smallest = shrink(example, fails).scenario
    assert [flow["name"] for flow in smallest["flows"]] == ["flow-2"]
    assert smallest["swaps"] == []
    assert smallest["flows"][0]["start_ns"] == 0


def test_the_fuzz_reports_the_seed_and_the_smallest_scenario() -> None:
    def differs(example: Example, template: object) -> str:
        return "cut: flows.0: 1, 2"

    failure = fuzz.fuzz(77, template(), examples=5, check=differs).failure
    assert failure is not None
    assert failure.seed == 77
    assert len(failure.smallest.scenario["flows"]) == 1


def test_an_exception_is_a_finding_too() -> None:
    broken = {**resolved(TIES), "links": [{"name": "fleet", "map": "no such map", "params": {}}]}
    assert "no such map" in check(Example(broken, ()), broken)
