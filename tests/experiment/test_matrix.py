"""The swap matrix: which rows make a cell, what a cell says, and in which order cells rank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ccsim.errors import ResultsError
from ccsim.experiment.heat_maps import estimate_text, heat_sheets, interval_text, number_text
from ccsim.experiment.matrix import METRICS, Conditions, load_matrix, matrix_of
from tests.report.study_tables import VARIED, changed, matrix_rows, row, write_study


def test_a_cell_holds_the_seeds_of_one_swap_under_one_set_of_conditions() -> None:
    matrix = matrix_of("made", matrix_rows(), VARIED)
    assert len(matrix.cells) == 6 * 2 * 2
    assert matrix.algorithms == ("reno", "cubic", "bbr")
    assert (matrix.runs, matrix.failed, matrix.seeds) == (240, 0, 10)
    assert Conditions("setsockopt", "cold", "shallow") in matrix.conditions
    assert {cell.estimates["deficit_s"].n for cell in matrix.cells} == {10}


def test_the_mean_of_the_seeds_is_the_estimate_and_its_interval_holds_it() -> None:
    matrix = matrix_of("made", matrix_rows(), VARIED)
    worst = matrix.ranked()[0]
    assert (worst.new, worst.conditions.path) == ("bbr", "deep")
    found = worst.estimates["deficit_s"]
    assert found.value == pytest.approx(4.0)
    assert found.low is not None
    assert found.high is not None
    assert 3.97 < found.low < 4.0 < found.high < 4.03
    assert matrix.ranked()[-1].estimates["deficit_s"].value == pytest.approx(-0.6)


def test_p_is_wilcoxons_corrected_for_the_number_of_cells() -> None:
    """Ten differences of one sign: 2 / 2**10; Holm multiplies by 24, then 23, … but never falls."""
    matrix = matrix_of("made", matrix_rows(), VARIED)
    assert [cell.p for cell in matrix.cells] == [pytest.approx(24 * 2 / 1024)] * 24


def test_flows_of_a_run_are_one_replication() -> None:
    rows = [
        row("reno", "cubic", seed, flow=flow, deficit_s=deficit, dip_recovery_s=time)
        for seed in (1, 2)
        for flow, deficit, time in (("a", 1.0, 3.0), ("b", 3.0, 1.0))
    ]
    (cell,) = matrix_of("made", rows, VARIED).cells
    assert cell.estimates["deficit_s"].n == 2
    assert cell.estimates["deficit_s"].value == 2.0
    assert cell.estimates["dip_recovery_s"].value == 3.0  # the slower flow's


def test_a_censored_flow_is_slower_than_any_other() -> None:
    rows = [
        row("reno", "cubic", 1, flow="a", dip_recovery_s=9.0),
        row("reno", "cubic", 1, flow="b", dip_recovery_s=4.0, dip_recovery_censored=True),
    ]
    (cell,) = matrix_of("made", rows, VARIED).cells
    found = cell.estimates["dip_recovery_s"]
    assert (found.value, found.value_open, found.censored) == (4.0, True, 1)


def test_one_replication_has_no_p_and_a_run_that_stands_at_two_points_is_one() -> None:
    rows = [row("reno", "cubic", 1, point=point, run_id="same") for point in (0, 1)]
    (cell,) = matrix_of("made", rows, VARIED).cells
    assert cell.estimates["deficit_s"].n == 1
    assert cell.p != cell.p


def test_runs_without_a_swap_count_as_runs_and_make_no_cell() -> None:
    nothing = dict.fromkeys(("via", "old", "new", "flow", "deficit_s", "swap"))
    rows = [row("reno", "cubic", 1), {**row("x", "y", 2, status="failed"), **nothing}]
    matrix = matrix_of("made", rows, VARIED)
    assert (len(matrix.cells), matrix.runs, matrix.failed) == (1, 2, 1)


def test_numbers_that_do_not_exist_are_no_zeros() -> None:
    (cell,) = matrix_of("made", [row("reno", "cubic", 1, deficit_s=None)], VARIED).cells
    assert cell.estimates["deficit_s"].value is None
    assert estimate_text(cell.estimates["deficit_s"], METRICS[0]) == "–"
    assert cell.p != cell.p


def test_keys_say_what_the_path_is_and_labels_of_the_swap_itself_are_left_out() -> None:
    def label(one: dict[str, Any]) -> None:
        one["pair"] = f"{one['old']}-{one['new']}"
        one["path.buffer"] = "4 BDP" if one.pop("path") == "deep" else "0.5 BDP"

    varied = (*VARIED[:3], "pair", "path.buffer")
    matrix = matrix_of("made", changed(matrix_rows(), label), varied)
    assert {one.path for one in matrix.conditions} == {"buffer 4 BDP", "buffer 0.5 BDP"}


def test_a_label_stands_for_the_keys_that_it_sets() -> None:
    def keys(one: dict[str, Any]) -> None:
        deep = one["path"] == "deep"
        one["path.buffer"], one["path.rate"] = ("4 BDP" if deep else "1 BDP"), "10 Mbit/s"

    varied = (*VARIED, "path.buffer", "path.rate")
    matrix = matrix_of("made", changed(matrix_rows(), keys), varied)
    assert {one.path for one in matrix.conditions} == {"deep", "shallow"}
    assert matrix.details["deep"] == "buffer 4 BDP, rate 10 Mbit/s"


def test_few_seeds_have_an_interval_that_nothing_is_concluded_from() -> None:
    rows = [one for one in matrix_rows() if one["seed"] <= 5]
    sheet = heat_sheets(matrix_of("made", rows, VARIED))[0]
    into_bbr = sheet.maps[0].cells[0][2]
    assert into_bbr is not None
    assert into_bbr.note
    assert not into_bbr.strong
    assert "too narrow as a rule" in into_bbr.tip[3]
    assert sheet.caption.endswith("below 6 intervals are too narrow as a rule, none is bold")


def test_a_sheet_has_a_map_for_each_of_the_conditions_and_a_hole_on_the_diagonal() -> None:
    sheets = heat_sheets(matrix_of("made", matrix_rows(), VARIED))
    assert [sheet.name for sheet in sheets] == [metric.name for metric in METRICS]
    deficit = sheets[0]
    assert [one.title for one in deficit.maps] == [
        "setsockopt, state linux, shallow",
        "setsockopt, state linux, deep",
        "setsockopt, state cold, shallow",
        "setsockopt, state cold, deep",
    ]
    cells = deficit.maps[1].cells
    assert [cells[k][k] for k in range(3)] == [None] * 3
    into_bbr = cells[0][2]
    assert into_bbr is not None
    assert into_bbr.text == "4.000"
    assert into_bbr.strong
    assert into_bbr.tip[0] == "reno → bbr"
    assert into_bbr.tip[-1] == "n = 10"
    assert deficit.top == pytest.approx(4.0)
    assert deficit.across == 2


def test_censored_times_are_shown_as_bounds() -> None:
    sheets = heat_sheets(matrix_of("made", matrix_rows(), VARIED))
    out_of_bbr = sheets[1].maps[0].cells[2][0]
    assert out_of_bbr is not None
    assert out_of_bbr.text == "> 8.0"
    assert out_of_bbr.note == "8.0…> 8.0"
    assert out_of_bbr.tip[-1] == "n = 10, 10 of them censored"


def test_one_pair_alone_is_shown_as_mechanisms_by_paths() -> None:
    rows = [one for one in matrix_rows() if (one["old"], one["new"]) == ("reno", "bbr")]
    (one,) = heat_sheets(matrix_of("made", rows, VARIED))[0].maps
    assert one.title == "reno → bbr"
    assert one.rows == ("setsockopt, state linux", "setsockopt, state cold")
    assert one.columns == ("shallow", "deep")


def test_a_design_of_too_many_conditions_has_no_maps_but_ranks() -> None:
    rows = [row("reno", "cubic", 1, point=k, path=f"path-{k}") for k in range(100)]
    matrix = matrix_of("made", rows, VARIED)
    assert heat_sheets(matrix) == []
    assert len(matrix.ranked()) == 100


def test_a_study_without_swaps_has_no_sheets() -> None:
    rows = [{**row("x", "y", 1), "old": None, "new": None}]
    assert heat_sheets(matrix_of("made", rows, VARIED)) == []


def test_intervals_are_written_with_their_open_ends() -> None:
    sheets = matrix_of("made", matrix_rows(), VARIED)
    found = sheets.ranked()[-1].estimates["deficit_s"]
    text = interval_text(found, METRICS[0])
    assert text.startswith("−0.6")
    assert " … −0.5" in text


def test_a_study_is_read_from_its_folder(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "made", matrix_rows())
    assert load_matrix(folder) == matrix_of("made", matrix_rows(), VARIED)


def test_a_damaged_study_is_refused_with_its_place(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "made", matrix_rows())
    (folder / "runs.parquet").write_bytes(b"nonsense")
    with pytest.raises(ResultsError, match=r"made: cannot read the study"):
        load_matrix(folder)


def test_a_runs_figures_are_those_of_all_flows_together() -> None:
    # the swapped flows gained, but all together lost half a second; recovery is the slowest flow's
    rows = [
        {
            **row("vegas", "bbr", 1, flow=flow, deficit_s=-s, extra_drops=3, dip_recovery_s=back),
            "total_deficit_s": 0.5,
            "total_extra_drops": 40,
        }
        for flow, s, back in (("a", 1.0, 2.0), ("b", 20.0, 4.0))
    ]
    (cell,) = matrix_of("made", rows, VARIED).cells
    assert cell.estimates["deficit_s"].value == 0.5
    assert cell.estimates["extra_drops"].value == 40
    assert cell.estimates["dip_recovery_s"].value == 4.0


def test_a_number_that_rounds_to_nothing_has_no_minus_and_others_a_true_one() -> None:
    deficit = METRICS[0]  # three decimals
    assert [number_text(x, deficit) for x in (-0.0004, 0.0, 0.0004)] == ["0.000"] * 3
    assert [number_text(x, deficit) for x in (-1.0, -0.25)] == ["−1.000", "−0.250"]
