"""Replacements of congestion control, what they wait for and what watches them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ccsim.spec.limits import Count, Name, NonNegativeNs, Parameter, PositiveNs, Within
from ccsim.units import MAX_SIZE_BYTES

__all__ = ["Chosen", "Guard", "Swap", "Trigger"]

Chosen = tuple[str, dict[str, Parameter]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What a swap waits for, of one flow: exactly one of ``state``, ``cwnd_above`` [packets],
    ``loss`` (that many loss events) and ``acked_bytes`` is not empty.

    What reaches further than that flow's own socket acts ``delay_ns`` after it.
    """

    flow: Name
    state: str = ""
    cwnd_above: Count = 0
    loss: Count = 0
    acked_bytes: Annotated[int, Within(0, MAX_SIZE_BYTES)] = 0
    delay_ns: PositiveNs


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What a staged roll-out is watched by; ``threshold`` is in parts per million, of a stall in
    nanoseconds.
    """

    metric: str
    threshold: Count
    window_ns: PositiveNs


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """One replacement: of ``flows`` and ``listeners``, of a ``link``, or of the default of
    ``netns``; what does not belong to its mechanism is empty.

    ``to`` is a map for what has a ``link``, and a registered name for the others; ``to_params`` are
    parameters of its own, which make it another table entry. ``over_ns`` is the time over which a
    sweep is staggered (0: at once); or it takes ``cohort`` flows at a time. ``pause_ns`` lies
    between cohorts, and between the ``steps_ppm`` of a staged roll-out; ``gap_ns`` between
    unregistering and registering. With a ``trigger`` ``at_ns`` is when it is first looked for.
    """

    at_ns: NonNegativeNs
    via: Literal["setsockopt", "link_update", "sweep", "sysctl", "reregister", "staged"]
    to: str
    to_params: dict[str, Parameter] = field(default_factory=dict)
    flows: tuple[Name, ...] = ()
    listeners: tuple[Name, ...] = ()
    link: str = ""
    netns: str = ""
    over_ns: NonNegativeNs = 0
    cohort: Count = 0
    pause_ns: NonNegativeNs = 0
    gap_ns: NonNegativeNs = 0
    steps_ppm: tuple[int, ...] = ()
    guard: Guard | None = None
    state: str = "linux"
    trigger: Trigger | None = None

    @property
    def chosen(self) -> Chosen:
        """What a socket that is swapped asks for: a registered name and parameters."""
        return (self.link, {}) if self.link else (self.to, self.to_params)
