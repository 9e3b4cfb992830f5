"""From how many rows on columns are faster than rows one by one: that depends on the form of ccsim
that runs, and is measured (``docs/cost.md``)."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.compiled import in_use

__all__ = ["MACHINE_CODE", "PYTHON", "Thresholds", "thresholds"]

NEVER = 1 << 62


@dataclass(frozen=True)
class Thresholds:
    """Rows of a train: ACKs by regime; packets at a receiver in order, and beyond a gap, and how
    many go one by one before columns are tried again."""

    window: int
    paced: int
    recovery: int
    received: int
    beyond_gap: int
    one_by_one: int


PYTHON = Thresholds(12, 24, 16, received=12, beyond_gap=16, one_by_one=48)
MACHINE_CODE = Thresholds(256, NEVER, NEVER, received=448, beyond_gap=NEVER, one_by_one=1024)


def thresholds() -> Thresholds:
    """Return those of the form that runs."""
    return MACHINE_CODE if in_use() else PYTHON
