"""The figures of docs/findings, drawn from the tables in results/published alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["draw_finding"]

FIGURES: dict[str, Callable[[Path, Path], Path]] = {}
"""For each study: what draws its figure from the folder of tables, and returns the file."""


def draw_finding(study: str, tables: Path, out: Path) -> list[Path]:
    """Draw the figures of a published study, if it has any, into a folder; return the files.

    A quick form has the figure of its study, named as the quick form is.
    """
    draw = FIGURES.get(study.removesuffix("-quick"))
    return [draw(tables / f"{study}.parquet", out / f"{study}.png")] if draw else []
