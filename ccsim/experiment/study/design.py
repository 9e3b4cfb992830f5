"""Designs: which values a study gives to which keys, and what its tables call them."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.catalog import labelled
from ccsim.experiment.study.quantity import common_kind, quantity, written
from ccsim.experiment.study.sampling import latin_hypercube, sobol
from ccsim.sim.streams import stream_seed
from ccsim.units import show

__all__ = ["Factor", "Level", "Range", "Setting", "columns_of", "crossed", "drawn", "sampled"]

Place = tuple[int, int]
"""Line and column in the study's file, from 1."""
Columns = dict[str, Any]
_CHOICE = re.compile(r"\.(congestion|to)\Z")


@dataclass(frozen=True, slots=True)
class Setting:
    """One scenario key and its value; ``place`` is where the study says so."""

    key: str
    value: Any
    place: Place


@dataclass(frozen=True, slots=True)
class Level:
    """One choice of a factor: settings made together, and the columns that tell them."""

    settings: tuple[Setting, ...]
    columns: Columns = field(default_factory=dict)


Factor = tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """What a key is drawn from: ``low`` to ``high`` as written, or one of ``choices``."""

    key: str
    place: Place
    low: Any = None
    high: Any = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if self.choices:
            return
        kind = common_kind(self.low, self.high)
        if kind is None:
            raise ValueError(
                "expected two numbers of one kind such as [10 Mbit/s, 1 Gbit/s], "
                f"got {show(self.low)} and {show(self.high)}"
            )
        low, high = self._ends()
        if not low < high:
            raise ValueError(f"expected the lower end first, got {self.low} to {self.high}")
        if self.log and low <= 0:
            raise ValueError(f"expected a lower end above 0 on a log scale, got {self.low}")

    def at(self, u: float) -> Any:
        """Return the value at a place in [0, 1) of the range."""
        if self.choices:
            return self.choices[int(u * len(self.choices))]
        low, high = self._ends()
        kind = str(common_kind(self.low, self.high))
        if self.log:
            number = math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
        elif kind in ("int", "packets"):
            number = low + math.floor(u * (high - low + 1))  # each is equally likely
        else:
            number = low + u * (high - low)
        ends = (quantity(self.low), quantity(self.high))
        coarse = all(end is not None and end.number % 1000 == 0 for end in ends)
        return written(kind, number, coarse)

    def _ends(self) -> tuple[float, float]:
        low, high = quantity(self.low), quantity(self.high)
        assert low is not None
        assert high is not None
        return float(low.number), float(high.number)


def crossed(factors: Sequence[Factor]) -> Iterator[Level]:
    """Yield every combination of the factors' levels; the last factor varies fastest."""
    for levels in itertools.product(*factors):
        settings = tuple(setting for level in levels for setting in level.settings)
        columns: Columns = {}
        for level in levels:
            columns |= level.columns
        yield Level(settings, columns)


def sampled(method: str, ranges: Sequence[Range], points: int, seed: int) -> Factor:
    """Return a factor of ``points`` levels that fill the ranges: "random" or "sobol"."""
    sample = latin_hypercube if method == "random" else sobol
    cube: NDArray[np.float64] = sample(points, len(ranges), seed)
    levels = []
    for row in cube:
        values = [each.at(float(u)) for each, u in zip(ranges, row, strict=True)]
        settings = tuple(
            Setting(each.key, value, each.place) for each, value in zip(ranges, values, strict=True)
        )
        levels.append(Level(settings, columns_of(settings)))
    return tuple(levels)


def drawn(ranges: Sequence[Range], seed: int) -> Level:
    """Return what a seed draws for each key, uniform and independent of the other keys."""
    settings = []
    for each in ranges:
        generator = np.random.Generator(np.random.PCG64(stream_seed(seed, f"jitter {each.key}")))
        settings.append(Setting(each.key, each.at(float(generator.random())), each.place))
    return Level(tuple(settings), columns_of(tuple(settings)))


def columns_of(settings: Sequence[Setting], name: str = "", label: str = "") -> Columns:
    """Return the columns of settings: the label under the factor's name, then key by key.

    An algorithm with parameters is called as in the tables of a run, ``cubic(hystart=false)``;
    another mapping or list is JSON text, and left out where there is a label.
    """
    columns: Columns = {name: label} if label else {}
    for setting in settings:
        value = _algorithm(setting) or setting.value
        plain = not isinstance(value, Mapping | list)
        if plain or not label:
            columns[setting.key] = value if plain else _compact(value)
    return columns


def _algorithm(setting: Setting) -> str:
    """Return the label of an algorithm with parameters; empty for any other setting."""
    chosen, key = setting.value, setting.key
    if not isinstance(chosen, Mapping) or not (key.startswith("links.") or _CHOICE.search(key)):
        return ""
    params = {name: value for name, value in chosen.items() if name != "name"}
    return labelled(str(chosen["name"]), params) if "name" in chosen else ""


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
