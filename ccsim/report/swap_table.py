"""What each swap cost as a table: as in the terminal, a column for all flows and one for each flow
if they are few, else a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ccsim.experiment.swap_figures import OWN, WINDOW, Figure, jump, told_of
from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import NONE, decimal
from ccsim.report.sortable_tables import Column, number, table, word

__all__ = ["swap_tables"]

Row = Mapping[str, Any]
BESIDE = 7
"""The most columns that fit side by side on a page."""
MAX_ROWS = 400


def swap_tables(swaps: Sequence[Row]) -> list[Markup]:
    """Return a heading and tables for each swap that took effect."""
    found: list[Markup] = []
    for swap in swaps:
        rows = told_of(swap)
        if rows:
            total = swap["total"]
            span = f"{total['from_s']:g} to {total['to_s']:g} s"
            title = f"What swap {swap['index']} cost, {swap['label']}: from {span}"
            found += [tag("h3", title), *(_columns if len(rows) <= BESIDE else _rows)(rows)]
    return found


def _name(row: Row) -> str:
    if "flow" not in row:
        return "all"
    return str(row["flow"]) if "at_s" in row else f"{row['flow']} (beside)"


def _columns(rows: Sequence[Row]) -> list[Markup]:
    """Return one table with a column a flow."""
    figures = [one for one in (*WINDOW, *OWN) if _is_told(one, rows)]
    heads = [tag("th", "", scope="col")]
    heads += [tag("th", _name(row), scope="col", class_="number") for row in rows]
    lines = [
        tag(
            "tr",
            tag("th", one.label, scope="row", class_="part" if one.part else None),
            *(tag("td", _shown(one, row), class_="number") for row in rows),
        )
        for one in figures
    ]
    body = [tag("thead", tag("tr", *heads)), tag("tbody", *lines)]
    return [tag("div", tag("table", *body, class_="transposed"), class_="scroll")]


def _rows(rows: Sequence[Row]) -> list[Markup]:
    """Return two tables with a row a flow: over the window, and from each one's own swap on."""
    named = [{**row, "who": _name(row)} for row in rows]
    reached = [row for row in named if "at_s" in row]
    found = [_sorted(named, WINDOW, "Over the window of the swap.")]
    if reached:
        found.append(_sorted(reached, OWN, "Of each flow from its own swap on."))
    return found


def _sorted(rows: Sequence[Row], figures: Sequence[Figure], caption: str) -> Markup:
    columns = [word("flow", "who"), *(_column(one) for one in figures if _is_told(one, rows))]
    hidden = len(rows) - MAX_ROWS
    more = f" The first {MAX_ROWS} of {len(rows)}; all are in metrics.json." if hidden > 0 else ""
    return table(columns, rows[:MAX_ROWS], caption + more)


def _column(one: Figure) -> Column:
    title = one.short or one.label
    if one.name != "cwnd":
        return number(title, one.name, one.digits, one.scale)
    return Column(title, lambda row: _shown(one, row), lambda row: row.get("cwnd_jump_packets"))


def _shown(one: Figure, row: Row) -> str:
    if one.name == "cwnd":
        found = jump(row)
        return NONE if found is None else f"{found[0]} → {found[1]}"
    return decimal(row.get(one.name), one.digits, one.scale)


def _is_told(one: Figure, rows: Sequence[Row]) -> bool:
    """Report whether any row has a figure; one that is optional, whether it is not 0."""
    if one.optional and not any(row.get(one.name) for row in rows):
        return False
    return any(_shown(one, row) != NONE for row in rows)
