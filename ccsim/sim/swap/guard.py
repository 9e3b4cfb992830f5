"""Guards: what a staged roll-out looks at to learn whether it does harm.

A metric over the flows moved so far, in the last window, is held against the same metric of the
same flows in the window before the roll-out began. Only flows that live through both windows count.
All of it is worked out from samples every 10 ms, whatever the scenario records, and from drops,
before the instant of the check: whole numbers, the same however the run is cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ccsim.sim.recorder import METERED
from ccsim.sim.sampler import METER_NS
from ccsim.spec import Guard
from ccsim.units import NS_PER_S

if TYPE_CHECKING:
    from ccsim.sim.flow.flow import Flow
    from ccsim.sim.world import World

__all__ = ["GUARDS", "Span", "Verdict", "check_guard", "judge"]

ACKED, DELIVERED = METERED.index("acked_packets"), METERED.index("delivered_packets")
RETRANSMISSIONS, SRTT = METERED.index("retransmissions"), METERED.index("srtt_us")
PPM = 1_000_000
GUARD_UNITS = {
    "goodput": ("Mbit/s", 1e6),
    "retransmissions": ("%", 1e4),
    "drops": ("%", 1e4),
    "rtt_p99": ("ms", 1e3),
    "stall": ("ms", 1e6),
}
Row = tuple[int, ...]
Rows = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: the metric before the roll-out and now, in its unit."""

    metric: str
    before: int
    now: int
    trips: bool

    def text(self) -> str:
        """Return it in words: ``goodput 9.4 Mbit/s, before 45 Mbit/s``."""
        unit, size = GUARD_UNITS[self.metric]
        values = (f"{value / size:.3g} {unit}" for value in (self.now, self.before))
        return "{} {}, before {}".format(self.metric, *values)

    def detail(self) -> dict[str, Any]:
        """Return it as an event tells it."""
        return {
            "metric": self.metric,
            "before": self.before,
            "now": self.now,
            "tripped": self.trips,
        }


@dataclass(frozen=True, slots=True)
class Span:
    """One flow's samples in one window, with the columns of `METERED`, and the packets it lost
    there."""

    rows: Rows
    drops: int
    mss_bytes: int

    def gained(self, column: int) -> int:
        """Return by how much a count grew."""
        return self.rows[-1][column] - self.rows[0][column]


def _goodput_bps(spans: Sequence[Span]) -> int:
    """Payload acknowledged in order, all flows together [bit/s]."""
    length_ns = spans[0].rows[-1][0] - spans[0].rows[0][0]
    acked = sum(span.gained(ACKED) * span.mss_bytes for span in spans)
    return acked * 8 * NS_PER_S // length_ns


def _retransmissions_ppm(spans: Sequence[Span]) -> int:
    """Packets retransmitted for a million delivered."""
    delivered = sum(span.gained(DELIVERED) for span in spans)
    return sum(span.gained(RETRANSMISSIONS) for span in spans) * PPM // max(delivered, 1)


def _drops_ppm(spans: Sequence[Span]) -> int:
    """Packets dropped or lost for a million delivered."""
    delivered = sum(span.gained(DELIVERED) for span in spans)
    return sum(span.drops for span in spans) * PPM // max(delivered, 1)


def _rtt_p99_us(spans: Sequence[Span]) -> int:
    """The 99th percentile of the smoothed RTTs sampled, by nearest rank [us]."""
    samples = sorted(row[SRTT] for span in spans for row in span.rows)
    return samples[-(-99 * len(samples) // 100) - 1]


def _stall_ns(spans: Sequence[Span]) -> int:
    """The longest time in which a flow had no packet acknowledged, as samples show it [ns]."""
    return max(_longest_stall(span.rows) for span in spans)


def _longest_stall(rows: Rows) -> int:
    since, longest = rows[0], 0
    for row in rows:
        if row[ACKED] > since[ACKED]:
            since = row
        longest = max(longest, row[0] - since[0])
    return longest


@dataclass(frozen=True, slots=True)
class _Metric:
    """How a metric is measured, and whether it trips at (before, now, threshold)."""

    measure: Callable[[Sequence[Span]], int]
    trips: Callable[[int, int, int], bool]


def _grew(before: int, now: int, threshold: int) -> bool:
    return now > before + threshold


GUARDS: Mapping[str, _Metric] = {
    "goodput": _Metric(_goodput_bps, lambda b, now, share: now * PPM < b * (PPM - share)),
    "retransmissions": _Metric(_retransmissions_ppm, _grew),
    "drops": _Metric(_drops_ppm, _grew),
    "rtt_p99": _Metric(_rtt_p99_us, lambda b, now, share: now * PPM > b * (PPM + share)),
    "stall": _Metric(_stall_ns, _grew),
}
"""The metrics of guards. Goodput and RTT trip at a relative change of ``threshold`` parts per
million, the rates at ``threshold`` more of them, a stall at ``threshold`` ns more."""


def check_guard(
    world: World, guard: Guard, flows: Sequence[Flow], t0_ns: int, t_ns: int
) -> Verdict | None:
    """Hold the window up to ``t_ns`` against that before ``t0_ns``; None if no flow lives through
    both."""
    window_ns = guard.window_ns
    lost_before = _drops(world, t0_ns - window_ns, t0_ns)
    lost_now = _drops(world, t_ns - window_ns, t_ns)
    pairs = [
        (then, later)
        for flow in flows
        if (then := _span(flow, t0_ns - window_ns, t0_ns, lost_before))
        and (later := _span(flow, t_ns - window_ns, t_ns, lost_now))
    ]
    if not pairs:
        return None
    return judge(guard, pairs)


def judge(guard: Guard, pairs: Sequence[tuple[Span, Span]]) -> Verdict:
    """Return what a guard finds in flows' samples before the roll-out, and now."""
    metric = GUARDS[guard.metric]
    before = metric.measure([pair[0] for pair in pairs])
    now = metric.measure([pair[1] for pair in pairs])
    return Verdict(guard.metric, before, now, metric.trips(before, now, guard.threshold))


def _drops(world: World, t0_ns: int, t1_ns: int) -> Counter[int]:
    """Return how many packets each flow, by index, lost in [t0, t1)."""
    return Counter(index for t, index, _ in world.drops_since(t0_ns) if t0_ns <= t < t1_ns)


def _span(flow: Flow, t0_ns: int, t1_ns: int, drops: Counter[int]) -> Span | None:
    """Return a flow's samples in [t0, t1); None unless it had been opened by the first instant of
    the grid there and lived to the last."""
    first, last = -(-t0_ns // METER_NS) * METER_NS, (t1_ns - 1) // METER_NS * METER_NS
    inside = flow.recorder.between(first, t1_ns)
    if len(inside) < 2 or inside[0][0] != first or inside[-1][0] != last:
        return None
    return Span(inside, drops[flow.index], flow.sk.mss_cache)
