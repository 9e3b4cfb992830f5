"""A study's file: base scenario, design, seeds; every error with its place in the file."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ccsim.catalog import find_scenario, study_files
from ccsim.errors import Problem, ScenarioError
from ccsim.experiment.study.columns import COMMON, TABLES
from ccsim.experiment.study.design import Factor, Level, Range, Setting, columns_of, sampled
from ccsim.experiment.study.forms import Publication, quickened, read_publication
from ccsim.experiment.study.sampling import MAX_DIMENSIONS
from ccsim.notebook import html_table, plural
from ccsim.scenario.document import Document, Location, parse_document
from ccsim.scenario.load import GIVEN, keys_text, read_document
from ccsim.scenario.vocabulary import did_you_mean, listed
from ccsim.spec.limits import MAX_SEED, is_harmless
from ccsim.units import show

__all__ = ["BACKENDS", "KEEP", "MAX_POINTS", "Study", "find_study", "is_study", "read_study"]

KEYS: tuple[str, ...] = ("name", "description", "base", "design", "seeds", "jitter", "keep")
KEYS += ("backend", "publish", "quick")
METHODS = ("grid", "list", "random", "sobol")
KEEP = ("metrics", "traces")
BACKENDS = ("simulator", "linux")
MAX_POINTS = 200_000
TAKEN = frozenset({"study", "point", "name", *COMMON, *(n for t in TABLES.values() for n in t)})
"""Columns and keys that a study sets itself."""


@dataclass(frozen=True, slots=True)
class Study:
    """A study as it is written: a base document, factors to cross, seeds, draws for each seed.

    ``base_source`` is the file of the base scenario, ``folder`` where its object files are looked
    up; ``text`` is the study's file. ``backend`` is what carries out its runs: the simulator, or
    this machine's kernel. ``publication``: what of it is published, if anything.
    """

    name: str
    description: str
    file: str
    text: str
    base: Document
    base_source: str
    folder: Path
    factors: tuple[Factor, ...]
    seeds: tuple[int, ...]
    jitter: tuple[Range, ...] = ()
    keep: str = "metrics"
    backend: str = "simulator"
    publication: Publication | None = None

    def __repr__(self) -> str:
        points = plural(_product(len(factor) for factor in self.factors), "point")
        return f"<Study {self.name}: {points}, {plural(len(self.seeds), 'seed')}>"

    def _repr_html_(self) -> str:
        """Return what the study varies, as a notebook shows it."""
        rows = [
            (", ".join(factor[0].columns), len(factor), "; ".join(map(_level, factor)))
            for factor in self.factors
            if factor
        ]
        return html_table(repr(self), ["varied", "levels", "values"], rows)


def _level(level: Level) -> str:
    return ", ".join(map(str, level.columns.values()))


def find_study(arg: str) -> Path:
    """Return the file that ``arg`` means: a path, or the bare name of a shipped study."""
    if Path(arg).is_file():
        return Path(arg)
    shipped = study_files()
    if arg in shipped:
        return shipped[arg]
    message = f"no file and no shipped study of this name{did_you_mean(Path(arg).stem, shipped)}"
    raise ScenarioError(Problem(arg, 0, 0, "", message))


def is_study(arg: str) -> bool:
    """Report whether ``arg`` means a study, not a scenario: by its keys, or a shipped name."""
    if not Path(arg).is_file():
        return arg in study_files()
    try:
        keys = set(read_document(Path(arg), arg).data)
    except ScenarioError:
        return False
    return bool(keys & {"base", "design", "seeds", "jitter", "keep", "backend"})


def read_study(arg: str | Path | Mapping[str, Any], *, quick: bool = False) -> Study:
    """Read a study's file, a shipped study by its bare name, or its keys; ``quick``: its quick
    form.

    ScenarioError lists what is wrong with the study itself; its scenarios are not built yet.
    """
    if isinstance(arg, Mapping):
        file, text = Path(GIVEN), keys_text({"name": "study", **arg})
        document = parse_document(text, GIVEN)
    else:
        file = find_study(str(arg))
        document = read_document(file, str(arg))
        text = file.read_text(encoding="utf-8-sig")
    reader = _Reader(document, file, text)
    if quick:
        quickened(document, reader.name())
    return reader.study()


class _Reader:
    """One study on its way; collects what is wrong with it."""

    def __init__(self, document: Document, file: Path, text: str) -> None:
        self.document = document
        self.file = file
        self.text = text
        self.problems: list[Problem] = []

    def complain(self, location: Location, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self.document.problem(location, message, at_key=at_key))

    def study(self) -> Study:
        """Return the study; ScenarioError with all problems."""
        self.known_keys((), self.document.data, KEYS)
        base, source, folder = self.base()
        study = Study(
            name=self.name(),
            description=str(self.document.get("description") or ""),
            file=str(self.file),
            text=self.text,
            base=base,
            base_source=source,
            folder=folder,
            factors=self.factors(),
            seeds=self.seeds(),
            jitter=self.ranges(("jitter",)) if self.document.get("jitter") is not None else (),
            keep=self.one_of("keep", KEEP),
            backend=self.one_of("backend", BACKENDS),
            publication=self.publication(),
        )
        self.check_keys(study)
        if self.problems:
            raise ScenarioError(*self.problems)
        return study

    def known_keys(self, location: Location, value: Any, keys: Sequence[str]) -> bool:
        """Complain about keys that mean nothing; report whether the value is a mapping at all."""
        if not isinstance(value, Mapping):
            self.complain(location, f"expected {listed(keys)}, got {show(value)}")
            return False
        for key in value:
            if key not in keys:
                near = did_you_mean(key, keys) or f"; expected {listed(keys)}"
                self.complain((*location, key), f"unknown key {key!r}{near}", at_key=True)
        return True

    def name(self) -> str:
        name = self.document.get("name")
        if name is None:
            name = self.file.stem
        if not isinstance(name, str) or not is_harmless(name):
            self.complain(("name",), f"expected 1 to 64 of A-Z a-z 0-9 _ . -, got {show(name)}")
            return "study"
        return name

    def one_of(self, key: str, known: Sequence[str]) -> str:
        """Return the value of a key that has few, the first of which is its default."""
        value = self.document.get(key) or known[0]
        if value not in known:
            self.complain((key,), f"expected {listed(known)}, got {show(value)}")
        return str(value)

    def base(self) -> tuple[Document, str, Path]:
        """Return the base scenario's document, its file and the folder of its object files."""
        given = self.document.get("base")
        if isinstance(given, Mapping):
            return _part(self.document, "base", self.document.file), "", self.file.parent
        if not isinstance(given, str):
            message = "expected a shipped scenario's name, a file, or a scenario, got "
            self.complain(("base",), message + show(given))
            return Document(str(self.file), {}), "", self.file.parent
        beside = self.file.parent / given
        try:
            path = beside if beside.is_file() else find_scenario(given)
            return read_document(path, given), str(path.resolve()), path.parent
        except ScenarioError as error:
            self.complain(("base",), str(error))
            return Document(given, {}), "", self.file.parent

    def publication(self) -> Publication | None:
        try:
            return read_publication(self.document)
        except ValueError as error:
            self.complain(("publish",), str(error))
            return None

    # --- seeds --------------------------------------------------------------------------------

    def seeds(self) -> tuple[int, ...]:
        """Return the seeds: a number of them from 1 on, or from a first one on, or a list."""
        given = self.document.get("seeds")
        given = 1 if given is None else given
        first, where = 1, ("seeds",)
        if isinstance(given, Mapping) and self.known_keys(where, given, ("first", "count")):
            first, given = given.get("first", 1), given.get("count", 1)
        if isinstance(given, list):
            return self.seed_list(given)
        if not _whole(given, 1, MAX_POINTS) or not _whole(first, 0, MAX_SEED - MAX_POINTS):
            self.complain(
                where, f"expected a count from 1 to {MAX_POINTS}, or a list, got {show(given)}"
            )
            return (1,)
        return tuple(range(first, first + given))

    def seed_list(self, given: list[Any]) -> tuple[int, ...]:
        for i, seed in enumerate(given):
            if not _whole(seed, 0, MAX_SEED):
                self.complain(("seeds", i), f"expected a whole number from 0 on, got {show(seed)}")
            elif seed in given[:i]:
                self.complain(("seeds", i), f"seed {seed} is given twice")
        if not given:
            self.complain(("seeds",), "expected at least one seed, got an empty list")
        return tuple(seed for seed in given if _whole(seed, 0, MAX_SEED))

    # --- the design ---------------------------------------------------------------------------

    def factors(self) -> tuple[Factor, ...]:
        """Return the design's factors, in the order in which they are written."""
        design = self.document.get("design")
        if design is None:
            return ()
        if not self.known_keys(("design",), design, METHODS):
            return ()
        factors: list[Factor] = []
        for method in design:
            if method == "grid":
                factors += self.grid()
            elif method == "list":
                factors.append(self.rows())
            elif method in METHODS:
                factors.append(self.sample(method))
        return tuple(factor for factor in factors if factor)

    def grid(self) -> list[Factor]:
        where = ("design", "grid")
        grid = self.document.get(*where)
        if not isinstance(grid, Mapping):
            self.complain(where, f"expected key: [values], got {show(grid)}")
            return []
        return [self.factor((*where, name), name, given) for name, given in grid.items()]

    def factor(self, where: Location, name: str, given: Any) -> Factor:
        """Return one factor: values of the key ``name``, or of the ``key`` or ``keys`` in it."""
        keys: tuple[str, ...] = (name,)
        values = given
        if isinstance(given, Mapping) and {"key", "keys"} & set(given):
            allowed = ("key", "keys", "values", "ordered_pairs")
            self.known_keys(where, given, allowed)
            keys = self.factor_keys(where, given)
            form = "ordered_pairs" if "ordered_pairs" in given else "values"
            where, values = (*where, form), given.get(form)
            if form == "ordered_pairs":
                return self.ordered_pairs(where, keys, values)
        if not isinstance(values, list | Mapping) or not values:
            self.complain(where, f"expected a list of values, or label: value, got {show(values)}")
            return ()
        labelled = isinstance(values, Mapping)
        levels = []
        for index, step in enumerate(values if labelled else range(len(values))):
            value = values[step]
            settings = self.settings((*where, step), keys, value)
            label = str(step) if labelled else ""
            levels.append(Level(settings, columns_of(settings, name, label)))
            if not labelled and value in values[:index]:
                self.complain((*where, step), f"value {show(value)} is given twice")
        return tuple(levels)

    def factor_keys(self, where: Location, given: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the keys that a factor sets together."""
        keys = [given["key"]] if "key" in given else given["keys"]
        if not isinstance(keys, list) or not keys or not all(isinstance(k, str) for k in keys):
            self.complain((*where, "keys"), f"expected a list of scenario keys, got {show(keys)}")
            return ()
        return tuple(keys)

    def settings(self, where: Location, keys: tuple[str, ...], value: Any) -> tuple[Setting, ...]:
        """Return the settings of one level; with several keys the value is a tuple."""
        if len(keys) == 1:
            return (Setting(keys[0], value, self.place(where)),)
        if not isinstance(value, list) or len(value) != len(keys):
            got = f"{len(value)} values" if isinstance(value, list) else show(value)
            self.complain(where, f"expected {len(keys)} values, one for each key, got {got}")
            return ()
        return tuple(
            Setting(key, one, self.place((*where, i)))
            for i, (key, one) in enumerate(zip(keys, value, strict=True))
        )

    def ordered_pairs(self, where: Location, keys: tuple[str, ...], values: Any) -> Factor:
        """Return all pairs of two different values, in both orders."""
        if len(keys) != 2 or not isinstance(values, list) or len(values) < 2:
            self.complain(where, "expected two keys and a list of two values or more")
            return ()
        levels = []
        for i, j in itertools.permutations(range(len(values)), 2):
            settings = tuple(
                Setting(key, values[k], self.place((*where, k)))
                for key, k in zip(keys, (i, j), strict=True)
            )
            levels.append(Level(settings, columns_of(settings)))
        return tuple(levels)

    def rows(self) -> Factor:
        """Return the factor of a list of points, each with its own keys."""
        where = ("design", "list")
        rows = self.document.get(*where)
        if not isinstance(rows, list) or not rows:
            self.complain(where, f"expected a list of {{key: value}}, got {show(rows)}")
            return ()
        levels = []
        for i, row in enumerate(rows):
            if not isinstance(row, Mapping):
                self.complain((*where, i), f"expected {{key: value, …}}, got {show(row)}")
                continue
            settings = tuple(Setting(k, v, self.place((*where, i, k))) for k, v in row.items())
            levels.append(Level(settings, columns_of(settings)))
        keys = dict.fromkeys(key for level in levels for key in level.columns)
        return tuple(
            replace(level, columns={key: level.columns.get(key) for key in keys})
            for level in levels
        )

    def sample(self, method: str) -> Factor:
        """Return the factor of a random or quasi-random design."""
        where = ("design", method)
        given = self.document.get(*where)
        if not self.known_keys(where, given, ("points", "seed", "over")):
            return ()
        points, seed = given.get("points"), given.get("seed", 1)
        if not _whole(points, 1, MAX_POINTS):
            self.complain((*where, "points"), f"expected a number of points, got {show(points)}")
            points = 1
        if not _whole(seed, 0, MAX_SEED):
            self.complain((*where, "seed"), f"expected a whole number from 0 on, got {show(seed)}")
            seed = 1
        ranges = self.ranges((*where, "over"))
        if points * len(self.seeds()) > MAX_POINTS:
            self.complain((*where, "points"), f"expected at most {MAX_POINTS} runs, seeds counted")
            return ()
        if method == "sobol" and len(ranges) > MAX_DIMENSIONS:
            message = f"expected at most {MAX_DIMENSIONS} keys, got {len(ranges)}"
            self.complain((*where, "over"), message)
            return ()
        return sampled(method, ranges, points, seed) if ranges else ()

    def ranges(self, where: Location) -> tuple[Range, ...]:
        """Return what keys are drawn from."""
        given = self.document.get(*where)
        if not isinstance(given, Mapping) or not given:
            self.complain(where, f"expected key: [low, high], got {show(given)}")
            return ()
        found = (self.range((*where, key), key, value) for key, value in given.items())
        return tuple(each for each in found if each is not None)

    def range(self, where: Location, key: str, given: Any) -> Range | None:
        place = self.place(where)
        try:
            if isinstance(given, list) and len(given) == 2:
                return Range(key, place, *given)
            if isinstance(given, Mapping) and set(given) == {"choice"}:
                if isinstance(given["choice"], list) and given["choice"]:
                    return Range(key, place, choices=tuple(given["choice"]))
            elif isinstance(given, Mapping) and {"low", "high"} <= set(given):
                self.known_keys(where, given, ("low", "high", "scale"))
                scale = given.get("scale", "linear")
                if scale in ("linear", "log"):
                    return Range(key, place, given["low"], given["high"], scale == "log")
        except ValueError as error:
            self.complain(where, str(error))
            return None
        expected = "[low, high], {low: …, high: …, scale: log} or {choice: […]}"
        self.complain(where, f"expected {expected}, got {show(given)}")
        return None

    def place(self, where: Location) -> tuple[int, int]:
        """Return line and column of a value, or of the nearest one around it."""
        problem = self.document.problem(where, "")
        return problem.line, problem.column

    # --- the whole ----------------------------------------------------------------------------

    def check_keys(self, study: Study) -> None:
        """Check that no key is varied twice and that the study's own columns stay free."""
        parts = [{name for level in factor for name in level.columns} for factor in study.factors]
        parts.append({each.key for each in study.jitter})
        seen: set[str] = set()
        for part in parts:
            for name in sorted(part & seen):
                self.complain(("design",), f"{name!r} is varied twice")
            seen |= part
        for name in sorted(seen & TAKEN):
            hint = "; replicate it under seeds" if name == "seed" else ""
            self.complain(("design",), f"{name!r} cannot be varied: it is a study's own{hint}")
        points = _product(len(factor) for factor in study.factors) * len(study.seeds)
        if points > MAX_POINTS:
            self.complain(("design",), f"expected at most {MAX_POINTS} runs, got {points}")


def _product(lengths: Iterable[int]) -> int:
    total = 1
    for length in lengths:
        total *= length
    return total


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _part(document: Document, key: str, file: str) -> Document:
    """Return the mapping under a key as a document of its own, with its places in the file."""
    return Document(
        file,
        document.data[key],
        {place[1:]: at for place, at in document.keys.items() if place[:1] == (key,)},
        {place[1:]: at for place, at in document.values.items() if place[:1] == (key,)},
    )
