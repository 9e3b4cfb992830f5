"""A simulation in a worker process, and its result back, through the pipe or through a file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.errors import ResultsError
from ccsim.jobs.worker import Progress, Worker, serve
from ccsim.sim import patient_collector

if TYPE_CHECKING:  # whoever starts a worker first of all must not wait for NumPy
    from ccsim.sim.traces import SimResult
    from ccsim.spill import Spill

__all__ = ["serve_simulations", "simulate_in"]


def simulate_in(
    worker: Worker,
    resolved: Mapping[str, Any],
    progress: Progress,
    *,
    spill: Spill | None = None,
    **options: Any,
) -> SimResult:
    """Return the result of a simulation in a worker that runs `serve_simulations`.

    Where ``spill`` would put long traces the worker puts them; ``options`` are those of
    `ccsim.sim.simulate`. WorkerDied if the process ends before.
    """
    from ccsim.jobs.handover import take_over

    place = [None, None] if spill is None else [str(spill.folder), spill.bound_bytes]
    data = worker.ask({"scenario": resolved, "spill": place, **options}, progress)
    try:
        return take_over(data)
    except (ValueError, ResultsError) as error:
        raise worker.died(error) from error


def serve_simulations() -> None:
    """Simulate what standard input asks for until it ends or the parent does."""
    with patient_collector():
        import_module("ccsim.sim.world")
        serve(_simulated)


def _simulated(request: dict[str, Any], progress: Progress) -> bytes:
    from ccsim.jobs.handover import hand_over
    from ccsim.sim import simulate
    from ccsim.spill import Spill

    folder, bound_bytes = request.pop("spill")
    spill = Spill(folder and Path(folder), bound_bytes)
    return hand_over(simulate(**request, progress=progress, spill=spill), spill)
