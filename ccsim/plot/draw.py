"""The ways to a picture: files of one run or of several overlaid, a figure for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.files import written_whole
from ccsim.plot.view import PlottableRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ccsim.plot.options import PlotOptions

__all__ = [
    "FORMATS",
    "PlottableRun",
    "draw_comparison",
    "draw_cost",
    "draw_panel",
    "draw_run",
    "figure_for",
    "file_paths",
    "write_figure",
]

FORMATS = ("png", "pdf", "svg", "pgf")
DPI = 300
# What would put the date or the version of a library into the bytes is left out.
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
    "pgf": {},
}


def draw_run(
    run: PlottableRun,
    out_dir: Path,
    formats: Sequence[str] = ("png", "pdf"),
    stem: str = "run",
    options: PlotOptions | None = None,
) -> list[Path]:
    """Write the picture of ``run`` as ``out_dir/stem.<format>`` and return the paths.

    Each file appears whole or not at all, and the same run gives the same bytes. Raises ValueError
    for a format that is not in `FORMATS`, for a stem that is not a plain file name, and as
    `figure_for` does.
    """
    paths = file_paths(out_dir, formats, stem)
    return write_figure(figure_for(run, options), paths)


def draw_comparison(
    runs: Sequence[PlottableRun],
    labels: Sequence[str],
    out_dir: Path,
    formats: Sequence[str] = ("png", "pdf"),
    stem: str = "compare",
) -> list[Path]:
    """Write the same panels with all ``runs`` overlaid, one colour a run, named by ``labels``.

    Raises ValueError when there are no runs, when the labels are not one for each run, and as
    `draw_run` does.
    """
    from ccsim.plot.compare import comparison_picture
    from ccsim.plot.render import render

    paths = file_paths(out_dir, formats, stem)
    return write_figure(render(comparison_picture(runs, labels)), paths)


def draw_cost(
    rows: Sequence[Mapping[str, Any]],
    out_dir: Path,
    formats: Sequence[str] = ("png", "pdf"),
    stem: str = "cost",
) -> list[Path]:
    """Write the chart of the simulator's cost; raises as `draw_run` and `cost_figure` do."""
    from ccsim.plot.cost import cost_figure

    paths = file_paths(out_dir, formats, stem)
    return write_figure(cost_figure(rows), paths)


def figure_for(run: PlottableRun, options: PlotOptions | None = None) -> Figure:
    """Return the picture of ``run`` as a matplotlib figure, which notebooks display.

    ValueError for a span of time or panels that the run does not have, and for a height that is too
    low for its panels.
    """
    from ccsim.plot.chosen import chosen_picture
    from ccsim.plot.options import PlotOptions
    from ccsim.plot.render import render

    options = options or PlotOptions()
    return render(chosen_picture(run, options), options.size)


def draw_panel(run: PlottableRun, ax: Axes, options: PlotOptions) -> None:
    """Draw the one panel of ``options`` in axes of another figure; ValueError for none or several,
    and as `figure_for`."""
    from ccsim.plot.chosen import chosen_picture
    from ccsim.plot.render import draw_in

    draw_in(ax, chosen_picture(run, replace(options, detail=False)))


def file_paths(out_dir: Path, formats: Sequence[str], stem: str) -> list[Path]:
    """Return a path for each format; ValueError for an unknown one and for a stem with a folder."""
    wanted = list(dict.fromkeys([formats] if isinstance(formats, str) else formats))
    if not wanted:
        raise ValueError(f"plot: formats: expected at least one of {', '.join(FORMATS)}, got none")
    for name in wanted:
        if name not in FORMATS:
            known = ", ".join(FORMATS)
            raise ValueError(f"plot: formats: expected {known}, got {name!r}")
    if not stem or stem in (".", "..") or any(c in stem for c in "/\\\0"):
        raise ValueError(f"plot: stem: expected a file name without a folder, got {stem!r}")
    return [Path(out_dir) / f"{stem}.{name}" for name in wanted]


def write_figure(figure: Figure, paths: Sequence[Path]) -> list[Path]:
    """Write a figure to each path, whole or not at all; return the paths."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = path.suffix[1:]
        options: dict[str, Any] = {"format": kind, "dpi": DPI, "metadata": METADATA[kind]}
        written_whole(path, partial(figure.savefig, **options))
    return list(paths)
