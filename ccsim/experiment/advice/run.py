"""Runs the quick study and reads it: kept below results, so the second answer takes no time."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ccsim.errors import CcsimError
from ccsim.experiment.advice.answer import ALL, Advice, Rows, answered
from ccsim.experiment.advice.asked import Asked
from ccsim.experiment.advice.design import BLIND, SEEDS, AdvicePlan, plan_of
from ccsim.experiment.study.query import query
from ccsim.experiment.study.read import Study, read_study
from ccsim.experiment.study.sweep import run_study
from ccsim.experiment.study.tables import quoted

__all__ = ["advise"]


def advise(
    question: Asked,
    *,
    seeds: int = SEEDS,
    out: str | Path = "results",
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
    hook_timeout_s: float = 10.0,
    argv: Sequence[str] = (),
) -> Advice:
    """Return the answers about a pair on a path, from a study of ``seeds`` seeds in ``out``.

    CcsimError if an algorithm fails or the swap is refused; ScenarioError for a path or a pair
    that no scenario may have; ResultsError if ``out`` cannot be written.
    """
    plan = plan_of(question, _name(question), seeds)
    outcome = run_study(
        _study(plan),
        out=out,
        workers=workers,
        progress=None if progress is None else lambda told: progress(told.share),
        hook_timeout_s=hook_timeout_s,
        argv=argv,
    )
    rows = _rows(outcome.path)
    about = {
        "study": str(outcome.path),
        "beside": list(question.around.texts),
        "swap_at_s": plan.at_s,
        "watched_s": plan.window_s,
        "runs": outcome.runs,
        "new_runs": outcome.new,
    }
    return answered(question.texts, rows, seeds, about)


def _name(question: Asked) -> str:
    """Return the study's name: the pair, and digits that stand for all that is asked."""
    asked = [question.scenario.identity(), question.around.keys]
    digits = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    return f"advise-{question.old.name}-{question.new.name}"[:55] + f"-{digits}"


def _study(plan: AdvicePlan) -> Study:
    """Return the plan as a study, read as if a user had written it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{plan.name}.yaml"
        file.write_text(plan.text(), encoding="utf-8")
        return read_study(file)


def _rows(study: Path) -> Rows:
    """Return the figures of the first swap by way and seed."""
    columns = ", ".join(f"avg({quoted(one.column)})" for one in ALL.values())
    answer = query(
        str(study),
        "SELECT way, seed, any_value(error), any_value(swap_error), count(swap), "
        f"{columns} FROM runs WHERE coalesce(swap, 0) = 0 GROUP BY way, seed ORDER BY way, seed",
        study.parent,
    )
    rows: dict[str, dict[int, dict[str, Any]]] = {}
    for way, seed, error, refused, swaps, *figures in answer.rows:
        if error or refused:
            raise CcsimError(f"advise: {way}, seed {seed}: {error or refused}")
        found = rows.setdefault(way, {})
        if swaps:
            found[seed] = dict(zip(ALL, figures, strict=True))
    if not rows.get(BLIND):
        raise CcsimError("advise: the swap never came about")
    return rows
