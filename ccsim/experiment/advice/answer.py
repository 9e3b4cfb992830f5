"""What the quick study says: means with intervals, what can be told apart, and what follows.

A way is better than another by a metric if the signed-rank test over the differences, seed by seed,
says so after Holm's correction for all tests of its question, and the mean difference is no trifle
(10 ms of goodput, a packet, 1 ms of RTT). The way that is recommended is better
than the usual one by some metric and worse by none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ccsim.experiment.advice.design import NAMED
from ccsim.experiment.comparisons import LEVEL, holm, least_p, pairs_to_tell, wilcoxon_p
from ccsim.experiment.statistics import Interval, bca_interval

__all__ = ["METRICS", "Advice", "AdviceMetric", "Question", "SwapWay", "answered"]

Values = Mapping[int, float]
"""One number for each seed that has one."""


@dataclass(frozen=True, slots=True)
class AdviceMetric:
    """A figure of a swap: its column among a study's runs, what it is, decimals, what to multiply
    it by, and the least difference that is worth a word."""

    column: str
    text: str
    digits: int
    scale: float = 1.0
    least: float = 0.0


METRICS = {
    "deficit_s": AdviceMetric("total_deficit_s", "goodput deficit (s)", 3, least=0.01),
    "extra_drops": AdviceMetric("total_extra_drops", "extra drops (packets)", 1, least=1),
    "extra_rtt_p99_ms": AdviceMetric("total_extra_rtt_p99_ms", "extra p99 RTT (ms)", 2, least=1),
    "neighbours_loss": AdviceMetric("neighbours_harm", "neighbours' loss (%)", 1, 100, least=0.01),
}
"""By these ways are compared; more is worse. Of all connections together, but for the last, which
needs neighbours that no way moves."""
MORE = {
    "deficit_bytes": AdviceMetric("total_deficit_bytes", "goodput deficit (MB)", 3, 1e-6),
    "own_deficit_s": AdviceMetric("deficit_s", "the flow's own deficit (s)", 3),
    "queue_excess_ms": AdviceMetric("queue_excess_ms", "extra queueing in the 2 s after (ms)", 2),
    "longest_stall_s": AdviceMetric("total_longest_stall_s", "longest stall (s)", 3),
    "old_lives_s": AdviceMetric("last_old_closed_s", "the old one lives (s)", 2),
    "fallbacks": AdviceMetric("fallbacks", "found no name (connections)", 1),
}
"""These are told, too."""
ALL = {**METRICS, **MORE}
OF_FLEETS = ("old_lives_s", "fallbacks")
OF_NEIGHBOURS = ("neighbours_loss", "own_deficit_s")
"""Shown only beside neighbours; in a fleet a flow that is not moved yet would count as one."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A way less the usual one, seed by seed: the mean, its interval, p after Holm."""

    interval: Interval
    p: float
    least: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or empty for what cannot be told apart."""
        if not self.p < LEVEL or abs(self.interval.estimate) < self.least:
            return ""
        return "better" if self.interval.estimate < 0 else "worse"


@dataclass(frozen=True)
class SwapWay:
    """One way to swap: its figures, and how they differ from the usual way's."""

    name: str
    figures: Mapping[str, Interval]
    differences: Mapping[str, PairedDifference] = field(default_factory=dict)
    missing: int = 0

    @property
    def n(self) -> int:
        """Runs in which it came about."""
        return self.figures["deficit_s"].n

    @property
    def better(self) -> list[str]:
        """The metrics by which it is better than the usual way."""
        return [name for name, one in self.differences.items() if one.verdict == "better"]

    @property
    def worse(self) -> list[str]:
        """The metrics by which it is worse."""
        return [name for name, one in self.differences.items() if one.verdict == "worse"]


@dataclass(frozen=True)
class Question:
    """Policy (``state``), moment (``when``) or mechanism (``via``): the ways, the usual one first,
    the best, those that cannot be told from it, and the metrics by which they are compared."""

    name: str
    ways: tuple[SwapWay, ...]
    best: str
    equal: tuple[str, ...]
    metrics: tuple[str, ...]

    @property
    def usual(self) -> str:
        """The way that the others are held against."""
        return self.ways[0].name


@dataclass(frozen=True)
class Worst:
    """The worst of the blind swaps by one metric, and its seed."""

    value: float
    seed: int
    of: int


@dataclass(frozen=True)
class Advice:
    """All answers about one pair on one path; ``notes`` are what to bear in mind."""

    texts: tuple[str, str, str]
    cost: Mapping[str, Interval]
    worst: Mapping[str, Worst]
    questions: tuple[Question, ...]
    notes: tuple[str, ...]
    about: Mapping[str, Any]


Rows = Mapping[str, Mapping[int, Mapping[str, float | None]]]
"""Figures by way, seed and name of the figure."""


def answered(texts: tuple[str, str, str], rows: Rows, seeds: int, about: Any) -> Advice:
    """Return what rows of a study say; ``seeds`` is how many there were."""
    questions = tuple(_question(name, rows, seeds) for name in NAMED)
    blind = rows[NAMED["state"][0]]
    known = [name for name in ALL if name not in (*OF_FLEETS, *_unknown(blind))]
    cost = {name: _interval(_values(blind, name)) for name in known}
    worst = {name: _worst(_values(blind, name)) for name in METRICS if name in known}
    return Advice(texts, cost, worst, questions, tuple(_notes(questions, seeds)), about)


def _unknown(rows: Mapping[int, Mapping[str, float | None]]) -> list[str]:
    """Return the metrics that say nothing without neighbours, if there are none."""
    return [] if _values(rows, OF_NEIGHBOURS[0]) else list(OF_NEIGHBOURS)


def _values(rows: Mapping[int, Mapping[str, float | None]], name: str) -> dict[int, float]:
    """Return a figure's value for each seed that has one."""
    found = ((seed, row.get(name)) for seed, row in sorted(rows.items()))
    return {seed: value for seed, value in found if value is not None}


def _interval(values: Values) -> Interval:
    return bca_interval(np.array(list(values.values()), dtype=np.float64))


def _worst(values: Values) -> Worst:
    seed = max(values, key=lambda one: (values[one], -one))
    return Worst(values[seed], seed, len(values))


def _question(name: str, rows: Rows, seeds: int) -> Question:
    named = [way for way in NAMED[name] if way in rows]
    unknown = OF_NEIGHBOURS if name == "via" else _unknown(rows[named[0]])
    metrics = tuple(metric for metric in METRICS if metric not in unknown)
    against = _differences([rows[way] for way in named[1:]], rows[named[0]], metrics)
    ways = [
        SwapWay(way, _figures(rows[way]), differences, seeds - len(_values(rows[way], "deficit_s")))
        for way, differences in zip(named, [{}, *against], strict=True)
    ]
    best = _best(ways, metrics)
    equal = tuple(_equal(best, ways, rows, metrics))
    return Question(name, tuple(ways), best.name, equal, metrics)


def _figures(rows: Mapping[int, Mapping[str, float | None]]) -> dict[str, Interval]:
    return {name: _interval(_values(rows, name)) for name in ALL}


def _differences(
    ways: Sequence[Mapping[int, Mapping[str, float | None]]],
    usual: Mapping[int, Mapping[str, float | None]],
    metrics: Sequence[str],
) -> list[dict[str, PairedDifference]]:
    """Return by how much each way differs from the usual one, p corrected over all of them."""
    pairs = [[_paired(way, usual, name) for name in metrics] for way in ways]
    flat = [difference for way in pairs for difference in way]
    adjusted = iter(holm([wilcoxon_p(one) if len(one) > 1 else math.nan for one in flat]))
    return [
        {
            name: PairedDifference(bca_interval(difference), next(adjusted), METRICS[name].least)
            for name, difference in zip(metrics, way, strict=True)
        }
        for way in pairs
    ]


def _paired(
    way: Mapping[int, Mapping[str, float | None]],
    usual: Mapping[int, Mapping[str, float | None]],
    name: str,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    ours, theirs = _values(way, name), _values(usual, name)
    both = [seed for seed in ours if seed in theirs]
    return np.array([ours[seed] - theirs[seed] for seed in both], dtype=np.float64)


def _best(ways: Sequence[SwapWay], metrics: Sequence[str]) -> SwapWay:
    """Return the way that wins by most metrics and loses by none, of several the one with the
    least deficit; the usual one if there is none."""
    candidates = [way for way in ways[1:] if way.better and not way.worse]
    if not candidates:
        return ways[0]
    most = max(len(way.better) for way in candidates)
    first = [way for way in candidates if len(way.better) == most]
    return min(first, key=lambda way: tuple(way.figures[name].estimate for name in metrics))


def _equal(
    best: SwapWay, ways: Sequence[SwapWay], rows: Rows, metrics: Sequence[str]
) -> Iterator[str]:
    """Yield the ways that no metric tells from the best one."""
    others = [way.name for way in ways if way is not best]
    found = _differences([rows[name] for name in others], rows[best.name], metrics)
    for name, differences in zip(others, found, strict=True):
        if rows[name] and not any(one.verdict for one in differences.values()):
            yield name


def _notes(questions: Sequence[Question], seeds: int) -> Iterator[str]:
    """Yield what a reader must know to read the tables rightly."""
    for question in questions:
        tests = (len(question.ways) - 1) * len(question.metrics)
        if least_p(seeds, tests) >= LEVEL:
            yield (
                f"{question.name}: {seeds} seeds cannot tell {len(question.ways)} ways apart by "
                f"{len(question.metrics)} metrics; {pairs_to_tell(tests)} or more could"
            )
        for way in question.ways:
            if way.missing:
                yield f"{question.name} {way.name}: came about in {way.n} of {seeds} runs"
