"""Worker processes: the same bytes however many there are, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ccsim.experiment.parallel import default_jobs, simulate_all
from ccsim.experiment.run import run_scenario
from ccsim.experiment.worker import Worker, WorkerDied
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
    worker = Worker()
    yield worker
    worker.kill()
    worker.close()


def ignore(t_ns: int) -> None:
    """Take no notice of progress."""


def test_the_bytes_do_not_depend_on_the_number_of_workers(quick: Scenario, tmp_path: Path) -> None:
    one, two, three = (
        run_scenario(quick, out=tmp_path / str(jobs), jobs=jobs) for jobs in (1, 2, 3)
    )
    assert contents(one.path) == contents(two.path) == contents(three.path)
    assert one.manifest["sha256"] == two.manifest["sha256"]
    assert len(contents(one.path)) == 18
    assert one.flows["bulk"].delivered_bytes[-1] > 1_000_000


def test_a_worker_simulates_one_scenario_after_the_other(quick: Scenario, worker: Worker) -> None:
    seen: list[int] = []
    swapped = worker.simulate(quick.resolved(), seen.append)
    steady = worker.simulate(quick.without_swaps().resolved(), seen.append)
    assert len(swapped.swaps) == 1
    assert steady.swaps == ()
    assert all(0 <= t_ns <= 2_000_000_000 for t_ns in seen)


def test_a_worker_that_is_killed_is_noticed(quick: Scenario, worker: Worker) -> None:
    worker.kill()
    with pytest.raises(WorkerDied):
        worker.simulate(quick.resolved(), ignore)


def test_what_a_killed_worker_did_not_finish_is_simulated_here(
    quick: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Worker, *_: Any, **__: Any) -> Any:
        raise WorkerDied("killed")

    monkeypatch.setattr(Worker, "simulate", killed)
    resolved = [quick.resolved(), quick.without_swaps().resolved(), quick.with_b_twin().resolved()]
    assert all(map(equal, simulate_all(resolved, jobs=3), simulate_all(resolved, jobs=1)))


def test_without_processes_everything_is_simulated_here(
    quick: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refused)
    results = simulate_all([quick.resolved(), quick.without_swaps().resolved()], jobs=2)
    assert [len(one.swaps) for one in results if one] == [1, 0]


def test_a_scenario_that_a_worker_refuses_raises_here_what_it_raised(quick: Scenario) -> None:
    broken: Mapping[str, Any] = {"duration_ns": 1}
    with pytest.raises(KeyError):
        simulate_all([quick.resolved(), broken], jobs=2)


def test_what_an_algorithm_prints_does_not_disturb_the_answers(
    tmp_path: Path, worker: Worker
) -> None:
    (tmp_path / "talk.py").write_text(PRINTING)
    text = QUICK.replace("congestion: cubic", "congestion: talk").replace("to: bbr", "to: reno")
    (tmp_path / "talk.yaml").write_text(text + "objects: [talk.py]\n")
    scenario = load_scenario(tmp_path / "talk.yaml")
    assert worker.simulate(scenario.resolved(), ignore).failed == ""


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
