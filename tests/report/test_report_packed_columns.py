"""Columns as differences of whole numbers: exact, compact, no peak lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ccsim.report.packed_columns import pack_times, pack_values, packed_series, thinned

MS = 1_000_000


def test_even_times_are_a_unit_a_start_a_step_and_a_count() -> None:
    assert pack_times(np.arange(100, 104) * 10 * MS) == [10_000, 100, 1, 3]


def test_a_last_odd_step_is_kept_apart() -> None:
    assert pack_times([0, 10 * MS, 20 * MS, 20 * MS + 1_500]) == [2, 0, 5_000, 2, 1, 1]


def test_no_times_are_a_lone_unit_and_one_time_stands_alone() -> None:
    assert pack_times([]) == [1]
    assert pack_times([5_000]) == [5, 1]
    assert pack_times([0]) == [1, 0]


def test_values_are_differences_and_gaps_none() -> None:
    assert pack_values([10.0, 12.0, np.nan, 11.0], 1.0) == [10, 2, None, -1]
    assert pack_values([np.nan, 0.5], 0.001) == [None, 500]
    assert pack_values([], 1.0) == []


def unpack(packed: list[int | None], size: float) -> list[float]:
    now, values = 0, []
    for step in packed:
        now += step or 0
        values.append(np.nan if step is None else now * size)
    return values


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=50))
def test_the_error_of_a_value_is_its_own_rounding_and_does_not_grow(values: list[float]) -> None:
    again = unpack(pack_values(values, 0.001), 0.001)
    np.testing.assert_allclose(again, values, atol=0.0005 + 1e-6, rtol=0)


def test_a_single_peak_among_many_samples_survives_thinning() -> None:
    values = np.zeros(100_000)
    values[54_321] = 7.0
    t_ns = np.arange(100_000) * MS
    times, kept = thinned(t_ns, values, 400)
    assert len(kept) <= 410
    assert times[int(kept.argmax())] == 54_321 * MS
    assert kept.max() == 7.0


def test_what_is_short_enough_is_kept_whole() -> None:
    series = packed_series(np.arange(5) * MS, np.array([1, 2, 3, 2, 1]), 400, 1.0)
    assert series == {"t": [1000, 0, 1, 4], "values": [1, 1, 1, -1, -1], "size": 1.0}
