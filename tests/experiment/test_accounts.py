"""What metrics are worked out from, on its way from a worker and not in the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ccsim.jobs.handover import pack, unpack
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.account_tables import account_columns, account_lengths, without_accounts
from ccsim.sim.traces import Flows, SimResult
from ccsim.verify.fuzz.equality import difference

TEXT = """
duration: 505 ms
path: {{rate: 10 Mbit/s, rtt: 20 ms, buffer: 1 BDP, ecn: {{mark_above: 5 packets}}}}
flows:
  - {{name: a, congestion: dctcp}}
  - {{name: b, congestion: cubic, start: 103 ms, size: 20 kB}}
workloads: [{{name: w, arrivals: {{every: 200 ms}}, sizes: 10 kB, congestion: reno}}]
swaps: [{{at: 300 ms, via: setsockopt, flows: [a], to: reno}}]
record: {{interval: {interval}, flows: {flows}}}
"""


def run(interval: str = "7 ms", flows: str = "all") -> SimResult:
    text = TEXT.format(interval=interval, flows=flows)
    return simulate(parse_scenario(text, "t.yaml"))


@pytest.mark.parametrize("flows", ["all", "aggregate", "none", "[a]"])
@pytest.mark.parametrize("interval", ["7 ms", "10 ms", "1 s"])
def test_what_a_worker_hands_over_is_all_of_it(interval: str, flows: str) -> None:
    result = run(interval, flows)
    assert difference(unpack(pack(result)), result) == ""


def test_what_one_flow_has_and_another_lacks_stays_with_the_one() -> None:
    result = run()
    first, second = result.flows[:2]
    mixed = replace(result, flows=Flows((replace(first, meter=None, borders=None), second)))
    back = unpack(pack(mixed))
    assert back.flows[0].meter is None
    assert back.flows[0].borders is None
    assert difference(back, mixed) == ""


def test_a_meter_is_kept_only_where_the_record_has_other_instants() -> None:
    assert run("10 ms").flows[0].meter is None
    lengths = account_lengths(run("10 ms"))
    assert lengths["meters"] == [None] * 5  # two flows, three connections
    assert lengths["link_meters"] == [None]
    other = run("7 ms")
    meter, link = other.flows[0].meter, other.links[0].meter
    assert meter is not None
    assert link is not None
    # 0, 10, …, 500 ms of the run; 0, 7, …, 504 ms of the record
    assert meter.t_ns.tolist() == link.t_ns.tolist() == list(range(0, 505_000_000, 10_000_000))
    assert other.flows[0].t_ns.tolist() == list(range(0, 505_000_000, 7_000_000))
    assert other.flows[1].metered.t_ns[0] == 110_000_000  # it starts at 103 ms


def test_the_meter_has_what_a_record_of_ten_milliseconds_has() -> None:
    fine, coarse = run("10 ms"), run("1 s")
    for ours, theirs in zip(fine.flows, coarse.flows, strict=True):
        assert difference(ours.metered, theirs.metered) == ""  # type: ignore[arg-type]
        assert difference(ours.borders, theirs.borders) == ""  # type: ignore[arg-type]
    assert difference(fine.links[0].metered, coarse.links[0].metered) == ""  # type: ignore[arg-type]
    assert fine.rtts
    for one, other in zip(fine.rtts, coarse.rtts, strict=True):
        assert difference(one, other) == ""  # type: ignore[arg-type]


def test_borders_are_the_swap_the_end_of_the_flow_and_that_of_the_run() -> None:
    result = run()
    a, b = (flow.borders for flow in result.flows[:2])
    assert a is not None
    assert b is not None
    assert a.t_ns.tolist() == [300_000_000, 505_000_000]
    assert a.retransmissions[-1] == result.flows[0].counters["retransmissions"]
    assert b.delivered_bytes[-1] == 20_000
    assert b.t_ns[-1] < 300_000_000 or b.t_ns.tolist()[0] == 300_000_000


def test_the_store_keeps_none_of_it() -> None:
    bare = without_accounts(run(flows="aggregate"))
    assert account_columns(bare) == {}
    assert (bare.rtts, bare.crowds) == ((), ())
    assert all(flow.borders is None and flow.meter is None for flow in bare.flows)
    assert bare.groups


def test_a_crowd_has_what_its_flows_have_together() -> None:
    kept, summed = run("10 ms"), run("10 ms", "aggregate")
    crowds = {crowd.workload: crowd for crowd in summed.crowds}
    assert set(crowds) == {"", "w"}
    # 0, 10, …, 500 ms of 505
    assert {len(crowd.flows) for crowd in summed.crowds} == {51}
    assert {len(rtt.flows) for rtt in summed.rtts} == {51}
    for name, crowd in crowds.items():
        own = [flow for flow in kept.flows if flow.workload == name]
        for t_ns in (100_000_000, 300_000_000, 500_000_000):
            row = t_ns // 10_000_000
            expected = 0
            for flow in own:
                if flow.end_ns is not None and flow.end_ns <= t_ns:
                    assert flow.borders is not None
                    expected += int(flow.borders.delivered_bytes[-1])
                else:
                    at = flow.t_ns.searchsorted(t_ns)
                    expected += int(flow.delivered_bytes[at]) if flow.start_ns <= t_ns else 0
            assert crowd.delivered_bytes[row] == expected, (name, t_ns)
