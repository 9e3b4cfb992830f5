"""How two runs, or two studies, differ: in scenario, in code, and in what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ccsim.errors import CcsimError
from ccsim.experiment.integrity import check_run, check_study
from ccsim.experiment.parquet import connect
from ccsim.experiment.statistics import bca_interval
from ccsim.experiment.stored import find_run
from ccsim.experiment.study.columns import TABLES
from ccsim.experiment.study.listing import find_study_folder
from ccsim.experiment.study.query import study_database
from ccsim.experiment.study.tables import quoted

__all__ = ["Change", "ResultDifference", "diff"]

NONE = "–"
ROWS = 60
"""How many rows of a section are printed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs: ``relative`` is (b - a) / |a|, where both are numbers and a is not 0.

    Of studies ``a`` and ``b`` are means over the runs that both have, ``n`` counts them, and
    ``low`` to ``high`` is the interval of b less a.
    """

    name: str
    a: Any
    b: Any
    relative: float | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values, without what does not apply."""
        found = {name: getattr(self, name) for name in ("name", "a", "b", "relative")}
        if self.n is not None:
            found |= {"n": self.n, "low": self.low, "high": self.high}
        return found

    def cells(self) -> list[str]:
        """Return it as a row of text."""
        relative = NONE if self.relative is None else f"{self.relative:+.2%}"
        row = [self.name, _text(self.a), _text(self.b), relative]
        if self.n is not None:
            low_high = NONE if self.low is None else f"{self.low:.4g} … {self.high:.4g}"
            row += [str(self.n), low_high]
        return row


@dataclass(frozen=True, slots=True)
class ResultDifference:
    """What differs between two results, section by section."""

    scenario: list[Change] = field(default_factory=list)
    code: list[Change] = field(default_factory=list)
    metrics: list[Change] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether there is any difference."""
        return bool(self.scenario or self.code or self.metrics)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            name: [change.plain() for change in getattr(self, name)]
            for name in ("scenario", "code", "metrics")
        }

    def sections(self) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        """Yield title, headers and rows of each section that has any."""
        for title in ("scenario", "code", "metrics"):
            changes = getattr(self, title)
            if not changes:
                continue
            headers = ["what", "A", "B", "B to A"]
            if changes[0].n is not None:
                headers += ["n", "95 % interval of B - A"]
            rows = [change.cells() for change in changes[:ROWS]]
            hidden = len(changes) - len(rows)
            yield (f"{title} (… and {hidden} more: --json)" if hidden else title), headers, rows


def diff(a: str, b: str, results: Path, *, verify: bool = False) -> ResultDifference:
    """Return how two runs, or two studies, differ.

    ResultsError if one is not found or not what was written (``verify``: large files are read
    whole), CcsimError for a run and a study.
    """
    studies = [find_study_folder(name, results) for name in (a, b)]
    if studies[0] is not None and studies[1] is not None:
        return _of_studies(studies[0], studies[1], verify=verify)
    if studies[0] is not None or studies[1] is not None:
        study, run = (a, b) if studies[0] is not None else (b, a)
        raise CcsimError(f"diff: expected two runs or two studies, got study {study}, run {run}")
    return _of_runs(find_run(a, results), find_run(b, results), verify=verify)


def _of_runs(a: Path, b: Path, *, verify: bool) -> ResultDifference:
    """Compare two runs value by value."""
    checked = [check_run(run, verify=verify) for run in (a, b)]
    scenarios, code, metrics = ([_flat(one) for one in ones] for ones in zip(*checked, strict=True))
    facts = [{k: v for k, v in one.items() if _is_code(k)} for one in code]
    return ResultDifference(_changes(*scenarios), _changes(*facts), _changes(*metrics))


def _is_code(name: str) -> bool:
    return name.startswith(("versions.", "code"))


def _of_studies(a: Path, b: Path, *, verify: bool) -> ResultDifference:
    """Compare two studies: what they ask, and the means over the runs that both have."""
    checked = [check_study(study, verify=verify) for study in (a, b)]
    plans = [plan for _, plan in checked]
    manifests = [_flat(manifest) for manifest, _ in checked]
    facts = [{k: v for k, v in one.items() if _is_code(k)} for one in manifests]
    asked = [_flat(_asked(study, plan)) for study, plan in zip((a, b), plans, strict=True)]
    return ResultDifference(_changes(*asked), _changes(*facts), _means(a, b, plans))


def _asked(study: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a study asks for: its file by values, and its size."""
    from ccsim.scenario.document import parse_document

    found: dict[str, Any] = {}
    for name in ("study.yaml", "base.yaml"):
        if (study / name).is_file():
            text = (study / name).read_text(encoding="utf-8")
            found[name.removesuffix(".yaml")] = parse_document(text, str(study / name)).data
    return {**found, "runs": len(plan["runs"])}


def _means(a: Path, b: Path, plans: list[Any]) -> list[Change]:
    """Return how each metric's mean differs over the cells (what varies, seed, swap, flow) that
    both studies have."""
    names = [{column["name"] for column in plan["columns"] if not column["of"]} for plan in plans]
    keys = [*sorted(names[0] & names[1]), "seed", "swap", "flow"]
    metrics = [name for name, type_ in TABLES["runs"].items() if type_ == "DOUBLE"]
    with connect() as db:
        for mark, study in (("a", a), ("b", b)):
            study_database(db, study)
            db.execute(f"CREATE TABLE runs_{mark} AS SELECT * FROM runs")
            db.execute("DROP VIEW metrics")
            for table in TABLES:
                db.execute(f"DROP TABLE {table}")
        same = " AND ".join(f"a.{quoted(k)} IS NOT DISTINCT FROM b.{quoted(k)}" for k in keys)
        changes = []
        for metric in metrics:
            column = quoted(metric)
            db.execute(
                f"SELECT a.{column}, b.{column} FROM runs_a a JOIN runs_b b ON {same} "
                f"WHERE a.{column} IS NOT NULL AND b.{column} IS NOT NULL"
            )
            pairs = np.array(db.fetchall(), dtype=np.float64).reshape(-1, 2)
            if len(pairs) and not np.array_equal(pairs[:, 0], pairs[:, 1]):
                changes.append(_mean_change(metric, pairs))
        return changes


def _mean_change(metric: str, pairs: Any) -> Change:
    means = pairs.mean(axis=0)
    interval = bca_interval(pairs[:, 1] - pairs[:, 0])
    first, second = (float(f"{mean:.6g}") for mean in means)
    relative = _relative(float(means[0]), float(means[1]))
    return Change(metric, first, second, relative, len(pairs), interval.low, interval.high)


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return nested JSON as dotted names and plain values; entries of lists by their own name."""
    if isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(_entry(index, item), item) for index, item in enumerate(value)]
    else:
        return {name: value}
    flat: dict[str, Any] = {}
    for key, item in items:
        flat |= _flat(item, f"{name}.{key}" if name else key)
    return flat


def _entry(index: int, item: Any) -> str:
    """Return what an entry of a list is called: by its name, flow and phase, or its number."""
    if isinstance(item, Mapping):
        named = [str(item[key]) for key in ("name", "flow", "link") if item.get(key)]
        phase = [f"phase-{item['phase']}"] if "phase" in item else []
        if named or phase:
            return "-".join([*named, *phase])
    return str(index)


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Return what two flat documents have differently, in the first one's order."""
    names = dict.fromkeys([*a, *b])
    return [
        Change(name, a.get(name), b.get(name), _relative(a.get(name), b.get(name)))
        for name in names
        if a.get(name) != b.get(name)
    ]


def _relative(a: Any, b: Any) -> float | None:
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (a, b))
    return (b - a) / abs(a) if numbers and a else None


def _text(value: Any) -> str:
    if value is None:
        return NONE
    return f"{value:.6g}" if isinstance(value, float) else str(value)
