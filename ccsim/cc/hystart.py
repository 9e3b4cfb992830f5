"""HyStart, which ends slow start before it loses packets: one ACK at a time, and a train at once.

A round lasts until all that was sent at its start is acknowledged. Two tests, from a window of 16
packets on: ACKs have come one close after the other for as long as the least one-way delay; or the
least of a round's RTTs, of nine or more, lies clearly above the least RTT ever.

Reference: S. Ha, I. Rhee: "Taming the elephants: New TCP slow start", Computer Networks 55 (2011),
in the form of Linux 6.14 and later, where a round may start at any ACK in slow start.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsim.cc.fixed_point import U32_MAX, USEC_PER_MSEC, USEC_PER_SEC, require_range, s32
from ccsim.cc.train import AckTrain
from ccsim.kernel.kfuncs import after
from ccsim.kernel.sock import PACING_NONE, Sock

__all__ = [
    "HyStart",
    "HyStartParams",
    "ends_slow_start",
    "ends_slow_start_train",
    "is_regular_train",
    "start_round",
]

I32_MAX = U32_MAX >> 1
ACK_TRAIN = 0x1
DELAY = 0x2
MIN_SAMPLES = 8
DELAY_MIN_US = 4_000
DELAY_MAX_US = 16_000
Column = NDArray[np.int64]


@dataclass(frozen=True)
class HyStartParams:
    """Module parameters, named and preset as in Linux.

    hystart_detect: 1 ACK trains, 2 delays, 3 both; hystart_low_window: packets;
    hystart_ack_delta_us: a longer gap between two ACKs ends a train.
    """

    hystart: int = 1
    hystart_detect: int = 3
    hystart_low_window: int = 16
    hystart_ack_delta_us: int = 2000

    def __post_init__(self) -> None:
        require_range("hystart_detect", self.hystart_detect, 0, ACK_TRAIN | DELAY)
        require_range("hystart_low_window", self.hystart_low_window, 0, I32_MAX)
        require_range("hystart_ack_delta_us", self.hystart_ack_delta_us, 0, I32_MAX)


@dataclass(slots=True)
class HyStart:
    """What HyStart remembers; all times in microseconds."""

    found: bool = False  # the end of slow start
    delay_min: int = 0  # least RTT, 0 for none yet
    sample_cnt: int = 0  # RTT samples of this round, up to 8
    round_start: int = 0
    last_ack: int = 0  # the last ACK of the train
    end_seq: int = 0  # the round ends beyond it
    curr_rtt: int = 0  # least RTT of the round


def start_round(sk: Sock, ca: HyStart) -> None:
    """Begin a round, which lasts until all that is sent by now is acknowledged."""
    ca.round_start = ca.last_ack = sk.tcp_mstamp
    ca.end_seq = sk.snd_nxt
    ca.curr_rtt = U32_MAX
    ca.sample_cnt = 0


def ends_slow_start(sk: Sock, ca: HyStart, params: HyStartParams, delay: int) -> bool:
    """Take an RTT sample ``delay`` [us] in slow start; report whether slow start should end."""
    if after(sk.snd_una, ca.end_seq):
        start_round(sk, ca)
    if sk.snd_cwnd < params.hystart_low_window:
        return False
    full = params.hystart_detect & ACK_TRAIN and _train_is_long(sk, ca, params)
    slow = params.hystart_detect & DELAY and _delay_has_grown(ca, delay)
    return bool(full or slow)


def _train_is_long(sk: Sock, ca: HyStart, params: HyStartParams) -> bool:
    now = sk.tcp_mstamp
    delta = params.hystart_ack_delta_us
    if s32(now - ca.last_ack) > delta:
        return False
    ca.last_ack = now
    limit = ca.delay_min
    if sk.pacing_rate:  # the time that the segments of a few bursts take to leave
        burst_us = sk.gso_max_size * 4 * USEC_PER_SEC // sk.pacing_rate
        limit += min(USEC_PER_MSEC, burst_us)
    if sk.pacing_status == PACING_NONE:  # pacing may spread a window over the whole RTT
        limit >>= 1
    return (now - ca.round_start) & U32_MAX > limit


def _delay_has_grown(ca: HyStart, delay: int) -> bool:
    ca.curr_rtt = min(ca.curr_rtt, delay)
    if ca.sample_cnt < MIN_SAMPLES:
        ca.sample_cnt += 1
        return False
    margin = min(max(ca.delay_min >> 3, DELAY_MIN_US), DELAY_MAX_US)
    return ca.curr_rtt > ca.delay_min + margin


# --- trains ---


def is_regular_train(sk: Sock, acks: AckTrain) -> bool:
    """Report whether `ends_slow_start_train` may be asked.

    Each ACK needs an RTT sample, and there must be a pacing rate.
    """
    if not sk.pacing_rate or sk.srtt_us >> 3 < 1 or int(acks.rtt_us.min()) < 1:
        return False
    return _acked(acks) * acks.mss < 1 << 30


def _acked(acks: AckTrain) -> int:
    return int(acks.una[-1]) - int(acks.una[0]) + int(acks.acked[0])


def _least_burst_us(sk: Sock, acks: AckTrain, cwnd: int) -> int:
    """Return the least time that `_train_is_long` may add at any of the ACKs [us]: the pacing rate,
    which changes with each, is no higher than 200 % of the greatest window per least RTT."""
    least_rtt = min(int(acks.rtt_us.min()), sk.srtt_us >> 3)
    window = max(cwnd + _acked(acks), sk.packets_out)
    fastest = max(2 * window * acks.mss * USEC_PER_SEC // least_rtt, sk.pacing_rate)
    return min(USEC_PER_MSEC, sk.gso_max_size * 4 * USEC_PER_SEC // fastest)


def ends_slow_start_train(
    sk: Sock, ca: HyStart, params: HyStartParams, acks: AckTrain, cwnd: int, count: int
) -> tuple[int, bool]:
    """Return the first of ``count`` ACKs at which slow start should end, and True; or the first for
    which that takes its pacing rate to tell, and False: it is not taken; ``count`` for neither.

    As `ends_slow_start` and the tracking of ``delay_min`` ACK by ACK: ``cwnd`` is the window before
    the train, and ``acks.cwnd`` must hold its slow start.
    """
    delay = np.maximum(acks.rtt_us[:count], 1)
    floor = np.minimum.accumulate(delay)
    if ca.delay_min:
        np.minimum(floor, ca.delay_min, out=floor)
    least_us = _least_burst_us(sk, acks, cwnd)
    tests = _Tests(sk, ca, params, acks.t_us[:count], delay, floor, least_us)
    row, end = 0, _round_end(sk, ca, acks, 0, 0, count)
    tested = int(acks.cwnd[:count].searchsorted(params.hystart_low_window)) + 1
    if cwnd >= params.hystart_low_window:
        tested = 0
    while True:
        found, sure = tests.first_end(max(row, tested), end)
        if found < end or end == count:
            break
        _start_round_at(sk, ca, acks, end)
        row, end = end, _round_end(sk, ca, acks, end, end + 1, count)
    found = found if found < end else count
    last = found if sure else found - 1
    if last >= 0:
        ca.delay_min = int(floor[min(last, count - 1)])
    return found, sure and found < count


def _round_end(sk: Sock, ca: HyStart, acks: AckTrain, row: int, first: int, count: int) -> int:
    """Return the ACK from ``first`` on that ends the round of ``row``, ``count`` for none."""
    una = memoryview(acks.una)
    offset = sk.snd_nxt - acks.snd_nxt * acks.mss  # bytes before packet 0
    left = s32(ca.end_seq - offset - una[row] * acks.mss)
    return bisect_right(una, una[row] + left // acks.mss, first, count)


def _start_round_at(sk: Sock, ca: HyStart, acks: AckTrain, row: int) -> None:
    ca.round_start = ca.last_ack = int(acks.t_us[row])
    ca.end_seq = sk.snd_nxt + (acks.snd_nxt_before(row) - acks.snd_nxt) * acks.mss
    ca.curr_rtt = U32_MAX
    ca.sample_cnt = 0


class _Tests:
    """Both tests over a train's rows, round by round."""

    def __init__(
        self,
        sk: Sock,
        ca: HyStart,
        params: HyStartParams,
        t_us: Column,
        delay: Column,
        floor: Column,
        least_us: int,
    ) -> None:
        self.ca, self.params = ca, params
        self.t_us, self.delay, self.floor = t_us, delay, floor
        self.halved = int(sk.pacing_status == PACING_NONE)
        self.least_us = least_us  # that pacing adds to the limit of a train

    def first_end(self, start: int, stop: int) -> tuple[int, bool]:
        """Test the rows ``start`` to ``stop``, of one round; return the first that may end slow
        start, and whether that is sure (as it is that none does)."""
        if start >= stop:
            return stop, True
        alive = self.alive(start, stop)
        found, sure = stop, True
        if self.params.hystart_detect & ACK_TRAIN:
            found = self.long_train(start, start + alive, stop)
            sure = found == stop or self.surely_long(found)
        if self.params.hystart_detect & DELAY:
            slow = self.grown_delay(start, stop)
            if slow <= found:
                found, sure = slow, True
        self.advance(start, min(found + sure, stop), alive)
        return found, sure

    def alive(self, start: int, stop: int) -> int:
        """Return how many rows belong to the round's train."""
        t, delta = self.t_us[start:stop], self.params.hystart_ack_delta_us
        if s32(int(t[0]) - self.ca.last_ack) > delta:
            return 0
        gap = t[1:] - t[:-1] > delta
        broken = int(gap.argmax()) if len(gap) else 0
        return broken + 1 if len(gap) and gap[broken] else stop - start

    def long_train(self, start: int, alive: int, none: int) -> int:
        """Return the first row at which the train may be as long as the one-way delay."""
        limit = (self.floor[start:alive] + self.least_us) >> self.halved
        full = (self.t_us[start:alive] - self.ca.round_start) & U32_MAX > limit
        return start + int(full.argmax()) if full.any() else none

    def surely_long(self, row: int) -> bool:
        """Report whether the train is that long at any pacing rate."""
        limit = (int(self.floor[row]) + USEC_PER_MSEC) >> self.halved
        return (int(self.t_us[row]) - self.ca.round_start) & U32_MAX > limit

    def grown_delay(self, start: int, stop: int) -> int:
        """Return the first row, from the ninth of a round on, whose least RTT has grown."""
        ninth = start + MIN_SAMPLES - self.ca.sample_cnt
        if ninth >= stop:
            return stop
        least = np.minimum.accumulate(self.delay[start:stop])[ninth - start :]
        floor = self.floor[ninth:stop]
        margin = np.clip(floor >> 3, DELAY_MIN_US, DELAY_MAX_US)
        slow = np.minimum(least, self.ca.curr_rtt) > floor + margin
        return ninth + int(slow.argmax()) if slow.any() else stop

    def advance(self, start: int, stop: int, alive: int) -> None:
        """Leave the round's state as after row ``stop - 1``."""
        if start >= stop:
            return
        ca = self.ca
        if self.params.hystart_detect & ACK_TRAIN and alive:
            ca.last_ack = int(self.t_us[min(start + alive, stop) - 1])
        if self.params.hystart_detect & DELAY:
            ca.curr_rtt = min(ca.curr_rtt, int(self.delay[start:stop].min()))
            ca.sample_cnt = min(ca.sample_cnt + stop - start, MIN_SAMPLES)
