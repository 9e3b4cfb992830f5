"""Sobol's sequence, Latin hypercubes, ranges and quantities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.experiment.study.design import Range, drawn
from ccsim.experiment.study.quantity import Quantity, common_kind, quantity, written
from ccsim.experiment.study.sampling import MAX_DIMENSIONS, latin_hypercube, sobol


def test_the_first_points_of_sobols_sequence_are_those_of_the_papers() -> None:
    # Bratley, Fox 1988, in Gray code order
    expected = [[0, 0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75], [0.375, 0.375], [0.875, 0.875]]
    assert sobol(6, 2).tolist() == expected


def test_all_dimensions_are_scipys() -> None:
    qmc = pytest.importorskip("scipy.stats.qmc")
    expected = qmc.Sobol(MAX_DIMENSIONS, scramble=False).random_base2(8)
    assert np.array_equal(sobol(256, MAX_DIMENSIONS), expected)


@pytest.mark.parametrize("dimensions", [0, MAX_DIMENSIONS + 1])
def test_there_are_no_more_dimensions_than_direction_numbers(dimensions: int) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to {MAX_DIMENSIONS} dimensions"):
        sobol(4, dimensions)


@given(st.integers(0, 2**40), st.integers(1, 6))
def test_shifted_points_still_fill_every_stratum(seed: int, dimensions: int) -> None:
    points = sobol(16, dimensions, seed)
    for column in points.T:  # a power of two many: one in each sixteenth, whatever the shift
        assert sorted((column * 16).astype(int)) == list(range(16))


@given(st.integers(0, 2**40), st.integers(1, 30), st.integers(1, 5))
def test_a_latin_hypercube_has_one_point_in_each_stratum(
    seed: int, points: int, dimensions: int
) -> None:
    cube = latin_hypercube(points, dimensions, seed)
    for column in cube.T:
        assert sorted((column * points).astype(int)) == list(range(points))


def test_a_seed_fixes_the_sample_and_another_one_gives_another() -> None:
    assert np.array_equal(latin_hypercube(9, 2, 5), latin_hypercube(9, 2, 5))
    assert not np.array_equal(latin_hypercube(9, 2, 5), latin_hypercube(9, 2, 6))
    assert not np.array_equal(sobol(8, 2, 5), sobol(8, 2, 6))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("10 Mbit/s", Quantity("bps", 10_000_000)),
        ("40 ms", Quantity("ns", 40_000_000)),
        ("64 KiB", Quantity("bytes", 65_536)),
        ("1.5 BDP", Quantity("bdp", 1.5)),
        ("20 packets", Quantity("packets", 20)),
        ("0.1 %", Quantity("ratio", 0.001)),
        (3, Quantity("int", 3)),
        (0.5, Quantity("number", 0.5)),
        ("cubic", None),
        ("10", None),
        (True, None),
        (float("nan"), None),
        ([1], None),
        (None, None),
    ],
)
def test_what_values_are_as_numbers(value: object, found: Quantity | None) -> None:
    assert quantity(value) == found


def test_numbers_have_a_common_kind_and_mixtures_have_none() -> None:
    assert common_kind("1 s", "20 ms") == "ns"
    assert common_kind(1, 2.5) == "number"
    assert common_kind("1 s", "1 MB") is None
    assert common_kind("1 s", "soon") is None
    assert common_kind() is None


@pytest.mark.parametrize(
    ("low", "high", "u", "value"),
    [
        ("10 Mbit/s", "20 Mbit/s", 0.5, "15 Mbit/s"),
        ("0 s", "100 ms", 0.25, "25 ms"),
        ("1 ns", "9 ns", 0.5, "5 ns"),
        ("1 BDP", "2 BDP", 0.5, "1.5 BDP"),
        ("0 %", "1 %", 0.5, "0.5 %"),
        (0.0, 1.0, 0.125, 0.125),
        (1, 3, 0.0, 1),
        (1, 3, 0.999, 3),
        ("10 packets", "20 packets", 0.5, "15 packets"),
        ("1 MB", "3 MB", 0.5, "2 MB"),
    ],
)
def test_a_place_in_a_range_is_a_value_as_scenarios_spell_it(
    low: object, high: object, u: float, value: object
) -> None:
    assert Range("key", (1, 1), low, high).at(u) == value


def test_a_logarithmic_range_has_its_geometric_mean_in_the_middle() -> None:
    assert Range("path.rate", (1, 1), "10 Mbit/s", "1 Gbit/s", log=True).at(0.5) == "100 Mbit/s"


def test_each_whole_number_of_a_range_is_drawn_equally_often() -> None:
    values = [Range("key", (1, 1), 1, 4).at((k + 0.5) / 400) for k in range(400)]
    assert [values.count(n) for n in (1, 2, 3, 4)] == [100] * 4


@pytest.mark.parametrize(
    ("low", "high", "log", "message"),
    [
        ("1 s", "1 Mbit/s", False, "expected two numbers of one kind"),
        ("soon", "later", False, "expected two numbers of one kind"),
        ("2 s", "1 s", False, "expected the lower end first, got 2 s to 1 s"),
        (3, 3, False, "expected the lower end first"),
        ("0 s", "1 s", True, "expected a lower end above 0 on a log scale"),
    ],
)
def test_a_range_that_is_none_says_why(low: object, high: object, log: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Range("key", (1, 1), low, high, log)


def test_a_key_draws_the_same_whatever_other_keys_are_drawn() -> None:
    start = Range("flows.0.start", (1, 1), "0 s", "1 s")
    at = Range("swaps.0.at", (1, 1), "5 s", "6 s")
    alone, both = drawn([start], 7), drawn([at, start], 7)
    assert alone.settings[0] == both.settings[1]
    assert drawn([start], 7) == alone != drawn([start], 8)


@given(st.integers(0, 2**40), st.floats(0, 1, exclude_max=True))
def test_a_value_that_is_written_is_read_back_as_the_same_kind(seed: int, u: float) -> None:
    each = Range("key", (1, 1), "1 ms", "1 h", log=True)
    value = each.at(u)
    found = quantity(value)
    assert found is not None
    assert found.kind == "ns"
    assert written("ns", found.number) == value
