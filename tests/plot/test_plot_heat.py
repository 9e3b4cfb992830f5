"""Heat maps: steps of colour for sizes, hues for signs, numbers in the cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ccsim.plot.heat import (
    HeatCell,
    HeatMap,
    HeatSheet,
    draw_heat,
    heat_figure,
    shade,
    shade_colour,
)


def sheet(*values: float | None) -> HeatSheet:
    """Return a sheet of one row."""
    cells = tuple(None if v is None else HeatCell(v, f"{v:.2f}", "0.1 … 0.2") for v in values)
    names = tuple(f"algorithm-{k}" for k in range(len(values)))
    one = HeatMap("setsockopt, $deep$", ("old",), names, (cells,))
    top = max(abs(v) for v in values if v is not None)
    return HeatSheet("deficit_s", "Goodput deficit (s)", (one,), 1, top)


@pytest.mark.parametrize(
    ("value", "step"),
    [(0, 0), (None, 0), (25, 5), (-25, -5), (1, 1), (1.1, 2), (9, 3), (-16, -4), (99, 5)],
)
def test_steps_end_at_squares_of_fifths_of_the_largest(value: float | None, step: int) -> None:
    assert shade(value, 25) == step


def test_without_any_size_nothing_is_coloured() -> None:
    assert shade(1.0, 0.0) == 0


def test_costs_are_vermilion_gains_blue_and_the_strongest_the_darkest() -> None:
    assert shade_colour(0) == "#ffffff"
    assert shade_colour(5) == "#dd7e33"  # 80 % of #D55E00 on white
    assert shade_colour(-5) == "#338ec1"  # 80 % of #0072B2
    red = [int(shade_colour(-step)[1:3], 16) for step in range(6)]
    assert red == sorted(red, reverse=True)


def test_the_legend_names_where_steps_end_and_whether_there_are_gains() -> None:
    assert sheet(25.0).edges() == pytest.approx([1.0, 4.0, 9.0, 16.0, 25.0])
    assert not sheet(25.0, None).gains
    assert sheet(25.0, -1.0).gains


def test_the_same_sheet_gives_the_same_bytes_in_every_format(tmp_path: Path) -> None:
    first, second = (
        draw_heat([sheet(1.0, -2.0, None)], tmp_path / name, ("png", "svg")) for name in "ab"
    )
    assert [path.name for path in first] == ["matrix_deficit_s.png", "matrix_deficit_s.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_numbers_and_names_are_text_in_the_picture(tmp_path: Path) -> None:
    (path,) = draw_heat([sheet(1.0, -2.0)], tmp_path, ("svg",))
    text = path.read_text(encoding="utf-8")
    for word in ("1.00", "-2.00", "0.1 … 0.2", "algorithm-1", "setsockopt, $deep$"):
        assert word in text


def test_an_unknown_format_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected png, pdf, svg, pgf, got 'gif'"):
        draw_heat([sheet(1.0)], tmp_path / "none", ("gif",))
    assert not (tmp_path / "none").exists()


def slope(rows: int, columns: int, *, numeric: bool = True) -> HeatSheet:
    """Return a map whose values are 0, 1, … from the left column on, one of them missing."""
    cells = tuple(
        tuple(None if i == j == 1 else HeatCell(float(j), f"{j}.000") for j in range(columns))
        for i in range(rows)
    )
    names = tuple(str(10 * k) for k in range(rows)), tuple(str(k) for k in range(columns))
    one = HeatMap("cubic → bbr", *names, cells)
    axes = ("rtt (ms)", "buffer (BDP)")
    return HeatSheet("deficit_s", "Deficit (s)", (one,), 1, columns - 1.0, axes, "", numeric)


def texts(found: HeatSheet) -> list[str]:
    return [text.get_text() for text in heat_figure(found).axes[0].texts]


def test_a_fine_map_has_contours_where_steps_of_colour_end_and_no_numbers_in_cells() -> None:
    fine = slope(7, 11)  # values 0 to 10: steps end at 0.4, 1.6, 3.6, 6.4, 10
    assert fine.fine
    found = texts(fine)
    assert {"0.4", "1.6", "3.6", "6.4"} <= set(found)
    assert "5.000" not in found


@pytest.mark.parametrize("coarse", [slope(6, 11), slope(7, 7, numeric=False)])
def test_a_map_of_few_values_or_of_names_has_a_number_a_cell(coarse: HeatSheet) -> None:
    assert not coarse.fine
    assert texts(coarse).count("5.000") == len(coarse.maps[0].rows)


def test_a_fine_map_on_which_all_is_equal_has_no_contours() -> None:
    same = tuple(tuple(HeatCell(1.0, "1") for _ in range(7)) for _ in range(7))
    names = tuple(map(str, range(7)))
    flat = HeatSheet("n", "n", (HeatMap("m", names, names, same),), 1, 1.0, numeric=True)
    assert len(heat_figure(flat).axes[0].collections) == 0


def test_nothing_on_a_map_is_smaller_than_six_points_or_leaves_it() -> None:
    figure = heat_figure(sheet(25.0, -1.0))
    (axes,) = figure.axes
    assert min(float(text.get_fontsize()) for text in axes.texts) >= 6
    renderer = FigureCanvasAgg(figure).get_renderer()
    right = max(text.get_window_extent(renderer).x1 for text in axes.texts)
    assert right <= figure.bbox.x1
