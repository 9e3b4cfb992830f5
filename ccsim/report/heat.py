"""Heat maps as HTML: tables whose coloured cells show every figure when pointed at."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ccsim.plot.heat import HeatCell, HeatMap, HeatSheet, shade
from ccsim.report.markup import Markup, tag

__all__ = ["heat_section", "tabs"]


def heat_section(sheets: Sequence[HeatSheet]) -> Markup:
    """Return the sheets, one of which is shown at a time; all of them on paper."""
    pages = [(sheet.name, sheet.title, _sheet(sheet)) for sheet in sheets]
    return tag("div", tabs("heat", pages), class_="heat-maps")


def tabs(prefix: str, pages: Sequence[tuple[str, str, Markup]]) -> Markup:
    """Return pages (name, title, contents) under a row of buttons that picks one.

    Without scripts the row is hidden and all pages show, each under its title.
    """
    buttons = [
        tag(
            "button",
            title,
            type="button",
            role="tab",
            id=f"{prefix}-tab-{name}",
            aria_controls=f"{prefix}-{name}",
        )
        for name, title, _ in pages
    ]
    sheets = [
        tag(
            "div",
            tag("h3", title, class_="sheet-title"),
            contents,
            id=f"{prefix}-{name}",
            class_="sheet",
            role="tabpanel",
            aria_labelledby=f"{prefix}-tab-{name}",
        )
        for name, title, contents in pages
    ]
    row = tag("div", *buttons, role="tablist", class_="tabs", hidden=True)
    return tag("div", row, *sheets, class_="sheets")


def _sheet(sheet: HeatSheet) -> Markup:
    firsts = range(0, len(sheet.maps), sheet.across)
    rows = [
        tag("div", *(_map(sheet, one) for one in beside), class_="facet-row")
        for beside in (sheet.maps[k : k + sheet.across] for k in firsts)
    ]
    maps = tag("div", *rows, class_="facets")
    return tag("div", maps, _legend(sheet), tag("p", sheet.caption, class_="small"))


def _map(sheet: HeatSheet, one: HeatMap) -> Markup:
    rows = [
        tag("tr", tag("th", name, scope="row"), *(_cell(cell, sheet.top) for cell in row))
        for name, row in zip(one.rows, one.cells, strict=True)
    ]
    corner = tag("td", f"{sheet.axes[0]} \\ {sheet.axes[1]}", class_="corner")
    heads = [tag("th", name, scope="col") for name in one.columns]
    above = None
    if sheet.numeric:
        corner = tag("td", f"{sheet.axes[0]} ↑", class_="corner")
        title = tag("th", sheet.axes[1], colspan=len(heads), scope="colgroup", class_="axis-title")
        above = tag("tr", tag("td", class_="corner"), title)
    head = [tag("caption", one.title), above, tag("tr", corner, *heads)]
    return tag("div", tag("table", *head, *rows, class_="heat"), class_="facet")


def _cell(cell: HeatCell | None, top: float) -> Markup:
    if cell is None:
        return tag("td", class_="none")
    step = shade(cell.value, top)
    name = "zero" if not step else f"{'cost' if step > 0 else 'gain'}-{abs(step)}"
    told = "\n".join(cell.tip)
    return tag(
        "td",
        tag("span", cell.text, class_="strong" if cell.strong else "value"),
        tag("span", cell.note, class_="interval") if cell.note else None,
        class_=name,
        tabindex="0",
        data_tip=told,
        aria_label=told.replace("\n", ", "),
    )


def _legend(sheet: HeatSheet) -> Markup:
    edges = sheet.edges()
    names = [("zero", 0.0), *((f"cost-{k}", edge) for k, edge in enumerate(edges, start=1))]
    if sheet.gains:
        gains = [(f"gain-{k}", -edge) for k, edge in enumerate(edges, start=1)]
        names = [*reversed(gains), *names]
    steps = [tag("span", _size(size), class_=f"step {name}") for name, size in names]
    return tag("div", tag("span", "up to ", class_="small"), *steps, class_="heat-legend")


def _size(size: float) -> str:
    text = f"{math.fabs(size):.2g}"
    return f"\N{MINUS SIGN}{text}" if size < 0 else text
