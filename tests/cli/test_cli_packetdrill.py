"""``ccsim verify packetdrill``: what it prints, and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.cli import main

SCRIPTS = Path(__file__).resolve().parent.parent / "packetdrill"


def test_a_script_that_agrees_is_one_line_and_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "packetdrill", str(SCRIPTS / "refused.pkt")]) == 0
    line, total = capsys.readouterr().out.splitlines()
    assert line.endswith("refused.pkt: agrees (4 events, HZ=1000)")
    assert total == "1 of 1 scripts agree"


def test_a_folder_is_searched_and_what_cannot_be_read_outweighs_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("refused", "differs_errno", "cannot_command", "wrong_syntax"):
        (tmp_path / f"{name}.pkt").write_bytes((SCRIPTS / f"{name}.pkt").read_bytes())
    (tmp_path / "binary.pkt").write_bytes(b"\xff\xfe\x00")
    assert main(["verify", "packetdrill", str(tmp_path), "--quiet"]) == 2
    out = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in out[:-1]] == ["is no script", "differs", "is no script"]
    assert out[-1] == "1 of 2 scripts agree; 1 cannot be expressed; 2 could not be read"


def test_a_script_that_differs_sets_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "packetdrill", str(SCRIPTS / "differs_errno.pkt")]) == 1
    assert "differs_errno.pkt:3:7: differs: expected write" in capsys.readouterr().out


def test_a_path_without_scripts_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "packetdrill", str(tmp_path)]) == 2
    assert "expected a script NAME.pkt, got a folder without" in capsys.readouterr().err
