"""Dense oscillation as a band: where a line would turn so often that it fills a solid block."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.picture import Curve, Panel, Picture
from ccsim.plot.style import BAND

__all__ = ["BIN", "envelope", "with_envelopes"]

Floats = NDArray[np.float64]
Columns = tuple[Floats, Floats, Floats, Floats]

BIN = 3.0  # width of a bin [pt]: lines 0.9 pt thick that turn twice in it touch
LEAST_SHARE = 0.06  # of the panel's height that the line must cover to be a block
DENSE, SOME = 3, 2  # times that it crosses what it covers in a bin
LEAST_BINS = 4


def envelope(t: Floats, y: Floats, edges: Floats, height: float) -> Columns | None:
    """Return times, medians, minima and maxima of the bins in which ``y`` oscillates densely.

    A bin is dense where the line covers more than a twentieth of ``height`` and goes three times or
    more between the lower and the upper third of that. Four such bins make a band, with those
    between them in which it does twice, or single others. Columns are as long as ``edges`` less
    one, NaN where the line stays a line; None: everywhere.
    """
    if len(t) < 2 * len(edges):
        return None
    finite = np.isfinite(y)
    t, y = t[finite], y[finite]
    first = np.searchsorted(t, edges)
    low, median, high = (np.full(len(edges) - 1, np.nan) for _ in range(3))
    crossed = np.zeros(len(edges) - 1, dtype=np.int64)
    for k in np.flatnonzero(np.diff(first) > DENSE):
        part = y[first[k] : first[k + 1]]
        low[k], median[k], high[k] = part.min(), np.median(part), part.max()
        if high[k] - low[k] > LEAST_SHARE * height:
            crossed[k] = _crossings(part, low[k], high[k])
    dense = _bands(crossed) & np.isfinite(median)
    if not dense.any():
        return None
    at = (edges[:-1] + edges[1:]) / 2
    median, low, high = (np.where(dense, column, np.nan) for column in (median, low, high))
    return at, median, low, high


def _crossings(y: Floats, low: float, high: float) -> int:
    """Return how often ``y`` goes from the lower third of its range to the upper one, and back."""
    third = (high - low) / 3
    side = np.where(y > high - third, 1, np.where(y < low + third, -1, 0))
    return int(np.count_nonzero(np.diff(side[side != 0])))


def _bands(crossed: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which bins belong to a band, by how often the line crosses each."""
    some = crossed >= SOME
    some[1:-1] |= some[:-2] & some[2:]
    out = np.zeros(len(crossed), dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], some.astype(np.int8), [0]))))
    for begin, end in edges.reshape(-1, 2):
        dense = np.count_nonzero(crossed[begin:end] >= DENSE)
        out[begin:end] = dense >= LEAST_BINS and 2 * dense >= end - begin
    return out


def with_envelopes(picture: Picture, width: float, detail_width: float) -> Picture:
    """Return a picture that is ``width`` [pt] wide, and its detail, with bands instead of blocks;
    the legend says what they are."""
    detail = picture.detail and with_envelopes(picture.detail, detail_width, 0.0)
    edges = np.linspace(picture.start_s, picture.end_s, max(int(width / BIN), 1) + 1)
    panels = tuple(_drawn(panel, edges) for panel in picture.panels)
    legend = picture.legend
    if panels != picture.panels or (detail and BAND in dict(detail.legend)):
        legend = (*legend, (BAND, "where dense: min–max, median"))
    return replace(picture, panels=panels, detail=detail, legend=legend)


def _drawn(panel: Panel, edges: Floats) -> Panel:
    curves = tuple(_banded(curve, edges, panel.y[1] - panel.y[0]) for curve in panel.curves)
    changed = any(a is not b for a, b in zip(curves, panel.curves, strict=True))
    return replace(panel, curves=curves) if changed and not panel.log else panel


def _banded(curve: Curve, edges: Floats, height: float) -> Curve:
    """Return a curve with bins instead of the points of its dense stretches."""
    if curve.low is not None:
        return curve
    found = envelope(*(curve.samples or (curve.t_s, curve.y)), edges, height)
    if found is None:
        return curve
    dense = np.isfinite(found[1])
    rows = np.clip(np.searchsorted(edges, curve.t_s, side="right") - 1, 0, len(dense) - 1)
    kept = ~dense[rows]
    t_s = np.concatenate((curve.t_s[kept], found[0][dense]))
    order = np.argsort(t_s, kind="stable")
    gap = np.full(int(kept.sum()), np.nan)
    y = np.concatenate((curve.y[kept], found[1][dense]))[order]
    low, high = (np.concatenate((gap, column[dense]))[order] for column in found[2:])
    return replace(curve, t_s=t_s[order], y=y, low=low, high=high)
