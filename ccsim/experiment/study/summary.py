"""What a study found about a metric, point by point: mean, interval, effect, and how sure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.experiment.comparisons import (
    LEVEL,
    cliffs_delta,
    holm,
    least_p,
    paired_cohens_d,
    pairs_needed,
    pairs_to_tell,
    wilcoxon_p,
)
from ccsim.experiment.integrity import check_study
from ccsim.experiment.statistics import FEW, Interval, bca_interval
from ccsim.experiment.study.folder import Fact, StudyFolder
from ccsim.experiment.study.repeats import fixed_points, mark_repeats, repeat_notes, repeated
from ccsim.experiment.study.samples import DIFFERENCES, PointSamples, read_samples, twin_metric
from ccsim.notebook import html_table, plural

__all__ = ["PointFound", "Summary", "summarise"]

NONE = "–"
STOPPED = (
    "Seeds were added until intervals were narrow enough (--until-ci): such intervals cover the "
    "truth a little less often than their 95 %."
)
POINTS = 60
"""How many points are printed."""


@dataclass(frozen=True, slots=True)
class PointFound:
    """One point: the metric's mean and, against the A-twin, difference, effect sizes and p.

    ``p`` is that of the two-sided signed-rank test and ``p_holm`` the same adjusted for the number
    of points; ``seeds_needed`` is for the difference asked about, None if none was.
    """

    point: int
    values: dict[str, Any]
    mean: Interval
    difference: Interval | None
    cohens_d: float
    cliffs_delta: float
    p: float
    p_holm: float
    seeds_needed: int | None
    censored: float
    failed: int

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "point": self.point,
            "values": self.values,
            "mean": _plain(self.mean),
            "difference": _plain(self.difference) if self.difference else None,
            "cohens_d": _number(self.cohens_d),
            "cliffs_delta": _number(self.cliffs_delta),
            "p": _number(self.p),
            "p_holm": _number(self.p_holm),
            "seeds_needed": self.seeds_needed,
            "censored": self.censored,
            "failed": self.failed,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """A study's points, and what to bear in mind about them."""

    study: str
    metric: str
    status: str
    points: tuple[PointFound, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Summary {self.title}: {plural(len(self.points), 'point')}>"

    def _repr_html_(self) -> str:
        """Return the points as a notebook shows them."""
        return "".join(html_table(self.title, headers, rows) for headers, rows in self.tables())

    @property
    def title(self) -> str:
        """One line about the whole."""
        kind = "difference to the A-twin" if self.metric in DIFFERENCES else "mean"
        return f"{self.study} ({self.status}): {self.metric}, {kind} over seeds, 95 % BCa intervals"

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "study": self.study,
            "metric": self.metric,
            "status": self.status,
            "confidence": 0.95,
            "points": [point.plain() for point in self.points],
            "notes": list(self.notes),
        }

    def tables(self) -> Iterator[tuple[list[str], list[list[str]]]]:
        """Yield headers and rows of text."""
        shown = self.points[:POINTS]
        varied = list(dict.fromkeys(n for p in shown for n in p.values))
        varied = [name for name in varied if not _is_number_of_another(name, varied)]
        asked = any(point.seeds_needed is not None for point in shown)
        headers = ["point", *varied, "n", f"{self.metric}", "95 % interval"]
        compared = self.metric not in DIFFERENCES and any(p.difference for p in shown)
        headers += ["less A-twin", "95 % interval", "Cliff's δ"] if compared else []
        headers += ["d", "p (Holm)"] + (["seeds needed"] if asked else [])
        rows = []
        for point in shown:
            row = [str(point.point), *(str(point.values.get(name, NONE)) for name in varied)]
            row += [str(point.mean.n), *_cells(point.mean)]
            if compared:
                row += [*_cells(point.difference), _short(point.cliffs_delta, 2)]
            row += [_short(point.cohens_d, 2), _short(point.p_holm, 4)]
            row += [str(point.seeds_needed or NONE)] if asked else []
            rows.append(row)
        yield headers, rows


def summarise(
    study: Path, metric: str, detect: float | None = None, *, verify: bool = False
) -> Summary:
    """Return what a study found about a metric; ``detect``: how many seeds such a difference takes.

    ValueError for an unknown metric, ResultsError for a study that is not what was
    written (``verify``: large files are read whole).
    """
    manifest, plan = check_study(study)
    samples = read_samples(study, metric, verify=verify)
    p_values = [_p(one) for one in samples]
    adjusted = holm(p_values)
    points = tuple(
        _point(one, p, p_holm, detect)
        for one, p, p_holm in zip(samples, p_values, adjusted, strict=True)
    )
    facts = StudyFolder(study).facts()
    plan = mark_repeats(plan, facts)
    grown = any(str(word).startswith("--until-ci") for word in manifest.get("argv", ()))
    return Summary(
        str(manifest["study"]),
        metric,
        str(manifest["status"]),
        points,
        (*_notes(metric, points, plan, facts), *([STOPPED] if grown else [])),
    )


def _p(sample: PointSamples) -> float:
    return wilcoxon_p(sample.differences) if len(sample.differences) > 1 else math.nan


def _point(sample: PointSamples, p: float, p_holm: float, detect: float | None) -> PointFound:
    compared = len(sample.differences) > 0
    needed = None
    if detect is not None and len(sample.differences) > 1:
        needed = pairs_needed(float(sample.differences.std(ddof=1)), detect)
    return PointFound(
        point=sample.point,
        values=sample.values,
        mean=bca_interval(sample.numbers),
        difference=bca_interval(sample.differences) if compared else None,
        cohens_d=paired_cohens_d(sample.differences),
        cliffs_delta=cliffs_delta(sample.numbers, sample.twins),
        p=p,
        p_holm=p_holm,
        seeds_needed=needed,
        censored=sample.censored,
        failed=sample.failed,
    )


def _notes(
    metric: str,
    points: tuple[PointFound, ...],
    plan: Mapping[str, Any],
    facts: Mapping[str, Fact],
) -> Iterator[str]:
    """Yield what a reader must know to read the table rightly."""
    finished = sum(point.mean.n + point.failed for point in points)
    planned = sum(not repeated(run) for run in plan["runs"])
    yield (
        f"{finished} of {planned} runs have a value or failed. A run counts once: the mean over "
        "its swaps and flows, for deficit_s all its flows together. d: mean difference to the "
        "A-twin over its standard deviation; p: two-sided exact signed-rank test, Holm-corrected "
        "over the points."
    )
    yield from repeat_notes(plan, facts)
    yield from _few_notes(points, fixed_points(plan, facts))
    yield from _power_notes(points)
    if not twin_metric(metric) and metric not in DIFFERENCES:
        yield f"{metric} compares with no A-twin value: no test."
    censored = [point for point in points if point.censored > 0]
    if censored:
        worst = max(point.censored for point in censored)
        yield (
            f"Censored at {len(censored)} points, there up to {worst:.0%} of the values: they are "
            "lower bounds, and so are the means."
        )
    failed = sum(point.failed for point in points)
    if failed:
        yield f"{failed} runs failed and are left out." if failed > 1 else "1 run failed, left out."
    if len(points) > POINTS:
        yield f"{len(points) - POINTS} points more: ccsim show … --json, or ccsim query."


def _few_notes(points: Sequence[PointFound], exhausted: set[int]) -> Iterator[str]:
    """Yield where more seeds are needed, which where nothing is random are of no use."""
    few = [p.point for p in points if p.mean.n < FEW and p.point not in exhausted]
    if few:
        yield (
            f"n is below {FEW} at {_points(few)}: too few. Intervals there are too narrow, and no "
            "test can reach p < 0.05; run more seeds."
        )


def _power_notes(points: Sequence[PointFound]) -> Iterator[str]:
    """Yield why no p is small, if there are too few seeds for this many tests."""
    tested = [point for point in points if not math.isnan(point.p)]
    pairs = max((point.difference.n for point in tested if point.difference), default=0)
    if pairs < FEW:
        return
    least = least_p(pairs, len(tested))
    if least >= LEVEL:
        yield (
            f"With n = {pairs} and {len(tested)} tests no p (Holm) below {least:.2g} can come out, "
            f"whatever the differences are: {pairs_to_tell(len(tested))} seeds or more could tell."
        )


def _points(numbers: Sequence[int]) -> str:
    """Return ``point 3``, or ``4 points (first: 3)``."""
    if len(numbers) == 1:
        return f"point {numbers[0]}"
    return f"{len(numbers)} points (first: {numbers[0]})"


def _is_number_of_another(name: str, names: list[str]) -> bool:
    stem, _, unit = name.rpartition("_")
    return unit in ("bps", "ns", "bytes", "bdp", "packets", "ratio") and stem in names


def _cells(interval: Interval | None) -> list[str]:
    if interval is None or math.isnan(interval.estimate):
        return [NONE, NONE]
    if interval.low is None or interval.high is None:
        return [f"{interval.estimate:.4g}", NONE]
    return [f"{interval.estimate:.4g}", f"{interval.low:.4g} … {interval.high:.4g}"]


def _short(value: float, digits: int) -> str:
    return NONE if math.isnan(value) else f"{value:.{digits}f}"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(interval: Interval) -> dict[str, Any]:
    return {
        "estimate": _number(interval.estimate),
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
        "note": interval.note,
    }
