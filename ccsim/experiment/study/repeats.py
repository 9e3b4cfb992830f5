"""Which runs of a study are the same run: another seed, of which nothing was drawn.

A scenario draws from its seed for losses, for workloads, and where an algorithm asks for a random
number. If none of that happens, in the run or in its twins, every seed gives the same outcome: it
is simulated once and counts once, since what is computed over copies says nothing of chance. What
was drawn may still come to nothing: where all seeds of a point came out alike, they count as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ccsim.experiment.study.folder import Fact
from ccsim.experiment.study.plan import PlannedRun

__all__ = ["DIFFER", "fixed_points", "leads_of", "mark_repeats", "repeat_notes", "repeated"]

DIFFER = (
    "loss (path.loss), jitter of start or swap times (the study's jitter:), a workload with random "
    "arrivals or sizes, an algorithm that asks for random numbers"
)
"""What makes seeds differ."""
Row = dict[str, Any]


def leads_of(runs: Iterable[PlannedRun]) -> dict[str, str]:
    """Return for runs that may repeat an earlier one of another seed the id of that one.

    Runs that are sure to draw from their seed are left out.
    """
    first: dict[str, str] = {}
    leads: dict[str, str] = {}
    for run in runs:
        if not run.random and first.setdefault(run.scenario, run.run_id) != run.run_id:
            leads[run.run_id] = first[run.scenario]
    return leads


def mark_repeats(plan: Mapping[str, Any], facts: Mapping[str, Fact]) -> dict[str, Any]:
    """Return a plan as JSON has it, in which each run that repeats another one of its point says
    so: ``same_as`` is the id of that run; ``alike`` says that it drew something, without effect.
    """
    runs = [{k: v for k, v in run.items() if k not in ("same_as", "alike")} for run in plan["runs"]]
    points: dict[int, list[Row]] = {}
    for run in runs:
        points.setdefault(run["point"], []).append(run)
    for rows in points.values():
        _mark_undrawn(rows, facts)
        _mark_alike([row for row in rows if not repeated(row)], facts)
    return {**plan, "runs": runs}


def repeated(run: Mapping[str, Any]) -> bool:
    """Report whether a planned run repeats another one."""
    return "same_as" in run


def fixed_points(plan: Mapping[str, Any], facts: Mapping[str, Fact]) -> set[int]:
    """Return the points at which every seed gives the same run, as far as runs are finished."""
    if any(column["role"] == "jitter" for column in plan["columns"]):
        return set()
    known: dict[int, set[str | None]] = {}
    for run in plan["runs"]:
        if run["run_id"] in facts:
            known.setdefault(run["point"], set()).add(facts[run["run_id"]].drew)
    return {point for point, drew in known.items() if drew == {""}}


def repeat_notes(plan: Mapping[str, Any], facts: Mapping[str, Fact]) -> Iterator[str]:
    """Yield why a marked plan's seeds are fewer than were asked for, and what would change that."""
    every = {run["point"] for run in plan["runs"]}
    fixed = fixed_points(plan, facts)
    same = [run for run in plan["runs"] if repeated(run) and run["point"] not in fixed]
    alike = {run["point"] for run in same if "alike" in run}
    drawn_twice = sum("alike" not in run for run in same)
    if fixed:
        yield (
            f"Nothing random happens {_at(fixed, every)}: every seed gives the same run, which is "
            f"simulated once: n = 1, no interval, no p. What makes seeds differ: {DIFFER}."
        )
    if drawn_twice:
        yield (
            f"{drawn_twice} of {len(plan['runs'])} seeds drew values that another one of their "
            "point had drawn already: the same run, which counts once."
        )
    if alike:
        yield (f"The seeds drew random numbers, but {_at(alike, every)} all came out alike: n = 1.")
    if partly := _partly_alike(plan, facts):
        yield (
            f"Some seeds drew random numbers and came out alike, down to {partly[0]} distinct "
            f"outcomes of {partly[1]} at a point: each is a draw of its own, and counts."
        )


def _at(points: set[int], every: set[int]) -> str:
    return "here" if points == every else f"at {len(points)} of {len(every)} points"


def _partly_alike(plan: Mapping[str, Any], facts: Mapping[str, Fact]) -> tuple[int, int] | None:
    """Return distinct outcomes and n of the point where the share of these is the least, if some
    that count are alike."""
    outcomes: dict[int, list[str]] = {}
    for run in plan["runs"]:
        fact = facts.get(run["run_id"])
        if fact is not None and fact.outcome and not repeated(run):
            outcomes.setdefault(run["point"], []).append(fact.outcome)
    found = [(len(set(one)), len(one)) for one in outcomes.values() if len(set(one)) < len(one)]
    return min(found, key=lambda pair: pair[0] / pair[1], default=None)


def _mark_undrawn(rows: Sequence[Row], facts: Mapping[str, Fact]) -> None:
    first: dict[str, str] = {}
    for row in rows:
        lead = first.setdefault(str(row.get("scenario", row["run_id"])), str(row["run_id"]))
        fact = facts.get(lead)
        if row["run_id"] != lead and fact is not None and fact.drew == "":
            row["same_as"] = lead


def _mark_alike(rows: Sequence[Row], facts: Mapping[str, Fact]) -> None:
    known = [row for row in rows if row["run_id"] in facts]
    outcomes = {facts[row["run_id"]].outcome for row in known}
    if len(known) > 1 and len(outcomes) == 1 and "" not in outcomes:
        for row in known[1:]:
            row |= {"same_as": known[0]["run_id"], "alike": True}
