"""``ccsim doctor`` tells what is here, what is missing and what that would bring, and what lies
about."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ccsim import __version__
from ccsim.cli import main
from ccsim.cli.doctor import OPTIONAL

ROOT = Path(__file__).resolve().parents[2]
Output = pytest.CaptureFixture[str]


def rows(capsys: Output, *arguments: str) -> dict[str, str]:
    """Run the doctor; return its rows by their names."""
    assert main(["doctor", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line[2:24].strip(): line[24:] for line in lines if line.startswith("  ")}


def test_it_knows_every_package_of_every_extra() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    named = {
        (re.split("[><=]", package)[0], extra)
        for extra, packages in extras.items()
        if extra != "dev"
        for package in packages
    }
    assert named == {(package, extra) for package, (extra, _) in OPTIONAL.items()}


def test_it_tells_versions_and_what_is_missing(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPTIONAL, "no-such-package", ("search", "miracles"))
    monkeypatch.setenv("PATH", "/nowhere")
    told = rows(capsys)
    assert told["ccsim"] == __version__
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["no-such-package"] == "not here: miracles; pip install 'ccsim[search]'"
    assert told["tshark"].startswith("not here: looks into what ccsim export")
    assert told["in use"]


def test_it_counts_what_killed_runs_and_failed_ones_left(tmp_path: Path, capsys: Output) -> None:
    command = [sys.executable, "-c", "import os; print(os.getpid())"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    host = re.sub(r"[^A-Za-z0-9_.+-]", "_", socket.gethostname())
    dead, alive = int(done.stdout), os.getpid()
    for name in (f".tmp-abc-{host}-{dead}-0", f".tmp-abc-{host}-{alive}-0", "def.failed", "ok"):
        (tmp_path / "scenario" / name).mkdir(parents=True)
        (tmp_path / "scenario" / name / "file").write_bytes(bytes(500_000))
    told = rows(capsys, "--results", str(tmp_path))
    assert told["results"] == f"2.0 MB in {tmp_path}"
    assert told["failed runs"].startswith("1, 0.5 MB: ")
    assert told["stale folders"].startswith("1, 0.5 MB: ")


def test_it_tells_machine_code_of_other_sources(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ccsim" / "0123-cpython").mkdir(parents=True)
    (tmp_path / "ccsim" / "0123-cpython" / "x.so").write_bytes(bytes(300_000))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told = rows(capsys)
    assert told["compiled cache"] == f"0.3 MB in {tmp_path / 'ccsim'}"
    assert told["stale builds"].startswith("1, 0.3 MB: ")


def test_without_results_there_is_nothing_stale(tmp_path: Path, capsys: Output) -> None:
    told = rows(capsys, "--results", str(tmp_path / "none"))
    assert (told["failed runs"], told["stale folders"]) == ("none", "none")
