"""How a command starts: without what short runs have no use for, and without a trace of that."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ccsim.cli.list as list_module
from ccsim.cli.entry import LEAN, main

ROOT = Path(__file__).resolve().parents[2]
OWN: list[bool] = []
"""Whether the process was the command's own."""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What a command finds: the settings of `LEAN`."""
    found: dict[str, object] = {}
    OWN.clear()

    def note(args: argparse.Namespace) -> int:
        found.update({name: os.environ.get(name) for name in LEAN})
        OWN.append(args.own_process)
        return 0

    monkeypatch.setattr(list_module, "list_verb", note)
    for name in LEAN:
        monkeypatch.delenv(name, raising=False)
    return found


def test_a_command_starts_no_threads_for_matrices(seen: dict[str, object]) -> None:
    assert main(["list", "qdiscs"]) == 0
    assert seen == {"OPENBLAS_NUM_THREADS": "1"}
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_what_the_environment_says_stays(
    seen: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert main(["list", "qdiscs"]) == 0
    assert seen["OPENBLAS_NUM_THREADS"] == "2"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2"


@pytest.mark.usefixtures("seen")
def test_a_process_is_the_commands_own_if_its_arguments_are_the_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["ccsim", "list", "qdiscs"])
    assert main() == 0
    assert main(["list", "qdiscs"]) == 0
    assert OWN == [True, False]


@pytest.mark.parametrize(("given", "forked"), [("sys.argv[1:]", False), ("None", True)])
def test_only_a_process_of_the_commands_own_forks_and_keeps_what_it_has_imported(
    tmp_path: Path, given: str, forked: bool
) -> None:
    (tmp_path / "own.yaml").write_text(
        "name: own\nduration: 1 s\npath: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}\n"
        "flows: [{name: bulk, congestion: cubic}]\n"
        "swaps: [{at: 500 ms, via: setsockopt, flows: [bulk], to: reno}]\n"
    )
    code = f"""
import gc, os, sys
from ccsim.cli import main
forks = []
fork = os.fork
def noted():
    forks.append(1)
    return fork()
os.fork = noted
status = main({given})
print(status, len(forks), gc.get_freeze_count() > 10_000, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "own.yaml", "--jobs", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    several = 2 if forked and sys.platform == "linux" else 0  # one draws, one simulates
    assert done.stderr == f"0 {several} {forked}\n"
    assert len(list(tmp_path.glob("results/own/*/plots/run.p*"))) == 2
