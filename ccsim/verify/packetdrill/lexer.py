"""The words of a packetdrill script, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ccsim.verify.packetdrill.errors import PktError, Place

__all__ = ["Token", "tokens"]

# The longest match wins, and of equally long ones the first, as in flex.
KINDS = (
    ("space", r"[ \t\r\n\f]+"),
    ("comment", r"//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/"),
    ("code", r"%\{(?:[^}]|\}(?!%))*\}%"),
    ("command", r"`(?:\\.|[^`])*`"),
    ("string", r'"(?:\\.|[^"])*"'),
    ("option", r"--[a-zA-Z0-9_]+(?:=(?:\"[^\"\n]*\"|`[^`]*`|[^\s\"`]+)*)?"),
    ("address", r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+"),
    ("ellipsis", r"\.\.\."),
    ("float", r"-?[0-9]*\.[0-9]+"),
    ("hex", r"0x[0-9a-fA-F]+"),
    ("integer", r"-?[0-9]+"),
    ("word", r"sequence#|[a-zA-Z0-9_]+"),
    ("sign", r"[^ \t\n]"),
)
PATTERNS = tuple((kind, re.compile(pattern, re.DOTALL)) for kind, pattern in KINDS)
SILENT = {"space", "comment"}
UNCLOSED = {"`": "a closing '`'", '"': "a closing '\"'", "%{": "'}%'", "/*": "'*/'"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word: its kind, its text as written, its place. ``glued``: nothing stands before it."""

    kind: str
    text: str
    place: Place
    glued: bool = False


def tokens(text: str, file: str) -> Iterator[Token]:
    """Yield the words of a script, the last of kind ``end``; PktError for one that is not closed.

    White space and comments separate words and are nothing else.
    """
    at, line, start = 0, 1, 0  # `start`: where the line begins
    glued = False
    while at < len(text):
        kind, word = _longest(text, at)
        place = Place(file, line, at - start + 1)
        if kind == "sign":
            _check_closed(text, at, place)
        if kind not in SILENT:
            yield Token(kind, word, place, glued)
        glued = kind not in SILENT
        newlines = word.count("\n")
        if newlines:
            line += newlines
            start = at + word.rindex("\n") + 1
        at += len(word)
    yield Token("end", "", Place(file, line, at - start + 1))


def _longest(text: str, at: int) -> tuple[str, str]:
    best_kind, best = "sign", ""
    for kind, pattern in PATTERNS:
        found = pattern.match(text, at)
        if found is not None and len(found.group()) > len(best):
            best_kind, best = kind, found.group()
    return best_kind, best


def _check_closed(text: str, at: int, place: Place) -> None:
    for opening, closing in UNCLOSED.items():
        if text.startswith(opening, at):
            raise PktError(place, f"expected {closing}, got the end of the script")
