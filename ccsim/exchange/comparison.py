"""A run beside what was measured: which flow is which connection, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.exchange.errors import ImportedFileError
from ccsim.exchange.measured import Imported, Measured
from ccsim.experiment.stored import StoredRun
from ccsim.plot.overlay import OverlayPanel
from ccsim.sim.traces import FlowTrace

__all__ = ["Distance", "Pair", "distances", "pairs", "panels"]

Floats = NDArray[np.floating[Any]]
BIN_S = 0.1
MOST_BINS = 1_000_000
MOST_DRAWN = 4  # pairs


@dataclass(frozen=True, slots=True)
class Pair:
    """A flow of the run and a connection of the file, whose times are ``late_s`` later."""

    flow: FlowTrace
    connection: Measured
    late_s: float


@dataclass(frozen=True, slots=True)
class Distance:
    """One measure of both; ``share`` is how far they are apart, relative to what was measured."""

    flow: str
    measure: str
    simulated: float
    measured: float
    share: float


def pairs(run: StoredRun, found: Imported) -> list[Pair]:
    """Return the recorded flows of a run, each with the connection that started in the same place
    among those of a file; ImportedFileError if there is none to compare."""
    flows = sorted(
        (flow for flow in run.result.flows if flow.recorded and len(flow.t_ns) > 1),
        key=lambda flow: flow.start_ns,
    )
    if not flows:
        raise ImportedFileError(found.file, "", f"expected a run with samples, got {run.name}")
    connections = sorted(found.connections, key=lambda one: one.start_s)
    late_s = connections[0].start_s - _began_s(flows[0], found.kind)
    both = zip(flows, connections, strict=False)
    return [Pair(flow, connection, late_s) for flow, connection in both]


def _began_s(flow: FlowTrace, kind: str) -> float:
    """Return when a file begins that tells of a flow: a capture with the SYN, others with the first
    sample of a connection that is established."""
    if kind == "capture" or flow.established_ns is None:
        return flow.start_ns / 1e9
    row = int(np.searchsorted(flow.t_ns, flow.established_ns))
    return float(flow.t_ns[min(row, len(flow.t_ns) - 1)]) / 1e9


def _rtt_ms(flow: FlowTrace) -> Floats:
    return np.where(flow.srtt_us > 0, flow.srtt_us / 1e3, np.nan)


def _columns(pair: Pair) -> dict[str, tuple[Floats, Floats]]:
    """Return the values that both have, simulated and measured."""
    flow, one = pair.flow, pair.connection
    ours = {
        "throughput_bps": flow.throughput_bps.astype(float),
        "rtt_ms": _rtt_ms(flow),
        "in_flight_packets": flow.in_flight.astype(float),
        "cwnd_packets": flow.snd_cwnd.astype(float),
    }
    return {
        name: (values, theirs)
        for name, values in ours.items()
        if (theirs := one.column(name)) is not None and not np.isnan(values).all()
    }


def _goodput_bps(flow: FlowTrace) -> float:
    end_ns = int(flow.t_ns[-1]) if flow.end_ns is None else flow.end_ns
    return 8e9 * float(flow.delivered_bytes[-1]) / max(end_ns - flow.start_ns, 1)


def distances(pair: Pair) -> list[Distance]:
    """Return how far apart a flow and a connection are, measure by measure."""
    flow, one = pair.flow, pair.connection
    both: list[tuple[str, float, float]] = []
    if one.bytes_delivered:
        both.append(("goodput (Mbit/s)", _goodput_bps(flow) / 1e6, one.goodput_bps / 1e6))
    columns = _columns(pair)
    if "rtt_ms" in columns:
        ours, theirs = columns["rtt_ms"]
        both.append(("RTT mean (ms)", float(np.nanmean(ours)), float(np.nanmean(theirs))))
        tails = float(np.nanquantile(ours, 0.99)), float(np.nanquantile(theirs, 0.99))
        both.append(("RTT p99 (ms)", *tails))
    for name, title in (("in_flight", "in flight"), ("cwnd", "cwnd")):
        if f"{name}_packets" in columns:
            ours, theirs = columns[f"{name}_packets"]
            means = float(np.nanmean(ours)), float(np.nanmean(theirs))
            both.append((f"{title} mean (packets)", *means))
    again = one.column("retransmissions")
    if again is not None:
        counted = float(flow.retransmissions[-1]), float(np.nanmax(again))
        both.append(("resent (packets)", *counted))
    found = [
        Distance(flow.name, what, ours, theirs, (ours - theirs) / theirs if theirs else np.nan)
        for what, ours, theirs in both
    ]
    return [*found, *_apart(pair, columns)]


def _apart(pair: Pair, columns: dict[str, tuple[Floats, Floats]]) -> list[Distance]:
    """Return how far apart curves are in the mean, over tenths of seconds that both have."""
    found = []
    for name, title in (("throughput_bps", "throughput"), ("rtt_ms", "RTT")):
        if name not in columns:
            continue
        ours, theirs = columns[name]
        a = _binned(pair.flow.t_ns / 1e9, ours)
        b = _binned(pair.connection.t_s - pair.late_s, theirs)
        n = min(len(a), len(b))
        known = ~(np.isnan(a[:n]) | np.isnan(b[:n]))
        if known.any():
            a, b = a[:n][known], b[:n][known]
            level = float(np.abs(b).mean())
            share = float(np.abs(a - b).mean()) / level if level else np.nan
            what = f"{title}, curve over {BIN_S:g} s"
            found.append(Distance(pair.flow.name, what, float(a.mean()), float(b.mean()), share))
    return found


def _binned(t_s: Floats, values: Floats) -> Floats:
    """Return the means of values over tenths of a second; NaN where there is none."""
    at = np.floor(t_s / BIN_S).astype(np.int64)
    known = ~np.isnan(values) & (at >= 0) & (at < MOST_BINS)
    if not known.any():
        return np.empty(0)
    sums = np.bincount(at[known], weights=values[known])
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = sums / np.bincount(at[known])
    return means


_PANELS = {
    "throughput_bps": ("throughput (Mbit/s)", 1e-6),
    "rtt_ms": ("RTT (ms)", 1.0),
    "in_flight_packets": ("in flight (packets)", 1.0),
    "cwnd_packets": ("cwnd (packets)", 1.0),
}


def panels(both: Sequence[Pair]) -> list[OverlayPanel]:
    """Return pictures of what both have, flow by flow, the first few."""
    drawn = []
    for pair in both[:MOST_DRAWN]:
        for name, (ours, theirs) in _columns(pair).items():
            label, scale = _PANELS[name]
            recorded = _curve(pair.connection.t_s - pair.late_s, theirs * scale, name)
            simulated = _curve(pair.flow.t_ns / 1e9, ours * scale, name)
            drawn.append(OverlayPanel(f"{pair.flow.name}\n{label}", recorded, simulated))
    return drawn


def _curve(t_s: Floats, values: Floats, name: str) -> tuple[Floats, Floats]:
    """Return times and values as they are drawn: throughput in tenths of a second."""
    if name != "throughput_bps":
        return t_s, values
    binned = _binned(t_s, values)
    return np.arange(len(binned)) * BIN_S, binned
