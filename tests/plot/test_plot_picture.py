"""What the pictures say: panels, units, limits, legends, swap labels, twins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ccsim.plot.compare import comparison_picture
from ccsim.plot.picture import Picture
from ccsim.plot.run import run_picture
from ccsim.sim.traces import Event, Flows
from tests.plot.plot_runs import (
    BUFFER,
    MS,
    SECOND,
    Run,
    flow,
    link,
    one_flow,
    result,
    scenario,
    several_flows,
    swap,
)


def legend_of(picture: Picture) -> list[str]:
    return [text for _, text in picture.legend]


def test_a_run_has_four_panels_with_units() -> None:
    picture = run_picture(one_flow(5, 2))
    assert [panel.label for panel in picture.panels] == [
        "Throughput (Mbit/s)",
        "cwnd (packets)",
        "RTT (ms)",
        "Queue (packets)",
    ]
    assert picture.panels[0].note == "in bins of 50 ms"


def test_throughput_is_bytes_over_bins() -> None:
    # 125,000 bytes every 10 ms are 100 Mbit/s
    steady = flow(101, throughput_bps=100_000_000)
    picture = run_picture(Run(result([steady], [link(101)]), scenario()))
    (curve,) = picture.panels[0].curves
    assert curve.y == pytest.approx([100.0] * 20)
    assert curve.t_s[0] == pytest.approx(0.025)


def test_limits_are_capacity_base_rtt_and_buffer() -> None:
    picture = run_picture(one_flow(5, 2))
    limits = [[limit.y for limit in panel.limits] for panel in picture.panels]
    assert limits == [[100.0], [], [40.0], [float(BUFFER)]]
    assert "capacity, base RTT, buffer" in legend_of(picture)


def test_each_flows_own_rtt_is_a_limit() -> None:
    run = several_flows(2, 5)
    run.scenario["flows"] = [{"rtt_ns": 20 * MS}, {"rtt_ns": None}]
    assert [limit.y for limit in run_picture(run).panels[2].limits] == [20.0, 40.0]


def test_an_infinite_ssthresh_is_not_drawn() -> None:
    picture = run_picture(Run(result([flow(101, snd_cwnd=80)], [link(101)]), scenario()))
    assert len(picture.panels[1].curves) == 1
    assert "ssthresh" not in legend_of(picture)
    assert picture.panels[1].y[1] < 100


def test_a_finite_ssthresh_is_drawn_where_it_is_finite() -> None:
    infinite_then_70 = np.where(np.arange(101) < 50, 0x7FFFFFFF, 70)
    run = Run(result([flow(101, snd_cwnd=80, ssthresh=infinite_then_70)], [link(101)]), scenario())
    picture = run_picture(run)
    threshold = picture.panels[1].curves[0]
    assert np.isnan(threshold.y[:50]).all()
    assert (threshold.y[50:] == 70).all()
    assert "ssthresh" in legend_of(picture)


def test_a_far_ssthresh_does_not_press_the_window_flat() -> None:
    run = Run(result([flow(101, snd_cwnd=80, ssthresh=5000)], [link(101)]), scenario())
    assert run_picture(run).panels[1].y[1] == pytest.approx(80 * 1.08)


def test_no_rtt_is_drawn_before_the_first_measurement() -> None:
    rtt = np.where(np.arange(101) < 3, 0, 40_000)
    run = Run(result([flow(101, srtt_us=rtt)], [link(101)]), scenario())
    panel = run_picture(run).panels[2]
    assert np.isnan(panel.curves[0].y[:3]).all()
    assert 30 < panel.y[0] < 40  # the scale starts near the base RTT, not at 0


def test_a_buffer_that_is_never_half_full_is_named_off_the_scale() -> None:
    run = Run(result([flow(101)], [link(101, queue=10)]), scenario())
    panel = run_picture(run).panels[3]
    assert panel.y[1] == pytest.approx(13.0)
    assert panel.limits[0].text == "buffer 345 packets"


def test_swaps_are_marked_with_their_label() -> None:
    (mark,) = run_picture(one_flow(5, 2)).marks
    assert (mark.t_s, mark.label) == (2.0, "cubic → bbr, setsockopt")


def test_a_refused_swap_says_its_errno() -> None:
    run = one_flow(5, 2)
    refused = swap(3, "bbr", "reno", errno=2, flows=())
    run = replace(run, result=replace(run.result, swaps=(refused,)))
    (mark,) = run_picture(run).marks
    assert mark.label == "bbr → reno, setsockopt: ENOENT"
    assert mark.look.dashes


def test_a_swap_refused_by_some_flows_is_marked_as_one_that_happened() -> None:
    run = one_flow(5, 2)
    partly = swap(2, "cubic", "bbr", errno=9, flows=("bulk",))
    picture = run_picture(replace(run, result=replace(run.result, swaps=(partly,))))
    (mark,) = picture.marks
    assert mark.label == "cubic → bbr, setsockopt: EBADF in part"
    assert not mark.look.dashes
    assert "A: never swapped" in legend_of(picture)


def test_a_sweep_is_marked_where_it_comes_to_each_flow() -> None:
    run = several_flows(2, 5)
    sweep = swap(2, "cubic", "bbr", "sweep", flows=("flow-0", "flow-1"))
    reached = [
        Event(at * SECOND, "swap", name, {"via": via})
        for at, name, via in (
            (1, "flow-0", "sweep"),  # an earlier one
            (2, "flow-0", "sweep"),
            (3, "flow-1", "setsockopt"),
            (3, "another", "sweep"),
            (4, "flow-1", "sweep"),
        )
    ]
    run = replace(run, result=replace(run.result, swaps=(sweep,), events=tuple(reached)))
    assert [mark.t_s for mark in run_picture(run).marks] == [2.0, 4.0]


def test_the_legend_tells_a_flows_story() -> None:
    picture = run_picture(one_flow(5, 2))
    assert legend_of(picture)[0] == "bulk (cubic → bbr)"
    long = flow(101, maps=("a", "b", "c", "d"), implementation=np.arange(101) // 30)
    assert legend_of(run_picture(Run(result([long]), {})))[0] == "bulk (a → … → d)"


def test_twins_of_a_single_swapped_flow_are_drawn_and_named() -> None:
    picture = run_picture(one_flow(5, 2))
    assert {"A: never swapped", "B: bbr from the start"} <= set(legend_of(picture))
    assert len(picture.panels[0].curves) == 3
    assert len(picture.panels[1].curves) == 2  # cwnd and ssthresh: twins only in throughput


def test_a_lone_neighbours_a_twin_is_drawn_too_and_the_legend_names_it_once() -> None:
    alone = one_flow(5, 2)
    assert alone.twin_a is not None
    beside = replace(alone.result.flows[0], name="rival")
    twin_a = replace(alone.twin_a, flows=Flows((*alone.twin_a.flows, beside)))
    picture = run_picture(
        replace(
            alone,
            result=replace(alone.result, flows=Flows((*alone.result.flows, beside))),
            twin_a=twin_a,
        )
    )
    assert len(picture.panels[0].curves) == 5  # two flows, both as in A, the swapped one as in B
    assert legend_of(picture).count("A: never swapped") == 1


def test_twins_are_left_out_when_several_flows_were_swapped() -> None:
    run = several_flows(2, 5)
    swaps = (swap(2, "cubic", "bbr", "sweep", flows=("flow-0", "flow-1")),)
    both = replace(run, result=replace(run.result, swaps=swaps), twin_a=run.result)
    assert "A: never swapped" not in legend_of(run_picture(both))


def test_drops_and_random_losses_are_told_apart() -> None:
    drops = np.array([100, 200, 300]) * MS
    lossy = link(101, queue=300, drops=drops, random=[0, 1, 0])
    picture = run_picture(Run(result([flow(101)], [lossy]), scenario()))
    assert [len(rug.t_s) for rug in picture.panels[3].rugs] == [2, 1]
    assert legend_of(picture)[-2:] == ["drop", "random loss"]


def test_a_flow_is_drawn_from_its_start_to_its_end() -> None:
    # samples at 300 ... 1290 ms; it ends at 805 ms, so that the sample at 810 ms is its last
    late = flow(100, t_ns=300 * MS + np.arange(100) * 10 * MS, start_ns=300 * MS, end_ns=805 * MS)
    picture = run_picture(Run(result([late], [link(201)], seconds=2), scenario()))
    rates, windows = picture.panels[0].curves[0], picture.panels[1].curves[0]
    assert rates.t_s[0] > 0.3
    assert rates.t_s[-1] < 0.81
    assert (windows.t_s[0], windows.t_s[-1]) == (0.3, 0.81)


def test_more_than_eight_flows_are_grouped_by_implementation() -> None:
    picture = run_picture(several_flows(9, 5))
    assert legend_of(picture)[:2] == ["cubic (9 flows)", "bbr (9 flows)"]
    assert picture.panels[0].note == "sum, 50 ms bins"
    assert all(curve.low is not None for curve in picture.panels[1].curves)


def test_groups_add_up_rates_and_take_the_median_of_windows() -> None:
    # ten flows of 10 Mbit/s, windows 1 ... 10: the sum is 100 Mbit/s, nearest rank of the half is 5
    flows = [flow(101, f"f{i}", throughput_bps=10_000_000, snd_cwnd=i + 1) for i in range(10)]
    picture = run_picture(Run(result(flows, [link(101)]), scenario(flows=10)))
    assert picture.panels[0].curves[0].y == pytest.approx([100.0] * 20)
    window = picture.panels[1].curves[0]
    assert set(window.y) == {5.0}
    assert window.low is not None
    assert window.high is not None
    assert (set(window.low), set(window.high)) == ({2.0}, {9.0})


@pytest.mark.parametrize(
    ("rate_bps", "unit"), [(10**10, "Gbit/s"), (10**8, "Mbit/s"), (500_000, "kbit/s")]
)
def test_the_rates_unit_follows_the_link(rate_bps: int, unit: str) -> None:
    run = Run(result([flow(101)], [replace(link(101), rate_bps=rate_bps)]), scenario())
    assert run_picture(run).panels[0].label == f"Throughput ({unit})"


def test_huge_windows_are_counted_in_thousands_and_tiny_rtts_in_microseconds() -> None:
    run = Run(result([flow(101, snd_cwnd=20_000, srtt_us=150)], [link(101)]), {})
    panels = run_picture(run).panels
    assert (panels[1].label, panels[2].label) == ("cwnd (1000 packets)", "RTT (µs)")
    assert set(panels[1].curves[0].y) == {20.0}


def test_a_failed_run_says_so_in_its_title() -> None:
    run = Run(result([flow(51)], [link(51)], failed="my_cc.py:3: boom"), scenario("x"))
    assert run_picture(run).title == "x (failed: my_cc.py:3: boom)"


def test_long_names_are_cut_at_24_characters() -> None:
    picture = run_picture(Run(result([flow(101, "n" * 40)]), {"name": "s" * 40}))
    assert picture.title == "s" * 23 + "…"
    assert legend_of(picture)[0] == "n" * 23 + "… (cubic)"


@pytest.mark.parametrize("count", [0, 1])
def test_runs_without_samples_make_empty_panels(count: int) -> None:
    picture = run_picture(Run(result([flow(0)] * count, [link(0)] * count), {}))
    assert len(picture.panels) == 4
    assert all(panel.y[0] < panel.y[1] for panel in picture.panels)


def test_a_comparison_gives_each_run_a_colour() -> None:
    picture = comparison_picture([one_flow(5, 2), one_flow(5, None)], ["with", "without"])
    assert legend_of(picture)[:2] == ["with", "without"]
    assert len({curve.look.colour for curve in picture.panels[1].curves}) == 2
    assert [len(panel.curves) for panel in picture.panels] == [2, 2, 2, 2]


def test_flows_of_compared_runs_differ_by_line_style() -> None:
    picture = comparison_picture([several_flows(2, 5), several_flows(2, 5)], ["a", "b"])
    looks = [curve.look for curve in picture.panels[1].curves]
    assert [look.colour for look in looks[:2]] == [looks[0].colour] * 2
    assert looks[0].dashes != looks[1].dashes
    assert legend_of(picture)[:4] == ["a", "b", "flow-0", "flow-1"]


def test_compared_runs_of_many_flows_are_one_line_each() -> None:
    picture = comparison_picture([several_flows(5, 5), several_flows(2, 5)], ["a", "b"])
    assert [len(panel.curves) for panel in picture.panels] == [2, 2, 2, 2]
    assert picture.panels[0].note == "sum, 50 ms bins"


def test_swaps_that_compared_runs_share_are_marked_once() -> None:
    marks = comparison_picture([one_flow(5, 2), one_flow(5, 2)], ["a", "b"]).marks
    assert [(m.t_s, m.label) for m in marks] == [(2.0, "cubic → bbr, setsockopt")]


def test_a_swap_of_one_of_the_compared_runs_names_the_run() -> None:
    marks = comparison_picture([one_flow(5, 2), one_flow(5, None)], ["mine", "control"]).marks
    assert [mark.label for mark in marks] == ["mine: cubic → bbr, setsockopt"]


def test_flows_that_compared_runs_name_differently_are_numbered() -> None:
    one, other = several_flows(2, 5), several_flows(2, 5)
    renamed = (one.result.flows[0], replace(one.result.flows[1], name="rival"))
    other = replace(other, result=replace(other.result, flows=Flows(renamed)))
    picture = comparison_picture([one, other], ["a", "b"])
    assert legend_of(picture)[:4] == ["a", "b", "flow 1", "flow 2"]


def test_dashes_mean_the_same_in_all_panels_of_a_comparison() -> None:
    two = comparison_picture([several_flows(2, 5), several_flows(2, 5)], ["a", "b"])
    assert [curve.look.dashes for curve in two.panels[3].curves] == [(), ()]  # dashes are flows
    one = comparison_picture([one_flow(5, 2), one_flow(5, None)], ["a", "b"])
    dashes = [[curve.look.dashes for curve in panel.curves] for panel in one.panels]
    assert dashes[0] == dashes[3] != [(), ()]  # dashes are runs


def test_the_longest_of_compared_runs_sets_the_time_axis() -> None:
    assert comparison_picture([one_flow(5, 2), one_flow(3, 2)], ["a", "b"]).duration_s == 5.0


def test_comparing_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at least one run to compare, got none"):
        comparison_picture([], [])


def test_labels_must_be_one_for_each_run() -> None:
    with pytest.raises(ValueError, match="labels: expected 1, one a run, got 2"):
        comparison_picture([one_flow(5, 2)], ["a", "b"])


def test_a_staged_roll_out_is_marked_where_it_moves_flows_and_where_it_is_rolled_back() -> None:
    run = several_flows(2, 5)
    staged = swap(1, "cubic", "bbr", "staged", flows=("flow-0", "flow-1"))
    outcome = "rolled back: drops 5 %, before 0 %"
    staged = replace(staged, outcome=outcome, outcome_ns=3 * SECOND)
    events = [
        Event(at * SECOND, "swap", name, {"via": "staged", "swap": staged.index, **more})
        for at, name, more in ((1, "flow-0", {}), (2, "flow-1", {}), (3, "flow-0", {"rollback": 1}))
    ]
    run = replace(run, result=replace(run.result, swaps=(staged,), events=tuple(events)))
    marks = [(mark.t_s, mark.label) for mark in run_picture(run).marks]
    assert [t for t, _ in marks] == [1.0, 2.0, 3.0]
    assert marks[-1][1] == "rolled back: drops 5 %"


def test_a_name_that_is_missing_for_long_is_marked_when_it_is_back() -> None:
    run = several_flows(2, 5)
    gone = swap(1, "cubic", "bbr", "reregister", flows=())
    back = Event(2 * SECOND, "swap", "", {"via": "reregister", "link": "fleet", "swap": gone.index})
    run = replace(run, result=replace(run.result, swaps=(gone,), events=(back,)))
    assert [mark.t_s for mark in run_picture(run).marks] == [1.0, 2.0]
    assert run_picture(run).marks[1].label == "fleet registered again"


def test_marks_are_ticks_of_their_own() -> None:
    marked = replace(link(101, 30), mark_t_ns=np.array([250 * MS, 250 * MS, 750 * MS]))
    picture = run_picture(Run(result([flow(101)], [marked]), scenario()))
    (rug,) = picture.panels[-1].rugs
    assert rug.t_s.tolist() == pytest.approx([0.25, 0.75], abs=0.004)
    assert "ECN mark" in [text for _, text in picture.legend]


def test_a_group_of_one_is_one_flow() -> None:
    flows = [flow(101, f"f-{k}") for k in range(9)] + [flow(101, "other", ("bbr",))]
    legend = legend_of(run_picture(Run(result(flows, [link(101)]), scenario(flows=10))))
    assert legend[:2] == ["cubic (9 flows)", "bbr (1 flow)"]


def test_the_threshold_at_which_the_queue_marks_is_a_line_of_its_own() -> None:
    run = Run(result([flow(101)], [link(101, 30)]), scenario())
    run.scenario["path"] |= {"ecn_mark_packets": None, "ecn_mark_ns": 6 * MS}
    run.scenario["tcp"] = {"mss_bytes": 1448}
    picture = run_picture(run)
    marked = [limit for limit in picture.panels[-1].limits if limit.text.startswith("marks")]
    # 100 Mbit/s carry 50 packets of 1500 bytes in 6 ms
    assert [(limit.y, limit.text) for limit in marked] == [(50.0, "marks above 6 ms")]
    assert "marks above 6 ms" in [text for _, text in picture.legend]
    run.scenario["path"] |= {"ecn_mark_packets": 65, "ecn_mark_ns": None}
    assert "marks above 65 packets" in [text for _, text in run_picture(run).legend]
