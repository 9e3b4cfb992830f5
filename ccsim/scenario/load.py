"""Reading scenarios: text, overrides, names, values, and how they agree, in this order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ccsim.catalog import find_scenario
from ccsim.errors import Problem, ScenarioError
from ccsim.files import read_bounded
from ccsim.scenario.document import MAX_DOCUMENT_BYTES, Document, parse_document
from ccsim.scenario.objects import incomplete_tables, known_names, read_objects
from ccsim.scenario.overrides import apply_overrides
from ccsim.scenario.path_document import complete_path
from ccsim.scenario.problems import problems_of
from ccsim.scenario.resolve import resolve
from ccsim.scenario.spec import ScenarioSpec
from ccsim.scenario.write import scenario_text
from ccsim.spec import Scenario
from ccsim.spec.limits import is_harmless

__all__ = [
    "GIVEN",
    "build_scenario",
    "keys_text",
    "load_scenario",
    "parse_scenario",
    "read_document",
]

GIVEN = "<dict>"
"""What stands for a file where keys are given."""


def load_scenario(
    path: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), seed: int | None = None
) -> Scenario:
    """Read and validate a scenario file, a shipped scenario by its bare name, or its keys.

    ``overrides`` are ``key=value`` with dotted keys, such as ``path.rate=1 Gbit/s``; ``seed``
    replaces the scenario's. Raises ScenarioError with every problem found; runs no code.
    """
    all_overrides = [*overrides, *([] if seed is None else [f"seed={seed}"])]
    if isinstance(path, Mapping):
        return _of_keys(path, all_overrides)
    file = find_scenario(str(path))
    try:
        return _load(file, str(path), all_overrides)
    except ScenarioError as error:
        if not all_overrides:
            raise
        raise ScenarioError(*_blamed(error, file, str(path), all_overrides)) from None


def _of_keys(keys: Mapping[str, Any], overrides: Sequence[str]) -> Scenario:
    """Validate the keys of a scenario; errors name lines of the text that they are as YAML."""
    document = parse_document(keys_text({"name": "scenario", **keys}), GIVEN)
    return build_scenario(document, Path(), "", apply_overrides(document, overrides))


def keys_text(keys: Mapping[str, Any]) -> str:
    """Return keys as the YAML of a file; ScenarioError for a value that YAML does not have."""
    try:
        return scenario_text(keys)
    except TypeError as error:
        raise ScenarioError(Problem(GIVEN, 0, 0, "", str(error))) from error


def _load(file: Path, given: str, overrides: Sequence[str]) -> Scenario:
    document = read_document(file, given)
    problems = apply_overrides(document, overrides)
    return build_scenario(document, file.parent, str(file.resolve()), problems)


def _blamed(
    error: ScenarioError, file: Path, given: str, overrides: Sequence[str]
) -> Iterator[Problem]:
    """Yield the problems; one that is none without an override says so.

    A user who shortens a run should not read that the shipped file is wrong as it swaps too late.
    """
    without = {
        text: _problems(file, given, [o for o in overrides if o != text]) for text in overrides
    }
    for problem in error.problems:
        guilty = next((text for text in overrides if problem not in without[text]), "")
        if not problem.line or not guilty:
            yield problem
            continue
        where = f"{problem.path} in {given}, line {problem.line}"
        hint = f"hint: override {problem.path} too"
        message = f"does not fit {where}: {problem.message}; {hint}"
        yield Problem(f"override {guilty!r}", 0, 0, guilty.partition("=")[0].strip(), message)


def _problems(file: Path, given: str, overrides: Sequence[str]) -> tuple[Problem, ...]:
    try:
        _load(file, given, overrides)
    except ScenarioError as error:
        return error.problems
    return ()


def read_document(file: Path, given: str) -> Document:
    """Return the document in a file, which errors call as it was ``given``; ScenarioError."""
    try:
        text = read_bounded(file, MAX_DOCUMENT_BYTES)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise ScenarioError(Problem(given, 0, 0, "", message)) from error
    return parse_document(text, str(file))


def parse_scenario(text: str, name: str, folder: str | Path = ".") -> Scenario:
    """Validate a scenario given as text; ``name`` stands for its file in errors.

    Object files are looked up in ``folder``. Raises ScenarioError with every problem found.
    """
    return build_scenario(parse_document(text, name), Path(folder))


def build_scenario(
    document: Document, folder: Path, source: str = "", problems: Sequence[Problem] = ()
) -> Scenario:
    """Validate a document in which overrides have been set, with what was wrong about those.

    Object files are looked up in ``folder``; ``source`` is the file's path. Raises ScenarioError
    with every problem found.
    """
    _name_after_file(document)
    files, missing = read_objects(document, folder)
    traces, unread = complete_path(document, folder)
    known = known_names(document, files)
    problems = [*problems, *missing, *unread, *incomplete_tables(document, files)]
    try:
        written = ScenarioSpec.model_validate(document.data, context=known)
    except ValidationError as error:
        problems += problems_of(error, document)
        raise ScenarioError(*problems) from None
    if problems:
        raise ScenarioError(*problems)
    return resolve(written, document, files, source, traces)


def _name_after_file(document: Document) -> None:
    """Let the file's name stand for a name that is not given."""
    stem = Path(document.file).stem
    if "name" not in document.data and is_harmless(stem):
        document.data["name"] = stem
