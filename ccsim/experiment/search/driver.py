"""The search itself: rounds of candidates until enough were tried, then the smallest that hurts.

The same scenario, ranges, seed and code give the same answer, whatever the number of workers and
however often it was interrupted: answers are kept in ``results/searches/<scenario>/<hash>/``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ccsim
from ccsim.experiment.code_identity import code_sha256
from ccsim.experiment.search.candidates import Candidates, Data, smaller
from ccsim.experiment.search.journal import Journal
from ccsim.experiment.search.objective import METRICS, Objective
from ccsim.experiment.search.sampler import ROUND, Answer, CandidateSampler
from ccsim.experiment.search.space import SearchError, SearchRange
from ccsim.experiment.store import explained, folder_for
from ccsim.files import write_whole
from ccsim.scenario import Scenario
from ccsim.scenario.write import scenario_text
from ccsim.words import did_you_mean

__all__ = ["Found", "Search", "search_worst_swap"]

SEARCHES = "searches"
JOURNAL = "trials.jsonl"
WORST = "worst.yaml"

Progress = Callable[[int, float | None], None]
"""How many candidates are answered, and the greatest metric so far."""


@dataclass(frozen=True)
class Found:
    """What a search found: the greatest metric, the numbers that gave it, the scenario's file.

    ``swap`` is the number of the swap in that file; ``given`` is the metric of the scenario as it
    was given (None: it has none); ``complete`` is False after an interruption.
    """

    value: float
    numbers: dict[str, float]
    file: Path
    swap: int
    trials: int
    given: float | None
    complete: bool


@dataclass(frozen=True)
class Search:
    """What is searched for, where, and how long."""

    scenario: Scenario
    ranges: tuple[SearchRange, ...]
    swap: int = 0
    metric: str = "deficit_s"
    trials: int = 40
    seed: int = 1
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise SearchError(
                f"search: expected a metric such as {', '.join(METRICS)}, got {self.metric!r}"
                f"{did_you_mean(self.metric, METRICS)}"
            )
        if self.trials < 1:
            raise SearchError(f"search: expected 1 trial or more, got {self.trials}")
        keys = [one.key for one in self.ranges]
        if twice := [key for k, key in enumerate(keys) if key in keys[:k]]:
            raise SearchError(f"search: expected each key once, got {twice[0]!r} twice")

    @property
    def name(self) -> str:
        """12 hex digits that tell this search from any other; not its length."""
        identity = self.scenario.identity()
        content = {
            "scenario": identity,
            "ranges": [[r.key, r.low, r.high, r.unit, r.whole] for r in self.ranges],
            "metric": self.metric,
            "swap": self.swap,
            "seed": self.seed,
            "code": [ccsim.__version__, code_sha256(identity)],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def first_instants(self) -> list[float]:
        """Return the instants to begin with: the given one, then some spread evenly."""
        at = self.ranges[0]
        given = self.scenario.swaps[self.swap].at_ns / 1e6
        spread = max(self.trials // 3, ROUND - 1)
        step = (at.high - at.low) / spread
        evenly = [float(round(at.low + (k + 0.5) * step)) for k in range(spread)]
        inside = [given] if at.low <= given <= at.high and given == int(given) else []
        return [*inside, *evenly]

    def values(self, numbers: dict[str, float]) -> dict[str, Any]:
        """Return the values of a candidate's keys, as a scenario has them."""
        return {one.key: one.value(numbers[one.key]) for one in self.ranges}


def search_worst_swap(
    search: Search,
    *,
    out: str | Path = "results",
    jobs: int | None = None,
    progress: Progress | None = None,
    objective: Objective | None = None,
) -> Found:
    """Search, write the smallest scenario that is as bad as the worst found, and return it.

    Ctrl-C ends the search early: what was found so far is written and returned, and the same search
    goes on from there. SearchError if no candidate has the metric. ``jobs`` changes no result.
    """
    folder = folder_for(Path(out) / SEARCHES, search.scenario.name, search.name)
    candidates = Candidates(search.scenario, search.overrides)
    measure = objective or Objective(search.metric, search.swap, jobs)
    journal = Journal(folder / JOURNAL)
    answers = journal.read()[: search.trials]
    complete = _ask(search, candidates, measure, journal, answers, progress)
    numbers, value = _worst(answers, search)
    data, swap = candidates.changed(search.values(numbers)), search.swap
    if complete:
        data, swap = _reduced(search, candidates, data, value, measure)
    file = _write(folder / WORST, search, candidates, data, (numbers, value), len(answers))
    return Found(value, numbers, file, swap, len(answers), _given(search, answers), complete)


def _ask(
    search: Search,
    candidates: Candidates,
    measure: Objective,
    journal: Journal,
    answers: list[Answer],
    progress: Progress | None,
) -> bool:
    """Add answers until there are enough; False if Ctrl-C came first and there are some."""
    sampler = CandidateSampler(search.ranges, search.seed, search.first_instants())
    sampler.remember(answers)
    try:
        while len(answers) < search.trials:
            if progress:
                progress(len(answers), max(_known(answers), default=None))
            asked = sampler.ask(search.trials - len(answers))
            made = [candidates.changed(search.values(numbers)) for numbers in asked]
            values = measure([candidates.scenario(data) for data in made])
            sampler.tell(values)
            new: list[Answer] = list(zip(asked, values, strict=True))
            journal.add(new)
            answers += new
    except KeyboardInterrupt:
        if not _known(answers):
            raise
        return False
    return True


def _known(answers: Sequence[Answer]) -> list[float]:
    return [value for _, value in answers if value is not None]


def _worst(answers: Sequence[Answer], search: Search) -> tuple[dict[str, float], float]:
    """Return the answer with the greatest metric, the first of equal ones."""
    known = [(numbers, value) for numbers, value in answers if value is not None]
    if not known:
        raise SearchError(
            f"search: expected {search.metric} of swap {search.swap}, got none in "
            f"{len(answers)} trials: it reached no running flow, or was refused"
        )
    return max(known, key=lambda answer: answer[1])


def _given(search: Search, answers: Sequence[Answer]) -> float | None:
    """Return the metric of the scenario as given, if it was a candidate."""
    at = search.scenario.swaps[search.swap].at_ns / 1e6
    only_at = len(search.ranges) == 1
    found = [v for numbers, v in answers if only_at and numbers[search.ranges[0].key] == at]
    return found[0] if found else None


def _reduced(
    search: Search, candidates: Candidates, data: Data, value: float, measure: Objective
) -> tuple[Data, int]:
    """Return the smallest data that gives the same metric, and the swap's number in it."""

    def equal(scenario: Scenario, number: int) -> bool:
        measure.swap = number
        return measure([scenario]) == [value]

    return smaller(candidates, data, search.swap, search.metric, equal)


def _write(
    file: Path,
    search: Search,
    candidates: Candidates,
    data: Data,
    worst: tuple[dict[str, float], float],
    trials: int,
) -> Path:
    """Write a scenario, with the algorithm files it needs beside it; return its path."""
    name = f"{search.scenario.name}-worst"[:64]
    comment = [
        f"The worst of {trials} trials for swap {search.swap} of {search.scenario.name}:",
        f"{search.metric} = {worst[1]!r} ({METRICS[search.metric]}).",
        f"Searched: {'; '.join(_searched(one, worst[0]) for one in search.ranges)}.",
        f"CandidateSampler: TPE, seed {search.seed}; ccsim {ccsim.__version__}.",
        "What the metric does not depend on was left out.",
    ]
    with explained(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        objects = _copied(data.get("objects") or [], candidates.folder, file.parent)
        data = {**data, "name": name, **({"objects": objects} if objects else {})}
        write_whole(file, scenario_text(data, comment).encode())
    return file


def _searched(one: SearchRange, numbers: dict[str, float]) -> str:
    low, high, found = (one.value(number) for number in (one.low, one.high, numbers[one.key]))
    return f"{one.key} from {low} to {high}, found {found}"


def _copied(objects: Sequence[Any], source: Path, folder: Path) -> list[Any]:
    """Copy a scenario's object files beside another; return its entries there."""
    names: list[str] = []
    entries: list[Any] = []
    for number, entry in enumerate(objects):
        name = entry["file"] if isinstance(entry, dict) else entry
        target = Path(name).name
        target = f"{number}_{target}" if target in names else target
        shutil.copyfile(source / name, folder / target)
        names.append(target)
        entries.append({**entry, "file": target} if isinstance(entry, dict) else target)
    return entries
