"""Invariants at run time: for each, a planted bug that it catches, and the same run without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ccsim.errors import InvariantError
from ccsim.kernel.tcp_cong import TcpCong
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.world import World
from ccsim.spec import Scenario
from ccsim.tcp.cwnd import cwnd_reduction
from tests.planting import plant
from tests.sim.sim_rig import run, scenario_of

SWAP = """\
duration: 1 s
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 20 packets}
links: {fleet: cubic}
flows:
  - {name: a, congestion: fleet}
  - {name: b, congestion: reno, stop: 800 ms}
swaps:
  - {at: 300 ms, via: link_update, link: fleet, to: bbr}
  - {at: 400 ms, via: setsockopt, flows: [a], to: fleet}
  - {at: 500 ms, via: setsockopt, flows: [b], to: vegas}
"""

SPURIOUS = """\
duration: 2.5 s
path: {rate: 5 Mbit/s, rtt: 10 ms, buffer: 3000 packets}
flows:
  - {name: victim, congestion: reno}
  - {name: burst, congestion: reno, start: 100 ms, count: 60, size: 14480 B}
swaps: [{at: 1.3 s, via: setsockopt, flows: [victim], to: cubic}]
"""


def violation(text: str) -> str:
    with pytest.raises(InvariantError) as raised:
        run(text)
    return str(raised.value)


@pytest.mark.parametrize("text", [SWAP, SPURIOUS], ids=["swaps", "a spurious timeout"])
def test_without_a_bug_nothing_is_violated(text: str) -> None:
    assert run(text).failed == ""


def test_an_implementation_that_was_released_must_not_be_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stale = "old = sk.ca_ops; _bind(sk, ca); sk.ca_ops = old if sk.sk_state == 1 else sk.ca_ops"
    plant(monkeypatch, TcpCong.reinit, "_bind(sk, ca)", stale)
    assert "is called after release: the socket is served by" in violation(SWAP)


def test_a_socket_must_run_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    stale = "old = sk.ca_ops; _bind(sk, ca); sk.ca_ops = old"
    plant(monkeypatch, TcpCong.reinit, "_bind(sk, ca)", stale)
    assert "a: it holds cubic, got cubic running" in violation(SWAP)  # the link's, the module's


def test_release_is_the_last_call(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, TcpCong.init, "sk.ca_initialized = True", "sk.ca_initialized = False")
    assert "before init or after release" in violation(SWAP)


def test_an_undo_must_not_cross_a_swap(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, TcpCong.init, "sk.prior_ssthresh = 0", "pass")
    assert "cubic: an undo crosses a swap" in violation(SPURIOUS)


def test_a_reference_too_many_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, TcpCong.set, "ca.owner.get()", "ca.owner.get(); ca.owner.get()")
    assert "expected a reference for each of" in violation(SWAP)


def test_a_reference_that_is_never_dropped_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, TcpCong.cleanup, "data.implementation.owner.put()", "pass")
    assert "expected a reference for each of" in violation(SWAP)


@pytest.mark.pure
def test_a_window_below_one_packet_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    old = "sk.snd_cwnd = flight + max(sndcnt, 0 if sk.prr_out else 1)"
    plant(monkeypatch, cwnd_reduction, old, "sk.snd_cwnd = 0")
    assert "expected cwnd of at least 1, got 0" in violation(SWAP)


@pytest.mark.pure
def test_packets_that_get_lost_in_the_accounts_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ccsim.sim.flow.receiving import ReceivingSide

    original = ReceivingSide.deliver

    def forgetful(self: ReceivingSide, batch: Any) -> None:
        original(self, batch)
        self.dropped += len(batch.seqs) > 5

    monkeypatch.setattr(ReceivingSide, "deliver", forgetful)
    assert "accounted for" in violation(SWAP)


ALGORITHM = """
from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd

def cong_avoid(sk, ack, acked):
    tcp_reno_cong_avoid(sk, ack, acked)
    BUG

mine = TcpCongestionOps(
    name="mine", ssthresh=tcp_reno_ssthresh, undo_cwnd=tcp_reno_undo_cwnd, cong_avoid=cong_avoid
)
"""


def of_mine(folder: Path, bug: str) -> Scenario:
    (folder / "mine.py").write_text(ALGORITHM.replace("BUG", bug), encoding="utf-8")
    text = "name: t\nobjects: [mine.py]\n" + SWAP.replace("to: vegas", "to: mine")
    return parse_scenario(text, "s.yaml", folder)


@pytest.mark.parametrize(
    ("bug", "message"),
    [
        ("sk.snd_cwnd = 0", "cong_avoid left snd_cwnd 0, expected a whole number from 1 to "),
        ("sk.pacing_rate = 0", "cong_avoid left pacing_rate 0, expected a whole number from 1 to "),
    ],
)
def test_a_users_algorithm_is_named_at_its_hook(tmp_path: Path, bug: str, message: str) -> None:
    assert message in simulate(of_mine(tmp_path, bug)).failed
    assert simulate(of_mine(tmp_path, "pass")).failed == ""


def test_checks_change_no_byte_and_are_off_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked = World(scenario_of(SWAP))
    checked.run()
    monkeypatch.setattr(World, "always_paranoid", False)
    plain = World(scenario_of(SWAP))
    plain.run()
    assert hasattr(checked.flow("a").sk.ca_ops.cong_control, "__wrapped__")
    assert not hasattr(plain.flow("a").sk.ca_ops.cong_control, "__wrapped__")
    for ours, theirs in zip(checked.result().flows, plain.result().flows, strict=True):
        assert ours.snd_cwnd.tolist() == theirs.snd_cwnd.tolist()
        assert ours.delivered_bytes.tolist() == theirs.delivered_bytes.tolist()
