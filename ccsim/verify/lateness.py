"""What differs from one run of a recording to the next: how late the hosts and the path were.

The path of the recordings is one process. Between its stalls a packet or ACK is handed over on
time, and the host takes some microseconds; what falls due in a stall is handed over at its end. The
recordings' descriptions state quantiles of that lateness, and the stalls drawn here have them.

Write S(x) for the share of packets late by more than x. Stalls of length D that begin at random, a
rate r of them longer than x, make S(x) the integral of r from x on, so r(x) = -S'(x). Between the
99th and the 99.9th percentile S is a power of x; from there r falls to nothing at the maximum.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from ccsim.tcp.host import Host
from ccsim.tcp.receiver import AckRow, Receiver

__all__ = ["HOST_MEAN_NS", "LateReceiver", "Lateness", "stall_lengths_us", "stall_rate_per_s"]

NS_PER_S = 1_000_000_000
NS_PER_US = 1_000
HOST_MEAN_NS = 15 * NS_PER_US  # what a host takes beyond its least, of a packet and of an ACK:
ASLEEP_NS = 14 * NS_PER_US  # mostly so much, as it has to wake up,
JITTER_NS = 2 * NS_PER_US  # and a little more,
AWAKE = 0.1  # but less in this share of cases
DRAWS = 4096  # host times, used over and over


class Lateness:
    """The stalls of one run, and what hosts take; ``rng`` decides them."""

    def __init__(self, meta: dict[str, Any], rng: np.random.Generator) -> None:
        p99, p999, longest = _quantiles_us(meta)
        rate = stall_rate_per_s(p99, p999)
        count = int(rng.poisson(rate * meta["duration_s"]))
        starts = np.sort(rng.uniform(0, meta["duration_s"] * NS_PER_S, count)).astype(np.int64)
        lengths = stall_lengths_us(rng.uniform(0, 1, count), p99, p999, longest)
        ends = np.maximum.accumulate(starts + (lengths * NS_PER_US).astype(np.int64))
        self.starts: list[int] = starts.tolist()
        self.ends: list[int] = ends.tolist()
        asleep = ASLEEP_NS + rng.exponential(JITTER_NS, DRAWS)
        awake = rng.uniform(0, ASLEEP_NS, DRAWS)
        times = np.where(rng.uniform(0, 1, DRAWS) < AWAKE, awake, asleep)
        self._host: list[int] = times.astype(np.int64).tolist()

    def handed_over(self, t_ns: int, draw: int) -> int:
        """Return when the host has dealt with what falls due at ``t_ns``; ``draw`` numbers the
        cases."""
        return self.awake(t_ns) + self._host[draw % DRAWS]

    def awake(self, t_ns: int) -> int:
        """Return ``t_ns``, or the end of the stall that it falls into."""
        k = bisect_right(self.starts, t_ns) - 1
        return self.ends[k] if k >= 0 and t_ns < self.ends[k] else t_ns


def _quantiles_us(meta: dict[str, Any]) -> tuple[float, float, float]:
    """Return how late 1 %, 0.1 % and the latest were [us], each more than the one before; next to
    nothing where a recording does not say."""
    told = meta.get("emulator", {}).get("fwd_lateness_us", {})
    p99 = max(float(told.get("p99", 0)), 1.0)
    p999 = max(float(told.get("p999", 0)), 1.5 * p99)
    return p99, p999, max(float(told.get("max", 0)), p999)


def stall_rate_per_s(p99_us: float, p999_us: float) -> float:
    """Return how many stalls longer than the 99th percentile begin in a second."""
    return _power(p99_us, p999_us) * 0.01 / p99_us * 1e6


def stall_lengths_us(
    shares: np.ndarray[Any, np.dtype[np.float64]], p99_us: float, p999_us: float, longest_us: float
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the stall lengths [us] that ``shares`` (0 to 1) of all stalls exceed."""
    power = _power(p99_us, p999_us)
    share_beyond = (p999_us / p99_us) ** -(1 + power)  # of stalls longer than the 99.9th percentile
    rate_beyond = power * 0.001 / p999_us
    tail_us = max(longest_us - p999_us, 0.0)
    bend = max(rate_beyond * tail_us / 0.001 - 1, 0.0)
    shares = np.maximum(shares, 1e-12)
    power_law = p99_us * shares ** (-1 / (1 + power))
    within = np.minimum(shares / share_beyond, 1.0)
    tail = p999_us + tail_us * (1 - (within ** (1 / bend) if bend else 0.0 * within))
    return np.where(shares > share_beyond, power_law, tail)


def _power(p99_us: float, p999_us: float) -> float:
    return math.log(10) / math.log(p999_us / p99_us)


class LateReceiver(Receiver):
    """A receiver to which packets, and from which ACKs, come late; both keep their order.

    Packets have the even draws and ACKs the odd ones, so that it does not matter how many packets
    are received in one go.
    """

    __slots__ = ("_last_ack_ns", "_last_ns", "_next_ack", "_next_packet", "lateness")

    def __init__(self, host: Host, quickacks: int, lateness: Lateness) -> None:
        super().__init__(host, quickacks)
        self.lateness = lateness
        self._last_ns = 0
        self._last_ack_ns = 0
        self._next_packet, self._next_ack = 0, 1

    def receive(
        self, times: Sequence[int], seqs: Sequence[int], tx_us: Sequence[int], acks: list[AckRow]
    ) -> None:
        """Take packets as `Receiver.receive` does, each when it is handed over."""
        handed = []
        for t in times:
            self._last_ns = max(self._last_ns, self.lateness.handed_over(t, self._next_packet))
            self._next_packet += 2
            handed.append(self._last_ns)
        mine: list[AckRow] = []
        super().receive(handed, seqs, tx_us, mine)
        self._hand_over(mine, acks)

    def flush(self, before_ns: int, acks: list[AckRow]) -> None:
        """Send the delayed ACK if it is due before ``before_ns``."""
        mine: list[AckRow] = []
        super().flush(before_ns, mine)
        self._hand_over(mine, acks)

    def _hand_over(self, mine: list[AckRow], acks: list[AckRow]) -> None:
        """Delay ACKs as far as the path does on their way back."""
        for t, una, echo_us, blocks in mine:
            self._last_ack_ns = max(self._last_ack_ns, self.lateness.handed_over(t, self._next_ack))
            self._next_ack += 2
            acks.append((self._last_ack_ns, una, echo_us, blocks))
