"""Borders of what is made of measured numbers, each worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ccsim.experiment.advice import asked, plan_of
from ccsim.experiment.agreement import estimate_of, figure, overlap, part, rank_correlation
from ccsim.experiment.axes import axes_of
from ccsim.experiment.comparisons import permutation_p
from ccsim.experiment.estimates import Estimate


def known(low: float, high: float, n: int = 9) -> Estimate:
    return Estimate((low + high) / 2, low, high, n)


NONE = Estimate(None, None, None, 0)


# --- whether two estimates agree ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (known(1, 2), known(2, 3), True),
        (known(1, 2), known(2.5, 3), False),
        (known(0, 9), known(3, 4), True),
        (known(1, 2), Estimate(2.0, None, None, 1), True),  # a value alone is its own interval
        (known(1, 2), Estimate(2.5, None, None, 1), False),
        (Estimate(5.0, None, None, 1), Estimate(5.0, None, None, 1), True),
        (NONE, NONE, True),
        (NONE, known(1, 2), False),
    ],
)
def test_intervals_that_touch_overlap(one: Estimate, other: Estimate, expected: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is expected


@pytest.mark.parametrize(
    ("kernel", "simulated", "resolution", "expected"),
    [
        (known(1, 2), known(4, 5), 2.9, True),  # 1.5 and 4.5
        (known(1, 2), known(4, 5), 3.0, False),  # that much cannot be told
        (known(4, 5), known(1, 2), 2.9, True),
        (known(1, 3), known(3, 5), 0.1, False),
        (known(1, 2, n=5), known(4, 5), 0.1, False),  # five values say too little
        (known(1, 2, n=6), known(4, 5, n=2), 0.1, True),
        (Estimate(None, None, None, 9), known(4, 5), 0.1, True),
        (Estimate(None, None, None, 9), NONE, 0.1, False),
    ],
)
def test_estimates_part_by_more_than_can_be_told_and_their_intervals(
    kernel: Estimate, simulated: Estimate, resolution: float, expected: bool
) -> None:
    assert part(kernel, simulated, resolution, few=6) is expected


def test_one_outcome_again_and_again_has_no_interval() -> None:
    assert estimate_of([3.0, math.nan, 3.0]) == Estimate(3.0, None, None, 2)
    spread = estimate_of([1.0, 3.0])
    assert (spread.value, spread.n) == (2.0, 2)
    assert estimate_of([math.nan]).value is None


def test_a_figure_is_everybodys_or_the_first_flows() -> None:
    swap: dict[str, Any] = {
        "total": {"deficit_s": 1.5, "rtos": None},
        "flows": [{"rtos": 2, "deficit_s": 7.0}, {"rtos": 9, "extra_drops": 4}],
        "neighbours": {"harm": 0.25},
        "fairness": None,
    }
    assert figure(swap, "deficit_s") == 1.5
    assert figure(swap, "rtos") == 2.0
    assert math.isnan(figure(swap, "extra_drops"))
    assert figure(swap, "neighbour_harm") == 0.25
    assert math.isnan(figure(swap, "jain_index"))


def test_ranks_by_hand() -> None:
    """Ranks 1 to 6 against 2 1 4 3 6 5: 1 - 6 · 6 / (6 · 35) = 29/35; of five pairs nothing."""
    x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert rank_correlation(x, [2.0, 1.0, 4.0, 3.0, 6.0, 5.0]) == pytest.approx(29 / 35)
    assert rank_correlation(x, [-v for v in x]) == pytest.approx(-1.0)
    assert rank_correlation(x, [v**3 for v in x]) == pytest.approx(1.0)
    assert math.isnan(rank_correlation(x[:5], x[:5]))
    assert math.isnan(rank_correlation(x, [math.nan, *x[1:]]))
    assert math.isnan(rank_correlation(x, [7.0] * 6))


def test_ties_stand_at_their_mean_rank() -> None:
    """Ranks 1.5 1.5 3 4 5 6 against 1 to 6: deviations' products 17, of 17 and 17.5."""
    x, y = [1.0, 1.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert rank_correlation(x, y) == pytest.approx(17 / math.sqrt(17 * 17.5))


# --- axes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "title", "ends", "log"),
    [
        ("path.rtt", ["20 ms", "400 ms"], "rtt (ms)", (20.0, 400.0), False),
        ("path.rtt", ["1 s", "2 s"], "rtt (s)", (1.0, 2.0), False),
        ("path.rtt", ["999 ms", "2 s"], "rtt (ms)", (999.0, 2000.0), False),
        ("path.rate", ["1 Mbit/s", "21 Mbit/s"], "rate (Mbit/s)", (1.0, 21.0), True),
        ("path.rate", ["1 Mbit/s", "20 Mbit/s"], "rate (Mbit/s)", (1.0, 20.0), False),
        ("path.buffer", ["0.5 BDP", "2 BDP"], "buffer (BDP)", (0.5, 2.0), False),
        ("path.loss", ["0.1 %", "1 %"], "loss (%)", (0.1, 1.0), False),
        ("swaps.0.at", ["5 s", "7 s"], "swap at (s)", (5.0, 7.0), False),
        ("flows.bulk.start", ["1 s", "2 s"], "bulk start (s)", (1.0, 2.0), False),
        ("flows.start", ["1 s", "2 s"], "start (s)", (1.0, 2.0), False),
        ("workloads.web.start", ["1 s", "2 s"], "web start (s)", (1.0, 2.0), False),
        ("record.interval", ["1 ms", "2 ms"], "interval (ms)", (1.0, 2.0), False),
    ],
)
def test_an_axis_has_a_readers_name_and_unit(
    name: str, values: list[str], title: str, ends: tuple[float, float], log: bool
) -> None:
    (axis,) = axes_of([name], [{name: value} for value in (*values, values[0])])
    assert (axis.title, axis.values, axis.log) == (title, ends, log)
    assert axis.at({name: values[1]}) == ends[1]


@pytest.mark.parametrize("values", [["20 ms"], ["20 ms", "1 Mbit/s"], ["cubic", "bbr"]])
def test_what_is_no_quantity_or_one_alone_has_no_axis(values: list[str]) -> None:
    assert axes_of(["path.rtt"], [{"path.rtt": value} for value in values]) == ()


# --- chance ---------------------------------------------------------------------------------------


def test_random_flips_never_say_never() -> None:
    """Of 2^40 flips of forty equal differences two are as far out: none of 99,999 is met."""
    assert permutation_p([1.0] * 40) == 1 / 100_000
    assert permutation_p([1.0] * 16) == 2 / 2**16


# --- advice ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "cwnd"),
    [
        ("rate=10 Mbit/s,rtt=40 ms,buffer=20 packets", 47),  # 0.9 of 33 of 12,112 bits and 20
        ("rate=1 Mbit/s,rtt=1 ms,buffer=1 packets", 1),  # 0.9 of one
        ("rate=1 Mbit/s,rtt=1 ms,buffer=10 packets", 9),
    ],
)
def test_near_the_top_is_nine_tenths_of_what_path_and_buffer_hold(path: str, cwnd: int) -> None:
    grid = plan_of(asked("cubic", "bbr", path), "mine").document["design"]["grid"]
    (swap,) = dict(zip(grid["way"]["keys"], grid["way"]["values"]["near the top"], strict=True))[
        "swaps"
    ]
    assert swap["when"]["cwnd_above"] == cwnd
