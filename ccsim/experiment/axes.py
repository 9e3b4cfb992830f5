"""Numeric factors of a study as axes: a buffer, a rate, an instant, in units a reader uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccsim.experiment.study.quantity import common_kind, quantity

__all__ = ["Axis", "axes_of"]

Row = Mapping[str, Any]
_UNITS: dict[str, tuple[tuple[float, str], ...]] = {
    "ns": ((1e9, "s"), (1e6, "ms"), (1e3, "µs")),
    "bps": ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")),
    "bytes": ((1e6, "MB"), (1e3, "kB"), (1.0, "bytes")),
    "bdp": ((1.0, "BDP"),),
    "packets": ((1.0, "packets"),),
    "ratio": ((0.01, "%"),),
}
"""Of each kind of quantity the units, the largest first."""
LOG_FROM = 20.0
"""Values that span more than this factor stand on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A numeric factor: its column, its title with the unit, its values in that unit, ascending."""

    name: str
    title: str
    unit: float
    values: tuple[float, ...]

    @property
    def log(self) -> bool:
        """Whether its values need a logarithmic axis."""
        return self.values[0] > 0 and self.values[-1] > LOG_FROM * self.values[0]

    def at(self, row: Row) -> float:
        """Return where a row stands on it."""
        found = quantity(row[self.name])
        assert found is not None
        return round(found.number / self.unit, 9)


def axes_of(names: Sequence[str], rows: Sequence[Row]) -> tuple[Axis, ...]:
    """Return the axes of those columns whose values are all numbers of one kind, two or more."""
    return tuple(axis for name in names if (axis := _axis(name, [row[name] for row in rows])))


def _axis(name: str, values: Iterable[Any]) -> Axis | None:
    distinct = list(dict.fromkeys(values))
    kind = common_kind(*distinct) if len(distinct) > 1 else None
    if kind is None:
        return None
    numbers = sorted(found.number for value in distinct if (found := quantity(value)))
    smallest = min((abs(number) for number in numbers if number), default=0)
    units = _UNITS.get(kind, ((1.0, ""),))
    unit, text = next((one for one in units if one[0] <= smallest), units[-1])
    title = f"{_called(name)} ({text})" if text else _called(name)
    return Axis(name, title, unit, tuple(round(number / unit, 9) for number in numbers))


def _called(name: str) -> str:
    """Return what a key is called beside an axis: ``buffer``, ``swap at``, ``bulk start``."""
    parts = name.split(".")
    last = parts[-1].replace("_", " ")
    if parts[0] == "swaps":
        return f"swap {last}"
    return f"{parts[-2]} {last}" if parts[0] in ("flows", "workloads") and len(parts) > 2 else last
