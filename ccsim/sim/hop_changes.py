"""Changes of a hop that are known beforehand: rates and delays as pieces, qdisc parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ccsim.net.hop import Change as QdiscChange
from ccsim.net.qdisc.draws import Draws
from ccsim.net.rate_process import (
    ConstantRate,
    PiecewiseRate,
    RateProcess,
    random_walk,
    with_outage,
)
from ccsim.spec import Hop, HopChange, Path, Scenario

__all__ = ["as_tuples", "delay_pieces", "make_line", "qdisc_changes"]

Piece = tuple[int, int]


def make_line(name: str, spec: Hop | Path, scenario: Scenario) -> RateProcess:
    """Return the line of a hop: of one rate, or of pieces if it changes."""
    changes = _of(name, scenario)
    amounts = [change.rate_bps for change in changes]
    pieces = _pieces(name, spec.rate_bps, amounts, changes, scenario)
    for change in changes:
        if change.outage_ns:
            for at in _times(change, scenario.duration_ns):
                pieces = with_outage(pieces, at, change.outage_ns)
    return ConstantRate(spec.rate_bps) if len(pieces) == 1 else PiecewiseRate(pieces)


def delay_pieces(name: str, spec: Hop | Path, scenario: Scenario) -> list[Piece]:
    """Return the delays of a hop."""
    changes = _of(name, scenario)
    amounts = [change.delay_ns for change in changes]
    return _pieces(name, spec.delay_ns, amounts, changes, scenario)


def qdisc_changes(name: str, scenario: Scenario) -> list[QdiscChange]:
    """Return the changes of a hop's qdisc, in order of time."""
    found: list[tuple[int, int, Mapping[str, Any]]] = []
    for number, change in enumerate(_of(name, scenario)):
        if change.values:
            for at in _times(change, scenario.duration_ns):
                found.append((at, number, change.values))
    return [(at, as_tuples(values)) for at, _, values in sorted(found, key=lambda one: one[:2])]


def as_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with tuples for lists, which JSON has."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _of(name: str, scenario: Scenario) -> list[HopChange]:
    """Return a hop's changes, as written."""
    return [change for change in scenario.changes if change.hop == name]


def _times(change: HopChange, until_ns: int) -> Iterable[int]:
    """Return when a change comes, in the run."""
    if not change.every_ns:
        return (change.at_ns,)
    return range(change.at_ns, until_ns + 1, change.every_ns)


def _pieces(
    name: str,
    first: int,
    amounts: Sequence[int | None],
    changes: Sequence[HopChange],
    scenario: Scenario,
) -> list[Piece]:
    """Return a hop's ``amounts``, one a change, from 0 on: of steps at one instant the one written
    last counts."""
    steps: dict[int, int] = {0: first}
    until_ns = scenario.duration_ns
    for number, (change, amount) in enumerate(zip(changes, amounts, strict=True)):
        if amount is None:
            continue
        if change.step:
            draws = Draws.stream(scenario.seed, f"{name}/walk/{number}")
            _walk(steps, change, amount, draws, until_ns)
            continue
        for at in _times(change, until_ns):
            before = _at(steps, at)
            steps[at] = amount
            if change.for_ns:
                steps.setdefault(at + change.for_ns, before)
    return sorted(steps.items())


def _walk(
    steps: dict[int, int], change: HopChange, first: int, draws: Draws, until_ns: int
) -> None:
    """Let an amount wander from an instant on."""
    start, bounds = change.at_ns, (change.low, change.high)
    walk = random_walk(
        draws, first, change.step, bounds, change.step_every_ns, max(until_ns - start, 0)
    )
    for at in [at for at in steps if at >= start]:
        del steps[at]
    steps.update({start + at: amount for at, amount in walk})


def _at(steps: Mapping[int, int], t: int) -> int:
    """Return the amount that holds just before an instant, or at 0."""
    return steps[max((at for at in steps if at < t), default=0)]
