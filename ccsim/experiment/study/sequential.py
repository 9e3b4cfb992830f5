"""More seeds where they are needed: until a metric's interval is narrow enough at each point.

Optional stopping: an interval that decided itself when to stop covers the truth a little less often
than its 95 %, most so when it stops early; a rule on width (Chow, Robbins 1965) is far milder than
one on significance, which this module has none of, and it is valid as the target shrinks. So a
point begins with at least 6 seeds and never stops because of a p-value. Report the intervals of
such a study together with its command line, which is in the manifest.

Decisions are made after whole rounds only, so workers and kills change nothing.
"""

from __future__ import annotations

import math

from ccsim.experiment.statistics import FEW, Interval, bca_interval
from ccsim.experiment.study.folder import StudyFolder
from ccsim.experiment.study.plan import Plan
from ccsim.experiment.study.repeats import fixed_points
from ccsim.experiment.study.samples import PointSamples, check_metric, read_samples
from ccsim.experiment.study.sweep import Rounds
from ccsim.spec.limits import MAX_SEED
from ccsim.units import parse_probability

__all__ = ["Target", "seeds_wanted", "until_ci"]


class Target:
    """How narrow an interval must be: "5%" of its mean, or a number in the metric's unit."""

    def __init__(self, text: str) -> None:
        self.relative = text.strip().endswith("%")
        try:
            self.size = parse_probability(text) if self.relative else float(text)
        except ValueError:
            self.size = math.nan
        if not 0 < self.size < math.inf:
            raise ValueError(f"--until-ci: expected a share such as 5% or a number, got {text!r}")

    def half_width(self, interval: Interval) -> float:
        """Return the half width that is narrow enough for an interval."""
        return self.size * abs(interval.estimate) if self.relative else self.size


def seeds_wanted(interval: Interval, target: Target, at_most: int) -> int:
    """Return how many seeds a point should have in all, as its interval suggests.

    At least 6. The width shrinks with the square root of n, so n · (width / target)² are needed;
    at most twice as many at once, since a width from few seeds is a guess itself.
    """
    n = interval.n
    if n < FEW:
        return min(FEW, at_most)
    goal = target.half_width(interval)
    if interval.half_width <= goal or n >= at_most:
        return n
    factor = min((interval.half_width / goal) ** 2, 2.0) if goal > 0 else 2.0
    return min(max(math.ceil(n * factor), n + 2), at_most)


def until_ci(text: str, metric: str, max_seeds: int) -> Rounds:
    """Return what asks for more seeds until each point's interval of a metric is narrow enough.

    A point whose runs have no value of the metric is left as it is, and so is one whose seeds all
    give the same. ValueError for an unknown metric or a target that is none.
    """
    target = Target(text)
    check_metric(metric)

    def rounds(folder: StudyFolder, plan: Plan) -> dict[int, tuple[int, ...]] | None:
        seeds: dict[int, tuple[int, ...]] = dict.fromkeys(range(len(plan.points)), ())
        for run in plan.runs:
            seeds[run.point] = (*seeds[run.point], run.seed)
        grown = dict(seeds)
        fixed = fixed_points(plan.to_plain(), folder.facts())
        for sample in read_samples(folder.path, metric):
            if len(sample.numbers) and not _settled(sample, seeds[sample.point], fixed):
                interval = bca_interval(sample.numbers)
                lacking = len(seeds[sample.point]) - len(sample.numbers)
                wanted = seeds_wanted(interval, target, max_seeds - lacking) + lacking
                grown[sample.point] = _with_more(seeds[sample.point], wanted)
        return grown if grown != seeds else None

    return rounds


def _settled(sample: PointSamples, seeds: tuple[int, ...], fixed: set[int]) -> bool:
    """Report whether more seeds tell no more: none makes a difference, or of enough none did."""
    if sample.point in fixed:
        return True
    return len(seeds) >= FEW and len(set(sample.numbers.tolist())) == 1


def _with_more(seeds: tuple[int, ...], wanted: int) -> tuple[int, ...]:
    """Return seeds and the next ones after the greatest, until there are that many."""
    first = max(seeds) + 1
    more = range(first, min(first + max(wanted - len(seeds), 0), MAX_SEED))
    return (*seeds, *more)
