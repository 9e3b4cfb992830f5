"""System calls in a script: name, arguments, result."""

from __future__ import annotations

from typing import Any

from ccsim.verify.packetdrill.errors import PktError
from ccsim.verify.packetdrill.script import ANY, Call, Name
from ccsim.verify.packetdrill.words import Words

__all__ = ["call"]

DEEPEST = 20


def call(words: Words, end_us: int | None) -> Call:
    """Parse ``name(arguments) = result ERRNO (note)``."""
    name = words.next()
    words.expect("(")
    args = _list(words, ")")
    words.expect("=")
    result = _expression(words)
    errno = None
    if words.now.kind == "word":
        errno = words.next().text
    if words.take("("):
        _note(words)
    return Call(name.place, name.text, tuple(args), result, errno, end_us)


def _note(words: Words) -> None:
    while not words.take(")"):
        word = words.next()
        if word.kind == "end":
            raise PktError(word.place, "expected ')', got the end of the script")


def _list(words: Words, closing: str, depth: int = 0) -> list[Any]:
    values: list[Any] = []
    if words.take(closing):
        return values
    while True:
        values.append(_expression(words, depth))
        if words.take(closing):
            return values
        words.expect(",")


def _expression(words: Words, depth: int = 0) -> Any:
    """Return an argument: a number, text, a `Name`, a list, a structure (dict), ANY."""
    if depth > DEEPEST:
        raise PktError(words.now.place, f"expected arguments nested {DEEPEST} deep at most")
    value = _simple(words, depth)
    while words.take("|"):
        value = Name(f"{value}|{_simple(words, depth)}")
    return value


def _simple(words: Words, depth: int) -> Any:
    word = words.now
    if word.kind in ("integer", "hex"):
        return words.number("a number")
    if word.kind == "ellipsis":
        words.next()
        return ANY
    if word.kind == "string":
        return _text(words)
    if words.take("["):
        return _list(words, "]", depth + 1)
    if words.take("{"):
        return _structure(words, depth + 1)
    if word.kind == "word":
        return _word(words, depth)
    raise PktError(word.place, f"expected an argument, got {word.text!r}")


def _text(words: Words) -> str:
    parts = []
    while words.now.kind == "string":
        parts.append(words.next().text[1:-1])
    words.take("...")
    return "".join(parts)


def _word(words: Words, depth: int) -> Any:
    """Take a symbol, or a function of a value: ``htons(80)``."""
    word = words.next()
    if words.take("("):
        return {word.text: _list(words, ")", depth + 1)}
    if words.take("="):
        return {word.text: _expression(words, depth + 1)}
    return Name(word.text)


def _structure(words: Words, depth: int) -> dict[str, Any] | list[Any]:
    """Take ``{name=value, …}`` or ``{value, …}`` behind its brace.

    ``msg_iov(2)=[…]`` is given as ``msg_iov``.
    """
    named: dict[str, Any] = {}
    bare: list[Any] = []
    if words.take("}"):
        return named
    while True:
        if words.now.kind == "word" and words.following.text in ("=", "("):
            name = words.next().text
            if words.take("("):
                _list(words, ")", depth)
            if words.take("="):
                named[name] = _expression(words, depth)
        else:
            bare.append(_expression(words, depth))
        if words.take("}"):
            return named or bare
        words.expect(",")
