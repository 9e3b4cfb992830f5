"""Pages that state figures: what a page says is held against the tables that are published.

After figures stands an HTML comment, which no reader sees, with the query that gives them: the last
numbers before it are the query's, in the order of its columns. A comment on a line of its own
before a table gives the table, row by row. A query asks files of results/published. A number
without one must be of the design: it stands in the file of a study that the page names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "results" / "published"
STUDIES = ROOT / "scenarios" / "studies"
QUERY = re.compile(r"<!-- ((?:SELECT|WITH)\b(?:(?!-->).)*) -->", re.DOTALL)
HEAD = r"\|[^\n]*\|\n\|[-| :]*\|\n"
TABLE = re.compile(rf"{QUERY.pattern}\n{HEAD}((?:\|[^\n]*\|\n?)*)", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])[−-]?\d[\d,]*(?:\.\d+)?(?![\w])")
UNSTATED = re.compile(
    r"```.*?```|`[^`]*`|\]\([^)]*\)|^#.*?$|<!--(?! SELECT| WITH).*?-->"
    r"|95 %|p < 0\.05|\b(?:RFC|Linux) [\d.]+",
    re.DOTALL | re.MULTILINE,
)
EVERYWHERE = {"0", "1", "2"}
"""What a page may always say: none, one, both."""


class Tables:
    """The published tables, to be asked in SQL by their files' names."""

    def __init__(self, folder: Path = TABLES) -> None:
        self.db = duckdb.connect(":memory:", config={"threads": 1})
        self.db.execute(f"SET file_search_path = '{folder}'")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.db.execute(sql).fetchall()


def problems(text: str, tables: Tables, design: str = "") -> list[str]:
    """Return what a page states that neither the tables nor a study's file give."""
    return [*wrong(text, tables), *_unfounded(text, tables, design)]


def design_of(text: str) -> str:
    """Return the files of the studies that a page names in commands."""
    named = dict.fromkeys(re.findall(r"ccsim sweep (\w+)", text))
    return "\n".join((STUDIES / f"{name}.yaml").read_text("utf-8") for name in named)


def wrong(text: str, tables: Tables) -> Iterator[str]:
    """Yield the figures that their queries do not give."""
    for found in TABLE.finditer(text):
        answer = tables.rows(found[1])
        lines = found[2].splitlines()
        if len(answer) != len(lines):
            yield f"{len(lines)} rows, but {len(answer)}: {found[1]}"
        for line, row in zip(lines, answer, strict=False):
            yield from _differences(line, row, found[1], whole=True)
    for found in QUERY.finditer(_without_tables(text)):
        answer = tables.rows(found[1])
        if len(answer) != 1:
            yield f"expected one row, got {len(answer)}: {found[1]}"
            continue
        before = QUERY.sub("", _without_tables(text)[: found.start()])
        yield from _differences(_plain(before)[-400:], answer[0], found[1], whole=False)


def _differences(said: str, row: Iterable[Any], sql: str, *, whole: bool) -> Iterator[str]:
    """Yield what text says otherwise than a row; ``whole``: it has no numbers but these."""
    values = [value for value in row if not isinstance(value, str)]
    numbers = NUMBER.findall(_plain(said))
    shown = numbers if whole else numbers[-len(values) :]
    agree = len(shown) == len(values) and all(
        value is not None and states(number, float(value))
        for number, value in zip(shown, values, strict=True)
    )
    names = [value for value in row if isinstance(value, str)]
    if not agree or not all(name in said for name in names):
        yield f"says {shown}, but {row}: {sql}"


def states(number: str, value: float) -> bool:
    """Report whether a printed number is a value, rounded to the digits that are printed."""
    digits = number.replace(",", "").replace("−", "-")
    decimals = len(digits.partition(".")[2])
    return abs(float(digits) - value) <= 0.5 * 10**-decimals + 1e-9


def _unfounded(text: str, tables: Tables, design: str) -> Iterator[str]:
    """Yield numbers that stand before no query and in no study."""
    known = EVERYWHERE | set(re.findall(r"\d+(?:\.\d+)?", design.replace("_", " ")))
    left = _plain(_covered(_without_tables(text), tables))
    for number in NUMBER.findall(left):
        if number.replace(",", "").lstrip("−-") not in known:
            yield f"{number} has no query, and stands in no study that the page names"


def _covered(text: str, tables: Tables) -> str:
    """Return a page without the numbers that its queries give."""
    while found := QUERY.search(text):
        row = (tables.rows(found[1]) or [()])[0]
        before = text[: found.start()]
        spots = list(NUMBER.finditer(_masked(before)))
        count = sum(not isinstance(value, str) for value in row)
        for spot in spots[len(spots) - count :] if count else []:
            before = before[: spot.start()] + "#" * len(spot[0]) + before[spot.end() :]
        text = before + text[found.end() :]
    return text


def _without_tables(text: str) -> str:
    return TABLE.sub("", text)


def _plain(text: str) -> str:
    return UNSTATED.sub(" ", text)


def _masked(text: str) -> str:
    """Return a text of the same length without what states nothing."""
    return UNSTATED.sub(lambda found: " " * len(found[0]), text)
