"""Trains: many ACKs at once, exactly as `ccsim.tcp.input.on_ack` and the pacing timer one by one.

All go one way, whatever the regime:

    eligible  whether the sender is in plain order            the regime's
    read      what the ACKs bring, as columns
    decide    the window after each of a prefix of them       the regime's
    depart    which packets leave after which of them, when   the regime's
    fold      the RTT samples; the states that were to be recorded
    stamp     the packets that leave
    settle    the socket as the last ACK leaves it

Regimes: `ccsim.tcp.window_train` (the window limits; `ccsim.tcp.long_train` has it on ACKs that are
still to be sent), `ccsim.tcp.paced_train` (the pacer does), `ccsim.tcp.sack_train` (a recovery).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from operator import sub
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ccsim.kernel.ops import CaState
from ccsim.tcp.cwnd import in_flight
from ccsim.tcp.ecn import TCP_ECN_QUEUE_CWR
from ccsim.tcp.host import TIMEOUT_MIN_US
from ccsim.tcp.pacing import pacing_rate, pacing_rates
from ccsim.tcp.packets import PacketColumns
from ccsim.tcp.refusal import Refusal
from ccsim.tcp.rtt import set_rto
from ccsim.tcp.rtt_train import Samples, as_folded, fold_min_rtt, fold_rounds
from ccsim.tcp.sock import TcpSock

__all__ = [
    "AckColumns",
    "Plan",
    "Regime",
    "SenderSample",
    "TrainOutcome",
    "acknowledge",
    "carry_out",
    "out_of_order",
    "take_train",
    "timers_keep_still",
    "unmarked",
    "use_window",
]

Column = NDArray[np.int64]
OPEN = int(CaState.OPEN)
SenderSample = tuple[int, int, int, int, int, int, int, int]
"""(t_ns, snd_cwnd, ssthresh, srtt_us << 3, packets in flight, pacing rate [bytes/s], packets
acknowledged in order, packets delivered)."""


class TrainOutcome:
    """What a train did: how many ACKs it took, when the packets that it sent leave [ns], and the
    samples that fell between its ACKs."""

    __slots__ = ("samples", "sent_ns", "taken")

    def __init__(self, taken: int, sent_ns: Column, samples: list[SenderSample]) -> None:
        self.taken = taken
        self.sent_ns = sent_ns
        self.samples = samples


class AckColumns:
    """What ACKs at ``t`` [ns] bring, one row each: when they come [us], how many packets are
    acknowledged in order (``una``) and ``delivered`` after it, how many of them newly, when the
    last of these was sent [us], its row among the packets, and its RTT [us]; the least and the most
    of them, with the RTTs of the first."""

    __slots__ = (
        *("acked", "ca_rtt", "delivered", "last_rows", "last_tx", "least_acked", "least_rtt"),
        *("most_acked", "most_rtt", "samples", "t", "t_us", "una"),
    )

    samples: Samples

    def __init__(self, sk: TcpSock, t: Column, una: Column) -> None:
        self.t, self.una = t, una
        packets, before, n = sk.packets, sk.una, len(t)
        self.t_us = t // 1000
        self.acked = acked = np.empty(n, dtype=np.int64)
        acked[0] = una[0] - before
        np.subtract(una[1:], una[:-1], out=acked[1:])
        self.least_acked = int(np.minimum.reduce(acked))
        self.most_acked = int(np.maximum.reduce(acked))
        self.delivered = una + (sk.delivered - before)
        self.last_rows = rows = una - (packets.base + 1)
        self.last_tx = packets.tx_us_np.take(rows)
        first_tx = np.empty(n, dtype=np.int64)
        first_tx[0] = packets.tx_us_np[before - packets.base]
        packets.tx_us_np.take(rows[:-1] + 1, out=first_tx[1:], mode="clip")
        self.measure(first_tx)

    def measure(self, first_tx: Column) -> None:
        """Note the RTTs, where the first packet of each ACK was sent at ``first_tx`` [us]."""
        self.ca_rtt = self.t_us - self.last_tx
        self.least_rtt = int(np.minimum.reduce(self.ca_rtt))
        self.samples = as_folded(self.t_us - first_tx)
        self.most_rtt = self.samples.most


class Plan:
    """What becomes of the first ``taken`` of some ACKs: ``cwnd`` after each, ``nxt`` the next
    packet number when each comes; when packets leave, in ``sent_ns``, and after which ACK, in
    ``rows``. ``rates`` returns the pacing rates after certain ACKs, if the window does not give
    them."""

    __slots__ = ("cwnd", "nxt", "rates", "rows", "sent_ns", "taken")

    def __init__(self, cwnd: Column, nxt: Column, rows: Column, sent_ns: Column) -> None:
        self.taken = len(nxt)
        self.cwnd = cwnd
        self.nxt = nxt
        self.rows = rows
        self.sent_ns = sent_ns
        self.rates: Callable[[list[int]], list[int]] | None = None


class Regime(Protocol):
    """What differs between trains. Numbers of ACKs are what changes from one to the next."""

    name: str

    def eligible(self, sk: TcpSock) -> Refusal | None:
        """Return what is in the way of a train now; None if nothing is."""

    def plan(self, sk: TcpSock, t: Column, numbers: Column) -> tuple[AckColumns, Plan] | Refusal:
        """Read ACKs at ``t`` [ns]; decide the windows after a prefix of them, and what leaves
        when."""

    def settle(self, sk: TcpSock, acks: AckColumns, plan: Plan) -> None:
        """Leave what is this regime's own as the last ACK taken leaves it."""


def out_of_order(sk: TcpSock) -> Refusal | None:
    """Return why ACKs may bring more than progress, or the algorithm takes no trains; None if that
    is not so."""
    if sk.ca_state != OPEN:
        return Refusal.NOT_OPEN
    if sk.ca_ops.train is None:
        return Refusal.NO_HOOK
    if sk.sacked_out or sk.lost_out or sk.retrans_out:
        return Refusal.HOLES
    if sk.app_limited:
        return Refusal.APP_LIMITED
    if sk.tlp_high >= 0:
        return Refusal.LOSS_PROBE
    if sk.reord_seen or sk.rack_reo_wnd_steps != 1:
        return Refusal.REORDERING
    if sk.srtt_us <= 0:
        return Refusal.NO_RTT
    if not sk.host.early_retrans:
        return Refusal.NO_EARLY_RETRANSMIT
    return Refusal.ECN if sk.ecn_flags & TCP_ECN_QUEUE_CWR else None


def take_train(
    sk: TcpSock, regime: Regime, t: Column, numbers: Column, sample_times: list[int]
) -> TrainOutcome | Refusal:
    """Take a prefix of ACKs that arrive at ``t`` [ns], by a regime for which the sender is
    eligible; return why none is taken, if none is, and then nothing has changed.

    ``sample_times`` are the recording instants [ns] after ``t[0]``; those before the last ACK taken
    are answered in the outcome, with the state that held then.
    """
    ssthresh = sk.snd_ssthresh
    found = regime.plan(sk, t, numbers)
    if isinstance(found, Refusal):
        return found
    return carry_out(sk, regime, *found, ssthresh, sample_times)


def carry_out(
    sk: TcpSock,
    regime: Regime,
    acks: AckColumns,
    plan: Plan,
    ssthresh: int,
    sample_times: list[int],
) -> TrainOutcome:
    """Do what is planned; until its last ACK ``ssthresh`` holds."""
    samples = _fold(sk, acks, plan, ssthresh, sample_times)
    _stamp(sk, acks, plan)
    _settle(sk, acks, plan)
    regime.settle(sk, acks, plan)
    return TrainOutcome(plan.taken, plan.sent_ns, samples)


def _fold(
    sk: TcpSock, acks: AckColumns, plan: Plan, ssthresh: int, sample_times: list[int]
) -> list[SenderSample]:
    """Fold the RTT samples and return the state at the recording instants before the last ACK."""
    k = plan.taken
    wanted = sample_times[: bisect_left(sample_times, int(acks.t[k - 1]))]
    latest = acks.t[:k].searchsorted(wanted, "right") - 1
    srtts = fold_rounds(sk, acks.una[:k], acks.samples, plan.nxt, latest.tolist())
    if acks.least_rtt <= sk.min_rtt_3_us or int(acks.t[k - 1]) >= sk.min_rtt_due_ns:
        fold_min_rtt(sk, acks.t[:k], acks.ca_rtt[:k])
    if not wanted:
        return []
    una, windows = acks.una[latest].tolist(), plan.cwnd[latest].tolist()
    delivered = acks.delivered[latest]
    left = plan.sent_ns.searchsorted(wanted, "right")
    flights = (left - delivered + (sk.delivered + in_flight(sk))).tolist()
    if plan.rates is None:
        out = map(sub, plan.nxt[latest].tolist(), una)
        rates = pacing_rates(sk, ssthresh, windows, out, srtts)
    else:
        rates = plan.rates(latest.tolist())
    columns = zip(wanted, windows, srtts, flights, rates, una, delivered.tolist(), strict=True)
    return [
        (t, cwnd, ssthresh, srtt, flight, rate, ack, count)
        for t, cwnd, srtt, flight, rate, ack, count in columns
    ]


def _stamp(sk: TcpSock, acks: AckColumns, plan: Plan) -> None:
    """Stamp the packets that leave with the state of delivery at that time
    (``tcp_rate_skb_sent``)."""
    count = len(plan.sent_ns)
    if not count:
        return
    packets, rows = sk.packets, plan.rows
    if sk.nxt + count - packets.base > packets.capacity:
        packets.make_room(sk.una, sk.nxt, count)
    a, b = sk.nxt - packets.base, sk.nxt - packets.base + count
    np.floor_divide(plan.sent_ns, 1000, out=packets.tx_us_np[a:b])
    acks.t_us.take(rows, out=packets.delivered_us_np[a:b], mode="clip")
    acks.delivered.take(rows, out=packets.delivered_np[a:b], mode="clip")
    acks.last_tx.take(rows, out=packets.first_tx_us_np[a:b], mode="clip")


def _settle(sk: TcpSock, acks: AckColumns, plan: Plan) -> None:
    """Leave the socket as the last ACK taken leaves it, but for what is the regime's."""
    last, sent = plan.taken - 1, len(plan.sent_ns)
    sk.set_clock(int(acks.t[last]))
    sk.ack_ns = sk.tcp_clock_cache
    sk.una = int(acks.una[last])
    sk.delivered = int(acks.delivered[last])
    sk.delivered_mstamp = sk.tcp_mstamp
    sk.rack_mstamp_us = sk.first_tx_us = int(acks.last_tx[last])
    sk.rack_rtt_us = sk.tcp_mstamp - sk.first_tx_us
    set_rto(sk)
    sk.backoff = 0
    if sent:
        sk.lsnd_ns = int(plan.sent_ns[-1])
        sk.data_segs_out += sent


def acknowledge(sk: TcpSock) -> None:
    """Note that the packets before ``una``, which have just been acknowledged, were in order."""
    sk.icsk_retransmits = 0
    sk.rack_advanced = True
    sk.rack_end = sk.una
    sk.sample_end = sk.una - 1


def use_window(sk: TcpSock, plan: Plan) -> None:
    """Send what is planned, which is all that the windows let out: they are the limit."""
    sent, before = len(plan.sent_ns), int(plan.nxt[-1])
    sk.pacing_rate = pacing_rate(sk, sk.snd_cwnd, before - sk.una, sk.srtt_us)
    sk.nxt += sent
    if sent:
        sk.tcp_wstamp_ns = sk.lsnd_ns
    sk.is_cwnd_limited = True
    sk.max_packets_out = sk.nxt - sk.una
    sk.cwnd_usage_nxt = sk.nxt
    sk.snd_cwnd_used = 0
    sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache


def unmarked(packets: PacketColumns, start: int, end: int, marks: int) -> bool:
    """Report whether packets from ``start`` to before ``end`` bear none of the ``marks``."""
    a, b = start - packets.base, end - packets.base
    return packets.flags_bytes.count(0, a, b) == b - a or not (packets.flags_np[a:b] & marks).any()


def timers_keep_still(sk: TcpSock, acks: AckColumns) -> bool:
    """Report whether no timer can fire between these ACKs, from bounds that hold whatever the
    smoothed RTT becomes."""
    t = acks.t
    start, end = int(t[0]), int(t[-1])
    if sk.timer_ns < start:
        return False
    low = min(sk.srtt_us >> 3, acks.least_rtt)
    left = low + sk.host.rto_min_us - acks.most_rtt
    gap_us = (end - start) // 1000 + 1  # none is longer than all together
    if gap_us <= 2 * low + TIMEOUT_MIN_US and 2 * gap_us < left:
        return True
    gap_us = (int((t[1:] - t[:-1]).max()) if len(t) > 1 else 0) // 1000 + 1
    return gap_us <= 2 * low + TIMEOUT_MIN_US and 2 * gap_us < left
