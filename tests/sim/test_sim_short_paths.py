"""The shorter ways through the scalar sender change nothing: taken away, the same bytes come out.

plain ACK: `ccsim.tcp.input._plain_ack`; one more packet SACKed: `ccsim.tcp.usual_sack`; paced
packets in plain order: `ccsim.tcp.pacer.send_paced`.
"""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.compiled import in_use
from tests.sim.sim_rig import scenario_of

if in_use():
    pytest.skip("reaches into functions that are machine code here", allow_module_level=True)

from ccsim.sim import sender_events as rows
from ccsim.sim import simulate
from ccsim.tcp import input as tcp_input
from ccsim.tcp import sack_blocks
from ccsim.tcp import usual_sack as recovery_ack
from ccsim.verify.fuzz.equality import difference
from tests.planting import plant

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
    (rows, "send_paced"),
]


CROWD = """
name: crowd
duration: 3 s
path: {rate: 30 Mbit/s, rtt: 30 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: bbr}
  - {name: b, congestion: bbr, start: 100 ms}
  - {name: c, congestion: bbr, start: 200 ms}
  - {name: d, congestion: bbr, start: 300 ms}
  - {name: e, congestion: reno, start: 400 ms}
"""
SLOW = """
name: slow
duration: 4 s
seed: 4
path: {rate: 1200 kbit/s, rtt: 20 ms, buffer: 60 packets, loss: 0.5 %, ack_loss: 60 %}
flows: [{name: a, congestion: bbr}, {name: b, congestion: bbr, start: 1 ms}]
"""
IN_RECOVERY = [(tcp_input, "usual_sack")]
PLANTED = [
    (recovery_ack._after_retransmission, "sk.retrans_out -= 1", "pass"),
    (recovery_ack._send, "full or nxt >= sk.write_limit or nxt >= una + sk.rwnd", "True"),
    (sack_blocks.only_new, "return end - 1", "return end - 2"),
    (recovery_ack._take_tag, "rs.prior_mstamp = packets.delivered_us[i]", "pass"),
]


@pytest.mark.parametrize(("module", "name"), SHORT_PATHS, ids=[name for _, name in SHORT_PATHS])
def test_without_a_short_path_the_result_is_the_same(
    module: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert without(module, name, LOSSES, monkeypatch) > 50


@pytest.mark.parametrize(("module", "name"), IN_RECOVERY, ids=[name for _, name in IN_RECOVERY])
def test_in_a_crowd_whose_losses_never_end_neither(
    module: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert without(module, name, CROWD, monkeypatch) > 3000


def test_where_the_rto_comes_before_the_loss_probe_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    assert without(rows, "send_paced", SLOW, monkeypatch) > 50


def without(module: Any, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Require that a scenario's result is the same without a short path; return how often that is
    taken with it, so that its absence is known to test something."""
    scenario = scenario_of(text)
    taken: list[bool] = []
    short = getattr(module, name)

    def counted(*args: Any) -> bool:
        taken.append(bool(short(*args)))
        return taken[-1]

    with monkeypatch.context() as patch:
        patch.setattr(module, name, counted)
        expected = simulate(scenario)
    monkeypatch.setattr(module, name, lambda *args: False)
    assert difference(simulate(scenario), expected) == ""
    return sum(taken)


@pytest.mark.parametrize(("function", "old", "new"), PLANTED)
def test_a_bug_in_a_short_path_shows_in_a_crowd(
    function: Any, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = scenario_of(CROWD)
    with monkeypatch.context() as patch:
        for module, name in IN_RECOVERY:
            patch.setattr(module, name, lambda *args: False)
        expected = simulate(scenario)
    plant(monkeypatch, function, old, new)
    assert difference(simulate(scenario), expected) != ""
