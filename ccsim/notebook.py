"""How results show themselves in a notebook: a table of HTML beside the one line of ``repr``."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["NOTEBOOK_DPI", "html_picture", "html_table", "plural"]

NOTEBOOK_DPI = 110
"""Of pictures that are shown beside tables."""

ROWS = 60
"""How many rows are shown."""


def html_table(title: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as notebooks show it; every text is escaped."""
    every = list(rows)
    head = "".join(f"<th>{_text(name)}</th>" for name in headers)
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in every[:ROWS]
    )
    hidden = len(every) - ROWS
    more = f"<p>… and {plural(hidden, 'row')} more</p>" if hidden > 0 else ""
    return (
        f"<table><caption>{_text(title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{more}"
    )


def html_picture(png: bytes, text: str) -> str:
    """Return a PNG image that is its own source, so that the page needs no file beside it."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{_text(text)}" src="data:image/png;base64,{data}">'


def plural(count: int, noun: str) -> str:
    """Return "1 flow", "2 flows"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _text(value: Any) -> str:
    text = "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return html.escape(text, quote=True)
