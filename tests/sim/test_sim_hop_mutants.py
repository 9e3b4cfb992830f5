"""Planted bugs in the clocks and trains of hops: each must be found by an assertion."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.errors import InvariantError
from ccsim.net.hop import Hop
from ccsim.net.hop_packets import NO_ROWS, Leg, Rows, in_order, split
from ccsim.net.network import Network
from ccsim.net.qdisc.pie import Pie
from ccsim.net.train_hop import TrainHop
from ccsim.scenario import parse_scenario
from ccsim.sim.world import World

pytestmark = pytest.mark.pure
CODEL_THEN_FIFO = (
    "duration: 3 s\nhops:\n"
    "  a: {rate: 8 Mbit/s, qdisc: {kind: codel, target: 1 ms, interval: 10 ms}}\n"
    "  b: {rate: 9 Mbit/s, delay: 5 ms, buffer: 40 packets}\n"
    "routes: {r: {out: [a, b]}}\nflows: [{name: a, congestion: cubic}]\n"
)
PIE = (
    "duration: 4 s\npath: {rate: 8 Mbit/s, rtt: 20 ms, qdisc: {kind: pie, target: 2 ms}}\n"
    "flows: [{name: a, congestion: cubic}, {name: b, congestion: cubic}]\n"
)
# both routes take as long to the hop that they share, and packets of both arrive at one instant
TIED = (
    "duration: 1 s\nhops:\n"
    "  a: {rate: 12 Mbit/s, delay: 1 ms}\n  b: {rate: 12 Mbit/s, delay: 1 ms}\n"
    "  c: {rate: 12 Mbit/s, delay: 9 ms, buffer: 9 packets}\n"
    "routes: {ra: {out: [a, c]}, rb: {out: [b, c]}}\n"
    "flows: [{name: a, congestion: reno, route: ra}, {name: b, congestion: reno, route: rb}]\n"
)


def outcome(text: str, *, vector: bool = True, lookahead_ns: int | None = None) -> list[Any]:
    world = World(
        parse_scenario(text, "s.yaml"), paranoid=True, vector=vector, lookahead_ns=lookahead_ns
    )
    world.run()
    result = world.result()
    found = [(flow.snd_cwnd.tolist(), flow.delivered_bytes.tolist()) for flow in result.flows]
    return [*found, *((one.drop_t_ns.tolist(), one.drop_flow.tolist()) for one in result.links)]


@pytest.mark.parametrize("text", [CODEL_THEN_FIFO, PIE, TIED], ids=["codel", "pie", "tied"])
def test_without_a_bug_trains_and_cuts_make_no_difference(text: str) -> None:
    whole = outcome(text)
    assert outcome(text, vector=False) == whole
    assert outcome(text, lookahead_ns=700_000) == whole


def test_the_end_of_all_that_is_queued_is_no_bound_where_heads_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bound = Hop.bound_ns

    def last(self: Hop) -> int:
        return bound(self) + (8_000 * self.qdisc.backlog // 8 if self.serving else 0)

    monkeypatch.setattr(Hop, "bound_ns", last)
    with pytest.raises(InvariantError, match="expected arrivals from"):
        outcome(CODEL_THEN_FIFO)


def test_a_bound_that_is_passed_on_before_its_arrivals_are_processed_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = TrainHop.run_rows
    turns = [0]

    def lazy(self: TrainHop, until_ns: int) -> Rows:
        turns[0] += 1
        if turns[0] % 50:
            return run(self, until_ns)
        self.known_ns = until_ns
        return NO_ROWS

    monkeypatch.setattr(TrainHop, "run_rows", lazy)
    with pytest.raises(InvariantError, match="expected arrivals from"):
        outcome(CODEL_THEN_FIFO)


def test_a_far_end_whose_clock_stands_still_for_a_turn_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = Network._release
    turns = [0]

    def stale(self: Network, leg: Leg, number: int) -> None:
        turns[0] += 1
        if turns[0] % 9:
            release(self, leg, number)

    expected = outcome(CODEL_THEN_FIFO)
    monkeypatch.setattr(Network, "_release", stale)
    try:
        assert outcome(CODEL_THEN_FIFO) != expected
    except InvariantError:
        return


def test_a_draw_that_is_taken_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    takes = Pie.takes

    def greedy(self: Pie, length: int, now: int) -> bool:
        done = takes(self, length, now)
        if not done:
            self.draws.u64()
        return done

    expected = outcome(PIE, vector=False)
    monkeypatch.setattr(Pie, "takes", greedy)
    assert outcome(PIE) != expected


def test_sources_in_another_order_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def backwards(self: TrainHop, until_ns: int) -> list[Rows]:
        arrivals = []
        for source in sorted(self.pending, reverse=True):
            now, later = split(in_order(self.pending.pop(source)), until_ns)
            if len(later):
                self.pending[source] = [later]
            if len(now):
                arrivals.append(now)
        return arrivals

    expected = outcome(TIED, vector=False)
    monkeypatch.setattr(TrainHop, "_arriving", backwards)
    assert outcome(TIED) != expected
