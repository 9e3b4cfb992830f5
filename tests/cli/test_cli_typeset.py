"""Tables for papers and pages: what LaTeX and Markdown make of them."""

from __future__ import annotations

import argparse

import pytest

from ccsim.cli.compare import _formats
from ccsim.cli.layout import table
from ccsim.cli.screen import Screen
from ccsim.cli.typeset import document

HEADERS = ["flow", "goodput (Mbit/s)", "used (%)"]
ROWS = [["a_b & co", "95.349", "-24.89"], ["  more", "–", "> 3"]]


def test_latex_is_booktabs_with_numbers_to_the_right_and_nothing_taken_for_a_command() -> None:
    assert table(HEADERS, ROWS, Screen(form="tex")).split("\n") == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"flow & goodput (Mbit/s) & used (\%) \\",
        r"\midrule",
        r"a\_b \& co & 95.349 & \ensuremath{-}24.89 \\",
        r"\quad more & -- & \ensuremath{>} 3 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_markdown_is_a_table_with_numbers_to_the_right() -> None:
    assert table(["a|b", "n"], [["<b>", "1"], ["  in", "2"]], Screen(form="md")).split("\n") == [
        r"| a\|b | n |",
        "| --- | ---: |",
        r"| \<b> | 1 |",
        "| &emsp;in | 2 |",
    ]


def test_a_form_has_all_columns_however_wide() -> None:
    headers = [f"column {k}" for k in range(30)]
    for form in ("md", "tex"):
        text = table(headers, [["x"] * 30], Screen(40, form=form), drop=headers)
        assert all(name in text for name in headers)


def test_what_stands_around_tables_is_a_comment_of_latex() -> None:
    text = f"swap → bbr\n{table(['n'], [['1']], Screen(form='tex'))}\nlost 3\n\nend"
    lines = document("tex", text).split("\n")
    assert (lines[0], lines[1]) == ("% swap → bbr", r"\begin{tabular}{r}")
    assert lines[-4:] == [r"\end{tabular}", "% lost 3", "", "% end"]


def test_a_table_of_markdown_stands_between_empty_lines() -> None:
    text = f"before\n{table(['n'], [['1']], Screen(form='md'))}\nafter\n"
    assert document("md", text).split("\n") == [
        *("before", "", "| n |", "| ---: |", "| 1 |", "", "after")
    ]


def test_a_comparison_takes_formats_of_its_picture_and_a_form_of_its_tables() -> None:
    assert _formats("png") == (("png",), "text")
    assert _formats("tex") == ((), "tex")
    assert _formats("md,svg,pgf") == (("svg", "pgf"), "md")
    for wrong in ("md,tex", "gif", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="expected"):
            _formats(wrong)
