"""What a link recorded as columns: on the recording grid, and on the grid of the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.net.link import Link
from ccsim.sim.traces import LinkMeter, LinkTrace
from ccsim.spill import BLOCK_ROWS, Rows, Spill

__all__ = ["link_trace", "marks_of"]

Column = NDArray[np.int64]
SAMPLE = ("t_ns", "queue_packets", "drops", "losses", "departed_bytes")
MORE = ("marks", "utilisation_ppm")


def marks_of(marked_ns: Mapping[int, Column], until_ns: int) -> dict[str, Column]:
    """Return when packets were marked and whose, by flow, in order of time, then flow, up to and
    including ``until_ns``."""
    times = np.concatenate([*marked_ns.values(), np.empty(0, dtype=np.int64)])
    lengths = [len(column) for column in marked_ns.values()]
    flows = np.repeat(np.array(list(marked_ns), dtype=np.int64), lengths)
    order = np.lexsort((flows, times))
    order = order[: int(np.searchsorted(times[order], until_ns, side="right"))]
    return {"mark_t_ns": times[order], "mark_flow": flows[order]}


def link_trace(
    name: str, link: Link, end_ns: int, spill: Spill, marks: Mapping[str, Column]
) -> LinkTrace:
    """Return what a link recorded up to and including ``end_ns``; it holds none of it afterwards.
    ``marks`` are as `marks_of` returns them."""
    link.pack(len(link.drop_log))
    link.sampled.forget_after(end_ns)
    link.dropped.forget_after(end_ns)
    meter = None
    if link.meter_ns:
        on_meter = _gathered(link.sampled, SAMPLE, spill, every_ns=link.meter_ns)
        names = ("t_ns", "queue_packets", "departed_bytes")
        meter = LinkMeter(*(on_meter[name] for name in names))
    sampled = _gathered(link.sampled, SAMPLE, spill, MORE, every_ns=link.interval_ns)
    link.sampled.clear()
    dropped = _gathered(link.dropped, ("t_ns", "flow", "reason"), spill)
    link.dropped.clear()
    _fill(link, sampled, marks["mark_t_ns"])
    columns: dict[str, Any] = {**sampled, **marks}
    columns |= {f"drop_{column}": values for column, values in dropped.items()}
    return LinkTrace(
        name=name,
        rate_bps=link.fifo.rate_bps,
        buffer_packets=link.fifo.limit,
        meter=meter,
        **columns,
    )


def _fill(link: Link, sampled: Mapping[str, Column], marked_ns: Column) -> None:
    """Work out the columns that the link itself does not sample."""
    capacity = max(link.fifo.rate_bps * link.interval_ns // 1_000_000_000, 1)
    departed = sampled["departed_bytes"]
    for first in range(0, len(departed), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        before = departed[first - 1] if first else 0
        carried = np.diff(departed[block], prepend=before)
        sampled["utilisation_ppm"][block] = carried * 8_000_000 // capacity
        sampled["marks"][block] = marked_ns.searchsorted(sampled["t_ns"][block], side="right")


def _gathered(
    rows: Rows, names: tuple[str, ...], spill: Spill, more: tuple[str, ...] = (), every_ns: int = 1
) -> dict[str, Column]:
    """Return the rows at multiples of ``every_ns`` as columns, with room for ``more``."""
    n = sum(int((table[:, 0] % every_ns == 0).sum()) for table in rows.blocks())
    columns = spill.columns((*names, *more), n)
    stop = 0
    for table in rows.blocks():
        kept = table[table[:, 0] % every_ns == 0]
        start, stop = stop, stop + len(kept)
        for k, name in enumerate(names):
            columns[name][start:stop] = kept[:, k]
    return columns
