"""Kernel and simulation side by side: verdicts by hand; a recording that ccsim reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ccsim.cli.entry import main
from ccsim.experiment.agreement import RESOLUTION
from ccsim.experiment.confirm import Row, _rows
from ccsim.experiment.estimates import Estimate
from ccsim.linux.host import missing_for
from ccsim.linux.recording import why_no_recording
from ccsim.scenario import parse_scenario
from ccsim.spec import Scenario
from ccsim.verify.trace import load_trace

MISSING = missing_for(["reno", "cubic"])
needs_kernel = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))
PATH = "path: {rate: 10 Mbit/s, rtt: 20 ms, buffer: 1 BDP}\nkernel: {default: reno}\n"


def resolved(text: str) -> Scenario:
    return parse_scenario(f"name: live\nduration: 3 s\n{PATH}{text}", "live.yaml")


def row(kernel: Estimate, simulated: Estimate, metric: str = "extra_drops") -> Row:
    return Row("cubic → bbr", metric, kernel, simulated)


def test_intervals_that_overlap_are_not_apart() -> None:
    assert not row(Estimate(150, 146, 154, 6), Estimate(143, 140, 147, 6)).apart


def test_intervals_that_do_not_overlap_are_apart() -> None:
    assert row(Estimate(150, 148, 152, 6), Estimate(143, 140, 147, 6)).apart
    assert row(Estimate(143, 140, 147, 6), Estimate(150, 148, 152, 6)).apart


def test_a_difference_below_the_resolution_is_none() -> None:
    assert not row(Estimate(148, 147.9, 148.1, 6), Estimate(146.1, 146, 146.2, 6)).apart
    assert RESOLUTION["extra_drops"] == 2


def test_one_value_is_held_against_the_interval() -> None:
    assert not row(Estimate(150, 140, 160, 6), Estimate(141, None, None, 1)).apart
    assert row(Estimate(150, 145, 155, 6), Estimate(141, None, None, 1)).apart


def test_few_repetitions_part_nothing() -> None:
    assert not row(Estimate(150, 149.9, 150.1, 3), Estimate(100, None, None, 1)).apart


def test_a_metric_that_only_one_side_has_is_apart() -> None:
    assert row(Estimate(1, 0, 2, 6), Estimate(None, None, None, 0), "deficit_s").apart


def test_equal_values_of_several_runs_make_no_interval() -> None:
    runs = [{"swaps": [{"label": "x", "total": {"extra_drops": 3}, "flows": []}]}] * 6
    (found,) = _rows(runs, runs)
    assert (found.kernel.value, found.kernel.low, found.kernel.n) == (3, None, 6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flows: [{name: a, size: 1 MB}]", "bulk flows of one RTT, unlike a"),
        ("flows: [{name: a}, {name: b, rtt: 5 ms}]", "unlike b"),
        (
            "flows: [{name: a}]\nswaps: [{at: 1 s, via: sysctl, to: reno}]",
            "swaps by setsockopt",
        ),
        (
            "flows: [{name: a}]\nchanges: [{at: 1 s, rate: 5 Mbit/s}]",
            "a FIFO behind a constant line",
        ),
        ("workloads: [{name: w, arrivals: {every: 1 s}, sizes: 1 kB}]", "no workloads"),
    ],
)
def test_what_is_no_recording_is_said_with_the_reason(text: str, words: str) -> None:
    assert words in why_no_recording(resolved(text))


@needs_kernel
def test_a_recording_of_this_kernel_is_read_like_the_others(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "live.yaml"
    file.write_text(
        f"name: live\nduration: 3 s\n{PATH}flows: [{{name: a, congestion: reno}}]\n"
        "swaps: [{at: 2 s, via: setsockopt, flows: [a], to: cubic}]\n"
    )
    assert main(["record", str(file), "--out", str(tmp_path / "rec")]) == 0
    trace = load_trace(tmp_path / "rec" / "live.json")
    (flow,), (swap,) = trace.flows, trace.swaps
    assert flow.congestion == "reno"
    assert len(flow.t_ns) == 301
    assert flow.acked_bytes[-1] > 2_000_000
    assert (swap.to, swap.before[0]) == ("cubic", swap.after[0])
    assert 2_000_000_000 <= swap.t_ns < 2_100_000_000
    main(["verify", "trace", str(tmp_path / "rec")])  # whether it passes is this machine's affair
    assert "cwnd aligned" in capsys.readouterr().out


@needs_kernel
def test_confirm_prints_both_sides_and_one_sentence(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "live.yaml"
    file.write_text(
        f"name: live\nduration: 2 s\n{PATH}flows: [{{name: a, congestion: reno}}]\n"
        "swaps: [{at: 1 s, via: setsockopt, flows: [a], to: cubic}]\n"
    )
    argv = ["confirm", str(file), "--repeat", "2", "--out", str(tmp_path / "r"), "--format", "png"]
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert "kernel" in out
    assert "over 2 repetitions" in out
    assert "too narrow to part anything" in out
    assert len(list((tmp_path / "r").glob("confirmations/*/compare.png"))) == 1
    assert len(list((tmp_path / "r" / "live").iterdir())) == 3
