"""SACK blocks: what both forms of them do."""

from __future__ import annotations

import pytest

from ccsim.tcp.sack_blocks import (
    Blocks,
    EceBlocks,
    above,
    as_blocks,
    begins_with_duplicate,
    leading,
    only_new,
    reported,
    trailing,
    untagged,
    with_duplicate,
)

THREE = as_blocks(((30, 32), (10, 15), (20, 21)))


def test_blocks_are_pairs_to_whoever_looks_at_them() -> None:
    assert THREE == ((30, 32), (10, 15), (20, 21))
    assert THREE[0] == (30, 32)
    assert THREE[1:] == ((10, 15), (20, 21))
    assert [end - start for start, end in THREE] == [2, 5, 1]
    assert len(THREE) == 3
    assert not as_blocks(())
    assert as_blocks(THREE) is THREE


def test_blocks_with_ece_are_told_from_others_and_have_the_same_edges() -> None:
    marked = EceBlocks(THREE)
    assert type(marked) is EceBlocks
    assert marked == THREE
    assert type(leading(as_blocks(THREE), 2)) is not EceBlocks
    assert not EceBlocks()


def test_parts_of_blocks() -> None:
    assert leading(THREE, 2) == ((30, 32), (10, 15))
    assert leading(THREE, 5) == THREE
    assert trailing(THREE, 1) == ((10, 15), (20, 21))
    assert trailing(THREE, 0) == THREE
    assert above(THREE, 10) == ((30, 32), (20, 21))


@pytest.mark.parametrize(
    ("seq", "left", "right", "expected"),
    [
        (40, False, False, ((40, 41), (30, 32), (10, 15), (20, 21))),
        (32, True, False, ((30, 33), (10, 15), (20, 21))),  # the latest has grown
        (15, True, False, ((10, 16), (30, 32), (20, 21))),  # another has
        (9, False, True, ((9, 15), (30, 32), (20, 21))),
        (7, True, False, ((7, 8), (30, 32), (10, 15), (20, 21))),  # what it joins is not reported
    ],
)
def test_what_came_last_is_reported_first(
    seq: int, left: bool, right: bool, expected: Blocks
) -> None:
    assert reported(THREE, seq, left, right) == expected


def test_a_packet_between_two_blocks_makes_one_of_them() -> None:
    assert reported(as_blocks(((12, 14), (8, 11))), 11, True, True) == ((8, 14),)


def test_four_blocks_are_kept() -> None:
    four = reported(THREE, 40, False, False)
    assert reported(four, 50, False, False) == ((50, 51), (40, 41), (30, 32), (10, 15))


def test_a_duplicate_stands_before_the_others() -> None:
    assert with_duplicate(THREE, 12, 3) == ((12, 13), (30, 32), (10, 15))
    assert begins_with_duplicate(as_blocks(((5, 6), (8, 9))), 7)  # below the ACK
    assert begins_with_duplicate(as_blocks(((12, 13), (10, 15))), 7)  # within the next
    assert not begins_with_duplicate(THREE, 7)
    assert not begins_with_duplicate(as_blocks(((8, 9),)), 7)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (((30, 33), (10, 15), (20, 21)), 32),  # the first has grown by one
        (((40, 41), (30, 32), (10, 15)), 40),  # a new one
        (((30, 34), (10, 15), (20, 21)), -1),  # by two
        (((30, 33), (10, 16), (20, 21)), -1),  # so has the second
        (((3, 4), (30, 32)), -1),  # below SND.UNA
        (((60, 61), (30, 32)), -1),  # nobody sent it
    ],
)
def test_the_one_packet_that_is_new(blocks: Blocks, expected: int) -> None:
    assert only_new(as_blocks(blocks), THREE, 5, 60) == expected


def test_what_the_ack_before_reported_is_tagged_already() -> None:
    blocks = as_blocks(((30, 35), (10, 15), (20, 22)))
    assert untagged(blocks, 0, THREE) == [15, 15, 21, 22, 32, 35]
    assert untagged(blocks, 1, as_blocks(())) == [10, 15, 20, 22]
