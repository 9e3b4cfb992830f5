"""What comes first of things that happen at one instant."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.sim import sender_events as rows
from ccsim.sim.flow.flow import Flow
from ccsim.sim.sampler import Sampler
from ccsim.sim.world import World
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.host import NEVER
from ccsim.tcp.sender import Sender
from tests.sim.sim_rig import MS, scenario_of

TEXT = """
duration: 1 s
path: {rate: 12 Mbit/s, rtt: 20 ms, buffer: 10 packets}
flows:
  - {name: f, congestion: reno}
"""
T = 100 * MS


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let ACKs and timers do nothing but note that they came."""
    heard: list[str] = []

    def on_ack(sk: Any, t_ns: int, *_: Any) -> None:
        heard.append("ack")

    def fire_timer(sk: Any, t_ns: int) -> None:
        heard.append("rto")
        sk.timer_ns = NEVER

    def on_pacing_timer(sk: Any) -> None:
        heard.append("pacer")
        sk.pacing_ns = NEVER

    monkeypatch.setattr(rows, "on_ack", on_ack)
    monkeypatch.setattr(rows, "on_pacing_timer", on_pacing_timer)
    monkeypatch.setattr(Sender, "fire_timer", fire_timer)
    monkeypatch.setattr(Sampler, "write", lambda *_: heard.append("sample"))
    return heard


def tied_flow(log: list[str]) -> Flow:
    """Return a flow for which an ACK, both timers and a sample are due at one instant."""
    flow = World(scenario_of(TEXT)).flows[0]
    flow.sending.connected = True
    flow.recorder.start(T)
    flow.sk.timer_ns = flow.sk.pacing_ns = T
    flow.sending.acks.append(AckRows([(T, 1, 0, None)]))
    return flow


@pytest.mark.pure
def test_ack_before_rto_before_pacer_before_sample(log: list[str]) -> None:
    tied_flow(log).advance(T + 1)
    assert log == ["ack", "rto", "pacer", "sample"]


@pytest.mark.pure
def test_a_window_is_half_open(log: list[str]) -> None:
    flow = tied_flow(log)
    flow.advance(T)
    assert log == []
    flow.advance(T + 1)
    assert len(log) == 4


@pytest.mark.pure
def test_a_timer_a_nanosecond_earlier_fires_before_the_ack(log: list[str]) -> None:
    flow = tied_flow(log)
    flow.sk.timer_ns = T - 1
    flow.advance(T + 1)
    assert log == ["rto", "ack", "pacer", "sample"]


@pytest.mark.pure
def test_the_pacer_a_nanosecond_earlier_fires_before_both(log: list[str]) -> None:
    flow = tied_flow(log)
    flow.sk.pacing_ns = T - 1
    flow.advance(T + 1)
    assert log == ["pacer", "ack", "rto", "sample"]


@pytest.mark.pure
def test_a_sample_an_instant_earlier_sees_nothing_of_it(log: list[str]) -> None:
    flow = tied_flow(log)
    flow.recorder.next_ns = T - 1
    flow.advance(T + 1)
    assert log == ["sample", "ack", "rto", "pacer"]
