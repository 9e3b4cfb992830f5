"""Binning, decimation and grouping keep what a reader of the picture relies on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.plot.reduce import (
    bin_delivered,
    bin_width_ns,
    decimate,
    occupied_bins,
    on_grid,
    percentiles,
)

MS = 1_000_000


@pytest.mark.parametrize(
    ("duration_ms", "rtt_ms", "interval_ms", "expected_ms"),
    [
        (60_000, 40, 10, 100),  # 600 bins bind
        (2_000, 40, 10, 50),  # the base RTT binds
        (2_000, 0, 10, 10),  # the recording interval binds
        (60_000, 150, 10, 200),
        (3_600_000, 40, 10, 10_000),
    ],
)
def test_bins_are_round_and_no_finer_than_rtt_interval_and_600_a_run(
    duration_ms: int, rtt_ms: int, interval_ms: int, expected_ms: int
) -> None:
    assert bin_width_ns(duration_ms * MS, rtt_ms * MS, interval_ms * MS) == expected_ms * MS


def test_an_empty_run_has_a_bin_width_all_the_same() -> None:
    assert bin_width_ns(0, 0, 0) == 1


def test_bytes_are_split_where_the_bins_are() -> None:
    # 0 ms     10     20     30     40
    # |--100---|--200--|--300--|--0---|     bins of 20 ms: 300 and 300
    t_ns = np.array([0, 10, 20, 30, 40]) * MS
    edges, delivered = bin_delivered(t_ns, np.array([0, 100, 300, 600, 600]), 20 * MS, 0, 40 * MS)
    assert edges.tolist() == [0, 20 * MS, 40 * MS]
    assert delivered.tolist() == [300.0, 300.0]


def test_a_sliver_at_either_end_joins_its_neighbour() -> None:
    # start at 15 ms, end at 65 ms, bins of 20 ms: 15..20 and 60..65 are slivers
    t_ns = np.array([15, 65]) * MS
    edges, delivered = bin_delivered(t_ns, np.array([0, 500]), 20 * MS, 15 * MS, 65 * MS)
    assert (edges // MS).tolist() == [15, 40, 65]
    assert delivered == pytest.approx([250.0, 250.0])


def test_what_was_delivered_before_the_first_sample_counts() -> None:
    edges, delivered = bin_delivered(np.array([10 * MS]), np.array([80]), 10 * MS, 0, 10 * MS)
    assert edges.tolist() == [0, 10 * MS]
    assert delivered.tolist() == [80.0]


def test_no_samples_or_no_time_give_no_bins() -> None:
    none = np.zeros(0, np.int64)
    assert len(bin_delivered(none, none, MS, 0, 10 * MS)[1]) == 0
    assert len(bin_delivered(np.array([5]), np.array([0]), MS, 5, 5)[1]) == 0


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.integers(0, 10**7), min_size=2, max_size=60),
    interval_ms=st.integers(1, 20),
    bin_ms=st.integers(1, 500),
    start_ms=st.integers(0, 5_000),
)
def test_bins_sum_to_the_bytes_delivered(
    steps: list[int], interval_ms: int, bin_ms: int, start_ms: int
) -> None:
    t_ns = (start_ms + np.arange(len(steps)) * interval_ms) * MS
    delivered = np.cumsum([0, *steps[1:]])
    edges, binned = bin_delivered(t_ns, delivered, bin_ms * MS, int(t_ns[0]), int(t_ns[-1]))
    assert np.isclose(binned.sum(), sum(steps[1:]), rtol=1e-12)
    assert np.all(np.diff(edges) > 0)


def test_decimation_keeps_a_spike_of_one_sample_up_and_down() -> None:
    t = np.arange(100_000) / 1000.0
    y = np.full(100_000, 50.0)
    y[33_333], y[70_001] = 900.0, -7.0
    few_t, few_y = decimate(t, y, 100)
    assert len(few_t) <= 4 * 100
    assert few_y[few_t == 33.333].tolist() == [900.0]
    assert few_y[few_t == 70.001].tolist() == [-7.0]
    assert (few_t[0], few_t[-1]) == (0.0, 99.999)


def test_decimation_leaves_short_columns_alone() -> None:
    t, y = np.arange(5.0), np.array([1.0, 9.0, 2.0, 8.0, 3.0])
    assert decimate(t, y, 2)[1].tolist() == [1.0, 9.0, 2.0, 8.0, 3.0]


def test_decimation_keeps_gaps_as_gaps_and_the_peaks_beside_them() -> None:
    y = np.full(1000, np.nan)
    y[600:] = 1.0
    y[650] = 5.0
    few_t, few_y = decimate(np.arange(1000.0), y, 10)
    assert np.isnan(few_y[few_t < 600]).all()
    assert np.isnan(few_y).any()
    assert np.nanmax(few_y) == 5.0


def test_ups_and_downs_thinner_than_the_line_become_their_mean() -> None:
    y = np.where(np.arange(1000) % 2, 51.0, 49.0)  # 2 of a range of 200, twice as thick a line
    y[500] = 200.0
    y[900] = 0.0
    few_t, few_y = decimate(np.arange(1000.0), y, 10, 0.02)
    assert set(few_y[few_t < 500].tolist()) == {50.0}
    assert (few_y.max(), few_y.min()) == (200.0, 0.0)
    assert {49.0, 51.0} & set(few_y[(few_t >= 500) & (few_t < 600)].tolist())


def test_a_line_without_thickness_shows_every_up_and_down() -> None:
    y = np.where(np.arange(1000) % 2, 51.0, 49.0)
    assert set(decimate(np.arange(1000.0), y, 10)[1].tolist()) == {49.0, 51.0}


def test_gaps_and_what_stands_beside_them_are_not_smoothed_away() -> None:
    y = np.where(np.arange(1000) % 2, 51.0, 49.0)
    y[:550] = np.nan
    few_t, few_y = decimate(np.arange(1000.0), y, 10, 2.0)
    assert np.isnan(few_y[few_t < 550]).all()
    assert set(few_y[(few_t >= 550) & (few_t < 600)].tolist()) == {49.0, 51.0}
    assert set(few_y[few_t >= 600].tolist()) == {50.0}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=400), st.integers(1, 30))
def test_decimation_keeps_order_ends_and_extremes(values: list[int], columns: int) -> None:
    t, y = np.arange(len(values), dtype=float), np.array(values, dtype=float)
    few_t, few_y = decimate(t, y, columns)
    assert np.all(np.diff(few_t) > 0)
    assert (few_y.min(), few_y.max()) == (min(values), max(values))
    assert (few_y[0], few_y[-1]) == (values[0], values[-1])


def test_drops_in_one_bin_make_one_tick_in_its_middle() -> None:
    # ten bins of 100 ms over 1 s: 10 ms and 90 ms share the first, 1 s belongs to the last
    times = np.array([10, 90, 950, 1000]) * MS
    assert occupied_bins(times, 1000 * MS, 10).tolist() == pytest.approx([0.05, 0.95])


def test_no_drops_make_no_ticks() -> None:
    assert len(occupied_bins(np.zeros(0, np.int64), 1000 * MS, 10)) == 0
    assert len(occupied_bins(np.array([0]), 0, 10)) == 0


def test_grid_values_are_the_last_sample_and_gaps_outside_the_flows_life() -> None:
    got = on_grid(np.array([10, 20]), np.array([7, 8]), np.array([5, 10, 15, 20, 25, 30]), 25)
    assert np.isnan(got[[0, 5]]).all()
    assert got[1:5].tolist() == [7, 7, 8, 8]


def test_percentiles_are_by_nearest_rank_over_what_is_there() -> None:
    rows = np.array([[3.0, np.nan], [1.0, np.nan], [2.0, np.nan], [np.nan, np.nan]])
    low, median, high = percentiles(rows, (0.0, 0.5, 1.0))
    assert (low[0], median[0], high[0]) == (1.0, 2.0, 3.0)
    assert np.isnan(median[1])
