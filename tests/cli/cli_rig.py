"""The command line, called and started as its users do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ccsim.cli import main

ROOT = Path(__file__).resolve().parents[2]
Output = pytest.CaptureFixture[str]


def run(*more: str) -> int:
    return main(["run", "dip.yaml", "--jobs", "1", *more])


def command(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start the command line as its users do."""
    return subprocess.Popen(
        [sys.executable, "-m", "ccsim", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )
