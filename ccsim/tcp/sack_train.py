"""The regime of a recovery: ACKs each of which SACKs one packet more
(`ccsim.tcp.usual_sack.usual_sack`).

What was lost has been retransmitted and its answer is a round trip away; until then every packet
that arrives is one more beyond all others. RACK finds nothing overdue, as nothing sent before it is
left to be judged, and the window follows PRR alone: while more is in flight than ssthresh, of which
``ssthresh * prr_delivered / prior_cwnd`` may leave; after that a packet for each that arrives
(RFC 6937, section 3.1).
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from ccsim.kernel.ops import CaState
from ccsim.kernel.sock import PACING_NONE
from ccsim.tcp.cwnd import in_flight
from ccsim.tcp.output import rearm_rto
from ccsim.tcp.packets import APP_LIMITED, SACKED
from ccsim.tcp.refusal import Refusal
from ccsim.tcp.sack_blocks import Blocks, as_blocks
from ccsim.tcp.sock import TIMER_RTO, TcpSock
from ccsim.tcp.train import AckColumns, Plan, unmarked, use_window

__all__ = ["SackRegime"]

Column = NDArray[np.int64]
RECOVERY = int(CaState.RECOVERY)
UNUSUAL = 0xFF & ~APP_LIMITED


class SackedColumns(AckColumns):
    """What ACKs bring that each SACK one packet more, from packet ``first`` on."""

    __slots__ = ()

    def __init__(self, sk: TcpSock, t: Column, first: int) -> None:
        n, packets = len(t), sk.packets
        self.t, self.t_us = t, t // 1000
        self.una = np.full(n, sk.una, dtype=np.int64)
        self.delivered = np.arange(sk.delivered + 1, sk.delivered + n + 1)
        row = first - packets.base
        self.last_tx = packets.tx_us_np[row : row + n].copy()
        self.measure(self.last_tx)


class SackRegime:
    """Recovery in plain order. Of the ACKs the first block ends before the packets that are their
    numbers; ``known`` are the packets acknowledged in order and where that block starts, ``rest``
    the other blocks: all stay."""

    name = "recovery"

    __slots__ = ("known", "rest")

    def __init__(self, known: tuple[int, int], rest: Blocks) -> None:
        self.known, self.rest = known, rest

    def eligible(self, sk: TcpSock) -> Refusal | None:
        """Return what is in the way of a train now; None if nothing is."""
        ops = sk.ca_ops
        if sk.ca_state != RECOVERY:
            return Refusal.NOT_RECOVERY
        if sk.pacing_status != PACING_NONE:
            return Refusal.PACER
        if ops.cong_control is not None or (
            ops.sack_train is None and (ops.pkts_acked is not None or ops.in_ack_event is not None)
        ):
            return Refusal.NO_HOOK
        if sk.tlp_high >= 0:
            return Refusal.LOSS_PROBE
        if sk.rack_dsack_seen or sk.reord_seen or sk.undo_retrans == 0:
            return Refusal.REORDERING
        if sk.app_limited:
            return Refusal.APP_LIMITED
        if sk.ecn_flags:
            return Refusal.ECN
        return None if _reduces(sk) else Refusal.REDUCTION

    def plan(self, sk: TcpSock, t: Column, ends: Column) -> tuple[AckColumns, Plan] | Refusal:
        """Let PRR take a prefix of the ACKs."""
        first = int(ends[0]) - 1
        k = self._usual(sk, len(t), first)
        if not k:
            return Refusal.OUT_OF_ORDER
        sends = _prr_sends(sk, k)
        leaves = sends.nonzero()[0]
        if sends[0] > 1:
            return Refusal.REDUCTION
        if sk.nxt + len(leaves) > min(sk.write_limit, sk.una + sk.rwnd):
            return Refusal.DATA_ENDS
        acks = SackedColumns(sk, t[:k], first)
        if acks.least_rtt < 1:
            return Refusal.SHORT_RTT
        if not _timer_keeps_still(sk, acks.t, acks.last_tx):
            return Refusal.TIMER
        hook = sk.ca_ops.sack_train
        if hook is not None and not hook(sk, acks.ca_rtt):
            return Refusal.DECLINED
        sent = sends.cumsum()
        cwnd = sent + (in_flight(sk) - 1) - np.arange(k)
        return acks, Plan(cwnd, sent - sends + sk.nxt, leaves, acks.t[leaves])

    def _usual(self, sk: TcpSock, n: int, first: int) -> int:
        """Return how many of ``n`` ACKs, the first for packet ``first``, SACK one packet more, none
        of them sent so late that RACK would judge a retransmission by it."""
        una, start = self.known
        packets = sk.packets
        if (
            una != sk.una
            or start < una
            or sk.last_blocks != ((start, first), *self.rest)
            or sk.sack_high != first
            or sk.rack_cursor != first
        ):
            return 0
        row = first - packets.base
        k = min(n, sk.nxt - first)
        if k < 1 or not unmarked(packets, first, first + k, UNUSUAL):
            return 0
        tx = memoryview(packets.tx_us)[row : row + k]
        if tx[0] < sk.rack_mstamp_us or (tx[0] == sk.rack_mstamp_us and first < sk.rack_end):
            return 0
        before = packets.tx_us[una - packets.base]  # those sent before the head was sent again
        if tx[0] >= before:
            before = tx[k - 1] + 1
        if sk.rack_resent_us:
            before = min(before, sk.rack_resent_us[0])
        return bisect_left(tx, before)

    def settle(self, sk: TcpSock, acks: AckColumns, plan: Plan) -> None:
        """Leave what is this regime's own as the last ACK taken leaves it."""
        k, first, packets = plan.taken, sk.sack_high, sk.packets
        row, end = first - packets.base, first + k
        packets.flags_np[row : row + k] |= SACKED
        packets.delivered_us_np[row : row + k] = -1
        sk.last_blocks = as_blocks(((self.known[1], end), *self.rest))
        sk.sacked_out += k
        sk.sack_high = sk.rack_cursor = sk.rack_end = end
        sk.sample_end = end - 1
        sk.rack_advanced = False
        if not sk.rack_reo_wnd_persist:
            sk.rack_reo_wnd_steps = 1
        sent = len(plan.rows)
        earlier = sent - int(sent and int(plan.rows[-1]) == k - 1)  # left before the last ACK came
        if earlier:
            sk.tcp_wstamp_ns = int(plan.sent_ns[earlier - 1])
        if sk.first_tx_us < packets.tx_us[sk.una - packets.base]:
            rearm_rto(sk)
        sk.prr_delivered += k
        sk.prr_out += sent
        sk.snd_cwnd = in_flight(sk) + sent
        use_window(sk, plan)


def _reduces(sk: TcpSock) -> bool:
    """Report whether all that is lost is sent again, and the window is on its way to ssthresh."""
    return (
        sk.timer_kind == TIMER_RTO
        and sk.retrans_out >= sk.lost_out
        and sk.prr_out > 0
        and sk.una <= sk.rtt_nxt
        and sk.una < sk.high
        and 1 < sk.snd_ssthresh <= sk.snd_cwnd
        and sk.snd_ssthresh < sk.prior_cwnd
        and sk.snd_ssthresh <= in_flight(sk)
    )


def _prr_sends(sk: TcpSock, k: int) -> Column:
    """Return how many packets each of ``k`` ACKs lets out: none or one, but for the first, which
    may let out what was held back."""
    sends = np.ones(k, dtype=np.int64)
    above = in_flight(sk) - sk.snd_ssthresh
    if not above:
        return sends
    delivered = np.arange(sk.prr_delivered + 1, sk.prr_delivered + k + 1)
    allowed = -(-sk.snd_ssthresh * delivered // sk.prior_cwnd) - sk.prr_out
    np.maximum(allowed, 0, out=allowed)
    # What is in flight above ssthresh falls by one at a time, if at all.
    left = allowed - delivered + (above + sk.prr_delivered)
    reaches = min(int(np.count_nonzero(left > 1)) + 1, k) if above > 1 else 0
    sends[:reaches] = allowed[:reaches]
    sends[1:reaches] -= allowed[: max(reaches - 1, 0)]
    if reaches < k:
        sends[reaches] = 0  # what arrives is what was above
    return sends


def _timer_keeps_still(sk: TcpSock, t: Column, tx: Column) -> bool:
    """Report whether no timer can fire between these ACKs: those sent before the head was sent
    again restart the RTO, the others leave it."""
    if int(tx[0]) >= sk.packets.tx_us[sk.una - sk.packets.base]:
        return sk.timer_ns >= int(t[-1])
    gap_ns = int((t[1:] - t[:-1]).max()) if len(t) > 1 else 0
    return sk.timer_ns >= int(t[0]) and gap_ns <= sk.host.rto_min_us * 1000
