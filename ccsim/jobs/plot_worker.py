"""Pictures drawn by a process of their own, which imports matplotlib while the run is simulated.

Importing matplotlib takes as long as simulating ten seconds, so it is started first of all.
"""

from __future__ import annotations

import base64
import os
import select
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ccsim.ending import exit_process
from ccsim.jobs.worker import Worker, WorkerDied, serve
from ccsim.sim import patient_collector

if TYPE_CHECKING:
    from ccsim.experiment.stored import StoredRun

__all__ = ["PlotWorker", "draw", "main"]


class PlotWorker:
    """Draws one run's picture in ``formats`` into its folder ``plots``, as `draw` does.

    Its process begins at once if there is anything to draw and more than one job may run; where it
    cannot be had, or ends too early, this process draws. ``with`` ends it. With ``fork`` it is a
    fork of this process, if that has only one thread: for who does nothing but run a scenario.
    """

    def __init__(self, formats: Sequence[str], jobs: int, *, fork: bool = False) -> None:
        self.formats = tuple(formats)
        self._drawing: StoredRun | None = None
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

    def begin(self, run: StoredRun) -> None:
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

    def finish(self, run: StoredRun) -> None:
        """Wait for the picture of ``run`` if it was begun, else draw it here."""
        if self._worker is not None and self._drawing is not None:
            with suppress(WorkerDied):
                self._worker.receive(lambda t_ns: None)
                return
        draw(run, self.formats)


def _packed(run: StoredRun) -> dict[str, str] | None:
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


def draw(run: StoredRun, formats: Sequence[str]) -> None:
    """Draw the picture of a run with samples; one that failed at once has nothing to show."""
    if formats and _drawable(run):
        from ccsim.plot import draw_run

        draw_run(run, run.path / "plots", formats=tuple(formats))


def _drawable(run: StoredRun) -> bool:
    sampled = any(len(flow.t_ns) for flow in run.result.flows)
    return sampled or run.result.completions is not None


def main() -> None:
    """Draw what standard input asks for until it ends or the parent does."""
    with patient_collector():
        import_module("ccsim.plot.undocumented").import_undocumented()
        import_module("ccsim.jobs.handover")
        if not _asked():  # else a child imports it, while PNG is drawn
            import_module("matplotlib.backends.backend_pdf")
        serve(_draw)


def _asked() -> bool:
    """Report whether standard input has something to read, or cannot tell (Windows)."""
    try:
        return bool(select.select([sys.stdin.fileno()], [], [], 0)[0])
    except OSError:
        return True


def _draw(request: Mapping[str, Any], progress: Any) -> bytes:
    from ccsim.jobs.handover import unpack

    results = {key: unpack(base64.b64decode(text)) for key, text in request["results"].items()}
    run = SimpleNamespace(
        scenario=request["scenario"], **{"twin_a": None, "twin_b": None, **results}
    )
    _draw_at_once(run, Path(request["folder"]), request["formats"])
    return b""


def _draw_at_once(run: Any, folder: Path, formats: Sequence[str]) -> None:
    """Draw a picture as `draw` does, its first format here and the others in a child meanwhile."""
    from ccsim.plot.draw import figure_for, file_paths, write_figure

    first, *others = file_paths(folder / "plots", formats, "run")
    figure = figure_for(run)
    child = os.fork() if others and hasattr(os, "fork") else None
    if child == 0:
        status = 1
        try:
            write_figure(figure, others)
            status = 0
        finally:
            exit_process(status)  # none of the parent's business: its replies, its buffers
    write_figure(figure, [first])
    if child is None or not _did(child):
        write_figure(figure, others)


def _did(child: int) -> bool:
    """Wait for a child's end and report whether it did its work; False where nobody can tell, as
    SIGCHLD is ignored."""
    try:
        return os.waitpid(child, 0)[1] == 0
    except ChildProcessError:
        return False
