"""Kills at random times: no process outlives the one it works for, nothing half-written stays, no
traceback is shown, and the same bytes come out when it is run again.

``python -m tests.experiment.test_orphans 200 [SEED] [SIGNAL…]`` kills so many runs and sweeps, and
workers of a cluster with every fifth; the test a few.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.study.cluster_rig import Cluster

ROOT = Path(__file__).resolve().parents[2]
RUN = """\
name: crash
duration: 8 s
path: {rate: 30 Mbit/s, rtt: 30 ms, buffer: 1 BDP, loss: 0.2 %}
flows:
  - {name: a, congestion: cubic}
  - {name: b, congestion: bbr}
swaps:
  - {at: 3 s, via: setsockopt, flows: [a], to: bbr}
"""
STUDY = """\
name: st
base: {duration: 2 s, path: {rate: 5 Mbit/s, rtt: 20 ms, loss: 0.5 %},
  flows: [{name: a, congestion: cubic}],
  swaps: [{at: 1 s, via: setsockopt, flows: [a], to: reno}]}
design: {grid: {path.rate: [4 Mbit/s, 6 Mbit/s]}}
seeds: 2
"""
LONG = STUDY.replace("name: st", "name: long").replace("2 s", "6 s").replace("seeds: 2", "seeds: 4")
ENDLESS = """\
from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_ssthresh, tcp_reno_undo_cwnd


def cong_avoid(sk, ack, acked):
    LOOP


mine = TcpCongestionOps(
    name="mine", ssthresh=tcp_reno_ssthresh, undo_cwnd=tcp_reno_undo_cwnd, cong_avoid=cong_avoid
)
"""
VERBS = {
    "run": ["run", "crash.yaml", "--no-plot", "--jobs", "2"],
    "sweep": ["sweep", "st.yaml", "--workers", "2"],
}
SAID = "said.txt"
MIXED = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the command in a session of its own, by which its processes are known; what it says is
    kept in `SAID`, and SIGINT reaches it even where tests run in the background."""
    with (folder / SAID).open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "ccsim", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def of_session(session: int) -> list[int]:
    """Return the processes of a session that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, sid = stat.read_text().rpartition(")")[2].split()[:4]
            if int(sid) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


def gone(session: int, within_s: float = 5.0) -> bool:
    """Report whether all processes of a session end soon."""
    end = time.monotonic() + within_s
    while of_session(session):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def until(condition: Callable[[], object], within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


def contents(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of all files of finished runs and studies that have the same bytes each
    time."""
    files = [*folder.glob("results/crash/*/**/*"), *folder.glob("results/st/*.parquet")]
    files += folder.glob("long/*.parquet")
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and path.name != "manifest.json"
    }


def kill_once(
    folder: Path, verb: str, rng: random.Random, longest_s: float, signals: Sequence[signal.Signals]
) -> list[str]:
    """Start a command, kill its first process at a random time; return what is wrong afterwards."""
    process = start(folder, *VERBS[verb])
    after_s = rng.uniform(0.0, longest_s)
    time.sleep(after_s)
    number = rng.choice(signals)
    process.send_signal(number)
    status = process.wait()
    what = f"{verb}: {number.name} after {after_s:.3f} s"
    wrong = [] if gone(process.pid) else [f"{what}: {of_session(process.pid)} live"]
    for run in folder.glob("results/crash/[!.]*"):
        if not (run / "manifest.json").exists():
            wrong.append(f"{what}: {run} is half-written")
    said = (folder / SAID).read_text(errors="replace")
    if "init_import_site" in said:
        return wrong  # Python itself had not started: nothing of ccsim's had been read
    if "Traceback" in said:
        wrong.append(f"{what}: {said}")
    if status not in (0, 128 + number, -number):
        wrong.append(f"{what}: exit status {status}: {said}")
    return wrong


def kill_workers(folder: Path, kills: int, rng: random.Random) -> list[str]:
    """Kill so many workers of a cluster, each time one of two; return what is wrong in the end."""
    cluster = Cluster(folder)
    here, there = folder / "here", folder / "there"
    sweep_there = ["sweep", "long.yaml", "--out", "there", "--cluster", cluster.address]
    wrong: list[str] = []
    try:
        while kills > 0:
            sweep = start(folder, *sweep_there)
            while sweep.poll() is None and kills > 0:
                time.sleep(rng.uniform(0.0, 4.0))
                cluster.kill(cluster.workers.pop(rng.randrange(2)))
                cluster.workers.append(cluster.worker())
                kills -= 1
            if sweep.wait():
                wrong.append(f"cluster: {(folder / SAID).read_text()}")
            if not contents(here) or contents(here) != contents(there):
                wrong.append("cluster: the bytes differ")
            shutil.rmtree(there)
    finally:
        cluster.close()
    return wrong


def campaign(
    folder: Path,
    kills: int,
    seed: int,
    *,
    workers: int = 0,
    signals: Sequence[signal.Signals] = MIXED,
) -> list[str]:
    """Kill so often, of which so many ``workers`` of a cluster; return what was wrong then, or
    different in the end."""
    rng = random.Random(seed)
    wrong: list[str] = []
    wholes: dict[str, dict[str, str]] = {}
    for name in ("whole", "killed"):
        (folder / name).mkdir()
        (folder / name / "crash.yaml").write_text(RUN, encoding="utf-8")
        (folder / name / "st.yaml").write_text(STUDY, encoding="utf-8")
    longest_s = {}
    for verb, arguments in VERBS.items():
        begun = time.monotonic()
        start(folder / "whole", *arguments).wait()
        longest_s[verb] = time.monotonic() - begun
    for number in range(kills - workers):
        verb = list(VERBS)[number % 2]
        wrong += kill_once(folder / "killed", verb, rng, longest_s[verb], signals)
    for arguments in VERBS.values():
        if start(folder / "killed", *arguments).wait():
            wrong.append(f"{arguments[0]} fails after the kills")
    for name in ("whole", "killed"):
        wholes[name] = contents(folder / name)
    if wholes["whole"] != wholes["killed"] or not wholes["whole"]:
        wrong.append("the bytes differ")
    hidden = list((folder / "killed" / "results").rglob(".tmp*"))
    wrong += [f"{path} is left" for path in hidden]
    if workers:
        (folder / "long.yaml").write_text(LONG, encoding="utf-8")
        start(folder, "sweep", "long.yaml", "--out", "here").wait()
        wrong += kill_workers(folder, workers, rng)
    return wrong


@linux
def test_kills_at_random_times_leave_nothing_and_change_no_byte(tmp_path: Path) -> None:
    assert campaign(tmp_path, kills=6, seed=1) == []


@linux
@pytest.mark.parametrize(
    "loop", ["while True: pass", "sum(iter(int, 1))", "import time; time.sleep(99)"]
)
def test_a_worker_ends_with_its_parent_whatever_it_computes(tmp_path: Path, loop: str) -> None:
    """The run itself is quick, the twin that a worker simulates never comes back."""
    (tmp_path / "mine.py").write_text(ENDLESS.replace("LOOP", loop), encoding="utf-8")
    text = RUN.replace("congestion: cubic", "congestion: mine").replace("8 s", "4 s")
    (tmp_path / "crash.yaml").write_text(f"{text}objects: [mine.py]\n", encoding="utf-8")
    process = start(tmp_path, *VERBS["run"], "--hook-timeout", "1000")
    try:
        until(lambda: len(of_session(process.pid)) > 1)
        time.sleep(1.0)
        process.kill()
        process.wait()
        assert gone(process.pid)
    finally:
        for pid in of_session(process.pid):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    import tempfile

    number, seed = int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1
    chosen = [signal.Signals[name] for name in sys.argv[3:]] or MIXED
    with tempfile.TemporaryDirectory() as place:
        found = campaign(Path(place), number, seed, workers=number // 5, signals=chosen)
    print("\n".join(found) or f"{number} kills: no orphan, nothing half-written, same bytes")
    sys.exit(bool(found))
