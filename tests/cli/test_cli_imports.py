"""What a run imports, and a signal that comes meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_a_termination_in_a_callback_of_an_import_comes_again_when_that_is_over() -> None:
    """What a signal handler raises there is lost: Python prints it and goes on."""
    code = """
import time
from ccsim.cli.signals import signals_minded
callback = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('went on', flush=True)"
with signals_minded():
    exec(compile(callback, "<frozen importlib._bootstrap>", "exec"))
    time.sleep(30)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=25,
    )
    assert done.stdout == "went on\n"
    assert "Terminated" in done.stderr


HEAVY: tuple[str, ...] = (
    "matplotlib",
    "PIL",
    "fontTools",
    "optuna",
    "distributed",
    "dask",
    "scipy",
    "pandas",
)
HEAVY += ("ccsim.plot.render", "ccsim.cli.sweep", "ccsim.cli.kernel")


@pytest.mark.parametrize("more", [["--no-plot"], ["--jobs", "2"]])
def test_the_process_of_a_run_never_imports_what_only_others_need(
    folder: Path, more: list[str]
) -> None:
    """matplotlib alone takes as long as simulating ten seconds: another process imports it."""
    code = (
        "import sys\nfrom ccsim.cli import main\nstatus = main(sys.argv[1:])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    start = [sys.executable, "-c", code, "run", "dip.yaml", "duration=1 s", "swaps.0.at=500 ms"]
    done = subprocess.run(
        [*start, *more],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(done.stderr.split())
    assert "ccsim.experiment.run" in modules
    assert not modules & set(HEAVY)
    pictures = sorted(path.name for path in folder.glob("results/*/*/plots/*"))
    assert pictures == ([] if "--no-plot" in more else ["run.pdf", "run.png"])


def test_a_simulating_and_a_drawing_worker_are_started_without_numpy() -> None:
    """They are started first of all; what they import takes longer than what the caller does."""
    code = "import sys, ccsim.jobs.plot_worker, ccsim.jobs.simulation; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"numpy", "pydantic", "simpy", "ruamel", "duckdb"} & set(done.stdout.split())
