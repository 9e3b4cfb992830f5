"""ACK processing, row by row: the definition that the vector path is proved equal to
(``tcp_ack``)."""

from __future__ import annotations

from ccsim.kernel.ops import PLAIN_ACK, AckFlag, AckInfo, CaState
from ccsim.kernel.sock import PACING_NONE
from ccsim.tcp.accecn import accecn_process
from ccsim.tcp.cwnd import cwnd_reduction, in_flight
from ccsim.tcp.hooks import hooks_of
from ccsim.tcp.output import set_xmit_timer, settle_timer, write_xmit, xmit_retransmit_queue
from ccsim.tcp.pacing import pacing_due, pacing_rate, update_pacing_rate
from ccsim.tcp.packets import APP_LIMITED, EVER_RETRANS, LOST, RETRANS, SACKED
from ccsim.tcp.rack import rack_advance, rack_update_reo_wnd
from ccsim.tcp.rate import (
    CE_MASK,
    begin_sample,
    ce_delivered,
    note_ce,
    skb_delivered,
    take_sample,
)
from ccsim.tcp.recovery_state import (
    ACKED,
    NOT_DUP,
    SET_TIMER,
    SLOWPATH,
    UNA_ADVANCED,
    AckState,
    fastretrans_alert,
    process_tlp_ack,
)
from ccsim.tcp.reno_sack import remove_reno_sacks
from ccsim.tcp.rtt import update_rtt
from ccsim.tcp.sack import check_sack_reordering, tag_blocks
from ccsim.tcp.sack_blocks import AceBlocks, Blocks, EceBlocks, as_blocks
from ccsim.tcp.sock import TIMER_RTO, TcpSock
from ccsim.tcp.usual_sack import usual_sack

__all__ = ["MARKED", "on_ack"]

OPEN, DISORDER, CWR, RECOVERY, LOSS = (int(state) for state in CaState)
PLAIN = PLAIN_ACK
WIN_UPDATE, CA_ACK_SLOWPATH, CA_ACK_ECE = int(AckFlag.WIN_UPDATE), int(AckFlag.SLOWPATH), 4
ORIG_SACK_ACKED = int(AckInfo.ORIG_SACK_ACKED)
MAYBE_DELAYED = int(AckInfo.ACK_MAYBE_DELAYED)
NO_BLOCKS = as_blocks(())
MARKED = SACKED | RETRANS | LOST | EVER_RETRANS


def on_ack(sk: TcpSock, t_ns: int, ack: int, echo_us: int, blocks: Blocks | None = None) -> None:
    """Process an ACK that arrives at ``t_ns``: ``ack`` packets received in order, ``echo_us`` the
    send time of the packet whose timestamp it echoes [us], ``blocks`` its SACK blocks in the
    receiver's order; then send what may be sent."""
    sk.tcp_clock_cache = t_ns
    sk.tcp_mstamp = t_ns // 1000
    sk.ack_ns, sk.echo_us = t_ns, echo_us
    if (
        blocks is None
        and sk.ca_state == OPEN
        and ack > sk.una
        and not sk.sacked_out
        and sk.tlp_high < 0
        and _plain_ack(sk, ack)
    ):
        return
    if blocks is None:
        _full_ack(sk, ack, echo_us, None)
        return
    sacks = as_blocks(blocks)
    if not usual_sack(sk, ack, sacks):
        _full_ack(sk, ack, echo_us, sacks)


def _plain_ack(sk: TcpSock, ack: int) -> bool:
    """Process an ACK in plain order: Open, nothing SACKed, lost or retransmitted; False if the
    latter does not hold.

    It does what `_full_ack` does, less what such an ACK cannot bring about. Of the packets it
    acknowledges only the first (RTT), the last (minimum RTT, RACK, rate sample) and their number
    matter.
    """
    packets = sk.packets
    una = sk.una
    first = una - packets.base
    last = ack - 1 - packets.base
    flags = packets.flags
    for i in range(first, last + 1):
        if flags[i] & MARKED:
            return False
    now_us = sk.tcp_mstamp
    tx_us = packets.tx_us[last]
    acked = ack - una
    ops, hooks = sk.ca_ops, hooks_of(sk)
    rs = sk.rate_sample
    rs.prior_in_flight = sk.nxt - una
    sk.una = ack
    sk.icsk_retransmits = 0
    sk.delivered = delivered = sk.delivered + acked
    # RACK and the rate sample: the last packet is the latest sent.
    sk.rack_advanced = True
    sk.rack_rtt_us = rs.rtt_us = ca_rtt_us = now_us - tx_us
    sk.rack_mstamp_us = sk.first_tx_us = tx_us
    sk.rack_end = ack
    sk.sample_end = ack - 1
    rs.prior_delivered = prior_delivered = packets.delivered[last]
    delayed = acked == 1 and prior_delivered + 1 == delivered and una in sk.runts
    update_rtt(sk, now_us - packets.tx_us[first], ca_rtt_us, delayed)
    if ops.pkts_acked is not None:
        sample = sk.ack_sample
        sample.pkts_acked = acked
        sample.rtt_us = ca_rtt_us
        sample.in_flight = sk.mss_cache * (delivered - prior_delivered)
        hooks.pkts_acked(sk, sample)
    if sk.reord_seen or sk.rack_reo_wnd_steps > 1:
        rack_update_reo_wnd(sk)
    if ops.in_ack_event is not None:
        hooks.in_ack_event(sk, WIN_UPDATE)
    if sk.app_limited and delivered > sk.app_limited:
        sk.app_limited = 0
    sk.delivered_mstamp = now_us
    if ops.cong_control is not None:
        _plain_rate_sample(sk, last, delivered, now_us, acked)
        rs.last_end_seq = byte = ack * sk.mss_cache
        flag = PLAIN
        if una < sk.high:
            flag |= ORIG_SACK_ACKED
        if delayed:
            rs.is_ack_delayed = True
            flag |= MAYBE_DELAYED
        hooks.cong_control(sk, byte, flag, rs)
    else:
        hooks.cong_avoid(sk, ack * sk.mss_cache, acked)
        sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache
        sk.pacing_rate = pacing_rate(sk, sk.snd_cwnd, sk.nxt - ack, sk.srtt_us)
    nxt = sk.nxt
    if (
        sk.tcp_wstamp_ns > sk.tcp_clock_cache
        and sk.pacing_status != PACING_NONE
        and nxt - ack < sk.snd_cwnd
        and nxt < sk.write_limit
        and nxt < ack + sk.rwnd
    ):
        sk.pacing_ns = pacing_due(sk)  # the pacer's turn comes later: nothing can be sent now
        set_xmit_timer(sk)
        return True
    # The timer that the ACK sets anew is set again by what it lets out: once is enough, unless that
    # is the RTO because there are no loss probes.
    if not write_xmit(sk) or sk.timer_kind == TIMER_RTO:
        set_xmit_timer(sk)
    return True


def _plain_rate_sample(sk: TcpSock, last: int, delivered: int, now_us: int, acked: int) -> None:
    """Complete the rate sample of a plain ACK whose last packet stands in row ``last``
    (``tcp_rate_gen``)."""
    packets = sk.packets
    rs = sk.rate_sample
    rs.acked_sacked = acked
    rs.losses = 0
    rs.delivered = delivered - rs.prior_delivered
    rs.prior_mstamp = prior_us = packets.delivered_us[last]
    rs.is_app_limited = packets.flags[last] & APP_LIMITED != 0
    rs.is_retrans = rs.is_ack_delayed = False
    rs.snd_interval_us = interval = packets.tx_us[last] - packets.first_tx_us[last]
    rs.rcv_interval_us = now_us - prior_us
    if now_us - prior_us > interval:
        interval = now_us - prior_us
    rs.interval_us = interval if interval >= sk.rtt_min_us else -1
    if sk.delivered_ce:
        rs.prior_delivered_ce = ce_delivered(sk, rs.prior_delivered)
        rs.delivered_ce = sk.delivered_ce - rs.prior_delivered_ce & CE_MASK
    else:
        rs.prior_delivered_ce = rs.delivered_ce = 0


def _full_ack(sk: TcpSock, ack: int, echo_us: int, blocks: Blocks | None) -> None:
    if sk.timer_resend:
        settle_timer(sk)  # while state and RTT are still those of the last packet sent
    prior_una = sk.una
    ece = type(blocks) is EceBlocks
    if ack < prior_una and not blocks:
        return
    rs = begin_sample(sk)
    state = AckState(sk.host.timestamp_ms(echo_us), ece)
    if blocks is not None:  # any option but timestamps, and ECE, are off the fast path
        state.flags = SLOWPATH
    delivered, lost = sk.delivered, sk.lost
    prior_fack = sk.sack_high if sk.sacked_out else prior_una
    rs.prior_in_flight = in_flight(sk)
    if ack > prior_una:
        state.flags |= UNA_ADVANCED | NOT_DUP
        sk.icsk_retransmits = 0
    state.sack = tag_blocks(sk, ack, blocks, prior_una) if blocks else None
    if not blocks:
        sk.last_blocks = NO_BLOCKS
    if ack < prior_una:
        fastretrans_alert(sk, prior_una, 0, state)
        _xmit_recovery(sk, state)
        write_xmit(sk)
        return
    had_packets = sk.nxt > prior_una
    sk.una = ack
    if had_packets:
        _clean_rtx_queue(sk, prior_una, ack, prior_fack, state)
        rack_update_reo_wnd(sk)
        counted = sk.delivered - delivered
        if ece:
            sk.delivered_ce += counted
        elif counted and isinstance(blocks, AceBlocks):
            state.ece = accecn_process(sk, blocks, counted) > 0
        _tell_ack_event(sk, state)
        if sk.tlp_high >= 0:
            process_tlp_ack(sk, ack, state)
        _judge(sk, prior_una, state)
        if state.flags & SET_TIMER:
            set_xmit_timer(sk)
        delivered = sk.delivered - delivered
        if ece:
            sk.delivered_ce += delivered - counted  # without SACK, by what the ACK is taken for
            if delivered:
                note_ce(sk)
        elif state.ece:
            note_ce(sk)
        take_sample(sk, rs, delivered, sk.lost - lost)
        _cong_control(sk, ack, delivered, state)
        _xmit_recovery(sk, state)
    else:
        _tell_ack_event(sk, state)
        if state.sack is not None and state.sack.dsack:
            fastretrans_alert(sk, prior_una, 0, state)
        if sk.tlp_high >= 0:
            process_tlp_ack(sk, ack, state)
    write_xmit(sk)


def _judge(sk: TcpSock, prior_una: int, state: AckState) -> None:
    """Run the state machine if the ACK is dubious (``tcp_ack_is_dubious``)."""
    sack = state.sack
    if state.flags & NOT_DUP and not state.alert and sk.ca_state == OPEN:
        return
    duplicate = not state.flags & (UNA_ADVANCED | NOT_DUP) and not (sack is not None and sack.dsack)
    fastretrans_alert(sk, prior_una, int(duplicate), state)


def _clean_rtx_queue(
    sk: TcpSock, prior_una: int, ack: int, prior_fack: int, state: AckState
) -> None:
    """Take acknowledged packets off, with their accounts and RTT (``tcp_clean_rtx_queue``)."""
    packets = sk.packets
    tx, flags, base = packets.tx_us, packets.flags, packets.base
    first_us = last_us = -1
    reord = sk.nxt
    retransmitted = False
    with_sack, prior_sacked = sk.host.sack, sk.sacked_out
    rs = sk.rate_sample
    for seq in range(prior_una, ack):
        i = seq - base
        mark = flags[i]
        if mark & (SACKED | RETRANS | LOST) == SACKED and packets.delivered_us[i] < 0:
            # Its delivery has been accounted.
            retransmitted = retransmitted or mark & EVER_RETRANS != 0
            sk.sacked_out -= 1
            continue
        if mark & (RETRANS | EVER_RETRANS):
            if mark & RETRANS:
                sk.retrans_out -= 1
            retransmitted = True
        elif not mark & SACKED:
            last_us = tx[i]
            if first_us < 0:
                first_us = last_us
            reord = min(reord, seq)
            if seq < sk.high:
                state.orig_acked = True
        if mark & SACKED:
            sk.sacked_out -= 1
        elif with_sack:
            sk.delivered += 1
            if not _spurious_retransmission(sk, mark, tx[i], state):
                rack_advance(sk, mark, seq + 1, tx[i])
        if mark & LOST:
            sk.lost_out -= 1
        skb_delivered(sk, i, rs)
    state.retrans_acked = retransmitted
    if first_us >= 0 and not retransmitted:
        now_us = sk.tcp_mstamp
        seq_rtt_us, ca_rtt_us = now_us - first_us, now_us - last_us
        if ack == prior_una + 1 and prior_una in sk.runts and not prior_sacked:
            state.maybe_delayed = rs.prior_delivered + 1 == sk.delivered and not state.alert
            rs.is_ack_delayed = state.maybe_delayed
    else:
        seq_rtt_us = ca_rtt_us = -1
    _take_rtt(sk, seq_rtt_us, ca_rtt_us, ack > prior_una, state)
    if ack > prior_una:
        state.flags |= ACKED | SET_TIMER
        if not with_sack:
            remove_reno_sacks(sk, ack - prior_una)
            state.orig_acked = state.orig_acked and not retransmitted
        elif reord < prior_fack:
            check_sack_reordering(sk, reord)
    _tell_pkts_acked(sk, ack - prior_una)


def _spurious_retransmission(sk: TcpSock, mark: int, tx_us: int, state: AckState) -> bool:
    """Report whether the original of a retransmitted packet is what was acknowledged
    (``tcp_skb_spurious_retrans``)."""
    return (
        sk.host.timestamps
        and bool(mark & (RETRANS | EVER_RETRANS))
        and state.echo_ms < sk.host.timestamp_ms(tx_us)
    )


def _take_rtt(sk: TcpSock, seq_rtt_us: int, ca_rtt_us: int, acked: bool, state: AckState) -> None:
    """Choose the RTT sample: from the ACK, else from SACKs, else from the echoed timestamp
    (``tcp_ack_update_rtt``)."""
    sack = state.sack
    sack_rtt_us = -1
    now_us = sk.tcp_mstamp
    if sack is not None and sack.first_us >= 0:
        sack_rtt_us = now_us - sack.first_us
        ca_rtt_us = now_us - sack.last_us
    if seq_rtt_us < 0:
        seq_rtt_us = sack_rtt_us
    if seq_rtt_us < 0 and acked and sk.host.timestamps:
        # The timestamp clock counts whole milliseconds at both ends.
        seq_rtt_us = ca_rtt_us = max(sk.host.timestamp_ms(now_us) - state.echo_ms, 1) * 1000
    sk.rate_sample.rtt_us = ca_rtt_us
    if seq_rtt_us < 0:
        return
    update_rtt(sk, seq_rtt_us, ca_rtt_us, state.maybe_delayed)
    if not acked and sack_rtt_us >= 0 and sk.nxt > sk.una:
        head_us = sk.packets.tx_us[sk.una - sk.packets.base]
        if sack_rtt_us > now_us - head_us:
            state.flags |= SET_TIMER


def _tell_ack_event(sk: TcpSock, state: AckState) -> None:
    """Tell the algorithm what kind of ACK it is (``tcp_in_ack_event``)."""
    if sk.ca_ops.in_ack_event is not None:
        event = WIN_UPDATE if state.flags & UNA_ADVANCED else 0
        if state.flags & SLOWPATH:
            event |= CA_ACK_SLOWPATH | (CA_ACK_ECE if state.ece else 0)
        hooks_of(sk).in_ack_event(sk, event)


def _tell_pkts_acked(sk: TcpSock, acked: int) -> None:
    if sk.ca_ops.pkts_acked is not None:
        sample = sk.ack_sample
        sample.pkts_acked = acked
        sample.rtt_us = sk.rate_sample.rtt_us
        sample.in_flight = sk.mss_cache * (sk.delivered - sk.rate_sample.prior_delivered)
        hooks_of(sk).pkts_acked(sk, sample)


def _cong_control(sk: TcpSock, ack: int, delivered: int, state: AckState) -> None:
    """Let the algorithm, or PRR, set the window (``tcp_cong_control``)."""
    ops, hooks = sk.ca_ops, hooks_of(sk)
    if ops.cong_control is not None:
        hooks.cong_control(sk, ack * sk.mss_cache, state.info(), sk.rate_sample)
        return
    if sk.ca_state in (CWR, RECOVERY):
        cwnd_reduction(sk, delivered, sk.rate_sample.losses, bool(state.flags & UNA_ADVANCED))
    elif state.flags & ACKED or (
        sk.reordering > sk.host.reordering and state.sack is not None and state.sack.data_sacked
    ):
        hooks.cong_avoid(sk, ack * sk.mss_cache, delivered)
        sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache
    update_pacing_rate(sk)


def _xmit_recovery(sk: TcpSock, state: AckState) -> None:
    """Send what recovery calls for: new data after step 2.b of F-RTO, else retransmissions
    (``tcp_xmit_recovery``)."""
    if not state.rexmit:
        return
    if state.new_data_first:
        write_xmit(sk)
        if sk.nxt > sk.high:
            return
        sk.frto = False
    if sk.nxt > sk.una:
        xmit_retransmit_queue(sk)
