"""The vector path of a sender: a train of plain ACKs at once, exactly as `ccsim.tcp.input.on_ack`
row by row.

What the closed forms cover: state Open, nothing SACKed, lost or retransmitted, a bulk source
limited by the window alone, no pacing, no timer that fires. Everything else runs row by row.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from ccsim.kernel.sock import PACING_NONE
from ccsim.kernel.train import AckTrain
from ccsim.tcp.ecn import TCP_ECN_QUEUE_CWR
from ccsim.tcp.host import TIMEOUT_MIN_US
from ccsim.tcp.input import MARKED
from ccsim.tcp.output import schedule_loss_probe
from ccsim.tcp.pacing import pacing_rate
from ccsim.tcp.packets import PacketColumns
from ccsim.tcp.rtt import set_rto
from ccsim.tcp.rtt_train import fold_rounds
from ccsim.tcp.sock import TcpSock

__all__ = [
    "AckColumns",
    "SenderSample",
    "TrainOutcome",
    "ack_train",
    "in_plain_order",
    "may_take_train",
    "rows_before",
    "timers_keep_still",
    "unmarked",
]

Column = NDArray[np.int64]
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
    """What plain ACKs at ``t`` [ns] that acknowledge ``una`` packets bring, one row each: RTT of
    their first packet, of their last [us], when that was sent, its row among the packets, and how
    many are newly acknowledged."""

    __slots__ = ("acked", "ca_rtt", "last_rows", "last_tx", "rtt", "t", "t_us", "una")

    def __init__(self, sk: TcpSock, t: Column, una: Column) -> None:
        packets = sk.packets
        self.t, self.una = t, una
        self.t_us = t_us = t // 1000
        self.last_rows = una - (packets.base + 1)
        self.last_tx = last_tx = packets.tx_us_np[self.last_rows]
        first_tx = np.empty_like(last_tx)
        first_tx[0] = packets.tx_us_np[sk.una - packets.base]
        first_tx[1:] = packets.tx_us_np[self.last_rows[:-1] + 1]
        self.rtt = t_us - first_tx
        self.ca_rtt = t_us - last_tx
        self.acked = acked = np.empty_like(una)
        acked[0] = una[0] - sk.una
        np.subtract(una[1:], una[:-1], out=acked[1:])


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
        and sk.tlp_high_seq < 0
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
    acked, least_rtt = columns.acked, int(columns.ca_rtt.min())
    # Something stays in flight at every ACK, as the window never falls within a train.
    if int(acked.min()) < 1 or int(acked.max()) + 2 > sk.snd_cwnd:
        return None
    if least_rtt < 1 or not timers_keep_still(sk, columns, least_rtt):
        return None
    sk.set_clock(int(t[0]))
    acks = _ack_train(sk, columns)
    train = sk.ca_ops.train
    assert train is not None
    ssthresh = sk.snd_ssthresh
    k = train(sk, acks)
    if not k:
        return None
    nxt = np.maximum.accumulate(una[:k] + acks.cwnd[:k])
    if int(nxt[0]) < sk.nxt:
        np.maximum(nxt, sk.nxt, out=nxt)
    samples = rtt_and_samples(sk, columns, k, acks.cwnd, nxt, ssthresh, sample_times)
    if least_rtt < sk.rtt_min_us:
        sk.rtt_min_us = min(sk.rtt_min_us, int(columns.ca_rtt[:k].min()))
    sent_ns = send_train(sk, columns, k, nxt)
    leave_as_last_ack(sk, columns, k, nxt)
    return TrainOutcome(k, sent_ns, samples)


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
    host, una, packets = sk.host, columns.una, sk.packets
    before = sk.delivered - sk.una
    return AckTrain(
        columns.t,
        una,
        columns.acked,
        columns.ca_rtt,
        snd_nxt=sk.nxt,
        mss=sk.mss_cache,
        jiffies0_ns=host.jiffies0_ns,
        jiffy_ns=host.jiffy_ns,
        in_flight=lambda: sk.mss_cache * (before + una - packets.delivered_np[columns.last_rows]),
    )


def unmarked(packets: PacketColumns, start: int, end: int, marks: int) -> bool:
    """Report whether packets from ``start`` to before ``end`` bear none of the ``marks``."""
    a, b = start - packets.base, end - packets.base
    return packets.flags_bytes.count(0, a, b) == b - a or not (packets.flags_np[a:b] & marks).any()


def timers_keep_still(sk: TcpSock, columns: AckColumns, least_rtt: int) -> bool:
    """Report whether no timer can fire between these ACKs, from bounds that hold whatever the
    smoothed RTT becomes; no sample is below ``least_rtt`` [us]."""
    t = columns.t
    start, end = int(t[0]), int(t[-1])
    if sk.timer_ns < start:
        return False
    low = min(sk.srtt_us >> 3, least_rtt)
    left = low + sk.host.rto_min_us - int(columns.rtt.max())
    gap_us = (end - start) // 1000 + 1  # none is longer than all together
    if gap_us <= 2 * low + TIMEOUT_MIN_US and 2 * gap_us < left:
        return True
    gap_us = (int((t[1:] - t[:-1]).max()) if len(t) > 1 else 0) // 1000 + 1
    return gap_us <= 2 * low + TIMEOUT_MIN_US and 2 * gap_us < left


def rows_before(t: Column, sample_times: list[int]) -> tuple[list[int], list[int]]:
    """Return the recording instants before the last of the times ``t`` [ns], and which row each
    finds as the latest."""
    times = memoryview(t)
    wanted = sample_times[: bisect_left(sample_times, times[-1])]
    return wanted, [bisect_right(times, s) - 1 for s in wanted]


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
    wanted, stops = rows_before(columns.t[:k], sample_times)
    numbers, windows, sent = memoryview(columns.una), memoryview(cwnd), memoryview(nxt)
    una, nxt0 = columns.una[:k], sk.nxt
    srtts = fold_rounds(sk, una, columns.rtt[:k], lambda row: sent[row - 1] if row else nxt0, stops)
    taken: list[SenderSample] = []
    delivered0 = sk.delivered - sk.una
    final_ssthresh, sk.snd_ssthresh = sk.snd_ssthresh, ssthresh
    for s, row, srtt in zip(wanted, stops, srtts, strict=True):
        ack, window = numbers[row], windows[row]
        before = sent[row - 1] if row else nxt0
        rate = pacing_rate(sk, window, before - ack, srtt)
        taken.append((s, window, ssthresh, srtt, sent[row] - ack, rate, ack, delivered0 + ack))
    sk.snd_ssthresh = final_ssthresh
    return taken


def send_train(sk: TcpSock, columns: AckColumns, k: int, nxt: Column) -> Column:
    """Stamp the packets that each ACK lets out; return when each leaves [ns]."""
    packets = sk.packets
    nxt0, end = sk.nxt, int(nxt[-1])
    count = end - nxt0
    if not count:
        return np.empty(0, dtype=np.int64)
    if end - packets.base > packets.capacity:
        packets.make_room(sk.una, nxt0, count)
    new = np.empty_like(nxt)
    new[0] = nxt[0] - nxt0
    np.subtract(nxt[1:], nxt[:-1], out=new[1:])
    rows = np.arange(k).repeat(new)
    part = slice(nxt0 - packets.base, end - packets.base)
    sent_us = packets.tx_us_np[part]
    columns.t_us.take(rows, out=sent_us, mode="clip")
    packets.delivered_us_np[part] = sent_us
    delivered = packets.delivered_np[part]
    columns.una.take(rows, out=delivered, mode="clip")
    delivered += sk.delivered - sk.una
    columns.last_tx.take(rows, out=packets.first_tx_us_np[part], mode="clip")
    packets.flags_np[part] = 0
    return columns.t.take(rows, mode="clip")


def leave_as_last_ack(sk: TcpSock, columns: AckColumns, k: int, nxt: Column) -> None:
    """Leave the socket as the last ACK taken leaves it."""
    last_ns = int(columns.t[k - 1])
    now_us = last_ns // 1000
    ack = int(columns.una[k - 1])
    nxt_before = int(nxt[k - 2]) if k > 1 else sk.nxt
    nxt_after = int(nxt[k - 1])
    sent = nxt_after - sk.nxt
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
    if sent:
        row = bisect_left(memoryview(nxt), nxt_after)  # the last ACK that let something out
        sk.lsnd_ns = sk.tcp_wstamp_ns = int(columns.t[row])
        sk.data_segs_out += sent
    sk.set_clock(last_ns)
    sk.pacing_rate = pacing_rate(sk, sk.snd_cwnd, nxt_before - ack, sk.srtt_us)
    sk.nxt = nxt_after
    schedule_loss_probe(sk, advancing_rto=nxt_after == nxt_before)
    sk.is_cwnd_limited = True
    sk.max_packets_out = nxt_after - ack
    sk.cwnd_usage_nxt = nxt_after
    sk.snd_cwnd_used = 0
    sk.snd_cwnd_stamp_ns = last_ns
