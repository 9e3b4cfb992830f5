"""The congestion state machine's window: reductions, PRR, undo, loss (RFC 6937, RFC 5681,
``tcp_input.c``)."""

from __future__ import annotations

from ccsim.kernel.answers import answer
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaEvent, CaState
from ccsim.tcp.ecn import queue_cwr, withdraw_cwr
from ccsim.tcp.packets import EVER_RETRANS, LOST
from ccsim.tcp.rack import mark_skb_lost
from ccsim.tcp.sock import TcpSock

__all__ = [
    "any_retrans_done",
    "ca_event",
    "current_ssthresh",
    "cwnd_reduction",
    "end_cwnd_reduction",
    "enter_cwr",
    "enter_loss",
    "enter_recovery",
    "in_flight",
    "init_cwnd_reduction",
    "may_undo",
    "packet_delayed",
    "set_ca_state",
    "try_keep_open",
    "undo_cwnd_reduction",
]

OPEN, DISORDER, CWR, RECOVERY, LOSS = (int(state) for state in CaState)
NO_UNDO = -1  # nothing was retransmitted since undo_from was set


def in_flight(sk: TcpSock) -> int:
    """Packets in the network (``tcp_packets_in_flight``)."""
    return sk.nxt - sk.una - sk.sacked_out - sk.lost_out + sk.retrans_out


def set_ca_state(sk: TcpSock, state: int) -> None:
    """Tell the algorithm, then change the state (``tcp_set_ca_state``)."""
    hook = sk.ca_ops.set_state
    if hook is not None:
        hook(sk, state)
    if state != sk.ca_state:
        sk.on_event(sk, "ca_state", {"from": sk.ca_state, "to": state})
    sk.ca_state = state


def ca_event(sk: TcpSock, event: CaEvent) -> None:
    """Tell the algorithm of an event (``tcp_ca_event``)."""
    hook = sk.ca_ops.cwnd_event
    if hook is not None:
        hook(sk, int(event))


def any_retrans_done(sk: TcpSock) -> bool:
    """Report whether a retransmission is out, or the head was retransmitted
    (``tcp_any_retrans_done``)."""
    if sk.retrans_out:
        return True
    return sk.nxt > sk.una and bool(sk.packets.flags[sk.una - sk.packets.base] & EVER_RETRANS)


def current_ssthresh(sk: TcpSock) -> int:
    """Return ssthresh with what the present window vouches for (``tcp_current_ssthresh``)."""
    if sk.ca_state in (CWR, RECOVERY):
        return sk.snd_ssthresh
    return max(sk.snd_ssthresh, (sk.snd_cwnd >> 1) + (sk.snd_cwnd >> 2))


def init_cwnd_reduction(sk: TcpSock) -> None:
    """Begin a reduction by PRR towards the algorithm's ssthresh (``tcp_init_cwnd_reduction``)."""
    sk.high = sk.nxt
    sk.tlp_high = -1
    sk.snd_cwnd_cnt = 0
    sk.prior_cwnd = sk.snd_cwnd
    sk.prr_delivered = 0
    sk.prr_out = 0
    ssthresh = sk.ca_ops.ssthresh
    assert ssthresh is not None
    sk.snd_ssthresh = answer("ssthresh", ssthresh, ssthresh(sk))
    queue_cwr(sk)


def cwnd_reduction(sk: TcpSock, acked_sacked: int, newly_lost: int, una_advanced: bool) -> None:
    """Proportional Rate Reduction with the slow-start bound (RFC 6937 section 3.1,
    ``tcp_cwnd_reduction``)."""
    if acked_sacked <= 0:
        return
    flight = in_flight(sk)
    delta = sk.snd_ssthresh - flight
    sk.prr_delivered += acked_sacked
    if delta < 0:
        sndcnt = -(-sk.snd_ssthresh * sk.prr_delivered // sk.prior_cwnd) - sk.prr_out
    else:
        sndcnt = max(sk.prr_delivered - sk.prr_out, acked_sacked)
        if una_advanced and not newly_lost:
            sndcnt += 1
        sndcnt = min(delta, sndcnt)
    # The fast retransmission itself must go out.
    sk.snd_cwnd = flight + max(sndcnt, 0 if sk.prr_out else 1)


def end_cwnd_reduction(sk: TcpSock) -> None:
    """End CWR or Recovery at ssthresh, unless it was undone (``tcp_end_cwnd_reduction``)."""
    if sk.ca_ops.cong_control is not None:
        return
    if sk.snd_ssthresh < TCP_INFINITE_SSTHRESH and (sk.ca_state == CWR or sk.undo_from >= 0):
        sk.snd_cwnd = sk.snd_ssthresh
        sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache
    ca_event(sk, CaEvent.COMPLETE_CWR)


def init_undo(sk: TcpSock) -> None:
    """Remember from where a reduction could be undone (``tcp_init_undo``)."""
    sk.undo_from = sk.una
    sk.undo_retrans = sk.retrans_out
    if sk.tlp_high >= 0 and sk.tlp_retrans:
        sk.undo_retrans += 1
    if not sk.undo_retrans:
        sk.undo_retrans = NO_UNDO


def enter_cwr(sk: TcpSock) -> None:
    """Reduce without a loss: ECN, local congestion (``tcp_enter_cwr``)."""
    sk.prior_ssthresh = 0
    if sk.ca_state < CWR:
        sk.undo_from = -1
        init_cwnd_reduction(sk)
        set_ca_state(sk, CWR)


def enter_recovery(sk: TcpSock, ece: bool) -> None:
    """Enter fast recovery (``tcp_enter_recovery``)."""
    if not any_retrans_done(sk):
        sk.retrans_stamp_ms = 0
    sk.prior_ssthresh = 0
    init_undo(sk)
    if sk.ca_state not in (CWR, RECOVERY):
        if not ece:
            sk.prior_ssthresh = current_ssthresh(sk)
        init_cwnd_reduction(sk)
    sk.counters["recoveries"] += 1
    set_ca_state(sk, RECOVERY)


def enter_loss(sk: TcpSock) -> None:
    """Start over after a timeout: all is lost but what was sent less than an RTT ago
    (``tcp_enter_loss``)."""
    new_recovery = sk.ca_state < RECOVERY
    _timeout_mark_lost(sk)
    ssthresh = sk.ca_ops.ssthresh
    assert ssthresh is not None
    if (
        sk.ca_state <= DISORDER
        or sk.high <= sk.una
        or (sk.ca_state == LOSS and not sk.icsk_retransmits)
    ):
        sk.prior_ssthresh = current_ssthresh(sk)
        sk.prior_cwnd = sk.snd_cwnd
        sk.snd_ssthresh = answer("ssthresh", ssthresh, ssthresh(sk))
        ca_event(sk, CaEvent.LOSS)
        init_undo(sk)
    sk.snd_cwnd = in_flight(sk) + 1
    sk.snd_cwnd_cnt = 0
    sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache
    if sk.ca_state <= DISORDER and sk.sacked_out >= sk.host.reordering:
        sk.reordering = min(sk.reordering, sk.host.reordering)
    set_ca_state(sk, LOSS)
    sk.high = sk.nxt
    sk.tlp_high = -1
    queue_cwr(sk)
    sk.frto = sk.host.frto and (new_recovery or sk.icsk_retransmits > 0)


def _timeout_mark_lost(sk: TcpSock) -> None:
    packets = sk.packets
    now_us = sk.tcp_mstamp
    if not sk.host.sack:
        sk.sacked_out = 0
    for seq in range(sk.una, sk.nxt):
        if (
            seq == sk.una
            or not sk.host.sack
            or packets.tx_us[seq - packets.base] + sk.rack_rtt_us <= now_us
        ):
            mark_skb_lost(sk, seq)


def packet_delayed(sk: TcpSock, tsecr_ms: int) -> bool:
    """Report whether the ACK answers an original, not a retransmission (``tcp_packet_delayed``, RFC
    3522)."""
    if sk.retrans_stamp_ms:
        return sk.host.timestamps and tsecr_ms < sk.retrans_stamp_ms
    # Nothing was retransmitted yet, or, without SACK, all up to high is acknowledged.
    return sk.host.sack or sk.una < sk.high


def may_undo(sk: TcpSock, tsecr_ms: int) -> bool:
    """Report whether the reduction has proved needless (``tcp_may_undo``)."""
    return sk.undo_from >= 0 and (not sk.undo_retrans or packet_delayed(sk, tsecr_ms))


def undo_cwnd_reduction(sk: TcpSock, *, unmark_loss: bool) -> None:
    """Take a reduction back; after a swap there is nothing to restore, as ``prior_ssthresh`` is 0
    (``tcp_undo_cwnd_reduction``)."""
    if unmark_loss:
        _unmark_lost(sk)
    if sk.prior_ssthresh:
        undo = sk.ca_ops.undo_cwnd
        assert undo is not None
        sk.snd_cwnd = answer("undo_cwnd", undo, undo(sk))
        if sk.prior_ssthresh > sk.snd_ssthresh:
            sk.snd_ssthresh = sk.prior_ssthresh
            withdraw_cwr(sk)
    sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache
    sk.undo_from = -1
    sk.rack_advanced = True  # RACK has to look at its losses again
    sk.counters["undos"] += 1
    sk.on_event(sk, "undo", {"snd_cwnd": sk.snd_cwnd, "ssthresh": sk.snd_ssthresh})


def _unmark_lost(sk: TcpSock) -> None:
    flags, base = sk.packets.flags, sk.packets.base
    for i in range(sk.una - base, sk.nxt - base):
        flags[i] &= ~LOST
    sk.lost_out = 0
    sk.rack_cursor = sk.una


def try_keep_open(sk: TcpSock) -> None:
    """Go to Open, or Disorder while something is SACKed, lost or retransmitted
    (``tcp_try_keep_open``)."""
    left_out = sk.sacked_out + sk.lost_out
    state = DISORDER if left_out or any_retrans_done(sk) else OPEN
    if sk.ca_state != state:
        set_ca_state(sk, state)
        sk.high = sk.nxt
