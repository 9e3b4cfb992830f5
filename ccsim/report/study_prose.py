"""What a study shows, in sentences: no claim without its interval and its n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ccsim.experiment.heat_maps import estimate_text, interval_text
from ccsim.experiment.matrix import METRICS, Cell, Matrix, Metric
from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import count, listed

__all__ = ["study_sentences"]

LEVEL = 0.05


def study_sentences(matrix: Matrix) -> list[Markup]:
    """Return the paragraphs of a study's summary."""
    deficit = METRICS[0]
    paragraphs = [tag("p", _what(matrix))]
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
    parts = [
        f"{count(matrix.runs, 'run')} with {count(matrix.seeds, 'seed')}",
        f"{count(len(matrix.cells), 'combination')} of swap and conditions",
    ]
    text = ", ".join(parts)
    if ways:
        text += f", by {listed(ways)}"
    if states:
        text += f", with state policies {listed(states)}"
    if paths:
        text += f", on {listed(paths, 6)}"
    failed = f" {count(matrix.failed, 'run')} failed and is left out." if matrix.failed else ""
    return f"{text[0].upper()}{text[1:]}.{failed}"


def _extreme(how: str, cell: Cell, metric: Metric) -> list[Any]:
    estimate = cell.estimates[metric.name]
    words: list[Any] = ["What ", how, " is ", tag("strong", cell.swap), f" by {cell.conditions}: "]
    words.append(tag("strong", f"{estimate_text(estimate, metric)} s"))
    return [*words, f" of the A-twin's goodput less ({_interval(cell, metric)})."]


def _interval(cell: Cell, metric: Metric) -> str:
    """Return ``95 % BCa interval 0.1 … 0.2, n = 10``, or that there is none."""
    estimate = cell.estimates[metric.name]
    interval = interval_text(estimate, metric)
    kind = "95 % BCa interval" if estimate.kind == "mean" else "95 % interval"
    text = f"{kind} {interval}" if interval else "too few for an interval"
    censored = f", {estimate.censored} of them censored" if estimate.censored else ""
    return f"{text}, n = {estimate.n}{censored}"


def _tested(cells: Sequence[Cell]) -> str:
    tested = [cell for cell in cells if cell.p == cell.p]
    found = [cell for cell in tested if cell.p < LEVEL]
    costs = sum((cell.estimates["deficit_s"].value or 0) > 0 for cell in found)
    sizes = sorted({cell.estimates["deficit_s"].n for cell in tested})
    n = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    test = f"Wilcoxon's signed-rank test of swap against A-twin over n = {n} seeds"
    return (
        f"Of {len(tested)} combinations, {costs} cost goodput and {len(found) - costs} gained some "
        f"with p < {LEVEL} ({test}, corrected by Holm for {len(tested)} tests); the other "
        f"{len(tested) - len(found)} cannot be told from no difference."
    )


def _worst(cell: Cell, metric: Metric) -> list[Any]:
    estimate = cell.estimates[metric.name]
    what = "median" if estimate.kind == "median" else "mean"
    return [
        f"{metric.title}: the worst {what} is ",
        tag("strong", f"{estimate_text(estimate, metric)} {metric.unit}"),
        f", for {cell.swap} by {cell.conditions} ({_interval(cell, metric)}).",
    ]
