"""The command line: what is printed where, exit statuses, and that nothing is left half-done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ccsim
import ccsim.sim
from ccsim.cli import main
from ccsim.compiled import form
from ccsim.sim.traces import SimResult
from ccsim.spec import Scenario
from tests.cli.cli_rig import ROOT, Output, command, run
from tests.experiment.conftest import TEXT, answer

# --- run ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fake")
def test_run_prints_tables_with_units_the_folder_and_the_figure(capsys: Output) -> None:
    assert run("--wide") == 0
    out = capsys.readouterr().out
    assert "goodput (Mbit/s)" in out
    assert "swap 0 at 20 s: cubic → bbr, setsockopt" in out
    lines = {line.split("  ")[0]: line.split()[-1] for line in out.splitlines() if line}
    assert lines["goodput deficit to A-twin (MB)"] == "6.250"
    assert lines["worst 200 ms (% of 2 s before)"] == "50.0"
    place = Path(lines["run folder"])
    assert (place / "plots" / "run.pdf").read_bytes().startswith(b"%PDF")
    assert lines["figure"] == str(place / "plots" / "run.png")
    assert "an algorithm prints" not in out


@pytest.mark.usefixtures("fake")
def test_json_is_one_document_and_nothing_else(capsys: Output) -> None:
    assert run("--json", "--no-plot") == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["swaps"][0]["flows"][0]["deficit_s"] == pytest.approx(0.5)


@pytest.mark.usefixtures("fake")
def test_overrides_may_stand_before_and_after_options(capsys: Output) -> None:
    assert run("duration=31 s", "--no-plot", "path.rate=10 Mbit/s", "--seed", "7") == 0
    (place,) = Path("results/dip").iterdir()
    resolved = json.loads((place / "resolved.json").read_text())
    assert resolved["duration_ns"] == 31_000_000_000
    assert resolved["path"]["rate_bps"] == 10_000_000
    assert resolved["seed"] == 7
    argv = json.loads((place / "manifest.json").read_text())["argv"]
    assert argv[:3] == ["ccsim", "run", "dip.yaml"]


@pytest.mark.usefixtures("fake")
def test_out_no_twins_and_no_plot(capsys: Output, folder: Path) -> None:
    assert run("--out", "elsewhere", "--no-twins", "--no-plot") == 0
    (place,) = (folder / "elsewhere" / "dip").iterdir()
    assert not (place / "plots").exists()
    assert not (place / "twin-a").exists()
    assert "figure" not in capsys.readouterr().out


@pytest.mark.usefixtures("fake")
def test_a_run_whose_algorithm_raised_ends_with_1_and_says_where(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(scenario: Scenario, **_: Any) -> SimResult:
        return answer(scenario, failed="my_cc.py:7: cong_avoid: ZeroDivisionError")

    monkeypatch.setattr(ccsim.sim, "simulate", broken)
    assert run("--json", "--no-plot") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["failed"] == "my_cc.py:7: cong_avoid: ZeroDivisionError"
    assert err.startswith("run failed: my_cc.py:7: cong_avoid: ZeroDivisionError")
    assert ".failed" in err


@pytest.mark.usefixtures("fake")
def test_ctrl_c_ends_with_130_one_line_and_no_folder(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> SimResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(ccsim.sim, "simulate", interrupted)
    assert run() == 130
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert not Path("results/dip").exists()


# --- wrong input ----------------------------------------------------------------------------------


def test_a_wrong_scenario_ends_with_2_and_a_line_for_each_problem(
    capsys: Output, folder: Path
) -> None:
    (folder / "bad.yaml").write_text(TEXT.replace("to: bbr", "to: brr").replace("40 ms", "40 mss"))
    assert main(["run", "bad.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
    assert "bad.yaml:7:" in err
    assert "did you mean 'bbr'?" in err
    assert "Traceback" not in err
    assert not (folder / "results").exists()


@pytest.mark.usefixtures("fake")
def test_results_that_cannot_be_written_end_with_2_and_how_to_mend_it(
    capsys: Output, folder: Path
) -> None:
    (folder / "file").write_text("")
    assert run("--out", "file/below") == 2
    err = capsys.readouterr().err
    assert "cannot write results: Not a directory" in err
    assert "--out DIR" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["run"],
        ["run", "dip.yaml", "--jobs", "0"],
        ["run", "dip.yaml", "--jobs", "many"],
        ["run", "dip.yaml", "--seed", "x"],
        ["run", "dip.yaml", "--colour"],
        ["plot", "x", "--format", "gif"],
        ["export", "x", "--format", "xls"],
        ["list", "nothing"],
        ["show", "x", "stray=1"],
        ["verify"],
    ],
)
def test_wrong_arguments_end_with_2(arguments: list[str], folder: Path) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2


@pytest.mark.parametrize("verb", ["show", "plot", "compare", "export"])
def test_a_run_that_does_not_exist_ends_with_2(verb: str, capsys: Output, folder: Path) -> None:
    assert main([verb, "nothing"]) == 2
    assert "expected a run's folder, its run id or its scenario" in capsys.readouterr().err


# --- other verbs ----------------------------------------------------------------------------------


def test_check_says_ok_or_what_is_wrong(capsys: Output, folder: Path) -> None:
    (folder / "bad.yaml").write_text("duration: 3\n")
    assert main(["check", "dip.yaml"]) == 0
    assert capsys.readouterr().out == "dip.yaml: ok\n"
    assert main(["check", "bad.yaml", "dip.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == "dip.yaml: ok\n"
    assert "bad.yaml:1:" in err


def test_schema_is_a_json_schema(capsys: Output) -> None:
    assert main(["schema"]) == 0
    assert {"duration", "path", "flows"} <= set(json.loads(capsys.readouterr().out)["properties"])


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("scenarios", "cubic_to_bbr"),
        ("algorithms", "cubic"),
        ("qdiscs", "fifo"),
        ("qdiscs", "cake"),
        ("mechanisms", "link_update"),
    ],
)
def test_list_names_what_there_is(what: str, name: str, capsys: Output) -> None:
    assert main(["list", what]) == 0
    assert name in [line.split()[0] for line in capsys.readouterr().out.splitlines()]


def test_what_is_listed_of_an_algorithm_is_one_whole_sentence(capsys: Output) -> None:
    main(["list", "algorithms", "--wide"])
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:]]
    assert len(rows) >= 17
    assert [row for row in rows if not row[1].endswith(".") or len(row[1]) > 76] == []


@pytest.mark.usefixtures("fake")
def test_a_stored_run_is_shown_drawn_exported_and_compared(capsys: Output, folder: Path) -> None:
    run("--no-plot")
    shown = capsys.readouterr().out
    assert main(["show", "dip"]) == 0
    assert capsys.readouterr().out == shown
    assert main(["show", "dip", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["duration_s"] == 30
    assert main(["plot", "dip", "--out", "pictures", "--format", "svg"]) == 0
    assert capsys.readouterr().out == "pictures/run.svg\n"
    assert main(["export", "dip", "--format", "csv", "--out", "tables"]) == 0
    assert "tables/twin-b/events.csv" in capsys.readouterr().out.splitlines()
    assert main(["compare", "dip", "dip", "--format", "png"]) == 0
    out = capsys.readouterr().out
    assert "(1)" in out
    assert "(2)" in out
    assert Path(out.splitlines()[-1]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("fake")
def test_a_picture_that_cannot_be_written_ends_with_2(capsys: Output, folder: Path) -> None:
    run("--no-plot")
    (folder / "file").write_text("")
    assert main(["plot", "dip", "--out", "file/below"]) == 2
    assert "cannot write results" in capsys.readouterr().err


# --- as a process ---------------------------------------------------------------------------------


def test_help_names_the_verbs_and_needs_no_heavy_import() -> None:
    code = (
        "import sys, ccsim.cli\n"
        "try: ccsim.cli.main(['--help'])\n"
        "except SystemExit as e: assert e.code == 0\n"
        "heavy = {'numpy', 'pydantic', 'matplotlib', 'duckdb', 'ruamel', 'simpy'}\n"
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.stderr == ""
    for verb in ("run", "check", "schema", "list", "plot", "compare", "export", "show", "verify"):
        assert f"\n    {verb} " in done.stdout


def test_help_takes_less_than_a_third_of_a_second() -> None:
    used = []  # processor time: how long it takes beside other work is no matter of ccsim
    for _ in range(5):
        before = os.times()
        assert command("--help").wait() == 0
        after = os.times()
        used.append(sum(after[2:4]) - sum(before[2:4]))
    assert min(used) < 0.3


def test_version_is_the_packages() -> None:
    process = command("--version")
    assert process.communicate()[0] == f"ccsim {ccsim.__version__} ({form()})\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = command("schema")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141
