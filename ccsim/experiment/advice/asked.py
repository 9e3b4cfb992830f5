"""What is asked: two algorithms, which may be files, and what they meet, in a user's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ccsim.errors import CcsimError, Problem, ScenarioError
from ccsim.experiment.advice.algorithm import Algorithm, algorithm_of
from ccsim.experiment.advice.surroundings import Surroundings, surroundings_of
from ccsim.scenario import Scenario, load_scenario

__all__ = ["Asked", "asked"]

_WORDS = {"flows.0.congestion": "FROM", "swaps.0.to": "TO"}
"""What a key of the scenario is called on the command line."""
_CROSSES = re.compile(r"(?:flows|traffic)\.\d+\b")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: from which algorithm to which, among what; ``texts`` are the words of the
    command line, ``scenario`` is one flow of the old algorithm there."""

    texts: tuple[str, str, str]
    old: Algorithm
    new: Algorithm
    around: Surroundings
    scenario: Scenario

    @property
    def objects(self) -> list[Any]:
        """The algorithm files, each once."""
        return _objects((self.old, self.new), self.around)


def asked(old: str, new: str, path: str, cross: Sequence[str] = ()) -> Asked:
    """Return the question that the words of a command line make.

    ``old`` and ``new`` are names, names with parameters as tables list them,
    ``cubic(hystart=false)``, or files, with ``:MAP`` where a file has several. ``path`` and
    ``cross`` are as `surroundings_of` has them: ``rate=20 Mbit/s,rtt=40 ms`` and ``2 cubic``.
    CcsimError says what is wrong with which of them.
    """
    algorithms = algorithm_of("FROM", old), algorithm_of("TO", new)
    _check_apart(*algorithms)
    around = surroundings_of(path, cross)
    return Asked((old, new, path), *algorithms, around, _scenario(algorithms, around))


def _objects(algorithms: Sequence[Algorithm], around: Surroundings) -> list[Any]:
    files = dict.fromkeys(one.file for one in algorithms if one.file)
    return [*(file for file in files if file not in around.objects), *around.objects]


def _scenario(algorithms: Sequence[Algorithm], around: Surroundings) -> Scenario:
    """Return one flow among the others that may choose either, which validates all of it."""
    old, new = algorithms
    keys = {
        "name": "advise",
        "duration": "2 s",
        **around.keys,
        "objects": _objects(algorithms, around),
        "links": around.links,
        "flows": [{"name": "bulk", "congestion": old.as_name}, *around.flows],
        "swaps": [{"at": "1 s", "via": "setsockopt", "flows": ["bulk"], "to": new.as_name}],
    }
    try:
        return load_scenario(keys)
    except ScenarioError as error:  # it speaks of keys that the user did not write
        raise CcsimError("\n".join(_in_words(one) for one in error.problems)) from None


def _in_words(problem: Problem) -> str:
    """Return a problem of the scenario in terms of the command line."""
    place = problem.path
    for key, word in _WORDS.items():
        place = word + place.removeprefix(key) if place.startswith(key) else place
    place = _CROSSES.sub("--cross", place).removesuffix(".congestion")
    return f"advise: {place}: {problem.message}"


def _check_apart(old: Algorithm, new: Algorithm) -> None:
    """Refuse two tables of one name: a kernel could not hold both."""
    if (
        old.file
        and new.file
        and old.name == new.name
        and (old.file, old.map) != (new.file, new.map)
    ):
        raise CcsimError(
            f"advise: TO: {new.file}: expected another name than FROM's, got {new.name!r} twice; "
            "rename one, as two maps of one name cannot be registered"
        )
