"""Bootstrap intervals against a textbook, against SciPy, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.experiment.statistics import FEW, Interval, bca_interval, paired_differences

# Efron, Tibshirani 1993, table 14.1: 26 neurologically impaired children, test A
SPATIAL = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6]
SPATIAL += [0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]


def test_the_textbooks_variance_has_the_textbooks_interval() -> None:
    # section 14.3: estimate 171.5, BCa 90 % (115.8, 259.6) from 2000 resamples of its own
    found = bca_interval(SPATIAL, lambda x: np.asarray(x.var(axis=-1)), confidence=0.90)
    assert found.estimate == pytest.approx(171.5, abs=0.05)
    assert found.low == pytest.approx(115.8, rel=0.03)
    assert found.high == pytest.approx(259.6, rel=0.03)
    assert (found.n, found.note) == (26, "")


@pytest.mark.parametrize("n", [2, 5, 12, 40])
def test_it_is_scipys_interval_from_the_same_resamples(n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    x = np.random.default_rng(n).lognormal(size=n)
    found = bca_interval(x, seed=9)
    expected = stats.bootstrap(
        (x,), np.mean, method="BCa", n_resamples=9999, rng=np.random.default_rng(9)
    ).confidence_interval
    assert found.low == pytest.approx(expected.low, rel=1e-12)
    assert found.high == pytest.approx(expected.high, rel=1e-12)


def test_the_95_percent_interval_of_a_normal_mean_is_about_two_standard_errors_wide() -> None:
    x = np.arange(-50, 51) / 10.0  # symmetric about 0; standard error 0.2915
    found = bca_interval(x)
    assert found.low == pytest.approx(-0.571, abs=0.02)
    assert found.high == pytest.approx(0.571, abs=0.02)
    assert found.half_width == pytest.approx(0.571, abs=0.02)


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        found = bca_interval(generator.exponential(size=25), resamples=999, seed=seed)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1.0 <= found.high
    assert 0.88 <= covered / 200 <= 0.98


def test_an_odd_sample_moves_the_interval_to_its_long_tail() -> None:
    found = bca_interval([1, 1, 2, 2, 3, 3, 30])
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.estimate > 1.5 * (found.estimate - found.low)


@pytest.mark.parametrize("values", [[], [3.0], [math.nan, 3.0]])
def test_fewer_than_two_values_have_no_interval(values: list[float]) -> None:
    found = bca_interval(values)
    assert (found.low, found.high) == (None, None)
    assert found.half_width == math.inf
    assert "no interval" in str(found)
    assert found.note == f"n = {found.n}: no interval"


def test_a_small_n_says_so() -> None:
    assert "too few" in bca_interval(range(FEW - 1)).note
    assert bca_interval(range(FEW)).note == ""


def test_equal_values_have_no_interval_since_resamples_of_them_tell_nothing() -> None:
    found = bca_interval([0.1] * 7)
    assert (found.estimate, found.low, found.high, found.n) == (0.1, None, None, 7)
    assert str(found) == "0.1 (all 7 values are equal: no interval)"
    assert found.half_width == math.inf


def test_the_same_values_give_the_same_interval_and_another_seed_another() -> None:
    x = np.random.default_rng(0).normal(size=20)
    assert bca_interval(x) == bca_interval(x)
    assert bca_interval(x, seed=1) != bca_interval(x, seed=2)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95])
def test_a_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"confidence: expected more than 0"):
        bca_interval([1, 2, 3], confidence=confidence)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_an_interval_lies_within_the_values(values: list[float]) -> None:
    found = bca_interval(values, resamples=199)
    if len(set(values)) == 1:
        assert (found.low, found.high) == (None, None)
        return
    assert found.low is not None
    assert found.high is not None
    slack = 1e-9 * max(map(abs, values))
    assert min(values) - slack <= found.low <= found.high <= max(values) + slack


def test_pairs_with_a_gap_are_left_out_and_lengths_must_agree() -> None:
    assert paired_differences([3, 5, math.nan], [1, 9, 2]).tolist() == [2, -4]
    with pytest.raises(ValueError, match="expected pairs"):
        paired_differences([1, 2], [1])


def test_an_interval_reads_as_estimate_bounds_and_n_or_why_there_is_none() -> None:
    assert str(Interval(3.25, 2.951, 3.4, 7)) == "3.25 [2.951, 3.4] (n = 7)"
    assert str(Interval(3.25, None, None, 1)) == "3.25 (n = 1: no interval)"
    assert str(Interval(3.25, None, 3.4, 7, note="too few")) == "3.25 (too few)"
    assert Interval(3.0, 2.0, 5.0, 7).half_width == 1.5
    assert Interval(3.0, 2.0, None, 7).half_width == math.inf
