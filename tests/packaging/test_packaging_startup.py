"""Starting the command costs next to nothing: nothing heavy is imported for help."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.packaging.packaging_rig import ROOT

HEAVY = {"duckdb", "matplotlib", "numpy", "pydantic", "ruamel", "simpy"}


def ccsim(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-m", "ccsim", *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    report = ccsim(*arguments, options=("-X", "importtime")).stderr
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in report.splitlines()}
    assert "ccsim" in imported
    assert imported & HEAVY == set()


def test_help_is_there_in_a_blink() -> None:
    """The goal is 0.3 s; the bound here leaves room for machines that are busy."""
    walls = []
    for _ in range(5):
        begun = time.perf_counter()
        ccsim("--help")
        walls.append(time.perf_counter() - begun)
    assert min(walls) < 0.6
