"""What may be asked of a picture, as people write it, and what is refused."""

from __future__ import annotations

import pytest

from ccsim.plot import PlotOptions, plot_options
from ccsim.plot.options import size_of


def test_nothing_asked_is_the_usual_picture() -> None:
    assert plot_options() == PlotOptions()
    assert PlotOptions().span_ns(60_000_000_000) == (0, 60_000_000_000)


@pytest.mark.parametrize(
    ("text", "width", "height"),
    [
        ("1col", 252.0, None),
        ("2col", 7.16 * 72, None),
        ("3.3x2.5in", 237.6, 180.0),
        ("4x3", 288.0, 216.0),
        ("127mm", 360.0, None),
        ("10cm x 2in", 10 * 72 / 2.54, 144.0),
        ("300pt×200pt", 300.0, 200.0),
    ],
)
def test_a_size_is_columns_or_lengths(text: str, width: float, height: float | None) -> None:
    found = size_of(text)
    assert found.width == pytest.approx(width)
    assert found.height == (height if height is None else pytest.approx(height))


@pytest.mark.parametrize("text", ["3col", "", "1in", "50in", "3x", "-3", "3 x 0.1in", "4 furlong"])
def test_a_size_that_is_none_or_cannot_be_drawn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"width: expected 1col, 2col, or .* got"):
        size_of(text)


def test_panels_are_names_with_commas_or_a_list_each_once() -> None:
    assert plot_options(panels="rtt, cwnd,rtt").panels == ("rtt", "cwnd")
    assert plot_options(panels=["queue"]).panels == ("queue",)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"panels": "cwmd"}, "panels: expected names .* got 'cwmd'; did you mean 'cwnd'"),
        ({"twins": "c"}, "twins: expected one of auto, none, a, b, both, got 'c'"),
        ({"start": "19"}, "19"),
        ({"end": "soon"}, "soon"),
        ({"detail": "later"}, "later"),
        ({"title": "x" * 201}, "plot: title: expected at most 200 characters, got 201"),
    ],
)
def test_what_there_is_not_is_named(asked: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plot_options(**asked)


def test_a_span_ends_with_the_run_and_must_hold_some_of_it() -> None:
    assert plot_options(start="19 s", end="24 s").span_ns(20_000_000_000) == (
        19_000_000_000,
        20_000_000_000,
    )
    for options in (plot_options(start="20 s"), plot_options(start="5 s", end="4 s")):
        with pytest.raises(ValueError, match="expected a span of time within the run's 20 s, got"):
            options.span_ns(20_000_000_000)
