"""What a run and its twins did for themselves: the swap's window, and the second after."""

from __future__ import annotations

import pytest

from ccsim.experiment.measure import measure
from ccsim.experiment.study.beside import add_twin_values
from tests.experiment.synthetic import flow, link, result, swap


def test_a_twin_is_looked_at_in_the_swaps_window_and_in_the_second_after_the_flows_own() -> None:
    # the swaps are at 20 and 20.4 s; the first one's window ends where the second one's begins
    drops = [(20.1, 0), (20.7, 0), (21.0, 0)]
    run = result(
        flow("a", mbit=((20, 100), (60, 50))),
        flow("b", mbit=((60, 25),)),
        links=[link(drops=drops)],
        swaps=[swap(20, ("a",)), swap(20.4, ("b",), index=1)],
    )
    twin = result(flow("a", mbit=((60, 75),)), flow("b", mbit=((60, 25),)))
    metrics = measure(run, twin, None)
    before = metrics["swaps"][0]["flows"][0]["drops_in_second_after"]
    add_twin_values(metrics, run, twin, None)
    (row,) = metrics["swaps"][0]["flows"]
    assert row["window_s"] == 0.4
    assert (row["goodput_bps"], row["goodput_a_bps"]) == pytest.approx((50e6, 75e6))
    assert row["goodput_b_bps"] is None
    # 20.1 and 20.7 s, but not 21 s; one definition, whoever asks
    assert row["drops_in_second_after"] == before == 2
    assert row["drops_in_second_after_a"] == 0
    # (50 + 25)² / (2 · (50² + 25²)) and (75 + 25)² / (2 · (75² + 25²))
    assert (row["jain_index"], row["jain_index_a"]) == (0.9, 0.8)


def test_who_shook_hands_within_the_window_does_not_count_in_its_index() -> None:
    run = result(flow("a"), flow("late", start_s=22, mbit=((60, 1),)), swaps=[swap(20, ("a",))])
    metrics = measure(run, None, None)
    add_twin_values(metrics, run, None, None)
    assert metrics["swaps"][0]["flows"][0]["jain_index"] == 1
