"""A metric of a study, point by point: one number a seed, and the A-twin's beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.experiment.integrity import check_study
from ccsim.experiment.parquet import connect
from ccsim.experiment.study.beside import VALUES
from ccsim.experiment.study.columns import HEADLINES, TABLES
from ccsim.experiment.study.query import study_database
from ccsim.experiment.study.tables import quoted
from ccsim.scenario.vocabulary import did_you_mean

__all__ = ["DIFFERENCES", "PointSamples", "check_metric", "read_samples", "twin_metric"]

Floats = NDArray[np.float64]
DIFFERENCES = (
    "deficit_bytes",
    "deficit_s",
    "deficit_peak_bytes",
    "queue_excess_ms",
    "extra_drops",
    "extra_marks",
    "extra_rtos",
    "extra_rtt_p99_ms",
    "extra_stall_s",
)
"""Metrics that are differences to the A-twin by themselves. Of those that have a headline, a run's
value is that of all flows together."""


@dataclass(frozen=True, slots=True)
class PointSamples:
    """One point: its values of what varies, and a metric's value for each seed that has one.

    A run's value is the mean over its swaps of what all flows have together, where there is such a
    headline, else the mean over the swaps and flows that have one. ``twins``
    are the A-twin's, NaN without one; ``differences`` are run less A-twin, empty if the metric
    compares with none. ``censored`` is the share of rows that hold a bound only; ``failed`` counts
    runs.
    """

    point: int
    values: dict[str, Any]
    seeds: tuple[int, ...]
    numbers: Floats
    twins: Floats
    differences: Floats
    censored: float
    failed: int


def check_metric(metric: str) -> str:
    """Return the metric; ValueError names the nearest if there is none of that name."""
    known = [name for name, type_ in TABLES["runs"].items() if type_ == "DOUBLE"]
    if metric not in known:
        near = did_you_mean(metric, known) or "; docs/studies.md lists them"
        raise ValueError(f"metric: no metric {metric!r}{near}")
    return metric


def twin_metric(metric: str) -> str:
    """Return the column with the A-twin's value of a metric; empty if there is none."""
    names = {f"{name}{unit}": f"{name}_a{unit}" for name, unit in VALUES}
    return names.get(metric, "")


def read_samples(study: Path, metric: str, *, verify: bool = False) -> list[PointSamples]:
    """Return a metric of each point of a study that has a finished run, in the design's order."""
    check_metric(metric)
    _, plan = check_study(study)
    twin = twin_metric(metric)
    flag = f"{metric.removesuffix('_s')}_censored"
    censored = quoted(flag) if flag in TABLES["runs"] else "false"
    with connect() as db:
        study_database(db, study, verify=verify)
        rows = db.execute(
            f"""SELECT point, seed, {_mean(metric)},
                    avg({quoted(twin) if twin else "CAST(NULL AS DOUBLE)"}),
                    count(*) FILTER ({censored}), count(*), bool_or(status = 'failed')
                FROM (SELECT *, row_number() OVER (PARTITION BY point, seed, swap) = 1 AS once
                    FROM runs)
                GROUP BY point, seed ORDER BY point, seed"""
        ).fetchall()
    values = {run["point"]: run["values"] for run in plan["runs"]}
    jitter = {column["name"] for column in plan["columns"] if column["role"] == "jitter"}
    points: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        points.setdefault(row[0], []).append(row)
    return [
        _samples(
            some,
            {name: value for name, value in values[point].items() if name not in jitter},
            metric.removeprefix("total_") in DIFFERENCES,
        )
        for point, some in points.items()
    ]


def _mean(metric: str) -> str:
    """Return the mean of a metric over a run's rows, of a headline over its swaps, in SQL."""
    if metric.startswith("total_"):
        return f"avg({quoted(metric)}) FILTER (once)"
    if metric in DIFFERENCES and metric in HEADLINES:
        return _mean(HEADLINES[metric])
    return f"avg({quoted(metric)})"


def _samples(
    rows: list[tuple[Any, ...]], values: dict[str, Any], is_difference: bool
) -> PointSamples:
    fine = [row for row in rows if row[2] is not None and not row[6]]
    numbers = np.array([row[2] for row in fine], dtype=np.float64)
    twins = np.array([np.nan if row[3] is None else row[3] for row in fine], dtype=np.float64)
    differences = numbers if is_difference else numbers - twins
    return PointSamples(
        point=rows[0][0],
        values=values,
        seeds=tuple(row[1] for row in fine),
        numbers=numbers,
        twins=twins,
        differences=differences[~np.isnan(differences)],
        censored=sum(row[4] for row in rows) / sum(row[5] for row in rows),
        failed=sum(bool(row[6]) for row in rows),
    )
