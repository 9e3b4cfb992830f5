"""From the SYN to its answer: what is agreed, when an implementation begins, and what the receiving
end is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ccsim.kernel.kfuncs import TCP_CONGESTION
from ccsim.kernel.sock import TCP_ESTABLISHED, TCP_SYN_SENT
from ccsim.scenario import parse_scenario
from ccsim.sim.world import World
from ccsim.tcp.ecn_hooks import HookEcho
from tests.sim.sim_rig import MS, scenario_of

PATH = "path: {rate: 10 Mbit/s, rtt: 400 ms, buffer: 400 packets, ecn: {mark_above: 20 packets}}\n"


def swapped(first: str, then: str, extra: str = "") -> World:
    """Let a flow begin with one algorithm, and choose another 100 ms after its SYN has left."""
    swap = f"swaps: [{{at: 100 ms, via: setsockopt, flows: [a], to: {then}}}]\n"
    flows = f"flows: [{{name: a, congestion: {first}{extra}}}]\n"
    world = World(scenario_of("duration: 3 s\n" + PATH + flows + swap))
    world.run()
    return world


def test_dctcp_chosen_after_a_syn_that_did_not_ask_for_ecn_is_dctcp_reno() -> None:
    # tcp_set_congestion_control in SYN_SENT runs init at once, and dctcp_init finds no ECN.
    world = swapped("cubic", "dctcp")
    flow = world.flows[0]
    assert flow.sk.ca_ops.name == "dctcp-reno"
    assert world.registry.kernel.getsockopt(flow.sk, TCP_CONGESTION) == "dctcp-reno"
    assert flow.implementation() == "dctcp-reno"
    assert not flow.sk.ecn_flags & 1
    assert flow.receiving.reception is None
    assert flow.recorder.implementations == ["cubic", "dctcp-reno"]


def test_cubic_chosen_after_a_syn_that_asked_for_ecn_has_it() -> None:
    flow = swapped("dctcp", "cubic").flows[0]
    assert flow.sk.ca_ops.name == "cubic"
    assert flow.sk.ecn_flags & 1
    assert len(flow.marked_ns())
    assert flow.socket.peer is not None
    assert flow.socket.peer.ca_ops.name == "dctcp"  # what the other host runs is its own affair


def test_what_is_chosen_in_the_handshake_begins_then_and_not_again() -> None:
    began: list[tuple[int, int]] = []
    world = World(
        scenario_of(
            "duration: 1 s\n"
            + PATH
            + "flows: [{name: a, congestion: cubic}]\n"
            + "swaps: [{at: 100 ms, via: setsockopt, flows: [a], to: vegas}]\n"
        )
    )
    init = world.registry.kernel.tcp_cong.init

    def spy(sk: Any) -> None:
        began.append((sk.tcp_clock_cache // MS, sk.sk_state))
        init(sk)

    world.registry.kernel.tcp_cong.init = spy  # type: ignore[method-assign]
    world.run()
    assert began == [(100, TCP_SYN_SENT)]
    assert world.flows[0].sk.sk_state == TCP_ESTABLISHED
    assert world.flows[0].sk.ca_initialized


def test_the_window_at_establishment_is_the_initial_one_whatever_was_set_before() -> None:
    # tcp_init_transfer sets tcp_init_cwnd after the handshake.
    world = World(
        scenario_of("duration: 500 ms\n" + PATH + "flows: [{name: a, congestion: reno}]\n")
    )
    flow = world.flows[0]
    flow.socket.open()
    flow.on_syn(0)
    flow.sk.snd_cwnd = 77
    flow.on_connected(0)
    assert flow.sk.snd_cwnd == 10


def test_a_syn_that_is_sent_again_asks_for_no_ecn() -> None:
    # At 20.5 ms flow a sends ten packets into a queue of four, behind its ACK: the next SYN finds
    # no room. tcp_ecn_clear_syn takes ECE and CWR off the second, which is the one answered.
    world = World(
        scenario_of(
            "duration: 4 s\n"
            "path: {rate: 1 Mbit/s, rtt: 20 ms, buffer: 4 packets, ecn: {mark_above: 2 packets}}\n"
            "flows: [{name: a, size: 20 KB}, {name: b, congestion: dctcp, start: 20600 us}]\n"
        )
    )
    world.run()
    flow = world.flows[1]
    assert flow.sending.syn_tries == 2
    assert not flow.sk.ecn_flags & 1
    assert flow.sk.ca_ops.name == "dctcp-reno"
    assert flow.sk.una > 0


RANDOM = """
from dataclasses import dataclass
from ccsim.kernel import TCP_CONGESTION, TcpCongestionOps
from ccsim.kernel.kfuncs import (
    bpf_getsockopt, tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd,
)


@dataclass
class Private:
    wait: int = -1
    name: str = ""
    events: int = 0
    last_us: int = 0


def init(sk):
    sk.ca.wait = sk.random.u32()
    sk.ca.name = bpf_getsockopt(sk, TCP_CONGESTION)


def cwnd_event(sk, ev):
    sk.ca.events += 1
    assert sk.tcp_mstamp >= sk.ca.last_us
    sk.ca.last_us = sk.tcp_mstamp


mine = TcpCongestionOps(
    name="mine", flags=2, init=init, cwnd_event=cwnd_event, ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd, cong_avoid=tcp_reno_cong_avoid, private=Private,
)
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "mine.py").write_text(RANDOM)
    path = "path: {rate: 10 Mbit/s, rtt: 20 ms, buffer: 400 packets, ecn: {mark_above: 20 packets}}"
    flows = "flows: [{name: a, congestion: mine, size: 300 KB}, {name: b, congestion: mine}]"
    text = f"name: t\nduration: 1 s\nobjects: [mine.py]\n{path}\n{flows}\n"
    return World(parse_scenario(text, "t.yaml", tmp_path))


def test_the_receiving_end_is_a_socket_of_its_host(world: World) -> None:
    world.run()
    for flow in world.flows:
        peer = flow.socket.peer
        assert isinstance(peer, HookEcho)
        assert peer.ca.name == "mine"  # helpers work there
        assert peer.ca.events > 100
        assert peer.ca.last_us > 100_000  # and so does its clock
        assert peer.srtt_us >> 3 == 20_000
        assert peer.mss_cache == 1448
    a, b = world.flows
    assert a.socket.peer is not None
    assert b.socket.peer is not None
    draws = {flow.sk.ca.wait for flow in (a, b)} | {a.socket.peer.ca.wait, b.socket.peer.ca.wait}
    assert len(draws) == 4  # each end has a stream of its own
    assert a.socket.peer.kernel_data is None  # a has closed, and with it its peer
    assert b.socket.peer.kernel_data is not None
    assert b.socket.peer.kernel_data.kernel is not world.registry.kernel


def test_bbr_on_an_rtt_beyond_its_numbers_is_not_paced_and_nothing_is_violated() -> None:
    # cwnd << 24 / rtt_us is 0 above 16.8 s at a window of 1: bbr_init_pacing_rate_from_rtt gives 0,
    # and tcp_update_skb_after_send takes 0 for unpaced.
    text = (
        "name: t\nduration: 400 s\npath: {rate: 300 bit/s, rtt: 10 s, buffer: 1 packets}\n"
        "flows: [{name: a, congestion: cubic}]\n"
        "swaps: [{at: 300 s, via: setsockopt, flows: [a], to: bbr}]\n"
    )
    world = World(parse_scenario(text, "t.yaml"), paranoid=True)
    world.run()
    swap = next(e for e in world.events.sorted_events(world.end_ns) if e.kind == "swap")
    assert swap.detail["after"]["pacing_rate"] == 0
    assert 4 << 24 > 40_000_000 > swap.detail["after"]["snd_cwnd"] << 24  # 40 s to serve a packet
