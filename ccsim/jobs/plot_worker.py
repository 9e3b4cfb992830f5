"""Pictures drawn by a process of their own, which imports matplotlib while the run is simulated.

Importing matplotlib takes as long as simulating ten seconds, so it is started first of all: a run
of 10 s of one CUBIC flow takes 0.81 of the time that it takes without (median of 12 pairs, two
cores).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from ccsim.jobs.worker import Worker, WorkerDied, serve

if TYPE_CHECKING:
    from ccsim.plot.view import PlottableRun

    class DrawnRun(PlottableRun, Protocol):
        """A run whose picture belongs into its folder."""

        @property
        def path(self) -> Path:
            """The folder."""


__all__ = ["PlotWorker", "draw", "main"]

DRAWING = (
    *("matplotlib.figure", "matplotlib.backends.backend_agg"),
    *("ccsim.plot.render", "ccsim.plot.chosen", "ccsim.plot.draw", "ccsim.jobs.handover"),
)
"""What it takes to draw a run as PNG."""


class PlotWorker:
    """Draws one run's picture in ``formats`` into its folder ``plots``, as `draw` does.

    Its process begins at once if there is anything to draw and more than one job may run; where it
    cannot be had, or ends too early, this process draws. ``with`` ends it. With ``fork`` it is a
    fork of this process, if that has only one thread and does nothing but run a scenario.
    """

    def __init__(self, formats: Sequence[str], jobs: int, *, fork: bool = False) -> None:
        self.formats = tuple(formats)
        self._drawing: DrawnRun | None = None
        self._worker: Worker | None = None
        if formats and jobs > 1:
            if fork:
                import_module("numpy")  # once, for both
            with suppress(OSError):
                # it forks, which is for processes of one thread
                self._worker = Worker(main, fork=fork)

    def __enter__(self) -> PlotWorker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.close()

    @property
    def ready(self) -> bool:
        """Whether another process will draw."""
        return self._worker is not None

    def begin(self, run: DrawnRun) -> None:
        """Let the process begin to draw; a run that is too long to be sent is left to `finish`."""
        if self._worker is None or not _drawable(run):
            return
        results = _packed(run)
        if results is None:
            return
        request = {"folder": str(run.path), "formats": self.formats, "results": results}
        with suppress(WorkerDied):
            self._worker.send({**request, "scenario": run.scenario})
            self._drawing = run

    def finish(self, run: DrawnRun) -> None:
        """Wait for the picture of ``run`` if it was begun, else draw it here."""
        if self._worker is not None and self._drawing is not None:
            with suppress(WorkerDied):
                self._worker.receive(lambda t_ns: None)
                return
        draw(run, self.formats)


def _packed(run: DrawnRun) -> dict[str, str] | None:
    """Return the results of a run as text; None if they are long."""
    from ccsim import spill
    from ccsim.jobs.handover import pack
    from ccsim.sim.account_tables import without_accounts
    from ccsim.sim.result_tables import columns_of

    results = {key: getattr(run, key) for key in ("result", "twin_a", "twin_b")}
    known = {key: result for key, result in results.items() if result is not None}
    tables = (table for result in known.values() for table in columns_of(result).values())
    if sum(column.nbytes for table in tables for column in table.values()) > spill.SPILL_BYTES:
        return None
    drawn = {key: pack(without_accounts(result)) for key, result in known.items()}
    return {key: base64.b64encode(data).decode() for key, data in drawn.items()}


def draw(run: DrawnRun, formats: Sequence[str]) -> None:
    """Draw the picture of a run with samples; one that failed at once has nothing to show."""
    if formats and _drawable(run):
        from ccsim.plot import draw_run

        draw_run(run, run.path / "plots", formats=tuple(formats))


def _drawable(run: DrawnRun) -> bool:
    sampled = any(len(flow.t_ns) for flow in run.result.flows)
    return sampled or run.result.completions is not None


def main() -> None:
    """Draw what standard input asks for until it ends or the parent does."""
    for module in DRAWING:
        import_module(module)
    serve(_draw)


def _draw(request: Mapping[str, Any], progress: Any) -> bytes:
    from ccsim.jobs.handover import unpack

    results = {key: unpack(base64.b64decode(text)) for key, text in request["results"].items()}
    run = SimpleNamespace(
        scenario=request["scenario"], **{"twin_a": None, "twin_b": None, **results}
    )
    import_module("ccsim.plot").draw_run(
        run, Path(request["folder"]) / "plots", formats=tuple(request["formats"])
    )
    return b""
