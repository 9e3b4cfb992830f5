"""What of a study is published: one small table of its runs, and one of its cells with intervals.

Intervals are over seeds: the values of one seed in a cell are averaged first,
since a seed draws the same for every point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsim.errors import CcsimError
from ccsim.experiment.comparisons import holm, wilcoxon_p
from ccsim.experiment.parquet import connect, parquet
from ccsim.experiment.statistics import bca_interval
from ccsim.experiment.study.forms import Publication
from ccsim.experiment.study.query import Answer, query
from ccsim.experiment.study.tables import copy_table, insert_rows
from ccsim.experiment.variance import grid_of, shares

__all__ = ["cells", "publish", "published"]

Row = dict[str, Any]
SEED = "seed"
DIGITS = 6
"""Significant digits of what is stored."""
_CELL = {
    "metric": "VARCHAR",
    "runs": "BIGINT",
    "outcomes": "BIGINT",
    "n": "BIGINT",
    "mean": "DOUBLE",
    "low": "DOUBLE",
    "high": "DOUBLE",
    "least": "DOUBLE",
    "most": "DOUBLE",
    "p_holm": "DOUBLE",
}
"""Columns of the table of cells after ``level`` and the columns that make cells."""
_VARIANCE = {
    "metric": "VARCHAR",
    "factor": "VARCHAR",
    "n": "BIGINT",
    **{f"{kind}{end}": "DOUBLE" for kind in ("first", "total") for end in ("", "_low", "_high")},
}


def publish(name: str, publication: Publication, study: Path, out: Path) -> list[Path]:
    """Write ``NAME.parquet``, ``NAME_cells.parquet`` and, if variance is shared out,
    ``NAME_variance.parquet`` of a study that was run; return them.

    CcsimError if its SELECT fails, or lacks a column or a run that is needed.
    """
    runs = _rows(query(str(study), publication.select, study.parent))
    columns = _types(runs)
    needed = (*publication.by, publication.variance)
    missing = {SEED, *(key for level in needed for key in level)} - set(columns)
    if missing:
        raise CcsimError(f"{name}: publish: its select gives no column {sorted(missing)[0]!r}")
    out.mkdir(parents=True, exist_ok=True)
    keys = dict.fromkeys(key for level in publication.by for key in level)
    head = {"level": "VARCHAR", **{key: columns[key] for key in keys}}
    written = [
        _write(out / f"{name}.parquet", columns, runs),
        _write(out / f"{name}_cells.parquet", {**head, **_CELL}, cells(runs, publication.by)),
    ]
    if publication.variance:
        parts = _variance(name, runs, publication)
        written.append(_write(out / f"{name}_variance.parquet", _VARIANCE, parts))
    return written


def published(files: Sequence[Path]) -> dict[str, list[Row]]:
    """Return the rows of tables that `publish` wrote, by what the files' names end in: ``cells``,
    ``variance``."""
    found = {}
    with connect() as db:
        for file in files:
            rows = db.execute(f"SELECT * FROM {parquet('$file')}", {"file": str(file)})
            columns = [column[0] for column in rows.description or ()]
            kind = file.stem.rpartition("_")[2]
            found[kind] = [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]
    return found


def _variance(name: str, runs: Sequence[Row], publication: Publication) -> Iterator[Row]:
    """Yield each factor's share of the variance of each metric."""
    for metric in _metrics(runs, (*publication.by, publication.variance)):
        try:
            grid = grid_of(runs, publication.variance, SEED, metric)
        except ValueError as error:
            raise CcsimError(f"{name}: publish: variance: {error}") from error
        for share in shares(grid, publication.variance):
            kinds = {"first": share.first, "total": share.total}
            row: Row = {"metric": metric, "factor": share.factor, "n": share.first.n}
            for kind, found in kinds.items():
                ends = {"": found.estimate, "_low": found.low, "_high": found.high}
                row |= {f"{kind}{end}": _short(value) for end, value in ends.items()}
            yield row


def _metrics(runs: Sequence[Row], by: Iterable[Sequence[str]]) -> list[str]:
    """Return the columns of numbers that make no cell."""
    keys = {SEED, *(key for level in by for key in level)}
    return [name for name, type_ in _types(runs).items() if type_ == "DOUBLE" and name not in keys]


def cells(runs: Sequence[Row], by: Sequence[Sequence[str]]) -> Iterator[Row]:
    """Yield each metric of each cell: runs, outcomes that differ in any metric, and over seeds n,
    mean, its 95 % BCa interval, least, most, and p.

    Metrics are the numbers of ``runs`` that make no cell. ``p_holm`` is that of the signed-rank
    test against 0, Holm-corrected over the cells of the metric and level.
    """
    metrics = _metrics(runs, by)
    for level in by:
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for run in runs:
            groups.setdefault(tuple(run[key] for key in level), []).append(run)
        outcomes = {
            key: len({tuple(run[m] for m in metrics) for run in group})
            for key, group in groups.items()
        }
        for metric in metrics:
            values = [_by_seed(group, metric) for group in groups.values()]
            corrected = holm([wilcoxon_p(v) if len(v) > 1 else math.nan for v in values])
            for (key, group), v, p in zip(groups.items(), values, corrected, strict=True):
                what = {**dict(zip(level, key, strict=True)), "metric": metric}
                count = {"level": ", ".join(level), "runs": len(group), "outcomes": outcomes[key]}
                yield {**what, **count, **_estimate(v), "p_holm": _short(p)}


def _by_seed(group: Iterable[Row], metric: str) -> list[float]:
    """Return a metric's mean for each seed that has a value of it."""
    seeds: dict[Any, list[float]] = {}
    for run in group:
        if run[metric] is not None:
            seeds.setdefault(run[SEED], []).append(run[metric])
    return [math.fsum(values) / len(values) for values in seeds.values()]


def _estimate(values: Sequence[float]) -> Row:
    if not values:
        return {"n": 0}
    found = bca_interval(values)
    ends = {"low": found.low, "high": found.high, "least": min(values), "most": max(values)}
    mean = {"n": len(values), "mean": _short(found.estimate)}
    return {**mean, **{name: _short(value) for name, value in ends.items()}}


def _rows(answer: Answer) -> list[Row]:
    return [
        {
            name: _short(cell) if isinstance(cell, float) else cell
            for name, cell in zip(answer.columns, row, strict=True)
        }
        for row in answer.rows
    ]


def _short(value: float | None) -> float | None:
    """Return a number with few digits; None for none."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def _types(rows: Sequence[Row]) -> dict[str, str]:
    """Return each column's type in the database; whole numbers are ``seed``'s and keys' alone."""
    found: dict[str, str] = {}
    for name in rows[0] if rows else ():
        kinds = {type(row[name]) for row in rows if row[name] is not None}
        text = "VARCHAR" if str in kinds else "DOUBLE"
        found[name] = "BIGINT" if kinds == {int} and name == SEED else text
    return found


def _write(file: Path, columns: Mapping[str, str], rows: Iterable[Row]) -> Path:
    with connect() as db:
        described = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
        db.execute(f"CREATE TABLE published ({described})")
        insert_rows(db, "published", columns, list(rows))
        copy_table(db, "published", file)
    return file
