"""Small studies, and how tests run and look at them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("runs.parquet", "flows.parquet", "links.parquet", "totals.parquet")
TINY = """\
name: tiny
base:
  duration: 600 ms
  path: {rate: 5 Mbit/s, rtt: 20 ms, buffer: 1 BDP, loss: 0.5 %}
  flows:
    - {name: bulk, congestion: cubic}
  swaps:
    - {at: 300 ms, via: setsockopt, flows: [bulk], to: reno}
design:
  grid:
    path.rate: [2 Mbit/s, 5 Mbit/s]
    pair: {keys: [flows.0.congestion, swaps.0.to], ordered_pairs: [reno, cubic]}
jitter:
  swaps.0.at: [250 ms, 350 ms]
seeds: 2
"""
"""8 runs of 0.6 s: 2 rates × 2 pairs × 2 seeds; the pairs share their 8 twins."""


def write(folder: Path, text: str = TINY, name: str = "tiny.yaml") -> Path:
    """Write a study's file and return it."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start ccsim in a folder; SIGINT reaches it even where tests run in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "ccsim", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def ccsim(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run ccsim in a folder; return exit status, output and errors."""
    process = command(folder, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def digests(study: Path) -> dict[str, str]:
    """Return the SHA-256 of a study's tables."""
    return {name: hashlib.sha256((study / name).read_bytes()).hexdigest() for name in TABLES}


def log(study: Path) -> list[dict[str, Any]]:
    """Return the lines of a study's log."""
    return [json.loads(line) for line in (study / "log.jsonl").read_text().splitlines()]


def done(study: Path, kinds: str = "run") -> Counter[str]:
    """Return how often each run was finished, as the log has it."""
    return Counter(x["run"] for x in log(study) if x["event"] == "done" and x["kind"] in kinds)


def planned(study: Path) -> list[str]:
    """Return the ids of all runs of a study."""
    return [run["run_id"] for run in json.loads((study / "plan.json").read_text())["runs"]]


def children(pid: int) -> list[int]:
    """Return the child processes of a process, whichever thread started them (Linux)."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has just ended
            found += [int(word) for word in file.read_text().split()]
    return found
