"""Tests of differences against textbooks, against SciPy, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.experiment.comparisons import (
    cliffs_delta,
    detectable_difference,
    holm,
    least_p,
    paired_cohens_d,
    pairs_needed,
    pairs_to_tell,
    permutation_p,
    wilcoxon_p,
)

# Hollander, Wolfe 1973, p. 29: Hamilton's depression scale before and after a tranquilliser
BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])


def test_the_textbooks_signed_ranks_have_the_textbooks_p() -> None:
    # T+ = 40 of 45; P(T+ >= 40) = 10/512 = 0.0195, and twice that
    assert wilcoxon_p(BEFORE - AFTER) == pytest.approx(20 / 512)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3], 2 / 8),  # all positive: one of eight signings, and its mirror image
        ([1, 2, 3, 4, 5], 2 / 32),
        ([1, 2, 3, 4, 5, 6], 2 / 64),
        ([-1, 2, 3], 4 / 8),  # T- = 1: signings with T- <= 1 are {} and {1}
        ([1, 1, 1, 1], 2 / 16),  # ties share their mean rank
        ([0, 0, 1, 2, 3], 2 / 8),  # zeros are left out
        ([0, 0], 1.0),
        ([], 1.0),
        ([5, -5], 1.0),
    ],
)
def test_small_signed_rank_tests_by_hand(differences: list[int], p: float) -> None:
    assert wilcoxon_p(differences) == pytest.approx(p)


@pytest.mark.parametrize("n", [7, 20, 45])
def test_exact_p_is_scipys(n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    d = np.random.default_rng(n).normal(0.3, 1, n)
    assert wilcoxon_p(d) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=1e-9)


def test_large_samples_have_the_normal_p_of_scipy_with_ties() -> None:
    stats = pytest.importorskip("scipy.stats")
    d = np.round(np.random.default_rng(4).normal(0.1, 1, 300), 1)
    expected = stats.wilcoxon(d, correction=True, method="approx").pvalue
    assert wilcoxon_p(d) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3], 2 / 8),
        ([3, 4, -1], 4 / 8),  # |±3±4±1| >= 6: 3+4-1, 3+4+1 and their mirror images
        ([0.1, 0.2, 0.3, -0.6], 1.0),  # a mean of 0
        ([], 1.0),
        ([0, 0], 1.0),
    ],
)
def test_all_sign_flips_by_hand(differences: list[float], p: float) -> None:
    assert permutation_p(differences) == pytest.approx(p)


def test_random_flips_agree_with_all_flips() -> None:
    d = np.random.default_rng(8).normal(0.6, 1, 16)
    more = np.append(d, 0.0)  # one pair more than is tried exhaustively, which changes no sum
    assert permutation_p(more) == pytest.approx(permutation_p(d), abs=0.004)


def test_holm_by_hand() -> None:
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, and never falling
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_does_not_count_tests_that_were_not_made() -> None:
    found = holm([0.02, math.nan, 0.03])
    assert found[0] == pytest.approx(0.04)
    assert math.isnan(found[1])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_makes_a_p_smaller_nor_changes_their_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(a >= b for a, b in zip(adjusted, p, strict=True))
    order = sorted(range(len(p)), key=lambda i: p[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_cliffs_delta_by_hand() -> None:
    assert cliffs_delta([3, 4], [1, 2]) == 1
    assert cliffs_delta([1, 2], [3, 4]) == -1
    assert cliffs_delta([1, 2, 3], [2]) == 0
    assert cliffs_delta([1, 3, 5], [2, 4]) == pytest.approx(0)  # 3 larger, 3 smaller
    assert cliffs_delta([2, 3], [1, 2]) == pytest.approx(3 / 4)  # 3 larger, 1 equal
    assert math.isnan(cliffs_delta([], [1]))


def test_paired_cohens_d_by_hand() -> None:
    assert paired_cohens_d([1, 2, 3]) == pytest.approx(2.0)  # mean 2, standard deviation 1
    for without_spread in ([0.1, 0.1, 0.1], [-2, -2], [0, 0], [4]):
        assert math.isnan(paired_cohens_d(without_spread))


def test_the_least_p_of_so_many_pairs_and_tests_by_hand() -> None:
    assert least_p(6, 1) == pytest.approx(2 / 64)
    assert least_p(10, 24) == pytest.approx(48 / 1024)
    assert least_p(3, 9) == 1.0  # 18 / 8
    assert pairs_to_tell(1) == 6  # 2/64 = 0.031, and 2/32 = 0.063
    assert pairs_to_tell(24) == 10  # 48/1024 = 0.047, and 48/512 = 0.094
    assert wilcoxon_p([1, 2, 3, 4, 5, 6]) == least_p(6, 1)


@pytest.mark.parametrize(
    ("d", "pairs"),
    # Cohen 1988 and G*Power 3: paired t-test, two-sided 5 %, power 80 %
    [(0.2, 199), (0.5, 34), (0.8, 15)],
)
def test_so_many_pairs_as_the_power_tables_say(d: float, pairs: int) -> None:
    assert pairs_needed(1.0, d) == pairs
    assert pairs_needed(3.0, -3 * d) == pairs


def test_what_so_many_pairs_detect_takes_so_many_pairs() -> None:
    found = detectable_difference(2.0, 34)
    assert found == pytest.approx(1.0, abs=0.02)
    assert pairs_needed(2.0, found * 1.0001) == 34
    assert detectable_difference(1.0, 1) == math.inf


def test_no_difference_takes_no_number_of_pairs() -> None:
    with pytest.raises(ValueError, match="difference: expected other than 0"):
        pairs_needed(1.0, 0.0)
    with pytest.raises(ValueError, match="alpha, power"):
        pairs_needed(1.0, 1.0, power=1.0)
    assert pairs_needed(0.0, 1.0) == 2
