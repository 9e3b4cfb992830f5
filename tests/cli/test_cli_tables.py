"""What the command line prints: tables, reasons, and how far a run is."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.cli.layout import table
from ccsim.cli.output import comparison_text, run_text
from ccsim.cli.progress import ProgressBar
from ccsim.experiment.measure import measure
from tests.cli.cli_rig import Output
from tests.experiment.synthetic import flow, result, swap


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
    assert lines["swapped at (s)"] == "20.000"
    assert "deficit" not in text  # without an A-twin there is none


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


def test_the_tables_tell_a_roll_back_and_a_trigger_that_did_not_fire() -> None:
    back = swap(via="staged", outcome="rolled back: drops 5 %, before 0 %", outcome_ns=24 * 10**9)
    metrics = measure(result(flow(), swaps=[back]))
    text = run_text("x", {**metrics, "untriggered": [3]})
    assert "roll-out at 24 s: rolled back: drops 5 %, before 0 %" in text
    assert "swap 3: its trigger did not fire" in text
