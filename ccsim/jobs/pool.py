"""Many simulations in worker processes of this machine, which live as long as there is work."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from ccsim.errors import CcsimError
from ccsim.jobs.worker import Worker, WorkerDied

__all__ = ["Job", "LocalPool", "Reply", "Schedule"]

Reply = dict[str, Any] | None
"""What a worker answers; None if it died."""
TICK_S = 0.2


class Job(Protocol):
    """One simulation of many."""

    @property
    def run_id(self) -> str:
        """What it is called."""


J = TypeVar("J", bound=Job)
J_co = TypeVar("J_co", bound=Job, covariant=True)


class Schedule(Protocol[J_co]):
    """What is still to do; asked by one thread at a time."""

    left: int
    """How many jobs are not done."""

    def next(self) -> J_co | None:
        """Return what to start next; None if nothing can be started now."""


class LocalPool(Generic[J]):
    """Worker processes that run ``main``, each with a thread of this process that talks to it."""

    def __init__(
        self, main: Callable[[], object], workers: int, keep_open: tuple[int, ...] = ()
    ) -> None:
        self.main = main
        self.workers = workers
        self.keep_open = keep_open
        self.shares: dict[str, float] = {}
        """How far each simulation under way has come, 0 to 1."""
        self._running: dict[int, Worker] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._replies: queue.Queue[tuple[J, Reply | Exception]] = queue.Queue()

    def replies(
        self,
        schedule: Schedule[J],
        request: Callable[[J], dict[str, Any]],
        started: Callable[[J], None],
    ) -> Generator[tuple[J, Reply] | None, None, None]:
        """Yield each job with its reply, as they come, and None now and then in between.

        ``request`` makes what a worker is sent, ``started`` is told before; both are called on
        other threads. What is done with the reply must be told the schedule before the next one
        is asked for.
        """
        self._closing = False
        threads = [
            threading.Thread(
                target=self._work, args=(number, schedule, request, started), daemon=True
            )
            for number in range(min(self.workers, schedule.left))
        ]
        try:
            for thread in threads:
                thread.start()
            while schedule.left:
                try:
                    job, reply = self._replies.get(timeout=TICK_S)
                except queue.Empty:
                    if not any(thread.is_alive() for thread in threads):
                        raise RuntimeError("pool: all threads ended with work left") from None
                    yield None
                    continue
                if isinstance(reply, Exception):
                    raise reply
                with self._changed:
                    yield job, reply
                    self._changed.notify_all()
        finally:
            self._close(threads)

    def _close(self, threads: list[threading.Thread]) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for worker in list(self._running.values()):
            worker.kill()
        for thread in threads:
            if thread.ident is not None:
                thread.join()

    def _work(
        self,
        number: int,
        schedule: Schedule[J],
        request: Callable[[J], dict[str, Any]],
        started: Callable[[J], None],
    ) -> None:
        """Keep one worker busy until nothing is left."""
        worker: Worker | None = None
        try:
            while job := self._take(schedule):
                try:
                    message = request(job)
                    worker = worker or self._hire(number)
                    started(job)
                    data = worker.ask(message, self._noting(job, message))
                    self._replies.put((job, json.loads(data)))
                except WorkerDied:
                    self._dismiss(number)
                    worker = None
                    self._replies.put((job, None))
                except Exception as error:
                    self._replies.put((job, error))
                    return
                finally:
                    self.shares.pop(job.run_id, None)
        finally:
            self._dismiss(number)

    def _take(self, schedule: Schedule[J]) -> J | None:
        """Return the next job, waiting for one if need be; None at the end."""
        with self._changed:
            while not self._closing and schedule.left:
                job = schedule.next()
                if job is not None:
                    return job
                self._changed.wait(TICK_S)
        return None

    def _hire(self, number: int) -> Worker:
        with self._changed:
            if self._closing:
                raise WorkerDied("the pool is being closed")
            try:
                worker = self._running[number] = Worker(self.main, keep_open=self.keep_open)
            except OSError as error:
                reason = error.strerror or error
                raise CcsimError(f"cannot start a worker process: {reason}") from error
        return worker

    def _dismiss(self, number: int) -> None:
        worker = self._running.pop(number, None)
        if worker is not None:
            with suppress(OSError):
                worker.kill()
            worker.close()

    def _noting(self, job: J, message: dict[str, Any]) -> Callable[[int], None]:
        duration_ns = max(int(message["resolved"]["duration_ns"]), 1)

        def note(t_ns: int) -> None:
            self.shares[job.run_id] = min(t_ns / duration_ns, 1.0)

        return note
