"""A stored run, as `ccsim run` hands it over and as it is read back: scenario, metrics, traces."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast, overload

from ccsim.errors import ResultsError
from ccsim.experiment.integrity import MANIFEST, check_run
from ccsim.experiment.parquet import (
    DESCRIPTION,
    MORE_TABLES,
    TABLES,
    connect,
    copy_to_csv,
    read_result,
)
from ccsim.experiment.store import FAILED_SUFFIX, TWIN_FOLDERS
from ccsim.files import entries
from ccsim.notebook import NOTEBOOK_DPI, html_picture, html_table, plural
from ccsim.sim.traces import Event, FlowTrace, LinkTrace, SimResult, SwapRecord
from ccsim.words import did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "EXPORT_FORMATS",
    "StoredRun",
    "export",
    "find_run",
    "load_run",
    "runs_of",
    "stored_names",
]

EXPORT_FORMATS = ("csv",)


class PlotWords(TypedDict, total=False):
    """What `StoredRun.plot` may be asked, as `ccsim.plot.plot_options` takes it."""

    start: str
    end: str
    panels: str | Sequence[str]
    width: str
    title: str
    twins: str
    detail: str


@dataclass(frozen=True)
class ObjectValues:
    """A compiled object at a run's end: variables of ``.bss`` and ``.data`` by name, keys and
    values of its maps in hexadecimal, lines that it printed."""

    bss: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    maps: dict[str, list[list[str]]] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class StoredRun:
    """One run in its folder ``path``: resolved scenario, metrics, traces and the twins' traces.

    ``result``, ``twin_a`` (never swapped) and ``twin_b`` (the new implementation from the start)
    hold NumPy columns; a twin that was not run is None.
    """

    path: Path
    scenario: Mapping[str, Any]
    manifest: Mapping[str, Any]
    metrics: dict[str, Any]
    result: SimResult
    twin_a: SimResult | None = None
    twin_b: SimResult | None = None

    def __repr__(self) -> str:
        flows, swaps = plural(len(self.result.flows), "flow"), plural(len(self.swaps), "swap")
        failed = f", failed: {self.failed}" if self.failed else ""
        span = f"{self.result.duration_ns / 1e9:g} s"
        return f"<Run {self.name} {self.run_id}: {span}, {flows}, {swaps}{failed}; {self.path}>"

    def _repr_html_(self) -> str:
        """Return the flows by phase, the swaps and the picture, as a notebook shows them."""
        flows = html_table(repr(self), list(_SHOWN), map(_flow_cells, self.metrics["flows"]))
        swaps = [
            (f"{swap.t_ns / 1e9:g}", swap.label, swap.outcome or swap.errno) for swap in self.swaps
        ]
        headers = ["at (s)", "swap", "outcome or errno"]
        told = flows + (html_table("swaps", headers, swaps) if swaps else "")
        return told + html_picture(self._png(), f"the picture of {self.name}")

    def _png(self) -> bytes:
        """Return the picture, small enough for a notebook."""
        image = io.BytesIO()
        self.plot().savefig(image, format="png", dpi=NOTEBOOK_DPI)
        return image.getvalue()

    @property
    def name(self) -> str:
        """The scenario's name."""
        return str(self.scenario["name"])

    @property
    def run_id(self) -> str:
        """The folder's name: a hash of scenario, seed and code."""
        return self.path.name.removesuffix(FAILED_SUFFIX)

    @property
    def failed(self) -> str:
        """Why the run ended early; empty: it did not."""
        return str(self.manifest.get("failed") or "")

    @cached_property
    def flows(self) -> dict[str, FlowTrace]:
        """The flows by name."""
        return {flow.name: flow for flow in self.result.flows}

    @cached_property
    def links(self) -> dict[str, LinkTrace]:
        """The links by name."""
        return {link.name: link for link in self.result.links}

    @property
    def swaps(self) -> tuple[SwapRecord, ...]:
        """The swaps as they were carried out."""
        return self.result.swaps

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, in order of time."""
        return self.result.events

    @cached_property
    def objects(self) -> dict[str, ObjectValues]:
        """What compiled objects held at the end, by their names."""
        found: dict[str, Any] = {}
        for event in self.events:
            if event.kind == "objects":
                found = event.detail
        return {name: ObjectValues(**values) for name, values in found.items()}

    @overload
    def plot(
        self, out: None = None, *, ax: Axes | None = None, **options: Unpack[PlotWords]
    ) -> Figure: ...

    @overload
    def plot(self, out: str | Path, *, ax: None = None, **options: Unpack[PlotWords]) -> Path: ...

    def plot(
        self,
        out: str | Path | None = None,
        *,
        ax: Axes | None = None,
        **options: Unpack[PlotWords],
    ) -> Figure | Path:
        """Draw the run into the file ``out``, whose ending is the format (png, pdf, svg or pgf),
        and return its path; without one return the matplotlib figure.

        ``start`` and ``end`` bound the time axis ("19 s"), ``panels`` names what is shown
        ("throughput,cwnd,rtt,queue,inflight,pacing,marks"), ``width`` is "1col", "2col" or a size
        ("3.3x2.5in"), ``title`` a text or "none", ``twins`` "none", "a", "b" or "both", ``detail``
        "none" or the instant whose second is shown beside ("20 s"). ``ax`` are axes of a figure of
        one's own, in which one panel is drawn, its lines labelled for a legend.

        ValueError for another ending or option, ResultsError if the file cannot be written.
        """
        from ccsim.plot import draw_panel, draw_run, figure_for, plot_options

        asked = plot_options(**options)
        if ax is not None:
            draw_panel(self, ax, asked)
            return cast("Figure", ax.get_figure(root=True))
        if out is None:
            return figure_for(self, asked)
        out = Path(out)
        kind = out.suffix.removeprefix(".")
        try:
            return draw_run(self, out.parent, (kind,), stem=out.stem, options=asked)[0]
        except OSError as error:
            raise _unwritable(out, error) from error


_SHOWN = {
    "flow": ("flow", 1.0),
    "from (s)": ("from_s", 1.0),
    "to (s)": ("to_s", 1.0),
    "served by": ("implementation", 1.0),
    "goodput (Mbit/s)": ("goodput_bps", 1e-6),
    "RTT mean (ms)": ("rtt_mean_ms", 1.0),
    "p99 (ms)": ("rtt_p99_ms", 1.0),
    "lost (packets)": ("losses", 1.0),
    "resent (packets)": ("retransmissions", 1.0),
}
"""The columns of a run in a notebook: keys of its metrics, and their scales."""


def _flow_cells(row: Mapping[str, Any]) -> list[Any]:
    cells = [(row.get(key), scale) for key, scale in _SHOWN.values()]
    return [value * scale if isinstance(value, float) else value for value, scale in cells]


def load_run(path: str | Path, *, verify: bool = False) -> StoredRun:
    """Return the run in a folder; ResultsError if there is none, or it is not what was written.

    Small files are read whole for that, of large ones a sample; with ``verify`` these too.
    """
    folder = Path(path)
    if not (folder / MANIFEST).is_file():
        raise ResultsError(str(folder), f"expected the folder of a run, got no {MANIFEST} in it")
    scenario, manifest, metrics = check_run(folder, verify=verify)
    try:
        with connect() as db:
            traces = {
                key: read_result(db, folder / sub)
                for key, sub in {"result": "", **TWIN_FOLDERS}.items()
                if (folder / sub / DESCRIPTION).is_file()
            }
        return StoredRun(folder, scenario, manifest, metrics, **traces)
    except Exception as error:  # whatever a damaged file makes json, duckdb or numpy raise
        what = f"{type(error).__name__}: {error}"
        raise ResultsError(
            str(folder), f"the run is damaged: {what}; run the scenario again"
        ) from error


def find_run(text: str, results: Path) -> Path:
    """Return the folder of a run named by its path, its run id (or how it begins) or its scenario.

    Of a scenario's runs the newest. ResultsError if none or several fit.
    """
    if (Path(text) / MANIFEST).is_file():
        return Path(text)
    of_scenario = runs_of(text, results)
    if of_scenario:
        return of_scenario[0]
    runs = _runs(results)
    fitting = sorted(run for run in runs if text and run.name.startswith(text))
    if len(fitting) == 1:
        return fitting[0]
    got = f"{len(fitting)} that fit" if fitting else f"nothing of that name below {results}"
    near = did_you_mean(text, stored_names(results)) or "; ccsim ls lists what is there"
    expected = "expected a run's folder, its run id or its scenario"
    raise ResultsError(text, f"{expected}, got {got}{near}")


def runs_of(scenario: str, results: Path) -> list[Path]:
    """Return the folders of the runs of a scenario, given by its name or folder, newest first."""
    found = [run for run in _runs(results) if scenario in (run.parent.name, str(run.parent))]
    return sorted(found, key=_written_ns, reverse=True)


def _written_ns(run: Path) -> int:
    """Return when a run was stored; 0 if it has been deleted since it was found."""
    try:
        return (run / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0


def stored_names(results: Path) -> list[str]:
    """Return what runs and studies can be called: their folders' names, and run ids."""
    names = {path.name for path in entries(results) if (path / MANIFEST).is_file()}
    runs = _runs(results)
    return sorted(names | {run.parent.name for run in runs}) + sorted(run.name for run in runs)


def _runs(results: Path) -> list[Path]:
    inside = (path for folder in entries(results) for path in entries(folder))
    return [path for path in inside if path.name[0] != "." and (path / MANIFEST).is_file()]


def export(run: StoredRun, format: str = "csv", out: str | Path | None = None) -> list[Path]:
    """Write the traces of a run and its twins as CSV files; return them.

    ``out`` is the folder (default: ``csv`` below the run's own); a twin's go to ``twin-a``,
    ``twin-b``. ValueError for an unknown format, ResultsError if the folder cannot be written.
    """
    if format not in EXPORT_FORMATS:
        raise ValueError(f"export: format: expected one of {EXPORT_FORMATS}, got {format!r}")
    folder = run.path / "csv" if out is None else Path(out)
    written: list[Path] = []
    try:
        with connect() as db:
            for sub in ("", *TWIN_FOLDERS.values()):
                if (run.path / sub / DESCRIPTION).is_file():
                    (folder / sub).mkdir(parents=True, exist_ok=True)
                    for table in (*TABLES, *MORE_TABLES):
                        if not (run.path / sub / f"{table}.parquet").is_file():
                            continue
                        target = folder / sub / f"{table}.csv"
                        copy_to_csv(db, run.path / sub / f"{table}.parquet", target)
                        written.append(target)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return written


def _unwritable(path: Path, error: OSError) -> ResultsError:
    return ResultsError(str(path), f"cannot write: {error.strerror or error}; choose another --out")
