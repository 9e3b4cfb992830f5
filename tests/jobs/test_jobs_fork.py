"""The process that draws as a fork of one that has a single thread: it answers, ends and is ended
as one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ccsim.jobs import fork
from tests.jobs.test_jobs_plot_worker import TEXT

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")


def printed(code: str, *arguments: str) -> list[str]:
    """Return the lines that a fresh process of one thread prints, with an error if it has any."""
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout.splitlines()


SERVING = """
import os
from ccsim.jobs.worker import Worker, WorkerDied, serve

def answer(request, progress):
    if "exit" in request:
        os._exit(3)
    if "raise" in request:
        raise ValueError("nobody sees this")
    progress(7)
    print("what it prints does not get between the answers")
    return str(request["number"] + os.getpgid(0) - os.getpid()).encode()

seen = []
worker = Worker(lambda: serve(answer), fork=True)
"""


def test_it_answers_one_request_after_the_other_in_a_process_group_of_its_own() -> None:
    code = """
print(worker.ask({"number": 41}, seen.append).decode(), seen)
print(worker.ask({"number": 42}, seen.append).decode(), seen)
print(worker.pid != os.getpid(), os.getpgid(worker.pid) == worker.pid)
worker.kill()
worker.close()
print(worker._process.returncode)
"""
    said = "what it prints does not get between the answers"
    lines = printed(SERVING + code)
    assert sorted(lines) == sorted([said, said, "41 [7]", "42 [7, 7]", "True True", "-9"])


def test_it_ends_when_nobody_asks_any_more() -> None:
    code = """
worker._process.stdin.close()
print(worker._process.wait(), worker._process.poll())
worker.close()
"""
    assert printed(SERVING + code) == ["0 0"]


@pytest.mark.parametrize(("request_", "status"), [("exit", 3), ("raise", 1)])
def test_whoever_waits_hears_of_its_end_and_nothing_is_printed(request_: str, status: int) -> None:
    code = f"""
try:
    worker.ask({{"{request_}": 1}}, seen.append)
except WorkerDied:
    worker.kill()
    worker.close()
    print("died", worker._process.returncode)
"""
    assert printed(SERVING + code) == [f"died {status}"]


def test_what_this_process_does_at_its_end_it_does_not() -> None:
    code = """
import atexit, sys
from ccsim.jobs.fork import Fork
atexit.register(print, "at exit")
print("buffered", end=" ")
child = Fork(lambda: sys.exit(5))
print(child.wait())
child.stdin.close()
child.stdout.close()
"""
    assert printed(code) == ["buffered 1", "at exit"]


def test_where_ended_children_leave_no_status_theirs_counts_as_zero() -> None:
    """Whoever starts ccsim may ignore SIGCHLD, and exec keeps that: nobody can wait then."""
    code = """
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
from ccsim.jobs.fork import Fork
child = Fork(signal.pause)
print(child.poll())
child.stdin.close()
child.stdout.close()
import os
os.kill(child.pid, signal.SIGKILL)
print(child.wait(), child.poll())
"""
    assert printed(code) == ["None", "0 0"]


def test_where_sigchld_is_ignored_a_picture_is_drawn_in_all_its_formats() -> None:
    code = """
import signal, sys, tempfile
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
from ccsim.jobs.plot_worker import PlotWorker
from ccsim.jobs.worker import Worker
with PlotWorker(("png", "pdf"), 2, fork=True) as plotter:
    from ccsim.experiment import run_scenario
    from ccsim.scenario import parse_scenario
    with tempfile.TemporaryDirectory() as folder:
        run = run_scenario(parse_scenario(sys.argv[1], "drawn.yaml"), out=folder, jobs=1)
        plotter.begin(run)
        plotter.finish(run)
        print(sorted(file.name for file in (run.path / "plots").iterdir()))
        print("matplotlib" in sys.modules)
"""
    assert printed(code, TEXT) == ["['run.pdf', 'run.png']", "False"]


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1)])
def test_it_answers_where_standard_streams_were_closed(closed: tuple[int, ...]) -> None:
    """The lowest free descriptors are 0 and 1 then, so its pipes may already be where they go."""
    code = f"""
import os, sys
for number in {closed}:
    os.close(number)
sys.stdin = sys.stdout = None  # as Python leaves them
from ccsim.jobs.worker import Worker, serve
worker = Worker(lambda: serve(lambda request, progress: b"%d" % request["number"]), fork=True)
print(worker.ask({{"number": 41}}, print).decode(), file=sys.stderr)
worker.kill()
worker.close()
"""
    assert printed(code) == ["41"]


def test_a_process_of_one_thread_may_fork() -> None:
    code = """
import threading
import numpy
from ccsim.jobs.fork import may_fork
print(may_fork())
done = threading.Event()
thread = threading.Thread(target=done.wait)
thread.start()
print(may_fork())
done.set()
"""
    assert printed(code) == ["True", "False"]


def test_where_threads_cannot_be_counted_nobody_forks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fork, "_THREADS", tmp_path / "task")
    assert not fork.may_fork()


def test_a_fork_draws_the_same_bytes() -> None:
    code = """
import sys, tempfile
from pathlib import Path
from ccsim.jobs.plot_worker import PlotWorker, draw
from ccsim.jobs.fork import Fork
with PlotWorker(("png", "pdf"), 2, fork=True) as plotter:
    print(type(plotter._worker._process) is Fork)
    from ccsim.experiment import run_scenario
    from ccsim.scenario import parse_scenario
    with tempfile.TemporaryDirectory() as folder:
        run = run_scenario(parse_scenario(sys.argv[1], "drawn.yaml"), out=folder, jobs=1)
        plotter.begin(run)
        plotter.finish(run)
        print("matplotlib" in sys.modules)
        files = [run.path / "plots" / name for name in ("run.png", "run.pdf")]
        drawn = [file.read_bytes() for file in files]
        draw(run, ("png", "pdf"))
        print(drawn == [file.read_bytes() for file in files])
"""
    assert printed(code, TEXT) == ["True", "False", "True"]


def test_forks_simulate_the_same_and_are_started_at_once() -> None:
    code = """
import sys, time
from ccsim.jobs import batch
from ccsim.jobs.fork import Fork
from ccsim.jobs.handover import pack
from ccsim.scenario import parse_scenario
workers = []
class Noted(batch.Worker):
    def __init__(self, main, **how):
        super().__init__(main, **how)
        workers.append(self._process)
batch.Worker = Noted
scenario = parse_scenario(sys.argv[1], "drawn.yaml")
scenarios = [scenario, scenario.with_b_twin(), scenario.without_swaps()]
alone = [pack(result) for result in batch.simulate_all(scenarios, 1, fork=True)]
print(len(workers))
print(alone == [pack(result) for result in batch.simulate_all(scenarios, 3, fork=True)])
print(*(type(process) is Fork and process.returncode for process in workers))
"""
    assert printed(code, TEXT) == ["0", "True", "-9 -9"]


def test_no_child_keeps_the_standard_input_of_another_open() -> None:
    code = """
import os, signal
from ccsim.jobs.fork import Fork
from ccsim.jobs.worker import Worker, serve
first = Worker(lambda: serve(lambda request, progress: b""), fork=True)
between = Fork(lambda: signal.pause())
second = Worker(lambda: serve(lambda request, progress: b""), fork=True)
first._process.stdin.close()
print(first._process.wait())
second._process.stdin.close()
print(second._process.wait())
os.kill(between.pid, signal.SIGKILL)
print(between.wait())
"""
    assert printed(code) == ["0", "0", "-9"]
