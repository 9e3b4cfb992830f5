"""Cross traffic: datagrams that cross hops beside the flows and heed no feedback, and probes that
are answered.

When they leave is known from the start, so no window is shorter for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate, takewhile

import numpy as np
from numpy.typing import NDArray

from ccsim.net.hop_packets import ECN, LENGTH, NUMBER, REACH, SENT, SEQ, WIDTH, Leg, Rows
from ccsim.net.network import Network
from ccsim.sim.distributions import Uniform, draw
from ccsim.sim.flow.path import FlowPath
from ccsim.sim.hop_hashes import hash_of, hosts_of
from ccsim.sim.streams import stream_seed
from ccsim.sim.traces import TrafficTrace
from ccsim.spec import Distribution, Traffic
from ccsim.units import NS_PER_S

__all__ = ["Datagrams", "times_of"]

Column = NDArray[np.int64]
Route = tuple[tuple[int, ...], tuple[int, ...]]


def times_of(traffic: Traffic, seed: int, end_ns: int) -> Column:
    """Return when its packets leave, up to the end [ns], ascending."""
    start, stop = traffic.flow.start_ns, min(traffic.flow.stop_ns or end_ns, end_ns)
    uniform = Uniform(stream_seed(seed, f"traffic/{traffic.flow.name}"))
    if traffic.kind == "trace":
        found = np.array([t for t, _ in traffic.packets], dtype=np.int64) + start
        return found[found < stop]
    if traffic.kind == "poisson":
        mean = Distribution(kind="exponential", value=round(_gap_ns(traffic)))
        gaps = iter(lambda: draw(mean, uniform()), -1)
        times = takewhile(lambda t: t < stop, accumulate(gaps, initial=start))
        return np.array(list(times)[1:], dtype=np.int64)
    if traffic.kind == "on_off":
        parts = [_even(traffic, on, off) for on, off in _turns(traffic, uniform, start, stop)]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])
    return _even(traffic, start, stop)


def _gap_ns(traffic: Traffic) -> float:
    if traffic.every_ns:
        return traffic.every_ns
    return 8 * traffic.size_bytes * NS_PER_S / (traffic.rate_bps or 1)


def _even(traffic: Traffic, start: int, stop: int) -> Column:
    """Return evenly spaced times from ``start`` on and before ``stop``: the k-th is k gaps later,
    rounded up."""
    gap, per = (traffic.every_ns or 8 * traffic.size_bytes * NS_PER_S), 1
    if not traffic.every_ns:
        per = traffic.rate_bps or 1
    whole, rest = divmod(gap, per)
    count = max(-(-(stop - start) * per // gap), 0)
    k = np.arange(count, dtype=np.int64)
    times = start + k * whole - (-k * rest // per)
    return times[times < stop]


def _turns(traffic: Traffic, uniform: Uniform, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield from when to when it is on."""
    assert traffic.on_ns is not None
    assert traffic.off_ns is not None
    t = start
    while t < stop:
        on = t + max(draw(traffic.on_ns, uniform()), 1)
        yield t, min(on, stop)
        t = on + draw(traffic.off_ns, uniform())


class Datagrams:
    """One source of cross traffic on a network, as number ``index`` among all that send.

    ``delays_ns`` are of what arrived, in order: one way, or of a probe there and back.
    """

    def __init__(
        self,
        traffic: Traffic,
        index: int,
        network: Network,
        way: tuple[Route, FlowPath],
        seed: int,
        end_ns: int,
    ) -> None:
        self.traffic = traffic
        self.network = network
        self.times = times_of(traffic, seed, end_ns)
        self.dropped = self.arrived = self.arrived_bytes = self._sent = 0
        self.sent_ns: list[int] = []
        self.delays_ns: list[int] = []
        self._end_ns = end_ns
        (forth, back), self.path = way
        probe = traffic.kind == "probe"
        self.out = Leg(
            index, 2 * index, forth, self.path.access_ns, self.path.out_ns, self._deliver
        )
        self.back: Leg | None = None
        if probe and back:
            self.back = Leg(index, 2 * index + 1, back, 0, self.path.back_ns, self._return)
        for number, leg in enumerate((self.out, self.back)):
            if leg is not None:
                leg.hash = hash_of(index, number)
                sender, receiver = hosts_of(traffic.flow, index)
                leg.hosts = (receiver, sender) if number else (sender, receiver)
        network.stream(self.out, self.back)

    def open(self) -> None:
        """Take part in the network's rounds."""
        self.network.open(self.out)
        if self.back is not None:
            self.network.open(self.back)

    def send_before(self, t_ns: int) -> None:
        """Put what leaves before a time on its way."""
        stop = int(np.searchsorted(self.times, t_ns))
        if stop <= self._sent:
            return
        times, numbers = self.times[self._sent : stop], np.arange(self._sent, stop)
        rows = np.empty((len(times), WIDTH), dtype=np.int64)
        rows[:, REACH] = rows[:, SENT] = times
        rows[:, SEQ], rows[:, NUMBER], rows[:, ECN] = numbers, numbers + 1, 0
        packets = self.traffic.packets
        sizes = [packets[k][1] for k in numbers.tolist()] if packets else self.traffic.size_bytes
        rows[:, LENGTH] = sizes
        self._sent = stop
        self.network.send(self.out, rows)

    def _deliver(self, leg: Leg, rows: Rows, known_ns: int) -> None:
        """Take what has arrived, and let the answers to probes set out."""
        self.dropped += len(leg.lost)
        leg.lost.clear()
        if not len(rows):
            return
        if self.back is not None:
            self.network.send(self.back, rows.copy())
            return
        more = self.path.back_ns if self.traffic.kind == "probe" else 0
        self._take(rows, more)

    def _return(self, leg: Leg, rows: Rows, known_ns: int) -> None:
        """Take the answers that have come back."""
        self.dropped += len(leg.lost)
        leg.lost.clear()
        self._take(rows, 0)

    def _take(self, rows: Rows, more_ns: int) -> None:
        rows = rows[rows[:, REACH] + more_ns < self._end_ns]
        self.arrived += len(rows)
        self.arrived_bytes += int(rows[:, LENGTH].sum())
        self.sent_ns += rows[:, SENT].tolist()
        self.delays_ns += (rows[:, REACH] + more_ns - rows[:, SENT]).tolist()

    def trace(self, until_ns: int) -> TrafficTrace:
        """Return what became of it."""
        self.dropped += len(self.out.lost)
        probe = self.traffic.kind == "probe"
        return TrafficTrace(
            name=self.traffic.flow.name,
            kind=self.traffic.kind,
            packets_sent=int(np.searchsorted(self.times[: self._sent], until_ns)),
            packets_arrived=self.arrived,
            packets_dropped=self.dropped,
            bytes_arrived=self.arrived_bytes,
            delays_ns=tuple(_at(sorted(self.delays_ns), share) for share in (50, 95, 99, 100)),
            rtts_ns=tuple(zip(self.sent_ns, self.delays_ns, strict=True)) if probe else (),
        )


def _at(ordered: list[int], percent: int) -> int:
    """Return the number that ``percent`` of all are at most; -1 of none."""
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)] if ordered else -1
