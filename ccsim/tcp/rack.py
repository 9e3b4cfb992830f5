"""RACK loss detection: a packet is lost when one sent sufficiently later was delivered (RFC 8985,
``tcp_recovery.c``)."""

from __future__ import annotations

from ccsim.ints import heappush
from ccsim.kernel.ops import CaState
from ccsim.tcp.host import RACK_NO_DUPTHRESH, RACK_STATIC_REO_WND, TIMEOUT_MIN_US
from ccsim.tcp.packets import EVER_RETRANS, LOST, RETRANS, SACKED
from ccsim.tcp.sock import TIMER_REO, TcpSock

__all__ = [
    "mark_lost",
    "mark_skb_lost",
    "rack_advance",
    "rack_mark_lost",
    "rack_reo_wnd",
    "rack_update_reo_wnd",
]

RECOVERY = int(CaState.RECOVERY)
REO_WND_PERSIST = 16  # recoveries for which a widened window stays (TCP_RACK_RECOVERY_THRESH)
REO_WND_STEPS_MAX = 255


def rack_advance(sk: TcpSock, flags: int, end: int, tx_us: int) -> None:
    """Note a delivered packet that ends before ``end`` and was sent at ``tx_us``
    (``tcp_rack_advance``)."""
    rtt_us = sk.tcp_mstamp - tx_us
    if rtt_us < sk.rtt_min_us and flags & (RETRANS | EVER_RETRANS):
        return  # too early to be an answer to the retransmission
    sk.rack_advanced = True
    sk.rack_rtt_us = rtt_us
    if tx_us > sk.rack_mstamp_us or (tx_us == sk.rack_mstamp_us and end > sk.rack_end):
        sk.rack_mstamp_us = tx_us
        sk.rack_end = end


def rack_reo_wnd(sk: TcpSock) -> int:
    """Return how much later than a delivered packet another may still come [us] (RFC 8985 section
    6.2, step 4, ``tcp_rack_reo_wnd``)."""
    if not sk.reord_seen and (
        sk.ca_state >= RECOVERY
        or (sk.sacked_out >= sk.reordering and not sk.host.recovery & RACK_NO_DUPTHRESH)
    ):
        return 0
    return min((sk.rtt_min_us >> 2) * sk.rack_reo_wnd_steps, sk.srtt_us >> 3)


def rack_update_reo_wnd(sk: TcpSock) -> None:
    """Widen the window by min_rtt/4 for each round with a DSACK (``tcp_rack_update_reo_wnd``)."""
    prior_delivered = sk.rate_sample.prior_delivered
    if not prior_delivered or sk.host.recovery & RACK_STATIC_REO_WND:
        return
    if prior_delivered < sk.rack_last_delivered:
        sk.rack_dsack_seen = False
    if sk.rack_dsack_seen:
        sk.rack_reo_wnd_steps = min(REO_WND_STEPS_MAX, sk.rack_reo_wnd_steps + 1)
        sk.rack_dsack_seen = False
        sk.rack_last_delivered = sk.delivered
        sk.rack_reo_wnd_persist = REO_WND_PERSIST
    elif not sk.rack_reo_wnd_persist:
        sk.rack_reo_wnd_steps = 1


def mark_skb_lost(sk: TcpSock, seq: int) -> None:
    """Mark a packet lost; a retransmission of it that was in flight is lost too
    (``tcp_mark_skb_lost``)."""
    flags = sk.packets.flags
    i = seq - sk.packets.base
    state = flags[i]
    if state & SACKED:
        return
    if not state & LOST:
        flags[i] = state | LOST
        sk.lost_out += 1
        sk.lost += 1
        heappush(sk.rtx_queue, seq)
    elif state & RETRANS:
        heappush(sk.rtx_queue, seq)
        flags[i] = state & ~RETRANS
        sk.retrans_out -= 1
        sk.lost += 1
        sk.counters["lost_retransmits"] += 1


def rack_mark_lost(sk: TcpSock) -> bool:
    """Judge what was sent before the latest delivered packet; True if the reordering timer was set
    (``tcp_rack_mark_lost``)."""
    if not sk.rack_advanced:
        return False
    sk.rack_advanced = False
    timeout_us = mark_lost(sk)
    if timeout_us:
        delay = sk.host.us_to_jiffies(timeout_us + TIMEOUT_MIN_US)
        sk.timer_kind = TIMER_REO
        sk.timer_settled = True
        sk.timer_ns = sk.host.expiry_ns(
            sk.tcp_clock_cache, min(delay, sk.rto_jiffies), sk.timer_ran_tick
        )
    return bool(timeout_us)


def mark_lost(sk: TcpSock) -> int:
    """Mark lost what is overdue; return how long the rest may still take [us], 0 for none
    (``tcp_rack_detect_loss``).

    First transmissions are in order of time when in order of number, so a cursor passes each of
    them once; retransmissions stand in a list of their own, in their order of time. Nearly always
    the first of both was sent too late to be judged.
    """
    packets = sk.packets
    base, flags = packets.base, packets.flags
    first = seq = sk.rack_cursor if sk.rack_cursor > sk.una else sk.una
    nxt = sk.nxt
    while seq < nxt and flags[seq - base] & (SACKED | LOST | EVER_RETRANS):
        seq += 1
    if seq > first:
        sk.rack_cursor = seq  # everything below is marked, delivered or was retransmitted
    timeout = 0
    mstamp = sk.rack_mstamp_us
    if seq < nxt and packets.tx_us[seq - base] <= mstamp:
        timeout = _judge_originals(sk, seq, _deadline(sk))
    resent_us = sk.rack_resent_us
    if len(resent_us) and resent_us.cells[0] <= mstamp:
        timeout = max(timeout, _judge_retransmits(sk, _deadline(sk)))
    return timeout


def _deadline(sk: TcpSock) -> int:
    """Return by how much a time of transmission lies before that of an overdue packet, less now
    [us]: overdue is what has tx_us + deadline <= 0."""
    return sk.rack_rtt_us + rack_reo_wnd(sk) - sk.tcp_mstamp


def _judge_originals(sk: TcpSock, seq: int, deadline: int) -> int:
    """Judge first transmissions from ``seq`` on, which nothing has been found out about yet."""
    packets = sk.packets
    base, tx, flags = packets.base, packets.tx_us, packets.flags
    mstamp, end, nxt = sk.rack_mstamp_us, sk.rack_end, sk.nxt
    timeout = 0
    settled = True  # everything below seq is marked, delivered or was retransmitted
    while seq < nxt:
        i = seq - base
        if not flags[i] & (SACKED | LOST | EVER_RETRANS):
            tx_us = tx[i]
            if not (mstamp > tx_us or (mstamp == tx_us and end > seq + 1)):
                break
            remaining = tx_us + deadline
            if remaining <= 0:
                mark_skb_lost(sk, seq)
            else:
                settled = False
                timeout = max(timeout, remaining)
        seq += 1
        if settled:
            sk.rack_cursor = seq
    return timeout


def _judge_retransmits(sk: TcpSock, deadline: int) -> int:
    """Judge retransmissions, oldest first; forget those that are settled."""
    packets = sk.packets
    base, tx, flags = packets.base, packets.tx_us, packets.flags
    mstamp, end, una = sk.rack_mstamp_us, sk.rack_end, sk.una
    resent, resent_us = sk.rack_resent, sk.rack_resent_us
    seqs, times = resent.cells, resent_us.cells
    timeout = judged = held = 0
    for k in range(len(resent)):
        seq, tx_us = seqs[k], times[k]
        if not (mstamp > tx_us or (mstamp == tx_us and end > seq + 1)):
            break
        judged += 1
        i = seq - base
        if seq < una or tx[i] != tx_us or flags[i] & SACKED:
            continue
        if flags[i] & LOST and not flags[i] & RETRANS:
            continue
        remaining = tx_us + deadline
        if remaining <= 0:
            mark_skb_lost(sk, seq)
        else:
            timeout = max(timeout, remaining)
            seqs[held], times[held] = seq, tx_us
            held += 1
    gone = judged - held
    if gone:
        for k in range(held - 1, -1, -1):
            seqs[gone + k], times[gone + k] = seqs[k], times[k]
        resent.forget(gone)
        resent_us.forget(gone)
    return timeout
