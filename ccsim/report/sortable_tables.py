"""Tables that sort: columns with their units, cells that carry the number they sort by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import NONE, decimal, sort_key

__all__ = ["Column", "facts", "number", "table", "word"]

Row = Mapping[str, Any]
LONG = 40
"""Characters from which a text is broken into lines."""


@dataclass(frozen=True)
class Column:
    """A heading, what of a row is shown, and the number it sorts by (None: by its text)."""

    title: str
    show: Callable[[Row], Any]
    key: Callable[[Row], float | None] | None = None


def number(title: str, name: str, digits: int = 2, scale: float = 1.0) -> Column:
    """Return a column of the number ``name``; censored ones and missing ones are told apart."""
    return Column(
        title,
        lambda row: decimal(row.get(name), digits, scale),
        lambda row: sort_key(row.get(name)),
    )


def word(title: str, name: str) -> Column:
    """Return a column of the text ``name``."""
    return Column(title, lambda row: NONE if row.get(name) in (None, "") else row[name])


def table(columns: Sequence[Column], rows: Sequence[Row], caption: str = "") -> Markup:
    """Return rows as a table whose headings sort it, in a box that scrolls sideways."""
    heads = [
        tag("th", tag("button", column.title, type="button"), scope="col", class_=_kind(column))
        for column in columns
    ]
    body = [tag("tr", *(_cell(column, row) for column in columns)) for row in rows]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption) if caption else None,
            tag("thead", tag("tr", *heads)),
            tag("tbody", *body),
            class_="sortable",
        ),
        class_="scroll",
    )


def _kind(column: Column) -> str | None:
    return "number" if column.key else None


def _cell(column: Column, row: Row) -> Markup:
    if column.key is None:
        shown = column.show(row)
        return tag("td", shown, class_="long" if len(str(shown)) > LONG else None)
    key = column.key(row)
    return tag("td", column.show(row), class_="number", data_key="" if key is None else repr(key))


def facts(pairs: Sequence[tuple[str, Any]]) -> Markup:
    """Return names and values as a list of facts."""
    return tag("dl", *([tag("dt", name), tag("dd", value)] for name, value in pairs))
