"""The vector path of a paced sender whose algorithm sets window and rate (``cong_control``): a
train of plain ACKs at once, exactly as `ccsim.tcp.input.on_ack` and the pacing timer one by one.

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
from ccsim.tcp.rtt import min_rtt_expiry_ns
from ccsim.tcp.sock import SEGS_NEVER_PACED, UNBOUNDED, TcpSock
from ccsim.tcp.train import (
    AckColumns,
    SenderSample,
    TrainOutcome,
    in_plain_order,
    note_delivery,
    rows_before,
    timers_keep_still,
    unmarked,
)
from ccsim.tcp.train_loops import note_use
from ccsim.units import NS_PER_S

__all__ = ["may_take_paced_train", "paced_train"]

Column = NDArray[np.int64]
UNPLAIN = MARKED | APP_LIMITED


def may_take_paced_train(sk: TcpSock) -> bool:
    """Report whether `paced_train` may be tried: plain order, and a packet waits for the pacer
    alone."""
    ops = sk.ca_ops
    return (
        in_plain_order(sk)
        and ops.cong_control is not None
        and ops.pkts_acked is None
        and sk.pacing_status != PACING_NONE
        and sk.pacing_ns == sk.tcp_wstamp_ns
        and sk.host.awake_ns is None
        and not sk.is_cwnd_limited
        and sk.snd_ssthresh <= sk.snd_cwnd
        and sk.high <= sk.una  # what is acknowledged was sent after the last recovery
        and sk.data_segs_out >= SEGS_NEVER_PACED
        and sk.rwnd >= UNBOUNDED
        and not sk.host.tso
        and 0 < sk.pacing_rate <= sk.mss_cache * NS_PER_S
    )


def paced_train(
    sk: TcpSock, t: Column, una: Column, sample_times: list[int]
) -> TrainOutcome | None:
    """Take a prefix of plain ACKs that arrive at ``t`` [ns] and acknowledge ``una`` packets, with
    the packets that leave between them; None if it takes none. ``sample_times`` as for
    `ccsim.tcp.train.ack_train`."""
    packets = sk.packets
    if int(t[-1]) >= sk.min_rtt_due_ns:  # the least RTT may rise by and by: it does so row by row
        keeps = int(t.searchsorted(min_rtt_expiry_ns(sk)))
        if not keeps:
            return None
        t, una = t[:keeps], una[:keeps]
    if int(una[-1]) > sk.nxt or int(una[0]) + LEAST_IN_FLIGHT > sk.nxt:
        return None
    if not unmarked(packets, sk.una, int(una[-1]), UNPLAIN):
        return None
    columns = AckColumns(sk, t, una)
    if columns.least_rtt < 1 or columns.least_acked < 1:
        return None
    if not timers_keep_still(sk, columns):
        return None
    acks = _rate_train(sk, columns)
    train = sk.ca_ops.train
    assert train is not None
    before = sk.una, sk.nxt, sk.delivered, sk.delivered_mstamp, sk.tcp_wstamp_ns
    ssthresh = sk.snd_ssthresh
    k = train(sk, acks)
    sk.una, sk.nxt, sk.delivered, sk.delivered_mstamp, sk.tcp_wstamp_ns = before
    if not k:
        return None
    sent_ns = _departures(acks, k)
    samples = _rtt_and_samples(sk, columns, acks, k, sent_ns, ssthresh, sample_times)
    _stamp(sk, columns, acks, k, sent_ns)
    if columns.by_rows:
        note_use(sk, una, acks.nxt, k)
    else:
        _validate_window(sk, acks, k)
    _settle(sk, columns, acks, k, sent_ns)
    return TrainOutcome(k, sent_ns, samples)


def _rate_train(sk: TcpSock, columns: AckColumns) -> RateTrain:
    """Return the ACKs with their rate samples (``tcp_rate_skb_delivered``, ``tcp_rate_gen``)."""
    found = columns.rates(sk) if columns.by_rows else _rates(sk, columns)
    delivered, prior_delivered, interval, _ = found
    host = sk.host
    return RateTrain(
        (columns.t, columns.una, columns.acked, columns.ca_rtt),
        (delivered, prior_delivered, interval),
        sk,
        snd_nxt=sk.nxt,
        limit=sk.write_limit,
        jiffy=(host.jiffies0_ns, host.jiffy_ns),
        # It gets the train that holds it, lest each train be a cycle that outlives its use.
        arrive=partial(_arrive, sk, columns, found),
    )


def _rates(sk: TcpSock, columns: AckColumns) -> tuple[Column, Column, Column, Column]:
    """Return of each ACK's rate sample the packets delivered, those delivered when the last one
    acknowledged was sent, the interval [us] and the time of delivery then [us]."""
    packets = sk.packets
    rows = columns.last_rows
    prior_us = packets.delivered_us_np[rows]
    interval = np.maximum(columns.last_tx - packets.first_tx_us_np[rows], columns.t_us - prior_us)
    if int(np.minimum.reduce(interval)) < sk.rtt_min_us:  # else none is below the least RTT
        rtt_min = np.minimum.accumulate(columns.ca_rtt)
        np.minimum(rtt_min, sk.rtt_min_us, out=rtt_min)
        interval[interval < rtt_min] = -1
    delivered = columns.una + (sk.delivered - sk.una)
    return delivered, packets.delivered_np[rows], interval, prior_us


def _arrive(
    sk: TcpSock, columns: AckColumns, found: tuple[Column, ...], acks: RateTrain, row: int
) -> RateSample:
    """Put the socket into the state in which ``cong_control`` finds it at an ACK; return the sample
    that it is told."""
    delivered, prior_delivered, interval, prior_us = found
    sk.set_clock(int(columns.t[row]))
    sk.ack_ns = sk.tcp_clock_cache
    sk.una = una = int(columns.una[row])
    sk.nxt = nxt = int(acks.nxt[row])
    sk.delivered = at = int(delivered[row])
    sk.delivered_mstamp = sk.tcp_mstamp
    sk.tcp_wstamp_ns = acks.wstamp(row)
    rs = sk.rate_sample
    rs.prior_delivered = prior = int(prior_delivered[row])
    rs.prior_mstamp = int(prior_us[row])
    rs.delivered = at - prior
    rs.interval_us = int(interval[row])
    rs.snd_interval_us = (
        int(columns.last_tx[row]) - sk.packets.first_tx_us[una - 1 - sk.packets.base]
    )
    rs.rcv_interval_us = sk.tcp_mstamp - rs.prior_mstamp
    rs.last_end_seq = una * sk.mss_cache
    rs.prior_delivered_ce = ce_delivered(sk, prior) if sk.delivered_ce else 0
    rs.delivered_ce = sk.delivered_ce - rs.prior_delivered_ce & CE_MASK
    rs.rtt_us = int(columns.ca_rtt[row])
    rs.acked_sacked = acked = int(columns.acked[row])
    rs.prior_in_flight = nxt - una + acked
    rs.losses = 0
    rs.is_app_limited = rs.is_retrans = rs.is_ack_delayed = False
    return rs


def _departures(acks: RateTrain, k: int) -> Column:
    """Return when the packets leave that leave before the last of ``k`` ACKs arrives [ns]."""
    parts = []
    ends = [piece[2] for piece in acks.pieces[1:]] + [int(acks.nxt[k - 1])]
    for (_, depart_ns, seq, gap, _), end in zip(acks.pieces, ends, strict=True):
        if end > seq:
            parts.append(np.arange(depart_ns, depart_ns + (end - seq) * gap, gap))
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _rtt_and_samples(
    sk: TcpSock,
    columns: AckColumns,
    acks: RateTrain,
    k: int,
    sent_ns: Column,
    ssthresh: int,
    sample_times: list[int],
) -> list[SenderSample]:
    """Fold the RTT samples and return the state at the recording instants before the last ACK."""
    una = columns.una
    wanted, latest = rows_before(columns.t[:k], sample_times)
    stops = latest.tolist()
    srtts = columns.fold(sk, k, acks.nxt, stops)
    columns.fold_min(sk, k)
    if not wanted:
        return []
    departures = memoryview(sent_ns)
    firsts = [piece[0] for piece in acks.pieces]
    delivered0, nxt = sk.delivered - sk.una, sk.nxt
    taken: list[SenderSample] = []
    for s, row, srtt, ack, cwnd in zip(
        wanted, stops, srtts, una[latest].tolist(), acks.cwnd[latest].tolist(), strict=True
    ):
        rate = acks.pieces[bisect_right(firsts, row) - 1][4]
        flight = nxt + bisect_right(departures, s) - ack
        taken.append((s, cwnd, ssthresh, srtt, flight, rate, ack, delivered0 + ack))
    return taken


def _stamp(sk: TcpSock, columns: AckColumns, acks: RateTrain, k: int, sent_ns: Column) -> None:
    """Stamp the packets that leave with the state of delivery at that time
    (``tcp_rate_skb_sent``)."""
    count = len(sent_ns)
    if not count:
        return
    columns.make_room(sk, count)
    # The pacer never sends before the first ACK of a train.
    if columns.by_rows:
        columns.stamp_paced(sk, acks.nxt[:k], sent_ns)
        return
    packets = sk.packets
    rows = np.arange(k - 1).repeat(acks.nxt[1:k] - acks.nxt[: k - 1])
    a, b = sk.nxt - packets.base, sk.nxt - packets.base + count
    np.floor_divide(sent_ns, 1000, out=packets.tx_us_np[a:b])
    columns.t_us.take(rows, out=packets.delivered_us_np[a:b], mode="clip")
    acks.delivered.take(rows, out=packets.delivered_np[a:b], mode="clip")
    columns.last_tx.take(rows, out=packets.first_tx_us_np[a:b], mode="clip")


def _validate_window(sk: TcpSock, acks: RateTrain, k: int) -> None:
    """Note how much of the window was used, as `write_xmit` does at each departure: the window is
    never the limit here (``tcp_cwnd_validate``)."""
    sends = (acks.nxt[1:k] > acks.nxt[: k - 1]).nonzero()[0]  # after these ACKs packets leave
    if not len(sends):
        return
    una, nxt = acks.una[sends], acks.nxt[sends + 1]
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


def _settle(sk: TcpSock, columns: AckColumns, acks: RateTrain, k: int, sent_ns: Column) -> None:
    """Leave the socket as the last ACK taken leaves it."""
    last_ns = int(columns.t[k - 1])
    ack = int(columns.una[k - 1])
    note_delivery(sk, columns, k)
    sk.nxt = int(acks.nxt[k - 1])
    if len(sent_ns):
        sk.lsnd_ns = int(sent_ns[-1])
        sk.data_segs_out += len(sent_ns)
    sk.set_clock(last_ns)
    sk.ack_ns = last_ns
    sk.pacing_ns = sk.tcp_wstamp_ns = acks.wstamp(k - 1)
    if sk.nxt - ack >= sk.snd_cwnd:
        write_xmit(sk)  # sends nothing, but notes that the window is the limit
    set_xmit_timer(sk)
