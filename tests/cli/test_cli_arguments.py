"""What the options take, and what they say to anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.cli import main
from tests.cli.cli_rig import Output

WRONG = (
    (["fuzz", "--seconds", "0"], "--seconds: expected a whole number from 1 to 1000000, got '0'"),
    (["fuzz", "--seed", "-1"], "expected a whole number from 0 to 9223372036854775807, got '-1'"),
    (["fuzz", "--seed", "٣"], "--seed: expected a whole number from 0 to 9223372036854775807, got"),
    (["bench", "--runs", "0"], "--runs: expected a whole number from 1 to 1000000, got '0'"),
    (["gallery", "--jobs", "two"], "--jobs: expected a whole number from 1 to 1000000, got 'two'"),
    (["fuzz", "--seconds", "9" * 5000], f"to 1000000, got '{'9' * 40}…'"),
    (["fuzz", "--seed", str(2**63)], "to 9223372036854775807, got '9223372036854775808'"),
    (
        ["explore", "--port", "65536"],
        "--port: expected a whole number from 0 to 65535, got '65536'",
    ),
    (["explore", "--port", "-1"], "--port: expected a whole number from 0 to 65535, got '-1'"),
    (["export", "x", "--snaplen", "65536"], "a whole number from 0 to 65535, got '65536'"),
    (["show", "x", "--detect", "nan"], "--detect: expected a number above 0, got 'nan'"),
    (["show", "x", "--detect", "1e400"], "expected a number above 0, got '1e400'"),
    (["show", "x", "--detect=-1"], "expected a number above 0, got '-1'"),
    (["show", "x", "--detect", "0"], "expected a number above 0, got '0'"),
    (["show", "x", "--detect", "x"], "expected a number above 0, got 'x'"),
    (["gallery", "--format", "png,bmp"], "--format: expected png, pdf, svg or pgf, got 'bmp'"),
    (
        ["verify", "trace", ".", "--seeds", "0"],
        "expected a whole number from 1 to 1000000, got '0'",
    ),
)


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=lambda part: str(part)[:24])
def test_a_wrong_option_ends_with_2_and_says_what_was_expected(
    arguments: list[str], said: str, capsys: Output
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("address", ["", " "])
def test_an_empty_address_is_no_scheduler(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "swap_matrix", "--cluster", address]) == 2
    told = f"cluster: expected an address such as tcp://host:8786, got {address!r}\n"
    assert capsys.readouterr().err.endswith(told)
