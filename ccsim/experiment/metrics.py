"""What a swap costs and how flows and links fared: one function a metric, on trace columns.

Spans are half-open on the left, ``(t0, t1]``: a sample at an instant counts everything at or before
it, so the sample at a swap's instant closes the span before the swap. Bytes are payload delivered
in order; between two samples the count is taken to grow linearly. Against the A-twin (never
swapped) and the B-twin (the new implementation from the start) the same instants of both runs are
compared; the twins share every random stream with the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsim.experiment.instants import Instants
from ccsim.sim.traces import FlowTrace, LinkTrace, SimResult

__all__ = [
    "BIN_NS",
    "MEAN_NS",
    "SECOND_NS",
    "WINDOW_NS",
    "Censored",
    "bin_rates_bps",
    "cwnd_jump",
    "deficit_bytes",
    "deficit_peak_bytes",
    "deficit_seconds",
    "delivered_at",
    "dip_length_s",
    "dip_recovery_s",
    "dip_worst_ratio",
    "drops_between",
    "goodput_bps",
    "harm",
    "jain_index",
    "longest_stall_s",
    "queue_excess_ms",
    "retransmissions_between",
    "rtos_between",
    "rtt_ms",
    "rtt_p99_ms",
    "time_to_twin_s",
    "utilisation",
]

Floats = NDArray[np.float64]
SECOND_NS = 1_000_000_000
BIN_NS = 200_000_000
"""Goodput is looked at in bins of 200 ms, counted from the swap."""
BINS_PER_SECOND = SECOND_NS // BIN_NS
BINS_IN_A_ROW = 3
"""A recovery counts once it has held for three bins."""
MEAN_NS = 2 * SECOND_NS
"""Means before and after a swap are taken over 2 s."""
WINDOW_NS = 10 * SECOND_NS
"""Deficit, dip, stall, RTOs and tail RTT are looked for in the 10 s after a swap."""


@dataclass(frozen=True, slots=True)
class Censored:
    """Something that had not happened when the observation ended, ``at_least_s`` seconds after the
    swap."""

    at_least_s: float


# --- one flow, one span ---------------------------------------------------------------------------


def delivered_at(flow: FlowTrace, t_ns: NDArray[np.int64] | int) -> Floats:
    """Return the payload acknowledged in order by ``t_ns`` [bytes]; 0 before the start, the total
    after the end. Several instants must be in order of time."""
    asked = np.asarray(t_ns)
    if not len(flow.t_ns) or not asked.size:
        return np.zeros(asked.shape)
    low = max(int(flow.t_ns.searchsorted(asked.flat[0], side="right")) - 1, 0)
    high = int(flow.t_ns.searchsorted(asked.flat[-1], side="left")) + 1
    near = slice(low, high)  # interp converts all that it is given, at every call
    times, counts = flow.t_ns[near], flow.delivered_bytes[near]
    if low == 0 and times[0] > flow.start_ns:
        times, counts = np.append(flow.start_ns, times), np.append(0, counts)
    return np.asarray(np.interp(asked, times, counts, left=0.0), dtype=np.float64)


def goodput_bps(flow: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return payload bits acknowledged in order in ``(t0, t1]`` over the span's length [bit/s]; NaN
    if empty."""
    if t1_ns <= t0_ns:
        return math.nan
    before, after = delivered_at(flow, np.array([t0_ns, t1_ns]))
    return 8e9 * float(after - before) / (t1_ns - t0_ns)


def rtt_ms(flow: FlowTrace, t0_ns: int, t1_ns: int) -> Floats:
    """Return the samples of the smoothed RTT (``srtt_us``) in ``(t0, t1]`` [ms].

    The recorder samples srtt, not every RTT: a peak shorter than the recording interval can be
    missed. Samples before the first measurement (srtt 0) are left out, so the array may be empty.
    """
    samples = flow.srtt_us[_rows(flow.t_ns, t0_ns, t1_ns)]
    return np.asarray(samples[samples > 0] / 1000.0)


def rtt_p99_ms(flow: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return the 99th percentile of `rtt_ms` in ``(t0, t1]``, linear between ranks [ms]; NaN
    without a sample."""
    samples = rtt_ms(flow, t0_ns, t1_ns)
    return float(np.percentile(samples, 99)) if len(samples) else math.nan


def retransmissions_between(flow: FlowTrace, t0_ns: int, t1_ns: int) -> int:
    """Return the packets retransmitted between the last samples at or before ``t0`` and ``t1``."""
    return _count_at(flow.t_ns, flow.retransmissions, t1_ns) - _count_at(
        flow.t_ns, flow.retransmissions, t0_ns
    )


def drops_between(result: SimResult, flow: int, t0_ns: int, t1_ns: int) -> int:
    """Return the packets of flow number ``flow`` that all links dropped or lost in ``(t0, t1]``."""
    return sum(
        int(np.count_nonzero(link.drop_flow[_rows(link.drop_t_ns, t0_ns, t1_ns)] == flow))
        for link in result.links
    )


def rtos_between(instants: Instants, flow: str, t0_ns: int, t1_ns: int) -> int:
    """Return how often the retransmission timer of ``flow`` fired in ``(t0, t1]`` (events of kind
    ``rto``)."""
    return instants.count("rto", flow, t0_ns, t1_ns)


def longest_stall_s(flow: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return the longest time in ``(t0, t1]`` without a byte acknowledged in order [s].

    The resolution is the recording interval: a stall lasts from the sample that first shows a count
    to the last one that still shows it, cut to the span; 0 when every sample shows progress.
    """
    last = int(np.searchsorted(flow.t_ns, t1_ns, side="right"))
    times, counts = flow.t_ns[:last], flow.delivered_bytes[:last]
    if len(times) < 2:
        return 0.0
    first = np.flatnonzero(np.append(True, np.diff(counts) > 0))  # first sample of each count
    final = np.append(first[1:] - 1, len(times) - 1)
    lengths = times[final] - np.maximum(times[first], t0_ns)
    return float(max(lengths.max(), 0)) / SECOND_NS


# --- all flows, links -----------------------------------------------------------------------------


def utilisation(link: LinkTrace, t0_ns: int, t1_ns: int) -> float:
    """Return the time mean of the link's use in ``(t0, t1]``, 0 to 1; NaN without a sample in it.

    The mean of ``utilisation_ppm``, whose samples follow changes of the link's rate.
    """
    rows = _rows(link.t_ns, t0_ns, t1_ns)
    samples = link.utilisation_ppm[rows]
    return float(samples.mean()) / 1e6 if len(samples) else math.nan


def jain_index(rates: Sequence[float] | Floats) -> float:
    """Return (Σx)² / (n Σx²), 1/n (one takes all) to 1 (equal); NaN without a rate above 0 (Jain et
    al. 1984, eq. 1)."""
    x = np.asarray(rates, dtype=np.float64)
    squares = float((x * x).sum())
    return float(x.sum()) ** 2 / (len(x) * squares) if squares else math.nan


def harm(alone: float, beside: float) -> float:
    """Return (alone - beside) / alone: the share of its goodput that a flow loses to what changed
    beside it.

    1: all of it; 0: none; below 0: it gained; NaN if it had nothing (Ware et al. 2019, section 4.1,
    metrics of which more is better). ``alone`` is its goodput in the A-twin, where nothing was
    swapped.
    """
    return (alone - beside) / alone if alone else math.nan


# --- one swap, one flow, against a twin -----------------------------------------------------------


def deficit_bytes(flow: FlowTrace, twin: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return the bytes that the twin delivered in ``(t0, t1]`` beyond what the flow did; below 0 if
    it gained."""
    span = np.array([t0_ns, t1_ns])
    return float(np.diff(delivered_at(twin, span) - delivered_at(flow, span))[0])


def deficit_peak_bytes(flow: FlowTrace, twin: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return the greatest deficit from ``t0`` to any instant up to ``t1`` [bytes]; never below 0.

    Unlike the deficit at ``t1`` it is not paid back by a new implementation that is faster in the
    long run.
    """
    times = np.union1d(flow.t_ns[_rows(flow.t_ns, t0_ns, t1_ns)], np.array([t0_ns, t1_ns]))
    behind = delivered_at(twin, times) - delivered_at(flow, times)
    return float((behind - behind[0]).max())


def deficit_seconds(deficit: float, twin: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return a deficit [bytes] in seconds of the twin's mean goodput in ``(t0, t1]``; NaN if that
    is 0."""
    rate = goodput_bps(twin, t0_ns, t1_ns)
    return 8 * deficit / rate if rate else math.nan


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
    start = float(int(below[0]) * BIN_NS) / SECOND_NS if len(below) else 0.0
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


def cwnd_jump(flow: FlowTrace, swap_ns: int) -> tuple[int, int] | None:
    """Return snd_cwnd at the last sample before a swap and at the first one from its instant on
    [packets].

    A sample at the swap's instant is taken after the swap. None if the flow has no sample on one of
    the sides.
    """
    row = int(np.searchsorted(flow.t_ns, swap_ns, side="left"))
    if not 0 < row < len(flow.t_ns):
        return None
    return int(flow.snd_cwnd[row - 1]), int(flow.snd_cwnd[row])


def queue_excess_ms(flow: FlowTrace, twin: FlowTrace, t0_ns: int, t1_ns: int) -> float:
    """Return how much longer packets queued than in the A-twin, mean over ``(t0, t1]`` [ms].

    The difference of the mean smoothed RTTs: propagation is the same in both, so what differs is
    queueing. NaN if one of them has no RTT sample there.
    """
    ours, theirs = rtt_ms(flow, t0_ns, t1_ns), rtt_ms(twin, t0_ns, t1_ns)
    return float(ours.mean() - theirs.mean()) if len(ours) and len(theirs) else math.nan


# --- helpers --------------------------------------------------------------------------------------


def _rows(times: NDArray[np.int64], t0_ns: int, t1_ns: int) -> slice:
    """Return the rows of a sorted time column in ``(t0, t1]``."""
    low, high = np.searchsorted(times, [t0_ns, t1_ns], side="right")
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
        return float((first + int(found[0])) * BIN_NS) / SECOND_NS
    return Censored(max(observed_ns, 0) / SECOND_NS)
