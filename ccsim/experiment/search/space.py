"""What a search varies: ranges of a scenario's keys, and their values as a scenario has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ccsim.errors import CcsimError
from ccsim.scenario import Scenario
from ccsim.units import format_time, parse_time_ns, show

__all__ = ["MS", "SearchError", "SearchRange", "instants", "parse_range"]

MS = 1_000_000
WINDOW_NS = 10_000_000_000
"""A swap is observed for 10 s: by default as much is left after the last instant looked at."""
_END = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[A-Za-zµ%][A-Za-zµ/%]*)?\Z")


class SearchError(CcsimError, ValueError):
    """A search that cannot be made: what was expected, and what came."""


@dataclass(frozen=True)
class SearchRange:
    """One key and the numbers that its value may have, in ``unit``; ``whole``: whole ones alone."""

    key: str
    low: float
    high: float
    unit: str = ""
    whole: bool = False

    @property
    def log(self) -> bool:
        """Whether it spans so much that its orders of magnitude count."""
        return not self.whole and self.low > 0 and self.high >= 10 * self.low

    def value(self, number: float) -> Any:
        """Return a number as the scenario has it: four significant digits and the unit."""
        if self.unit == "ms" and self.whole:
            return format_time(round(number) * MS)
        if self.whole:
            return round(number)
        text = f"{float(f'{number:.4g}'):.12f}".rstrip("0").rstrip(".")
        return f"{text} {self.unit}" if self.unit else float(text)


def parse_range(text: str) -> SearchRange:
    """Return the range in ``path.buffer=0.5..2BDP``; SearchError for anything else."""
    expected = f'expected key=LOW..HIGH such as "path.buffer=0.5..2 BDP", got {show(text)}'
    key, equals, ends = text.partition("=")
    low_text, dots, high_text = ends.partition("..")
    low, high = (_END.match(end.strip()) for end in (low_text, high_text))
    if not (key.strip() and equals and dots and low and high):
        raise SearchError(f"search: {expected}")
    units = {end["unit"] for end in (low, high) if end["unit"]}
    if len(units) > 1:
        raise SearchError(f"search: {key.strip()}: expected one unit for both ends, got {ends!r}")
    unit = units.pop() if units else ""
    whole = not unit and "." not in low["number"] + high["number"]
    found = SearchRange(key.strip(), float(low["number"]), float(high["number"]), unit, whole)
    if not found.low < found.high:
        raise SearchError(
            f"search: {found.key}: expected a low end below the high one, got {ends!r}"
        )
    return found


def instants(scenario: Scenario, swap: int, between: str = "") -> SearchRange:
    """Return the instants at which a swap may be, in whole milliseconds.

    ``between`` is ``5 s..30 s``; without it, from the start of the last flow that it reaches until
    the window of observation would be cut, but at least half of what is left. SearchError if there
    is no room.
    """
    if not 0 <= swap < len(scenario.swaps):
        got = f"{len(scenario.swaps)} in {scenario.name!r}"
        raise SearchError(f"search: expected the number of a swap from 0 on, got {swap} of {got}")
    low, high = _parsed(between) if between else _room(scenario, swap)
    if not 0 < low < high < scenario.duration_ns // MS:
        span = f"{format_time(low * MS)}..{format_time(high * MS)}"
        run = format_time(scenario.duration_ns)
        raise SearchError(f"search: expected instants inside the run of {run}, got {span}")
    return SearchRange(f"swaps.{swap}.at", low, high, "ms", whole=True)


def _parsed(between: str) -> tuple[int, int]:
    low, dots, high = between.partition("..")
    try:
        if dots:
            return -(-parse_time_ns(low.strip()) // MS), parse_time_ns(high.strip()) // MS
    except ValueError as error:
        raise SearchError(f"search: instants: {error}") from error
    raise SearchError(f'search: expected instants such as "5 s..30 s", got {show(between)}')


def _room(scenario: Scenario, swap: int) -> tuple[int, int]:
    reached = [flow for flow in scenario.flows if flow.name in scenario.swaps[swap].flows]
    start = max((flow.start_ns for flow in reached), default=0)
    stops = [flow.stop_ns for flow in reached if flow.stop_ns is not None]
    end = min([scenario.duration_ns, *stops])
    return start // MS + 1, (end - min(WINDOW_NS, (end - start) // 2)) // MS
