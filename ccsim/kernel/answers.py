"""What hooks may leave in a socket and return: whole numbers that Linux's fields can hold.

In C the compiler sees to that. A hook that leaves something else is told so at once, at the line
that did it: later and elsewhere nobody would know whose mistake it was.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ccsim.errors import CcsimError
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH

__all__ = ["RESULTS", "WRITTEN", "HookValueError", "answer", "whole"]

U32_MAX = (1 << 32) - 1
U64_MAX = (1 << 64) - 1
WRITTEN: dict[str, tuple[int, int]] = {
    "snd_cwnd": (1, U32_MAX),
    "snd_cwnd_cnt": (0, U32_MAX),
    "snd_cwnd_clamp": (1, U32_MAX),
    "snd_ssthresh": (1, TCP_INFINITE_SSTHRESH),
    "pacing_rate": (1, U64_MAX),
    "pacing_status": (0, 2),
    "app_limited": (0, U32_MAX),
    "ecn_flags": (0, 255),
}
"""The fields that hooks write, and what each may be."""
RESULTS: dict[str, tuple[int, int]] = {
    "ssthresh": (1, TCP_INFINITE_SSTHRESH),
    "undo_cwnd": (1, U32_MAX),
    "min_tso_segs": (0, U32_MAX),
}
"""The hooks that return a number to the sender, and what it may be [packets]."""
SHOWN = 60  # characters of a value


class HookValueError(CcsimError, ValueError):
    """A hook wrote or returned what its field cannot hold: ``what`` says how (``left snd_cwnd``),
    ``hook`` is the function that returned it, None for a write."""

    def __init__(
        self, what: str, value: object, bounds: tuple[int, int], hook: object = None
    ) -> None:
        super().__init__(what, value, bounds, hook)  # with which SimPy makes it anew
        self.hook = hook

    def __str__(self) -> str:
        what, value, (low, high), _ = self.args
        return f"{what} {_shown(value)}, expected a whole number from {low} to {high}"


def whole(value: object, bounds: tuple[int, int]) -> int | None:
    """Return a value as an integer between the bounds; None if it is none.

    Whatever Python takes for an index is an integer, NumPy's too; a float never is.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
    return number if bounds[0] <= number <= bounds[1] else None


def answer(member: str, hook: Callable[..., Any], value: Any) -> int:
    """Return what a hook of the kind ``member`` returned; HookValueError if it is no such
    number."""
    bounds = RESULTS[member]
    number = whole(value, bounds)
    if number is None:
        raise HookValueError("returned", value, bounds, hook)
    return number


def _shown(value: object) -> str:
    """Return a value as text, short, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # its own __repr__, or an integer of too many digits
        text = f"a value of the type {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
