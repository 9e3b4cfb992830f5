"""What a swap costs and how flows and links fared: one function a metric, on trace columns.

Spans are half-open, ``[t0, t1)``: what happens at ``t1`` belongs to the next one, and what holds at
``t0`` is what holds from then on. Bytes are payload delivered in order. Nothing depends on what the
scenario records: counts are exact at the borders of spans (`counted`), and where a run is held
against a twin, both are read from samples every 10 ms, between which the count is taken to grow
linearly (`delivered_at`). Against the A-twin (never swapped) and the B-twin (the new implementation
from the start) the same instants of both runs are compared; the twins share every random stream
with the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsim.experiment.event_index import Instants
from ccsim.sim.sampler import METER_NS
from ccsim.sim.traces import FlowTrace, LinkTrace, SimResult
from ccsim.units import NS_PER_S

__all__ = [
    "BIN_NS",
    "MEAN_NS",
    "WINDOW_NS",
    "Censored",
    "bin_rates_bps",
    "could_send_s",
    "counted",
    "curve",
    "deficit",
    "delivered_at",
    "dip_length_s",
    "dip_recovery_s",
    "dip_worst_ratio",
    "drops_between",
    "goodput_bps",
    "grid",
    "harm",
    "jain_index",
    "longest_stall_s",
    "percentile",
    "queue_excess_ms",
    "rtos_between",
    "rtt_ms",
    "time_to_twin_s",
    "utilisation",
]

Floats = NDArray[np.float64]
BIN_NS = 200_000_000
"""Goodput is looked at in bins of 200 ms, counted from the swap."""
BINS_PER_SECOND = NS_PER_S // BIN_NS
BINS_IN_A_ROW = 3
"""A recovery counts once it has held for three bins."""
MEAN_NS = 2 * NS_PER_S
"""Means before and after a swap are taken over 2 s."""
WINDOW_NS = 10 * NS_PER_S
"""Deficit, dip, stall, RTOs and tail RTT are looked for in the 10 s after a swap."""


@dataclass(frozen=True, slots=True)
class Censored:
    """Something that had not happened when the observation ended, ``at_least_s`` seconds after the
    swap."""

    at_least_s: float


# --- one flow, one span ---------------------------------------------------------------------------


def delivered_at(flow: FlowTrace, t_ns: NDArray[np.int64] | int) -> Floats:
    """Return the payload acknowledged in order by ``t_ns`` [bytes], between samples linearly; 0
    before the start, the total after the end. Several instants must be in order of time."""
    asked = np.asarray(t_ns)
    if not asked.size:
        return np.zeros(asked.shape)
    meter = flow.metered
    low = max(int(meter.t_ns.searchsorted(asked.flat[0], side="right")) - 1, 0)
    high = int(meter.t_ns.searchsorted(asked.flat[-1], side="left")) + 1
    near = slice(low, high)  # interp converts all that it is given, at every call
    times, counts = meter.t_ns[near], meter.delivered_bytes[near]
    if low == 0 and (not len(times) or times[0] > flow.start_ns):
        times, counts = np.append(flow.start_ns, times), np.append(0, counts)
    if high > len(meter.t_ns):
        times, counts = _to_the_end(flow, times, counts)
    return np.asarray(np.interp(asked, times, counts, left=0.0), dtype=np.float64)


def _to_the_end(
    flow: FlowTrace, times: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return samples with the last exact count after them: that at the end of flow or run."""
    last = flow.borders
    if last is None or not len(last.t_ns) or last.t_ns[-1] <= times[-1]:
        return times, counts
    return np.append(times, last.t_ns[-1]), np.append(counts, last.delivered_bytes[-1])


def counted(flow: FlowTrace, t_ns: int) -> tuple[float, int]:
    """Return the payload acknowledged in order [bytes], and the packets retransmitted, before
    ``t_ns``: exact at every border, before the flow's start and from its end on; else by samples.
    """
    if t_ns <= flow.start_ns:
        return 0.0, 0
    known, meter = flow.borders, flow.metered
    if known is not None and len(known.t_ns):
        row = int(known.t_ns.searchsorted(t_ns, side="right")) - 1
        over = row == len(known.t_ns) - 1 and not np.any(meter.t_ns[-1:] > known.t_ns[row])
        if row >= 0 and (known.t_ns[row] == t_ns or over):
            return float(known.delivered_bytes[row]), int(known.retransmissions[row])
    resent = _count_at(meter.t_ns, meter.retransmissions, t_ns)
    return float(delivered_at(flow, t_ns)), resent


def goodput_bps(flow: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return payload bits acknowledged in order from ``t0`` to ``t1`` over that time, by
    `delivered_at` [bit/s]; NaN if it is empty."""
    if t1_ns <= t0_ns:
        return math.nan
    before, after = delivered_at(flow, np.array([t0_ns, t1_ns]))
    return 8e9 * float(after - before) / (t1_ns - t0_ns)


def could_send_s(flow: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return for how long in ``[t0, t1)`` a flow could send: from its handshake's end to its own
    [s]."""
    if flow.established_ns is None:
        return 0.0
    end = t1_ns if flow.end_ns is None else min(flow.end_ns, t1_ns)
    return max(end - max(flow.established_ns, t0_ns), 0) / NS_PER_S


def rtt_ms(flow: FlowTrace, t0_ns: int, t1_ns: int) -> Floats:
    """Return the smoothed RTT (``srtt_us``) every 10 ms in ``[t0, t1)`` [ms].

    That is the smoothed one, not every RTT: a shorter peak can be missed. Samples before the first
    measurement (srtt 0) are left out, so the array may be empty.
    """
    meter = flow.metered
    samples = meter.srtt_us[_rows(meter.t_ns, t0_ns, t1_ns)]
    return np.asarray(samples[samples > 0] / 1000.0)


def percentile(samples: Floats, q: float) -> float:
    """Return a percentile, linear between ranks; NaN without a sample."""
    return float(np.percentile(samples, q)) if len(samples) else math.nan


def drops_between(result: SimResult, flow: int, t0_ns: int, t1_ns: int) -> int:
    """Return the packets of flow number ``flow`` that all links dropped or lost in ``[t0, t1)``."""
    return sum(
        int(np.count_nonzero(link.drop_flow[_rows(link.drop_t_ns, t0_ns, t1_ns)] == flow))
        for link in result.links
    )


def rtos_between(instants: Instants, flow: str, t0_ns: int, t1_ns: int) -> int:
    """Return how often the retransmission timer of ``flow`` fired in ``[t0, t1)`` (events of kind
    ``rto``)."""
    return instants.count("rto", flow, t0_ns, t1_ns)


def longest_stall_s(flow: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return the longest time from ``t0`` to ``t1`` without a byte acknowledged in order, while the
    flow could send [s].

    The resolution is 10 ms: a stall lasts from the sample that first shows a count to the last one
    that still shows it, cut to the span; 0 when every sample shows progress.
    """
    meter = flow.metered
    last = int(np.searchsorted(meter.t_ns, t1_ns, side="right"))
    times, counts = meter.t_ns[:last], meter.delivered_bytes[:last]
    if len(times) < 2 or flow.established_ns is None:
        return 0.0
    first = np.flatnonzero(np.append(True, np.diff(counts) > 0))  # first sample of each count
    final = np.append(first[1:] - 1, len(times) - 1)
    lengths = times[final] - np.maximum(times[first], max(t0_ns, flow.established_ns))
    return float(max(lengths.max(), 0)) / NS_PER_S


# --- all flows, links -----------------------------------------------------------------------------


def utilisation(link: LinkTrace, t0_ns: int, t1_ns: int) -> float:
    """Return what left the link in ``[t0, t1)`` over what it could carry, 0 to 1, the bytes linear
    between samples every 10 ms; NaN if none of it was sampled."""
    meter = link.metered
    last = int(meter.t_ns[-1]) if len(meter.t_ns) else t0_ns
    t1_ns = min(t1_ns, last)
    if t1_ns <= t0_ns:
        return math.nan
    before, after = np.interp([t0_ns, t1_ns], meter.t_ns, meter.departed_bytes)
    return 8e9 * float(after - before) / _capacity(link, t0_ns, t1_ns)


def _capacity(link: LinkTrace, t0_ns: int, t1_ns: int) -> float:
    """Return what a link could carry in ``[t0, t1)`` [10^-9 bit]; NaN for nothing."""
    pieces = link.rates or ((0, link.rate_bps),)
    ends = [*(start for start, _ in pieces[1:]), t1_ns]
    carried = sum(
        rate * max(min(end, t1_ns) - max(start, t0_ns), 0)
        for (start, rate), end in zip(pieces, ends, strict=True)
    )
    return float(carried) or math.nan


def jain_index(rates: Sequence[float] | Floats, weights: Sequence[float] | None = None) -> float:
    """Return (Σwx)² / (Σw Σwx²), 1/n (one takes all of n) to 1 (equal); NaN without a rate above 0.

    That is Jain et al. 1984, eq. 1, with weights, which are equal unless given: by the time for
    which each could send, one that could for a moment says as little as it should.
    """
    x = np.asarray(rates, dtype=np.float64)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    squares = float((w * x * x).sum())
    return float((w * x).sum()) ** 2 / (float(w.sum()) * squares) if squares else math.nan


def harm(alone: float, beside: float) -> float:
    """Return (alone - beside) / alone: the share of its goodput that a flow loses to what changed
    beside it.

    1: all of it; 0: none; below 0: it gained; NaN if it had nothing (Ware et al. 2019, section 4.1,
    metrics of which more is better). ``alone`` is its goodput in the A-twin, where nothing was
    swapped.
    """
    return (alone - beside) / alone if alone else math.nan


# --- one swap, one flow, against a twin -----------------------------------------------------------


def curve(flow: FlowTrace, t0_ns: int, t1_ns: int) -> Floats:
    """Return the payload delivered since ``t0`` at the instants of `grid` [bytes]."""
    delivered = delivered_at(flow, grid(t0_ns, t1_ns))
    return delivered - delivered[0]


def deficit(ours: Floats, theirs: Floats, length_ns: int) -> tuple[float, float, float]:
    """Return by how much a run is behind its twin at the end of two `curve` s: bytes, seconds of
    the twin's mean goodput (NaN if that is 0), and bytes at the greatest, which is never below 0.

    Below 0 it gained. The greatest is not paid back by a new implementation that is faster in the
    long run.
    """
    behind = theirs - ours
    got = float(theirs[-1])
    seconds = float(behind[-1]) * length_ns / NS_PER_S / got if got else math.nan
    return float(behind[-1]), seconds, float(behind.max())


def bin_rates_bps(flow: FlowTrace, t0_ns: int, t1_ns: int) -> Floats:
    """Return the goodput in each whole bin of 200 ms from ``t0`` that ends by ``t1`` [bit/s]."""
    edges = t0_ns + BIN_NS * np.arange(max((t1_ns - t0_ns) // BIN_NS, 0) + 1)
    return np.diff(delivered_at(flow, edges)) * (8e9 / BIN_NS)


def dip_worst_ratio(flow: FlowTrace, swap_ns: int, t1_ns: int) -> float:
    """Return the worst 200 ms bin in the 2 s after a swap, relative to the mean goodput of the 2 s
    before.

    The dip's depth is 1 less this. The 2 s before are cut at the flow's start; NaN if the flow had
    no goodput there, or no whole bin after.
    """
    before = goodput_bps(flow, max(swap_ns - MEAN_NS, flow.start_ns), swap_ns)
    bins = bin_rates_bps(flow, swap_ns, min(swap_ns + MEAN_NS, t1_ns))
    return float(bins.min()) / before if before > 0 and len(bins) else math.nan


def dip_recovery_s(flow: FlowTrace, twin: FlowTrace, swap_ns: int, t1_ns: int) -> float | Censored:
    """Return the time from a swap until goodput is back above 95 % of the A-twin's [s].

    Counted to the start of the first bin, from the worst bin in the 2 s after the swap on, that
    opens three bins in a row of at least 95 % of the twin's goodput around them (its mean over the
    five bins centred on each). 0 if no bin in those 2 s falls below. Censored if that does not
    happen by ``t1``.
    """
    rates = bin_rates_bps(flow, swap_ns, t1_ns)
    enough = rates >= 0.95 * _centred_mean(bin_rates_bps(twin, swap_ns, t1_ns))
    after = MEAN_NS // BIN_NS
    if len(enough) >= BINS_IN_A_ROW and enough[:after].all():
        return 0.0
    worst = int(rates[:after].argmin()) if len(rates) else 0
    return _held_from(enough, worst, t1_ns - swap_ns)


def dip_length_s(flow: FlowTrace, twin: FlowTrace, swap_ns: int, t1_ns: int) -> float | Censored:
    """Return how long goodput lay below 95 % of the A-twin's: from the first such bin in the 2 s
    after a swap to `dip_recovery_s` [s].

    0 if no bin in those 2 s falls below. A dip that has not recovered by ``t1`` is censored, at
    least as long as it could be observed.
    """
    end = dip_recovery_s(flow, twin, swap_ns, t1_ns)
    if end == 0.0:
        return 0.0
    rates = bin_rates_bps(flow, swap_ns, t1_ns)
    low = rates < 0.95 * _centred_mean(bin_rates_bps(twin, swap_ns, t1_ns))
    below = np.flatnonzero(low[: MEAN_NS // BIN_NS])
    start = float(int(below[0]) * BIN_NS) / NS_PER_S if len(below) else 0.0
    if isinstance(end, Censored):
        return Censored(max(end.at_least_s - start, 0.0))
    return max(end - start, 0.0)


def time_to_twin_s(
    flow: FlowTrace, twin: FlowTrace, swap_ns: int, t1_ns: int, tolerance: float = 0.10
) -> float | Censored:
    """Return the time from a swap until the flow runs within 10 % of the B-twin [s].

    Both goodputs are means over 1 s, started every 200 ms; counted to the start of the first of
    three in a row that differ from the twin's by at most 10 % of the twin's. Censored if that does
    not happen by ``t1``.
    """
    width = BINS_PER_SECOND
    rates = _moving_mean(bin_rates_bps(flow, swap_ns, t1_ns), width)
    goal = _moving_mean(bin_rates_bps(twin, swap_ns, t1_ns), width)
    return _held_from(np.abs(rates - goal) <= tolerance * goal, 0, t1_ns - swap_ns)


def queue_excess_ms(flow: FlowTrace, twin: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return how much longer packets queued than in the A-twin, mean over ``[t0, t1)`` [ms].

    The difference of the mean smoothed RTTs: propagation is the same in both, so what differs is
    queueing. NaN if one of them has no RTT sample there.
    """
    ours, theirs = rtt_ms(flow, t0_ns, t1_ns), rtt_ms(twin, t0_ns, t1_ns)
    return float(ours.mean() - theirs.mean()) if len(ours) and len(theirs) else math.nan


# --- helpers --------------------------------------------------------------------------------------


def grid(t0_ns: int, t1_ns: int) -> NDArray[np.int64]:
    """Return ``t0``, the instants of samples between, and ``t1``."""
    first = (t0_ns // METER_NS + 1) * METER_NS
    return np.append(np.append(t0_ns, np.arange(first, t1_ns, METER_NS)), t1_ns)


def _rows(times: NDArray[np.int64], t0_ns: int, t1_ns: int) -> slice:
    """Return the rows of a sorted time column in ``[t0, t1)``."""
    low, high = np.searchsorted(times, [t0_ns, t1_ns], side="left")
    return slice(int(low), int(high))


def _count_at(times: NDArray[np.int64], counts: NDArray[np.int64], t_ns: int) -> int:
    """Return a running count as the last sample at or before ``t_ns`` shows it; 0 before the
    first."""
    row = int(np.searchsorted(times, t_ns, side="right")) - 1
    return int(counts[row]) if row >= 0 else 0


def _moving_mean(values: Floats, width: int) -> Floats:
    """Return the mean of each ``width`` neighbours that are whole; empty if there are fewer."""
    if len(values) < width:
        return np.empty(0)
    return np.convolve(values, np.full(width, 1.0 / width), mode="valid")


def _centred_mean(values: Floats) -> Floats:
    """Return the mean over the five bins around each, fewer at the edges."""
    ones = np.ones(min(BINS_PER_SECOND, len(values)))
    if not len(ones):
        return values
    return np.convolve(values, ones, mode="same") / np.convolve(
        np.ones(len(values)), ones, mode="same"
    )


def _held_from(holds: NDArray[np.bool_], first: int, observed_ns: int) -> float | Censored:
    """Return when a condition on bins first holds for three of them in a row [s], from bin
    ``first`` on."""
    in_a_row = _moving_mean(holds[first:].astype(np.float64), BINS_IN_A_ROW)
    found = np.flatnonzero(in_a_row > 1 - 0.5 / BINS_IN_A_ROW)  # all three of them
    if len(found):
        return float((first + int(found[0])) * BIN_NS) / NS_PER_S
    return Censored(max(observed_ns, 0) / NS_PER_S)
