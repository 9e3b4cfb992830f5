"""The first row that is not below a value, by the loop of machine code and by Python's own."""

from __future__ import annotations

import numpy as np
import pytest

from ccsim.cc import row_loops
from ccsim.cc.row_loops import first_at_least

UNA = np.array([5, 5, 6, 7, 8])


@pytest.mark.pure
@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize(
    ("value", "row", "stop", "found"),
    [
        *((5, 0, 5, 0), (6, 0, 5, 2), (7, 0, 5, 3), (7, 4, 5, 4)),
        *((9, 0, 5, 5), (9, 5, 5, 5), (8, 0, 3, 3), (6, 0, 2, 2)),
    ],
)
def test_the_first_row_not_below_a_value(
    value: int, row: int, stop: int, found: int, rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_loops, "COMPILED", rows)
    assert first_at_least(UNA, value, row, stop) == found
