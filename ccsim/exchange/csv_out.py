"""Imported samples as one CSV."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from ccsim.errors import ResultsError
from ccsim.exchange.measured import COLUMNS, Imported
from ccsim.files import write_whole

__all__ = ["write_csv"]


def write_csv(found: Imported, folder: Path) -> Path:
    """Write the samples of all connections, a row each, into a folder; return the file.

    It is called as the imported file is. ResultsError if it cannot be written.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(found.file).name.partition(".")[0]) or "imported"
    target = folder / f"{stem}.imported.csv"
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["connection", "t_s", *COLUMNS])
    for one in found.connections:
        columns = [one.columns.get(name, np.full(len(one.t_s), np.nan)) for name in COLUMNS]
        for t, *values in zip(one.t_s, *columns, strict=True):
            cells = ["" if np.isnan(value) else f"{value:.10g}" for value in values]
            rows.writerow([_safe(one.name), f"{t:.6f}", *cells])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(target, text.getvalue().encode())
    except OSError as error:
        raise ResultsError(str(target), f"cannot write: {error.strerror or error}") from error
    return target


def _safe(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in "=+-@" else name
