"""C's division, ticks and ranges, against numbers of the C standard and of Linux."""

from __future__ import annotations

import pytest

from ccsim.cc.fixed_point import (
    div_round_closest,
    div_toward_zero,
    jiffies_to_usecs,
    require_range,
)


@pytest.mark.parametrize(
    ("dividend", "divisor", "quotient"),
    [(7, 2, 3), (-7, 2, -3), (7, -2, -3), (-7, -2, 3), (0, 5, 0)],
)
def test_division_drops_the_fraction(dividend: int, divisor: int, quotient: int) -> None:
    assert div_toward_zero(dividend, divisor) == quotient


@pytest.mark.parametrize(
    ("dividend", "quotient"), [(31, 0), (32, 1), (95, 1), (96, 2), (-31, 0), (-32, -1), (-96, -2)]
)
def test_halves_are_rounded_away_from_zero(dividend: int, quotient: int) -> None:
    assert div_round_closest(dividend, 64) == quotient


@pytest.mark.parametrize(
    ("ticks", "hz", "usecs"), [(20_000, 1000, 20_000_000), (2, 250, 8000), (4_294_968, 1000, 704)]
)
def test_ticks_become_microseconds_of_32_bits(ticks: int, hz: int, usecs: int) -> None:
    assert jiffies_to_usecs(ticks, hz) == usecs


@pytest.mark.parametrize("value", [1, 5, 10])
def test_a_value_within_its_range_passes(value: int) -> None:
    require_range("place: what", value, 1, 10)


@pytest.mark.parametrize("value", [0, 11, -1])
def test_a_value_out_of_its_range_is_named(value: int) -> None:
    with pytest.raises(ValueError, match=f"^place: what: expected 1 to 10, got {value}$"):
        require_range("place: what", value, 1, 10)


def test_division_by_zero_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        div_toward_zero(1, 0)
