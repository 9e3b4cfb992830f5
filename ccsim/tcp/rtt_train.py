"""The RTT estimator over a train of samples, exactly as `ccsim.tcp.rtt.rtt_estimator` one by one.

Integer EWMAs floor at every step, so they are not linear and cannot be jumped over. But they come
to rest: a run of equal samples ends in a state that no longer changes; and where samples keep
within one microsecond, the state becomes a function of the latest few.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ccsim.tcp.rtt import end_of_round, new_mdev, update_min_rtt
from ccsim.tcp.sock import TcpSock

__all__ = ["Samples", "as_folded", "fold_min_rtt", "fold_rounds"]

Column = NDArray[np.int64]

RUNS_FROM = 32  # shorter trains are folded one by one: looking for runs would cost more
BLOCKS_FROM = 512
BLOCK_SHIFT = 5  # samples that are looked at together: 32
BLOCK = 1 << BLOCK_SHIFT


def fold_rounds(
    sk: TcpSock, una: Column, samples: Samples, nxt: Column, stops: Sequence[int]
) -> list[int]:
    """Fold the RTT samples of ACKs that acknowledge ``una`` packets, with the ends of rounds
    between them; return ``srtt_us`` after each of the ACKs ``stops`` (ascending rows, which may
    repeat). There may be more samples than ACKs.

    ``nxt`` is the next packet number when each ACK arrives.
    """
    n = len(una)
    numbers = memoryview(una)
    found: list[int] = []
    done = 0
    while done < n:
        round_end = bisect_right(numbers, sk.rtt_nxt, done)  # the first ACK beyond the round
        if round_end >= n:
            samples.fold(sk, done, n, stops, found)
            break
        samples.fold(sk, done, round_end + 1, stops, found)
        done = round_end + 1
        end_of_round(sk, int(nxt[round_end]))
    return found


def fold_min_rtt(sk: TcpSock, t: Column, rtt: Column) -> None:
    """Fold samples ``rtt`` [us] taken at ``t`` [ns] into the least RTT, as `update_rtt` does."""
    for t_ns, rtt_us in zip(t.tolist(), rtt.tolist(), strict=True):
        if rtt_us <= sk.min_rtt_3_us or t_ns >= sk.min_rtt_due_ns:
            update_min_rtt(sk, t_ns, rtt_us)


class Samples(ABC):
    """RTT samples that are folded in order; ``most`` is the largest [us]."""

    __slots__ = ("most",)

    most: int

    def fold(
        self, sk: TcpSock, start: int, stop: int, asked: Sequence[int], found: list[int]
    ) -> None:
        """Fold the samples from ``start``, where the last call stopped, to before ``stop``.

        Of the samples ``asked``, those after which ``srtt_us`` has been ``found`` are done with;
        add it for the others among those folded.
        """
        for row in asked[len(found) :]:
            if row >= stop:
                break
            if row >= start:
                self.fold_part(sk, start, row + 1)
                start = row + 1
            found.append(sk.srtt_us)
        if start < stop:
            self.fold_part(sk, start, stop)

    @abstractmethod
    def fold_part(self, sk: TcpSock, start: int, stop: int) -> None:
        """Fold the samples from ``start``, where the last call stopped, to before ``stop``."""


def as_folded(rtt: Column) -> Samples:
    """Return the samples ``rtt`` [us], none below 1, in the form in which they are folded
    fastest."""
    n = len(rtt)
    if n <= RUNS_FROM:
        return _Each(rtt)
    changes = (rtt[1:] != rtt[:-1]).nonzero()[0]
    if 8 * len(changes) <= n:
        return _Runs(rtt, changes)
    return _Blocks(rtt) if n >= BLOCKS_FROM else _Each(rtt)


class _Each(Samples):
    """Samples one by one."""

    __slots__ = ("samples",)

    def __init__(self, rtt: Column) -> None:
        self.samples: list[int] = rtt.tolist()
        self.most = int(np.maximum.reduce(rtt))

    def fold_part(self, sk: TcpSock, start: int, stop: int) -> None:
        _fold_each(sk, self.samples[start:stop])


def _fold_each(sk: TcpSock, samples: list[int]) -> None:
    srtt, mdev, mdev_max = sk.srtt_us, sk.mdev_us, sk.mdev_max_us
    for sample in samples:
        m = sample - (srtt >> 3)
        srtt += m
        if m < 0:
            m = -m - (mdev >> 2)
            if m > 0:
                m >>= 3
        else:
            m -= mdev >> 2
        mdev += m
        if mdev > mdev_max:
            mdev_max = mdev
    sk.srtt_us, sk.mdev_us, sk.mdev_max_us = srtt, mdev, mdev_max
    if mdev_max > sk.rttvar_us:
        sk.rttvar_us = mdev_max


class _Runs(Samples):
    """Runs of equal samples: once the state has come to rest nothing changes before the next."""

    __slots__ = ("at", "ends", "values")

    def __init__(self, rtt: Column, changes: Column) -> None:
        self.ends: list[int] = [*(changes + 1).tolist(), len(rtt)]
        self.values: list[int] = [*rtt[changes].tolist(), int(rtt[-1])]
        self.most = max(self.values)
        self.at = 0  # the run that comes next

    def fold(
        self, sk: TcpSock, start: int, stop: int, asked: Sequence[int], found: list[int]
    ) -> None:
        srtt, mdev, mdev_max = sk.srtt_us, sk.mdev_us, sk.mdev_max_us
        next_asked = asked[len(found)] if len(found) < len(asked) else stop
        while start < stop:
            level, end = self.values[self.at] << 3, self.ends[self.at]
            excess = srtt - level
            rest, mdev_rest, most, steps = _come_to_rest(excess, mdev)
            if end <= stop:
                self.at += 1
            else:
                end = stop
            while next_asked < end:
                count = next_asked + 1 - start
                found.append(level + (rest if count >= steps else _steps(excess, mdev, count)[0]))
                next_asked = asked[len(found)] if len(found) < len(asked) else stop
            if steps > end - start:
                rest, mdev_rest, most, _ = _steps(excess, mdev, end - start)
            srtt, mdev = level + rest, mdev_rest
            if most > mdev_max:
                mdev_max = most
            start = end
        sk.srtt_us, sk.mdev_us, sk.mdev_max_us = srtt, mdev, mdev_max
        if mdev_max > sk.rttvar_us:
            sk.rttvar_us = mdev_max

    def fold_part(self, sk: TcpSock, start: int, stop: int) -> None:
        self.fold(sk, start, stop, (), [])


@lru_cache(maxsize=1 << 14)
def _come_to_rest(excess: int, mdev: int) -> tuple[int, int, int, int]:
    """Fold equal samples until nothing changes.

    What happens depends on how far ``srtt_us`` is above the sample [us << 3], not on the sample.
    """
    return _steps(excess, mdev, sys.maxsize)


def _steps(excess: int, mdev: int, count: int) -> tuple[int, int, int, int]:
    """Fold ``count`` equal samples, or until nothing changes; return the excess and deviation after
    them, the largest deviation after any, and how many that were."""
    most = steps = 0
    while steps < count:
        steps += 1
        m = -(excess >> 3)
        next_mdev = new_mdev(mdev, m)
        if next_mdev > most:
            most = next_mdev
        if m == 0 and next_mdev == mdev:
            break
        excess, mdev = excess + m, next_mdev
    return excess, mdev, most, steps


class _Blocks(Samples):
    """Samples that waver: a block of them within one microsecond is skipped once the state is at
    rest between them.

    With samples of r and r + 1 alone, ``srtt`` [us << 3] climbs or falls to 8 r + 7 after an r and
    8 r + 8 after an r + 1, and stays with these two. From then on the deviation is 4 after a step
    up and 3 after two equal samples, whatever it was, if it was 3 or 4; a step down keeps it.
    """

    __slots__ = ("high", "low", "samples")

    def __init__(self, rtt: Column) -> None:
        whole = len(rtt) >> BLOCK_SHIFT << BLOCK_SHIFT
        starts = np.arange(0, whole, BLOCK)
        self.low: list[int] = np.minimum.reduceat(rtt[:whole], starts).tolist()
        self.high: list[int] = np.maximum.reduceat(rtt[:whole], starts).tolist()
        self.samples = memoryview(rtt)
        self.most = max(*self.high, *self.samples[whole:])

    def fold_part(self, sk: TcpSock, start: int, stop: int) -> None:
        while start < stop:
            end = min((start | (BLOCK - 1)) + 1, stop)
            if end - start == BLOCK:
                end = self._skip(sk, start, stop)
                if end > start:
                    start = end
                    continue
                end = start + BLOCK
            _fold_each(sk, self.samples[start:end].tolist())
            start = end

    def _skip(self, sk: TcpSock, start: int, stop: int) -> int:
        """Skip the whole blocks from ``start`` on, and before ``stop``, over which the state is at
        rest; return the sample after them."""
        low, high = self.low, self.high
        srtt, mdev = sk.srtt_us, sk.mdev_us
        first, last = start >> BLOCK_SHIFT, stop >> BLOCK_SHIFT
        block = first
        r = srtt >> 3
        if mdev < 4 and mdev <= sk.mdev_max_us:  # samples of r change nothing
            while block < last and low[block] == r == high[block]:
                block += 1
        if block > first:
            return block << BLOCK_SHIFT
        r = (srtt - 7) >> 3
        if (srtt & 7) not in (7, 0) or mdev not in (3, 4) or sk.mdev_max_us < 4:
            return start
        while block < last and low[block] >= r and high[block] <= r + 1:
            block += 1
        if block == first:
            return start
        stop = block << BLOCK_SHIFT
        before, middle, latest = self.samples[stop - 3 : stop].tolist()
        sk.srtt_us = 8 * r + 7 + (latest - r)
        rises = middle > before if latest < middle else latest > middle
        sk.mdev_us = 4 if rises else 3
        return stop
