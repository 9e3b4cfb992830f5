"""What the command line says to those who have not read its help: expected, got, the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.cli import main
from tests.cli.cli_rig import Output, run

PLAIN = "name: dip\nduration: 1 s\npath: {rate: 10 Mbit/s, rtt: 20 ms}\n"
SWAP = "flows: [{name: a, congestion: reno}]\nswaps: [{at: 800 ms, via: sweep, to: cubic}]\n"


def refused(capsys: Output, *arguments: str) -> str:
    """Return what a command that is wrong says, without the usage."""
    try:
        status = main(list(arguments))
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err[captured.err.rfind("\nccsim") + 1 :].rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("rnu mine", "ccsim: no verb 'rnu'; did you mean 'run'?"),
        ("verify kernl x", "ccsim verify: no subject 'kernl'; did you mean 'kernel'?"),
        ("list scenario", "ccsim list: what: no choice 'scenario'; did you mean 'scenarios'?"),
        ("kernel --profile linx",
         "ccsim kernel: --profile: no choice 'linx'; did you mean 'linux'?"),
        ("run x --no-plto",
         "ccsim run: unrecognized arguments: --no-plto; did you mean '--no-plot'?"),
        ("show x --metrc=y",
         "ccsim show: unrecognized arguments: --metrc=y; did you mean '--metric'?"),
        ("new foo x",
         "ccsim new: what: no choice 'foo'; expected 'algorithm', 'object' or 'scenario'"),
        (
            "run",
            "ccsim run: missing SCENARIO (a YAML file or a shipped one's name)\n"
            "example: ccsim run cubic_to_bbr duration='40 s'; ccsim list scenarios lists what is "
            "shipped",
        ),
        (
            "",
            "ccsim: missing VERB\n"
            "to begin: ccsim run cubic_to_bbr; what else is shipped: ccsim list scenarios",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_nearest_that_there_is(
    arguments: str, said: str, capsys: Output
) -> None:
    assert refused(capsys, *arguments.split()) == said


@pytest.mark.usefixtures("folder")
def test_a_result_of_no_such_name_gets_the_nearest_from_every_verb(capsys: Output) -> None:
    assert run("--no-plot", "--no-twins", "duration=1 s", "swaps.0.at=500 ms") == 0
    capsys.readouterr()
    for verb in ("show dp", "plot dp", "compare dip dp", "export dp", "report dp", "diff dip dp"):
        assert refused(capsys, *verb.split()) == (
            "dp: expected a run's folder, its run id or its scenario, got nothing of that "
            "name below results; did you mean 'dip'?"
        )
    said = refused(capsys, "query", "dp", "select 1")
    assert said.endswith("below results; did you mean 'dip'?")
    assert refused(capsys, "show", "zzzzzz").endswith("; ccsim ls lists what is there")


@pytest.mark.usefixtures("folder")
def test_a_query_of_a_table_that_a_run_has_not_is_told_those_it_has(capsys: Output) -> None:
    assert run("--no-plot", "--no-twins", "duration=1 s", "swaps.0.at=500 ms") == 0
    capsys.readouterr()
    tables = "its tables are drops, events, flows, links, marks"
    said = refused(capsys, "query", "dip", "select * from runs")
    assert said.startswith("query: results/dip/")
    assert said.endswith(f" has no table 'runs'; {tables}")
    said = refused(capsys, "query", "dip", "select * from flow")
    assert said.endswith(f" has no table 'flow'; did you mean 'flows'?; {tables}")


def test_an_override_that_a_later_swap_does_not_fit_is_blamed_and_not_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dip.yaml").write_text(PLAIN + SWAP)
    late = "expected a time before the end of the run at 500 ms, got 800 ms"
    blamed = (
        "override 'duration=500 ms': duration: does not fit swaps.0.at in dip.yaml, line 5: "
        f"{late}; hint: override swaps.0.at too"
    )
    assert refused(capsys, "run", "dip.yaml", "duration=500 ms") == blamed
    assert refused(capsys, "run", "dip.yaml", "path.rtt=9 ms", "duration=500 ms") == blamed
    own = "override 'swaps.0.at=2 s': swaps.0.at: expected a time before the end of the run at 1 s"
    assert refused(capsys, "run", "dip.yaml", "swaps.0.at=2 s").startswith(own)


def test_what_is_wrong_in_the_file_itself_is_told_of_the_file_whatever_is_overridden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dip.yaml").write_text(PLAIN + SWAP.replace("to: cubic", "to: cubix"))
    said = refused(capsys, "run", "dip.yaml", "path.rtt=30 ms")
    assert said == "dip.yaml:5:38: swaps.0.to: no algorithm 'cubix'; did you mean 'cubic'?"
