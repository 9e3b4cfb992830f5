"""Traces of a link's deliveries, in mahimahi's format (Netravali and others, 2015).

A trace is text: one whole number a line, in milliseconds, none smaller than the one before, the
last one not 0. Each line is an opportunity to send 1504 bytes; equal lines are several in that
millisecond. After the last line the trace begins anew at that line's time, so that lines of 0
coincide with it. Three synthetic traces of a minute are shipped: ``lte.down``, ``wifi.down`` and
``starlink.down``.
"""

from __future__ import annotations

import lzma
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ccsim.errors import CcsimError
from ccsim.units import show

__all__ = ["OPPORTUNITY_BYTES", "PRESETS", "DeliveryTrace", "TraceError", "parse_trace", "preset"]

OPPORTUNITY_BYTES = 1504  # an IP packet of 1500 bytes and 4 of mahimahi's own
PRESETS = {
    "lte.down": "LTE: a rate that wanders as a Brownian motion, with an outage of 1.6 s",
    "wifi.down": "Wi-Fi: aggregates of up to 32 packets, changing modulation, stalls",
    "starlink.down": "Starlink: a new capacity every 15 s after an outage of 30 to 120 ms",
}
"""The traces that are shipped."""
MAX_MS = 10**10  # 116 days
MAX_LINES = 10**7
_FOLDER = Path(__file__).parent / "traces"


class TraceError(CcsimError, ValueError):
    """A trace that breaks the format: the line, what was expected, what came."""


@dataclass(frozen=True, slots=True)
class DeliveryTrace:
    """Opportunities [ms]; ``repeat`` says whether they come again after the last one."""

    lines: tuple[int, ...]
    repeat: bool = True

    def __post_init__(self) -> None:
        if not self.lines or self.lines[-1] <= 0:
            raise TraceError("expected a trace whose last line is more than 0")

    def opportunity_ms(self, k: int) -> int | None:
        """Return when the k-th opportunity is, from 0 on; None if there is none so late."""
        cycle, line = divmod(k, len(self.lines))
        if cycle and not self.repeat:
            return None
        return cycle * self.lines[-1] + self.lines[line]

    def first_after(self, t_ms: int) -> int:
        """Return the number of the first opportunity later than an instant: how many there are up
        to it."""
        lines = self.lines
        cycle, within = divmod(t_ms, lines[-1])
        if cycle and not self.repeat:
            return len(lines)
        return cycle * len(lines) + bisect_right(lines, within)

    def mean_rate_bps(self) -> int:
        """Return the capacity of a cycle over its length [bit/s]."""
        return len(self.lines) * OPPORTUNITY_BYTES * 8 * 1000 // self.lines[-1]


def parse_trace(text: str, place: str, *, repeat: bool = True) -> DeliveryTrace:
    """Read a trace; TraceError names ``place`` and the line."""
    rows = text.splitlines()
    if not 1 <= len(rows) <= MAX_LINES:
        raise TraceError(f"{place}: expected 1 to {MAX_LINES} lines, got {len(rows)}")
    lines: list[int] = []
    for number, row in enumerate(rows, 1):
        value = _milliseconds(row)
        if value is None:
            raise TraceError(
                f"{place}:{number}: expected a whole number of milliseconds, got {show(row)}"
            )
        if lines and value < lines[-1]:
            raise TraceError(
                f"{place}:{number}: expected at least the line before, {lines[-1]}, got {value}"
            )
        lines.append(value)
    if lines[-1] == 0:
        raise TraceError(
            f"{place}:{len(lines)}: expected a last line of more than 0, the length of a cycle, "
            "got 0"
        )
    return DeliveryTrace(tuple(lines), repeat)


def _milliseconds(row: str) -> int | None:
    text = row.strip()
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_MS)):
        return None
    value = int(text)
    return value if value <= MAX_MS else None


def preset(name: str, *, repeat: bool = True, until_ms: int | None = None) -> DeliveryTrace:
    """Return a trace that is shipped, or its lines up to ``until_ms``; TraceError if there is
    none of that name."""
    if name not in PRESETS:
        raise TraceError(f"expected one of {', '.join(PRESETS)}, got {show(name)}")
    lines: Sequence[int] = _read_preset(name)
    if until_ms is not None:
        lines = lines[: bisect_right(lines, until_ms)]
    return DeliveryTrace(tuple(lines), repeat)


@lru_cache
def _read_preset(name: str) -> tuple[int, ...]:
    with lzma.open(_FOLDER / f"{name}.xz", "rt", encoding="ascii") as file:
        return parse_trace(file.read(), name).lines
