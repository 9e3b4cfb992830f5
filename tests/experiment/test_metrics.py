"""Each metric against a timeline whose answer can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.experiment.event_index import Instants
from ccsim.experiment.metrics import (
    Censored,
    bin_rates_bps,
    could_send_s,
    counted,
    curve,
    deficit,
    delivered_at,
    dip_length_s,
    dip_recovery_s,
    dip_worst_ratio,
    drops_between,
    goodput_bps,
    grid,
    harm,
    jain_index,
    longest_stall_s,
    percentile,
    queue_excess_ms,
    rtos_between,
    rtt_ms,
    time_to_twin_s,
    utilisation,
)
from ccsim.sim.traces import Borders, FlowTrace
from tests.experiment.synthetic import MS, S, event, flow, link, result

SWAP = 20 * S
END = 60 * S
STEADY = flow()  # 100 Mbit/s from 0 to 60 s
DIP = flow(mbit=((20, 100), (21, 50), (60, 100)))  # 50 Mbit/s in the second after the swap
HOLE = flow(mbit=((20.4, 100), (20.6, 0), (60, 100)))  # nothing for 200 ms, 0.4 s after the swap
SLOWER = flow(mbit=((20, 100), (60, 80)))


def test_goodput_is_bits_delivered_over_the_span() -> None:
    # 19 s to 21 s: one second at 100 and one at 50 Mbit/s
    assert goodput_bps(DIP, 19 * S, 21 * S) == pytest.approx(75e6)


def test_goodput_of_an_empty_span_does_not_exist() -> None:
    assert math.isnan(goodput_bps(DIP, SWAP, SWAP))


def test_bytes_between_two_samples_grow_linearly() -> None:
    # 100 Mbit/s is 125,000 bytes in the 10 ms between samples: half of them after 5 ms
    assert delivered_at(STEADY, 5 * MS) == pytest.approx(62_500)


def test_nothing_is_delivered_before_the_start_and_nothing_after_the_end() -> None:
    late = flow(start_s=10, end_s=12)
    assert delivered_at(late, 3 * S) == 0
    assert delivered_at(late, 50 * S) == pytest.approx(2 * 12_500_000)  # 2 s of 12.5 MB/s


def test_a_flow_without_a_sample_delivered_nothing() -> None:
    none = flow(start_s=10, end_s=9)
    assert len(none.t_ns) == 0
    assert delivered_at(none, 20 * S) == 0
    assert longest_stall_s(none, 0, END) == 0


def behind(ours: FlowTrace, theirs: FlowTrace) -> tuple[float, float, float]:
    span = (SWAP, 30 * S)
    return deficit(curve(ours, *span), curve(theirs, *span), 10 * S)


def test_a_dip_to_half_for_one_second_costs_six_and_a_quarter_megabytes() -> None:
    # 50 Mbit/s missing for 1 s = 50e6 / 8 bytes: half a second of the twin's 100 Mbit/s
    assert behind(DIP, STEADY) == pytest.approx((6_250_000, 0.5, 6_250_000))


def test_a_gain_later_pays_the_deficit_back_but_not_its_greatest_value() -> None:
    faster = flow(mbit=((20, 100), (21, 50), (60, 110)))
    # 10 Mbit/s gained for 9 s = 11.25 MB, less the 6.25 MB of the dip
    assert behind(faster, STEADY) == pytest.approx((-5_000_000, -0.4, 6_250_000))


def test_what_was_lost_before_the_swap_does_not_count() -> None:
    before = flow(mbit=((19, 50), (60, 100)))
    assert behind(before, STEADY) == pytest.approx((0, 0, 0))


def test_a_twin_that_stood_still_has_no_seconds() -> None:
    lost, seconds, _ = behind(STEADY, flow(mbit=((60, 0),)))
    assert lost == -125_000_000
    assert math.isnan(seconds)


def test_a_flow_is_looked_at_at_both_ends_of_a_span_and_every_ten_milliseconds_between() -> None:
    assert grid(15 * MS, 40 * MS).tolist() == [15 * MS, 20 * MS, 30 * MS, 40 * MS]
    assert grid(20 * MS, 41 * MS).tolist() == [20 * MS, 30 * MS, 40 * MS, 41 * MS]


def test_counts_are_exact_at_borders_and_by_samples_elsewhere() -> None:
    at = Borders(*(np.array(one) for one in ([20 * S + 3, 60 * S], [777, 900], [5, 8])))
    some = replace(flow(retransmissions=((60, 2),)), borders=at)
    assert counted(some, 20 * S + 3) == (777, 5)
    assert counted(some, 60 * S) == (900, 8)
    assert counted(some, 10 * S) == (125_000_000, 2)  # 10 s of 12.5 MB/s
    assert counted(some, 30 * S) == (375_000_000, 2)  # behind a border, too
    assert delivered_at(some, 60 * S) == 750_000_000  # a sample at the last border counts itself
    assert counted(some, 0) == (0, 0)


def test_after_its_end_a_flow_has_what_it_had_then() -> None:
    # between the last sample, at 10 ms, and its end at 14 ms it got 3,000 bytes more
    ended = replace(
        flow(end_s=0.01, mbit=((60, 8),)),
        end_ns=14 * MS,
        borders=Borders(*(np.array([one]) for one in (14 * MS, 13_000, 1))),
    )
    assert counted(ended, 20 * S) == (13_000, 1)
    assert delivered_at(ended, 10 * MS) == 10_000  # 8 Mbit/s for 10 ms
    assert delivered_at(ended, 12 * MS) == 11_500
    assert delivered_at(ended, 20 * S) == 13_000


def test_a_flow_could_send_from_its_handshake_to_its_end() -> None:
    some = replace(flow(start_s=10, end_s=30), established_ns=12 * S)
    assert could_send_s(some, 0, 60 * S) == 18
    assert could_send_s(some, 20 * S, 25 * S) == 5
    assert could_send_s(some, 0, 12 * S) == 0
    assert could_send_s(some, 30 * S, 60 * S) == 0
    assert could_send_s(replace(some, established_ns=None), 0, 60 * S) == 0


def test_bins_are_whole_and_start_at_the_swap() -> None:
    # 0.5 s hold two bins of 200 ms
    assert bin_rates_bps(HOLE, SWAP, SWAP + 500 * MS) == pytest.approx([100e6, 100e6])
    assert bin_rates_bps(HOLE, SWAP, SWAP + 600 * MS) == pytest.approx([100e6, 100e6, 0])
    assert len(bin_rates_bps(HOLE, SWAP, SWAP - 1)) == 0


def test_the_worst_bin_is_relative_to_the_two_seconds_before() -> None:
    assert dip_worst_ratio(DIP, SWAP, END) == pytest.approx(0.5)
    assert dip_worst_ratio(HOLE, SWAP, END) == pytest.approx(0)
    assert dip_worst_ratio(flow(mbit=((19, 50), (60, 150))), SWAP, END) == pytest.approx(1.5)


def test_a_dip_later_than_two_seconds_is_not_the_swaps() -> None:
    late = flow(mbit=((22.2, 100), (23, 10), (60, 100)))
    assert dip_worst_ratio(late, SWAP, END) == pytest.approx(1)


def test_a_flow_without_a_past_has_no_dip() -> None:
    assert math.isnan(dip_worst_ratio(flow(start_s=20), SWAP, END))
    assert math.isnan(dip_worst_ratio(STEADY, SWAP, SWAP + 100 * MS))


def test_recovery_is_counted_to_the_first_of_three_good_bins() -> None:
    # bins: 100 100 0 | 100 100 100: good from 0.6 s on
    assert dip_recovery_s(HOLE, STEADY, SWAP, 30 * S) == pytest.approx(0.6)
    assert dip_recovery_s(DIP, STEADY, SWAP, 30 * S) == pytest.approx(1.0)


def test_the_length_of_a_dip_counts_from_its_first_bad_bin() -> None:
    assert dip_length_s(HOLE, STEADY, SWAP, 30 * S) == pytest.approx(0.2)  # from 0.4 to 0.6 s
    assert dip_length_s(DIP, STEADY, SWAP, 30 * S) == pytest.approx(1.0)
    assert dip_length_s(STEADY, STEADY, SWAP, 30 * S) == 0


def test_a_dip_that_never_recovers_is_at_least_as_long_as_it_was_watched() -> None:
    late = flow(mbit=((20.6, 100), (60, 50)))
    length = dip_length_s(late, STEADY, SWAP, 30 * S)
    assert isinstance(length, Censored)
    assert length.at_least_s == pytest.approx(9.4)


def test_the_99th_percentile_of_the_rtt_lies_between_ranks() -> None:
    # 100 samples in [0, 1 s): 98 of 40 ms, 2 of 140 ms; rank 0.99 * 99 = 98.01 of 0 to 99
    peak = flow(rtt_ms=((0.98, 40), (1, 140), (60, 40)))
    assert percentile(rtt_ms(peak, 0, S), 99) == pytest.approx(140)
    late = flow(rtt_ms=((0.99, 40), (60, 140)))
    assert percentile(rtt_ms(late, 0, S), 99) == pytest.approx(41)
    assert math.isnan(percentile(rtt_ms(STEADY, 0, 0), 99))


def test_one_good_bin_between_bad_ones_is_no_recovery() -> None:
    # bad until 0.4, good until 0.8 (two bins), bad until 1.0, then good
    stutter = flow(mbit=((20, 100), (20.4, 20), (20.8, 100), (21, 50), (60, 100)))
    assert dip_recovery_s(stutter, STEADY, SWAP, 30 * S) == pytest.approx(1.0)


def test_no_dip_recovers_at_once() -> None:
    assert dip_recovery_s(STEADY, STEADY, SWAP, 30 * S) == 0


def test_a_dip_that_never_recovers_is_censored_with_the_time_watched() -> None:
    assert dip_recovery_s(SLOWER, STEADY, SWAP, 30 * S) == Censored(10.0)


def test_too_short_an_observation_is_censored() -> None:
    assert dip_recovery_s(STEADY, STEADY, SWAP, SWAP + 300 * MS) == Censored(0.3)
    assert time_to_twin_s(STEADY, STEADY, SWAP, SWAP + 900 * MS) == Censored(0.9)


def test_within_ten_percent_of_the_b_twin_at_once_if_it_runs_alike() -> None:
    assert time_to_twin_s(SLOWER, flow(mbit=((60, 80),)), SWAP, END) == 0
    assert time_to_twin_s(SLOWER, flow(mbit=((60, 86),)), SWAP, END) == 0  # 80 is 7 % below 86


def test_within_ten_percent_of_the_b_twin_when_the_second_ahead_is() -> None:
    # 50 Mbit/s for 3 s, then 100: a second from 2.8 s on holds 0.2 s of 50 and 0.8 s of 100,
    # 90 Mbit/s; the twin's 99 less 10 % are 89.1
    slow = flow(mbit=((20, 100), (23, 50), (60, 100)))
    assert time_to_twin_s(slow, flow(mbit=((60, 99),)), SWAP, END) == pytest.approx(2.8)


def test_never_within_ten_percent_of_the_b_twin_is_censored() -> None:
    assert time_to_twin_s(SLOWER, STEADY, SWAP, END) == Censored(40.0)


def test_faster_than_the_b_twin_is_not_like_it() -> None:
    assert time_to_twin_s(STEADY, flow(mbit=((60, 50),)), SWAP, END) == Censored(40.0)


def test_rtt_is_the_smoothed_one_in_milliseconds_without_unmeasured_samples() -> None:
    some = flow(rtt_ms=((0.05, 0), (10, 40), (60, 60)))
    samples = rtt_ms(some, 0, 20 * S)
    # 2000 samples in [0, 20 s), of which the 5 before 50 ms have no RTT yet
    assert len(samples) == 1995
    assert (samples.min(), samples.max()) == (40, 60)


def test_a_sample_at_a_border_belongs_to_the_span_that_begins_there() -> None:
    step = flow(rtt_ms=((20, 40), (60, 80)))
    assert set(rtt_ms(step, 0, SWAP)) == {40.0}
    assert set(rtt_ms(step, SWAP, END)) == {80.0}


def test_queue_excess_is_the_difference_of_mean_rtts() -> None:
    longer = flow(rtt_ms=((20, 40), (21, 60), (60, 40)))
    # +20 ms in the first of two seconds
    assert queue_excess_ms(longer, STEADY, SWAP, 22 * S) == pytest.approx(10.0)
    assert math.isnan(queue_excess_ms(longer, flow(end_s=10), SWAP, 22 * S))


def test_drops_are_the_flows_own_and_in_the_span() -> None:
    both = result(
        flow("a"),
        flow("b"),
        links=[link(drops=[(20, 0), (20.5, 0), (20.5, 1), (21, 0), (21.01, 0)])],
    )
    assert drops_between(both, 0, SWAP, 21 * S) == 2  # the one at 20 s, but not the one at 21 s
    assert drops_between(both, 1, SWAP, 21 * S) == 1


def test_drops_of_several_links_add_up() -> None:
    two = result(links=[link(drops=[(1, 0)]), link(name="other", drops=[(2, 0)])])
    assert drops_between(two, 0, 0, END) == 2


def test_rtos_are_counted_by_flow_and_time() -> None:
    events = [event(20, "rto"), event(30, "rto"), event(22, "rto", "rival"), event(23, "loss")]
    assert rtos_between(Instants(events), "bulk", SWAP, 30 * S) == 1


def test_the_longest_stall_is_the_hole() -> None:
    # counts stop changing with the sample at 20.40 s and change again with the one at 20.61 s
    assert longest_stall_s(HOLE, SWAP, 30 * S) == pytest.approx(0.2)
    assert longest_stall_s(STEADY, SWAP, 30 * S) == 0


def test_a_stall_is_cut_to_the_span() -> None:
    still = flow(mbit=((10, 100), (60, 0)))
    assert longest_stall_s(still, SWAP, 30 * S) == pytest.approx(10)


def test_before_its_handshake_is_done_a_flow_does_not_stall() -> None:
    still = replace(flow(mbit=((10, 100), (60, 0))), established_ns=24 * S)
    assert longest_stall_s(still, SWAP, 30 * S) == pytest.approx(6)
    assert longest_stall_s(replace(still, established_ns=None), SWAP, 30 * S) == 0


def test_utilisation_is_the_time_mean_of_the_span() -> None:
    half = link(utilisation=((20, 1_000_000), (60, 500_000)))
    assert utilisation(half, 10 * S, 30 * S) == pytest.approx(0.75)
    assert math.isnan(utilisation(half, 70 * S, 80 * S))
    assert math.isnan(utilisation(half, 10 * S, 10 * S))
    assert utilisation(half, 19 * S, 20 * S + 5 * MS) == pytest.approx((1 + 0.0025) / 1.005)


def test_jain_index_of_known_shares() -> None:
    assert jain_index([5.0, 5.0, 5.0]) == pytest.approx(1)
    assert jain_index([9.0, 0.0, 0.0]) == pytest.approx(1 / 3)
    assert jain_index([3.0, 1.0]) == pytest.approx(0.8)  # 16 / (2 * 10)
    assert math.isnan(jain_index([0.0, 0.0]))
    assert math.isnan(jain_index([]))


def test_a_share_that_was_there_for_a_moment_weighs_as_little() -> None:
    # 4 Mbit/s for 9 s, nothing for 1 s: (9 · 4)² / (10 · 9 · 16)
    assert jain_index([4.0, 0.0], [9.0, 1.0]) == pytest.approx(0.9)
    assert jain_index([4.0, 0.0], [1.0, 0.0]) == 1
    assert jain_index([3.0, 1.0], [2.0, 2.0]) == pytest.approx(0.8)


def test_harm_is_the_share_lost() -> None:
    assert harm(50e6, 40e6) == pytest.approx(0.2)
    assert harm(50e6, 60e6) == pytest.approx(-0.2)
    assert math.isnan(harm(0.0, 0.0))


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=20))
def test_jain_index_lies_between_one_over_n_and_one(rates: list[float]) -> None:
    index = jain_index(rates)
    assert math.isnan(index) or 1 / len(rates) - 1e-9 <= index <= 1 + 1e-9


@given(st.lists(st.integers(0, 200), min_size=60, max_size=60), st.integers(0, 50))
def test_a_run_that_equals_its_twin_costs_nothing(rates: list[int], at: int) -> None:
    some = flow(mbit=[(second + 1, rate) for second, rate in enumerate(rates)])
    span = (at * S, (at + 9) * S)
    same = curve(some, *span)
    lost, _, peak = deficit(same, same, 9 * S)
    assert (lost, peak) == (0, 0)
    assert time_to_twin_s(some, some, *span) == 0
    assert queue_excess_ms(some, some, *span) == 0


@given(st.lists(st.integers(0, 200), min_size=60, max_size=60))
def test_spans_that_meet_share_no_byte_and_lose_none(rates: list[int]) -> None:
    some = flow(mbit=[(second + 1, rate) for second, rate in enumerate(rates)])
    parts = [goodput_bps(some, t * S, (t + 1) * S) for t in range(60)]
    assert np.mean(parts) == pytest.approx(goodput_bps(some, 0, END))
