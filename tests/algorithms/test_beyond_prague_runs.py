"""TCP Prague in transfers over a link that marks what waits longer than a millisecond.

50 Mbit/s: a packet of 1500 bytes takes 0.24 ms, so 4 packets wait a millisecond.
"""

from __future__ import annotations

import pytest

from ccsim.sim.traces import SimResult
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.sim.sim_rig import MS, S, resolved, run

PATH = "path: {rate: 50 Mbit/s, rtt: %s, buffer: 300 packets, ecn: {mark_above: 1 ms}}\nflows:\n"


def carried_mbit_per_s(result: SimResult, after_ns: int) -> list[float]:
    rates = []
    for flow in result.flows:
        begin = int(flow.t_ns.searchsorted(after_ns))
        sent = int(flow.delivered_bytes[-1] - flow.delivered_bytes[begin])
        rates.append(sent * 8e3 / int(flow.t_ns[-1] - flow.t_ns[begin]))
    return rates


def test_one_flow_fills_the_link_and_keeps_less_than_two_milliseconds_queued() -> None:
    result = run("duration: 8 s\n" + PATH % "20 ms" + "  - {name: a, congestion: prague}\n")
    link = result.links[0]
    later = link.t_ns > 3 * S
    assert carried_mbit_per_s(result, 3 * S)[0] > 0.98 * 50 * 1448 / 1500
    assert float(link.queue_packets[later].mean()) < 5
    assert int(link.queue_packets[later].max()) <= 9
    assert int(link.drops[-1]) == 0


def test_two_flows_share_equally() -> None:
    flows = "  - {name: a, congestion: prague}\n  - {name: b, congestion: prague, start: 1 s}\n"
    a, b = carried_mbit_per_s(run("duration: 15 s\n" + PATH % "20 ms" + flows), 5 * S)
    assert a == pytest.approx(b, rel=0.1)


def test_flows_of_5_and_25_ms_share_alike_where_dctcp_gives_nearly_all_to_the_shorter() -> None:
    ratio = {}
    for congestion in ("prague", "dctcp"):
        flows = f"  - {{name: a, congestion: {congestion}}}\n"
        flows += f"  - {{name: b, rtt: 25 ms, congestion: {congestion}}}\n"
        short, long = carried_mbit_per_s(run("duration: 12 s\n" + PATH % "5 ms" + flows), 4 * S)
        ratio[congestion] = short / long
    assert 0.7 < ratio["prague"] < 1.4
    assert ratio["dctcp"] > 5


def test_neither_cuts_nor_vector_paths_show_under_marking() -> None:
    flows = "  - {name: a, congestion: prague}\n  - {name: b, congestion: cubic, start: 200 ms}\n"
    flows += "tcp: {ecn: true}\n"
    swaps = "swaps:\n  - {at: 500 ms, via: setsockopt, flows: [a], to: dctcp}\n"
    swaps += "  - {at: 800 ms, via: setsockopt, flows: [a, b], to: prague}\n"
    scenario = resolved("duration: 1200 ms\n" + PATH % "20 ms" + flows + swaps)
    assert check(Example(scenario, (7 * MS, 1 * MS)), scenario) == ""


def test_it_leaves_a_recovery_in_which_pie_drops_all_but_a_tenth() -> None:
    """Slow start runs PIE's probability past 1, above a tenth of which nothing is marked; with a
    window of half the overshoot, 1068 packets where 66 fill the path, it would stay there."""
    path = "path: {rate: 40 Mbit/s, rtt: 20 ms, qdisc: {kind: pie, ecn: true}}\n"
    result = run("duration: 4 s\n" + path + "flows: [{name: a, congestion: prague}]\n")
    (flow,) = result.flows
    assert set(flow.ca_state[250:]) <= {0, 2}  # Open and CWR
    assert flow.counters["recoveries"] == 1
    assert flow.counters["packets_marked"] > 0
    assert carried_mbit_per_s(result, 3 * S)[0] > 0.98 * 40 * 1448 / 1500
