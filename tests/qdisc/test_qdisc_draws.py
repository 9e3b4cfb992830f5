"""Random bits of queueing disciplines are SplitMix64's (Steele, Lea and Flood, OOPSLA 2014)."""

from __future__ import annotations

import pytest

from ccsim.net.qdisc.draws import Draws


@pytest.mark.parametrize(
    ("seed", "published"),
    [
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]),
        (
            1234567,
            [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431],
        ),
    ],
)
def test_the_sequence_is_the_published_one(seed: int, published: list[int]) -> None:
    draws = Draws(seed)
    assert [draws.u64() for _ in published] == published


def test_fewer_bits_are_the_upper_ones() -> None:
    assert Draws(0).u32() == 0xE220A839
    assert Draws(0).u16() == 0xE220


def test_a_seed_counts_modulo_2_to_the_64() -> None:
    assert Draws(1 << 64).u64() == 0xE220A8397B1DCDAF
