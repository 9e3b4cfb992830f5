"""The metrics document: rows, what is left out, and what is censored."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccsim.experiment.measure import measure, observed_until, phases
from ccsim.sim.traces import Flows
from tests.experiment.synthetic import S, event, flow, link, result, swap

SWAPPED = flow(
    mbit=((20, 100), (21, 50), (60, 100)),
    implementations=("cubic", "bbr"),
    implementation=((20, 0), (60, 1)),
)
MOVED = event(20, "swap", before={"snd_cwnd": 300}, after={"snd_cwnd": 80}, swap=0)


def test_phases_are_the_spans_between_successful_swaps() -> None:
    swaps = [swap(20), swap(30, (), index=1, errno=2), swap(40, index=2), swap(40, index=3)]
    assert phases(result(swaps=swaps)) == [(0, 20 * S), (20 * S, 40 * S), (40 * S, 60 * S)]


def test_a_swap_at_the_very_start_makes_no_empty_phase() -> None:
    assert phases(result(swaps=[swap(0), swap(60)])) == [(0, 60 * S)]


def test_each_flow_has_a_row_for_each_phase_in_which_it_lived() -> None:
    metrics = measure(result(SWAPPED, flow("late", start_s=25), swaps=[swap()]))
    rows = [(r["flow"], r["phase"], r["from_s"], r["to_s"]) for r in metrics["flows"]]
    assert rows == [("bulk", 0, 0, 20), ("bulk", 1, 20, 60), ("late", 1, 25, 60)]


def test_a_row_names_who_served_the_flow_before_the_swap_and_after() -> None:
    metrics = measure(result(SWAPPED, swaps=[swap()]))
    assert [row["implementation"] for row in metrics["flows"]] == ["cubic", "bbr"]


def test_rates_losses_and_rtts_of_a_phase() -> None:
    metrics = measure(result(SWAPPED, links=[link(drops=[(5, 0), (25, 0)])], swaps=[swap()]))
    after = metrics["flows"][1]
    assert after["goodput_bps"] == pytest.approx(98.75e6)  # 39 s at 100 and 1 s at 50, over 40
    assert (after["losses"], after["rtt_mean_ms"], after["rtt_p99_ms"]) == (1, 40, 40)


def test_drops_of_cross_traffic_are_no_flow_s() -> None:
    drops = [(20.5, 0), (20.6, 1), (20.7, 1)]  # one flow; traffic is numbered after it
    run = result(SWAPPED, links=[link(drops=drops)], events=[MOVED], swaps=[swap()])
    (told,) = measure(run, result(), result())["swaps"]
    assert told["total"]["drops"] == told["flows"][0]["drops"] == 1


def test_the_disruption_of_a_swap_against_both_twins() -> None:
    run = result(
        SWAPPED,
        links=[link(drops=[(20.5, 0), (20.6, 0)])],
        events=[MOVED, event(23, "rto")],
        swaps=[swap()],
    )
    (cost,) = measure(run, result(), result())["swaps"][0]["flows"]
    assert cost["window_s"] == 10
    assert cost["deficit_bytes"] == pytest.approx(6_250_000)
    assert cost["deficit_s"] == pytest.approx(0.5)
    assert cost["dip_worst_ratio"] == pytest.approx(0.5)
    assert cost["dip_recovery_s"] == pytest.approx(1.0)
    assert (cost["cwnd_before_packets"], cost["cwnd_after_packets"]) == (300, 80)
    assert cost["cwnd_jump_packets"] == -220
    assert (cost["drops_in_second_after"], cost["extra_drops"]) == (2, 2)
    assert (cost["drops"], cost["rtos"], cost["extra_rtos"]) == (2, 1, 1)


def test_without_twins_what_compares_with_them_is_missing_and_the_rest_is_not() -> None:
    metrics = measure(result(SWAPPED, swaps=[swap()]))
    (cost,) = metrics["swaps"][0]["flows"]
    assert metrics["twins"] == {"a": None, "b": None}
    assert cost["deficit_bytes"] is None
    assert cost["time_to_b_twin_s"] is None
    assert cost["dip_worst_ratio"] == pytest.approx(0.5)


def test_a_twin_that_failed_counts_as_missing_and_is_named() -> None:
    metrics = measure(result(SWAPPED, swaps=[swap()]), result(failed="bbr.py:7: boom"), result())
    assert metrics["twins"] == {"a": "bbr.py:7: boom", "b": "complete"}
    assert metrics["swaps"][0]["flows"][0]["deficit_bytes"] is None


def test_what_never_happened_is_censored_and_no_number() -> None:
    slower = flow(mbit=((20, 100), (60, 50)))
    (cost,) = measure(result(slower, swaps=[swap()]), result(), result())["swaps"][0]["flows"]
    assert cost["dip_recovery_s"] == {"censored": True, "at_least_s": 10.0}
    assert cost["time_to_b_twin_s"] == {"censored": True, "at_least_s": 40.0}


def test_a_flow_that_ends_inside_the_window_is_missing_for_the_rest_of_it() -> None:
    short = flow(mbit=((20, 100), (60, 50)), end_s=24)
    (cost,) = measure(result(short, swaps=[swap()]), result(), result())["swaps"][0]["flows"]
    assert cost["window_s"] == 10
    assert cost["delivered_bytes"] == pytest.approx(25_000_000)  # 50 Mbit/s for 4 s
    assert cost["deficit_bytes"] == pytest.approx(100_000_000)  # the twin has 100 for 10 s
    # what is told of the flow's own life ends with it
    assert cost["time_to_b_twin_s"] == {"censored": True, "at_least_s": 4.0}


def test_a_twin_whose_flow_ended_before_the_swap_shows_no_dip() -> None:
    twin = result(flow(end_s=15))
    (cost,) = measure(result(SWAPPED, swaps=[swap()]), twin, twin)["swaps"][0]["flows"]
    assert cost["delivered_a_bytes"] == 0
    assert cost["deficit_bytes"] == pytest.approx(-118_750_000)  # 50 for 1 s, 100 for 9 s
    assert cost["deficit_s"] is None
    assert cost["time_to_b_twin_s"] is None
    assert cost["dip_recovery_s"] is None


def test_the_next_swap_ends_the_window() -> None:
    run = result(flow(mbit=((20, 100), (60, 50))), swaps=[swap(20), swap(23, index=1)])
    first, second = measure(run, result(), result())["swaps"]
    assert first["flows"][0]["window_s"] == first["total"]["window_s"] == 3
    assert first["total"]["deficit_bytes"] == pytest.approx(18_750_000)  # 50 Mbit/s for 3 s
    assert second["flows"][0]["window_s"] == 10


def test_a_swap_that_failed_does_not_end_the_window() -> None:
    run = result(flow(), swaps=[swap(20), swap(23, (), index=1, errno=2)])
    first, second = measure(run, result(), result())["swaps"]
    assert first["total"]["window_s"] == 10
    assert second["total"] is None


def test_a_swap_that_failed_has_its_errno_and_no_numbers() -> None:
    metrics = measure(result(swaps=[swap(flows=(), errno=2)]), result(), result())
    assert metrics["swaps"][0]["errno"] == 2
    assert metrics["swaps"][0]["flows"] == []


def test_a_swap_that_failed_for_one_flow_is_measured_for_the_others() -> None:
    metrics = measure(result(SWAPPED, swaps=[swap(errno=9)]), result(), result())
    assert metrics["swaps"][0]["errno"] == 9
    assert len(metrics["swaps"][0]["flows"]) == 1
    assert len(metrics["phases"]) == 2


#   Mbit/s      20      25      30   35
#   a     50  |  80  |  80  |  50       the sweep reaches a at 20 s, b at 25 s
#   b     50  |  20  |  10  |  50       idle rests
#   c     10                            is not reached
STAGGERED_FLOWS = [
    flow("a", mbit=((20, 50), (30, 80), (60, 50))),
    flow("b", mbit=((20, 50), (25, 20), (30, 10), (60, 50))),
    flow("c", mbit=((60, 10),)),
]
STAGGERED_EVENTS = [
    event(10, "swap", "b"),
    event(20, "swap", "a", swap=0),
    event(25, "swap", "b", swap=0),
    event(28, "rto", "b"),
]
EVEN = result(flow("a", mbit=((60, 50),)), flow("b", mbit=((60, 50),)), flow("c", mbit=((60, 10),)))


def staggered() -> dict[str, Any]:
    run = result(
        *STAGGERED_FLOWS,
        links=[link(drops=[(19, 0), (21, 0), (22, 1), (34.99, 2), (35, 2)])],
        events=STAGGERED_EVENTS,
        swaps=[swap(20, ("a", "b"), via="sweep")],
    )
    (row,) = measure(run, EVEN, EVEN)["swaps"]
    return dict(row)


def test_a_staggered_sweep_has_one_window_up_to_ten_seconds_after_its_last_step() -> None:
    total = staggered()["total"]
    assert (total["from_s"], total["to_s"], total["flows"]) == (20, 35, 3)
    # a gains 30 Mbit/s for 10 s, b loses 30 for 5 s and 40 for 5 s: 50 Mbit · s of 110 · 15
    assert total["deficit_bytes"] == pytest.approx(50e6 / 8)
    assert total["deficit_s"] == pytest.approx(50 / 110, abs=1e-6)
    assert total["deficit_peak_bytes"] == pytest.approx(50e6 / 8)
    assert (total["drops"], total["extra_drops"], total["rtos"]) == (3, 3, 1)


def test_what_a_flow_loses_to_one_that_was_moved_before_it_is_in_the_window() -> None:
    a, b = staggered()["flows"]
    assert (a["at_s"], b["at_s"]) == (20, 25)
    assert (a["window_s"], b["window_s"]) == (15, 15)
    assert a["deficit_bytes"] == pytest.approx(-300e6 / 8)
    assert b["deficit_bytes"] == pytest.approx(350e6 / 8)


def test_the_flows_add_up_to_the_total() -> None:
    row = staggered()
    assert [one["flow"] for one in row["beside"]] == ["c"]
    parts = [*row["flows"], *row["beside"]]
    for name in ("delivered_bytes", "delivered_a_bytes", "deficit_bytes", *COUNTED):
        assert sum(one[name] for one in parts) == pytest.approx(row["total"][name]), name
    assert max(one["longest_stall_s"] for one in parts) == row["total"]["longest_stall_s"]


COUNTED = ("drops", "extra_drops", "marks", "extra_marks", "rtos", "extra_rtos")


def test_two_swaps_at_one_instant_have_one_window_and_name_one_another() -> None:
    run = result(
        flow("a", mbit=((20, 50), (60, 40))),
        flow("b", mbit=((20, 50), (60, 30))),
        swaps=[swap(20, ("a",)), swap(20, ("b",), index=1), swap(20, (), index=2, errno=2)],
    )
    twin = result(flow("a", mbit=((60, 50),)), flow("b", mbit=((60, 50),)))
    metrics = measure(run, twin, twin)
    assert len(metrics["phases"]) == 2
    first, second, failed = metrics["swaps"]
    # 10 and 20 Mbit/s less for 10 s: 37.5 MB, of neither alone
    for row in (first, second):
        assert row["total"]["swaps"] == [0, 1]
        assert (row["total"]["from_s"], row["total"]["to_s"]) == (20, 30)
        assert row["total"]["deficit_bytes"] == pytest.approx(37_500_000)
    assert first["flows"][0]["deficit_bytes"] == pytest.approx(12_500_000)
    assert second["flows"][0]["deficit_bytes"] == pytest.approx(25_000_000)
    assert failed["total"] is None


def test_a_swap_at_the_very_end_has_no_window() -> None:
    (row,) = measure(result(flow(), swaps=[swap(60)]), result(), result())["swaps"]
    assert (row["total"], row["flows"], row["beside"]) == (None, [], [])


def test_the_p99_of_all_is_that_of_their_samples_together_and_a_stall_the_longest_of_any() -> None:
    run = result(
        flow("near", rtt_ms=((60, 40),)),
        flow("far", rtt_ms=((60, 90),), mbit=((22, 10), (22.5, 0), (60, 10))),
        swaps=[swap(20, ("near",))],
    )
    (row,) = measure(run, run, run)["swaps"]
    assert row["total"]["rtt_p99_ms"] == 90
    assert row["total"]["longest_stall_s"] == pytest.approx(0.5)
    assert row["flows"][0]["rtt_p99_ms"] == 40
    assert (row["total"]["extra_rtt_p99_ms"], row["total"]["extra_stall_s"]) == (0, 0)


def test_neighbours_that_lose_a_fifth_are_harmed_by_a_fifth() -> None:
    run = result(
        SWAPPED,
        flow("poor", mbit=((20, 50), (60, 40))),
        flow("same", mbit=((60, 50),)),
        flow("short", end_s=22),
        swaps=[swap()],
    )
    twin = result(
        flow(), flow("poor", mbit=((60, 50),)), flow("same", mbit=((60, 50),)), flow("short")
    )
    beside = measure(run, twin, twin)["swaps"][0]["neighbours"]
    # 90 of 100 Mbit/s are left to both; the one that ends in the window is not counted
    assert beside["flows"] == 2
    assert beside["harm"] == pytest.approx(0.1)
    assert (beside["worst_flow"], beside["worst_harm"]) == ("poor", pytest.approx(0.2))


def test_a_link_update_leaves_old_connections_alone_and_reaches_new_ones() -> None:
    update = swap(flows=(), via="link_update", old="T1", new="T2", label="T1 → T2, link_update")
    run = result(
        flow("short", end_s=25, implementations=["T1"]),
        flow("gone", end_s=10, implementations=["T1"]),
        flow("other", implementations=["reno"]),
        flow("new", start_s=30, implementations=["T2"]),
        swaps=[update],
    )
    assert measure(run, run, run)["swaps"][0]["connections"] == {
        "old_at_update": 1,
        "new_since": 1,
        "old_since": 0,
        "last_old_closed_s": 5.0,
    }


def test_a_connection_that_starts_on_the_old_map_after_the_update_counts() -> None:
    update = swap(flows=(), via="link_update", old="T1", new="T2", label="T1 → T2, link_update")
    run = result(
        flow("early", end_s=25, implementations=["T1"]),
        flow("accepted", start_s=30, end_s=42, implementations=["T1"]),
        swaps=[update],
    )
    assert measure(run)["swaps"][0]["connections"] == {
        "old_at_update": 1,
        "new_since": 0,
        "old_since": 1,
        "last_old_closed_s": 22.0,
    }


def test_a_connection_that_still_runs_the_old_map_censors_the_last_close() -> None:
    update = swap(flows=(), via="link_update", old="T1", new="T2", label="T1 → T2, link_update")
    run = result(flow(implementations=["T1"]), swaps=[update])
    connections = measure(run)["swaps"][0]["connections"]
    assert connections["last_old_closed_s"] == {"censored": True, "at_least_s": 40.0}


def test_a_connection_swept_away_from_the_old_map_has_left_it() -> None:
    update = swap(flows=(), via="link_update", old="T1", new="T2", label="T1 → T2, link_update")
    swept = flow(implementations=["T1", "T2"], implementation=((27, 0), (60, 1)))
    connections = measure(result(swept, swaps=[update]))["swaps"][0]["connections"]
    assert connections["last_old_closed_s"] == pytest.approx(7.0)


def test_a_failed_run_is_measured_to_its_last_sample() -> None:
    broken = result(flow(end_s=12), links=[link(duration_s=12)], failed="my_cc.py:3: boom")
    assert observed_until(broken) == 12 * S
    metrics = measure(broken)
    assert metrics["failed"] == "my_cc.py:3: boom"
    assert metrics["flows"][0]["to_s"] == 12


def test_a_run_that_failed_before_its_first_sample_has_no_rows() -> None:
    nothing = result(flow(start_s=1, end_s=0), links=[link(duration_s=-1)], failed="boom")
    metrics = measure(nothing)
    assert (metrics["flows"], metrics["phases"]) == ([], [])


def test_fairness_over_time_counts_flows_that_lived_through_the_second() -> None:
    pair = result(flow("a", mbit=((60, 75),)), flow("b", start_s=1.5, mbit=((60, 25),)))
    over_time = measure(pair)["fairness_over_time"]
    assert over_time["t_s"][:3] == [0, 1, 2]
    # 100² / (2 · (75² + 25²)) = 0.8
    assert over_time["jain_index"][:3] == [None, None, pytest.approx(0.8)]
    assert measure(result())["fairness_over_time"] is None


def test_the_document_is_json_without_nan() -> None:
    run = result(SWAPPED, flow("idle", mbit=((60, 0),), rtt_ms=((60, 0),)), swaps=[swap()])
    text = json.dumps(measure(run, run, run), allow_nan=False)
    idle = [row for row in json.loads(text)["flows"] if row["flow"] == "idle"]
    assert idle[0]["rtt_mean_ms"] is None


def test_who_asked_for_a_missing_name_is_counted_from_the_swap_on() -> None:
    gone = swap(flows=(), via="reregister", old="T1", new="T2", label="T1 → T2, reregister")
    events = [event(19, "fallback", "early"), event(20.1, "fallback", "late", got="reno")]
    run = result(flow(implementations=["T1"]), swaps=[gone], events=events)
    assert measure(run)["swaps"][0]["connections"]["fallbacks"] == 1


def test_fairness_after_a_swap_stands_beside_the_a_twins() -> None:
    even = result(flow("a", mbit=((60, 50),)), flow("b", mbit=((60, 50),)))
    uneven = result(
        flow("a", mbit=((20, 50), (60, 75))),
        flow("b", mbit=((20, 50), (60, 25))),
        flow("short", end_s=25),
        swaps=[swap(flows=("a",))],
    )
    even = replace(even, flows=Flows((*even.flows, flow("short", end_s=25))))
    fairness = measure(uneven, even)["swaps"][0]["fairness"]
    # 100² / (2 · (75² + 25²)) = 0.8
    assert fairness == {
        "flows": 2,
        "window_s": 10.0,
        "jain_index": pytest.approx(0.8),
        "jain_index_a_twin": pytest.approx(1.0),
    }
    assert measure(uneven)["swaps"][0]["fairness"] is None


def test_a_triggered_swap_is_measured_at_its_actual_time_and_a_missed_one_is_listed() -> None:
    late = swap(33.25, trigger="in Recovery", state="rate")
    never = event(60, "trigger", "", swap=1, fired=False)
    run = result(flow(mbit=((33.25, 100), (60, 50))), swaps=[late], events=[never])
    metrics = measure(run, result(flow()))
    (row,) = metrics["swaps"]
    assert (row["t_s"], row["trigger"], row["state"]) == (33.25, "in Recovery", "rate")
    assert row["flows"][0]["at_s"] == 33.25
    assert row["flows"][0]["deficit_bytes"] == pytest.approx(50e6 / 8 * 10)
    assert metrics["untriggered"] == [1]


def test_a_roll_back_is_told_with_its_time() -> None:
    back = swap(via="staged", outcome="rolled back: drops 5 %, before 0 %", outcome_ns=24 * S)
    (row,) = measure(result(flow(), swaps=[back]))["swaps"]
    assert (row["outcome"], row["outcome_s"]) == ("rolled back: drops 5 %, before 0 %", 24.0)


def test_a_flow_of_which_nothing_served_it_is_known_has_a_row_without_a_name() -> None:
    nobody = replace(flow(), implementations=(), implementation=np.empty(0, dtype=np.int64))
    (row,) = measure(result(nobody))["flows"]
    assert (row["implementation"], row["from_s"], row["to_s"]) == ("", 0, 60)


def test_queueing_after_a_swap_is_looked_at_until_the_flows_next_swap() -> None:
    # 20 ms more for a second, then, after another swap, 60 ms more
    run = result(flow(rtt_ms=((20, 40), (21, 60), (60, 100))), swaps=[swap(20), swap(21, index=1)])
    first, second = measure(run, result(), result())["swaps"]
    assert first["flows"][0]["queue_excess_ms"] == 20
    assert second["flows"][0]["queue_excess_ms"] == 60
