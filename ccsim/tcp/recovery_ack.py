"""The usual ACK of a recovery: one more packet SACKed beyond all others, in less time.

It does what `ccsim.tcp.input` does with any ACK, less what this one cannot bring about; whatever is
out of the ordinary is left to that. A test takes this path away and finds no difference.
"""

from __future__ import annotations

from ccsim.kernel.ops import CaState
from ccsim.tcp.cwnd import cwnd_reduction, in_flight
from ccsim.tcp.output import set_xmit_timer, write_xmit, xmit_retransmit_queue
from ccsim.tcp.pacing import update_pacing_rate
from ccsim.tcp.packets import APP_LIMITED, SACKED
from ccsim.tcp.rack import rack_mark_lost
from ccsim.tcp.rate import take_sample
from ccsim.tcp.rtt import update_rtt
from ccsim.tcp.sack import Blocks
from ccsim.tcp.sock import TcpSock

__all__ = ["is_usual", "usual_sack"]

RECOVERY = int(CaState.RECOVERY)
SLOWPATH = 1  # CA_ACK_SLOWPATH


def is_usual(sk: TcpSock, ack: int, blocks: Blocks) -> bool:
    """Report whether an ACK adds nothing but one packet, never retransmitted, to its first
    block."""
    known = sk.last_blocks
    if (
        sk.ca_state != RECOVERY
        or ack != sk.una
        or not known
        or type(blocks) is not tuple
        or sk.tlp_high_seq >= 0
        or sk.undo_retrans == 0
        or sk.rack_dsack_seen
    ):
        return False
    start, end = blocks[0]
    if known[0] != (start, end - 1) or blocks[1:] != known[1:] or end <= sk.sack_high:
        return False
    return (
        end <= sk.nxt
        and start >= ack
        and not sk.packets.flags[end - 1 - sk.packets.base] & ~APP_LIMITED
    )


def usual_sack(sk: TcpSock, blocks: Blocks) -> None:
    """Process an ACK that `is_usual` found to be so."""
    packets = sk.packets
    end = blocks[0][1]
    i = end - 1 - packets.base
    tx_us = packets.tx_us[i]
    rs = sk.rate_sample
    rs.prior_in_flight = in_flight(sk)
    lost = sk.lost
    rtt_us = sk.tcp_mstamp - tx_us
    _take_tag(sk, i, end, tx_us, rtt_us)
    sk.last_blocks = blocks
    update_rtt(sk, rtt_us, rtt_us)
    head_us = packets.tx_us[sk.una - packets.base]
    ops = sk.ca_ops
    if ops.pkts_acked is not None:
        sample = sk.ack_sample
        sample.pkts_acked = 0
        sample.rtt_us = rtt_us
        sample.in_flight = sk.mss_cache * (sk.delivered - rs.prior_delivered)
        ops.pkts_acked(sk, sample)
    if not sk.rack_reo_wnd_persist:
        sk.rack_reo_wnd_steps = 1
    if ops.in_ack_event is not None:
        ops.in_ack_event(sk, SLOWPATH)
    if not rack_mark_lost(sk) and tx_us < head_us:
        set_xmit_timer(sk)  # the head was retransmitted after this packet: its answer is due
    take_sample(sk, rs, 1, sk.lost - lost)
    _control(sk)
    xmit_retransmit_queue(sk)
    write_xmit(sk)


def _take_tag(sk: TcpSock, i: int, end: int, tx_us: int, rtt_us: int) -> None:
    """Mark row ``i`` SACKED: the latest packet sent that is known to have been delivered."""
    packets = sk.packets
    rs = sk.rate_sample
    sk.rack_advanced = True
    sk.rack_rtt_us = rs.rtt_us = rtt_us
    if tx_us > sk.rack_mstamp_us or (tx_us == sk.rack_mstamp_us and end > sk.rack_end):
        sk.rack_mstamp_us = tx_us
        sk.rack_end = end
    rs.is_app_limited = packets.flags[i] & APP_LIMITED != 0
    rs.is_retrans = False
    rs.is_ack_delayed = False
    rs.prior_delivered = packets.delivered[i]
    rs.prior_mstamp = packets.delivered_us[i]
    rs.interval_us = tx_us - packets.first_tx_us[i]
    sk.first_tx_us = tx_us
    sk.sample_end = end - 1
    packets.delivered_us[i] = -1
    packets.flags[i] |= SACKED
    sk.sacked_out += 1
    sk.delivered += 1
    sk.sack_high = end


def _control(sk: TcpSock) -> None:
    """Let the algorithm, or PRR, set the window (``tcp_cong_control``)."""
    ops = sk.ca_ops
    if ops.cong_control is not None:
        ops.cong_control(sk, sk.una * sk.mss_cache, 0, sk.rate_sample)
        return
    cwnd_reduction(sk, 1, sk.rate_sample.losses, una_advanced=False)
    update_pacing_rate(sk)
