"""Bursts as segmentation offload makes them: what one pacing interval carries leaves at once
(``tcp_tso_autosize``, ``tcp_write_xmit``).

Without pacing all that a window allows leaves at once anyway, and bursts change nothing. Left out:
deferral (``tcp_tso_should_defer``), which holds a burst back for one more ACK so that it grows, and
bursts of retransmissions.
"""

from __future__ import annotations

from ccsim.kernel.answers import answer
from ccsim.kernel.ops import CaEvent
from ccsim.tcp.packets import APP_LIMITED
from ccsim.tcp.sock import SEGS_NEVER_PACED, TcpSock
from ccsim.units import NS_PER_S

__all__ = ["transmit_bursts", "tso_segs"]

GSO_MAX_SEGS = 65_535
GSO_BITS = 32  # of gso_max_size: a shift by that many leaves nothing


def tso_segs(sk: TcpSock) -> int:
    """Return how many packets a burst may have: what the pacing rate carries in about 1 ms
    (``pacing_rate >> pacing_shift``), more if the minimum RTT is short, and at least what the
    algorithm's ``min_tso_segs`` says (``tcp_tso_segs``)."""
    hook = sk.ca_ops.min_tso_segs
    least = sk.host.min_tso_segs
    if hook is not None:
        least = answer("min_tso_segs", hook, hook(sk))
    size = sk.pacing_rate >> sk.pacing_shift
    shift = sk.rtt_min_us >> sk.host.tso_rtt_log
    if shift < GSO_BITS:
        size += sk.gso_max_size >> shift
    size = min(size, sk.gso_max_size)
    return min(max(size // sk.mss_cache, least), GSO_MAX_SEGS)


def transmit_bursts(sk: TcpSock, end: int, left_out: int) -> None:
    """Send new packets before ``end`` while the pacer allows, a burst at a time.

    A burst is at most half of the window (``tcp_cwnd_test``), and its last packet's departure, with
    a gap for all of it, sets when the next may leave; half a gap of lateness is forgiven.
    """
    now_ns = sk.tcp_clock_cache
    segs_out = sk.data_segs_out
    most = min(tso_segs(sk), max(sk.snd_cwnd >> 1, 1))
    while sk.nxt < end:
        stamp = sk.tcp_wstamp_ns
        if stamp > now_ns:
            sk.pacing_ns = stamp
            return
        first = sk.nxt
        if first - left_out == sk.una and sk.ca_ops.cwnd_event is not None:
            sk.ca_ops.cwnd_event(sk, int(CaEvent.TX_START))
        _stamp(sk, first, min(first + most, end))
        rate = sk.pacing_rate
        sk.tcp_wstamp_ns = now_ns
        if segs_out >= SEGS_NEVER_PACED and rate:
            gap = (sk.nxt - first) * sk.mss_cache * NS_PER_S // rate
            sk.tcp_wstamp_ns += gap - min(gap >> 1, now_ns - stamp)
        segs_out += sk.nxt - first


def _stamp(sk: TcpSock, first: int, stop: int) -> None:
    """Send packets ``first`` to ``stop`` now, with the state of delivery that each bears."""
    now_ns, now_us = sk.tcp_clock_cache, sk.tcp_mstamp
    if first == sk.una:
        sk.first_tx_us = sk.delivered_mstamp = now_us
    packets = sk.packets
    flags = APP_LIMITED if sk.app_limited else 0
    for i in range(first - packets.base, stop - packets.base):
        packets.tx_us[i] = now_us
        packets.delivered[i] = sk.delivered
        packets.delivered_us[i] = sk.delivered_mstamp
        packets.first_tx_us[i] = sk.first_tx_us
        packets.flags[i] = flags
    sk.out_t.extend([now_ns] * (stop - first))
    sk.out_seq.extend(range(first, stop))
    sk.nxt = stop
