"""Recorded swaps against their simulation: figures of a recording worked out from its table."""

from __future__ import annotations

import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ccsim.cli import main
from ccsim.errors import RecordingError
from ccsim.experiment.agreement import RESOLUTION, part, rank_correlation
from ccsim.experiment.estimates import Estimate
from ccsim.experiment.recorded_swaps import Agreement, RecordedCell, compare_swaps, twins_of
from ccsim.experiment.statistics import student_interval
from ccsim.plot.agreement import draw_agreement
from ccsim.verify.recorded_run import recorded_result
from ccsim.verify.trace import Trace, load_trace, trace_files

SWAPS = Path(__file__).parent / "data" / "swaps"
S = 1_000_000_000


@pytest.fixture(scope="module")
def traces() -> dict[str, Trace]:
    return {path.stem: load_trace(path) for path in trace_files([str(SWAPS)])}


@pytest.fixture(scope="module")
def found(traces: dict[str, Trace]) -> Agreement:
    return compare_swaps(list(traces.values()), jobs=1)


def cell(found: Agreement, metric: str) -> RecordedCell:
    (one,) = [cell for cell in found.cells if cell.metric == metric]
    return one


def test_a_recording_is_measured_as_its_table_says(found: Agreement) -> None:
    # Its rows at 10 and 20 s: 11,430,512 bytes acknowledged between, 12,064,736 and 12,067,632 in
    # the twins; the drops at 10.787 and 10.907 s, two more by 20 s, three in each twin by then.
    first = found.cases[0]
    assert first.name == "P3_cubic_reno_k0"
    assert first.twins == 2
    by_hand = (634_224 / 1_206_473.6 + 637_120 / 1_206_763.2) / 2
    assert first.kernel["deficit_s"] == pytest.approx(by_hand, abs=2e-4)  # rows at 10.00005 s
    assert first.kernel["drops_in_second_after"] == 2
    assert first.kernel["extra_drops"] == 1
    assert first.kernel["rtt_p99_ms"] == pytest.approx(119.936, abs=1e-3)
    assert math.isnan(first.kernel["jain_index"])  # of one flow


def test_a_swap_from_cubic_to_reno_costs_on_the_kernel_what_is_simulated(found: Agreement) -> None:
    assert {(one.series, one.swap) for one in found.cells} == {("P3", "cubic → reno")}
    assert found.apart("exact") == found.apart("late") == ()
    for hosts in ("exact", "late"):
        simulated = cell(found, "deficit_s").simulated[hosts]
        assert simulated.n == 2
        assert simulated.value == pytest.approx(0.529, abs=0.02)  # the recordings' mean
        assert cell(found, "drops_in_second_after").simulated[hosts].value == 2


def test_late_hosts_differ_from_seed_to_seed(found: Agreement) -> None:
    one, other = (case.simulated["late"]["queue_excess_ms"] for case in found.cases)
    assert one != other


def test_a_recording_as_a_result_keeps_bytes_drops_and_swaps(traces: dict[str, Trace]) -> None:
    result = recorded_result(traces["P3_cubic_reno_k0"])
    (flow,) = result.flows
    row = int(np.searchsorted(flow.t_ns, 10 * S))
    assert flow.t_ns[row] == 10_000_050_000
    assert flow.delivered_bytes[row] == 11_562_280  # without the SYN, which the kernel counts
    assert len(result.links[0].drop_t_ns) == 13
    assert result.links[0].drop_t_ns[-1] == 20_973_395_000
    assert flow.served == ((0, 0), (10_000_040_000, 1))
    assert flow.implementations == ("cubic", "reno")
    (swap,) = result.swaps
    assert (swap.old, swap.new, swap.flows) == ("cubic", "reno", ("flow0",))


# --- twins ----------------------------------------------------------------------------------------


def with_meta(trace: Trace, name: str, **meta: object) -> Trace:
    return replace(trace, name=name, meta={**trace.meta, **meta})


def test_a_twin_has_the_same_path_and_flows_and_no_swap(traces: dict[str, Trace]) -> None:
    run, twin = traces["P3_cubic_reno_k0"], traces["P3_cubic_t0"]
    slower = with_meta(twin, "slower", rate_bps=9e6)
    deeper = with_meta(twin, "deeper", buffer_pkts=34)
    assert twins_of(run, [run, slower, twin, deeper]) == [twin]
    crowd = replace(twin, flows=(*twin.flows, twin.flows[0]))
    assert twins_of(run, [crowd]) == []


def test_with_random_losses_the_twin_with_the_same_ones_counts(traces: dict[str, Trace]) -> None:
    lossy = {"loss_prob": 0.001}
    run = with_meta(traces["P3_cubic_reno_k0"], "run", loss_seed=7, **lossy)
    same = with_meta(traces["P3_cubic_t0"], "same", loss_seed=7, **lossy)
    other = with_meta(traces["P3_cubic_t1"], "other", loss_seed=8, **lossy)
    assert twins_of(run, [other, same]) == [same]
    assert twins_of(run, [other]) == [other]


def test_a_swap_without_twin_is_an_error(traces: dict[str, Trace]) -> None:
    with pytest.raises(RecordingError, match="P3_cubic_reno_k0: expected a recording of the same"):
        compare_swaps([traces["P3_cubic_reno_k0"]])


def test_twins_alone_are_an_error(traces: dict[str, Trace]) -> None:
    with pytest.raises(RecordingError, match="got twins alone"):
        compare_swaps([traces["P3_cubic_t0"]])


def test_a_recording_given_twice_is_not_two(traces: dict[str, Trace]) -> None:
    with pytest.raises(RecordingError, match="P3_cubic_t0: expected each recording once"):
        compare_swaps([*traces.values(), traces["P3_cubic_t0"]])


# --- statistics -----------------------------------------------------------------------------------


def test_ranks_are_spearmans_with_ties() -> None:
    stats = pytest.importorskip("scipy.stats")
    x, y = [1.0, 2.0, 2.0, 4.0, 5.0, 6.0], [10.0, 20.0, 30.0, 30.0, 60.0, 50.0]
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert rank_correlation(x, [-value for value in x]) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1.0, 2, 3, 4, 5], [1.0, 2, 3, 4, 5]),
        ([1.0, 2, 3, 4, 5, math.nan], [1.0, 2, 3, 4, 5, 6]),
        ([1.0] * 6, [1.0, 2, 3, 4, 5, 6]),
    ],
)
def test_five_pairs_or_equal_values_have_no_rank_correlation(
    x: list[float], y: list[float]
) -> None:
    assert math.isnan(rank_correlation(x, y))


@pytest.mark.parametrize("n", [2, 4, 6, 31])
def test_students_interval_is_scipys(n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = [float(k * k % 7) for k in range(n)]
    low, high = stats.t.interval(0.95, n - 1, np.mean(values), stats.sem(values))
    found = student_interval(values)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-3)
    assert found.n == n


def test_one_value_or_equal_ones_have_no_interval() -> None:
    assert student_interval([3.0]).low is None
    assert student_interval([3.0, 3.0, math.nan]).high is None
    assert math.isnan(student_interval([math.nan]).estimate)


def estimate(value: float, low: float, high: float, n: int = 6) -> Estimate:
    return Estimate(value, low, high, n)


def test_intervals_part_only_beyond_the_resolution_and_with_enough_values() -> None:
    kernel = estimate(1.0, 0.9, 1.1)
    assert part(kernel, estimate(1.3, 1.2, 1.4), 0.1)
    assert not part(kernel, estimate(1.3, 1.05, 1.5), 0.1)  # they overlap
    assert not part(kernel, estimate(1.3, 1.2, 1.4), 0.31)  # not to be told apart
    assert not part(estimate(1.0, 0.9, 1.1, n=5), estimate(1.3, 1.2, 1.4), 0.1)
    assert part(kernel, Estimate(None, None, None, 0), 0.1)
    assert part(kernel, Estimate(1.3, None, None, 6), 0.1)  # one outcome is a point


# --- the verb -------------------------------------------------------------------------------------


def test_the_verb_prints_cells_and_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, picture = tmp_path / "new" / "cells.csv", tmp_path / "agreement.png"
    files = ["--csv", str(table), "--plot", str(picture)]
    told = main(["verify", "swaps", str(SWAPS), "--jobs", "2", *files])
    out = capsys.readouterr().out
    assert told == 0
    assert "P3: cubic → reno, 10 Mbit/s, 80 ms, 33 packets (n = 2)" in out
    assert "late hosts: apart in 0 of 9 cells" in out
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 9
    assert rows[0]["metric"] == "deficit_s"
    assert float(rows[0]["kernel_mean"]) == pytest.approx(0.5292, abs=1e-4)
    assert rows[0]["late_n"] == "2"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_files_of_one_recording_are_that_recording_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [str(path) for path in SWAPS.iterdir()]
    assert main(["verify", "swaps", "--jobs", "1", *names]) == 0
    assert "(n = 2)" in capsys.readouterr().out


def test_cells_that_part_are_exit_status_1_unless_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(SWAPS, tmp_path / "swaps")
    for path in folder.glob("*_k*.json"):  # simulated to what was not recorded
        meta = json.loads(path.read_text(encoding="utf-8"))
        meta["swaps"][0]["to"] = "bbr"
        path.write_text(json.dumps(meta), encoding="utf-8")
    assert main(["verify", "swaps", "--jobs", "1", str(folder)]) == 1
    assert "! " in capsys.readouterr().out
    assert main(["verify", "swaps", "--jobs", "1", str(folder), "--allow", "9"]) == 0


def test_no_panel_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one panel"):
        draw_agreement([], tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_recordings_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "swaps", str(tmp_path)]) == 2
    assert "recording" in capsys.readouterr().err


# --- what is published ----------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "findings" / "kernel.md").read_text(encoding="utf-8")


def published() -> list[dict[str, str]]:
    table = ROOT / "results" / "published" / "kernel_swaps.csv"
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


def spread(row: dict[str, str], side: str) -> Estimate:
    value, low, high = (row[f"{side}_{end}"] for end in ("mean", "low", "high"))
    if not low:
        return Estimate(float(value), None, None, int(row[f"{side}_n"]))
    return estimate(float(value), float(low), float(high), int(row[f"{side}_n"]))


@pytest.mark.parametrize(("hosts", "agree"), [("late", 257), ("exact", 256)])
def test_the_page_counts_the_cells_of_the_published_table(hosts: str, agree: int) -> None:
    rows = published()
    apart = [
        row
        for row in rows
        if part(spread(row, "kernel"), spread(row, hosts), RESOLUTION[row["metric"]], few=2)
    ]
    assert len(rows) == 258
    assert len(rows) - len(apart) == agree
    assert f"{agree} of 258" in PAGE


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("deficit_s", "deficit in the 10 s after"),
        ("deficit_peak_bytes", "greatest deficit"),
        ("dip_worst_ratio", "worst 200 ms in the 2 s after"),
        ("drops_in_second_after", "drops in the second after"),
        ("extra_drops", "extra drops"),
        ("queue_excess_ms", "queueing excess"),
        ("rtt_p99_ms", "99th percentile of the smoothed RTT"),
        ("longest_stall_s", "longest stall"),
    ],
)
def test_the_page_states_the_correlations_of_the_published_table(metric: str, words: str) -> None:
    stats = pytest.importorskip("scipy.stats")
    rows = [row for row in published() if row["metric"] == metric]
    kernel, late = ([float(row[f"{side}_mean"]) for row in rows] for side in ("kernel", "late"))
    assert len(rows) == 28
    assert f"| {words} | {stats.spearmanr(kernel, late).statistic:.3f} |" in PAGE
