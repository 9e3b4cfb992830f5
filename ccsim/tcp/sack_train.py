"""The vector path of a recovery: a train of ACKs each of which SACKs one packet more, at once,
exactly as `ccsim.tcp.usual_sack.usual_sack` row by row.

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
from ccsim.tcp.pacing import pacing_rate
from ccsim.tcp.packets import APP_LIMITED, SACKED
from ccsim.tcp.rtt import set_rto
from ccsim.tcp.rtt_train import fold_min_rtt, fold_samples
from ccsim.tcp.sack_blocks import Blocks, as_blocks
from ccsim.tcp.sock import TIMER_RTO, TcpSock
from ccsim.tcp.train import SenderSample, TrainOutcome, rows_before, unmarked

__all__ = ["may_take_sack_train", "sack_train"]

Column = NDArray[np.int64]
RECOVERY = int(CaState.RECOVERY)
UNUSUAL = 0xFF & ~APP_LIMITED


def may_take_sack_train(sk: TcpSock) -> bool:
    """Report whether a recovery is in plain order, so that `sack_train` may be tried."""
    ops = sk.ca_ops
    return (
        sk.ca_state == RECOVERY
        and ops.cong_control is None
        and (ops.sack_train is not None or (ops.pkts_acked is None and ops.in_ack_event is None))
        and sk.pacing_status == PACING_NONE
        and sk.timer_kind == TIMER_RTO
        and sk.retrans_out >= sk.lost_out
        and sk.prr_out > 0
        and sk.una <= sk.rtt_nxt
        and sk.una < sk.high
        and sk.undo_retrans != 0
        and sk.tlp_high < 0
        and not sk.rack_dsack_seen
        and not sk.reord_seen
        and not sk.app_limited
        and not sk.ecn_flags
        and 1 < sk.snd_ssthresh <= sk.snd_cwnd
        and sk.snd_ssthresh < sk.prior_cwnd
        and sk.snd_ssthresh <= in_flight(sk)
    )


def sack_train(
    sk: TcpSock,
    t: Column,
    ends: Column,
    sample_times: list[int],
    *,
    known: tuple[int, int],
    rest: Blocks,
) -> TrainOutcome | None:
    """Take a prefix of ACKs that arrive at ``t`` [ns] and whose first block ends before packet
    ``ends``, one more each time; None if it takes none.

    ``known`` are the packets acknowledged in order and where that block starts, ``rest`` the other
    blocks; all stay. ``sample_times`` as for `ccsim.tcp.train.ack_train`.
    """
    k = _usual(sk, len(t), int(ends[0]) - 1, known, rest)
    if not k:
        return None
    t = t[:k]
    sends = _prr_sends(sk, k)
    leaves = sends.nonzero()[0]
    seq, limit = sk.nxt + len(leaves), min(sk.write_limit, sk.una + sk.rwnd)
    if sends[0] > 1 or seq > limit:
        return None
    packets = sk.packets
    if seq - packets.base > packets.capacity:
        packets.make_room(sk.una, sk.nxt, len(leaves))
    row = int(ends[0]) - 1 - packets.base
    tx = packets.tx_us_np[row : row + k]
    t_us = t // 1000
    rtt = t_us - tx
    least = int(rtt.min())
    if least < 1 or not _timer_keeps_still(sk, t, tx):
        return None
    if sk.ca_ops.sack_train is not None and not sk.ca_ops.sack_train(sk, rtt):
        return None
    if least <= sk.min_rtt_3_us or int(t[-1]) >= sk.min_rtt_due_ns:
        fold_min_rtt(sk, t, rtt)
    samples = _rtt_and_samples(sk, t, rtt, leaves, sample_times)
    _stamp(sk, row, t_us, tx, leaves)
    end = int(ends[k - 1])
    sk.last_blocks = as_blocks(((known[1], end), *rest))
    _settle(sk, t, tx, leaves, end)
    return TrainOutcome(k, t[leaves], samples)


def _usual(sk: TcpSock, n: int, first: int, known: tuple[int, int], rest: Blocks) -> int:
    """Return how many of ``n`` ACKs, the first for packet ``first``, SACK one packet more, none of
    them sent so late that RACK would judge a retransmission by it."""
    una, start = known
    packets = sk.packets
    if (
        una != sk.una
        or start < una
        or sk.last_blocks != ((start, first), *rest)
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


def _rtt_and_samples(
    sk: TcpSock, t: Column, rtt: Column, leaves: Column, sample_times: list[int]
) -> list[SenderSample]:
    """Fold the RTT samples and return the state at the recording instants before the last ACK."""
    wanted, latest = rows_before(t, sample_times)
    stops = latest.tolist()
    srtts = fold_samples(sk, rtt, stops)
    flight, out, ssthresh = in_flight(sk), sk.nxt - sk.una, sk.snd_ssthresh
    taken: list[SenderSample] = []
    for s, row, srtt in zip(wanted, stops, srtts, strict=True):
        before, after = leaves.searchsorted((row, row + 1)).tolist()
        cwnd = flight - (row + 1) + after
        rate = pacing_rate(sk, cwnd, out + before, srtt)
        taken.append((s, cwnd, ssthresh, srtt, cwnd, rate, sk.una, sk.delivered + row + 1))
    return taken


def _stamp(sk: TcpSock, row: int, t_us: Column, tx: Column, leaves: Column) -> None:
    """Mark the packets from ``row`` on SACKED, and stamp those that the ACKs ``leaves`` let out."""
    packets = sk.packets
    k, sent, a = len(tx), len(leaves), sk.nxt - packets.base
    packets.flags_np[row : row + k] |= SACKED
    packets.delivered_us_np[row : row + k] = -1
    sent_us = t_us[leaves]
    packets.tx_us_np[a : a + sent] = sent_us
    packets.delivered_us_np[a : a + sent] = sent_us
    packets.delivered_np[a : a + sent] = leaves + (sk.delivered + 1)
    packets.first_tx_us_np[a : a + sent] = tx[leaves]


def _settle(sk: TcpSock, t: Column, tx: Column, leaves: Column, end: int) -> None:
    """Leave the socket as the last ACK, which SACKs up to ``end``, leaves it."""
    k, sent = len(t), len(leaves)
    sk.set_clock(int(t[-1]))
    sk.ack_ns = sk.tcp_clock_cache
    sk.delivered += k
    sk.delivered_mstamp = sk.tcp_mstamp
    sk.sacked_out += k
    sk.sack_high = sk.rack_cursor = sk.rack_end = end
    sk.sample_end = end - 1
    sk.rack_advanced = False
    sk.rack_mstamp_us = sk.first_tx_us = int(tx[-1])
    sk.rack_rtt_us = sk.tcp_mstamp - sk.first_tx_us
    if not sk.rack_reo_wnd_persist:
        sk.rack_reo_wnd_steps = 1
    set_rto(sk)
    sk.backoff = 0
    earlier = sent - int(sent and int(leaves[-1]) == k - 1)  # what left before the last ACK came
    if earlier:
        sk.tcp_wstamp_ns = int(t[leaves[earlier - 1]])
    if sk.first_tx_us < sk.packets.tx_us[sk.una - sk.packets.base]:
        rearm_rto(sk)
    sk.prr_delivered += k
    sk.prr_out += sent
    before = sk.nxt + earlier
    sk.nxt += sent
    sk.snd_cwnd = in_flight(sk)
    sk.pacing_rate = pacing_rate(sk, sk.snd_cwnd, before - sk.una, sk.srtt_us)
    if sent:
        sk.lsnd_ns = sk.tcp_wstamp_ns = int(t[leaves[-1]])
        sk.data_segs_out += sent
    sk.is_cwnd_limited = True
    sk.max_packets_out = sk.nxt - sk.una
    sk.cwnd_usage_nxt = sk.nxt
    sk.snd_cwnd_used = 0
    sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache
