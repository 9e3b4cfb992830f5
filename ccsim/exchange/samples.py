"""Samples of connections as a file gives them one after the other, and what they become."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import isfinite, nan
from pathlib import Path

import numpy as np

from ccsim.exchange.errors import ImportedFileError
from ccsim.exchange.measured import COLUMNS, Measured

__all__ = ["SampleReader", "number"]

MOST_SAMPLES = 2_000_000
"""Of a file: some 150 MB."""
MOST_CONNECTIONS = 10_000
MOST = 1e18
"""No time [ns] or amount of a real file is larger."""


def number(text: str | float | int) -> float:
    """Return a number that a file gives; ValueError for what is none, negative or absurd."""
    value = float(text)
    if not isfinite(value) or not 0 <= value <= MOST:
        raise ValueError(f"expected a number from 0 to {MOST:g}, got {text!r}")
    return value


class _One:
    """One connection's samples, as they come."""

    def __init__(self) -> None:
        self.congestion = ""
        self.mss_bytes = 0
        self.t_s = array("d")
        self.columns = {name: array("d") for name in (*COLUMNS, "acked_bytes")}


class SampleReader:
    """Gathers the samples of a file; what is wrong is told with the place that `add` is given.

    Times count from ``origin_s``, else from the file's first sample.
    """

    def __init__(self, path: Path, origin_s: float | None = None) -> None:
        self._file = str(path)
        self._found: dict[str, _One] = {}
        self._count = 0
        self._first_s = self._origin_s = origin_s

    def add(
        self,
        name: str,
        t_s: float,
        values: Mapping[str, float],
        *,
        place: str,
        congestion: str = "",
        mss_bytes: int = 0,
    ) -> None:
        """Take a sample of a connection; ``values`` are of `COLUMNS`, or payload acknowledged so
        far (``acked_bytes``), from which the throughput is worked out."""
        one = self._found.get(name)
        if one is None:
            if len(self._found) >= MOST_CONNECTIONS:
                self._refuse(place, f"expected up to {MOST_CONNECTIONS} connections, got more")
            one = self._found[name] = _One()
        if self._count >= MOST_SAMPLES:
            self._refuse(place, f"expected up to {MOST_SAMPLES} samples, got more")
        if one.t_s and t_s < one.t_s[-1]:
            self._refuse(place, f"expected a time from {one.t_s[-1]:.6f} s on, got {t_s:.6f} s")
        self._count += 1
        self._first_s = t_s if self._first_s is None else min(self._first_s, t_s)
        one.congestion = congestion or one.congestion
        one.mss_bytes = mss_bytes or one.mss_bytes
        one.t_s.append(t_s)
        for key, column in one.columns.items():
            column.append(values.get(key, nan))

    def _refuse(self, place: str, reason: str) -> None:
        raise ImportedFileError(self._file, place, reason)

    def measured(self, what: str) -> tuple[Measured, ...]:
        """Return the connections in order of their first samples; ImportedFileError if there is
        none, ``what`` being what was expected."""
        if not self._found:
            self._refuse("", f"expected {what}, got none")
        first_s = self._first_s or 0.0
        known = self._origin_s is not None  # then the first sample is of a time before it
        made = [
            _measured(name, one, first_s, 0.0 if known else one.t_s[0] - first_s)
            for name, one in self._found.items()
        ]
        return tuple(sorted(made, key=lambda one: one.start_s))


def _measured(name: str, one: _One, first_s: float, start_s: float) -> Measured:
    t = np.array(one.t_s) - first_s
    columns = {key: np.array(values) for key, values in one.columns.items()}
    acked = columns.pop("acked_bytes")
    known = ~np.isnan(acked)
    delivered = 0
    if known.sum() > 1:
        spans = np.diff(t[known], prepend=np.nan)
        rates = np.full(len(t), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            rates[known] = 8 * np.diff(acked[known], prepend=np.nan) / spans
        columns["throughput_bps"] = np.where(np.isfinite(rates) & (rates >= 0), rates, np.nan)
        delivered = max(int(acked[known][-1] - acked[known][0]), 0)
    else:
        rates, spans = columns["throughput_bps"], np.diff(t, prepend=start_s)
        delivered = int(np.nansum(rates * spans) / 8)
    return Measured(
        name, one.congestion, start_s, float(t[-1]), one.mss_bytes, delivered, t, columns
    )
