"""What these queues are known for, with simple sources: windows that grow by a packet a round trip
and shrink once a round trip at a drop or a mark; every packet of 1514 bytes is acknowledged.

What is expected was measured with the kernel's own files under sources of this kind.
"""

from __future__ import annotations

import heapq
from statistics import mean, quantiles
from typing import Any

import pytest

from ccsim.net.qdisc import Draws, Packet, create
from ccsim.net.qdisc.base import BOOT_NS, CE, NEVER
from ccsim.net.qdisc.red import Red

pytestmark = pytest.mark.slow
MS = 1_000_000
S = 1000 * MS
FULL = 1514
PROBE = 99


class Source:
    """A sender of a window; ``scalable`` shrinks by half the share of marks, as DCTCP."""

    def __init__(self, flow: int, beta: float, *, ecn: int = 0, scalable: bool = False) -> None:
        self.flow = flow
        self.beta = beta
        self.ecn = ecn
        self.scalable = scalable
        self.window = 2.0
        self.inside = 0
        self.quiet_until = 0
        self.slow_start = True
        self.alpha = 0.0
        self.acked = self.marked = 0

    def lost(self, now: int, rtt: int) -> None:
        self.slow_start = False
        if now >= self.quiet_until:
            self.window = max(2.0, self.window * self.beta)
            self.quiet_until = now + rtt

    def acknowledged(self, now: int, rtt: int, ce: bool) -> None:
        if self.scalable:
            self._scale(now, rtt, ce)
        elif ce:
            self.lost(now, rtt)
            return
        self.window += 1.0 if self.slow_start else 1.0 / self.window

    def _scale(self, now: int, rtt: int, ce: bool) -> None:
        self.acked += 1
        self.marked += ce
        self.slow_start &= not ce
        if now >= self.quiet_until:
            self.alpha += (self.marked / self.acked - self.alpha) / 16
            if self.marked:
                self.window = max(2.0, self.window * (1 - self.alpha / 2))
            self.acked = self.marked = 0
            self.quiet_until = now + rtt


class Path:
    """A bottleneck with sources before it; it measures queueing delays [ns] by flow."""

    def __init__(
        self, kind: str, values: dict[str, Any], rate: int, rtt: int, sources: list[Source]
    ) -> None:
        self.qdisc = create(kind, values, BOOT_NS, Draws(11))
        self.rate, self.rtt, self.sources = rate, rtt, {s.flow: s for s in sources}
        self.events: list[tuple[int, int, str, Any]] = []
        self.number = 0
        self.busy = False
        self.delays: dict[int, list[int]] = {}
        self.sent: dict[int, int] = {}
        self.marked: dict[int, int] = {}
        self.busy_ns = 0
        self.since = 0
        self.samples: list[int] = []
        for source in sources:
            self._at(source.flow * MS, "send", source)

    def _at(self, t: int, what: str, about: Any = None) -> None:
        self.number += 1
        heapq.heappush(self.events, (t, self.number, what, about))

    def probe(self, size: int, gap: int) -> None:
        self._at(0, "probe", (size, gap))

    def run(self, seconds: float, since: float) -> None:
        self.since = int(since * S)
        end = int(seconds * S)
        while self.events and self.events[0][0] < end:
            due = self.qdisc.tick_ns - BOOT_NS
            if self.qdisc.tick_ns != NEVER and due <= self.events[0][0]:
                self.qdisc.tick(self.qdisc.tick_ns)
                if due >= self.since and isinstance(self.qdisc, Red):
                    self.samples.append(self.qdisc.vars.qavg >> self.qdisc.parms.Wlog)
                continue
            now, _, what, about = heapq.heappop(self.events)
            getattr(self, f"_{what}")(now, about)

    def _probe(self, now: int, about: tuple[int, int]) -> None:
        self._enqueue(now, PROBE, about[0], 0)
        self._at(now + about[1], "probe", about)

    def _send(self, now: int, source: Source) -> None:
        while source.inside < int(source.window):
            source.inside += 1
            self._enqueue(now, source.flow, FULL, source.ecn)

    def _enqueue(self, now: int, flow: int, size: int, ecn: int) -> None:
        self.number += 1
        packet = Packet(self.number, size, ecn, flow=flow, hash=flow * 0x1234_5671 & 0xFFFF_FFFF)
        packet.truesize, packet.srchost, packet.tstamp = 2304, flow, 0
        packet.tcp, packet.sk = None, flow + 1
        packet.pacing_rate = now  # carries the time of arrival through the queue
        self.qdisc.enqueue(packet, now + BOOT_NS)
        self._drops(now)
        if not self.busy:
            self._serve(now, None)

    def _drops(self, now: int) -> None:
        for packet in self.qdisc.dropped:
            if packet.flow != PROBE:
                self._at(now + self.rtt, "loss", self.sources[packet.flow])
        self.qdisc.dropped.clear()

    def _loss(self, now: int, source: Source) -> None:
        source.inside -= 1
        source.lost(now, self.rtt)
        self._send(now, source)

    def _serve(self, now: int, _: object) -> None:
        packet = self.qdisc.dequeue(now + BOOT_NS)
        self._drops(now)
        self.busy = packet is not None
        if packet is None:
            return
        service = packet.len * 8 * S // self.rate
        if now >= self.since:
            self.delays.setdefault(packet.flow, []).append(now - packet.pacing_rate)
            self.sent[packet.flow] = self.sent.get(packet.flow, 0) + packet.len
            self.marked[packet.flow] = self.marked.get(packet.flow, 0) + (packet.ecn == CE)
            self.busy_ns += service
        self._at(now + service, "serve")
        if packet.flow != PROBE:
            self._at(now + service + self.rtt, "ack", packet)

    def _ack(self, now: int, packet: Packet) -> None:
        source = self.sources[packet.flow]
        source.inside -= 1
        source.acknowledged(now, self.rtt, packet.ecn == CE)
        self._send(now, source)

    def all_delays(self) -> list[int]:
        return [delay for delays in self.delays.values() for delay in delays]


def bulk(
    kind: str,
    values: dict[str, Any],
    flows: int,
    mbit: int,
    rtt_ms: int,
    *,
    beta: float = 0.5,
    seconds: float = 25,
    since: float = 15,
) -> Path:
    sources = [Source(flow, beta) for flow in range(flows)]
    path = Path(kind, values, mbit * 1_000_000, rtt_ms * MS, sources)
    path.run(seconds, since)
    return path


@pytest.mark.parametrize(
    ("kind", "values", "most_ms", "median_ms"),
    [
        ("fq_codel", {}, 2.43, (0.3, 1.0)),
        ("cake", {"flow_mode": "flows"}, 2.43, (0.3, 1.0)),
        ("codel", {}, 40, (7, 16)),
        ("pie", {}, 60, (10, 21)),
        ("pfifo", {"limit": 100}, 122, (85, 121)),
    ],
)
def test_a_sparse_flow_beside_bulk_waits_for_one_packet_where_flows_are_kept_apart(
    kind: str, values: dict[str, Any], most_ms: float, median_ms: tuple[float, float]
) -> None:
    sources = [Source(flow, 0.7) for flow in range(4)]
    path = Path(kind, values, 10_000_000, 25 * MS, sources)
    path.probe(200, 25 * MS)  # 64 kbit/s
    path.run(20, 8)
    delays = path.delays[PROBE]
    assert max(delays) <= most_ms * MS
    assert median_ms[0] <= quantiles(delays, n=2)[0] / MS <= median_ms[1]


@pytest.mark.parametrize(
    ("flows", "mbit", "rtt_ms", "expected"),
    [(5, 10, 100, 17.7), (20, 10, 100, 15.3), (2, 4, 40, 15.3)],
)
def test_pie_holds_its_target(flows: int, mbit: int, rtt_ms: int, expected: float) -> None:
    path = bulk("pie", {}, flows, mbit, rtt_ms, seconds=45)
    assert 12 <= mean(path.all_delays()) / MS <= 20
    assert path.busy_ns / (30 * S) >= 0.98
    assert abs(mean(path.all_delays()) / MS - expected) < 1


@pytest.mark.parametrize(
    ("flows", "mbit", "rtt_ms", "delay_ms", "use"),
    [
        (1, 10, 100, 1.1, 0.80),
        (4, 10, 100, 4.1, 0.94),
        (16, 10, 100, 14.4, 1.0),
        (4, 4, 40, 16.3, 1.0),
    ],
)
def test_codel_trades_delay_for_use(
    flows: int, mbit: int, rtt_ms: int, delay_ms: float, use: float
) -> None:
    path = bulk("codel", {}, flows, mbit, rtt_ms, seconds=45)
    assert mean(path.all_delays()) / MS == pytest.approx(delay_ms, rel=0.15)
    assert path.busy_ns / (30 * S) == pytest.approx(use, abs=0.05)


def test_adaptive_red_holds_its_average() -> None:
    values = {
        "limit": "240 kB",
        "min": "15 kB",
        "max": "45 kB",
        "burst": "300 packets",
        "adaptive": True,
        "bandwidth": "10 Mbit/s",
    }
    sources = [Source(flow, 0.5) for flow in range(16)]
    path = Path("red", values, 10_000_000, 60 * MS, sources)
    path.run(120, 60)
    assert 24_000 <= mean(path.samples) <= 36_000
    assert path.busy_ns / (60 * S) > 0.98


def coupled(mbit: int, rtt_ms: int, seconds: float) -> Path:
    sources = [Source(0, 0.5, ecn=2), Source(1, 0.5, ecn=1, scalable=True)]
    path = Path("dualpi2", {}, mbit * 1_000_000, rtt_ms * MS, sources)
    path.run(seconds, 15)
    return path


@pytest.mark.parametrize(
    ("mbit", "rtt_ms", "ratio"), [(40, 5, 2.8), (40, 10, 2.1), (40, 20, 1.65), (120, 10, 2.3)]
)
def test_dualpi2_couples_a_classic_and_a_scalable_flow(
    mbit: int, rtt_ms: int, ratio: float
) -> None:
    path = coupled(mbit, rtt_ms, 40 if mbit == 40 else 28)
    assert path.sent[1] / path.sent[0] == pytest.approx(ratio, rel=0.1 if mbit == 40 else 0.35)
    assert 8 <= mean(path.delays[0]) / MS <= 18
    assert mean(path.delays[1]) / MS < 1
    assert path.busy_ns / ((25 if mbit == 40 else 13) * S) > 0.97


@pytest.mark.parametrize(
    ("rtt_ms", "classic", "square"), [(10, 0.0026, 0.0021), (20, 0.0011, 0.0009)]
)
def test_classic_packets_are_marked_by_the_square_of_half_the_scalable_ones(
    rtt_ms: int, classic: float, square: float
) -> None:
    """p_C = (p_L/2)^2 (RFC 9332, section 2.1), as measured of the kernel's; 30 %."""
    path = coupled(40, rtt_ms, 60)
    share = [path.marked[flow] * FULL / path.sent[flow] for flow in (0, 1)]
    assert share[0] == pytest.approx(classic, rel=0.3)
    assert (share[1] / 2) ** 2 == pytest.approx(square, rel=0.3)
