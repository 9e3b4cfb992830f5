"""The shorter ways through the scalar sender change nothing: taken away, the same bytes come out.

plain ACK: `ccsim.tcp.input._plain_ack`; one more packet SACKed: `ccsim.tcp.recovery_ack`; paced
packets in plain order: `ccsim.tcp.pacer.send_paced`; one in Recovery: `send_one` there.
"""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.sim import flow, simulate
from ccsim.sim.fuzz import difference
from ccsim.tcp import input as tcp_input
from ccsim.tcp import pacer
from tests.sim.sim_rig import resolved

LOSSES = """
name: losses
duration: 4 s
path: {rate: 20 Mbit/s, rtt: 30 ms, buffer: 1 BDP, loss: 0.3 %}
flows: [{name: a, congestion: cubic}, {name: b, congestion: bbr, start: 300 ms}]
swaps: [{at: 2 s, via: setsockopt, flows: [b], to: reno}]
"""
SHORT_PATHS = [
    (tcp_input, "_plain_ack"),
    (tcp_input, "usual_sack"),
    (flow, "send_paced"),
    (pacer, "send_one"),
]


@pytest.mark.parametrize(("module", "name"), SHORT_PATHS, ids=[name for _, name in SHORT_PATHS])
def test_without_a_short_path_the_result_is_the_same(
    module: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = resolved(LOSSES)
    taken: list[bool] = []
    short = getattr(module, name)

    def counted(*args: Any) -> bool:
        taken.append(bool(short(*args)))
        return taken[-1]

    with monkeypatch.context() as patch:
        patch.setattr(module, name, counted)
        expected = simulate(scenario)
    assert sum(taken) > 50  # the path is taken, so that its absence tests something
    monkeypatch.setattr(module, name, lambda *args: False)
    assert difference(simulate(scenario), expected) == ""
