"""Studies that are killed: nothing is lost, half-written or run twice, and the bytes are equal."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ccsim.experiment.study.folder import LOCK
from tests.study.study_rig import (
    TINY,
    ccsim,
    children,
    command,
    digests,
    done,
    log,
    planned,
    write,
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
LARGE = TINY.replace("seeds: 2", "seeds: 50")  # 200 runs and 200 twins
KILLS = 20


def stored(study: Path) -> set[str]:
    """Return the runs whose own part is there, and that part's identity on the disk."""
    return {path.stem for path in (study / "parts").glob("[!.]*.parquet")}


def wait_for_work(process: subprocess.Popen[str], study: Path, lines: int) -> bool:
    """Wait until a sweep has simulated something more; False if it ended before."""
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError):
            if (study / "log.jsonl").read_bytes().count(b'"done"') > lines:
                return True
        time.sleep(0.01)
    return False


@pytest.mark.slow
def test_twenty_kills_of_workers_and_sweeps_change_no_byte_and_repeat_no_run(
    tmp_path: Path,
) -> None:
    write(tmp_path, LARGE)
    status, _, err = ccsim(tmp_path, "sweep", "tiny.yaml", "--out", "undisturbed", "--workers", "2")
    assert status == 0, err
    study = tmp_path / "results" / "tiny"
    dice = random.Random(7)
    kills = {"worker": 0, "sweep": 0}
    process = command(tmp_path, "sweep", "tiny.yaml", "--workers", "2")
    lines = 0
    while sum(kills.values()) < KILLS:
        assert wait_for_work(process, study, lines), process.communicate()[1]
        lines = (study / "log.jsonl").read_bytes().count(b'"done"') + dice.randrange(12)
        time.sleep(dice.random() * 0.05)
        if dice.random() < 0.5:
            kills["sweep"] += 1
            process.kill()
            process.communicate()
            process = command(tmp_path, "sweep", "tiny.yaml", "--workers", "2")
        elif workers := children(process.pid):
            kills["worker"] += 1
            os.kill(dice.choice(workers), signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert min(kills.values()) >= 5
    assert digests(study) == digests(tmp_path / "undisturbed" / "tiny")
    assert len(planned(study)) == 200
    assert max(done(study).values()) == 1
    assert run_twice(study) == []
    assert [path.name for path in study.rglob(".tmp-*")] == []


def run_twice(study: Path) -> list[str]:
    """Return the runs that were started although they were done, by the log."""
    finished: set[str] = set()
    again = []
    for line in log(study):
        if line["event"] == "start" and line["run"] in finished and line["kind"] == "run":
            again.append(line["run"])
        if line["event"] == "done":
            finished.add(line["run"])
    return again


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    write(tmp_path)
    study = tmp_path / "results" / "tiny"
    process = command(tmp_path, "sweep", "tiny.yaml", "--workers", "1")
    assert wait_for_work(process, study, 6)
    process.kill()
    process.communicate()
    before = stored(study)
    kept = {name: (study / "parts" / f"{name}.parquet").stat().st_mtime_ns for name in before}
    assert 0 < len(before) < 8
    assert ccsim(tmp_path, "ls")[1].splitlines()[1].split()[3] == "interrupted"
    status, out, err = ccsim(tmp_path, "sweep", "tiny.yaml", "--workers", "1")
    assert status == 0, err
    assert f"of which {len(before)} were there" in out
    started = {x["run"] for x in second_session(study) if x["event"] == "start"}
    assert started.isdisjoint(kept)
    assert set(planned(study)) - set(kept) <= started


def second_session(study: Path) -> list[dict[str, str]]:
    """Return the log from the second sweep on."""
    lines = log(study)
    sessions = [number for number, line in enumerate(lines) if line["event"] == "session"]
    return lines[sessions[1] :]


def test_a_new_sweep_waits_for_whoever_holds_the_lock_of_a_killed_one(tmp_path: Path) -> None:
    write(tmp_path)
    study = tmp_path / "results" / "tiny"
    process = command(tmp_path, "sweep", "tiny.yaml", "--workers", "1")
    assert wait_for_work(process, study, 0)
    process.kill()
    process.wait()
    with (study / LOCK).open("r+b") as held:  # as a worker does that still simulates
        while True:  # until the killed sweep's own worker has ended
            with suppress(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.01)
        second = command(tmp_path, "sweep", "tiny.yaml", "--workers", "1")
        time.sleep(1.0)
        assert second.poll() is None
        assert sum(line["event"] == "session" for line in log(study)) == 1
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err


def test_a_second_sweep_of_the_same_study_is_refused_while_one_runs(tmp_path: Path) -> None:
    write(tmp_path, LARGE)
    process = command(tmp_path, "sweep", "tiny.yaml", "--workers", "1")
    try:
        assert wait_for_work(process, tmp_path / "results" / "tiny", 0)
        status, _, err = ccsim(tmp_path, "sweep", "tiny.yaml", "--workers", "1")
        assert status == 2
        assert f"another sweep (process {process.pid}) is running this study" in err
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_signal_stops_a_sweep_cleanly_and_what_is_done_stays(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    write(tmp_path, LARGE)
    study = tmp_path / "results" / "tiny"
    process = command(tmp_path, "sweep", "tiny.yaml", "--workers", "2")
    assert wait_for_work(process, study, 10)
    workers = children(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (status, ""), err
    assert "Traceback" not in err
    assert err.count("\n") <= 1
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert '"status": "interrupted"' in (study / "manifest.json").read_text()
    assert [path.name for path in study.rglob(".tmp-*")] == []
    assert stored(study) == set(done(study))
    rows = ccsim(tmp_path, "query", "tiny", "select count(*) n from runs", "--format", "csv")[1]
    assert rows == f"n\n{len(done(study))}\n"
