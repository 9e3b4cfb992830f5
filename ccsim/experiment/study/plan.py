"""The plan of a study: every run it asks for, validated before the first one starts."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ccsim.errors import Problem, ScenarioError
from ccsim.experiment.store import run_id
from ccsim.experiment.study.design import Level, crossed, drawn
from ccsim.experiment.study.quantity import PLAIN, common_kind, quantity
from ccsim.experiment.study.read import BACKENDS, Study
from ccsim.scenario.document import Document
from ccsim.scenario.load import build_scenario
from ccsim.scenario.overrides import set_value
from ccsim.sim.streams import random_parts
from ccsim.spec import Scenario

__all__ = ["Column", "Plan", "PlannedRun", "id_in", "objects_of", "plan_study", "scenario_of"]

MAX_PROBLEMS = 50
_PLACE = re.compile(r"override '@(\d+):(\d+)'")


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run: its id, where in the design it stands, and the twins that it is compared with.

    ``twin_a`` and ``twin_b`` are ids as of runs, empty if it has none; ``values`` are what the
    tables show in the columns that vary. ``scenario`` is the same for runs that differ by their
    seed alone; ``random``: they are sure to draw from it.
    """

    run_id: str
    point: int
    seed: int
    values: Mapping[str, Any]
    twin_a: str = ""
    twin_b: str = ""
    scenario: str = ""
    random: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a study's tables that tells what varied.

    ``role`` is "varied" or "jitter"; ``of`` names the column whose number this is, else empty;
    ``type`` is that of the database.
    """

    name: str
    role: str
    type: str
    of: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All runs of a study, by point and then seed, and the columns that tell them apart."""

    study: Study
    points: tuple[Level, ...]
    runs: tuple[PlannedRun, ...]
    columns: tuple[Column, ...]

    def told(self) -> str:
        """Return in a few words that it is valid, and how large."""
        twins = {twin for run in self.runs for twin in (run.twin_a, run.twin_b) if twin}
        points, seeds = len(self.points), len(self.study.seeds)
        counted = ((points, "point"), (seeds, "seed"), (len(twins), "twin"))
        texts = [f"{count} {one}{'s' * (count != 1)}" for count, one in counted]
        return f"ok: {texts[0]} × {texts[1]}, {texts[2]}"

    def to_plain(self) -> dict[str, Any]:
        """Return the plan as JSON values, with the numbers beside the quantities."""
        return {
            "study": self.study.name,
            "description": self.study.description,
            "columns": [
                {"name": c.name, "role": c.role, "type": c.type, "of": c.of} for c in self.columns
            ],
            "runs": [
                {
                    "run_id": run.run_id,
                    "point": run.point,
                    "seed": run.seed,
                    "scenario": run.scenario,
                    "values": dict(_with_numbers(run.values, self.columns)),
                }
                for run in self.runs
            ],
        }


def plan_study(study: Study, seeds: Mapping[int, Sequence[int]] | None = None) -> Plan:
    """Return the plan of a study; ``seeds`` replaces the study's own, point by point.

    Every scenario is built and so validated: ScenarioError lists each distinct problem once, with
    the point in which it comes up if not in all.
    """
    points = tuple(crossed(study.factors))
    finder = _Problems(study, len(points))
    runs: list[PlannedRun] = []
    for number, point in enumerate(points):
        asked = study.seeds if seeds is None else seeds[number]
        runs += finder.runs(number, point, asked)
    if finder.found:
        raise ScenarioError(*finder.told())
    columns = tuple(_columns(runs, [each.key for each in study.jitter]))
    return Plan(study, points, tuple(runs), columns)


def scenario_of(study: Study, point: Level, seed: int, jitter: Level | None = None) -> Scenario:
    """Return the scenario of one run; ScenarioError places problems in the study's file.

    ``jitter`` is what the seed draws, if that is known already.
    """
    data = copy.deepcopy(study.base.data)
    base = study.base
    document = Document(base.file, data, dict(base.keys), dict(base.values))
    problems: list[Problem] = []
    jitter = jitter or drawn(study.jitter, seed)
    for setting in (*point.settings, *jitter.settings):
        try:
            value = copy.deepcopy(setting.value)
            set_value(document, setting.key, value, "@{}:{}".format(*setting.place))
        except ValueError as error:
            problems.append(Problem(study.file, *setting.place, setting.key, str(error)))
    document.data["seed"] = seed
    if "name" not in document.data:
        document.data["name"] = study.name
    try:
        return build_scenario(document, study.folder, study.base_source, problems)
    except ScenarioError as error:
        raise ScenarioError(*(_placed(one, study.file) for one in error.problems)) from None


def objects_of(plan: Plan) -> list[str]:
    """Return the object files of a plan's scenarios: of all its points, if any of them sets some,
    else of the first."""
    points = plan.points
    if not any(setting.key.startswith("objects") for one in points for setting in one.settings):
        points = points[:1]
    seed = plan.study.seeds[0]
    found = (file for one in points for file in scenario_of(plan.study, one, seed).objects)
    return list(dict.fromkeys(found))


def _placed(problem: Problem, file: str) -> Problem:
    """Return a problem with a value that the study sets at its place in the study's file."""
    found = _PLACE.fullmatch(problem.file)
    if not found:
        return problem
    return Problem(file, int(found[1]), int(found[2]), problem.path, problem.message)


class _Problems:
    """Builds every run of a study and collects what is wrong, each problem once."""

    def __init__(self, study: Study, points: int) -> None:
        self.study = study
        self.points = points
        self.found: dict[Problem, list[int]] = {}
        self.drawn: dict[int, Level] = {}

    def runs(self, number: int, point: Level, seeds: Sequence[int]) -> Iterator[PlannedRun]:
        """Yield the runs of one point; none for a scenario that is wrong."""
        made: Scenario | None = None
        for seed in seeds:
            level = self.drawn_by(seed)
            try:
                if made is None or self.study.jitter:
                    made = scenario_of(self.study, point, seed, level)
            except ScenarioError as error:
                self.note(error, number)
                return
            scenario = replace(made, seed=seed)
            values = {**point.columns, **level.columns}
            yield _planned(self.study, scenario, number, values)

    def drawn_by(self, seed: int) -> Level:
        """Return what a seed draws, worked out once."""
        if seed not in self.drawn:
            self.drawn[seed] = drawn(self.study.jitter, seed)
        return self.drawn[seed]

    def note(self, error: ScenarioError, number: int) -> None:
        for problem in error.problems:
            if problem in self.found or len(self.found) < MAX_PROBLEMS:
                self.found.setdefault(problem, []).append(number)

    def told(self) -> Iterator[Problem]:
        """Yield the problems; those of some points only say in which they come up first."""
        points = tuple(crossed(self.study.factors))
        for problem, numbers in self.found.items():
            if len(numbers) == self.points:
                yield problem
                continue
            values = points[numbers[0]].columns.items()
            where = ", ".join(f"{key}={value}" for key, value in values)
            message = f"{problem.message} (in point {numbers[0]}: {where})"
            yield Problem(problem.file, problem.line, problem.column, problem.path, message)


def _planned(
    study: Study, scenario: Scenario, number: int, values: Mapping[str, Any]
) -> PlannedRun:
    twins = ("", "")
    if scenario.twins and scenario.swaps:
        pair = (scenario.without_swaps(), scenario.with_b_twin())
        twins = (id_in(study, pair[0]), id_in(study, pair[1]))
    identity = scenario.identity()
    return PlannedRun(
        id_in(study, scenario),
        number,
        scenario.seed,
        values,
        *twins,
        scenario=_without_seed(identity),
        # a kernel never does the same twice
        random=study.backend != BACKENDS[0] or bool(random_parts(scenario)),
    )


def id_in(study: Study, scenario: Scenario) -> str:
    """Return the id of a run of a study; one that is not simulated names its backend."""
    made = run_id(scenario.identity(), scenario.seed)
    return made if study.backend == BACKENDS[0] else f"{made}.{study.backend}"


def _without_seed(identity: Mapping[str, Any]) -> str:
    """Return 12 hex digits that scenarios have in common which differ by their seed alone."""
    rest = {key: value for key, value in identity.items() if key != "seed"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:12]


# --- columns ----------------------------------------------------------------------------------


def _columns(runs: Sequence[PlannedRun], jitter: Iterable[str]) -> Iterator[Column]:
    """Yield the columns that vary, each followed by its number if it holds quantities."""
    drawn_keys = set(jitter)
    names = dict.fromkeys(name for run in runs for name in run.values)
    for name in names:
        values = [run.values[name] for run in runs if run.values.get(name) is not None]
        role = "jitter" if name in drawn_keys else "varied"
        yield Column(name, role, _type(values))
        kind = common_kind(*values)
        if kind is not None and kind not in PLAIN:
            type_ = "DOUBLE" if kind in ("ratio", "bdp") else "BIGINT"
            yield Column(f"{name}_{kind}", role, type_, name, kind)


def _type(values: Sequence[Any]) -> str:
    """Return the database's type for values of YAML."""
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "BOOLEAN"
    if kinds == {int}:
        return "BIGINT"
    return "DOUBLE" if kinds and kinds <= {int, float} else "VARCHAR"


def _with_numbers(
    values: Mapping[str, Any], columns: Sequence[Column]
) -> Iterator[tuple[str, Any]]:
    """Yield each column's value in its own type; None where there is none."""
    for column in columns:
        value = values.get(column.of or column.name)
        if value is None:
            yield column.name, None
        elif column.of:
            found = quantity(value)
            yield column.name, found.number if found else None
        elif column.type == "VARCHAR" and not isinstance(value, str):
            yield column.name, str(value).lower() if isinstance(value, bool) else str(value)
        else:
            yield column.name, value
