"""The page of a study: summary, heat maps, the worst and the best, every cell, how to repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsim.errors import ResultsError
from ccsim.experiment.curves import curve_sheets
from ccsim.experiment.heat_maps import heat_sheets
from ccsim.experiment.integrity import check_study
from ccsim.experiment.matrix import METRICS, Cell, Matrix, load_matrix
from ccsim.report.curves import curve_section
from ccsim.report.forest import cells_table, ranking, span_of
from ccsim.report.heat import heat_section, tabs
from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import count
from ccsim.report.page import page, section
from ccsim.report.reproduce import checkout, download, from_checkout, manifest_section
from ccsim.report.study_prose import study_sentences

__all__ = ["study_page"]

RANKED = 10
MAX_CELLS = 2_000


def study_page(folder: Path, *, verify: bool = False) -> str:
    """Return the HTML page of a study's folder; ResultsError if it cannot be read."""
    matrix = load_matrix(folder, verify=verify)
    manifest, _ = check_study(folder)
    try:
        texts = _texts(folder, matrix.study)
    except (OSError, ValueError) as error:
        raise ResultsError(str(folder), f"cannot read the study: {error}") from error
    sections = [
        _header(matrix, manifest),
        section("summary", "Summary", *study_sentences(matrix)),
        *_results(matrix),
        section("study", "Study", tag("pre", tag("code", next(iter(texts.values()))))),
        _reproduce(manifest, texts),
        manifest_section(manifest),
        tag("footer", f"Written by ccsim {manifest['versions']['ccsim']}."),
    ]
    return page(matrix.study, sections)


def _header(matrix: Matrix, manifest: Mapping[str, Any]) -> Markup:
    status = str(manifest.get("status", "unknown"))
    started = str(manifest.get("started") or "").replace("T", " ").replace("+00:00", " UTC")
    unfinished = "" if status == "complete" else f" ({status}: what is there so far)"
    told = [f"study{unfinished}", count(matrix.runs, "run"), count(matrix.seeds, "seed"), started]
    names = ["summary", *(["maps", "ranking", "cells"] if matrix.cells else [])]
    names += ["study", "reproduce", "manifest"]
    return tag(
        "header",
        tag("h1", matrix.study),
        tag("p", manifest.get("description") or None),
        tag("p", " · ".join(part for part in told if part), class_="facts"),
        tag("nav", *(tag("a", name.capitalize(), href=f"#{name}") for name in names)),
    )


def _results(matrix: Matrix) -> list[Markup]:
    """Return heat maps, rankings and the table of all cells; nothing for a study without swaps."""
    if not matrix.cells:
        return []
    sheets = heat_sheets(matrix)
    curves = curve_sheets(matrix)
    maps: Any = curve_section(curves) if curves else heat_section(sheets) if sheets else None
    maps = maps or tag("p", "Too many conditions for heat maps.")
    ranked = [
        (metric.name, f"{metric.title} ({metric.unit})", _rankings(matrix, metric.name))
        for metric in METRICS
    ]
    rest = len(matrix.cells) - MAX_CELLS
    note = (
        tag("p", f"The first {MAX_CELLS}; {rest} more are in runs.parquet.") if rest > 0 else None
    )
    return [
        section("maps", "Curves" if curves else "Heat maps", maps),
        section("ranking", "The worst and the best", tabs("rank", ranked)),
        section("cells", "Every combination", cells_table(matrix.cells[:MAX_CELLS]), note),
    ]


def _rankings(matrix: Matrix, name: str) -> Markup:
    metric = next(one for one in METRICS if one.name == name)
    cells = matrix.ranked(name)
    span = span_of(cells, metric)
    shown = min(RANKED, -(-len(cells) // 2))
    worst: list[Cell] = cells[:shown]
    best = cells[len(worst) :][-RANKED:][::-1]
    parts = [tag("h3", f"The worst {len(worst)}"), ranking(worst, metric, span)]
    if best:
        parts += [tag("h3", f"The best {len(best)}"), ranking(best, metric, span)]
    return tag("div", *parts)


def _texts(folder: Path, study: str) -> dict[str, str]:
    """Return the texts that a study came from, by the names to save them under."""
    found = {f"{study}.yaml": (folder / "study.yaml").read_text(encoding="utf-8")}
    base = folder / "base.yaml"
    return {**found, **({base.name: base.read_text(encoding="utf-8")} if base.is_file() else {})}


def _reproduce(manifest: Mapping[str, Any], texts: Mapping[str, str]) -> Markup:
    """Return the two commands; what they need besides the checkout is on the page."""
    saved: list[Any] = []
    for name, text in texts.items():
        saved += [" and " if saved else "", download(name, text)]
    argv = [str(part) for part in manifest.get("argv") or ()]
    step = [".venv/bin/ccsim", "sweep", next(iter(texts)), *_said(argv)]
    first = tag("p", "Save ", *saved, f" into {checkout(manifest)}; there:")
    told = "The same study and code give the same tables, however many workers run it."
    base = " Where the study names its base by a path, let it say base.yaml."
    note = tag("p", told, base if len(texts) > 1 else None)
    return section("reproduce", "How to reproduce", first, from_checkout([step]), note)


def _said(argv: Sequence[str]) -> list[str]:
    """Return what the command line said of seeds: when to stop adding some."""
    said: list[str] = []
    for k, part in enumerate(argv):
        if part.split("=")[0] in ("--until-ci", "--metric", "--max-seeds"):
            said += [part] if "=" in part else [part, *argv[k + 1 : k + 2]]
    return said
