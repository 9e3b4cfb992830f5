"""Worker processes: the same bytes however many there are, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ccsim.experiment.run import run_scenario
from ccsim.jobs import batch
from ccsim.jobs.batch import default_jobs, simulate_all
from ccsim.jobs.simulation import serve_simulations, simulate_in
from ccsim.jobs.worker import Worker, WorkerDied
from ccsim.kernel import KernelError
from ccsim.scenario import Scenario, load_scenario
from tests.experiment.synthetic import equal
from tests.experiment.test_run import contents

ROOT = Path(__file__).resolve().parents[2]
QUICK = """\
name: quick
duration: 2 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: bulk, congestion: cubic}
  - {name: rival, congestion: reno, start: 0.5 s}
swaps:
  - {at: 1 s, via: setsockopt, flows: [bulk], to: bbr}
"""
SLOW = QUICK.replace("2 s", "20000 s")
PRINTING = """\
from ccsim.kernel import TcpCongestionOps


def ssthresh(sk):
    return max(sk.snd_cwnd // 2, 2)


def cong_avoid(sk, ack, acked):
    print("an algorithm prints")


def undo_cwnd(sk):
    return sk.snd_cwnd


talk = TcpCongestionOps(
    name="talk", ssthresh=ssthresh, cong_avoid=cong_avoid, undo_cwnd=undo_cwnd
)
"""


@pytest.fixture
def quick(tmp_path: Path) -> Scenario:
    """A scenario that takes a moment."""
    (tmp_path / "quick.yaml").write_text(QUICK)
    return load_scenario(tmp_path / "quick.yaml")


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker, ended afterwards."""
    worker = Worker(serve_simulations)
    yield worker
    worker.kill()
    worker.close()


def ignore(t_ns: int) -> None:
    """Take no notice of progress."""


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are started however little is left to do."""
    monkeypatch.setattr(batch, "WORTH_S", -1.0)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """The workers that are started from now on."""
    workers: list[Worker] = []

    def noted(*main: Any, **how: Any) -> Worker:
        workers.append(Worker(*main, **how))
        return workers[-1]

    monkeypatch.setattr(batch, "Worker", noted)
    return workers


@pytest.mark.usefixtures("at_once")
def test_the_bytes_do_not_depend_on_the_number_of_workers(
    quick: Scenario, tmp_path: Path, started: list[Worker]
) -> None:
    one, two, three = (
        run_scenario(quick, out=tmp_path / str(jobs), jobs=jobs) for jobs in (1, 2, 3)
    )
    assert len(started) == 0 + 1 + 2
    assert contents(one.path) == contents(two.path) == contents(three.path)
    assert one.manifest["sha256"] == two.manifest["sha256"]
    assert len(contents(one.path)) == 21
    assert one.flows["bulk"].delivered_bytes[-1] > 1_000_000


def test_what_is_soon_done_is_done_without_workers(
    quick: Scenario, started: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three runs that take 1 s each, 2 s are left after the first, and 1 s after the second."""
    clock = iter([0.0, 1.0, 2.0, 3.0])
    monkeypatch.setattr(batch, "time", SimpleNamespace(process_time=lambda: next(clock)))
    monkeypatch.setattr(batch, "WORTH_S", 2.1)
    monkeypatch.setattr("ccsim.sim.engine.PROGRESS_WINDOWS", 1 << 40)
    results = simulate_all([quick.without_swaps()] * 3, jobs=3)
    assert started == []
    assert all(equal(result, results[0]) for result in results)


def test_workers_are_started_when_what_is_left_takes_longer_than_they_do_to_start(
    quick: Scenario, started: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 2.0, 3.0])
    monkeypatch.setattr(batch, "time", SimpleNamespace(process_time=lambda: next(clock)))
    monkeypatch.setattr(batch, "WORTH_S", 1.9)
    monkeypatch.setattr("ccsim.sim.engine.PROGRESS_WINDOWS", 1 << 40)
    results = simulate_all([quick.without_swaps()] * 3, jobs=3)
    assert len(started) == 2
    assert all(equal(result, results[0]) for result in results)


def test_no_worker_is_started_for_the_others_of_a_run_that_failed(
    tmp_path: Path, started: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "WORTH_S", -1.0)
    monkeypatch.setattr("ccsim.sim.engine.PROGRESS_WINDOWS", 1 << 40)
    (tmp_path / "talk.py").write_text(PRINTING.replace('print("an algorithm prints")', "1 / 0"))
    text = QUICK.replace("congestion: cubic", "congestion: talk").replace("to: bbr", "to: reno")
    (tmp_path / "talk.yaml").write_text(text + "objects: [talk.py]\n")
    scenario = load_scenario(tmp_path / "talk.yaml")
    first, second = simulate_all([scenario] * 2, jobs=2)
    assert first is not None
    assert "division by zero" in first.failed
    assert (second, started) == (None, [])


def test_a_worker_simulates_one_scenario_after_the_other(quick: Scenario, worker: Worker) -> None:
    seen: list[int] = []
    swapped = simulate_in(worker, quick, seen.append)
    steady = simulate_in(worker, quick.without_swaps(), seen.append)
    assert len(swapped.swaps) == 1
    assert steady.swaps == ()
    assert all(0 <= t_ns <= 2_000_000_000 for t_ns in seen)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel sees to it on Linux alone")
def test_a_worker_that_still_imports_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import os, time\n"
        "if os.environ.get('SLOW') == '1':\n"
        "    time.sleep(60)\n"
        "def main():\n    pass\n"
    )
    parent = (
        "import os, time\nfrom slow_to_import import main\nfrom ccsim.jobs.worker import Worker\n"
        "os.environ['SLOW'] = '1'\nprint(Worker(main).pid, flush=True)\ntime.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    asleep = Path(f"/proc/{pid}/stat")
    end = time.monotonic() + 30
    while _state(asleep) != "S" and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1)  # it sleeps in its import by now
    process.kill()
    process.wait()
    while _state(asleep) not in ("", "Z") and time.monotonic() < end:
        time.sleep(0.05)
    assert _state(asleep) in ("", "Z")


def _state(stat: Path) -> str:
    """Return a process's state, as `ps` says it; empty if it has gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_a_worker_that_is_killed_is_noticed(quick: Scenario, worker: Worker) -> None:
    worker.kill()
    with pytest.raises(WorkerDied):
        simulate_in(worker, quick, ignore)


@pytest.mark.usefixtures("at_once")
def test_what_a_killed_worker_did_not_finish_is_simulated_here(
    quick: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> Any:
        raise WorkerDied("killed")

    monkeypatch.setattr(batch, "simulate_in", killed)
    resolved = [quick, quick.without_swaps(), quick.with_b_twin()]
    assert all(map(equal, simulate_all(resolved, jobs=3), simulate_all(resolved, jobs=1)))


@pytest.mark.usefixtures("at_once")
def test_without_processes_everything_is_simulated_here(
    quick: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refused)
    results = simulate_all([quick, quick.without_swaps()], jobs=2)
    assert [len(one.swaps) for one in results if one] == [1, 0]


@pytest.mark.usefixtures("at_once")
def test_a_scenario_that_a_worker_refuses_raises_here_what_it_raised(quick: Scenario) -> None:
    broken = replace(quick, kernel=replace(quick.kernel, default="nobody"))
    with pytest.raises(KernelError, match="nobody"):
        simulate_all([quick, broken], jobs=2)


def test_what_an_algorithm_prints_does_not_disturb_the_answers(
    tmp_path: Path, worker: Worker
) -> None:
    (tmp_path / "talk.py").write_text(PRINTING)
    text = QUICK.replace("congestion: cubic", "congestion: talk").replace("to: bbr", "to: reno")
    (tmp_path / "talk.yaml").write_text(text + "objects: [talk.py]\n")
    scenario = load_scenario(tmp_path / "talk.yaml")
    assert simulate_in(worker, scenario, ignore).failed == ""


def test_there_is_at_least_one_core() -> None:
    assert default_jobs() >= 1


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_signal_ends_run_and_workers_and_leaves_nothing(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    (tmp_path / "slow.yaml").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-m", "ccsim", "run", "slow.yaml", "--jobs", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        # whoever starts the tests in the background has them, and so this, ignore SIGINT
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    place = tmp_path / "results" / "quick"
    try:
        wait_until(lambda: place.is_dir() and any(place.iterdir()))
        wait_until(lambda: children(process.pid))
        workers = children(process.pid)
        time.sleep(0.3)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, out) == (status, ""), err
    assert "Traceback" not in err
    assert err.count("\n") <= 1
    assert not place.exists()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def wait_until(holds: Any, seconds: float = 20) -> None:
    """Wait until something holds; fail if it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """Return the child processes of a process (Linux), of which there is at least one worker."""
    file = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(text) for text in file.read_text().split()] if file.exists() else [0]
