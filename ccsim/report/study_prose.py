"""What a study shows, in sentences: no claim without its interval and its n."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ccsim.experiment.axes import Axis
from ccsim.experiment.comparisons import LEVEL, least_p, pairs_to_tell
from ccsim.experiment.estimates import Estimate
from ccsim.experiment.heat_maps import estimate_text, interval_text
from ccsim.experiment.matrix import METRICS, Cell, Matrix, Metric
from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import count, listed

__all__ = ["study_sentences"]


def study_sentences(matrix: Matrix) -> list[Markup]:
    """Return the paragraphs of a study's summary."""
    deficit = METRICS[0]
    paragraphs = [tag("p", _what(matrix)), *(tag("p", note) for note in matrix.notes)]
    ranked = matrix.ranked(deficit.name)
    if not ranked:
        return [*paragraphs, tag("p", "No swap reached a running flow: there is no cost to tell.")]
    extremes = [*_extreme("costs most", ranked[0], deficit), " "]
    if len(ranked) > 1:
        gains = (ranked[-1].estimates[deficit.name].value or 0) < 0
        extremes += _extreme("gains most" if gains else "costs least", ranked[-1], deficit)
    paragraphs.append(tag("p", *extremes))
    paragraphs.append(tag("p", _tested(ranked)))
    for metric in METRICS[1:]:
        known = matrix.ranked(metric.name)
        if known:
            paragraphs.append(tag("p", *_worst(known[0], metric)))
    return paragraphs


def _what(matrix: Matrix) -> str:
    ways = list(dict.fromkeys(conditions.via for conditions in matrix.conditions))
    states = [one for one in dict.fromkeys(c.state for c in matrix.conditions) if one]
    paths = [one for one in dict.fromkeys(c.path for c in matrix.conditions) if one]
    paths = [] if matrix.axes else paths
    parts = [
        f"{count(matrix.runs, 'run')} of {count(matrix.seeds, 'seed')}",
        f"{count(len(matrix.cells), 'combination')} of swap and conditions",
    ]
    text = ", ".join(parts)
    if ways:
        text += f", by {listed(ways)}"
    if states:
        text += f", with state policies {listed(states)}"
    if paths:
        told = [f"{path} ({d})" if (d := matrix.details.get(path)) else path for path in paths]
        text += f", on {listed(told, 6)}"
    if matrix.axes:
        text += f", over {listed([_values(axis) for axis in matrix.axes])}"
    verb = "is" if matrix.failed == 1 else "are"
    failed = f" {count(matrix.failed, 'run')} failed and {verb} left out." if matrix.failed else ""
    return f"{text[0].upper()}{text[1:]}.{failed}"


def _values(axis: Axis) -> str:
    """Return ``buffer 0.5, 1 and 4 (BDP)``."""
    name, _, unit = axis.title.partition(" (")
    values = listed([f"{value:g}" for value in axis.values], 8)
    return f"{name} {values} {unit.rstrip(')')}".rstrip()


def _extreme(how: str, cell: Cell, metric: Metric) -> list[Any]:
    size = f"{estimate_text(cell.estimates[metric.name], metric)} {metric.unit}"
    head = ["What ", how, " is ", tag("strong", cell.swap), f" by {cell.conditions}: a deficit of "]
    return [*head, tag("strong", size), f" ({_interval(cell, metric)})."]


def _interval(cell: Cell, metric: Metric) -> str:
    """Return ``95 % BCa interval 0.1 … 0.2, n = 10``, or that there is none, and why."""
    estimate = cell.estimates[metric.name]
    interval = interval_text(estimate, metric)
    if not interval:
        return _no_interval(estimate)
    kind = "95 % BCa interval" if estimate.kind == "mean" else "95 % interval"
    few = ": too few, the interval is too narrow as a rule" if estimate.few else ""
    return f"{kind} {interval}, n = {estimate.n}{_censored(estimate)}{few}"


def _no_interval(estimate: Estimate) -> str:
    if estimate.n > 1 and estimate.kind == "mean":
        return f"n = {estimate.n}, all of them equal: no interval"
    few = "too few for an interval" if estimate.n > 1 else "no interval"
    return f"n = {estimate.n}{_censored(estimate)}: {few}"


def _censored(estimate: Estimate) -> str:
    return f", {estimate.censored} of them censored" if estimate.censored else ""


def _tested(cells: Sequence[Cell]) -> str:
    """Tell how many cells differ by their intervals, and by a test corrected for their number."""
    tested = [cell for cell in cells if not math.isnan(cell.p)]
    if not tested:
        return "n = 1 for every combination: no interval, and nothing that could be tested."
    costs, gains = _signs([cell for cell in tested if cell.estimates["deficit_s"].differs])
    sizes = sorted({cell.estimates["deficit_s"].n for cell in tested})
    n = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    found = [cell for cell in tested if cell.p < LEVEL]
    sure_costs, sure_gains = _signs(found)
    left = len(cells) - len(tested)
    single = f" {count(left, 'combination')} with n = 1 cannot be tested." if left else ""
    text = (
        f"Of {count(len(tested), 'combination')}, {costs} cost goodput and {gains} gained some, by "
        f"95 % BCa intervals that lie on one side of 0 (n = {n} each). With a correction for "
        f"{count(len(tested), 'test')} (Wilcoxon's signed ranks of swap less A-twin, Holm), "
        f"{sure_costs} cost and {sure_gains} gained with p < {LEVEL}; the other "
        f"{len(tested) - len(found)} cannot be told from no difference that surely.{single}"
    )
    return text + _power(len(tested), sizes[-1])


def _signs(cells: Sequence[Cell]) -> tuple[int, int]:
    """Return how many cost and how many gain."""
    costs = sum((cell.estimates["deficit_s"].value or 0) > 0 for cell in cells)
    return costs, len(cells) - costs


def _power(tests: int, n: int) -> str:
    """Say so if so few seeds cannot reach the level."""
    least = least_p(n, tests)
    if least < LEVEL:
        return ""
    return (
        f" With {n} seeds and {count(tests, 'test')} no p below {least:.2g} can come "
        f"out: {pairs_to_tell(tests)} seeds or more could tell."
    )


def _worst(cell: Cell, metric: Metric) -> list[Any]:
    estimate = cell.estimates[metric.name]
    what = "median" if estimate.kind == "median" else "mean"
    return [
        f"{metric.title}: the worst {what} is ",
        tag("strong", f"{estimate_text(estimate, metric)} {metric.unit}"),
        f", for {cell.swap} by {cell.conditions} ({_interval(cell, metric)}).",
    ]
