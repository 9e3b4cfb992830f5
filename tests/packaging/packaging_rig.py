"""Distributions made from the checkout and installed into environments of their own, offline.

A new environment downloads nothing: a ``.pth`` file lends it the packages of the one that runs the
tests. Files named there are not read for further ``.pth`` files, so that an editable ccsim of the
lender stays its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

__all__ = ["ROOT", "Environment", "build", "clean_env", "needs", "run"]

ROOT = Path(__file__).resolve().parents[2]


def needs(*tools: str) -> None:
    """Skip where a tool is missing that the extra ``dev`` installs."""
    for tool in tools:
        pytest.importorskip(tool, reason="pip install -e '.[dev]' brings it")


def clean_env() -> dict[str, str]:
    """Return the process environment without what could let a checkout be found; what is built is
    Python alone, for machine code takes a minute."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV"))}
    pip = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}
    return {**kept, **pip, "CCSIM_PURE": "1"}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command to its end and return what it printed; show all of it if it failed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean_env(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(kind: str, source: Path, out: Path) -> Path:
    """Build the distribution ``kind`` (wheel, sdist) of the tree ``source``; return its file."""
    needs("build", "hatchling", "Cython", "setuptools")
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "-o", out, source, cwd=out)
    (made,) = out.iterdir()
    return made


class Environment:
    """A virtual environment in ``folder``, into which the test's own pip installs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True, with_pip=False)
        scheme = {"base": str(folder), "platbase": str(folder)}
        self.bin = Path(sysconfig.get_path("scripts", "venv", scheme))
        self.python = self.bin / "python"
        self.packages = Path(sysconfig.get_path("purelib", "venv", scheme))

    def lend(self) -> None:
        """Let it see the packages of the environment that runs the tests."""
        lender = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (self.packages / "lent.pth").write_text("\n".join(sorted(lender)) + "\n")

    def install(self, *what: str | Path) -> None:
        """Install without dependencies; a ccsim outside this environment is left alone."""
        pip = (sys.executable, "-m", "pip", "--python", self.python, "install", "-q", "--no-deps")
        run(*pip, *what, cwd=self.folder)

    def installed_files(self) -> list[str]:
        """Return the files that installing ccsim put among the packages, by its own record."""
        (record,) = self.packages.glob("ccsim-*.dist-info/RECORD")
        return [line.split(",")[0] for line in record.read_text().splitlines()]
