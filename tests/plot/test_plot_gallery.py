"""The page of small multiples: cells in order, the same axes, numbers at the page's edges alone."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ccsim.plot.gallery import draw_gallery, gallery_figure
from tests.plot.plot_runs import Run, flow, link, one_flow, result, scenario

NAMES = ["bbr", "cubic", "dctcp", "reno", "vegas", "an_unusually_long_name_of_a_file"]


def runs(count: int) -> list[Run]:
    return [
        Run(result([flow(101, snd_cwnd=100 * (k + 1))], [link(101)]), scenario())
        for k in range(count)
    ]


def page(count: int = 6) -> Figure:
    return gallery_figure(runs(count), NAMES[:count], "Six on one path")


def drawn(figure: Figure, texts: list[Text]) -> list[tuple[float, float, float, float]]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    return [text.get_window_extent(renderer).extents for text in texts if text.get_text()]


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (4, 1), (5, 2), (6, 2)])
def test_cells_stand_four_in_a_row_and_the_page_grows_with_the_rows(count: int, rows: int) -> None:
    figure = page(count)
    assert len(figure.axes) == 3 * count
    tops = {round(axes.get_position().y1, 6) for axes in figure.axes[::3]}
    assert len(tops) == rows
    assert figure.get_size_inches()[0] == pytest.approx(7.1)


def test_all_cells_have_the_same_axes() -> None:
    figure = page()
    for strip in range(3):
        assert len({axes.get_ylim() for axes in figure.axes[strip::3]}) == 1
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert figure.axes[0].get_ylim() == (0, pytest.approx(600 * 1.08))  # the largest cwnd of all


def test_axes_are_numbered_at_the_left_and_under_each_columns_lowest_cell() -> None:
    figure = page()
    lowest = [axes for axes in figure.axes if axes.get_xlabel() == "Time (s)"]
    assert [figure.axes.index(axes) for axes in lowest] == [8, 11, 14, 17]  # cells 2 to 5
    labelled = [figure.axes.index(axes) for axes in figure.axes if axes.get_ylabel()]
    assert labelled == [0, 1, 2, 12, 13, 14]  # cells 0 and 4


def test_each_cell_bears_its_name_and_a_failed_run_says_so() -> None:
    whole, broken = runs(2)
    broken = Run(result([flow(11)], [link(11)], failed="it raised"), {})
    figure = gallery_figure([whole, broken], ["good", "bad"], "Two")
    texts = [text.get_text() for text in figure.texts]
    assert texts[:2] == ["good", "bad (failed)"]
    assert texts[2] == "Two"


def test_no_text_overlaps_another_or_leaves_the_page() -> None:
    figure = page()
    texts = [*figure.texts, *(axes.yaxis.label for axes in figure.axes)]
    texts += [axes.xaxis.label for axes in figure.axes]
    boxes = drawn(figure, texts)
    width, height = figure.get_size_inches() * figure.dpi
    assert all(0 <= b[0] < b[2] <= width and 0 <= b[1] < b[3] <= height for b in boxes)
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] + 1 or b[3] <= a[1] + 1


def test_what_the_lines_are_is_told_once_with_units() -> None:
    texts = [text.get_text() for text in page().texts]
    assert [text for text in texts if "(" in text] == [
        "cwnd (packets)",
        "rate: throughput in bins of 200 ms (Mbit/s)",
        "queue (packets)",
    ]


def test_files_are_what_they_are_called_and_the_same_twice(tmp_path: Path) -> None:
    one, two = (
        draw_gallery([one_flow(2, 1)], ["x"], "X", tmp_path / folder, ("png", "svg"))
        for folder in "ab"
    )
    assert [path.name for path in one] == ["gallery.png", "gallery.svg"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [p.name for p in one]


@pytest.mark.parametrize(("count", "labels"), [(0, []), (2, ["one"])])
def test_no_runs_or_other_labels_are_refused(count: int, labels: list[str]) -> None:
    with pytest.raises(ValueError, match="plot: "):
        gallery_figure(runs(count), labels, "")


def test_an_unknown_format_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected png, pdf, svg, pgf, got 'bmp'"):
        draw_gallery([one_flow(2, 1)], ["x"], "X", tmp_path / "a", ("bmp",))
    assert list(tmp_path.iterdir()) == []
