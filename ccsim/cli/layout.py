"""Tables that fit the screen: headers and words are folded, then columns go by priority."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ccsim.cli.screen import PLAIN, Screen
from ccsim.cli.typeset import typeset

__all__ = ["NONE", "table"]

NONE = "–"
GAP = 2
EASY, TIGHT = 16, 6
"""Columns of words are folded down to the one before columns are dropped, to the other after."""
_BREAKS = " ,/+_("
_NUMBER = re.compile(r"–|[> -]*\d[\d.]*( → \d+)?")


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cells: tuple[str, ...]

    @property
    def right(self) -> bool:
        return bool(self.cells) and all(map(_numeric, self.cells))

    def head(self, folded: bool) -> list[str]:
        """Return the lines of the header: name and unit below one another if folded."""
        name, unit, rest = self.name.partition(" (")
        return [name, f"({rest}"] if folded and unit and name.strip() else [self.name]

    def width(self, folded: bool) -> int:
        return max(map(len, [*self.head(folded), *self.cells]))


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    screen: Screen = PLAIN,
    drop: Sequence[str] = (),
    firm: str = "",
) -> str:
    """Return rows of text as columns two blanks apart; those of numbers are aligned right.

    What does not fit the screen is folded; then the columns named in ``drop`` go, in that order,
    and a last line says which. The column ``firm`` is not folded as long as others can go.
    """
    columns = [_Column(name, tuple(row[k] for row in rows)) for k, name in enumerate(headers)]
    if screen.form != "text":
        return typeset(screen.form, headers, rows, [column.right for column in columns])
    if screen.width is None:
        return _text(columns, False, [None] * len(columns), screen)
    folded, dropped = True, list[str]()
    if _fits(columns, False, screen.width):
        folded = False
    for name in drop:
        if _widths(columns, folded, screen.width, EASY, firm) is not None:
            break
        if len(columns) > 1 and name in [column.name for column in columns]:
            columns = [column for column in columns if column.name != name]
            dropped.append(name)
    widths = _widths(columns, folded, screen.width, EASY, firm)
    widths = widths or _widths(columns, folded, screen.width, TIGHT) or [None] * len(columns)
    text = _text(columns, folded, widths, screen)
    if not dropped:
        return text
    return f"{text}\n{screen.filled(f'not shown: {_listed(dropped, headers)}; --wide shows all')}"


def _listed(dropped: Sequence[str], headers: Sequence[str]) -> str:
    return ", ".join(name for name in headers if name in dropped)


def _fits(columns: Sequence[_Column], folded: bool, width: int) -> bool:
    return _total([column.width(folded) for column in columns]) <= width


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _widths(
    columns: Sequence[_Column], folded: bool, width: int, least: int, firm: str = ""
) -> list[int | None] | None:
    """Return widths that fit, words folded to ``least`` at the narrowest; None if there are none.

    The widest column of words gives first.
    """
    widths = [column.width(folded) for column in columns]
    narrow = [
        column.width(folded) if column.name == firm else _narrowest(column, folded, least)
        for column in columns
    ]
    while (over := _total(widths) - width) > 0:
        spare = [wide - low for wide, low in zip(widths, narrow, strict=True)]
        if not any(gap > 0 for gap in spare):
            return None
        most = max(range(len(widths)), key=lambda k: (spare[k] > 0, widths[k]))
        widths[most] -= min(over, spare[most])
    return list(widths)


def _narrowest(column: _Column, folded: bool, least: int) -> int:
    if column.right:
        return column.width(folded)
    head = max(map(len, column.head(folded)))
    return min(column.width(folded), max(least, head))


def _text(
    columns: Sequence[_Column], folded: bool, widths: Sequence[int | None], screen: Screen
) -> str:
    """Lay the columns out."""
    exact = [
        column.width(folded) if width is None else width
        for column, width in zip(columns, widths, strict=True)
    ]
    heads = [_bottom(column.head(folded), _depth(columns, folded)) for column in columns]
    lines = [screen.styled(line, "bold") for line in _lines(heads, columns, exact)]
    count = len(columns[0].cells) if columns else 0
    for row in range(count):
        cells = [_folded(c.cells[row], width) for c, width in zip(columns, exact, strict=True)]
        most = max(map(len, cells))
        lines += _lines([[*c, *[""] * (most - len(c))] for c in cells], columns, exact)
    return "\n".join(lines)


def _depth(columns: Sequence[_Column], folded: bool) -> int:
    return max((len(column.head(folded)) for column in columns), default=0)


def _bottom(lines: list[str], depth: int) -> list[str]:
    """Return a header as high as the highest: a name alone stands beside the names."""
    return [*lines, *[""] * (depth - len(lines))]


def _lines(
    cells: Sequence[Sequence[str]], columns: Sequence[_Column], widths: Sequence[int]
) -> list[str]:
    return [
        (" " * GAP)
        .join(
            part.rjust(width) if column.right else part.ljust(width)
            for part, column, width in zip(parts, columns, widths, strict=True)
        )
        .rstrip()
        for parts in zip(*cells, strict=True)
    ]


def _folded(text: str, width: int) -> list[str]:
    """Cut a text into lines, after a blank or a mark where one comes late enough."""
    lines = []
    while len(text) > width:
        cut = max(text.rfind(mark, 0, width) + 1 for mark in _BREAKS)
        cut = cut if cut > width // 3 else width
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*lines, text]


def _numeric(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None
