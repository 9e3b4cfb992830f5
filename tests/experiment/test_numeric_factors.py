"""Designs of numbers: one is a curve with intervals, two a map with numeric axes, three small
multiples of it; headers are never cut."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from ccsim.experiment.axes import axes_of
from ccsim.experiment.curves import curve_sheets
from ccsim.experiment.heat_maps import heat_sheets
from ccsim.experiment.matrix import Matrix, matrix_of
from ccsim.plot.heat import HeatCell, HeatMap, HeatSheet, draw_heat
from ccsim.plot.response import draw_curves
from ccsim.report.study_html import study_page
from ccsim.report.study_prose import study_sentences
from tests.report.study_tables import row, write_study

BUFFERS = ("0.5 BDP", "1 BDP", "4 BDP")
TIMES = ("10 s", "15 s")
RTTS = ("20 ms", "0.1 s")


def made(seeds: int = 7, **factors: tuple[Any, ...]) -> Matrix:
    """Return the matrix of a full grid; the deficit is 1 for the first point, 2 for the next …"""
    names = [name.replace("__", ".") for name in factors]
    rows = [
        row("cubic", "bbr", seed, point=number, deficit_s=number + 1 + 0.01 * seed)
        | dict(zip(names, values, strict=True))
        for number, values in enumerate(itertools.product(*factors.values()))
        for seed in range(1, seeds + 1)
    ]
    return matrix_of("made", rows, names)


def test_one_number_is_a_curve_with_an_interval_at_each_value() -> None:
    matrix = made(path__buffer=BUFFERS)
    sheet = curve_sheets(matrix)[0]
    assert (sheet.x_title, sheet.ticks, sheet.log) == ("buffer (BDP)", (0.5, 1.0, 4.0), False)
    (line,) = sheet.lines
    assert line.label == "cubic → bbr by setsockopt"
    assert [(point.x, round(point.value, 6)) for point in line.points] == [
        (0.5, 1.04), (1.0, 2.04), (4.0, 3.04),
    ]  # fmt: skip
    assert all(p.low is not None and p.low < p.value for p in line.points)
    assert line.points[0].tip[-1] == "n = 7"
    assert heat_sheets(matrix) == []


def test_values_of_one_kind_in_different_units_stand_in_one_unit_and_in_order() -> None:
    rows = [{"path.rtt": text} for text in ("0.1 s", "20 ms", "1 s")]
    (axis,) = axes_of(["path.rtt"], rows)
    assert (axis.title, axis.values) == ("rtt (ms)", (20.0, 100.0, 1000.0))
    assert axis.log  # 1 s is fifty times 20 ms
    assert axis.at({"path.rtt": "0.1 s"}) == 100.0


@pytest.mark.parametrize("values", [("a", "b"), ("1 BDP", "100 packets"), ("1 BDP", "1 BDP"), ()])
def test_words_mixed_kinds_and_one_value_are_no_axis(values: tuple[str, ...]) -> None:
    assert axes_of(["x"], [{"x": value} for value in values]) == ()


def test_two_numbers_are_a_map_whose_columns_run_right_and_rows_upwards() -> None:
    matrix = made(path__buffer=BUFFERS, swaps__0__at=TIMES)
    sheet = heat_sheets(matrix)[0]
    assert sheet.numeric
    assert sheet.axes == ("swap at (s)", "buffer (BDP)")
    (one,) = sheet.maps
    assert (one.rows, one.columns) == (("15", "10"), ("0.5", "1", "4"))
    texts = [[cell.text if cell else None for cell in cells] for cells in one.cells]
    assert texts == [["2.040", "4.040", "6.040"], ["1.040", "3.040", "5.040"]]
    assert curve_sheets(matrix) == []


def test_three_numbers_are_small_multiples_over_the_one_of_fewest_values() -> None:
    matrix = made(path__buffer=BUFFERS, swaps__0__at=("10 s", "15 s", "20 s"), path__rtt=RTTS)
    sheet = heat_sheets(matrix)[0]
    assert [one.title for one in sheet.maps] == [
        "cubic → bbr by setsockopt, rtt 20 ms",
        "cubic → bbr by setsockopt, rtt 100 ms",
    ]
    assert sheet.across == 2
    assert all(len(one.rows) == len(one.columns) == 3 for one in sheet.maps)


def test_numbers_that_make_no_grid_are_no_map() -> None:
    rows = [
        row("cubic", "bbr", 1, point=k)
        | {"path.buffer": f"{k + 1} BDP", "swaps.0.at": f"{9 + k} s"}
        for k in range(70)
    ]
    matrix = matrix_of("made", rows, ["path.buffer", "swaps.0.at"])
    assert heat_sheets(matrix) == []
    assert len(matrix.axes) == 2


def test_the_summary_names_the_numbers_with_their_unit() -> None:
    told = str(study_sentences(made(path__buffer=BUFFERS, swaps__0__at=TIMES))[0])
    assert "over buffer 0.5, 1 and 4 BDP and swap at 10 and 15 s" in told


def test_one_outcome_has_a_point_and_no_interval() -> None:
    (line,) = curve_sheets(made(seeds=1, path__buffer=BUFFERS))[0].lines
    assert {(point.low, point.high) for point in line.points} == {(None, None)}
    assert "no interval of n = 1" in curve_sheets(made(seeds=1, path__buffer=BUFFERS))[0].caption


def test_curves_and_numeric_maps_are_drawn_the_same_each_time(tmp_path: Path) -> None:
    curves = curve_sheets(made(path__buffer=BUFFERS))
    maps = heat_sheets(made(path__buffer=BUFFERS, swaps__0__at=TIMES))
    files = [
        [
            *draw_curves(curves[:1], tmp_path / name, ("svg",)),
            *draw_heat(maps[:1], tmp_path / name, ("svg",)),
        ]
        for name in "ab"
    ]
    assert [file.name for file in files[0]] == ["curve_deficit_s.svg", "matrix_deficit_s.svg"]
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert "buffer (BDP)" in files[0][0].read_text()
    assert "swap at (s)" in files[0][1].read_text()


def test_headers_are_written_whole_however_long_they_are(tmp_path: Path) -> None:
    names = tuple(f"buffer 0.5 BDP, at {k} s, rate 100 Mbit/s" for k in (10, 15))
    cells = (tuple(HeatCell(1.0, "1.00", "0.98…1.02") for _ in names),)
    sheet = HeatSheet("m", "M", (HeatMap("setsockopt", ("all",), names, cells),), 1, 1.0)
    text = draw_heat([sheet], tmp_path, ("svg",))[0].read_text(encoding="utf-8")
    assert "…" not in text.replace("0.98…1.02", "")
    for word in ("10 s,", "15 s,"):
        assert word in text


def test_the_page_of_one_number_has_its_curve(tmp_path: Path) -> None:
    rows = [
        row("reno", "bbr", seed, point=k, path=f"{k + 1} BDP", deficit_s=k + 0.1 * seed)
        for k in range(3)
        for seed in range(1, 8)
    ]
    text = study_page(write_study(tmp_path / "made", rows))
    assert "<h2>Curves</h2>" in text
    assert text.count("<circle") >= 12
    assert "path (BDP)" in text
