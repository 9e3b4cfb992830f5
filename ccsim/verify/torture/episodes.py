"""The hard life: losses, timeouts, pauses, swaps in every state, ACKs of nothing and of 10,000."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN, AckSample, CaEvent, CaState, RateSample
from ccsim.kernel.sock import UNLIMITED_RATE
from ccsim.tcp.output import write_xmit
from ccsim.verify.torture.probe import Probe, TortureSock
from ccsim.verify.torture.rig import MS, RTT_NS, UNDER_TEST, Bench, Fate, TortureConnection

__all__ = ["EPISODES", "Episode", "alone", "beside"]

Episode = Callable[[Probe], None]
OTHER = "reno"
STRETCH = 10_000  # packets that one ACK acknowledges
LOST = -1
FOREIGN = {"bw_bps": 6_000_000, "min_rtt_us": 40_000, "cwnd_packets": 30, "ssthresh_packets": 20}
STATES = ("Open", "Disorder", "CWR", "Recovery", "Loss")


def lossy(seq: int, copies: int, t_ns: int) -> int:
    """Lose a burst, its retransmissions in part, then one packet in 40, then everything a while."""
    in_burst = 30 <= seq < 44 and copies < 1 + seq % 3
    now_and_then = 80 <= seq < 400 and not seq % 40 and not copies
    if in_burst or now_and_then:
        return LOST
    return LOST if 1200 * MS <= t_ns < 1500 * MS else 0


def _burst(seq: int, copies: int, t_ns: int) -> int:
    return LOST if 30 <= seq < 46 and copies < 1 + seq % 2 else 0


def _blackout(seq: int, copies: int, t_ns: int) -> int:
    return LOST if 300 * MS <= t_ns < 1500 * MS else 0


def _one_lost(seq: int, copies: int, t_ns: int) -> int:
    return LOST if seq == 40 and not copies else 0


def _outage(seq: int, copies: int, t_ns: int) -> int:
    return LOST if 240 * MS <= t_ns < 700 * MS else 0


def _held_back(seq: int, copies: int, t_ns: int) -> int:
    """Hold all packets of 600 ms back until then: the timer fires for nothing."""
    return 1000 * MS - t_ns if 400 * MS <= t_ns < 1000 * MS else 0


def _reordered(seq: int, copies: int, t_ns: int) -> int:
    return 15 * MS if seq % 17 == 5 else 0


def steady(probe: Probe) -> None:
    """A clean path: the connection gets on, to its last quarter."""
    bench = Bench(probe)
    connection = bench.connect()
    bench.run(1200 * MS)
    una = connection.sk.una
    bench.run(1600 * MS)
    if connection.sk.una == una:
        text = "nothing was acknowledged in 400 ms on a path without losses: the sender stalls"
        probe.fail("pacing", "", None, connection.sk, text)
    bench.close()


def network(fate: Fate, until_ns: int, probe: Probe) -> None:
    """A path with a fate for its packets."""
    bench = Bench(probe)
    bench.connect(fate=fate)
    bench.run(until_ns)
    bench.close()


def without_ecn(probe: Probe) -> None:
    """A peer that does not speak ECN, for an algorithm that needs it."""
    bench = Bench(probe, ecn=False)
    bench.connect(fate=_one_lost)
    bench.run(600 * MS)
    bench.close()


def idle(probe: Probe) -> None:
    """An application that pauses for longer than the RTO, twice, and then writes again."""
    bench = Bench(probe)
    connection = bench.connect()
    sk = connection.sk
    sk.write_limit = sk.nxt
    for t_ns, packets in ((800 * MS, 60), (3000 * MS, 3), (3010 * MS, 100)):
        bench.run(t_ns)
        sk.write(t_ns, packets)
        connection.send()
        probe.after_event(sk)
    bench.run(3500 * MS)
    bench.close()


def stretch(probe: Probe) -> None:
    """One ACK for 10,000 packets."""
    bench = Bench(probe)
    connection = bench.connect()
    sk = connection.sk
    t_ns = 300 * MS
    bench.run(t_ns)
    sk.set_clock(t_ns)
    sk.snd_cwnd, sk.pacing_rate = sk.nxt - sk.una + STRETCH, UNLIMITED_RATE
    una = sk.una
    write_xmit(sk)
    connection.hand_over(t_ns)
    sk.receive_ack(t_ns + RTT_NS, (t_ns + RTT_NS // 2, una + STRETCH, sk.tcp_mstamp, None))
    connection.hand_over(t_ns + RTT_NS)
    probe.after_event(sk)
    bench.run(900 * MS)
    bench.close()


def nothing_acked(probe: Probe) -> None:
    """ACKs of no packet, and every event that there is."""
    bench = Bench(probe)
    connection = bench.connect()
    for t_ns in (120 * MS, 400 * MS):
        bench.run(t_ns)
        connection.sk.set_clock(t_ns)
        _empty_ack(connection.sk)
        _ask(connection.sk)
        probe.after_event(connection.sk)
    bench.run(600 * MS)
    bench.close()


def _empty_ack(sk: TortureSock) -> None:
    """Call the hooks of an ACK, as for one that acknowledges nothing and measures nothing."""
    ops = sk.ca_ops
    if ops.pkts_acked is not None:
        ops.pkts_acked(sk, AckSample(0, -1, 0))
    if ops.in_ack_event is not None:
        ops.in_ack_event(sk, 0)
    if ops.cong_control is not None:
        ops.cong_control(sk, sk.snd_una, 0, RateSample())
    elif ops.cong_avoid is not None:
        ops.cong_avoid(sk, sk.snd_una, 0)


def _ask(sk: TortureSock) -> None:
    """Call what this sender calls seldom or never: questions, and events of its network."""
    for question in (sk.ca_ops.min_tso_segs, sk.ca_ops.sndbuf_expand, sk.ca_ops.undo_cwnd):
        if question is not None:
            question(sk)
    event = sk.ca_ops.cwnd_event
    if event is not None:
        event(sk, int(CaEvent.CWND_RESTART))
        event(sk, int(CaEvent.TX_START))
        if sk.ca_ops.flags & TCP_CONG_NEEDS_ECN:
            event(sk, int(CaEvent.ECN_IS_CE))
            event(sk, int(CaEvent.ECN_NO_CE))


def models(probe: Probe) -> None:
    """What is known of the path, handed on: its own, nothing, and what others might know."""
    bench = Bench(probe)
    connection = bench.connect()
    sk, ops = connection.sk, probe.ops
    bench.run(600 * MS)
    own: dict[str, int] = {}
    if ops.phase is not None:
        probe.call("phase", ops.phase, sk, ())
    if ops.export_model is not None:
        own = probe.call("export_model", ops.export_model, sk, ())
    for k, model in enumerate((own, {}, FOREIGN)):
        bench.swap(connection, OTHER)
        bench.swap(connection, UNDER_TEST)
        if ops.import_model is not None:
            probe.call("import_model", ops.import_model, sk, (dict(model),))
        probe.after_event(sk)
        bench.run((800 + 200 * k) * MS)
    bench.close()


def swap(state: CaState, away: bool, probe: Probe) -> None:
    """A swap while the connection is in a state: from this algorithm and back, or to it."""
    bench = Bench(probe)
    fate = _outage if state == CaState.LOSS else _one_lost
    quiet = state in (CaState.OPEN, CaState.CWR)
    connection = bench.connect(UNDER_TEST if away else OTHER, _through if quiet else fate)
    sk = connection.sk
    bench.run(240 * MS)
    if state == CaState.CWR:
        sk.set_clock(240 * MS)
        sk.tcp_enter_cwr()
        probe.after_event(sk)
    bench.run(1600 * MS, lambda: sk.ca_state == state)
    now_ns = sk.tcp_clock_cache
    bench.swap(connection, OTHER if away else UNDER_TEST)
    settled_ns = 600 * MS if state == CaState.LOSS else 150 * MS
    bench.run(now_ns + settled_ns)
    if away:
        bench.swap(connection, UNDER_TEST)
    bench.run(now_ns + settled_ns + 350 * MS)
    bench.close()


def _through(seq: int, copies: int, t_ns: int) -> int:
    return 0


def two_sockets(probe: Probe) -> None:
    """Two connections at once, of which one leaves for another algorithm."""
    bench = Bench(probe)
    first = bench.connect(fate=_burst)
    bench.connect(fate=_one_lost)
    bench.run(500 * MS)
    bench.swap(first, OTHER)
    bench.run(900 * MS)
    bench.close()


def alone(probe: Probe) -> TortureConnection:
    """One connection with losses, by itself: its log is what any other life must repeat."""
    bench = Bench(probe)
    connection = bench.connect(fate=lossy)
    bench.run(2000 * MS)
    return connection


def beside(probe: Probe) -> TortureConnection:
    """The same connection beside another one with another fate."""
    bench = Bench(probe)
    connection = bench.connect(fate=lossy)
    bench.connect(fate=_burst)
    bench.run(2000 * MS)
    return connection


def _swaps() -> Iterator[tuple[str, Episode]]:
    for state, name in zip(CaState, STATES, strict=True):
        yield f"swapped in in {name}", partial(swap, state, False)
        yield f"swapped out in {name}, and in again", partial(swap, state, True)


EPISODES: dict[str, Episode] = {
    "a clean path": steady,
    "a loss burst": partial(network, _burst, 900 * MS),
    "losses, a second without anything, RTOs": partial(network, _blackout, 2500 * MS),
    "packets held back: RTOs to be undone": partial(network, _held_back, 1800 * MS),
    "reordering": partial(network, _reordered, 900 * MS),
    "pauses": idle,
    "an ACK of 10,000 packets": stretch,
    "ACKs of 0 packets": nothing_acked,
    "no ECN": without_ecn,
    **dict(_swaps()),
    "two sockets": two_sockets,
    "models handed over": models,
}
"""What each algorithm goes through; each raises `probe.Broken` once a rule is broken."""
