"""Sobol's indices of a complete grid, against grids worked by hand and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import sobol_indices as scipy_indices  # type: ignore[import-untyped]
from scipy.stats import uniform

from ccsim.experiment.variance import grid_of, shares, sobol_indices


def test_an_additive_grid_is_shared_by_the_squares_of_its_steps() -> None:
    grid = np.array([[0.0, 4.0], [3.0, 7.0]])  # ±1.5 and ±2: variances 2.25 and 4
    first, total = sobol_indices(grid)
    assert first == pytest.approx([2.25 / 6.25, 4 / 6.25])
    assert total == pytest.approx(first)


def test_a_pure_interaction_is_nobody_s_by_itself_and_everybody_s_in_total() -> None:
    first, total = sobol_indices(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert first == pytest.approx([0, 0])
    assert total == pytest.approx([1, 1])


def test_scipy_s_estimates_of_the_same_table_agree() -> None:
    grid = np.random.default_rng(5).normal(size=(4, 3, 2)) + np.arange(4)[:, None, None]

    def looked_up(x: np.ndarray) -> np.ndarray:
        places = [(row * n).astype(int) for row, n in zip(x, grid.shape, strict=True)]
        return np.asarray(grid[tuple(places)])

    found = scipy_indices(
        func=looked_up, n=2**14, dists=[uniform()] * 3, rng=np.random.default_rng(7)
    )
    first, total = sobol_indices(grid)
    assert first == pytest.approx(found.first_order, abs=0.02)
    assert total == pytest.approx(found.total_order, abs=0.02)


def test_chance_is_a_factor_and_intervals_are_over_seeds() -> None:
    noise = np.array([[-1.0, 1.0, -1.0, 1.0], [1.0, -1.0, 1.0, -1.0]])
    pair, chance = shares(np.array([[0.0], [10.0]]) + noise, ["pair"])
    assert (pair.factor, chance.factor) == ("pair", "chance")
    assert pair.first.estimate == pytest.approx(25 / 26)  # of each pair the mean is untouched
    assert chance.total.estimate == pytest.approx(1 / 26)
    assert pair.first.n == 4
    assert pair.first.low is not None
    assert pair.first.low < 25 / 26 < (pair.first.high or 0)


def test_one_seed_has_no_interval() -> None:
    (pair, _) = shares(np.array([[0.0], [10.0]]), ["pair"])
    assert (pair.first.estimate, pair.first.low) == (1, None)


ROWS = [{"pair": p, "seed": s, "drops": 10.0 * s + ord(p)} for p in "ab" for s in (1, 2)]


def test_rows_become_a_grid_in_the_order_in_which_levels_come() -> None:
    assert grid_of(ROWS, ["pair"], "seed", "drops").tolist() == [[107, 117], [108, 118]]


@pytest.mark.parametrize(
    "rows",
    [ROWS[:3], [*ROWS, ROWS[0]], [*ROWS[:3], {**ROWS[3], "drops": None}]],
)
def test_a_grid_with_a_hole_or_a_double_has_no_indices(rows: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="expected one value for each of 4 combinations"):
        grid_of(rows, ["pair"], "seed", "drops")
