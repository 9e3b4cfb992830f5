"""The vector path of a sender: a train of plain ACKs at once, exactly as `ccsim.tcp.input.on_ack`
row by row.

What the closed forms cover: state Open, nothing SACKed, lost or retransmitted, a bulk source
limited by the window alone, no pacing, no timer that fires. Everything else runs row by row.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from operator import sub

import numpy as np
from numpy.typing import NDArray

from ccsim.cc.train import AckTrain
from ccsim.compiled import in_use
from ccsim.kernel.sock import PACING_NONE
from ccsim.tcp.ecn import TCP_ECN_QUEUE_CWR
from ccsim.tcp.host import TIMEOUT_MIN_US
from ccsim.tcp.input import MARKED
from ccsim.tcp.output import schedule_loss_probe
from ccsim.tcp.pacing import pacing_rate, pacing_rates
from ccsim.tcp.packets import PacketColumns
from ccsim.tcp.rtt import set_rto
from ccsim.tcp.rtt_train import as_folded, fold_min_rtt, fold_rounds
from ccsim.tcp.sock import TcpSock
from ccsim.tcp.train_loops import COLUMNS, RATES, fold_each, rates, read, stamp

__all__ = [
    "AckColumns",
    "SenderSample",
    "TrainOutcome",
    "ack_train",
    "in_plain_order",
    "leave_as_last_ack",
    "may_take_train",
    "next_numbers",
    "note_delivery",
    "rows_before",
    "rtt_and_samples",
    "timers_keep_still",
    "unmarked",
]

Column = NDArray[np.int64]
COMPILED = in_use()
SenderSample = tuple[int, int, int, int, int, int, int, int]
"""(t_ns, snd_cwnd, ssthresh, srtt_us << 3, packets in flight, pacing rate [bytes/s], packets
acknowledged in order, packets delivered)."""


class TrainOutcome:
    """What a train did: how many ACKs it took, the packets it sent, and the samples that fell
    between its ACKs."""

    __slots__ = ("samples", "sent_ns", "taken")

    def __init__(self, taken: int, sent_ns: Column, samples: list[SenderSample]) -> None:
        self.taken = taken
        self.sent_ns = sent_ns
        self.samples = samples


class AckColumns:
    """What plain ACKs at ``t`` [ns] that acknowledge ``una`` packets bring, one row each: when they
    come [us], how many packets they newly acknowledge, when the last of them was sent [us], its row
    among the packets, and its RTT [us]; the least and most of them, with the RTT of the first."""

    __slots__ = (
        *("_columns", "_rtt", "acked", "by_rows", "ca_rtt", "last_rows", "last_tx"),
        *("least_acked", "least_rtt", "most_acked", "most_rtt", "t", "t_us", "una"),
    )

    last_rows: Column | slice

    def __init__(self, sk: TcpSock, t: Column, una: Column) -> None:
        self.t, self.una = t, una
        self.by_rows = COMPILED
        if self.by_rows:
            self._read(sk.packets, sk.una)
        else:
            self._gather(sk.packets, sk.una)

    def _read(self, packets: PacketColumns, before: int) -> None:
        self._columns = columns = np.empty((COLUMNS, len(self.t)), dtype=np.int64)
        self.t_us, self.acked, self.last_tx, self.ca_rtt, _ = columns
        found = read(packets, before, self.t, self.una, columns)
        self.least_acked, self.most_acked, self.least_rtt, self.most_rtt = found
        self.last_rows = self.una - (packets.base + 1)

    def _gather(self, packets: PacketColumns, before: int) -> None:
        una, n = self.una, len(self.t)
        self.t_us = t_us = self.t // 1000
        self.acked = acked = np.empty(n, dtype=np.int64)
        acked[0] = una[0] - before
        np.subtract(una[1:], una[:-1], out=acked[1:])
        self.most_acked = each = int(np.maximum.reduce(acked))
        row, tx_us = before - packets.base, packets.tx_us_np
        first_tx: Column
        if each > 0 and each * n == int(una[-1]) - before:  # none acknowledges fewer
            self.least_acked = each
            end = row + each * n
            self.last_rows = slice(row + each - 1, end, each)
            first_tx = tx_us[row:end:each]
            self.last_tx = tx_us[self.last_rows]
        else:
            self.least_acked = int(np.minimum.reduce(acked))
            self.last_rows = rows = una - (packets.base + 1)
            self.last_tx = tx_us[rows]
            first_tx = np.empty(n, dtype=np.int64)
            first_tx[0] = tx_us[row]
            first_tx[1:] = tx_us[rows[:-1] + 1]
        self.ca_rtt = t_us - self.last_tx
        self.least_rtt = int(np.minimum.reduce(self.ca_rtt))
        self._rtt = as_folded(t_us - first_tx)
        self.most_rtt = self._rtt.most

    def fold(self, sk: TcpSock, k: int, nxt: Column, stops: list[int]) -> list[int]:
        """Fold the RTTs of the first ``k`` ACKs, as `fold_rounds`."""
        una = self.una[:k]
        if self.by_rows:
            return fold_each(sk, una, self._columns, nxt, stops)
        return fold_rounds(sk, una, self._rtt, nxt, stops)

    def fold_min(self, sk: TcpSock, k: int) -> None:
        """Fold the RTTs of the first ``k`` ACKs into the least RTT."""
        if self.least_rtt <= sk.min_rtt_3_us or int(self.t[k - 1]) >= sk.min_rtt_due_ns:
            fold_min_rtt(sk, self.t[:k], self.ca_rtt[:k])

    def make_room(self, sk: TcpSock, count: int) -> None:
        """Make sure that the next ``count`` packets have rows."""
        packets = sk.packets
        if sk.nxt + count - packets.base > packets.capacity:
            self.last_tx = self.last_tx.copy()  # it may be a view of what moves
            packets.make_room(sk.una, sk.nxt, count)

    def send(self, sk: TcpSock, nxt: Column) -> Column:
        """Stamp the packets that each ACK lets out, up to ``nxt[k + 1]`` those of ACK ``k``; return
        when they leave [ns]."""
        self.make_room(sk, int(nxt[-1]) - sk.nxt)
        packets, not_acked = sk.packets, sk.delivered - sk.una
        a, b = int(nxt[0]) - packets.base, int(nxt[-1]) - packets.base
        if self.by_rows:
            sent_ns = np.empty(b - a, dtype=np.int64)
            columns = self._columns
            stamp(packets, nxt, self.una, columns, not_acked, self.t, sent_ns, False)
            return sent_ns
        rows = np.arange(len(nxt) - 1).repeat(nxt[1:] - nxt[:-1])
        sent_us = packets.tx_us_np[a:b]
        self.t_us.take(rows, out=sent_us, mode="clip")
        packets.delivered_us_np[a:b] = sent_us
        delivered = packets.delivered_np[a:b]
        self.una.take(rows, out=delivered, mode="clip")
        delivered += not_acked
        self.last_tx.take(rows, out=packets.first_tx_us_np[a:b], mode="clip")
        return self.t[rows]

    def stamp_paced(self, sk: TcpSock, nxt: Column, sent_ns: Column) -> None:
        """Stamp in a loop the packets that leave at ``sent_ns`` [ns], up to ``nxt[k + 1]`` of them
        after ACK ``k``."""
        not_acked = sk.delivered - sk.una
        stamp(sk.packets, nxt, self.una, self._columns, not_acked, self.t, sent_ns, True)

    def rates(self, sk: TcpSock) -> tuple[Column, Column, Column, Column]:
        """Return in a loop the columns of the ACKs' rate samples, as `train_loops.rates`."""
        found = np.empty((RATES, len(self.t)), dtype=np.int64)
        rates(sk, self.una, self._columns, found)
        delivered, prior_delivered, interval, prior_us = found
        return delivered, prior_delivered, interval, prior_us


def may_take_train(sk: TcpSock) -> bool:
    """Report whether the connection is in plain order, so that `ack_train` may be tried."""
    return (
        in_plain_order(sk)
        and sk.ca_ops.cong_control is None
        and sk.pacing_status == PACING_NONE
        and bool(sk.is_cwnd_limited)
    )


def in_plain_order(sk: TcpSock) -> bool:
    """Report whether the algorithm takes trains, and ACKs bring nothing but progress."""
    ops = sk.ca_ops
    return (
        sk.ca_state == 0
        and ops.train is not None
        and not sk.sacked_out
        and not sk.lost_out
        and not sk.retrans_out
        and not sk.app_limited
        and sk.tlp_high < 0
        and not sk.reord_seen
        and sk.rack_reo_wnd_steps == 1
        and sk.srtt_us > 0
        and sk.host.early_retrans
        and not sk.ecn_flags & TCP_ECN_QUEUE_CWR
    )


def ack_train(sk: TcpSock, t: Column, una: Column, sample_times: list[int]) -> TrainOutcome | None:
    """Take a prefix of plain ACKs that arrive at ``t`` [ns] and acknowledge ``una`` packets; None
    if it takes none.

    ``sample_times`` are the recording instants [ns] after ``t[0]``; those before the last ACK taken
    are answered in the outcome, with the state that held then.
    """
    if not _has_room(sk, una) or not unmarked(sk.packets, sk.una, int(una[-1]), MARKED):
        return None
    columns = AckColumns(sk, t, una)
    # Something stays in flight at every ACK, as the window never falls within a train.
    if columns.least_acked < 1 or columns.most_acked + 2 > sk.snd_cwnd:
        return None
    if columns.least_rtt < 1 or not timers_keep_still(sk, columns):
        return None
    sk.set_clock(int(t[0]))
    acks = _ack_train(sk, columns)
    train = sk.ca_ops.train
    assert train is not None
    ssthresh = sk.snd_ssthresh
    k = train(sk, acks)
    if not k:
        return None
    nxt = next_numbers(sk, una[:k], acks.cwnd[:k])
    samples = rtt_and_samples(sk, columns, k, acks.cwnd, nxt, ssthresh, sample_times)
    columns.fold_min(sk, k)
    sent_ns = columns.send(sk, nxt)
    leave_as_last_ack(sk, columns, k, nxt)
    return TrainOutcome(k, sent_ns, samples)


def next_numbers(sk: TcpSock, una: Column, cwnd: Column) -> Column:
    """Return the next packet number before the first of some ACKs, and after each of them, where
    the windows ``cwnd`` are the only limit."""
    nxt = np.empty(len(una) + 1, dtype=np.int64)
    nxt[0] = sk.nxt
    np.add(una, cwnd, out=nxt[1:])
    return np.maximum.accumulate(nxt, out=nxt)


def _has_room(sk: TcpSock, una: Column) -> bool:
    """Report whether ACKs up to ``una`` answer packets that were sent, leave some in flight, and
    whatever the window grows to lets out nothing that is not written or not wanted."""
    last, n, una0, nxt = int(una[-1]), len(una), sk.una, sk.nxt
    return (
        last <= nxt
        and int(una[0]) + 2 <= nxt
        and 2 * last + n + sk.snd_cwnd - una0 <= sk.write_limit
        and last + n - una0 + sk.snd_cwnd <= sk.rwnd
    )


def _ack_train(sk: TcpSock, columns: AckColumns) -> AckTrain:
    """Return the ACKs as the algorithm's ``train`` hook receives them."""
    host = sk.host
    return AckTrain(
        columns.t,
        columns.una,
        columns.acked,
        columns.ca_rtt,
        snd_nxt=sk.nxt,
        mss=sk.mss_cache,
        jiffies0_ns=host.jiffies0_ns,
        jiffy_ns=host.jiffy_ns,
        in_flight=partial(_in_flight, sk, columns),
    )


def _in_flight(sk: TcpSock, columns: AckColumns) -> Column:
    """Return the bytes in flight when the newest packet of each ACK was sent, before the train."""
    delivered: Column = columns.una + (sk.delivered - sk.una)
    delivered -= sk.packets.delivered_np[columns.last_rows]
    return delivered * sk.mss_cache


def unmarked(packets: PacketColumns, start: int, end: int, marks: int) -> bool:
    """Report whether packets from ``start`` to before ``end`` bear none of the ``marks``."""
    a, b = start - packets.base, end - packets.base
    return packets.flags_bytes.count(0, a, b) == b - a or not (packets.flags_np[a:b] & marks).any()


def timers_keep_still(sk: TcpSock, columns: AckColumns) -> bool:
    """Report whether no timer can fire between these ACKs, from bounds that hold whatever the
    smoothed RTT becomes."""
    t = columns.t
    start, end = int(t[0]), int(t[-1])
    if sk.timer_ns < start:
        return False
    low = min(sk.srtt_us >> 3, columns.least_rtt)
    left = low + sk.host.rto_min_us - columns.most_rtt
    gap_us = (end - start) // 1000 + 1  # none is longer than all together
    if gap_us <= 2 * low + TIMEOUT_MIN_US and 2 * gap_us < left:
        return True
    gap_us = (int((t[1:] - t[:-1]).max()) if len(t) > 1 else 0) // 1000 + 1
    return gap_us <= 2 * low + TIMEOUT_MIN_US and 2 * gap_us < left


def rows_before(t: Column, sample_times: list[int]) -> tuple[list[int], Column]:
    """Return the recording instants before the last of the times ``t`` [ns], and which row each
    finds as the latest."""
    wanted = sample_times[: bisect_left(sample_times, int(t[-1]))]
    return wanted, t.searchsorted(wanted, "right") - 1


def rtt_and_samples(
    sk: TcpSock,
    columns: AckColumns,
    k: int,
    cwnd: Column,
    nxt: Column,
    ssthresh: int,
    sample_times: list[int],
) -> list[SenderSample]:
    """Fold the RTT samples and return the state at the recording instants before the last ACK."""
    una = columns.una
    wanted, latest = rows_before(columns.t[:k], sample_times)
    srtts = columns.fold(sk, k, nxt, latest.tolist())
    if not wanted:
        return []
    acked, windows = una[latest].tolist(), cwnd[latest].tolist()
    before, after = nxt[latest].tolist(), nxt[latest + 1].tolist()
    rates = pacing_rates(sk, ssthresh, windows, map(sub, before, acked), srtts)
    delivered0 = sk.delivered - sk.una
    return [
        (t, window, ssthresh, srtt, out - ack, rate, ack, delivered0 + ack)
        for t, window, srtt, out, rate, ack in zip(
            wanted, windows, srtts, after, rates, acked, strict=True
        )
    ]


def note_delivery(sk: TcpSock, columns: AckColumns, k: int) -> None:
    """Note what the first ``k`` ACKs acknowledge, as the last of them finds it."""
    now_us, ack = int(columns.t[k - 1]) // 1000, int(columns.una[k - 1])
    sk.delivered += ack - sk.una
    sk.delivered_mstamp = now_us
    sk.una = ack
    sk.icsk_retransmits = 0
    sk.rack_advanced = True
    sk.rack_mstamp_us = sk.first_tx_us = int(columns.last_tx[k - 1])
    sk.rack_rtt_us = now_us - sk.first_tx_us
    sk.rack_end = ack
    sk.sample_end = ack - 1
    set_rto(sk)
    sk.backoff = 0


def leave_as_last_ack(sk: TcpSock, columns: AckColumns, k: int, nxt: Column) -> None:
    """Leave the socket as the last ACK taken leaves it."""
    last_ns, ack = int(columns.t[k - 1]), int(columns.una[k - 1])
    nxt_before, nxt_after = int(nxt[k - 1]), int(nxt[k])
    sent = nxt_after - sk.nxt
    note_delivery(sk, columns, k)
    if sent:
        row = k - 1  # the last ACK that let something out
        if nxt_after == nxt_before:
            row = bisect_left(memoryview(nxt), nxt_after) - 1
        sk.lsnd_ns = sk.tcp_wstamp_ns = int(columns.t[row])
        sk.data_segs_out += sent
    sk.set_clock(last_ns)
    sk.ack_ns = last_ns
    sk.pacing_rate = pacing_rate(sk, sk.snd_cwnd, nxt_before - ack, sk.srtt_us)
    sk.nxt = nxt_after
    schedule_loss_probe(sk, advancing_rto=nxt_after == nxt_before)
    sk.is_cwnd_limited = True
    sk.max_packets_out = nxt_after - ack
    sk.cwnd_usage_nxt = nxt_after
    sk.snd_cwnd_used = 0
    sk.snd_cwnd_stamp_ns = last_ns
