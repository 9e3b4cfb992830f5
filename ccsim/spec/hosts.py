"""Hosts that are not exact clocks: how late they see to what falls due."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.spec.limits import NonNegativeNs
from ccsim.spec.workload import Distribution

__all__ = ["Hosts", "Lateness", "Stalls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalls:
    """Times in which a host does nothing; none is longer than a second.

    They begin at random, ``gap_ns`` apart in the mean, and last for ``length_ns``. Or, without a
    length, they are such that of what falls due 1 % is late by more than ``p99_ns``, 0.1 % by more
    than ``p999_ns``, and nothing by more than ``max_ns``.
    """

    gap_ns: NonNegativeNs = 0
    length_ns: Distribution | None = None
    p99_ns: NonNegativeNs = 0
    p999_ns: NonNegativeNs = 0
    max_ns: NonNegativeNs = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """What falls due in a stall waits for its end; then it takes ``delay_ns`` (None: nothing)."""

    delay_ns: Distribution | None = None
    stalls: Stalls | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """The sending and the receiving hosts of all flows; None: exact ones."""

    sender: Lateness | None = None
    receiver: Lateness | None = None
