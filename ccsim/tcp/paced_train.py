"""The regime of a paced sender whose algorithm sets window and rate (``cong_control``).

While the window does not bind, departures depend on nothing but the pacing rate: from one change of
the rate to the next they are equally spaced.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ccsim.cc.rate_train import LEAST_IN_FLIGHT, RateTrain
from ccsim.kernel.ops import RateSample
from ccsim.kernel.sock import PACING_NONE
from ccsim.tcp.input import MARKED
from ccsim.tcp.output import set_xmit_timer, write_xmit
from ccsim.tcp.packets import APP_LIMITED
from ccsim.tcp.rate import CE_MASK, ce_delivered
from ccsim.tcp.refusal import Refusal
from ccsim.tcp.rtt import min_rtt_expiry_ns
from ccsim.tcp.sock import SEGS_NEVER_PACED, UNBOUNDED, TcpSock
from ccsim.tcp.train import (
    AckColumns,
    Plan,
    acknowledge,
    out_of_order,
    timers_keep_still,
    unmarked,
)
from ccsim.units import NS_PER_S

__all__ = ["PACED", "PacedRegime"]

Column = NDArray[np.int64]
UNPLAIN = MARKED | APP_LIMITED


class PacedPlan(Plan):
    """A plan of the pacer: after the last ACK the next packet leaves at ``wstamp_ns``."""

    __slots__ = ("wstamp_ns",)

    def __init__(self, train: RateTrain, k: int) -> None:
        rows = np.arange(k - 1).repeat(train.nxt[1:k] - train.nxt[: k - 1])
        super().__init__(train.cwnd, train.nxt[:k], rows, _departures(train, k))
        firsts = [piece[0] for piece in train.pieces]
        self.rates = lambda asked: [train.pieces[bisect_right(firsts, row) - 1][4] for row in asked]
        self.wstamp_ns = train.wstamp(k - 1)


class PacedRegime:
    """Plain order, and a packet waits for the pacer alone."""

    name = "paced"

    def eligible(self, sk: TcpSock) -> Refusal | None:
        """Return what is in the way of a train now; None if nothing is."""
        ops = sk.ca_ops
        if ops.cong_control is None or ops.pkts_acked is not None:
            return Refusal.NO_HOOK
        return out_of_order(sk) or _not_paced(sk)

    def plan(self, sk: TcpSock, t: Column, una: Column) -> tuple[AckColumns, Plan] | Refusal:
        """Let the algorithm take a prefix of the ACKs, with the packets that leave between them."""
        if int(t[-1]) >= sk.min_rtt_due_ns:  # the least RTT may rise by and by: it does so by rows
            keeps = int(t.searchsorted(min_rtt_expiry_ns(sk)))
            if not keeps:
                return Refusal.MIN_RTT_DUE
            t, una = t[:keeps], una[:keeps]
        if int(una[-1]) > sk.nxt or int(una[0]) + LEAST_IN_FLIGHT > sk.nxt:
            return Refusal.NOT_IN_FLIGHT
        if not unmarked(sk.packets, sk.una, int(una[-1]), UNPLAIN):
            return Refusal.MARKED_PACKETS
        acks = AckColumns(sk, t, una)
        if acks.least_acked < 1:
            return Refusal.NOTHING_NEW
        if acks.least_rtt < 1:
            return Refusal.SHORT_RTT
        if not timers_keep_still(sk, acks):
            return Refusal.TIMER
        train = _rate_train(sk, acks)
        hook = sk.ca_ops.train
        assert hook is not None
        before = sk.una, sk.nxt, sk.delivered, sk.delivered_mstamp, sk.tcp_wstamp_ns
        k = hook(sk, train)
        sk.una, sk.nxt, sk.delivered, sk.delivered_mstamp, sk.tcp_wstamp_ns = before
        return (acks, PacedPlan(train, k)) if k else Refusal.DECLINED

    def settle(self, sk: TcpSock, acks: AckColumns, plan: Plan) -> None:
        """Leave what is this regime's own as the last ACK taken leaves it."""
        assert isinstance(plan, PacedPlan)
        acknowledge(sk)
        _validate_window(sk, acks.una, plan.nxt)
        sk.nxt = int(plan.nxt[-1])
        sk.pacing_ns = sk.tcp_wstamp_ns = plan.wstamp_ns
        if sk.nxt - sk.una >= sk.snd_cwnd:
            write_xmit(sk)  # sends nothing, but notes that the window is the limit
        set_xmit_timer(sk)


PACED = PacedRegime()


def _not_paced(sk: TcpSock) -> Refusal | None:
    """Return why something else than the pacer may limit what is sent; None if nothing does."""
    if sk.pacing_status == PACING_NONE or sk.pacing_ns != sk.tcp_wstamp_ns:
        return Refusal.PACER_IDLE
    if sk.host.awake_ns is not None:
        return Refusal.HOST_LATE
    if sk.is_cwnd_limited:
        return Refusal.WINDOW_LIMITED
    if sk.snd_ssthresh > sk.snd_cwnd:
        return Refusal.BELOW_SSTHRESH
    if sk.high > sk.una:
        return Refusal.LAST_RECOVERY
    if sk.data_segs_out < SEGS_NEVER_PACED:
        return Refusal.FIRST_PACKETS
    if sk.rwnd < UNBOUNDED:
        return Refusal.RECEIVER_WINDOW
    if sk.host.tso:
        return Refusal.BURSTS
    return None if 0 < sk.pacing_rate <= sk.mss_cache * NS_PER_S else Refusal.RATE_BOUND


def _rate_train(sk: TcpSock, acks: AckColumns) -> RateTrain:
    """Return the ACKs with their rate samples (``tcp_rate_skb_delivered``, ``tcp_rate_gen``)."""
    rates = _rates(sk, acks)
    host = sk.host
    return RateTrain(
        (acks.t, acks.una, acks.acked, acks.ca_rtt),
        (acks.delivered, rates[0], rates[1]),
        sk,
        snd_nxt=sk.nxt,
        limit=sk.write_limit,
        jiffy=(host.jiffies0_ns, host.jiffy_ns),
        # It gets the train that holds it, lest each train be a cycle that outlives its use.
        arrive=partial(_arrive, sk, acks, rates),
    )


def _rates(sk: TcpSock, acks: AckColumns) -> tuple[Column, Column, Column]:
    """Return of each ACK's rate sample the packets delivered when the last one acknowledged was
    sent, the interval [us] and the time of delivery then [us]."""
    packets = sk.packets
    rows = acks.last_rows
    prior_us = packets.delivered_us_np[rows]
    interval = np.maximum(acks.last_tx - packets.first_tx_us_np[rows], acks.t_us - prior_us)
    if int(np.minimum.reduce(interval)) < sk.rtt_min_us:  # else none is below the least RTT
        rtt_min = np.minimum.accumulate(acks.ca_rtt)
        np.minimum(rtt_min, sk.rtt_min_us, out=rtt_min)
        interval[interval < rtt_min] = -1
    return packets.delivered_np[rows], interval, prior_us


def _arrive(
    sk: TcpSock, acks: AckColumns, rates: tuple[Column, ...], train: RateTrain, row: int
) -> RateSample:
    """Put the socket into the state in which ``cong_control`` finds it at an ACK; return the sample
    that it is told."""
    prior_delivered, interval, prior_us = rates
    sk.set_clock(int(acks.t[row]))
    sk.ack_ns = sk.tcp_clock_cache
    sk.una = una = int(acks.una[row])
    sk.nxt = nxt = int(train.nxt[row])
    sk.delivered = at = int(acks.delivered[row])
    sk.delivered_mstamp = sk.tcp_mstamp
    sk.tcp_wstamp_ns = train.wstamp(row)
    rs = sk.rate_sample
    rs.prior_delivered = prior = int(prior_delivered[row])
    rs.prior_mstamp = int(prior_us[row])
    rs.delivered = at - prior
    rs.interval_us = int(interval[row])
    rs.snd_interval_us = int(acks.last_tx[row]) - sk.packets.first_tx_us[una - 1 - sk.packets.base]
    rs.rcv_interval_us = sk.tcp_mstamp - rs.prior_mstamp
    rs.last_end_seq = una * sk.mss_cache
    rs.prior_delivered_ce = ce_delivered(sk, prior) if sk.delivered_ce else 0
    rs.delivered_ce = sk.delivered_ce - rs.prior_delivered_ce & CE_MASK
    rs.rtt_us = int(acks.ca_rtt[row])
    rs.acked_sacked = acked = int(acks.acked[row])
    rs.prior_in_flight = nxt - una + acked
    rs.losses = 0
    rs.is_app_limited = rs.is_retrans = rs.is_ack_delayed = False
    return rs


def _departures(train: RateTrain, k: int) -> Column:
    """Return when the packets leave that leave before the last of ``k`` ACKs arrives [ns]."""
    parts = []
    ends = [piece[2] for piece in train.pieces[1:]] + [int(train.nxt[k - 1])]
    for (_, depart_ns, seq, gap, _), end in zip(train.pieces, ends, strict=True):
        if end > seq:
            parts.append(np.arange(depart_ns, depart_ns + (end - seq) * gap, gap))
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _validate_window(sk: TcpSock, una: Column, nxt: Column) -> None:
    """Note how much of the window was used, as `write_xmit` does at each departure after an ACK but
    the last: the window is never the limit here (``tcp_cwnd_validate``)."""
    sends = (nxt[1:] > nxt[:-1]).nonzero()[0]  # after these ACKs packets leave
    if not len(sends):
        return
    una, nxt = una[sends], nxt[sends + 1]
    out = nxt - una
    done, n = 0, len(sends)
    while done < n:
        end = int(una.searchsorted(sk.cwnd_usage_nxt))  # the first beyond what was noted
        if end > done:
            most = int(out[done:end].max())
            if most <= sk.max_packets_out:
                done = end
                continue
            end = done + int(out[done:end].argmax())
        elif end < done:
            end = done
        sk.max_packets_out = int(out[end])
        sk.cwnd_usage_nxt = int(nxt[end])
        done = end + 1
    sk.snd_cwnd_used = max(sk.snd_cwnd_used, int(out.max()))
