"""Estimates of replications: means, and medians of times that may not have come."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.experiment.estimates import Estimate, mean_estimate, median_estimate

TIMES = st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=40)


def test_the_mean_comes_with_its_interval_and_n_and_leaves_nan_out() -> None:
    found = mean_estimate([1.0, 2.0, 3.0, math.nan, 2.0, 1.0, 3.0, 2.0])
    assert found.value == 2.0
    assert found.n == 7
    assert found.low is not None
    assert found.high is not None
    assert 1.0 < found.low < 2.0 < found.high < 3.0
    assert found.differs


def test_nothing_has_no_estimate_and_one_value_no_interval() -> None:
    assert mean_estimate([math.nan]) == Estimate(None, None, None, 0)
    assert mean_estimate([5.0]) == Estimate(5.0, None, None, 1)
    assert median_estimate([], []) == Estimate(None, None, None, 0, "median")


def test_an_interval_around_zero_does_not_differ_from_it() -> None:
    assert not mean_estimate([-1.0, 1.0, -2.0, 2.0, 0.0, 0.5]).differs
    assert not Estimate(1.0, None, None, 1).differs


def test_the_interval_of_ten_is_from_the_second_to_the_ninth() -> None:
    """1 - 2 (1 + 10) / 1024 = 0.979; the third to the eighth would have 0.891 (Conover 1999)."""
    found = median_estimate([float(n) for n in range(1, 11)], [False] * 10)
    assert (found.value, found.low, found.high) == (5.5, 2.0, 9.0)
    assert not found.value_open


def test_six_are_the_fewest_that_have_an_interval() -> None:
    assert median_estimate([1.0, 2, 3, 4, 5, 6], [False] * 6).high == 6.0  # 1 - 2/64 = 0.969
    assert median_estimate([1.0, 2, 3, 4, 5], [False] * 5).high is None  # 1 - 2/32 = 0.938


def test_few_censored_times_leave_the_median_and_open_the_high_end() -> None:
    times = [1.0, 2, 3, 4, 5, 6, 7, 8, 10, 10]
    found = median_estimate(times, [False] * 8 + [True] * 2)
    assert (found.value, found.value_open) == (5.5, False)
    assert (found.low, found.high, found.high_open) == (2.0, 10.0, True)
    assert found.censored == 2


def test_when_half_are_censored_the_median_itself_is_a_bound() -> None:
    found = median_estimate([1.0, 2, 3, 9, 9, 9], [False] * 3 + [True] * 3)
    assert (found.value, found.value_open) == (6.0, True)  # at least (3 + 9) / 2
    assert (found.low, found.high, found.high_open) == (1.0, 9.0, True)


def test_an_early_censored_time_may_have_been_a_long_one() -> None:
    """Of 1 (censored), 2 … 7 the median is 4 if the first came at once, 5 if it came last."""
    found = median_estimate([1.0, 2, 3, 4, 5, 6, 7], [True] + [False] * 6)
    assert (found.value, found.value_open) == (4.0, True)
    assert (found.low, found.high_open) == (1.0, True)


@given(TIMES)
def test_the_ends_hold_the_median_whatever_the_censored_times_were(
    pairs: list[tuple[float, bool]],
) -> None:
    found = median_estimate([t for t, _ in pairs], [c for _, c in pairs])
    assert found.value is not None
    assert found.n == len(pairs)
    if found.low is not None and found.high is not None:
        assert found.low <= found.value
        assert found.high_open or found.value <= found.high
    assert found.value_open <= (found.censored > 0)


@pytest.mark.parametrize("n", [6, 10, 25])
def test_without_censoring_nothing_is_open(n: int) -> None:
    found = median_estimate([float(k) for k in range(n)], [False] * n)
    assert not found.value_open
    assert not found.high_open
