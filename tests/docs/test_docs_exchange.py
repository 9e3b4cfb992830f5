"""docs/exchange.md: every command on it is executed, in order, on the scenario that it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.cli.export import FORMATS
from ccsim.scenario import load_scenario

PAGE = (Path(__file__).parents[2] / "docs" / "exchange.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


def test_every_command_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (scenario,) = blocks("yaml")
    (tmp_path / "lab.yaml").write_text(scenario, encoding="utf-8")
    assert len(COMMANDS) == 16
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        assert program == "ccsim"
        assert main(arguments) == 0, command
        assert capsys.readouterr().out, command
    for name in ("lab.pcapng", "lab.sqlog", "lab.flent.gz", "lab.ss", "twin.pcapng"):
        assert (tmp_path / name).stat().st_size > 5_000, name
    assert (tmp_path / "tables" / "flows.csv").is_file()
    assert (tmp_path / "samples" / "lab.imported.csv").is_file()
    assert (tmp_path / "beside" / "measured.png").is_file()
    path = load_scenario(tmp_path / "mine.yaml").path
    assert path.rate_bps == pytest.approx(10e6, rel=0.02)
    assert path.rtt_ns == pytest.approx(40e6, rel=0.02)


def test_the_table_of_formats_is_complete() -> None:
    table = PAGE.split("| `--format` |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(FORMATS)
