"""The usual ACK of a recovery: one more packet SACKed and nothing else, in less time.

It does what `ccsim.tcp.input` does with any ACK, less what this one cannot bring about; whatever is
out of the ordinary is left to that. A test takes this path away and finds no difference.
"""

from __future__ import annotations

from ccsim.kernel.ops import AckFlag, AckInfo, CaState
from ccsim.kernel.sock import PACING_NONE
from ccsim.tcp.cwnd import cwnd_reduction
from ccsim.tcp.hooks import hooks_of
from ccsim.tcp.output import cwnd_validate, rearm_rto, write_xmit, xmit_retransmit_queue
from ccsim.tcp.pacing import pacing_due, update_pacing_rate
from ccsim.tcp.packets import APP_LIMITED, EVER_RETRANS, LOST, RETRANS, SACKED
from ccsim.tcp.rack import rack_mark_lost
from ccsim.tcp.rate import take_sample
from ccsim.tcp.rtt import update_rtt
from ccsim.tcp.sack_blocks import Blocks, EceBlocks, only_new
from ccsim.tcp.sock import TcpSock

__all__ = ["usual_sack"]

RECOVERY = int(CaState.RECOVERY)
SLOWPATH = int(AckFlag.SLOWPATH)
SACKS_ONE = int(AckInfo.SLOWPATH | AckInfo.UPDATE_TS_RECENT | AckInfo.DATA_SACKED)
ORIG_SACK_ACKED, LOST_RETRANS = int(AckInfo.ORIG_SACK_ACKED), int(AckInfo.LOST_RETRANS)
SET_XMIT_TIMER = int(AckInfo.SET_XMIT_TIMER)
NO_ANSWER = 1 << 62  # later than any time of transmission [us]


def usual_sack(sk: TcpSock, ack: int, blocks: Blocks) -> bool:
    """Process an ACK of Recovery that reports one more packet: beyond all others, or wherever it
    was retransmitted; False and nothing done if it is another one."""
    if (
        sk.ca_state != RECOVERY
        or ack != sk.una
        or ack >= sk.high
        or isinstance(blocks, EceBlocks)
        or sk.tlp_high >= 0
        or sk.undo_retrans == 0
        or sk.rack_dsack_seen
        or not sk.sacked_out
    ):
        return False
    seq = _only_new(sk, ack, blocks)
    if seq < 0:
        return False
    lost = sk.lost
    sk.rate_sample.prior_in_flight = sk.nxt - ack - sk.sacked_out - sk.lost_out + sk.retrans_out
    tx_us = _take_tag(sk, seq)
    sk.last_blocks = blocks
    ops, hooks = sk.ca_ops, hooks_of(sk)
    if ops.pkts_acked is not None:
        _tell_pkts_acked(sk)
    if not sk.rack_reo_wnd_persist:
        sk.rack_reo_wnd_steps = 1
    if ops.in_ack_event is not None:
        hooks.in_ack_event(sk, SLOWPATH)
    info, retrans_out = SACKS_ONE, sk.retrans_out
    if tx_us != NO_ANSWER and seq < sk.high:
        info |= ORIG_SACK_ACKED
    if not rack_mark_lost(sk) and tx_us < sk.packets.tx_us[ack - sk.packets.base]:
        rearm_rto(sk)  # the head was retransmitted after this packet: its answer is due
        info |= SET_XMIT_TIMER
    if retrans_out > sk.retrans_out:
        info |= LOST_RETRANS
    take_sample(sk, sk.rate_sample, 1, sk.lost - lost)
    if ops.cong_control is not None:
        hooks.cong_control(sk, ack * sk.mss_cache, info, sk.rate_sample)
    else:
        cwnd_reduction(sk, 1, sk.rate_sample.losses, una_advanced=False)
        update_pacing_rate(sk)
    _send(sk)
    return True


def _only_new(sk: TcpSock, ack: int, blocks: Blocks) -> int:
    """Return the one packet that the first block reports and the ACK before did not; -1 if there
    is more, or less, to it."""
    seq = only_new(blocks, sk.last_blocks, ack, sk.nxt)
    if seq < 0:
        return -1
    mark = sk.packets.flags[seq - sk.packets.base]
    if mark & SACKED:
        return -1
    if not mark & EVER_RETRANS and (mark & LOST or seq < sk.sack_high):
        return -1  # the original came late
    return seq


def _take_tag(sk: TcpSock, seq: int) -> int:
    """Mark packet ``seq`` SACKED, with its RTT if that is known; return the time from which the
    answer counts [us], `NO_ANSWER` for a retransmission."""
    packets = sk.packets
    rs = sk.rate_sample
    i = seq - packets.base
    mark = packets.flags[i]
    sent_us = packets.tx_us[i]
    rtt_us = sk.tcp_mstamp - sent_us
    again = mark & EVER_RETRANS
    if not again or rtt_us >= sk.rtt_min_us:  # not too early to answer the retransmission
        sk.rack_advanced = True
        sk.rack_rtt_us = rtt_us
        mstamp_us = sk.rack_mstamp_us
        if sent_us > mstamp_us or (sent_us == mstamp_us and seq >= sk.rack_end):
            sk.rack_mstamp_us = sent_us
            sk.rack_end = seq + 1
    rs.is_app_limited = mark & APP_LIMITED != 0
    rs.is_retrans = again != 0
    rs.is_ack_delayed = False
    rs.prior_delivered = packets.delivered[i]
    rs.prior_mstamp = packets.delivered_us[i]
    rs.interval_us = sent_us - packets.first_tx_us[i]
    sk.first_tx_us = sent_us
    sk.sample_end = seq
    packets.delivered_us[i] = -1
    sk.sacked_out += 1
    sk.delivered += 1
    if seq >= sk.sack_high:
        sk.sack_high = seq + 1
    if not again:
        packets.flags[i] = mark | SACKED
        rs.rtt_us = rtt_us
        update_rtt(sk, rtt_us, rtt_us)
        return sent_us
    packets.flags[i] = _after_retransmission(sk, mark) | SACKED
    rs.rtt_us = -1
    return NO_ANSWER


def _after_retransmission(sk: TcpSock, mark: int) -> int:
    """Take a packet that came off the accounts of what is lost and retransmitted; return its
    marks."""
    if mark & LOST:
        sk.lost_out -= 1
        if mark & RETRANS:
            sk.retrans_out -= 1
            return mark & ~(LOST | RETRANS)
        return mark & ~LOST
    return mark


def _tell_pkts_acked(sk: TcpSock) -> None:
    sample, rs = sk.ack_sample, sk.rate_sample
    sample.pkts_acked = 0
    sample.rtt_us = rs.rtt_us
    sample.in_flight = sk.mss_cache * (sk.delivered - rs.prior_delivered)
    hooks_of(sk).pkts_acked(sk, sample)


def _send(sk: TcpSock) -> None:
    """Send what recovery and window let out; while the pacer has it wait, set its timer."""
    if sk.tcp_wstamp_ns <= sk.tcp_clock_cache or sk.pacing_status == PACING_NONE or sk.host.tso:
        xmit_retransmit_queue(sk)
        write_xmit(sk)
        return
    una, nxt, cwnd = sk.una, sk.nxt, sk.snd_cwnd
    lost, again = sk.lost_out, sk.retrans_out
    full = nxt - una - sk.sacked_out - lost + again >= cwnd
    if (again < lost and sk.rtx_queue) or not (
        full or nxt >= sk.write_limit or nxt >= una + sk.rwnd
    ):
        sk.pacing_ns = pacing_due(sk)
    if full:
        cwnd_validate(sk, True)
