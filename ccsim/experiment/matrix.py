"""The swap matrix: what each swap of a study cost, old × new, by mechanism, state policy and path.

A cell holds the replications of one swap under one set of conditions, one value a seed: that of
all flows of the bottleneck together, of times the slowest flow's. All is read from the study's
``runs.parquet`` and ``plan.json``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ccsim.errors import ResultsError
from ccsim.experiment.axes import Axis, axes_of
from ccsim.experiment.comparisons import holm, wilcoxon_p
from ccsim.experiment.estimates import Estimate, mean_estimate, median_estimate
from ccsim.experiment.integrity import check_study
from ccsim.experiment.parquet import connect, parquet
from ccsim.experiment.study.columns import HEADLINES
from ccsim.experiment.study.folder import StudyFolder
from ccsim.experiment.study.repeats import mark_repeats, repeat_notes

__all__ = ["METRICS", "Cell", "Conditions", "Matrix", "Metric", "load_matrix", "matrix_of"]

Row = Mapping[str, Any]
_IN_CELL = re.compile(r"(flows\.[^.]+\.congestion(\.name)?|swaps\.\d+\.(to|via|state)|links\..*)\Z")
_STATE = re.compile(r"swaps\.\d+\.state\Z")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the matrix: its column, what flags a censored value, how it is shown."""

    name: str
    title: str
    unit: str
    digits: int
    censored: str = ""
    difference: bool = True
    """Whether 0 means that the swap changed nothing."""


METRICS = (
    Metric("deficit_s", "Goodput deficit", "s of A-twin goodput", 3),
    Metric("dip_recovery_s", "Recovery time", "s", 1, "dip_recovery_censored", difference=False),
    Metric("extra_drops", "Extra drops", "packets", 1),
    Metric("rtt_p99_ms", "p99 RTT", "ms", 1, difference=False),
)


@dataclass(frozen=True, order=True, slots=True)
class Conditions:
    """Under what a swap was made: mechanism, state policy (empty: the default), all else varied."""

    via: str
    state: str
    path: str

    def __str__(self) -> str:
        state = f"state {self.state}" if self.state else ""
        return ", ".join(part for part in (self.via, state, self.path) if part)


@dataclass(frozen=True, slots=True)
class Cell:
    """One swap under one set of conditions; ``p`` is Wilcoxon's for a deficit other than 0,
    corrected by Holm for the number of cells.

    ``at`` is where it stands on the matrix's axes, ``series`` all that is no number of its
    conditions.
    """

    old: str
    new: str
    conditions: Conditions
    estimates: Mapping[str, Estimate]
    p: float = math.nan
    at: tuple[float, ...] = ()
    series: str = ""

    @property
    def swap(self) -> str:
        """``cubic → bbr``."""
        return f"{self.old} → {self.new}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """The cells of a study, in the order of its design; ``algorithms`` in order of first use.

    ``details`` tells of a labelled path what the label stands for, ``notes`` of seeds that do not
    count; ``axes`` are the factors that are numbers.
    """

    study: str
    cells: tuple[Cell, ...]
    algorithms: tuple[str, ...]
    conditions: tuple[Conditions, ...]
    runs: int
    failed: int
    seeds: int
    details: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()

    def ranked(self, metric: str = "deficit_s") -> list[Cell]:
        """Return the cells that have a metric, the worst first."""
        known = [cell for cell in self.cells if cell.estimates[metric].value is not None]
        return sorted(known, key=lambda cell: -(cell.estimates[metric].value or 0.0))


def load_matrix(folder: Path, *, verify: bool = False) -> Matrix:
    """Return the matrix of a study's folder; ResultsError if it cannot be read."""
    _, plan = check_study(folder, verify=verify)
    try:
        with connect() as db:
            found = db.execute(
                f"SELECT * FROM {parquet('$f')}", {"f": str(folder / "runs.parquet")}
            )
            names = [column[0] for column in found.description or ()]
            rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
        varied = [
            one["name"] for one in plan["columns"] if one["role"] == "varied" and not one["of"]
        ]
        facts = StudyFolder(folder).facts()
        notes = tuple(repeat_notes(mark_repeats(plan, facts), facts))
        return replace(matrix_of(str(plan["study"]), rows, varied), notes=notes)
    except Exception as error:  # whatever a damaged file makes json or duckdb raise
        reason = f"cannot read the study: {error}; ccsim sweep makes its tables again"
        raise ResultsError(str(folder), reason) from error


def matrix_of(study: str, rows: Iterable[Row], varied: Sequence[str]) -> Matrix:
    """Return the matrix of rows as ``runs.parquet`` has them.

    ``varied`` are the columns of the design. Those that tell the swap itself are in the cell; what
    these determine is left out; the others together are the path, keys that labels determine only
    as its details.
    """
    every = list(rows)
    swapped = [row for row in every if row["old"] and row["new"]]
    states = [name for name in varied if _STATE.match(name)]
    others = [name for name in varied if not _IN_CELL.match(name)]
    swap_columns = ("old", "new", "via", *states)
    others = [name for name in others if not _determined(name, swapped, swap_columns)]
    labels = [name for name in others if "." not in name]
    behind = [
        name
        for name in others
        if "." in name and (_constant(name, swapped) or _determined(name, swapped, labels))
    ]
    others = [name for name in others if name not in behind]
    axes = axes_of(others, swapped)
    words = [name for name in others if name not in {axis.name for axis in axes}]
    cells: dict[tuple[str, str, Conditions], list[Row]] = {}
    for row in swapped:
        state = " + ".join(str(row[name]) for name in states if row[name])
        conditions = Conditions(str(row["via"]), state, _path(row, others))
        cells.setdefault((row["old"], row["new"], conditions), []).append(row)
    runs = {(row["point"], row["seed"]): row["status"] for row in every}
    return Matrix(
        study=study,
        cells=tuple(
            replace(
                cell,
                at=tuple(axis.at(found[0]) for axis in axes),
                series=str(replace(cell.conditions, path=_path(found[0], words))),
            )
            for cell, found in zip(_all_cells(cells), cells.values(), strict=True)
        ),
        algorithms=tuple(dict.fromkeys(name for old, new, _ in cells for name in (old, new))),
        conditions=tuple(dict.fromkeys(conditions for *_, conditions in cells)),
        runs=len(runs),
        failed=sum(status == "failed" for status in runs.values()),
        seeds=len({seed for _, seed in runs}),
        details={_path(row, others): _path(row, behind) for row in swapped} if behind else {},
        axes=axes,
    )


def _all_cells(
    cells: Mapping[tuple[str, str, Conditions], Sequence[Row]],
) -> tuple[Cell, ...]:
    return _corrected([(*key, _estimates(found)) for key, found in cells.items()], cells)


def _path(row: Row, names: Sequence[str]) -> str:
    """Return ``deep`` for a labelled value, ``buffer 4 BDP`` for one under its key."""
    parts = [
        str(row[name]) if "." not in name else f"{name.rpartition('.')[2]} {row[name]}"
        for name in names
        if row[name] is not None
    ]
    return ", ".join(parts)


def _constant(name: str, rows: Sequence[Row]) -> bool:
    return len({row[name] for row in rows}) < 2


def _determined(name: str, rows: Sequence[Row], by: Sequence[str]) -> bool:
    """Report whether a column says no more than some others do together: a label of theirs."""
    found: dict[tuple[Any, ...], set[Any]] = {}
    for row in rows:
        found.setdefault(tuple(row[other] for other in by), set()).add(row[name])
    return (
        not _constant(name, rows)
        and len(found) > 1
        and all(len(one) == 1 for one in found.values())
    )


def _estimates(rows: Sequence[Row]) -> dict[str, Estimate]:
    return {
        metric.name: (
            median_estimate(*zip(*_slowest(rows, metric), strict=True))
            if metric.censored
            else mean_estimate(_means(rows, metric.name))
        )
        for metric in METRICS
    }


def _replications(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of each run: its flows. A run that stands at two points counts once."""
    runs: dict[tuple[Any, Any], dict[Any, Row]] = {}
    for row in rows:
        run = (row["point"], row["seed"]) if row.get("run_id") is None else row["run_id"]
        flows = runs.setdefault((run, row["swap"]), {})
        flows.setdefault(row["flow"], row)
    return [list(flows.values()) for flows in runs.values()]


def _means(rows: Sequence[Row], name: str) -> list[float]:
    """Return each run's value: what all flows have together, where there is such a headline, else
    the mean over its flows; NaN for a run without the number."""
    found = []
    for run in _replications(rows):
        together = run[0].get(HEADLINES.get(name, ""))
        values = [row[name] for row in run] if together is None else [together]
        known = [float(value) for value in values if value is not None]
        found.append(sum(known) / len(known) if known else math.nan)
    return found


def _slowest(rows: Sequence[Row], metric: Metric) -> list[tuple[float, bool]]:
    """Return the time of each run's slowest flow, and whether it is censored."""
    found = []
    for run in _replications(rows):
        known = [
            (bool(row[metric.censored]), float(row[metric.name]))
            for row in run
            if row[metric.name] is not None
        ]
        censored, time = max(known, default=(False, math.nan))
        found.append((time, censored))
    return found


def _corrected(
    made: Sequence[tuple[str, str, Conditions, Mapping[str, Estimate]]],
    rows: Mapping[tuple[str, str, Conditions], Sequence[Row]],
) -> tuple[Cell, ...]:
    """Return the cells with their p, corrected for how many are tested."""
    p_values = []
    for old, new, conditions, _ in made:
        deficits = [v for v in _means(rows[old, new, conditions], "deficit_s") if not math.isnan(v)]
        p_values.append(wilcoxon_p(deficits) if len(deficits) > 1 else math.nan)
    return tuple(Cell(*cell, p) for cell, p in zip(made, holm(p_values), strict=True))
