"""A picture as it is asked for: part of the time, panels, twins, sizes, the second of a swap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot
import numpy as np
import pytest

from ccsim.plot import draw_panel, draw_run, figure_for, plot_options
from ccsim.plot.chosen import chosen_picture
from ccsim.plot.picture import Picture
from tests.plot.plot_runs import SECOND, Run, flow, link, one_flow, result, scenario, swap
from tests.plot.test_plot_draw import boxes_of, texts_of


def asked(run: Run, **words: str) -> Picture:
    return chosen_picture(run, plot_options(**words))


def keys(picture: Picture) -> list[str]:
    return [panel.key for panel in picture.panels]


def counting(seconds: int = 4) -> Run:
    """Return a run whose cwnd is the number of the sample, swapped at 2 s, with drops at 1, 3 s."""
    n = 100 * seconds + 1
    counted = flow(
        n, maps=("cubic", "bbr"), snd_cwnd=np.arange(n), implementation=np.arange(n) > 200
    )
    lossy = link(n, drops=[SECOND, 3 * SECOND])
    swaps = [swap(2, "cubic", "bbr")]
    return Run(result([counted], [lossy], swaps, seconds), scenario(), result([flow(n)]), None)


def test_a_part_of_the_time_is_drawn_on_its_own_axis_with_what_happened_in_it() -> None:
    picture = asked(counting(), start="2500 ms", end="3500 ms")
    assert (picture.start_s, picture.end_s) == (2.5, 3.5)
    (cwnd,) = picture.panels[1].curves
    assert (cwnd.t_s[0], cwnd.y[0]) == (2.5, 250.0)
    assert (cwnd.t_s[-1], cwnd.y[-1]) == (3.5, 350.0)
    (drops,) = picture.panels[3].rugs
    assert drops.t_s.tolist() == [pytest.approx(3.0, abs=0.01)]
    assert picture.marks == ()
    assert [text for _, text in picture.legend][:1] == ["bulk (bbr)"]


def test_a_swap_within_the_part_is_marked_at_its_own_time() -> None:
    picture = asked(counting(), start="1.5 s", end="2.5 s")
    assert [mark.t_s for mark in picture.marks] == [2.0]
    assert [text for _, text in picture.legend][:1] == ["bulk (cubic → bbr)"]


def test_a_part_from_the_middle_of_a_sample_begins_with_the_one_before() -> None:
    (cwnd,) = asked(counting(), start="2505 ms", end="3 s").panels[1].curves
    assert cwnd.t_s[0] == pytest.approx(2.5)


def test_throughput_of_a_part_does_not_fall_at_its_ends() -> None:
    picture = asked(counting(), start="1 s", end="3 s")
    (rate, *_) = (c for c in picture.panels[0].curves if c.look == picture.legend[0][0])
    assert rate.y == pytest.approx(np.full(len(rate.y), 80.0))


def test_a_flow_that_ended_before_is_not_in_the_legend() -> None:
    gone = flow(101, "gone", end_ns=SECOND)
    run = Run(result([gone, flow(401, "stays")], [link(401)], (), 4), scenario())
    assert [t for _, t in asked(run, start="2 s").legend][:2] == [
        "stays (cubic)",
        "capacity, base RTT, buffer",
    ]


def test_panels_come_in_the_order_asked_and_the_legend_explains_these_alone() -> None:
    picture = asked(counting(), panels="rtt,inflight,pacing,marks,cwnd")
    assert keys(picture) == ["rtt", "inflight", "pacing", "marks", "cwnd"]
    legend = [text for _, text in picture.legend]
    assert "drop" not in legend
    assert "capacity, base RTT" in legend
    assert "capacity, base RTT" not in [t for _, t in asked(counting(), panels="queue").legend]


def test_what_nothing_is_paced_or_marked_says_so() -> None:
    picture = asked(counting(), panels="pacing,marks")
    assert not np.isfinite(picture.panels[0].curves[0].y).any()
    assert picture.panels[1].note == "no marks"


def test_pacing_far_above_the_line_is_cut_and_the_label_says_where() -> None:
    run = Run(result([flow(101, pacing_rate_bps=10**9)], [link(101)]), scenario())
    (panel,) = asked(run, panels="pacing").panels
    assert panel.y == (0.0, 250.0)
    assert panel.note == "up to 250"


def test_marks_are_counted_by_the_bin() -> None:
    marked = replace(link(101), mark_t_ns=np.array([10, 20, 30]), mark_flow=np.zeros(3, np.int64))
    (panel,) = asked(Run(result([flow(101)], [marked]), scenario()), panels="marks").panels
    assert panel.curves[0].y[:2].tolist() == [60.0, 60.0]  # three in a bin of 50 ms


def test_a_panel_that_the_run_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(ValueError, match=r"has \(throughput, cwnd, rtt, queue\), got 'slowdown'"):
        asked(counting(), panels="cwnd,slowdown")


@pytest.mark.parametrize(
    ("twins", "labels"),
    [
        ("none", []),
        ("a", ["A: never swapped"]),
        ("b", ["B: bbr from the start"]),
        ("both", ["A: never swapped", "B: bbr from the start"]),
    ],
)
def test_twins_that_are_asked_for_are_in_every_panel(twins: str, labels: list[str]) -> None:
    run = one_flow(5, 2)
    picture = asked(run, twins=twins)
    assert [text for _, text in picture.legend if text[1] == ":"] == labels
    assert len(picture.panels[2].curves) == 1 + len(labels)
    assert len(asked(run).panels[2].curves) == 1


def test_the_second_around_a_short_swap_stands_beside_a_long_run_on_the_same_scales() -> None:
    picture = asked(one_flow(60, 20))
    assert picture.detail is not None
    assert (picture.detail.start_s, picture.detail.end_s) == (19.5, 20.5)
    assert keys(picture.detail) == keys(picture)
    assert [p.y for p in picture.detail.panels] == [p.y for p in picture.panels]
    assert picture.panels[0].note == "bins 100 ms, 50 ms"
    figure = figure_for(one_flow(60, 20))
    assert len(figure.axes) == 8
    assert figure.axes[7].get_xlabel() == "from swap (s)"


@pytest.mark.parametrize(("seconds", "at"), [(5, 2), (60, None)])
def test_a_short_run_or_one_without_a_swap_needs_no_second(seconds: int, at: int | None) -> None:
    assert asked(one_flow(seconds, at)).detail is None


def test_the_second_can_be_chosen_or_left_out() -> None:
    chosen = asked(one_flow(60, 20), detail="30 s").detail
    assert chosen is not None
    assert (chosen.start_s, chosen.origin) == (29.5, "30 s")
    assert asked(one_flow(60, 20), detail="none").detail is None
    with pytest.raises(
        ValueError, match="detail: expected an instant within the picture, got 90 s"
    ):
        asked(one_flow(60, 20), detail="90 s")


@pytest.mark.parametrize("words", [{}, {"width": "2col"}, {"panels": "cwnd,rtt", "width": "3x3in"}])
def test_no_text_leaves_a_figure_or_touches_another(words: dict[str, str]) -> None:
    figure = figure_for(one_flow(60, 20), plot_options(**words))
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [axes.xaxis.label, axes.yaxis.label]
        if axes.get_xlabel():
            low, high = axes.get_xlim()
            texts += [t for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high]
    texts = [text for text in texts if text.get_text()]
    boxes = boxes_of(figure, texts)
    width, height = figure.get_size_inches() * figure.dpi
    for k, (left, bottom, right, top) in enumerate(boxes):
        assert 0 <= left < right <= width, texts[k]
        assert 0 <= bottom < top <= height, texts[k]
        for one in boxes[:k]:
            apart = right <= one[0] or one[2] <= left or top <= one[1] + 1 or one[3] <= bottom + 1
            assert apart, texts[k]
        assert float(texts[k].get_fontsize()) >= 6


def test_sizes_are_kept_and_a_height_too_low_for_the_panels_is_refused() -> None:
    run = one_flow(5, 2)
    assert figure_for(run, plot_options(width="2col")).get_size_inches()[0] == pytest.approx(7.16)
    sized = figure_for(run, plot_options(width="4x6in", title="none"))
    assert sized.get_size_inches() == pytest.approx((4, 6))
    with pytest.raises(
        ValueError, match=r"a height of at least \d\.\d\d in for 4 panels, got 2.00"
    ):
        figure_for(run, plot_options(width="4x2in"))


def test_a_title_is_ones_own_or_none() -> None:
    run = one_flow(5, 2)
    assert "Mine" in texts_of(figure_for(run, plot_options(title="Mine")))
    plain = figure_for(run, plot_options(title="none"))
    assert "cubic-to-bbr" not in texts_of(plain)
    assert plain.get_size_inches()[1] < figure_for(run).get_size_inches()[1]


def test_one_panel_is_drawn_in_axes_of_ones_own_with_labels_for_a_legend() -> None:
    figure, ax = matplotlib.pyplot.subplots()
    draw_panel(one_flow(5, 2), ax, plot_options(panels="cwnd"))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "cwnd (packets)")
    assert ax.get_xlim() == (0.0, 5.0)
    assert ax.get_legend_handles_labels()[1] == ["ssthresh", "bulk (cubic → bbr)"]
    with pytest.raises(ValueError, match="expected one panel for ax, got throughput, cwnd"):
        draw_panel(one_flow(5, 2), ax, plot_options(panels="throughput,cwnd"))
    matplotlib.pyplot.close(figure)


def test_pgf_is_tex_that_is_closed_in_which_no_text_is_a_command(tmp_path: Path) -> None:
    run = one_flow(60, 20)
    named = Run(run.result, {**run.scenario, "name": "50% of {x}_$1 \\end"}, run.twin_a, run.twin_b)
    (path,) = draw_run(named, tmp_path, ("pgf",))
    text = path.read_text(encoding="utf-8")
    for part in ("begin", "end"):
        assert text.count(f"\\{part}{{pgfpicture}}") == 1
    assert text.count(r"\begin{pgfscope}") == text.count(r"\end{pgfscope}")
    assert r"50\% of \{x\}\_\$1 \textbackslash{}end}" in text
    assert r"bulk (cubic \ensuremath{\rightarrow} bbr)}" in text
    assert r"{\pgfqpoint{3.500000in}{" in text
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    again = draw_run(named, tmp_path / "again", ("pgf",))[0]
    assert again.read_bytes() == path.read_bytes()
