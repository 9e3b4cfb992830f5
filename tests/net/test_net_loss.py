"""Random loss: SplitMix64 against published values, and one draw a packet however they come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.net.loss import BernoulliLoss

# Steele, Lea, Flood 2014; values that Java's and Vigna's C implementations print
REFERENCE = {
    0: (
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
        0xF88BB8A8724C81EC,
        0x1B39896A51A8749B,
    ),
    1234567: (
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ),
}


def outcomes(seed: int, thresholds: list[int]) -> list[bool]:
    """Draw once for each threshold, which is compared with the upper 53 bits of an output."""
    loss = BernoulliLoss(0.5, seed)
    drawn = []
    for threshold in thresholds:
        loss.threshold = threshold
        drawn.append(loss.draw())
    return drawn


@pytest.mark.parametrize("seed", REFERENCE)
def test_the_stream_is_the_published_one_to_the_last_of_53_bits(seed: int) -> None:
    upper = [value >> 11 for value in REFERENCE[seed]]
    assert outcomes(seed, upper) == [False] * 5  # not below itself
    assert outcomes(seed, [value + 1 for value in upper]) == [True] * 5


def test_many_draws_are_the_published_stream_too() -> None:
    for k, value in enumerate(REFERENCE[0]):
        loss = BernoulliLoss(0.0, 0)
        loss.threshold = (value >> 11) + 1
        assert loss.draw_many(5)[k]
        loss = BernoulliLoss(0.0, 0)
        loss.threshold = value >> 11
        assert not loss.draw_many(5)[k]


def test_a_probability_of_zero_loses_nothing_and_one_loses_all() -> None:
    assert not BernoulliLoss(0.0, 3).draw_many(10_000).any()
    assert BernoulliLoss(1.0, 3).draw_many(10_000).all()


def test_one_percent_loses_about_one_percent() -> None:
    # a million draws: 10,000 expected, standard deviation 99.5
    assert abs(int(BernoulliLoss(0.01, 1).draw_many(1_000_000).sum()) - 10_000) < 400


def test_seeds_beyond_64_bits_wrap() -> None:
    assert (
        BernoulliLoss(0.5, 1 << 64).draw_many(64).tolist()
        == BernoulliLoss(0.5, 0).draw_many(64).tolist()
    )


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(0, (1 << 64) - 1), st.lists(st.integers(0, 30), max_size=12))
def test_the_kth_draw_does_not_depend_on_how_the_draws_are_cut(
    seed: int, pieces: list[int]
) -> None:
    whole = BernoulliLoss(0.3, seed).draw_many(sum(pieces)).tolist()
    loss = BernoulliLoss(0.3, seed)
    cut: list[bool] = []
    for k, piece in enumerate(pieces):
        cut += loss.draw_many(piece).tolist() if k % 2 else [loss.draw() for _ in range(piece)]
    assert cut == whole


def test_draws_come_as_booleans() -> None:
    assert BernoulliLoss(0.5, 1).draw_many(4).dtype == np.bool_
