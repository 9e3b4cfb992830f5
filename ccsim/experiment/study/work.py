"""What a worker of a study does: simulate a twin and put it aside, simulate a run and measure it.

Requests and answers are plain JSON values; twins travel as files in the study's folder, which hold
NumPy columns and nothing that is unpickled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ccsim.experiment.code_identity import code_sha256
from ccsim.experiment.measure import measure
from ccsim.experiment.study.beside import add_twin_values
from ccsim.files import write_whole
from ccsim.jobs.handover import pack, unpack
from ccsim.jobs.simulation import Apart, unrecorded
from ccsim.kernel.loader import ObjectFileChanged
from ccsim.sim.traces import SimResult
from ccsim.spec import Scenario

__all__ = ["answer", "durably", "keep_traces", "measured", "run", "twin"]

Progress = Callable[[int], None]
_OWN = threading.local()


def answer(request: Mapping[str, Any], progress: Progress | None = None) -> dict[str, Any]:
    """Carry out one request and return what became of it.

    ``{"resolved", "code", "save"}``: a twin, put into the file ``save``. ``{"resolved", "code",
    "twin_a", "twin_b", "traces"}``: a run, measured against the twins in those files (empty: none),
    and its traces put into the folder ``traces`` if that is not empty.

    The answer holds ``seconds`` and, of a run, ``status``, ``error`` and ``metrics``;
    ``unreadable`` is the file of a twin that could not be read. A process whose code is not that
    of ``code`` (`ccsim.experiment.code_identity.code_sha256`) refuses: ``trouble``. With ``retry``
    in the request this machine's kernel runs it, not the simulator.
    """
    clock = time.perf_counter()
    if code_sha256(request["resolved"]) != request["code"]:
        return {"trouble": "ccsim or an algorithm changed while the study ran; start it again"}
    options = {"progress": progress, "hook_timeout_s": request["hook_timeout_s"]}
    if "retry" in request:
        return _on_linux(request, clock, progress)
    if "save" in request:
        durably(Path(request["save"]), twin(request["resolved"], **options))
        return {"seconds": time.perf_counter() - clock}
    return _measured(request, _simulated(request["resolved"], **options), clock)


def _measured(
    request: Mapping[str, Any],
    result: SimResult,
    clock: float,
    lateness: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the answer to a run's request; ``lateness`` is that of one on a kernel."""
    twins: list[SimResult | None] = []
    for key in ("twin_a", "twin_b"):
        try:
            twins.append(unpack(Path(request[key]).read_bytes()) if request[key] else None)
        except Exception:  # whatever a torn file makes NumPy, zip or JSON raise
            return {"unreadable": request[key]}
    found = measured(result, *twins)
    if lateness is not None:
        found["metrics"]["lateness_us"] = lateness
    if request["traces"]:
        keep_traces(Path(request["traces"]), request["resolved"], found, result, *twins)
    return {**found, "seconds": time.perf_counter() - clock}


def _on_linux(
    request: Mapping[str, Any], clock: float, progress: Progress | None
) -> dict[str, Any]:
    """Answer a request by a run on this machine's kernel."""
    from ccsim.experiment.on_linux import quietest

    scenario = Scenario.from_resolved(request["resolved"])
    once = quietest(scenario, request["retry"], progress or (lambda t_ns: None))
    if "save" in request:
        durably(Path(request["save"]), pack(once.result))
        return {"seconds": time.perf_counter() - clock}
    return _measured(request, once.result, clock, once.lateness)


def twin(resolved: Mapping[str, Any], **options: Any) -> bytes:
    """Simulate a twin and return it packed; ``options`` are those of `ccsim.sim.simulate`."""
    return pack(_simulated(resolved, **options))


def run(
    resolved: Mapping[str, Any], a: bytes | None, b: bytes | None, **options: Any
) -> tuple[dict[str, Any], bytes]:
    """Simulate a run against its packed twins; return status, error, metrics, and it packed."""
    result = _simulated(resolved, **options)
    twins = [unpack(data) if data is not None else None for data in (a, b)]
    return measured(result, *twins), pack(result)


def measured(result: SimResult, a: SimResult | None, b: SimResult | None) -> dict[str, Any]:
    """Return status, error and metrics of a run against its twins; it fails if one of them did."""
    metrics = measure(result, a, b)
    add_twin_values(metrics, result, a, b)
    named = (("", result), ("A-twin: ", a), ("B-twin: ", b))
    failures = [name + one.failed for name, one in named if one is not None and one.failed]
    status = "failed" if failures else "complete"
    return {"status": status, "error": failures[0] if failures else None, "metrics": metrics}


def _simulated(resolved: Mapping[str, Any], **options: Any) -> SimResult:
    """Simulate; what raises by a fault of ccsim itself is a failed run, so that the study goes
    on."""
    try:
        result = _apart().simulate(Scenario.from_resolved(resolved), **options)
    except (OSError, MemoryError, ObjectFileChanged):  # of this machine, not of the run
        raise
    except Exception as error:
        reason = f"ccsim failed: {type(error).__name__}: {error}"
        return unrecorded(int(resolved["duration_ns"]), reason)
    return result


def _apart() -> Apart:
    """Return this thread's own process for algorithm files; it ends with the thread."""
    if not hasattr(_OWN, "apart"):
        _OWN.apart = Apart()
    apart: Apart = _OWN.apart
    return apart


def durably(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, whichever process is killed and when.

    OSError if that is not possible; then nothing stays behind.
    """
    write_whole(path, data, durable=True)


def keep_traces(
    folder: Path,
    resolved: Mapping[str, Any],
    found: Mapping[str, Any],
    result: SimResult,
    a: SimResult | None,
    b: SimResult | None,
) -> None:
    """Store a run with its traces as `ccsim run` does, for `ccsim show` and `ccsim plot`."""
    from ccsim.experiment.store import finish, unfinished_folder, write_manifest, write_run

    folder.parent.mkdir(parents=True, exist_ok=True)
    with unfinished_folder(folder) as aside:
        write_run(
            aside,
            scenario_text="",
            resolved=resolved,
            metrics=found["metrics"],
            results={"result": result, "twin_a": a, "twin_b": b},
        )
        write_manifest(
            aside,
            scenario=resolved["name"],
            run_id=folder.name,
            status=found["status"],
            failed=found["error"],
            seed=resolved["seed"],
        )
        finish(aside, folder)
