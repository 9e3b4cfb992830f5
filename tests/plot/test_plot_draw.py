"""Files and figures: axes, texts, bytes, formats."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ccsim.plot import draw_comparison, draw_run, figure_for
from tests.plot.plot_runs import Run, flow, link, one_flow, result, several_flows, swap

ROOT = Path(__file__).parents[2]


def texts_of(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(Text) if t.get_text()]


def boxes_of(figure: Figure, texts: list[Text]) -> list[tuple[float, float, float, float]]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    return [text.get_window_extent(renderer).extents for text in texts]


def test_the_figure_is_one_column_wide_with_units_on_every_axis() -> None:
    figure = figure_for(one_flow(5, 2))
    assert figure.get_size_inches()[0] == pytest.approx(3.5)
    assert 5.0 < figure.get_size_inches()[1] < 6.0
    assert len(figure.axes) == 4
    assert all("(" in axes.get_ylabel() for axes in figure.axes)
    assert figure.axes[-1].get_xlabel() == "Time (s)"
    assert figure.axes[0].get_xlim() == (0.0, 5.0)


def test_the_swap_is_labelled_once_and_marked_in_all_panels() -> None:
    figure = figure_for(one_flow(5, 2))
    assert texts_of(figure).count("cubic → bbr, setsockopt") == 1
    for axes in figure.axes:
        assert any(np.all(np.asarray(line.get_xdata()) == 2.0) for line in axes.lines)


@pytest.mark.parametrize("count", [1, 8, 40])
def test_no_text_leaves_the_figure(count: int) -> None:
    figure = figure_for(one_flow(5, 2) if count == 1 else several_flows(count, 5))
    texts = [*figure.texts, *(axes.yaxis.label for axes in figure.axes)]
    texts += [figure.axes[-1].xaxis.label, *figure.axes[-1].get_xticklabels()]
    width, height = figure.get_size_inches() * figure.dpi
    for left, bottom, right, top in boxes_of(figure, texts):
        assert 0 <= left < right <= width
        assert 0 <= bottom < top <= height


def test_legend_and_labels_stand_clear_of_the_panels_and_one_another() -> None:
    figure = figure_for(several_flows(2, 5))
    head = boxes_of(figure, figure.texts)
    assert len(head) == 8  # title, two flows, ssthresh, limits, drop, two swap labels
    top_of_axes = figure.axes[0].get_window_extent().y1
    assert all(bottom > top_of_axes for _, bottom, _, _ in head)
    for a, b in combinations(head, 2):  # rows may share a pixel of line height
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] + 1 or b[3] <= a[1] + 1


def test_four_digits_stand_clear_of_the_label_of_their_axis() -> None:
    figure = figure_for(Run(result([flow(101, snd_cwnd=7999)], [link(101)]), {}))
    axes = figure.axes[1]
    shown = [
        text for text in axes.get_yticklabels() if text.get_position()[1] <= axes.get_ylim()[1]
    ]
    label, *ticks = boxes_of(figure, [axes.yaxis.label, *shown])
    assert shown[-1].get_text() == "7500"
    assert all(tick[0] > label[2] for tick in ticks)


def test_swaps_close_together_are_numbered_with_a_key() -> None:
    swaps = [swap(2, "cubic", "bbr"), swap(2.1, "bbr", "reno"), swap(2.2, "reno", "cubic")]
    run = one_flow(5, 2)
    figure = figure_for(Run(result(run.result.flows, run.result.links, swaps, 5), run.scenario))
    assert "1–3" in texts_of(figure)
    assert "2  bbr → reno, setsockopt (2.1 s)" in texts_of(figure)


@pytest.mark.parametrize(("count", "every_s", "lines"), [(3, 0.15, 3), (40, 0.025, 2)])
def test_of_a_long_sweep_the_ends_and_the_span_between_are_drawn(
    count: int, every_s: float, lines: int
) -> None:
    swaps = [swap(2 + k * every_s, "cubic", "bbr", "sweep") for k in range(count)]
    run = one_flow(5, 2)
    figure = figure_for(Run(result(run.result.flows, run.result.links, swaps, 5), run.scenario))
    assert f"cubic → bbr, sweep ({count}×)" in texts_of(figure)
    drawn = [np.asarray(line.get_xdata()) for line in figure.axes[3].get_lines()]
    at = sorted(float(x[0]) for x in drawn if len(x) == 2 and x[0] == x[1])
    assert len(at) == lines
    assert (at[0], at[-1]) == (2.0, pytest.approx(2 + (count - 1) * every_s))


def test_drawing_and_saving_leave_matplotlibs_settings_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    draw_run(one_flow(2, 1), tmp_path, ("png",))
    assert dict(matplotlib.rcParams) == before


def test_a_users_settings_do_not_change_the_picture(tmp_path: Path) -> None:
    (plain,) = draw_run(one_flow(2, 1), tmp_path, ("png",), "plain")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9, "axes.facecolor": "red"}):
        (other,) = draw_run(one_flow(2, 1), tmp_path, ("png",), "other")
    assert plain.read_bytes() == other.read_bytes()


def test_the_same_run_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from ccsim.plot import draw_run;"
        "from tests.plot.plot_runs import one_flow;"
        f"draw_run(one_flow(2, 1), Path({str(tmp_path)!r}), ('png', 'pdf', 'svg'), 'there')"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, cwd=ROOT)
    for path in draw_run(one_flow(2, 1), tmp_path, ("png", "pdf", "svg"), "here"):
        there = path.with_name(path.name.replace("here", "there"))
        assert path.read_bytes() == there.read_bytes(), path.suffix


def test_files_are_what_their_names_say_and_nothing_else_is_left(tmp_path: Path) -> None:
    paths = draw_run(one_flow(2, 1), tmp_path / "new", ("svg", "png", "pdf"))
    assert [path.name for path in paths] == ["run.svg", "run.png", "run.pdf"]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["run.pdf", "run.png", "run.svg"]
    svg, png, pdf = (path.read_bytes() for path in paths)
    assert png.startswith(b"\x89PNG")
    assert pdf.startswith(b"%PDF")
    assert b"setsockopt</text>" in svg  # text stays text


def test_the_pdf_embeds_truetype_fonts(tmp_path: Path) -> None:
    (path,) = draw_run(one_flow(2, 1), tmp_path, ("pdf",))
    pdf = path.read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_names_are_shown_literally(tmp_path: Path) -> None:
    name = "$x_$ <b>&amp; {^2} 50%"
    run = Run(result([flow(101, name, maps=("_m$1$",))], [link(101)]), {"name": name})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = draw_run(run, tmp_path, ("png", "pdf", "svg"))
        texts = texts_of(figure_for(run))
    assert name in texts
    assert f"{name} (_m$1$)" in texts
    assert b"$x_$ &lt;b&gt;&amp;amp;" in paths[2].read_bytes()


def test_what_the_font_lacks_is_shown_as_code_points(tmp_path: Path) -> None:
    run = Run(result([flow(101, "größe 中\n\x00")], [link(101)]), {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_run(run, tmp_path, ("png",))
        assert r"größe \u{4e2d}\u{a}\u{0} (cubic)" in texts_of(figure_for(run))


@pytest.mark.parametrize("flows", [[], [flow(0)], [flow(1)]])
def test_runs_with_hardly_a_sample_can_be_drawn(flows: list[object], tmp_path: Path) -> None:
    links = [link(len(flows))]
    assert draw_run(Run(result(flows, links), {}), tmp_path, ("png",))[0].stat().st_size > 0


def test_a_comparison_is_written_in_every_format(tmp_path: Path) -> None:
    paths = draw_comparison([one_flow(2, 1), one_flow(2, None)], ["a", "b"], tmp_path)
    assert [path.name for path in paths] == ["compare.png", "compare.pdf"]


def test_notebooks_show_the_figure_as_an_image() -> None:
    shown = figure_for(one_flow(2, 1))
    assert shown._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


@pytest.mark.parametrize("formats", [("gif",), "gif", ("png", "gif")])
def test_an_unknown_format_is_an_error_that_names_the_known_ones(
    formats: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="expected png, pdf, svg, pgf, got 'gif'"):
        draw_run(one_flow(2, 1), tmp_path / "none", formats)
    assert not (tmp_path / "none").exists()


def test_no_format_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected at least one of png, pdf, svg, pgf, got none"):
        draw_run(one_flow(2, 1), tmp_path, ())


@pytest.mark.parametrize("stem", ["", "..", "../up", "a/b", "a\\b", "nul\0"])
def test_a_stem_cannot_lead_out_of_the_folder(stem: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stem: expected a file name without a folder"):
        draw_run(one_flow(2, 1), tmp_path, ("png",), stem)


def test_no_runs_to_compare_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected at least one run to compare"):
        draw_comparison([], [], tmp_path)


def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        draw_run(one_flow(2, 1), tmp_path, ("png",))
    assert list(tmp_path.iterdir()) == []


def test_matplotlib_is_imported_to_draw_alone_and_without_its_global_state() -> None:
    code = (
        "import sys; from ccsim.plot import figure_for; from tests.plot.plot_runs import one_flow;"
        "assert 'matplotlib' not in sys.modules;"
        "figure_for(one_flow(2, 1)); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
