"""Markdown tables of recordings: what a reader of them finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.cli import main

DATA = Path(__file__).parent / "data"


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_transfer_is_a_row_with_its_drops_and_swap(capsys: pytest.CaptureFixture[str]) -> None:
    path = DATA / "traces" / "swapss_cubic_to_reno_C_20M_100ms_2bdp.json"
    assert main(["verify", "trace", str(path), "--table"]) == 0
    head, rule, row = capsys.readouterr().out.splitlines()
    assert len(cells(head)) == len(cells(rule)) == len(cells(row)) == 9
    assert cells(row)[:2] == ["swapss_cubic_to_reno_C_20M_100ms_2bdp", "cubic"]
    assert cells(row)[6:] == ["502 / 502", "500 / 500", "passes"]


def test_an_episode_is_a_row_and_the_sums_follow(capsys: pytest.CaptureFixture[str]) -> None:
    path = DATA / "episodes" / "fct2_l1_reno_A.json"
    assert main(["verify", "episode", str(path), "--table"]) == 0
    head, _, row, blank, total = capsys.readouterr().out.splitlines()
    assert cells(row) == ["fct2_l1_reno_A", "tight", "3/3", "0.00", "same", "same", "none"]
    assert len(cells(head)) == len(cells(row))
    assert (blank, total) == ("", "reno, the kernel repeats itself: 1 of 1 agree")


def test_a_quiet_table_leaves_out_what_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    path = DATA / "episodes" / "fct2_l1_reno_A.json"
    main(["verify", "episode", str(path), "--table", "--quiet"])
    assert "fct2_l1_reno_A" not in capsys.readouterr().out


@pytest.mark.parametrize("subject", [["kernel"], ["algorithm", "cubic"], ["episode"], ["trace"]])
def test_a_folder_without_recordings_is_an_error_that_says_what_was_expected(
    subject: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", *subject, str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{tmp_path}: expected ")


@pytest.mark.parametrize("subject", ["episode", "trace"])
def test_an_empty_folder_after_a_full_one_is_refused_before_anything_is_printed(
    subject: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = DATA / f"{subject}s"
    assert main(["verify", subject, "--table", str(full), str(tmp_path)]) == 2
    assert capsys.readouterr().out == ""
