"""The tap sees every packet, changes nothing, and sees the same whatever the windows are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ccsim.exchange.segment import ACK, SYN, Sight
from ccsim.exchange.tap import TappedWorld
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import SimResult
from ccsim.spec import Scenario
from ccsim.verify.fuzz.equality import difference
from ccsim.verify.fuzz.scenarios import RandomDraw, complete, make_example
from tests.sim.sim_rig import template

Row = tuple[Any, ...]


def row_of(sight: Sight) -> Row:
    one = sight.segment
    fields = (one.flow, one.from_sender, one.seq, one.ack, one.length, one.flags)
    rest = (one.ts_val, one.ts_ecr, one.ident, one.blocks, one.ecn, one.again)
    return (sight.t_ns, sight.at_sender, sight.ce, *fields, *rest)


def tapped(scenario: Scenario, **options: Any) -> tuple[list[Sight], list[Row], SimResult]:
    """Simulate with the tap; segments are read as they were when they were told."""
    sights: list[Sight] = []
    rows: list[Row] = []

    def take(sight: Sight) -> None:
        sights.append(sight)
        rows.append(row_of(sight))

    world = TappedWorld(scenario, take=take, **options)
    world.run()
    return sights, rows, world.result()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("hops", [False, True])
def test_random_scenarios_are_seen_alike_in_any_windows(seed: int, hops: bool) -> None:
    example = make_example(RandomDraw(seed), hops=hops)
    scenario = complete(example.scenario, template())
    sights, rows, result = tapped(scenario)
    assert difference(result, simulate(scenario)) == ""
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    cut = max(example.cuts[0], 100_000)
    assert tapped(scenario, lookahead_ns=cut)[1] == rows
    check_accounts(sights, result)


def check_accounts(sights: list[Sight], result: SimResult) -> None:
    """Each packet that was sent is seen to leave, and each that was delivered to arrive, once."""
    data = Counter(
        (sight.segment.flow, sight.leaves)
        for sight in sights
        if sight.segment.from_sender and sight.t_ns < result.duration_ns
    )
    for index, flow in enumerate(result.flows):
        counters = flow.counters
        assert data[index, True] == counters["packets_sent"], flow.name
        copies = counters.get("packets_duplicated", 0)
        assert data[index, False] <= counters["packets_delivered"] + copies, flow.name


DELAYED = """\
name: x
duration: 1 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
tcp: {quickacks: 0}
flows: [{name: f, congestion: reno, size: 3000 B}]
"""


def test_the_packets_of_a_short_transfer_are_those_worked_out_by_hand() -> None:
    """3000 bytes are segments of 1448, 1448 and 104 bytes, the last with PSH; all have left when
    the application closes, so the FIN is bare.

    At 10 Mbit/s 60 bytes take 48 us, 1500 take 1.2 ms, 52 take 41.6 us, 156 take 124.8 us; the
    sender's own ACK is queued before its data. The way there and the way back take 20 ms.
    """
    sights, _, _ = tapped(parse_scenario(DELAYED, "s.yaml"))
    at_sender = [
        (s.t_ns, s.leaves, s.segment.flags, s.segment.seq, s.segment.length, s.segment.ack)
        for s in sights
        if s.at_sender
    ]
    answered, psh, fin = 40_048_000, 8, 1
    assert at_sender == [
        (0, True, SYN, 0, 0, None),
        (answered, False, SYN | ACK, 0, 0, 1),
        (answered, True, ACK, 1, 0, 1),
        (answered, True, ACK, 1, 1448, 1),
        (answered, True, ACK, 1449, 1448, 1),
        (answered, True, ACK | psh, 2897, 104, 1),
        (answered, True, ACK | fin, 3001, 0, 1),
        (answered + 40_000_000 + 41_600 + 2_400_000, False, ACK, 1, 0, 2897),
        (answered + 40_000_000 + 41_600 + 2_566_400, False, ACK, 1, 0, 3002),
    ]


def test_a_client_of_a_listener_is_seen_to_ask() -> None:
    text = """\
name: x
duration: 1 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
listeners: [{name: web, congestion: reno}]
flows: [{name: f, listener: web, size: 1448 B, ecn: true}]
"""
    sights, _, _ = tapped(parse_scenario(text, "s.yaml"))
    first = [(s.t_ns, s.at_sender, s.segment.flags, s.segment.ack) for s in sights[:5]]
    ece, cwr = 64, 128
    assert first == [
        (0, False, SYN | ece | cwr, None),
        (20_000_000, True, SYN | ece | cwr, None),
        (20_000_000, True, SYN | ACK | ece, 1),
        (40_048_000, False, SYN | ACK | ece, 1),
        (40_048_000, False, ACK, 1),
    ]


def test_what_comes_late_is_a_mistake_that_is_told() -> None:
    world = TappedWorld(parse_scenario(DELAYED, "s.yaml"), take=lambda sight: None)
    world.run()
    world.result()
    flow = world.flows[0]
    segment = flow._segment(False, 1, 1, 0, ACK, 5, 0)  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="5 ns is known too late"):
        flow.ack_comes(5, segment)  # type: ignore[attr-defined]
