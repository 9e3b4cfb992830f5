"""A study's simulations on a cluster: dask.distributed, by its scheduler's address or on SLURM.

The sweep stays here and writes the study's folder, so that the workers need no common disk; they
need the same ccsim and, at the same paths, the study's object files. Traces of twins travel as
bytes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ccsim.errors import CcsimError, Problem, ScenarioError
from ccsim.experiment.code_identity import code_sha256
from ccsim.experiment.study.folder import StudyFolder
from ccsim.experiment.study.schedule import Job, Schedule
from ccsim.experiment.study.work import durably, keep_traces, run, twin
from ccsim.jobs.handover import unpack
from ccsim.jobs.pool import Reply
from ccsim.kernel.loader import ObjectFileChanged
from ccsim.scenario.load import read_document
from ccsim.units import show

__all__ = ["ClusterPool", "cluster_pool", "remote", "slurm_pool"]

INSTALL = "pip install 'ccsim[cluster]'"
CONNECT_S = 30
CLOSE_S = 5
TICK_S = 0.5
AHEAD = 2
"""How many simulations are sent for each thread of the cluster: one runs, one waits."""
ABSENT_S = 600.0
"""How long to wait for a cluster that has no worker."""

PoolOf = Callable[[StudyFolder], AbstractContextManager["ClusterPool"]]


def remote(request: Mapping[str, Any], a: bytes | None, b: bytes | None) -> dict[str, Any]:
    """Carry out one request on a worker of the cluster; see `ccsim.experiment.study.work.answer`.

    ``a`` and ``b`` are the packed twins of a run. A twin is returned as ``packed``, and so are a
    run's own traces if they are to be kept. A worker with other code refuses: ``trouble``.
    """
    clock = time.perf_counter()
    resolved = request["resolved"]
    if code_sha256(resolved) != request["code"]:
        return {"trouble": f"its ccsim is not the one that runs the study; {INSTALL} it there"}
    options = {"hook_timeout_s": request["hook_timeout_s"]}
    try:
        if "save" in request:
            found: dict[str, Any] = {"packed": twin(resolved, **options)}
        else:
            found, packed = run(resolved, a, b, **options)
            if request["traces"]:
                found["packed"] = packed
    except ObjectFileChanged as error:
        return {"trouble": str(error)}
    except (OSError, MemoryError) as error:
        return {"trouble": f"{type(error).__name__}: {error}"}
    return {**found, "seconds": time.perf_counter() - clock}


class ClusterPool:
    """A client of a scheduler; what it sends ahead is bounded by the cluster's threads."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.shares: dict[str, float] = {}
        self._twins: dict[str, Any] = {}

    def replies(
        self,
        schedule: Schedule,
        request: Callable[[Job], dict[str, Any]],
        started: Callable[[Job], None],
    ) -> Generator[tuple[Job, Reply] | None, None, None]:
        """Yield each job with its reply as they come, and None now and then in between."""
        under_way: dict[Any, tuple[Job, dict[str, Any]]] = {}
        arrived: deque[Any] = deque()
        absent_since = time.monotonic()
        try:
            while schedule.left:
                threads = self._threads()
                absent_since = time.monotonic() if threads else absent_since
                if time.monotonic() - absent_since > ABSENT_S:
                    raise CcsimError(f"cluster: no worker came within {ABSENT_S:.0f} s")
                while len(under_way) < max(threads * AHEAD, 1) and (job := schedule.next()):
                    message = request(job)
                    future = self._send(message, arrived)
                    if future is None:
                        yield job, None
                        continue
                    under_way[future] = (job, message)
                    started(job)
                if not arrived:
                    time.sleep(TICK_S if not under_way else 0.02)
                    yield None
                    continue
                future = arrived.popleft()
                job, message = under_way.pop(future)
                yield job, self._reply(future, message)
                self._forget(schedule)
        finally:
            with suppress(*_gone()):
                self.client.cancel(list(under_way), force=True)

    def _threads(self) -> int:
        """Return how many threads the cluster has; CcsimError if its scheduler has gone."""
        try:
            if self.client.status == "running":
                return sum(self.client.nthreads().values())
            reason = f"the client is {self.client.status}"
        except _gone() as error:
            reason = str(error)
        text = f"the scheduler went away ({reason}); what is done stays: start the sweep again"
        raise CcsimError(f"cluster: {text}")

    def _send(self, message: dict[str, Any], arrived: deque[Any]) -> Any:
        """Submit one simulation; when it is over, its future is put into ``arrived``. None if a
        worker died that was to have its twins."""
        try:
            twins = [self._twin(message.get(key, "")) for key in ("twin_a", "twin_b")]
            future = self.client.submit(remote, message, *twins, pure=False, retries=3)
        except _gone() as error:
            if isinstance(error, FileNotFoundError):  # of a twin, not of the network
                raise
            self._threads()  # or else the scheduler has gone
            self._let_go(message)
            return None
        future.add_done_callback(arrived.append)
        return future

    def _let_go(self, message: dict[str, Any]) -> None:
        """Forget where the twins of a message lie on the cluster: they died with their worker."""
        for key in ("twin_a", "twin_b"):
            self._twins.pop(message.get(key, ""), None)

    def _twin(self, path: str) -> Any:
        """Return a packed twin as it lies on the cluster; sent there once."""
        if not path:
            return None
        if path not in self._twins:
            self._twins[path] = self.client.scatter(Path(path).read_bytes(), hash=False)
        return self._twins[path]

    def _forget(self, schedule: Schedule) -> None:
        """Let go of twins that no run needs any more."""
        for path in [path for path in self._twins if not schedule.needed[Path(path).stem]]:
            del self._twins[path]

    def _reply(self, future: Any, message: dict[str, Any]) -> Reply:
        """Return a future's reply, its files written here; None if its workers died."""
        from distributed.scheduler import KilledWorker

        try:
            reply: dict[str, Any] = future.result()
        except (KilledWorker, OSError, import_module("distributed").CancelledError):
            self._threads()  # or else the scheduler has gone
            self._let_go(message)
            return None
        packed = reply.pop("packed", None)
        if packed is not None and "save" in message:
            durably(Path(message["save"]), packed)
        elif packed is not None:
            twins = (message["twin_a"], message["twin_b"])
            a, b = (unpack(Path(path).read_bytes()) if path else None for path in twins)
            keep_traces(Path(message["traces"]), message["resolved"], reply, unpack(packed), a, b)
        return reply


def _gone() -> tuple[type[Exception], ...]:
    """Return what a client raises whose scheduler has gone, or whose worker has."""
    client = import_module("distributed.client")
    return OSError, RuntimeError, getattr(client, "ClosedClientError", RuntimeError)


def cluster_pool(address: str) -> PoolOf:
    """Return a maker of pools on the scheduler at an address such as ``tcp://host:8786``.

    CcsimError for an empty one, of which dask would make processes of this machine, and says how
    to install dask.distributed where it is missing.
    """
    if not address.strip():
        raise CcsimError(f"cluster: expected an address such as tcp://host:8786, got {address!r}")
    distributed = _installed("distributed", "--cluster")
    _silence()

    @contextmanager
    def make(folder: StudyFolder) -> Iterator[ClusterPool]:
        try:
            client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        except Exception as error:  # whatever dask makes of an address
            reason = " ".join(str(error).split()) or type(error).__name__
            raise CcsimError(f"cluster: no scheduler at {address!r}: {reason}") from error
        try:
            yield ClusterPool(client)
        finally:
            with suppress(*_gone()):
                client.close(timeout=CLOSE_S)

    return make


def _silence() -> None:
    """Let distributed log nothing: what matters is told in a line."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


def slurm_pool(file: Path) -> PoolOf:
    """Return a maker of pools on SLURM jobs, as a file says: ``jobs: N`` (default 1), the rest as
    `dask_jobqueue.SLURMCluster` takes it (``queue``, ``cores``, ``memory``, ``walltime``, …).

    CcsimError where dask-jobqueue is missing, ScenarioError for a file that is not understood.
    """
    jobqueue = _installed("dask_jobqueue", "--slurm", "dask-jobqueue")
    _installed("distributed", "--slurm")
    document = read_document(file, str(file))
    options = dict(document.data)
    jobs = options.pop("jobs", 1)
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        message = f"expected a number of jobs from 1 on, got {show(jobs)}"
        raise ScenarioError(document.problem(("jobs",), message))
    missing = [key for key in ("cores", "memory") if key not in options]
    if missing:
        message = f"missing key {missing[0]!r}: what each job has"
        raise ScenarioError(Problem(str(file), 1, 1, "", message))

    @contextmanager
    def make(folder: StudyFolder) -> Iterator[ClusterPool]:
        from distributed import Client

        try:
            cluster = jobqueue.SLURMCluster(**options)
        except (TypeError, ValueError) as error:
            raise CcsimError(f"{file}: SLURMCluster refused it: {error}") from error
        with cluster:
            cluster.scale(jobs=jobs)
            with Client(cluster, set_as_default=False) as client:
                yield ClusterPool(client)

    return make


def _installed(module: str, option: str, package: str = "") -> Any:
    """Return a module of the extra ``cluster``; CcsimError says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        name = package or module
        raise CcsimError(f"{option} needs {name}, which is not installed: {INSTALL}") from error
