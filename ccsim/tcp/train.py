"""The vector path of a sender: a train of plain ACKs at once, exactly as `ccsim.tcp.input.on_ack`
row by row.

What the closed forms cover: state Open, nothing SACKed, lost or retransmitted, a bulk source
limited by the window alone, no pacing, no timer that fires. Everything else runs row by row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.kernel.sock import PACING_NONE
from ccsim.kernel.train import AckTrain
from ccsim.tcp.ecn import TCP_ECN_QUEUE_CWR
from ccsim.tcp.host import TIMEOUT_MIN_US
from ccsim.tcp.input import MARKED
from ccsim.tcp.output import schedule_loss_probe
from ccsim.tcp.pacing import pacing_rate
from ccsim.tcp.rtt import end_of_round, rtt_train, set_rto
from ccsim.tcp.sock import TcpSock

__all__ = [
    "AckColumns",
    "SenderSample",
    "TrainOutcome",
    "ack_train",
    "in_plain_order",
    "may_take_train",
    "timers_keep_still",
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
        self.acked = acked = una.copy()
        acked[0] -= sk.una
        acked[1:] -= una[:-1]


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
    una0, nxt0 = sk.una, sk.nxt
    last_una = int(una[-1])
    if (
        last_una > nxt0
        or int(una[0]) + 2 > nxt0
        or 2 * last_una + len(una) + sk.snd_cwnd - una0 > sk.write_limit
        or last_una + len(una) - una0 + sk.snd_cwnd > sk.rwnd
    ):
        return None
    packets = sk.packets
    row0 = una0 - packets.base
    if (packets.flags_np[row0 : last_una - packets.base] & MARKED).any():
        return None
    columns = AckColumns(sk, t, una)
    t_us, rtt, ca_rtt, last_tx = columns.t_us, columns.rtt, columns.ca_rtt, columns.last_tx
    acked = columns.acked
    # Something stays in flight at every ACK, as the window never falls within a train.
    if int(acked.min()) < 1 or int(acked.max()) + 2 > sk.snd_cwnd:
        return None
    if int(ca_rtt.min()) < 1 or not timers_keep_still(sk, t, rtt):
        return None
    host = sk.host
    sk.set_clock(int(t[0]))
    acks = AckTrain(
        t,
        una,
        acked,
        ca_rtt,
        snd_nxt=nxt0,
        mss=sk.mss_cache,
        jiffies0_ns=host.jiffies0_ns,
        jiffy_ns=host.jiffy_ns,
        in_flight=lambda: (
            sk.mss_cache * (sk.delivered - una0 + una - packets.delivered_np[columns.last_rows])
        ),
    )
    train = sk.ca_ops.train
    assert train is not None
    ssthresh = sk.snd_ssthresh
    k = train(sk, acks)
    if not k:
        return None
    nxt = np.maximum.accumulate(una[:k] + acks.cwnd[:k])
    if int(nxt[0]) < nxt0:
        np.maximum(nxt, nxt0, out=nxt)
    samples = _rtt_and_samples(sk, t[:k], una[:k], rtt[:k], acks.cwnd, nxt, ssthresh, sample_times)
    sk.rtt_min_us = min(sk.rtt_min_us, int(ca_rtt[:k].min()))
    sent_ns = _send(sk, t[:k], t_us, una, last_tx, nxt)
    _settle(sk, t, t_us, una, last_tx, nxt, k)
    return TrainOutcome(k, sent_ns, samples)


def timers_keep_still(sk: TcpSock, t: Column, rtt: Column) -> bool:
    """Report whether no timer can fire between these ACKs, from bounds that hold whatever the
    smoothed RTT becomes."""
    if sk.timer_ns < int(t[0]):
        return False
    gap_us = (int((t[1:] - t[:-1]).max()) if len(t) > 1 else 0) // 1000 + 1
    rtt_low = min(sk.srtt_us >> 3, int(rtt.min()))
    if gap_us > 2 * rtt_low + TIMEOUT_MIN_US:
        return False
    return gap_us < rtt_low + sk.host.rto_min_us - int(rtt.max()) - gap_us


def _rtt_and_samples(
    sk: TcpSock,
    t: Column,
    una: Column,
    rtt: Column,
    cwnd: Column,
    nxt: Column,
    ssthresh: int,
    sample_times: list[int],
) -> list[SenderSample]:
    """Fold the RTT samples and return the state at the recording instants before the last ACK."""
    last_t = int(t[-1])
    wanted = [s for s in sample_times if s < last_t]
    stops = (t.searchsorted(wanted, side="right") - 1).tolist() if wanted else []
    srtts = _fold_rtt(sk, una, rtt, nxt, stops)
    taken: list[SenderSample] = []
    final_ssthresh, sk.snd_ssthresh = sk.snd_ssthresh, ssthresh
    for s, row, srtt in zip(wanted, stops, srtts, strict=True):
        ack, window, after = int(una[row]), int(cwnd[row]), int(nxt[row])
        before = int(nxt[row - 1]) if row else sk.nxt
        rate = pacing_rate(sk, window, before - ack, srtt)
        delivered = sk.delivered + ack - sk.una
        taken.append((s, window, ssthresh, srtt, after - ack, rate, ack, delivered))
    sk.snd_ssthresh = final_ssthresh
    return taken


def _fold_rtt(sk: TcpSock, una: Column, rtt: Column, nxt: Column, stops: list[int]) -> list[int]:
    """Fold the RTT samples, round by round; return ``srtt_us`` after each of the ACKs ``stops``."""
    k = len(una)
    found: list[int] = []
    done = 0
    while done < k:
        round_end = int(una.searchsorted(sk.rtt_nxt, side="right"))  # first ACK beyond the round
        stop = min(k, round_end + 1)
        found += rtt_train(sk, rtt[done:stop], [row - done for row in stops if done <= row < stop])
        if round_end < k:
            end_of_round(sk, int(nxt[round_end - 1]) if round_end else sk.nxt)
        done = stop
    return found


def _send(
    sk: TcpSock, t: Column, t_us: Column, una: Column, last_tx: Column, nxt: Column
) -> Column:
    """Stamp the packets that each ACK lets out; return when each leaves [ns]."""
    packets = sk.packets
    una0, nxt0 = sk.una, sk.nxt
    count = int(nxt[-1]) - nxt0
    if not count:
        return np.empty(0, dtype=np.int64)
    if int(nxt[-1]) - packets.base > packets.capacity:
        packets.make_room(una0, nxt0, count)
    new = nxt.copy()
    new[0] -= nxt0
    new[1:] -= nxt[:-1]
    rows = np.repeat(np.arange(len(t)), new)
    a = nxt0 - packets.base
    sent_us = t_us[rows]
    packets.tx_us_np[a : a + count] = sent_us
    packets.delivered_us_np[a : a + count] = sent_us
    packets.delivered_np[a : a + count] = una[rows] + (sk.delivered - una0)
    packets.first_tx_us_np[a : a + count] = last_tx[rows]
    packets.flags_np[a : a + count] = 0
    return t[rows]


def _settle(
    sk: TcpSock, t: Column, t_us: Column, una: Column, last_tx: Column, nxt: Column, k: int
) -> None:
    """Leave the socket as the last ACK taken leaves it."""
    last_ns = int(t[k - 1])
    now_us = int(t_us[k - 1])
    ack = int(una[k - 1])
    nxt_before = int(nxt[k - 2]) if k > 1 else sk.nxt
    nxt_after = int(nxt[k - 1])
    sent = nxt_after - sk.nxt
    sk.delivered += ack - sk.una
    sk.delivered_mstamp = now_us
    sk.una = ack
    sk.icsk_retransmits = 0
    sk.rack_advanced = True
    sk.rack_mstamp_us = sk.first_tx_us = int(last_tx[k - 1])
    sk.rack_rtt_us = now_us - sk.first_tx_us
    sk.rack_end = ack
    sk.sample_end = ack - 1
    set_rto(sk)
    sk.backoff = 0
    if sent:
        row = int(np.searchsorted(nxt[:k], nxt_after))  # the last ACK that let something out
        sk.lsnd_ns = sk.tcp_wstamp_ns = int(t[row])
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
