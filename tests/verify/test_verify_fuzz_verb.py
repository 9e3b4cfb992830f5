"""The verb ``ccsim fuzz``: what it prints and its exit status."""

from __future__ import annotations

import argparse

import pytest

from ccsim.cli.fuzz import add_parser
from ccsim.scenario import parse_scenario
from ccsim.verify.fuzz import equality as fuzz_module


def fuzz(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="ccsim")
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["fuzz", *arguments])
    status: int = args.func(args)
    return status


def test_no_difference_is_status_0_and_names_the_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz("--seconds", "1", "--seed", "5") == 0
    out = capsys.readouterr().out
    assert "first seed 5" in out
    assert "no difference" in out


def test_a_difference_is_status_1_with_its_seed_and_a_scenario_that_can_be_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz_module, "check", lambda example, template: "cut: a.b: 1, 2")
    assert fuzz("--seed", "8") == 1
    out = capsys.readouterr().out
    assert "seed 8: cut: a.b: 1, 2" in out
    scenario = parse_scenario(out.split("\n\n", 1)[1], "printed.yaml")
    assert len(scenario.flows) == 1


@pytest.mark.parametrize("wrong", ["0", "-1", "soon", "1.5"])
def test_seconds_must_be_a_whole_number_from_1(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        fuzz("--seconds", wrong)
    assert caught.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_a_seed_must_be_a_whole_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fuzz("--seed", "x")
    assert "got 'x'" in capsys.readouterr().err
