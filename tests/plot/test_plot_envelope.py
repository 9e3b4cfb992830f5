"""Dense oscillation: where a line becomes a band, and where it stays a line."""

from __future__ import annotations

import numpy as np
import pytest

from ccsim.plot.envelope import envelope, with_envelopes
from ccsim.plot.picture import Curve, Panel, Picture
from ccsim.plot.style import BAND, Look

EDGES = np.arange(0.0, 61.0)  # one bin a second
T = np.arange(0.0, 60.0, 0.01)


def square(period_s: float) -> np.ndarray:
    """Return a square wave between 100 and 300 that is high for a quarter of its period."""
    return np.where((T % period_s) / period_s < 0.25, 300.0, 100.0)


def test_many_turns_a_bin_are_a_band_from_the_least_to_the_greatest_about_the_median() -> None:
    found = envelope(T, square(0.2), EDGES, 400.0)
    assert found is not None
    at, median, low, high = found
    assert at.tolist() == (EDGES[:-1] + 0.5).tolist()
    assert set(low) == {100.0}
    assert set(high) == {300.0}
    assert set(median) == {100.0}  # three quarters of the time


@pytest.mark.parametrize(
    "y",
    [
        np.full(len(T), 100.0),
        100.0 + T,
        square(4.0),  # one turn in four bins can be told apart
        200 + 5 * np.sin(T * 100),  # less than a line is thick
        np.full(len(T), np.nan),
    ],
    ids=["flat", "rising", "slow", "small", "nothing"],
)
def test_what_can_be_drawn_as_a_line_stays_one(y: np.ndarray) -> None:
    assert envelope(T, y, EDGES, 400.0) is None


def test_small_ups_and_downs_on_the_way_up_are_no_band() -> None:
    assert envelope(T, 5 * T + 3 * np.sin(T * 100), EDGES, 300.0) is None


def test_too_few_samples_are_no_band() -> None:
    assert envelope(T[::100], square(0.2)[::100], EDGES, 400.0) is None


def test_three_dense_bins_are_too_few_and_one_calm_bin_does_not_end_a_band() -> None:
    calm = np.where((T < 10) | (T >= 13), 100.0, square(0.2))
    assert envelope(T, calm, EDGES, 400.0) is None
    found = envelope(T, np.where((T >= 20) & (T < 21), 100.0, square(0.2)), EDGES, 400.0)
    assert found is not None
    assert np.isfinite(found[1]).all()
    assert found[3][20] == 100.0  # what it was in that bin


def picture(y: np.ndarray) -> Picture:
    panel = Panel("cwnd (packets)", "", (Curve(T, y, Look()),), (), (0.0, 400.0))
    return Picture("p", 60.0, (panel,), (), ())


def test_a_line_and_its_band_follow_one_another_and_the_legend_tells() -> None:
    half = np.where(T < 30, square(0.2), 200.0)
    found = with_envelopes(picture(half), 180.0, 0.0)
    (curve,) = found.panels[0].curves
    assert curve.low is not None
    assert (np.diff(curve.t_s) >= 0).all()
    assert np.isfinite(curve.low[curve.t_s < 29]).all()
    assert np.isnan(curve.low[curve.t_s > 31]).all()
    assert set(curve.y[curve.t_s > 31]) == {200.0}
    assert [look for look, _ in found.legend] == [BAND]


def test_a_picture_without_any_is_as_it_was() -> None:
    plain = with_envelopes(picture(np.full(len(T), 100.0)), 180.0, 0.0)
    assert plain.legend == ()
    assert plain.panels[0].curves[0].low is None
