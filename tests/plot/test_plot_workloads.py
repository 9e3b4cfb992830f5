"""The picture of connections that come and go: numbers, sums, completions, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsim.plot import draw_comparison, draw_run
from ccsim.plot.compare import comparison_picture
from ccsim.plot.picture import Panel, Picture
from ccsim.plot.workloads import has_workloads, workload_picture
from ccsim.sim.traces import Completions, FlowTrace, GroupTrace, SimResult
from tests.plot.plot_runs import SECOND, Run, flow, link, result, scenario, swap

DURATION = 30


def connection(number: int, start: int, end: int | None, *served: tuple[int, str]) -> FlowTrace:
    """Return a connection without samples, times in seconds."""
    names = tuple(dict.fromkeys(name for _, name in served))
    return replace(
        flow(0, f"w-{number}", names),
        start_ns=start * SECOND,
        end_ns=None if end is None else end * SECOND,
        workload="w",
        served=tuple((t * SECOND, names.index(name)) for t, name in served),
    )


def group(name: str, mbit: Any) -> GroupTrace:
    rate = np.broadcast_to(np.asarray(mbit, dtype=np.int64), 10 * DURATION + 1) * 1_000_000
    zeros = np.zeros(len(rate), dtype=np.int64)
    t_ns = np.arange(len(rate), dtype=np.int64) * SECOND // 10
    return GroupTrace(name, t_ns, zeros, zeros, zeros, zeros, rate.copy())


def fleet() -> SimResult:
    """Three connections on cubic until 5, 12 and 20 s; the update is at 10 s; one on bbr from 11 s
    on, and one that is swept at 15 s."""
    flows = [
        connection(1, 0, 5, (0, "cubic")),
        connection(2, 1, 12, (1, "cubic")),
        connection(3, 9, 20, (9, "cubic")),
        connection(4, 11, None, (11, "bbr")),
        connection(5, 2, 25, (2, "cubic"), (15, "bbr")),
    ]
    seconds = np.arange(301) / 10
    found = Completions(
        flow=np.array([0, 1, 2, 3, 4]),
        start_ns=np.array([0, 1, 9, 11, 2]) * SECOND,
        end_ns=np.array([5 * SECOND, 12 * SECOND, 20 * SECOND, -1, 25 * SECOND]),
        size_bytes=np.full(5, 1_000_000),
        ideal_ns=np.full(5, SECOND),
    )
    return replace(
        result(flows, [link(3001)], swaps=[swap(10, "cubic", "bbr", via="link_update", flows=())]),
        duration_ns=DURATION * SECOND,
        groups=(group("bbr", np.where(seconds < 11, 0, 30)), group("cubic", 40)),
        completions=found,
    )


def run(name: str = "roll", **changes: Any) -> Run:
    return Run(replace(fleet(), **changes), scenario(name))


def panel(picture: Picture, label: str) -> Panel:
    return next(one for one in picture.panels if one.label.startswith(label))


def test_the_panels_are_sums_numbers_slowdowns_and_the_queue() -> None:
    picture = workload_picture(run())
    assert [one.label.split(" ")[0] for one in picture.panels] == [
        *("Throughput", "Connections", "Slowdown", "Queue")
    ]


def test_the_number_of_connections_steps_where_they_come_and_go() -> None:
    cubic, bbr = panel(workload_picture(run()), "Connections").curves
    steps = list(zip(cubic.t_s.tolist(), cubic.y.tolist(), strict=True))
    # up at 0, 1, 2, 9; down at 5, 12, 15 (swept), 20
    after = [steps[k][1] for k in range(1, len(steps), 2)]
    assert [steps[k][0] for k in range(1, len(steps), 2)] == [0, 1, 2, 5, 9, 12, 15, 20]
    assert after == [1, 2, 3, 2, 3, 2, 1, 0]
    assert bbr.y.max() == 2
    assert bbr.t_s[-1] == DURATION


def test_the_last_one_on_the_old_is_marked_when_it_leaves() -> None:
    marks = workload_picture(run()).marks
    assert (marks[-1].t_s, marks[-1].label) == (20.0, "last on cubic closed")
    assert marks[0].t_s == 10


def test_no_end_is_marked_while_one_still_runs() -> None:
    flows = (*fleet().flows[:4], connection(9, 3, None, (3, "cubic")))
    marks = workload_picture(run(flows=flows)).marks
    assert [mark.t_s for mark in marks] == [10]


def test_sums_are_means_of_bins_and_end_with_the_traffic() -> None:
    bbr, cubic = panel(workload_picture(run()), "Throughput").curves
    assert set(cubic.y.tolist()) == {40.0}
    assert bbr.t_s[0] == pytest.approx(11.1)  # bins of 200 ms
    assert set(bbr.y.tolist()) == {30.0}


def test_a_completion_is_a_dot_at_its_start_with_its_slowdown() -> None:
    dots = panel(workload_picture(run()), "Slowdown").points
    assert [sorted(zip(p.t_s.tolist(), p.y.tolist(), strict=True)) for p in dots] == [
        [(0.0, 5.0), (1.0, 11.0), (9.0, 11.0)],
        [(2.0, 23.0)],  # served by both, one after the other
    ]
    assert panel(workload_picture(run()), "Slowdown").log


def test_the_legend_counts_connections_by_what_they_began_on() -> None:
    legend = [text for _, text in workload_picture(run()).legend]
    assert legend[:3] == ["cubic (4 connections)", "bbr (1 connection)", "cubic → bbr"]


def test_flows_beside_a_workload_keep_their_lines_and_the_sums_are_without_them() -> None:
    times = np.arange(10 * DURATION + 1) * SECOND // 10
    beside = flow(len(times), "bulk", t_ns=times, throughput_bps=10_000_000)
    flows = (beside, *fleet().flows)
    found = run(flows=flows, groups=(group("cubic", 40),), completions=shifted())
    picture = workload_picture(found)
    assert [one.label.split(" ")[0] for one in picture.panels] == [
        *("Throughput", "cwnd", "RTT", "Connections", "Slowdown", "Queue")
    ]
    assert [text for _, text in picture.legend][:2] == ["bulk (cubic)", "cubic (4 connections)"]
    assert len(panel(picture, "cwnd").curves) == len(panel(picture, "RTT").curves) == 1
    own, together = panel(picture, "Throughput").curves[:2]
    assert own.y[5] == pytest.approx(10.0)
    assert set(together.y.tolist()) == {30.0}  # of 40 Mbit/s on cubic


def shifted() -> Completions:
    """The fleet's completions, behind one more flow."""
    found = fleet().completions
    assert found is not None
    return replace(found, flow=found.flow + 1)


def test_nothing_completed_leaves_the_panel_out() -> None:
    found = fleet().completions
    assert found is not None
    none = replace(found, end_ns=np.full(5, -1))
    labels = [one.label for one in workload_picture(run(completions=none)).panels]
    assert not any(label.startswith("Slowdown") for label in labels)


def test_without_sums_the_rates_are_left_out() -> None:
    labels = [one.label for one in workload_picture(run(groups=())).panels]
    assert labels[0] == "Connections"


def test_a_comparison_has_a_colour_a_run_and_dashes_an_implementation() -> None:
    picture = comparison_picture([run("one"), run("two")], ["one", "two"])
    counts = panel(picture, "Connections").curves
    assert len({curve.look.colour for curve in counts}) == 2
    assert len({curve.look.dashes for curve in counts}) == 2
    assert [text for _, text in picture.legend][:4] == ["one", "two", "cubic", "bbr"]
    assert "last on cubic closed" in {mark.label for mark in picture.marks}


def test_pictures_of_workloads_are_drawn_whole(tmp_path: Path) -> None:
    assert has_workloads(run().result)
    (file,) = draw_run(run(), tmp_path, ("png",))
    (both,) = draw_comparison([run(), run()], ["a", "b"], tmp_path, ("png",))
    assert min(file.stat().st_size, both.stat().st_size) > 10_000


def test_a_workload_that_brought_nobody_can_be_drawn(tmp_path: Path) -> None:
    empty = Completions(*[np.zeros(0, dtype=np.int64)] * 5)
    nobody = run(flows=(), groups=(), completions=empty)
    assert draw_run(nobody, tmp_path, ("png",))[0].stat().st_size > 5_000
