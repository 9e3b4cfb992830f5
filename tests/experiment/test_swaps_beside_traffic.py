"""What a swap cost where datagrams are dropped beside the flow: they are nobody's."""

from __future__ import annotations

from ccsim.experiment.measure import measure
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate

TEXT = """
duration: 1 s
path: {rate: 2 Mbit/s, rtt: 20 ms, buffer: 4 packets}
flows: [{name: bulk, congestion: cubic}]
traffic: [{name: noise, size: 1200 B, rate: 1 Mbit/s}]
swaps: [{at: 1 ms, via: setsockopt, flows: [bulk], to: reno}]
"""


def test_a_dropped_datagram_counts_for_no_flow() -> None:
    scenario = parse_scenario(TEXT, "t.yaml")
    result, twin = simulate(scenario), simulate(scenario.without_swaps())
    datagrams, packets = result.traffic[0].packets_dropped, result.flows[0].counters
    assert datagrams > 0
    assert packets["packets_dropped"] > 0
    total = measure(result, twin)["swaps"][0]["total"]
    assert total["flows"] == 1
    assert total["drops"] == packets["packets_dropped"]
    assert len(result.links[0].drop_t_ns) == total["drops"] + datagrams
