"""The real tshark, where it is: its own analysis of a capture, as rows of fields."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["needs_tshark", "tshark"]

needs_tshark = pytest.mark.skipif(
    shutil.which("tshark") is None,
    reason="tshark is not here: Debian has it in the package of that name",
)
CHECKED = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")


def tshark(capture: Path, *fields: str, only: str = "") -> list[list[str]]:
    """Return fields of the frames that a display filter leaves."""
    command = ["tshark", "-r", str(capture), *CHECKED, "-T", "fields", "-E", "separator=|"]
    for field in fields:
        command += ["-e", field]
    if only:
        command += ["-Y", only]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]
