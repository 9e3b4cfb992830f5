"""What is said of runs, held against timelines worked out by hand.

    12 Mbit/s carry a packet of 1500 bytes, 1448 of payload, in 1 ms; the RTT is 20 ms.

    t [ms]   0        20.040          41.075  42.075  …  50.075
             SYN      established,    ACK of  ACK of     ACK of
                      10 packets      1st     2nd        10th: the end

A SYN takes 40 us on the line, the pure ACK of the handshake 34.667 us: the k-th packet's ACK is
back at 20.040 + 0.034667 + k + 20 ms.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from ccsim.experiment.measure import measure
from ccsim.experiment.stretches import Tally
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import SimResult
from tests.experiment.synthetic import S

PATH = "duration: 100 ms\npath: {rate: 12 Mbit/s, rtt: 20 ms, buffer: 100 packets}\n"
FLOW = "flows: [{name: f, congestion: cubic, size: 14480 B}]\n"
END_S = 0.050075  # to the microsecond


def run(text: str) -> SimResult:
    return simulate(parse_scenario(text, "t.yaml"))


def document(text: str) -> dict[str, Any]:
    """Return the metrics of a run against its A-twin."""
    scenario = parse_scenario(text, "t.yaml")
    return measure(simulate(scenario), simulate(scenario.without_swaps()))


def swap(at: str, to: str = "reno", more: str = "") -> str:
    return f"{{at: {at}, via: setsockopt, flows: [f], to: {to}{more}}}"


def told(metrics: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return who served the flow from when to when [s], and the payload it got [bytes]."""
    return [
        (
            row["implementation"],
            row["from_s"],
            row["to_s"],
            round(row["goodput_bps"] * (row["to_s"] - row["from_s"]) / 8, -1),  # times are rounded
        )
        for row in metrics["flows"]
    ]


def test_without_a_swap_there_is_one_row_with_all_that_the_flow_got() -> None:
    metrics = document(PATH + FLOW)
    assert told(metrics) == [("cubic", 0, END_S, 14_480)]
    assert metrics["swaps"] == []
    assert metrics["totals"][0]["delivered_bytes"] == 14_480
    assert metrics["totals"][0]["completion_time_s"] == END_S


def test_a_swap_divides_the_bytes_at_its_instant() -> None:
    # by 45 ms four ACKs are back, at 41.075 to 44.075 ms, for 5,792 bytes; the others 8,688
    metrics = document(PATH + FLOW + f"swaps: [{swap('45 ms')}]")
    assert told(metrics) == [("cubic", 0, 0.045, 5_790), ("reno", 0.045, END_S, 8_690)]
    (row,) = metrics["swaps"]
    assert (row["total"]["from_s"], row["total"]["to_s"]) == (0.045, 0.1)
    assert row["total"]["deficit_bytes"] == 0


def test_a_swap_at_zero_makes_no_phase_before_it_and_its_window_is_the_run() -> None:
    text = PATH + FLOW.replace("cubic", "fleet") + "links: {fleet: cubic}\n"
    metrics = document(text + "swaps: [{at: 0 s, via: link_update, link: fleet, to: reno}]")
    assert told(metrics) == [("cubic", 0, END_S, 14_480)]  # it had begun
    assert len(metrics["phases"]) == 1
    (row,) = metrics["swaps"]
    assert (row["old"], row["new"], row["reached"]) == ("cubic", "reno", 0)
    assert row["total"]["window_s"] == 0.1
    assert row["total"]["delivered_bytes"] == row["total"]["delivered_a_bytes"] == 14_480
    assert row["total"]["deficit_bytes"] == 0


def test_a_swap_between_the_last_byte_and_the_close_serves_no_byte() -> None:
    metrics = document(PATH + FLOW + f"swaps: [{swap('60 ms')}]")
    assert told(metrics) == [("cubic", 0, END_S, 14_480)]
    (row,) = metrics["swaps"]
    assert (row["errno"], row["reached"]) == (0, 1)
    assert (row["total"]["flows"], row["total"]["deficit_bytes"]) == (0, None)


def test_a_swap_in_the_handshake_leaves_the_old_one_a_row_without_a_byte() -> None:
    metrics = document(PATH + FLOW + f"swaps: [{swap('10 ms')}]")
    assert told(metrics) == [("cubic", 0, 0.01, 0), ("reno", 0.01, END_S, 14_480)]
    assert metrics["swaps"][0]["total"]["deficit_bytes"] == 0


def test_a_swap_after_a_flows_end_is_refused_and_costs_nothing() -> None:
    # its FIN leaves with the last ACK and is acknowledged a delayed ACK later, at 61.1 ms
    metrics = document(PATH + FLOW + f"swaps: [{swap('62 ms')}]")
    assert told(metrics) == [("cubic", 0, END_S, 14_480)]
    (row,) = metrics["swaps"]
    assert (row["errno"], row["total"], row["reached"]) == (9, None, 0)  # EBADF
    assert len(metrics["phases"]) == 1


def test_a_name_that_changes_after_a_flows_end_makes_a_phase_without_a_row_of_it() -> None:
    text = PATH + FLOW.replace("cubic", "fleet") + "links: {fleet: cubic}\n"
    metrics = document(text + "swaps: [{at: 60 ms, via: link_update, link: fleet, to: reno}]")
    assert told(metrics) == [("cubic", 0, END_S, 14_480)]
    assert len(metrics["phases"]) == 2
    (row,) = metrics["swaps"]
    assert (row["total"]["flows"], row["total"]["delivered_bytes"]) == (0, None)
    assert row["connections"]["old_at_update"] == 0


def test_of_two_swaps_at_one_instant_the_second_serves_from_then_on() -> None:
    swaps = f"swaps: [{swap('45 ms')}, {swap('45 ms', 'vegas')}]"
    metrics = document(PATH + FLOW + swaps)
    assert told(metrics) == [("cubic", 0, 0.045, 5_790), ("vegas", 0.045, END_S, 8_690)]
    first, second = metrics["swaps"]
    assert first["total"]["swaps"] == second["total"]["swaps"] == [0, 1]
    assert (first["old"], second["old"], second["new"]) == ("cubic", "reno", "vegas")


def test_what_comes_at_a_swaps_very_instant_belongs_to_what_follows() -> None:
    # the fifth ACK arrives at 20,040,000 + 34,666.7 + 5,000,000 + 20,000,000 ns, less a fraction
    at = "45074666 ns"
    metrics = document(PATH + FLOW + f"swaps: [{swap(at)}]")
    assert [row[3] for row in told(metrics)] == [5_790, 8_690]
    later = document(PATH + FLOW + f"swaps: [{swap('45074667 ns')}]")
    assert [row[3] for row in told(later)] == [7_240, 7_240]


# --- who served whom ---

GROUPED = """
duration: 3 s
twins: false
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
links: {fleet: cubic}
flows: [{name: a, congestion: fleet, count: 4}]
workloads: [{name: w, arrivals: {every: 20 s}, sizes: 10 kB, congestion: fleet}]
swaps: [{at: 1500 ms, via: sweep, flows: all, to: reno, over: 300 ms}]
"""


@cache
def grouped(more: str = "") -> SimResult:
    return run(GROUPED + more)


def test_an_implementation_serves_nobody_before_it_is_there() -> None:
    rows = measure(grouped())["implementations"]
    assert [(row["implementation"], row["phase"]) for row in rows] == [
        *(("cubic", 0), ("cubic", 1), ("reno", 1))
    ]
    before, left, after = rows
    # four flows, and a transfer over in some 60 ms; the sweep comes to a flow at 1.5, 1.6, 1.7
    # and 1.8 s, so that cubic still serves three, two and one for 100 ms each
    (w,) = [flow for flow in grouped().flows if flow.workload]
    assert w.end_ns is not None
    assert before["connections_mean"] == pytest.approx(4 + w.end_ns / (1.5 * S), abs=1e-6)
    assert (before["connections_max"], left["connections_max"]) == (5, 3)
    assert left["connections_mean"] == pytest.approx((3 + 2 + 1) * 0.1 / 1.5, abs=1e-6)
    assert after["connections_mean"] == pytest.approx(4 - 0.4, abs=1e-6)
    assert after["connections_max"] == 4


def test_the_rows_of_implementations_add_up_to_those_of_flows_and_to_the_counters() -> None:
    result = grouped()
    metrics = measure(result)
    (w,) = [flow.counters for flow in result.flows if flow.workload]
    for name, total in (("losses", "packets_dropped"), ("retransmissions", "retransmissions")):
        by_flow = sum(row[name] for row in metrics["flows"])
        assert sum(row[name] for row in metrics["implementations"]) == by_flow + w[total]
        assert by_flow + w[total] == sum(flow.counters[total] for flow in result.flows) > 0
    delivered = sum(
        row["goodput_bps"] * (row["to_s"] - row["from_s"]) / 8 for row in metrics["implementations"]
    )
    expected = sum(row["delivered_bytes"] for row in metrics["totals"]) + 10_000
    assert delivered == pytest.approx(expected, rel=1e-6)


def test_a_row_ends_where_the_flow_itself_is_swapped() -> None:
    rows = [
        (row["flow"], row["from_s"], row["to_s"], row["implementation"])
        for row in measure(grouped())["flows"]
        if row["phase"] == 1
    ]
    assert rows == [
        ("a-1", 1.5, 3, "reno"),
        *(("a-2", 1.5, 1.6, "cubic"), ("a-2", 1.6, 3, "reno")),
        *(("a-3", 1.5, 1.7, "cubic"), ("a-3", 1.7, 3, "reno")),
        *(("a-4", 1.5, 1.8, "cubic"), ("a-4", 1.8, 3, "reno")),
    ]


# --- everybody together, whatever is recorded ---


def test_the_total_is_the_same_whether_samples_are_kept_or_only_sums() -> None:
    whole = measure(grouped(), grouped())["swaps"][0]
    sums = grouped("record: {flows: aggregate}\n")
    summed = measure(sums, sums)["swaps"][0]
    assert [row["flow"] for row in summed["beside"]] == ["others"]
    assert summed["beside"][0]["connections"] == 4
    for name in ("delivered_bytes", "deficit_bytes", "drops", "rtos", "window_s", "flows"):
        assert summed["total"][name] == whole["total"][name], name
    assert summed["flows"] == []
    assert summed["reached"] == whole["reached"] == 4


def test_where_nothing_is_sampled_bytes_are_not_known_and_drops_are() -> None:
    nothing = grouped("record: {flows: none}\n")
    metrics = measure(nothing, nothing)
    total = metrics["swaps"][0]["total"]
    assert total["delivered_bytes"] is None
    assert total["deficit_bytes"] is None
    assert total["drops"] == measure(grouped())["swaps"][0]["total"]["drops"]
    # borders are exact all the same
    assert [row["goodput_bps"] for row in metrics["implementations"]] == [
        row["goodput_bps"] for row in measure(grouped())["implementations"]
    ]


# --- marks ---

MARKED = """
duration: 2 s
twins: false
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 2 BDP, ecn: {mark_above: 20 packets}}
flows:
  - {name: d, congestion: dctcp}
  - {name: c, congestion: cubic}
swaps: [{at: 1 s, via: setsockopt, flows: [d], to: reno}]
"""


def test_marks_are_told_of_each_flow_and_phase_and_of_the_link() -> None:
    result = run(MARKED)
    metrics = measure(result)
    counted = {flow.name: flow.counters.get("packets_marked", 0) for flow in result.flows}
    by_flow = {
        name: [row["marks"] for row in metrics["flows"] if row["flow"] == name] for name in "dc"
    }
    assert sum(by_flow["d"]) == counted["d"] > 0
    assert by_flow["c"] == [0, 0]  # it is not ECN-capable
    assert [row["marks"] for row in metrics["links"]] == by_flow["d"]
    assert metrics["swaps"][0]["total"]["marks"] == by_flow["d"][1]
    (link,) = result.links
    assert int(link.marks[-1]) == len(link.mark_t_ns) == counted["d"]
    assert result.flows[0].marks[-1] == counted["d"]
    assert set(link.mark_flow.tolist()) == {0}
    assert (link.mark_t_ns[1:] >= link.mark_t_ns[:-1]).all()


def test_a_tally_counts_from_a_spans_start_up_to_its_end() -> None:
    result = run(MARKED)
    times = result.links[0].mark_t_ns
    tally = Tally(result)
    first, tenth = int(times[0]), int(times[9])
    assert tally.marks(0, first, tenth) == int((times < tenth).sum())
    assert tally.marks(0, first, tenth + 1) == int((times <= tenth).sum())
    assert tally.marks(1, 0, 2 * S) == 0


# --- fairness ---


def test_a_flow_that_has_only_shaken_hands_does_not_halve_jains_index() -> None:
    # the second flow starts 45 ms before the swap: it could send for some 12 ms of the phase
    text = """
duration: 2 s
twins: false
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
flows: [{name: f, congestion: cubic}, {name: late, congestion: cubic, start: 955 ms}]
swaps: [{at: 1 s, via: setsockopt, flows: [f], to: reno}]
"""
    result = run(text)
    late = result.flows[1]
    assert late.established_ns is not None
    able_s = (S - late.established_ns) / S
    assert 0 < able_s < 0.02  # its first ACK comes an RTT later
    first, _ = measure(result)["fairness"]
    # one flow for 979 ms (from its own handshake on), one without a byte for what is left
    assert first["jain_index"] == pytest.approx(0.97996 / (0.97996 + able_s), abs=1e-4)


def test_a_flow_whose_handshake_is_under_way_does_not_count_at_all() -> None:
    text = """
duration: 1 s
twins: false
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
flows: [{name: f, congestion: cubic}, {name: late, congestion: cubic, start: 990 ms}]
"""
    assert measure(run(text))["fairness"][0]["jain_index"] == 1


# --- the interval of the record ---

VARIED = """
duration: 2 s
path: {{rate: 10 Mbit/s, rtt: 30 ms, buffer: 1 BDP, loss: 0.1 %, ecn: {{mark_above: 10 packets}}}}
links: {{fleet: cubic}}
flows:
  - {{name: a, congestion: fleet, count: 2, start_every: 103 ms}}
  - {{name: d, congestion: dctcp, start: 7 ms, size: 300 kB}}
swaps:
  - {{at: 701234567 ns, via: sweep, flows: [a-1, a-2], to: reno, over: 333 ms}}
  - {{at: 1500 ms, via: staged, link: fleet, to: bbr, steps: [50 %, 100 %], pause: 200 ms,
     guard: {{metric: rtt_p99, threshold: 1 %, window: 100 ms}}}}
record: {{interval: {interval}}}
"""


@cache
def varied(interval: str) -> dict[str, Any]:
    return document(VARIED.format(interval=interval))


@pytest.mark.parametrize("interval", ["1 ms", "7 ms", "20 ms", "300 ms", "700 ms", "3 s"])
def test_no_metric_depends_on_what_is_recorded(interval: str) -> None:
    assert varied(interval) == varied("10 ms")


def test_the_run_whose_record_varies_has_something_of_everything() -> None:
    first, second = varied("10 ms")["swaps"]
    assert first["total"]["deficit_bytes"] != 0
    assert first["total"]["marks"] > 0
    assert second["outcome"].startswith("rolled back: rtt_p99")
    assert {row["flow"] for row in varied("10 ms")["flows"]} == {"a-1", "a-2", "d"}


# --- the case that made them one window ---


def test_a_staggered_sweep_on_a_busy_link_gains_nothing() -> None:
    text = """
duration: 30 s
seed: 1
path: {rate: 50 Mbit/s, rtt: 20 ms, buffer: 1 BDP, loss: 0.001 %}
flows:
  - {name: bulk, congestion: reno, count: 2, start_every: 500 ms}
swaps:
  - {at: 12 s, via: sweep, flows: [bulk], to: bbr, over: 3 s}
"""
    (row,) = document(text)["swaps"]
    total = row["total"]
    assert (total["from_s"], total["to_s"]) == (12, 25)
    # a link of 50 Mbit/s carries at most 81.25 MB in 13 s, 78.4 of payload
    assert 77e6 < total["delivered_bytes"] < total["delivered_a_bytes"] < 78.6e6
    assert 0.5e6 < total["deficit_bytes"] < 0.7e6
    assert sum(one["deficit_bytes"] for one in row["flows"]) == total["deficit_bytes"]
    assert [one["at_s"] * S for one in row["flows"]] == [12 * S, 15 * S]
