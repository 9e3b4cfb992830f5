"""A scenario's document with other values in it: candidates, and the smallest that still hurts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ccsim.errors import ScenarioError
from ccsim.experiment.search.space import WINDOW_NS
from ccsim.scenario import Scenario, parse_scenario
from ccsim.scenario.document import Document, parse_document
from ccsim.scenario.overrides import apply_overrides
from ccsim.scenario.write import scenario_text
from ccsim.units import NS_PER_S, format_time

__all__ = ["Candidates", "smaller"]

MOST_CUTS = 16
"""Each costs a simulation and a twin: of scenarios with many flows not all are tried."""
_AFTER = {"time_to_b_twin_s"}
"""Metrics for which the time after the window counts too."""

Data = dict[str, Any]


class Candidates:
    """Scenarios that differ from a given one in some values.

    Every candidate is made as text and read back, so that what a search found is what its file
    holds. ScenarioError tells what is wrong with one.
    """

    def __init__(self, scenario: Scenario, overrides: Sequence[str] = ()) -> None:
        file = Path(scenario.source)
        document = parse_document(file.read_bytes(), scenario.source)
        if problems := apply_overrides(document, [*overrides, f"seed={scenario.seed}"]):
            raise ScenarioError(*problems)
        self.data: Data = {"name": scenario.name, **document.data}
        self.folder = file.parent

    def changed(self, values: Mapping[str, Any]) -> Data:
        """Return the data with some dotted keys set."""
        document = Document("", copy.deepcopy(self.data))
        given = [f"{key}={_yaml(value)}" for key, value in values.items()]
        if problems := apply_overrides(document, given):
            raise ScenarioError(*problems)
        data: Data = document.data
        return data

    def scenario(self, data: Data) -> Scenario:
        """Return the scenario of some data."""
        return parse_scenario(scenario_text(data), str(data["name"]), self.folder)


def _yaml(value: Any) -> str:
    return scenario_text({"x": value}).partition(": ")[2].strip()


def smaller(
    candidates: Candidates,
    data: Data,
    swap: int,
    metric: str,
    equal: Callable[[Scenario, int], bool],
) -> tuple[Data, int]:
    """Return the data with all left out that the metric does not need, and the swap's new number.

    Each cut is kept if ``equal`` says that the metric of the swap with the given number is the
    same: the time after the window, other swaps, flows and listeners, the description.
    """
    for cut in islice(_cuts(data, swap, metric, candidates.scenario(data)), MOST_CUTS):
        smaller_data, number = cut(data, swap)
        if smaller_data == data:
            continue
        try:
            scenario = candidates.scenario(smaller_data)
        except ScenarioError:
            continue  # something refers to what was cut
        if equal(scenario, number):
            data, swap = smaller_data, number
    return data, swap


Cut = Callable[[Data, int], tuple[Data, int]]


def _cuts(data: Data, swap: int, metric: str, scenario: Scenario) -> Iterator[Cut]:
    """Yield what may be left out, the largest parts first; once the rest has gone, the time after
    the window again, which something later may have needed."""
    window_end = scenario.swaps[swap].at_ns + scenario.swaps[swap].over_ns + WINDOW_NS
    shorter = -(-window_end // NS_PER_S) * NS_PER_S
    cut_time: list[Cut] = []
    if metric not in _AFTER and shorter < scenario.duration_ns:
        cut_time = [lambda data, k: ({**data, "duration": format_time(shorter)}, k)]
    yield from cut_time
    yield from (_without("swaps", one) for one in _others(data, "swaps", [data["swaps"][swap]]))
    for section in ("flows", "listeners"):
        yield from (_without(section, one) for one in _others(data, section, []))
    yield from cut_time
    yield lambda data, k: ({key: v for key, v in data.items() if key != "description"}, k)


def _others(data: Data, section: str, kept: list[Any]) -> list[Any]:
    return [one for one in reversed(data.get(section) or []) if one not in kept]


def _without(section: str, entry: Any) -> Cut:
    """Return the cut of one entry of a list."""

    def cut(data: Data, swap: int) -> tuple[Data, int]:
        entries = list(data[section])
        number = entries.index(entry)
        entries.pop(number)
        left = {key: value for key, value in data.items() if key != section or entries}
        if entries:
            left[section] = entries
        return left, swap - (section == "swaps" and number < swap)

    return cut
