"""Accurate ECN in runs: the sender counts what the receiver has, whatever becomes of ACKs."""

from __future__ import annotations

import pytest

from ccsim.errors import ScenarioError
from ccsim.exchange.segment import ACK, AE, CWR, ECE, SYN, Sight
from ccsim.exchange.tap import TappedWorld
from ccsim.net.network import Network
from ccsim.scenario import parse_scenario
from ccsim.sim.hop_engine import HopEngine
from ccsim.sim.world import World
from ccsim.spec import Scenario
from ccsim.tcp.accecn import AccurateEcho, AccurateHookEcho
from tests.digests.digests import digest

PATH = "path: {rate: 50 Mbit/s, rtt: 20 ms, buffer: 200 packets, ecn: {mark_above: 20 packets}%s}\n"
ACCECN = "tcp: {ecn: accecn}\n"


def parsed(path: str = PATH % "", tcp: str = ACCECN, flow: str = "congestion: dctcp") -> Scenario:
    text = f"duration: 3 s\n{path}{tcp}flows: [{{name: a, {flow}}}]\n"
    return parse_scenario(text, "x.yaml")


def ran(*args: str, **keys: str) -> World:
    world = World(parsed(*args, **keys))
    world.run()
    return world


@pytest.mark.parametrize("congestion", ["dctcp", "prague", "cubic", "reno"])
@pytest.mark.parametrize("path", [PATH % "", PATH % ", ack_loss: 40 %", PATH % ", loss: 0.05 %"])
def test_all_marks_have_been_counted_once_all_is_acknowledged(congestion: str, path: str) -> None:
    world = ran(path, flow=f"congestion: {congestion}, size: 5 MB")
    (flow,) = world.flows
    assert flow.closed_ns is not None
    assert flow.receiving.reception is not None
    marked = len(flow.receiving.reception.marked_ns)
    assert marked > 10
    assert flow.sk.delivered_ce == marked
    assert flow.sk.cwr_seq == -1  # nothing is told by CWR


def test_without_it_a_sender_counts_packets_by_the_flag_and_not_exactly() -> None:
    (flow,) = ran(tcp="tcp: {ecn: true}\n", flow="congestion: cubic, size: 5 MB").flows
    assert flow.receiving.reception is not None
    assert flow.sk.delivered_ce > 1.2 * len(flow.receiving.reception.marked_ns)


@pytest.mark.parametrize(
    ("congestion", "kind"), [("cubic", AccurateEcho), ("dctcp", AccurateHookEcho)]
)
def test_the_receiver_runs_the_hooks_of_an_algorithm_that_needs_ecn(
    congestion: str, kind: type
) -> None:
    (flow,) = ran(flow=f"congestion: {congestion}").flows
    assert type(flow.receiving.receiver.ecn) is kind
    assert flow.sk.ca_ops.name == congestion  # and not Reno, as without ECN


@pytest.mark.parametrize(
    ("more", "flow", "flags"),
    [
        (ACCECN, "congestion: cubic", 16),
        ("hosts: {receiver: {tcp: {ecn: 3}}}\n", "congestion: cubic", 0),
        ("hosts: {sender: {tcp: {ecn: 3}}}\n", "congestion: cubic", 1),
        (ACCECN + "hosts: {receiver: {tcp: {ecn: 0}}}\n", "congestion: cubic", 0),
        (ACCECN, "congestion: cubic, ecn: true", 1),
        (ACCECN, "congestion: cubic, ecn: false", 0),
        ("", "congestion: cubic, ecn: accecn", 16),
        ("tcp: {ecn: 2}\n", "congestion: dctcp", 1),
    ],
)
def test_hosts_agree_on_what_both_know(more: str, flow: str, flags: int) -> None:
    assert ran(tcp=more, flow=flow).flows[0].sk.ecn_flags & 17 == flags


def test_dctcp_holds_its_threshold_as_with_its_own_echo() -> None:
    queues = []
    for tcp in ("", ACCECN):
        (link,) = ran(tcp=tcp).result().links
        queues.append(float(link.queue_packets[100:].mean()))
    assert queues[0] == pytest.approx(queues[1], rel=0.1)


HOPS = (
    "hops:\n  out: {rate: 20 Mbit/s, delay: 5 ms, qdisc: {kind: codel, ecn: true, target: 1 ms}}\n"
    "  up: {rate: %s, delay: 5 ms, qdisc: {kind: codel, ecn: true}}\n"
    "routes: {r: {out: [out], back: [up]}}\n"
)


def test_acks_are_marked_where_others_are_dropped() -> None:
    """ACKs of 60 bytes for two packets of a line of 20 Mbit/s are 0.4 Mbit/s, of 52 are 0.35."""
    lost = []
    for tcp in (ACCECN, "tcp: {ecn: true}\n"):
        world = ran(HOPS % "200 kbit/s", tcp, flow="congestion: cubic")
        assert isinstance(world.engine, HopEngine)
        lost.append(world.engine.lost_acks(0))
    assert lost[0] == 0
    assert lost[1] > 100


def test_the_option_makes_acks_eight_bytes_longer() -> None:
    """3 s less the handshake's and the first round's at 60 bytes an ACK: the line of 20 kbit/s is
    busy, and carries 41.7 ACKs a second instead of 48.1."""
    heard = []
    for tcp in (ACCECN, "tcp: {ecn: true}\n"):
        world = ran(HOPS % "20 kbit/s", tcp, flow="congestion: reno")
        assert isinstance(world.network, Network)
        heard.append(world.network.hops[1].packets_out)
    assert heard[0] / heard[1] == pytest.approx(52 / 60, rel=0.03)


@pytest.mark.parametrize(
    ("path", "flow"),
    [
        (PATH % ", ack_loss: 10 %, loss: 0.2 %", "congestion: dctcp"),
        (PATH % ", ack_aggregation: 2 ms", "congestion: cubic, receiver: {gro: 8}"),
        (HOPS % "400 kbit/s", "congestion: prague"),
    ],
)
def test_neither_cuts_nor_trains_change_a_byte(path: str, flow: str) -> None:
    made = set()
    for options in ({}, {"vector": False}, {"lookahead_ns": 1_234_567, "paranoid": True}):
        world = World(parsed(path, flow=flow), **options)
        world.run()
        made.add(digest(world.result()))
    assert len(made) == 1


def seen(tcp: str) -> list[Sight]:
    sights: list[Sight] = []
    TappedWorld(parsed(tcp=tcp, flow="congestion: dctcp, size: 3 MB"), take=sights.append).run()
    return sights


def test_a_capture_has_the_flags_of_the_handshake_and_the_field() -> None:
    """RFC 9768 table 2: a SYN with all three is answered by CWR alone if it came without ECN."""
    flags = [sight.segment.flags for sight in seen(ACCECN)]
    assert flags[0] == SYN | AE | CWR | ECE
    assert next(one for one in flags if one & SYN and one & ACK) == SYN | ACK | CWR
    fields = {one & (AE | CWR | ECE) for one in flags if not one & SYN}
    assert {AE | ECE, AE | CWR, AE | CWR | ECE, 0, ECE} <= fields  # 5, 6, 7, 0, 1
    assert {one.segment.ecn for one in seen(ACCECN) if one.segment.length} == {2}


@pytest.mark.parametrize("value", ["accurate", "4", "5", "-1", "1.0", "[1]"])
def test_what_linux_has_not_or_is_not_modelled_is_refused(value: str) -> None:
    with pytest.raises(ScenarioError, match=r"x\.yaml:3:12: tcp\.ecn: expected true, false, acc"):
        parsed(tcp=f"tcp: {{ecn: {value}}}\n")


def test_it_is_read_back() -> None:
    scenario = parsed(tcp=ACCECN, flow="congestion: cubic, ecn: accecn")
    assert Scenario.from_resolved(scenario.resolved()) == scenario
    assert parsed(tcp="tcp: {ecn: 3}\n") == parsed()
    assert parsed(tcp="tcp: {ecn: 2}\n") == parsed(tcp="")
