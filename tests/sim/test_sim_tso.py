"""Bursts of segmentation offload in a run: what they do to the queue, and equality."""

from __future__ import annotations

import numpy as np
import pytest

from ccsim.net.batch import Batch
from ccsim.sim.world import World
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.sim.sim_rig import MS, resolved, run, scenario_of

TEXT = """
duration: 4 s
path: {rate: 60 Mbit/s, rtt: 40 ms, buffer: 2 BDP}
flows:
  - {name: a, congestion: bbr}
"""
EQUAL = """
duration: 1500 ms
path: {rate: 48 Mbit/s, rtt: 20 ms, buffer: 40 packets, loss: 0.1 %, ecn: {mark_above: 30 packets}}
flows:
  - {name: a, congestion: bbr}
  - {name: b, congestion: bbr, start: 200 ms, source: {write: 100 kB, every: 40 ms}}
  - {name: c, congestion: cubic, ecn: true, receiver: {rwnd: 60 kB}}
swaps:
  - {at: 700 ms, via: setsockopt, flows: [a], to: reno}
tcp: {tso: true}
"""


def departures(tso: bool, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return when the packets of the flow leave [ns]."""
    world = World(scenario_of(TEXT + f"tcp: {{tso: {str(tso).lower()}}}\n"))
    flow = world.flows[0]
    times: list[int] = []
    collect = flow.collect

    def noted(until_ns: int) -> Batch | None:
        batch = collect(until_ns)
        if batch is not None:
            times.extend(np.asarray(batch.arrivals).tolist())
        return batch

    monkeypatch.setattr(flow, "collect", noted)
    world.run()
    return times


@pytest.mark.pure
@pytest.mark.parametrize(("tso", "packets"), [(True, 4), (False, 1)])
def test_a_paced_flow_comes_in_bursts_of_a_millisecond(
    tso: bool, packets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 60 Mbit/s carry 7.24 MB/s of payload, of which BBR paces 99 %: a 1024th of that is 7,000 B,
    # four packets; for one round in eight it is a quarter more, for one a quarter less
    late = np.array([t for t in departures(tso, monkeypatch) if t > 3000 * MS])
    bursts = np.unique(late, return_counts=True)[1]
    assert int(np.median(bursts)) == packets
    assert len(late) == pytest.approx(5000, rel=0.05)


def test_an_unpaced_flow_is_not_touched() -> None:
    text = TEXT.replace("bbr", "cubic")
    smooth, bursts = run(text), run(text + "tcp: {tso: true}\n")
    assert (smooth.flows[0].snd_cwnd == bursts.flows[0].snd_cwnd).all()


def test_equality_holds_with_bursts() -> None:
    scenario = resolved(EQUAL)
    assert check(Example(scenario, (7 * MS, 1 * MS)), scenario) == ""
