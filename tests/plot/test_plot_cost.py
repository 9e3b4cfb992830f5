"""The cost chart: a panel an axis, a line an algorithm, points where they were measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ccsim.plot import draw_cost
from ccsim.plot.cost import cost_figure

ROWS = [
    {"axis": "flows", "algorithm": "cubic", "at": 10, "us_per_packet": 3.0},
    {"axis": "flows", "algorithm": "cubic", "at": 1, "us_per_packet": 0.5},
    {"axis": "flows", "algorithm": "bbr", "at": 1, "us_per_packet": 1.0},
    {"axis": "rate (Mbit/s)", "algorithm": "cubic", "at": 100, "us_per_packet": 0.5},
]


def test_every_axis_has_its_panel_and_every_algorithm_its_line_in_order() -> None:
    flows, rate = cost_figure(ROWS).axes
    assert (flows.get_xlabel(), rate.get_xlabel()) == ("flows", "rate (Mbit/s)")
    (cubic, bbr) = flows.lines
    assert np.array_equal(cubic.get_xydata(), [[1.0, 0.5], [10.0, 3.0]])
    assert [line.get_label() for line in (cubic, bbr)] == ["cubic", "bbr"]
    assert len(rate.lines) == 1


def test_both_axes_are_logarithmic_and_ticks_are_what_was_measured() -> None:
    flows = cost_figure(ROWS).axes[0]
    assert (flows.get_xscale(), flows.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in flows.get_xticklabels()] == ["1", "10"]


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one measured point, got none"):
        cost_figure([])


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = (draw_cost(ROWS, tmp_path / name, ["png"])[0] for name in "ab")
    assert one.read_bytes() == other.read_bytes()
