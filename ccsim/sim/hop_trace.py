"""What a hop recorded as columns: on the recording grid, and on the grid of the metrics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ccsim.net.delivery_trace import OPPORTUNITY_BYTES
from ccsim.net.hop import Hop
from ccsim.net.hop_log import SAMPLE, HopLog
from ccsim.net.qdisc.base import LOST
from ccsim.net.rate_process import PiecewiseRate
from ccsim.net.trace_hop import TraceHop
from ccsim.sim.hops import DescribedHop
from ccsim.sim.traces import LinkMeter, LinkTrace
from ccsim.spec import Hop as HopSpec
from ccsim.spec import Path as PathSpec
from ccsim.spill import Rows, Spill
from ccsim.units import NS_PER_MS, NS_PER_S

__all__ = ["hop_trace"]

Column = NDArray[np.int64]
SAMPLED = ("t_ns", "queue_packets", "drops", "losses", "departed_bytes")
DROPS = ("drop_t_ns", "drop_flow", "drop_reason")
TRACE_STEP_NS = 100_000_000
METERED = ("t_ns", "queue_packets", "departed_bytes")


def hop_trace(one: DescribedHop, end_ns: int, spill: Spill) -> LinkTrace:
    """Return what a hop recorded up to and including ``end_ns``, with what the stage before it
    dropped; it holds none of it afterwards."""
    hop, spec, log = one.hop, one.spec, one.hop.log
    assert log is not None
    _close(hop, log, end_ns)
    meter = _columns(log, SAMPLE, log.meter_ns, spill) if log.meter_ns else None
    columns = _columns(log, (*SAMPLE, *hop.qdisc.GAUGES), log.interval_ns, spill)
    dropped = _table(log.dropped, DROPS)
    marked = _table(log.marked, ("mark_t_ns", "mark_flow"))
    log.sampled.clear()
    if one.stage is not None and one.stage.log is not None:
        _close(one.stage, one.stage.log, end_ns)
        dropped = _merged(dropped, _table(one.stage.log.dropped, DROPS))
        columns |= _counted(dropped, columns["t_ns"])
    return LinkTrace(
        name=one.name,
        rate_bps=spec.rate_bps,
        buffer_packets=spec.buffer_packets,
        **{column: columns[column] for column in SAMPLED},
        marks=np.searchsorted(marked["mark_t_ns"], columns["t_ns"], side="right"),
        utilisation_ppm=_utilisation(hop, spec, columns, log.interval_ns),
        **dropped,
        **marked,
        meter=None if meter is None else LinkMeter(*(meter[column] for column in METERED)),
        rates=_rates(hop, end_ns),
        gauges=tuple((name, columns[name]) for name in ("sojourn_us", *hop.qdisc.GAUGES)),
    )


def _rates(hop: Hop, end_ns: int) -> tuple[tuple[int, int], ...]:
    """Return the rates of a line that changes: of a trace in steps of `TRACE_STEP_NS`."""
    if isinstance(hop, TraceHop):
        starts = range(0, end_ns + 1, TRACE_STEP_NS)
        chances = [hop.trace.first_after(t // NS_PER_MS) for t in (*starts, end_ns + TRACE_STEP_NS)]
        each = 8 * OPPORTUNITY_BYTES * NS_PER_S // TRACE_STEP_NS
        return tuple((t, (chances[k + 1] - chances[k]) * each) for k, t in enumerate(starts))
    if isinstance(hop.line, PiecewiseRate):
        pieces = zip(hop.line.starts, hop.line.rates, strict=True)
        return tuple((t, rate) for t, rate in pieces if t <= end_ns)
    return ()


def _close(hop: Hop, log: HopLog, end_ns: int) -> None:
    """Sample up to the end, and forget what came after it."""
    if log.next_ns <= end_ns:
        log.sample(hop, end_ns + 1)
    log.pack()
    for rows in (log.sampled, log.dropped, log.marked):
        rows.forget_after(end_ns)


def _merged(one: Mapping[str, Column], other: Mapping[str, Column]) -> dict[str, Column]:
    """Return two logs of drops as one, in order of time, then flow."""
    both = {name: np.concatenate((one[name], other[name])) for name in one}
    order = np.lexsort((both["drop_flow"], both["drop_t_ns"]))
    return {name: column[order] for name, column in both.items()}


def _counted(dropped: Mapping[str, Column], t_ns: Column) -> dict[str, Column]:
    """Return how many packets had been dropped and lost by each sample."""
    random = dropped["drop_reason"] == LOST
    times = dropped["drop_t_ns"]
    return {
        "drops": np.searchsorted(times[~random], t_ns, side="right"),
        "losses": np.searchsorted(times[random], t_ns, side="right"),
    }


def _utilisation(
    hop: Hop, spec: HopSpec | PathSpec, columns: Mapping[str, Column], interval_ns: int
) -> Column:
    """Return what left since the sample before over what the line could carry [ppm]."""
    carried = np.diff(columns["departed_bytes"], prepend=0) * 8_000_000
    capacity = np.maximum(_capacity(hop, spec, columns["t_ns"], interval_ns), 1)
    return np.asarray(carried // capacity, dtype=np.int64)


def _capacity(hop: Hop, spec: HopSpec | PathSpec, t_ns: Column, interval_ns: int) -> Column | int:
    """Return what the line could carry in the interval before each sample [bits]."""
    if isinstance(hop, TraceHop):
        chances = [hop.trace.first_after(t // NS_PER_MS) for t in t_ns.tolist()]
        return _steps(chances) * (8 * OPPORTUNITY_BYTES)
    if isinstance(hop.line, PiecewiseRate):
        carried = [hop.line.capacity(t) // NS_PER_S for t in t_ns.tolist()]
        return _steps(carried)
    return spec.rate_bps * interval_ns // NS_PER_S


def _steps(amounts: list[int]) -> Column:
    column = np.array([0, *amounts], dtype=np.int64)
    return column[1:] - column[:-1]


def _columns(log: HopLog, names: tuple[str, ...], every_ns: int, spill: Spill) -> dict[str, Column]:
    """Return the samples at multiples of ``every_ns``."""
    blocks = [table[table[:, 0] % every_ns == 0] for table in log.sampled.blocks()]
    columns = spill.columns(names, sum(map(len, blocks)))
    stop = 0
    for block in blocks:
        start, stop = stop, stop + len(block)
        for k, name in enumerate(names):
            columns[name][start:stop] = block[:, k]
    return columns


def _table(rows: Rows, names: tuple[str, ...]) -> dict[str, Column]:
    blocks = list(rows.blocks())
    table = np.concatenate(blocks) if blocks else np.empty((0, len(names)), dtype=np.int64)
    return {name: np.ascontiguousarray(table[:, k]) for k, name in enumerate(names)}
