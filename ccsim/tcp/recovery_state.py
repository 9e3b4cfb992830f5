"""The congestion state machine: what a dubious ACK leads to (``tcp_fastretrans_alert``)."""

from __future__ import annotations

from ccsim.kernel.ops import AckInfo, CaState
from ccsim.tcp.cwnd import (
    any_retrans_done,
    end_cwnd_reduction,
    enter_cwr,
    enter_recovery,
    init_cwnd_reduction,
    may_undo,
    packet_delayed,
    set_ca_state,
    try_keep_open,
    undo_cwnd_reduction,
)
from ccsim.tcp.rack import REO_WND_PERSIST, rack_mark_lost
from ccsim.tcp.reno_sack import add_reno_sack, newreno_mark_lost, reset_reno_sack
from ccsim.tcp.sack import SackResult, check_sack_reordering
from ccsim.tcp.sock import TcpSock

__all__ = [
    "ACKED",
    "LOST_RETRANS",
    "NOT_DUP",
    "SET_TIMER",
    "SLOWPATH",
    "UNA_ADVANCED",
    "AckState",
    "fastretrans_alert",
    "process_tlp_ack",
]

OPEN, DISORDER, CWR, RECOVERY, LOSS = (int(state) for state in CaState)

# Bits of `AckInfo` that are found out one by one; the others follow at the end.
UNA_ADVANCED = 0x400  # FLAG_SND_UNA_ADVANCED
NOT_DUP = 0x2  # the ACK does more than repeat another (FLAG_WIN_UPDATE, of FLAG_NOT_DUP)
ACKED = 0x4  # FLAG_DATA_ACKED
LOST_RETRANS = 0x80  # FLAG_LOST_RETRANS
SLOWPATH = 0x4100  # FLAG_SLOWPATH, with which comes FLAG_UPDATE_TS_RECENT
SET_TIMER = 0x1000  # FLAG_SET_XMIT_TIMER
ORIG_SACK_ACKED = int(AckInfo.ORIG_SACK_ACKED)
RETRANS_DATA_ACKED, ECE = int(AckInfo.RETRANS_DATA_ACKED), int(AckInfo.ECE)
ACK_MAYBE_DELAYED, DATA_SACKED = int(AckInfo.ACK_MAYBE_DELAYED), int(AckInfo.DATA_SACKED)
DSACKING_ACK, DSACK_TLP = int(AckInfo.DSACKING_ACK), int(AckInfo.DSACK_TLP)


class AckState:
    """What is found out about one ACK while it is processed."""

    __slots__ = (
        *("ece", "echo_ms", "flags", "maybe_delayed", "new_data_first", "orig_acked"),
        *("retrans_acked", "rexmit", "sack"),
    )

    def __init__(self, echo_ms: int, ece: bool) -> None:
        self.flags = 0
        self.echo_ms = echo_ms  # TSecr; without timestamps one that proves nothing
        self.ece = ece  # FLAG_ECE
        self.sack: SackResult | None = None
        self.orig_acked = False  # FLAG_ORIG_SACK_ACKED
        self.retrans_acked = False  # FLAG_RETRANS_DATA_ACKED
        self.maybe_delayed = False  # FLAG_ACK_MAYBE_DELAYED
        self.rexmit = False  # REXMIT_LOST or REXMIT_NEW
        self.new_data_first = False  # REXMIT_NEW

    @property
    def data_sacked(self) -> bool:
        """Whether the ACK SACKs something new."""
        return self.sack is not None and self.sack.data_sacked

    @property
    def alert(self) -> bool:
        """Whether the ACK reports more than progress (``FLAG_CA_ALERT``)."""
        sack = self.sack
        return self.ece or (sack is not None and (sack.data_sacked or sack.dsack))

    def info(self) -> int:
        """Return what ``cong_control`` is told (`AckInfo`)."""
        flags, sack = self.flags, self.sack
        if self.orig_acked or (sack is not None and sack.orig_sacked):
            flags |= ORIG_SACK_ACKED
        if self.retrans_acked:
            flags |= RETRANS_DATA_ACKED
        if self.ece:
            flags |= ECE
        if self.maybe_delayed:
            flags |= ACK_MAYBE_DELAYED
        if sack is not None:
            flags |= DATA_SACKED if sack.data_sacked else 0
            flags |= DSACKING_ACK if sack.dsack else 0
            flags |= DSACK_TLP if sack.dsack_tlp else 0
        return flags


def fastretrans_alert(sk: TcpSock, prior_una: int, num_dupack: int, state: AckState) -> None:
    """Leave, enter or go on in a congestion state; ``state.rexmit`` says whether to retransmit
    after it."""
    if sk.nxt == sk.una and sk.sacked_out:
        sk.sacked_out = 0
    if state.ece:
        sk.prior_ssthresh = 0
    if sk.ca_state == OPEN:
        sk.retrans_stamp_ms = 0
    elif sk.una >= sk.high:
        if sk.ca_state == CWR and sk.una != sk.high:
            end_cwnd_reduction(sk)
            set_ca_state(sk, OPEN)
        elif sk.ca_state == RECOVERY:
            if not sk.host.sack:
                reset_reno_sack(sk)
            if _try_undo_recovery(sk, state):
                return
            end_cwnd_reduction(sk)
    if sk.ca_state == RECOVERY:
        go_on = _in_recovery(sk, prior_una, num_dupack, state)
    elif sk.ca_state == LOSS:
        go_on = _in_loss(sk, num_dupack, state)
    else:
        go_on = _otherwise(sk, num_dupack, state)
    if go_on:
        state.rexmit = True


def _in_recovery(sk: TcpSock, prior_una: int, num_dupack: int, state: AckState) -> bool:
    if not state.flags & UNA_ADVANCED:
        if not sk.host.sack:
            add_reno_sack(sk, num_dupack)
    elif _try_undo_partial(sk, prior_una, state):
        return False
    if _try_undo_dsack(sk):
        _try_to_open(sk, state)
    _identify_loss(sk, state)
    if sk.ca_state != RECOVERY:
        if not sk.lost_out:
            return False
        # An undo ended the recovery, and losses are evident all the same: a new one begins.
        enter_recovery(sk, ece=state.ece)
    return True


def _in_loss(sk: TcpSock, num_dupack: int, state: AckState) -> bool:
    _process_loss(sk, num_dupack, state)
    _identify_loss(sk, state)
    if not (sk.ca_state == OPEN or state.flags & LOST_RETRANS):
        return False
    return _otherwise(sk, num_dupack, state)


def _otherwise(sk: TcpSock, num_dupack: int, state: AckState) -> bool:
    if not sk.host.sack:
        if state.flags & UNA_ADVANCED:
            reset_reno_sack(sk)
        add_reno_sack(sk, num_dupack)
    if sk.ca_state <= DISORDER:
        _try_undo_dsack(sk)
    _identify_loss(sk, state)
    if not sk.lost_out:
        _try_to_open(sk, state)
        return False
    enter_recovery(sk, ece=state.ece)
    return True


def _try_to_open(sk: TcpSock, state: AckState) -> None:
    if not any_retrans_done(sk):
        sk.retrans_stamp_ms = 0
    if state.ece:
        enter_cwr(sk)
    if sk.ca_state != CWR:
        try_keep_open(sk)


def _identify_loss(sk: TcpSock, state: AckState) -> None:
    """Let RACK judge, or NewReno without SACK (``tcp_identify_packet_loss``)."""
    if sk.nxt == sk.una:
        return
    if not sk.host.sack:
        newreno_mark_lost(sk, una_advanced=bool(state.flags & UNA_ADVANCED))
        return
    prior_retrans = sk.retrans_out
    if rack_mark_lost(sk):
        state.flags &= ~SET_TIMER
    if prior_retrans > sk.retrans_out:
        state.flags |= LOST_RETRANS


def _try_undo_recovery(sk: TcpSock, state: AckState) -> bool:
    """End Recovery or Loss, undo it if it was needless; True if the state has to stay
    (``tcp_try_undo_recovery``)."""
    if may_undo(sk, state.echo_ms):
        sk.counters["loss_undos" if sk.ca_state == LOSS else "full_undos"] += 1
        undo_cwnd_reduction(sk, unmark_loss=False)
    elif sk.rack_reo_wnd_persist:
        sk.rack_reo_wnd_persist -= 1
    if _no_sack_keeps_state(sk):
        return True
    set_ca_state(sk, OPEN)
    return False


def _no_sack_keeps_state(sk: TcpSock) -> bool:
    """Without SACK something *above* ``high`` has to be acknowledged, lest old duplicates start
    a recovery (RFC 6582 section 4.1, ``tcp_is_non_sack_preventing_reopen``)."""
    if sk.host.sack or sk.una != sk.high:
        return False
    if not any_retrans_done(sk):
        sk.retrans_stamp_ms = 0
    return True


def _try_undo_partial(sk: TcpSock, prior_una: int, state: AckState) -> bool:
    """Undo when a hole is filled by the original; True: send new data only
    (``tcp_try_undo_partial``)."""
    if sk.undo_from < 0 or not packet_delayed(sk, state.echo_ms):
        return False
    check_sack_reordering(sk, prior_una)
    if sk.retrans_out:
        return True
    if not any_retrans_done(sk):
        sk.retrans_stamp_ms = 0
    undo_cwnd_reduction(sk, unmark_loss=True)
    sk.counters["partial_undos"] += 1
    try_keep_open(sk)
    return False


def _try_undo_dsack(sk: TcpSock) -> bool:
    """Undo when every retransmission was reported as a duplicate (``tcp_try_undo_dsack``)."""
    if sk.undo_from < 0 or sk.undo_retrans:
        return False
    sk.rack_reo_wnd_persist = min(REO_WND_PERSIST, sk.rack_reo_wnd_persist + 1)
    undo_cwnd_reduction(sk, unmark_loss=False)
    sk.counters["dsack_undos"] += 1
    return True


def _try_undo_loss(sk: TcpSock, state: AckState, *, frto: bool) -> bool:
    """Undo a timeout that proves spurious (``tcp_try_undo_loss``)."""
    if not frto and not may_undo(sk, state.echo_ms):
        return False
    undo_cwnd_reduction(sk, unmark_loss=True)
    sk.counters["loss_undos"] += 1
    sk.counters["spurious_rtos"] += frto
    sk.icsk_retransmits = 0
    if not _no_sack_keeps_state(sk) and (frto or sk.host.sack):
        set_ca_state(sk, OPEN)
    return True


def _process_loss(sk: TcpSock, num_dupack: int, state: AckState) -> None:
    """Go on after a timeout: F-RTO (RFC 5682 section 3.1, with SACK) or slow start
    (``tcp_process_loss``)."""
    advanced = bool(state.flags & UNA_ADVANCED)
    recovered = sk.una >= sk.high
    if advanced and _try_undo_loss(sk, state, frto=False):
        return
    if sk.frto and _frto(sk, num_dupack, state, advanced and not recovered):
        return
    if recovered:
        _try_undo_recovery(sk, state)
        return
    if not sk.host.sack:
        # A duplicate ACK means that new data of F-RTO's step 2.b was delivered.
        if sk.nxt > sk.high and num_dupack:
            add_reno_sack(sk, num_dupack)
        elif advanced:
            reset_reno_sack(sk)
    state.rexmit = True


def _frto(sk: TcpSock, num_dupack: int, state: AckState, partial: bool) -> bool:
    """Steps 2 and 3 of F-RTO; True when the ACK has been dealt with."""
    orig = state.orig_acked or (state.sack is not None and state.sack.orig_sacked)
    if orig and _try_undo_loss(sk, state, frto=True):
        return True
    if sk.nxt > sk.high:
        if state.data_sacked or num_dupack:
            sk.frto = False
    elif partial:
        sk.high = sk.nxt
        if sk.nxt < min(sk.write_limit, sk.una + sk.rwnd):
            state.rexmit = state.new_data_first = True
            return True
        sk.frto = False
    return False


def process_tlp_ack(sk: TcpSock, ack: int, state: AckState) -> None:
    """Judge the outcome of a loss probe (RFC 8985 section 7.4, ``tcp_process_tlp_ack``)."""
    if ack < sk.tlp_high:
        return
    if not sk.tlp_retrans or (state.sack is not None and state.sack.dsack_tlp):
        sk.tlp_high = -1
    elif ack > sk.tlp_high:
        init_cwnd_reduction(sk)
        set_ca_state(sk, CWR)
        end_cwnd_reduction(sk)
        try_keep_open(sk)
        sk.counters["probe_recoveries"] += 1
    elif not state.flags & (UNA_ADVANCED | NOT_DUP) and not state.data_sacked:
        sk.tlp_high = -1
