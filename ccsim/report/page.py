"""The page around the sections: head, content security policy, styles, scripts, data.

The policy forbids everything that the page does not bring along: of scripts and styles only those
whose SHA-256 it names run (CSP Level 3, section 6.7.2), so that even markup that slipped through
could neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from ccsim.plot.style import COLOURS, GREY, TWIN_A
from ccsim.report.markup import Markup, script_json, tag

__all__ = ["asset_text", "colours", "page", "section"]

STYLES = ("page.css", "charts.css", "matrix.css")
SCRIPTS = ("scale.js", "charts.js", "tools.js", "gestures.js", "tables.js", "main.js")
DARK = ("#56A8E0", "#F0904A", "#2FC99A", "#E39AC6", "#F2BC45", "#9AD3F5", "#E8E8E8")
"""`COLOURS` in the same order, lighter, for a dark page: each of the same hue."""


def page(title: str, sections: Sequence[Markup], data: Any = None) -> str:
    """Return a whole HTML document; ``data`` is what its scripts draw, as JSON values."""
    style, script = colours() + asset_text(*STYLES), asset_text(*SCRIPTS)
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"script-src {_hash(script)}; style-src {_hash(style)}"
    )
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content="ccsim"),
        tag("meta", name="color-scheme", content="light dark"),
        Markup('<link rel="icon" href="data:,">'),
        tag("title", f"{title} – ccsim"),
        Markup(f"<style>{style}</style>"),
    ]
    body = [
        tag("main", *sections),
        Markup(f'<script type="application/json" id="data">{script_json(data)}</script>'),
        Markup(f"<script>{script}</script>"),
    ]
    document = tag("html", tag("head", *head), tag("body", *body), lang="en")
    return f"<!doctype html>\n{document}\n"


def section(name: str, title: str, *children: Any) -> Markup:
    """Return a section with its heading, which ``#name`` in the address leads to."""
    return tag("section", tag("h2", title), *children, id=name)


@cache
def asset_text(*names: str) -> str:
    """Return the text of files that the page is made of, one after the other."""
    folder = files("ccsim.report") / "assets"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def colours() -> str:
    """Return the palette of the pictures as CSS variables; print uses paper's."""

    def rule(palette: Sequence[str], twin_a: str, twin_b: str, grey: str) -> str:
        own = "".join(f"--c{i}:{colour};" for i, colour in enumerate(palette))
        return f":root{{{own}--twin-a:{twin_a};--twin-b:{twin_b};--grey:{grey}}}\n"

    light = rule(COLOURS, TWIN_A.colour, COLOURS[3], GREY)
    dark = rule(DARK, "#8C8C8C", DARK[3], "#A0A0A0")
    return f"{light}@media screen and (prefers-color-scheme: dark){{{dark}}}\n"
