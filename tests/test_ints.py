"""Columns of integers: what both forms of them do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.ints import (
    Ints,
    as_ints,
    count_until,
    filled,
    heappop,
    heappush,
    in_us,
    joined_ints,
    kept,
    later,
    least,
    part,
    picked,
    place,
    scattered,
)


def test_a_column_grows_and_is_read_as_a_list_and_as_an_array() -> None:
    column = Ints()
    for value in range(100):
        column.append(value - 50)
    assert len(column) == 100
    assert (column[0], column[-1]) == (-50, 49)
    assert column == list(range(-50, 50))
    array = column.column()
    assert array.dtype == np.int64
    assert array.tolist() == column.tolist()


def test_the_first_elements_are_forgotten() -> None:
    column = Ints([5, 6, 7, 8])
    column.forget(3)
    assert column == [8]
    column.forget(1)
    assert column == []
    assert not column
    assert column.column().tolist() == []


@given(st.lists(st.integers(-3, 40), max_size=300))
def test_what_is_forgotten_while_a_column_grows_never_comes_back(steps: list[int]) -> None:
    """A positive step puts so many integers behind, another forgets as many in front."""
    column, expected, next_value = Ints(), list[int](), 0
    for step in steps:
        if step > 0:
            column.extend(range(next_value, next_value + step))
            expected += range(next_value, next_value + step)
            next_value += step
        else:
            gone = min(-step * 20, len(expected))
            column.forget(gone)
            del expected[:gone]
        assert column == expected


def test_integers_are_put_between_others_and_taken_out() -> None:
    column = Ints([10, 30])
    column.insert(1, 20)
    column.insert(0, 5)
    column.insert(4, 40)
    assert column == [5, 10, 20, 30, 40]
    assert column.pop(1) == 10
    assert column.pop(3) == 40
    assert column.pop(0) == 5
    assert column == [20, 30]


def test_a_place_is_behind_what_is_not_greater() -> None:
    ranges = Ints([10, 20, 20, 30])
    assert [place(ranges, value) for value in (9, 10, 19, 20, 31)] == [0, 1, 1, 3, 4]
    assert place(Ints(), 7) == 0


@given(st.lists(st.integers(-9, 9)))
def test_what_comes_out_of_a_heap_is_in_order(values: list[int]) -> None:
    heap = Ints()
    for value in values:
        heappush(heap, value)
    assert [heappop(heap) for _ in values] == sorted(values)
    with pytest.raises(IndexError):
        heappop(heap)


def test_a_column_is_filled_with_one_integer() -> None:
    assert filled(3, -7) == [-7, -7, -7]
    assert filled(0, 1) == []


def test_anything_of_integers_becomes_a_column() -> None:
    column = Ints([3, 1])
    assert as_ints(column) is column
    assert as_ints([3, 1]) == as_ints((3, 1)) == as_ints(np.array([3, 1])) == column
    assert as_ints(np.arange(10)[::2]) == [0, 2, 4, 6, 8]
    assert as_ints(range(2)) == [0, 1]


def test_times_are_moved_and_rounded_down_to_microseconds() -> None:
    assert later(Ints([1, -5]), 10) == [11, 5]
    assert in_us(Ints([2_999, 3_000, 10]), 1_000) == [1, 2, -1]  # -990 ns is in microsecond -1


def test_elements_are_picked_and_put_back() -> None:
    values, rows = Ints([10, 20, 30]), Ints([2, 0, 1])
    assert picked(values, rows) == [30, 10, 20]
    assert scattered(picked(values, rows), rows) == values
    assert kept(Ints([4, -1, 0, -2])) == [0, 2]
    assert part(values, 1, 3) == [20, 30]
    assert joined_ints([Ints([1]), Ints(), Ints([2, 3])]) == [1, 2, 3]
    assert least(Ints([3, -7, 5])) == -7


def test_what_is_not_beyond_a_time_is_counted() -> None:
    times = Ints([1, 2, 2, 5])
    assert [count_until(times, t, 0) for t in (0, 1, 2, 4, 5, 9)] == [0, 1, 3, 3, 4, 4]
    assert count_until(times, 2, 3) == 3


@pytest.mark.parametrize("at", [2, -3])
def test_an_element_that_is_not_there_is_an_error(at: int) -> None:
    with pytest.raises(IndexError):
        Ints([1, 2])[at]
