"""YAML text to plain data, with the line and column of every key and value.

Only the node graph of ruamel.yaml is used: no tag constructs an object, keys are unique, and
aliases are expanded under a limit, so that a document cannot grow in memory beyond its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ccsim.errors import Problem, ScenarioError
from ccsim.units import show

__all__ = ["MAX_DOCUMENT_BYTES", "Document", "Location", "parse_document", "parse_value"]

MAX_DOCUMENT_BYTES = 256 * 1024
MAX_VALUES = 20_000  # after aliases are expanded
MAX_DEPTH = 20
_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = {"null", "bool", "int", "float", "str"}

Step = str | int
Location = tuple[Step, ...]


@dataclass(slots=True)
class Document:
    """Plain data of one file; ``keys`` and ``values`` hold the (line, column) of each location."""

    file: str
    data: Any = None
    keys: dict[Location, tuple[int, int]] = field(default_factory=dict)
    values: dict[Location, tuple[int, int]] = field(default_factory=dict)
    overridden: dict[Location, str] = field(default_factory=dict)
    """Locations that an override has set, with the override as it was given."""

    def problem(self, location: Location, message: str, *, at_key: bool = False) -> Problem:
        """Return a problem placed at a value (or its key), or at the nearest enclosing value."""
        path = ".".join(map(str, location))
        for length in range(len(location), -1, -1):
            part = location[:length]
            if part in self.overridden:
                return Problem(f"override {self.overridden[part]!r}", 0, 0, path, message)
            places = self.keys if at_key and length == len(location) else self.values
            if part in places:
                return Problem(self.file, *places[part], path, message)
        return Problem(self.file, 1, 1, path, message)

    def get(self, *location: Step) -> Any:
        """Return the value at a location, None where there is none."""
        value = self.data
        for step in location:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value


def parse_document(text: str | bytes, file: str) -> Document:
    """Return the mapping that a YAML text holds; ScenarioError for whatever else it holds."""
    document = Document(file)
    root = _compose(_decode(text, document), document)
    if not isinstance(root, MappingNode):
        got = "an empty file" if root is None else show(_Builder(document).build(root, ()))
        raise ScenarioError(
            Problem(file, 1, 1, "", f'expected a mapping such as "name: …", got {got}')
        )
    document.data = _Builder(document).build(root, ())
    return document


def parse_value(text: str, file: str) -> Any:
    """Return the value of a short YAML text, such as the right side of an override."""
    document = Document(file)
    root = _compose(_decode(text, document), document)
    return None if root is None else _Builder(document).build(root, ())


def _decode(text: str | bytes, document: Document) -> str:
    """Return the text of a file within the size limit; UTF-8 only."""
    size = len(text.encode(errors="replace") if isinstance(text, str) else text)
    if size > MAX_DOCUMENT_BYTES:
        message = f"expected at most {MAX_DOCUMENT_BYTES // 1024} KiB of YAML, got more"
        raise ScenarioError(Problem(document.file, 0, 0, "", message))
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        message = f"expected UTF-8 text, got byte 0x{text[error.start]:02x}"
        raise ScenarioError(Problem(document.file, line, column, "", message)) from error


def _compose(text: str, document: Document) -> Node | None:
    """Return ruamel's node graph, in which every node knows where it stands."""
    yaml = YAML(typ="safe", pure=True)
    try:
        node: Node | None = yaml.compose(text)
        return node
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = " ".join(str(error.problem or error.context).split())
        problem = Problem(document.file, line, column, "", f"not valid YAML: {message}")
        raise ScenarioError(problem) from error
    except YAMLError as error:
        message = " ".join(str(error).split())
        raise ScenarioError(
            Problem(document.file, 1, 1, "", f"not valid YAML: {message}")
        ) from error
    except RecursionError as error:
        raise ScenarioError(Problem(document.file, 1, 1, "", _too_deep())) from error


def _too_deep() -> str:
    return f"expected at most {MAX_DEPTH} levels of nesting, got more"


class _Builder:
    """Turns nodes into plain data and notes where each key and value stands."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0

    def build(self, node: Node, location: Location) -> Any:
        """Return the plain value of a node, aliases expanded."""
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        self.document.values[location] = place
        self.count += 1
        if self.count > MAX_VALUES:
            raise self._error(place, location, f"expected at most {MAX_VALUES} values, got more")
        if len(location) > MAX_DEPTH:
            raise self._error(place, location[:3], _too_deep())
        if isinstance(node, MappingNode):
            self._check_tag(node, location, {"map"})
            return self._mapping(node, location)
        if isinstance(node, SequenceNode):
            self._check_tag(node, location, {"seq"})
            return [self.build(item, (*location, i)) for i, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, location)

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            key = self._key(key_node, place, location)
            if key in plain:
                first = self.document.keys[(*location, key)][0]
                message = f"key {key!r} is given twice; the first is on line {first}"
                raise self._error(place, location, message)
            self.document.keys[(*location, key)] = place
            plain[key] = self.build(value_node, (*location, key))
        return plain

    def _key(self, node: Node, place: tuple[int, int], location: Location) -> str:
        if not isinstance(node, ScalarNode):
            raise self._error(place, location, "expected a word as key, got a list or mapping")
        if str(node.tag) == f"{_CORE}merge":
            message = "merge keys (<<) are not understood; write the keys out"
            raise self._error(place, location, message)
        return self._text(node, place, location)

    def _text(self, node: ScalarNode, place: tuple[int, int], location: Location) -> str:
        """Return what a node holds; a surrogate is half a character, which nothing can store."""
        text = str(node.value)
        for character in text:
            if "\ud800" <= character <= "\udfff":
                message = f"expected text, got half a character, \\u{ord(character):04x}"
                raise self._error(place, location, message)
        return text

    def _scalar(self, node: ScalarNode, location: Location) -> Any:
        tag = str(node.tag).removeprefix(_CORE)
        if tag == "timestamp":  # 2026-01-01 is a date to YAML, and a text here
            return str(node.value)
        self._check_tag(node, location, _PLAIN_TAGS)
        text = self._text(node, self.document.values[location], location)
        try:
            return _PARSE[tag](text)
        except ValueError:
            place = self.document.values[location]
            message = f"expected a YAML {tag}, got {show(node.value)}"
            raise self._error(place, location, message) from None

    def _check_tag(self, node: Node, location: Location, allowed: set[str]) -> None:
        tag = str(node.tag)
        if not tag.startswith(_CORE) or tag.removeprefix(_CORE) not in allowed:
            place = self.document.values[location]
            message = f"expected plain data, got the tag {tag!r}; tags are not understood"
            raise self._error(place, location, message)

    def _error(self, place: tuple[int, int], location: Location, message: str) -> ScenarioError:
        path = ".".join(map(str, location))
        return ScenarioError(Problem(self.document.file, *place, path, message))


def _parse_int(text: str) -> int:
    """Return a YAML 1.2 integer: decimal (zeros may lead), 0o17, 0xff or 0b1; 30 digits at most."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.lstrip("+"))
    if len(digits) > 30:
        raise ValueError(text)
    return sign * int(digits, 0 if digits[:2].lower() in ("0x", "0o", "0b") else 10)


def _parse_float(text: str) -> float:
    """Return a YAML 1.2 float: .inf and .nan are spelled with a dot."""
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _parse_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_PARSE: Mapping[str, Any] = {
    "null": lambda _: None,
    "bool": _parse_bool,
    "int": _parse_int,
    "float": _parse_float,
    "str": str,
}
