"""Notebooks as pages: their cells are executed, and what they show stands below them."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["cells", "executed", "page"]


def cells(notebook: Path) -> list[tuple[str, str]]:
    """Return kind ("markdown", "code") and text of every cell."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in found]


def executed(notebook: Path, folder: Path) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Execute a notebook in a folder; yield kind and text of each cell, what it printed, and what a
    notebook shows of the value that it ends with: ``png``, ``html``, ``text``."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for kind, text in cells(notebook):
        printed, shown = io.StringIO(), {}
        if kind == "code":
            with contextlib.redirect_stdout(printed), contextlib.chdir(folder):
                shown = _shown(_value(text, notebook.name, names))
        yield kind, text, printed.getvalue(), shown


def _value(text: str, file: str, names: dict[str, Any]) -> Any:
    """Execute a cell; return what its last line is worth, as notebooks show it."""
    tree = ast.parse(text, file)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, file, "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), file, "eval"), names)


def _shown(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if hasattr(value, "_repr_png_"):
        return {"png": value._repr_png_()}
    if not hasattr(value, "_repr_html_"):
        return {"text": repr(value)}
    html, mark, data = value._repr_html_().partition('<img alt="')
    encoded = data.partition("base64,")[2].partition('"')[0]
    return {"html": html} | ({"png": base64.b64decode(encoded)} if mark else {})


def page(notebook: Path, pictures: Path) -> str:
    """Return a notebook that was executed as Markdown; its pictures are written into a folder."""
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, text, printed, shown in executed(notebook, Path(folder)):
            if kind == "markdown":
                parts.append(text)
                continue
            parts.append(f"```python\n{text}\n```")
            told = printed + shown.get("text", "")
            parts += [f"```text\n{told.rstrip()}\n```"] if told else []
            parts += [f"```{{raw}} html\n{shown['html']}\n```"] if "html" in shown else []
            if "png" in shown:
                picture = pictures / f"{notebook.stem}-{len(parts)}.png"
                picture.write_bytes(shown["png"])
                parts.append(f"![what the cell shows]({picture.name})")
    return "\n\n".join(parts) + "\n"
