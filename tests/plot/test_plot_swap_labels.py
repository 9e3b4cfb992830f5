"""Swap labels never touch one another, nor a line that belongs to another label."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.plot.picture import Mark
from ccsim.plot.style import SWAP
from ccsim.plot.swap_labels import Layout, lay_out

WIDTH = 200.0  # of the axes [pt]


def five_a_letter(text: str) -> float:
    return 5.0 * len(text)


def placed(*labelled: tuple[float, str]) -> Layout:
    marks = [Mark(x, label, SWAP) for x, label in labelled]
    return lay_out(marks, [mark.t_s for mark in marks], WIDTH, five_a_letter)


def test_one_label_stands_over_its_line() -> None:
    (only,) = placed((100, "a to b")).texts
    assert (only.text, only.x, only.row) == ("a to b", 100, 0)


def test_a_label_at_the_edge_is_moved_inwards() -> None:
    left, right = placed((1, "first!"), (199, "second")).texts
    assert (left.x, right.x) == (15, 185)  # six letters of 5 pt: half is 15


def test_two_labels_that_would_touch_take_two_rows() -> None:
    # 60 ± 25 and 100 ± 25: they overlap in one row; the line at 100 is clear of the first
    layout = placed((60, "one to two"), (100, "two to one"))
    assert [text.row for text in layout.texts] == [0, 1]
    assert layout.rows == 2
    assert layout.key == ()


def test_labels_too_close_for_two_rows_become_numbers_with_a_key() -> None:
    layout = placed((60, "one to two"), (75, "two to one"))
    assert [(text.text, text.x) for text in layout.texts] == [("1", 60), ("2", 75)]
    assert layout.key == ("1  one to two (60 s)", "2  two to one (75 s)")


def test_numbers_that_would_touch_are_joined() -> None:
    layout = placed((60, "one to two"), (61, "two to six"), (62, "six to one"))
    assert [text.text for text in layout.texts] == ["1–3"]
    two = placed((60, "one to two"), (61, "two to six"))
    assert [text.text for text in two.texts] == ["1, 2"]


def test_a_staggered_sweep_has_one_label_that_counts() -> None:
    layout = placed(*((90 + i, "a to b") for i in range(20)))
    (only,) = layout.texts
    assert (only.text, only.x) == ("a to b (20×)", 99.5)
    assert only.marks == tuple(range(20))


def test_equal_labels_far_apart_are_not_merged() -> None:
    assert [text.x for text in placed((40, "a to b"), (160, "a to b")).texts] == [40, 160]


def test_the_key_says_when_and_how_often() -> None:
    layout = placed((60, "one to two"), (75, "two to one"), (90, "one to two"))
    assert layout.key[0] == "1  one to two (60–90 s, 2×)"


def test_a_label_wider_than_the_axes_goes_into_the_key() -> None:
    layout = placed((60, "x" * 41))
    assert [text.text for text in layout.texts] == ["1"]


def test_a_key_of_many_rows_is_cut_and_says_so() -> None:
    layout = placed(*((i, f"label number {i}") for i in range(12)))
    assert len(layout.key) == 8
    assert layout.key[-1] == "… and 5 more swaps"


def test_no_marks_take_no_room() -> None:
    assert placed().rows == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["aaaa", "bbbbbbbbbbbb", "c"]))))
def test_no_text_overlaps_another(marks: list[tuple[int, str]]) -> None:
    texts = placed(*sorted((float(x), label) for x, label in marks)).texts
    for a, b in combinations(texts, 2):
        apart = abs(a.x - b.x) >= (five_a_letter(a.text) + five_a_letter(b.text)) / 2
        assert apart or a.row != b.row
