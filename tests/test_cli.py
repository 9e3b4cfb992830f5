"""The command line: what is printed where, exit statuses, and that nothing is left half-done."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import ccsim
import ccsim.sim
from ccsim.cli import main
from ccsim.cli_output import comparison_text, run_text, table
from ccsim.cli_progress import ProgressBar
from ccsim.experiment.measure import measure
from ccsim.sim.traces import SimResult
from tests.experiment.conftest import TEXT, answer
from tests.experiment.synthetic import flow, result, swap

ROOT = Path(__file__).resolve().parent.parent
Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with one scenario."""
    (tmp_path / "dip.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator that answers at once, and says something on stdout as an algorithm might."""

    def simulate(resolved: Mapping[str, Any], **_: Any) -> SimResult:
        print("an algorithm prints")
        return answer(resolved)

    monkeypatch.setattr(ccsim.sim, "simulate", simulate, raising=False)


def run(*more: str) -> int:
    return main(["run", "dip.yaml", "--jobs", "1", *more])


def command(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start the command line as its users do."""
    return subprocess.Popen(
        [sys.executable, "-m", "ccsim", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


# --- run ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fake")
def test_run_prints_tables_with_units_the_folder_and_the_figure(capsys: Output) -> None:
    assert run() == 0
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
    def broken(resolved: Mapping[str, Any], **_: Any) -> SimResult:
        return answer(resolved, failed="my_cc.py:7: cong_avoid: ZeroDivisionError")

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


MY_CC = """\
from ccsim.kernel import TcpCongestionOps


def ssthresh(sk):
    return max(sk.snd_cwnd // 2, 2)


def cong_avoid(sk, ack, acked):
    if sk.tcp_mstamp > 1_000_000:
        sk.snd_cwnd = 1 // 0


def undo_cwnd(sk):
    return sk.snd_cwnd


my_cc = TcpCongestionOps(
    name="my_cc", ssthresh=ssthresh, cong_avoid=cong_avoid, undo_cwnd=undo_cwnd
)
"""
MINE = """\
duration: 2 s
path: {rate: 2 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
objects: [my_cc.py]
flows: [{name: bulk, congestion: my_cc}]
"""


def test_an_algorithm_that_raises_mid_run_is_named_with_its_line_and_its_traces_kept(
    capsys: Output, folder: Path
) -> None:
    (folder / "my_cc.py").write_text(MY_CC)
    (folder / "mine.yaml").write_text(MINE)
    assert main(["run", "mine.yaml", "--no-plot"]) == 1
    assert "my_cc.py:10: ZeroDivisionError" in capsys.readouterr().err
    (place,) = (folder / "results" / "mine").iterdir()
    assert place.name.endswith(".failed")
    assert json.loads((place / "manifest.json").read_text())["status"] == "failed"
    # a second at 2 Mbit/s is at most 250,000 bytes, and the run ended in the second second
    assert 0 < ccsim.load_run(place).flows["bulk"].delivered_bytes[-1] < 260_000


HOOKS = MY_CC.split("my_cc = ", maxsplit=1)[0]  # 16 lines


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            'TcpCongestionOps(name="x", ssthresh=lambda: 2, cong_avoid=cong_avoid, '
            "undo_cwnd=undo_cwnd)",
            "EINVAL: ssthresh: expected a function of (sk)",
        ),
        (
            'TcpCongestionOps(name="reno", ssthresh=ssthresh, cong_avoid=cong_avoid, '
            "undo_cwnd=undo_cwnd)",
            "EEXIST: ",
        ),
    ],
    ids=["a signature", "a free name"],
)
def test_a_table_that_the_kernel_refuses_ends_with_2_and_is_named_with_its_line(
    table: str, said: str, capsys: Output, folder: Path
) -> None:
    (folder / "my_cc.py").write_text(f"{HOOKS}mine = {table}\n")
    (folder / "mine.yaml").write_text(MINE.replace("congestion: my_cc", "congestion: cubic"))
    assert main(["run", "mine.yaml", "--no-plot"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{folder / 'my_cc.py'}:17: {said}")
    assert len(err.splitlines()) == 1
    assert list((folder / "results").iterdir()) == []


@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            'TcpCongestionOps(name="x", ssthresh=ssthresh, cong_avoid=cong_avoid)',
            "EINVAL: x: required operation missing: undo_cwnd is not implemented",
        ),
        ('TcpCongestionOps(name="x")', "EINVAL: x: required operation missing: ssthresh, "),
    ],
    ids=["one operation", "all operations"],
)
def test_a_missing_operation_is_found_before_anything_runs(
    table: str, said: str, verb: str, capsys: Output, folder: Path
) -> None:
    (folder / "my_cc.py").write_text(f"{HOOKS}mine = {table}\n")
    (folder / "mine.yaml").write_text(MINE.replace("congestion: my_cc", "congestion: cubic"))
    assert main([verb, "mine.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"mine.yaml:3:11: objects.0: my_cc.py:17: {said}")
    assert len(err.splitlines()) == 1
    assert not (folder / "results").exists()


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
        ("mechanisms", "link_update"),
    ],
)
def test_list_names_what_there_is(what: str, name: str, capsys: Output) -> None:
    assert main(["list", what]) == 0
    assert name in [line.split()[0] for line in capsys.readouterr().out.splitlines()]


def test_what_is_listed_of_an_algorithm_is_one_whole_sentence(capsys: Output) -> None:
    main(["list", "algorithms"])
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
    times = []
    for _ in range(3):
        started = time.perf_counter()
        assert command("--help").wait() == 0
        times.append(time.perf_counter() - started)
    assert min(times) < 0.3


def test_version_is_the_packages() -> None:
    process = command("--version")
    assert process.communicate()[0] == f"ccsim {ccsim.__version__}\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = command("schema")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


# --- the parts ------------------------------------------------------------------------------------


def test_numbers_are_aligned_right_and_words_left() -> None:
    assert table(["flow", "RTT (ms)"], [["a", "9.5"], ["longer", "10.0"]]).splitlines() == [
        "flow    RTT (ms)",
        "a            9.5",
        "longer      10.0",
    ]


def test_a_table_without_rows_has_its_header() -> None:
    assert table(["a", "b"], []) == "a  b"


def test_censored_and_missing_numbers_are_shown_as_such() -> None:
    slower = flow(mbit=((20, 100), (60, 50)))
    text = run_text("x", measure(result(slower, swaps=[swap()]), None, result()))
    lines = {
        line.split("  ")[0]: line.split("  ")[-1].strip() for line in text.splitlines() if line
    }
    assert lines["within 10 % of B-twin (s)"] == "> 40.0"
    assert lines["goodput deficit to A-twin (MB)"] == "–"


def test_a_swap_that_failed_says_why() -> None:
    text = run_text("x", measure(result(swaps=[swap(flows=(), errno=2)])))
    assert text.endswith(
        "swap 0 at 20 s: cubic → bbr, setsockopt: failed\n"
        "ENOENT: nothing is registered under this name\n"
    )


ENDED = """\
duration: 3 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: short, congestion: cubic, size: 100 kB}
  - {name: bulk, congestion: cubic}
swaps:
  - {at: 2 s, via: setsockopt, flows: [short], to: reno}
  - {at: 2.5 s, via: setsockopt, flows: [short, bulk], to: bbr}
"""


def test_a_swap_of_a_flow_that_has_ended_is_told_with_its_errno(
    capsys: Output, folder: Path
) -> None:
    (folder / "ended.yaml").write_text(ENDED)
    assert main(["run", "ended.yaml", "--no-plot", "--no-twins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    why = "EBADF: the socket is closed, since the flow has ended (short)"
    assert lines[lines.index(why) - 1].startswith("swap 0 at 2 s: ")
    assert lines[lines.index(f"failed in part, {why}") - 1].startswith("swap 1 at 2.5 s: ")
    (place,) = (folder / "results" / "ended").iterdir()
    first, second = json.loads((place / "metrics.json").read_text())["swaps"]
    assert (first["error"], first["flows"]) == (why, [])
    assert (second["error"], second["refused_flows"]) == (why, ["short"])
    assert [row["flow"] for row in second["flows"]] == ["bulk"]


def test_many_flows_are_cut_and_the_rest_is_counted() -> None:
    many = measure(
        result(*(flow(f"f{number}", duration_s=1) for number in range(50)), duration_s=1)
    )
    assert "… and 10 rows more" in run_text("x", many)
    assert "… and 60 rows more" in comparison_text(["a", "b"], [many, many])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_quiet_for_a_second_then_drawn_then_wiped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0, 0.9, 1.1, 1.15, 2.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    stream = Terminal()
    with ProgressBar("dip", stream) as bar:
        bar.update(0.1)
        assert stream.getvalue() == ""
        bar.update(0.5)  # 1.1 s in, half done
        assert " 50%, 1 s left" in stream.getvalue()
        bar.update(0.6)  # too soon after
        assert "60%" not in stream.getvalue()
        bar.update(0.8)
        assert "80%" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_no_progress_goes_into_a_file() -> None:
    stream = io.StringIO()
    with ProgressBar("dip", stream) as bar:
        bar.started -= 10
        bar.drawn -= 10
        bar.update(0.5)
    assert stream.getvalue() == ""


ZERO = """\
from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_ssthresh, tcp_reno_undo_cwnd

def cong_avoid(sk, ack, acked):
    sk.snd_cwnd = 20 if sk.delivered < 200 else 0

zero = TcpCongestionOps(
    name="zero", ssthresh=tcp_reno_ssthresh, undo_cwnd=tcp_reno_undo_cwnd, cong_avoid=cong_avoid
)
"""


def test_paranoid_ends_a_run_that_violates_an_invariant_and_keeps_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr("ccsim.sim.world.World.always_paranoid", False)
    (folder / "zero.py").write_text(ZERO)
    scenario = "duration: 1 s\npath: {rate: 20 Mbit/s, rtt: 40 ms}\nobjects: [zero.py]\n"
    (folder / "zero.yaml").write_text(scenario + "flows: [{name: a, congestion: zero}]\n")
    assert main(["run", "zero.yaml", "--no-plot"]) == 0
    capsys.readouterr()
    assert main(["run", "zero.yaml", "--no-plot", "--paranoid", "--out", "other"]) == 1
    said = capsys.readouterr()
    message = "invariant violated: zero: cong_avoid: expected cwnd of at least 1, got 0"
    assert (said.out, said.err.splitlines()[-1]) == ("", message)
    assert not list((folder / "other").glob("*/*"))


def test_the_tables_tell_a_roll_back_and_a_trigger_that_did_not_fire() -> None:
    back = swap(via="staged", outcome="rolled back: drops 5 %, before 0 %", outcome_ns=24 * 10**9)
    metrics = measure(result(flow(), swaps=[back]))
    text = run_text("x", {**metrics, "untriggered": [3]})
    assert "roll-out at 24 s: rolled back: drops 5 %, before 0 %" in text
    assert "swap 3: its trigger did not fire" in text
