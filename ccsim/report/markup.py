"""HTML as values: whatever is not `Markup` is text and is escaped when it is put in."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any

__all__ = ["Markup", "script_json", "tag"]

_VOID = {"br", "hr", "meta", "input", "col", "rect", "line", "circle", "path"}
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9:-]*\Z")
# What ends a script element early, opens a comment in it or ends a line of JavaScript.
_IN_SCRIPT = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}

Child = Any
"""Markup as it is; None for nothing; a list for what is in it; all else as its text, escaped."""


class Markup(str):
    """Text that is HTML already; made by `tag`, or of a literal in this package's own source."""

    __slots__ = ()


def tag(name: str, /, *children: Child, **attributes: Any) -> Markup:
    """Return an element with escaped contents and attributes.

    An attribute's underscores are hyphens, one at its end is dropped (``class_``); None and False
    leave it out, True gives it without a value. ValueError for what is no name of an element or
    attribute. Scripts and styles are not made here: their contents obey other rules.
    """
    if not _NAME.match(name) or name in ("script", "style"):
        raise ValueError(f"markup: expected the name of an element, got {name!r}")
    head = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{head}>" if name in ("br", "hr", "meta") else f"<{head}/>")
    return Markup(f"<{head}>{''.join(_texts(children))}</{name}>")


def _attribute(key: str, value: Any) -> str:
    key = key.removesuffix("_").replace("_", "-")
    if not _NAME.match(key) or key.lower().startswith("on"):
        raise ValueError(f"markup: expected the name of an attribute, got {key!r}")
    if value is None or value is False:
        return ""
    return f" {key}" if value is True else f' {key}="{_escape(value)}"'


def _texts(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, list | tuple):
            yield from _texts(child)
        else:
            yield _escape(child)


def _escape(value: object) -> str:
    """Return text for HTML; a NUL, which HTML has no way to write, becomes U+FFFD."""
    return html.escape(str(value), quote=True).replace("\0", "\ufffd")


def script_json(value: Any) -> Markup:
    """Return JSON that is safe inside ``<script type="application/json">``.

    ValueError for NaN and infinities, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_IN_SCRIPT))
