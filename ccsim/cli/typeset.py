"""Tables for papers and pages: LaTeX with booktabs, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ccsim.words import tex_text

__all__ = ["FORMS", "document", "typeset"]

FORMS = ("md", "tex")
_BEGIN, _END = r"\begin{tabular}", r"\end{tabular}"
_MARKDOWN = {c: f"\\{c}" for c in "\\|*<`"}


def typeset(
    form: str, headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]
) -> str:
    """Return a table in one of `FORMS`; columns that are ``right`` hold numbers."""
    if form == "tex":
        return _tex(headers, rows, right)
    marks = ["---:" if of_numbers else "---" for of_numbers in right]
    lines = [[_markdown(cell) for cell in row] for row in (headers, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], marks, *lines[1:]))


def document(form: str, text: str) -> str:
    """Return tables with what stands around them: as comments of TeX, as paragraphs of Markdown."""
    lines, inside = list[str](), False
    for line in text.rstrip().split("\n"):
        begins = line.startswith(_BEGIN if form == "tex" else "|")
        if form == "tex":
            inside = inside or begins
            lines.append(line if inside or not line else f"% {line}")
            inside = inside and line != _END
            continue
        if begins != inside and lines and lines[-1] and line:
            lines.append("")
        inside = begins
        lines.append(line)
    return "\n".join(lines)


def _tex(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    columns = "".join("r" if of_numbers else "l" for of_numbers in right)
    lines = [" & ".join(map(tex_cell, row)) + r" \\" for row in (headers, *rows)]
    head, *body = lines
    return "\n".join(
        [f"{_BEGIN}{{{columns}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", _END]
    )


def tex_cell(cell: str) -> str:
    """Return a cell; one that is indented keeps its indent, and a minus is one."""
    inner = cell.lstrip()
    indent = r"\quad " if inner != cell else ""
    if inner[:1] == "-" and inner[1:2].isdigit():
        inner = f"\N{MINUS SIGN}{inner[1:]}"
    return indent + tex_text(inner)


def _markdown(cell: str) -> str:
    inner = cell.lstrip()
    indent = "&emsp;" if inner != cell else ""
    return indent + "".join(_MARKDOWN.get(c, c) for c in inner)
