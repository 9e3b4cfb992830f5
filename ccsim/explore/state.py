"""What the page is looking at: a scenario's text and what its knobs have changed.

A state comes from a browser, so it is data: whatever files it names lie in the folder from which
the page was started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.errors import Problem, ScenarioError
from ccsim.scenario.document import Document, parse_document
from ccsim.scenario.load import build_scenario
from ccsim.scenario.overrides import apply_overrides
from ccsim.scenario.write import scenario_text
from ccsim.spec import Scenario

__all__ = ["MAX_PACKETS", "State", "read_state"]

FILE_KEYS = frozenset({"objects", "file", "trace"})
"""Keys whose texts may name files."""
MAX_PACKETS = 5_000_000
"""How many packets a state may send at most: more would not be redrawn while one waits."""
PACKET_BITS = 12_000


@dataclass(frozen=True)
class State:
    """A scenario's text and overrides, dotted keys to YAML values, in the order of knobs."""

    text: str
    overrides: tuple[tuple[str, str], ...] = ()


def read_state(state: State, folder: Path, name: str) -> tuple[Scenario, str]:
    """Return the scenario of a state and its text with the overrides in it.

    ``folder`` is where its files lie, ``name`` what errors call it. ScenarioError with all that is
    wrong, also if it names a file elsewhere or would simulate more than `MAX_PACKETS`.
    """
    document = parse_document(state.text, name)
    problems = apply_overrides(document, [f"{key}={value}" for key, value in state.overrides])
    strangers = list(_outside(document, folder))
    if strangers:
        raise ScenarioError(*strangers)
    text = scenario_text(document.data)
    scenario = build_scenario(document, folder, "", problems)
    _require_soon_done(scenario, name)
    return scenario, text


def _outside(document: Document, folder: Path) -> Iterator[Problem]:
    """Yield a problem for each file that a document names outside the folder."""
    for location, text in _files(document.data, ()):
        place = (folder / text).resolve()
        if not place.is_relative_to(folder.resolve()):
            message = f"expected a file in the folder from which the page was started, got {text!r}"
            yield document.problem(location, message)


def _files(value: Any, location: tuple[str | int, ...], named: bool = False) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _files(inner, (*location, key), key in FILE_KEYS)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _files(inner, (*location, index), named)
    elif named and isinstance(value, str):
        yield location, value


def _require_soon_done(scenario: Scenario, name: str) -> None:
    resolved = scenario.resolved()
    rate = (resolved.get("path") or {}).get("rate_bps") or 0
    packets = rate * resolved["duration_ns"] // 1_000_000_000 // PACKET_BITS
    if packets > MAX_PACKETS:
        message = (
            f"expected at most {MAX_PACKETS // 1_000_000} million packets (rate × duration), which "
            f"are redrawn at once, got {packets / 1e6:.1f}; use ccsim run, or a shorter duration"
        )
        raise ScenarioError(Problem(name, 0, 0, "duration", message))
