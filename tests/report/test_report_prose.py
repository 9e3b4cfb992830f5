"""Sentences about a run: the numbers of its metrics, each in its unit, and no claim beyond them."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from ccsim.report.numbers import count, decimal, listed, sort_key
from ccsim.report.prose import run_sentences

SCENARIO: dict[str, Any] = {
    "seed": 7,
    "path": {"rate_bps": 100_000_000, "rtt_ns": 40_000_000, "buffer_packets": 333},
    "flows": [{"name": "bulk"}],
}
FLOW: dict[str, Any] = {
    "flow": "bulk",
    "window_s": 10.0,
    "deficit_bytes": 1_250_000.0,
    "deficit_s": 0.1,
    "deficit_peak_bytes": 2_000_000.0,
    "dip_worst_ratio": 0.25,
    "dip_recovery_s": 1.4,
    "time_to_b_twin_s": {"censored": True, "at_least_s": 40.0},
    "drops_in_second_after": 312,
    "extra_drops": 311,
    "rtos": 0,
    "rtt_p99_ms": 79.94,
}
TOTAL: dict[str, Any] = {
    "from_s": 20.0,
    "to_s": 33.0,
    "swaps": [0],
    "flows": 3,
    "deficit_bytes": 2_500_000.0,
    "deficit_s": 0.25,
    "deficit_peak_bytes": 2_500_000.0,
    "drops": 1500,
    "extra_drops": 1400,
    "rtt_p99_ms": 81.26,
    "longest_stall_s": 0.21,
}


def metrics(*flows: dict[str, Any], **swap: Any) -> dict[str, Any]:
    link = {"utilisation": 0.9, "from_s": 0, "to_s": 20, "drops": 10, "random_losses": 0}
    other = {"utilisation": 0.6, "from_s": 20, "to_s": 60, "drops": 400, "random_losses": 2}
    usual = {"index": 0, "t_s": 20.0, "via": "setsockopt", "old": "cubic", "new": "bbr"}
    usual |= {"state": "cold", "trigger": None, "outcome": None, "outcome_s": None}
    return {
        "duration_s": 60.0,
        "links": [link, other],
        "twins": {"a": "complete", "b": "complete"},
        "swaps": [
            {
                **usual,
                "error": None,
                "errno": 0,
                "flows": list(flows),
                "reached": len(flows),
                "total": TOTAL,
                **swap,
            }
        ],
    }


def said(found: dict[str, Any], scenario: dict[str, Any] = SCENARIO, failed: str = "") -> str:
    markup = " ".join(run_sentences(scenario, found, failed))
    return html.unescape(re.sub(r"<[^>]+>", "", markup))


def test_the_run_is_told_with_its_path_use_and_losses() -> None:
    text = said(metrics(FLOW))
    assert "One flow had 100 Mbit/s with a base RTT of 40 ms and a buffer of 333 packets" in text
    assert "used to 70.0 %" in text  # (0.9 · 20 + 0.6 · 40) / 60
    assert "412 packets were dropped or lost" in text


def test_a_swap_is_told_with_deficit_dip_recovery_and_drops() -> None:
    text = said(metrics(FLOW))
    assert "At 20 s, cubic → bbr by setsockopt, state policy cold, reached 1 running flow." in text
    assert "bulk delivered 1.250 MB less than in the A-twin, where nothing was swapped" in text
    assert ": 0.100 s of the goodput there (2.000 MB behind at worst)." in text
    assert "Its worst 200 ms ran at 25 % of the 2 s before" in text
    assert "back above 95 % of the A-twin after 1.4 s." in text
    assert "cost 312 dropped packets; no retransmission timeout fired" in text
    assert "the p99 of its RTT was 79.9 ms" in text


def test_a_time_that_did_not_come_is_no_time() -> None:
    text = said(metrics({**FLOW, "dip_recovery_s": {"censored": True, "at_least_s": 10.0}}))
    assert "it was not back above 95 % of the A-twin within 10 s" in text
    assert "Within 40 s it did not come within 10 % of the B-twin" in text


def test_a_gain_is_told_as_one() -> None:
    text = said(metrics({**FLOW, "deficit_bytes": -500_000.0, "deficit_s": -0.04}))
    assert "delivered 0.500 MB more than in the A-twin" in text


def test_what_all_flows_lost_together_comes_before_what_each_did() -> None:
    text = said(metrics(FLOW))
    assert (
        "From 20 to 33 s, all 3 flows together delivered 2.500 MB less than in the A-twin, where "
        "nothing was swapped: 0.250 s of the goodput there; 1,500 packets were dropped or lost, "
        "1,400 more than in the A-twin, the p99 of the RTTs was 81.3 ms, the longest stall 0.21 s."
    ) in text
    assert text.index("all 3 flows together") < text.index("bulk delivered")


def test_swaps_at_one_instant_share_what_is_told_of_all() -> None:
    text = said(metrics(FLOW, total={**TOTAL, "swaps": [0, 1], "flows": 1}))
    assert "From 20 to 33 s (with swap 1, which came at once), the one flow delivered" in text


def test_what_is_not_known_of_all_is_not_told() -> None:
    assert "together delivered" not in said(metrics(FLOW, total={**TOTAL, "deficit_bytes": None}))
    assert "together delivered" not in said(metrics(FLOW, total=None))


def test_a_single_run_claims_no_more_than_itself() -> None:
    text = said(metrics(FLOW))
    assert "One run (n = 1, seed 7) against A-twin and B-twin" in text
    assert "not an estimate" in text


def test_a_refused_swap_changed_nothing() -> None:
    text = said(metrics(error="EPERM: restricted", errno=1))
    assert "failed: EPERM: restricted. Nothing was changed." in text


def test_without_twins_no_cost_is_told() -> None:
    found = {**metrics(FLOW), "twins": {"a": None, "b": None}}
    text = said(found)
    assert "Without an A-twin there is nothing to measure its cost against." in text
    assert "less than" not in text


def test_many_flows_are_told_by_median_and_range() -> None:
    rows = [{**FLOW, "deficit_s": s, "drops_in_second_after": 2} for s in (0.1, 0.2, 0.3, 0.4, 5.0)]
    rows[0]["dip_recovery_s"] = {"censored": True, "at_least_s": 10.0}
    text = said(metrics(*rows))
    assert "Each delivered 0.300 s of its goodput in the A-twin less" in text
    assert "(median of 5; from 0.100 to 5.000 s)" in text
    assert "they lost 10 packets together" in text
    assert "1 of them never got back" in text


def test_a_link_update_tells_when_the_last_old_connection_closed() -> None:
    held = {
        "old_at_update": 2,
        "new_since": 1,
        "old_since": 0,
        "last_old_closed_s": {"censored": True, "at_least_s": 40.0},
    }
    text = said(metrics(via="link_update", connections=held))
    assert "2 connections stayed on cubic, 1 started on bbr" in text
    assert "and cubic still served some 40 s later" in text


def test_what_set_a_swap_off_and_how_a_roll_out_ended_are_told() -> None:
    text = said(
        metrics(FLOW, trigger="in Recovery", outcome="rolled back: drops 8 %", outcome_s=24.0)
    )
    assert "At 20 s (in Recovery), cubic → bbr by setsockopt" in text
    assert "Its outcome after 4 s: rolled back: drops 8 %." in text


def test_a_failed_run_says_so_first() -> None:
    assert said(metrics(FLOW), failed="x.py:3: boom").startswith("The run failed: x.py:3: boom")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (-0.004, "0.00"), (-1.5, "−1.50"), ({"at_least_s": 3}, "> 3.00"), (2, "2.00")],
)
def test_numbers_are_written_with_a_true_minus_and_without_negative_zero(
    value: Any, text: str
) -> None:
    assert decimal(value) == text


def test_censored_times_sort_just_after_the_same_time_observed() -> None:
    observed, censored = sort_key(10.0), sort_key({"at_least_s": 10.0})
    assert observed is not None
    assert censored is not None
    assert observed < censored < 10.001
    assert sort_key(None) is None


def test_counts_and_lists_read_well() -> None:
    assert [count(n, "flow") for n in (0, 1, 1200)] == ["no flow", "1 flow", "1,200 flows"]
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdef")) == "a, b, c and 3 more"


def test_fairness_is_told_beside_the_a_twins() -> None:
    fair = {"flows": 2, "window_s": 10.0, "jain_index": 0.61, "jain_index_a_twin": 0.998}
    text = said(metrics(FLOW, fairness=fair))
    assert "Jain's index of the 2 flows was 0.610, in the A-twin 0.998." in text


def test_a_few_flows_are_told_of_one_below_the_other() -> None:
    markup = " ".join(run_sentences(SCENARIO, metrics(FLOW, {**FLOW, "flow": "late"})))
    assert markup.count("<li>") == 2
    assert "late delivered" in html.unescape(re.sub(r"<[^>]+>", "", markup))
