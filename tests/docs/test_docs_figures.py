"""docs/figures.md: its commands and its Python are executed on the scenario that it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.plot.options import PANELS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_every_command_draws_and_so_does_the_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paper.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    drawing, printing = blocks("sh")
    for command in drawing.splitlines():
        program, *arguments = shlex.split(command)
        assert program == "ccsim"
        assert main(arguments) == 0, command
        written = Path(capsys.readouterr().out.splitlines()[-1].split()[-1])
        assert written.stat().st_size > 5_000, command
    for command in printing.splitlines():
        assert main(shlex.split(command)[1:]) == 0, command
        out = capsys.readouterr().out
        assert r"\bottomrule" in out or "| ---: |" in out
    env = {"MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", blocks("python")[0]], check=True, env=env, cwd=tmp_path)
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_every_panel_is_named() -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `--panels`")]
    assert set(re.findall(r"`(\w+)`", row)) == set(PANELS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--panels", "cwmd"], "did you mean 'cwnd'"),
        (["--from", "19"], "19"),
        (["--width", "wide"], "width: expected 1col, 2col"),
    ],
)
def test_what_cannot_be_drawn_is_told_before_the_run_is_read(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", "nothing-of-that-name", *words]) == 2
    assert said in capsys.readouterr().err
