"""BBRv3 in transfers: the cycle as it unfolds, full links, losses, and CUBIC beside it.

Path: 100 Mbit/s, 40 ms, a BDP of 333 packets of 1500 bytes.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest

from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.loader import load_file
from ccsim.sim import registry
from ccsim.sim.traces import SimResult
from tests.sim.sim_rig import S, flow_of, run

STARTUP, DRAIN, DOWN, CRUISE, REFILL, UP, PROBE_RTT = range(7)
PATH = "path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: %s}\ntwins: false\n"


class Row(NamedTuple):
    """What an ACK leaves behind."""

    t_us: int
    state: int
    round: int
    pacing_rate: int
    cwnd: int
    ca_bdp: int


def alone(seconds: int, buffer: str = "1 BDP", congestion: str = "bbr3") -> str:
    return (
        f"duration: {seconds} s\n{PATH % buffer}flows:\n  - {{name: f, congestion: {congestion}}}\n"
    )


def spied(monkeypatch: pytest.MonkeyPatch, text: str) -> list[Row]:
    """Run a scenario and return what each ACK leaves behind."""
    rows: list[Row] = []

    def load(path: Any, sha256: str = "") -> tuple[dict[str, TcpCongestionOps], Any]:
        tables, policies = load_file(path, sha256)
        return {name: spy(ops) for name, ops in tables.items()}, policies

    def spy(ops: TcpCongestionOps) -> TcpCongestionOps:
        hook = ops.cong_control
        if hook is None:
            return ops

        def cong_control(sk: Any, ack: int, flag: int, rs: Any) -> None:
            hook(sk, ack, flag, rs)
            ca = sk.ca
            t_us, rate = sk.tcp_mstamp, sk.pacing_rate
            rows.append(Row(t_us, ca.state, ca.round_count, rate, sk.snd_cwnd, ca.bdp))

        return replace(ops, cong_control=cong_control)

    monkeypatch.setattr(registry, "load_file", load)
    assert run(text).failed == ""
    return rows


def phases(rows: list[Row]) -> list[list[Row]]:
    """Split into stays in one state."""
    cuts = [0, *(k for k in range(1, len(rows)) if rows[k].state != rows[k - 1].state), len(rows)]
    return [rows[a:b] for a, b in pairwise(cuts)]


def utilisation(result: SimResult) -> float:
    link = result.links[0]
    return int(link.departed_bytes[-1]) * 8 * S / (link.rate_bps * result.duration_ns)


def carried_mbit_per_s(result: SimResult, name: str, after_ns: int) -> float:
    flow = flow_of(result, name)
    begin = int(flow.t_ns.searchsorted(after_ns))
    sent = int(flow.delivered_bytes[-1] - flow.delivered_bytes[begin])
    return sent * 8e3 / int(flow.t_ns[-1] - flow.t_ns[begin])


def test_the_states_come_in_the_drafts_order_and_last_as_long_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stays = phases(spied(monkeypatch, alone(14)))
    order = [stay[0].state for stay in stays]
    assert order[:3] == [STARTUP, DRAIN, CRUISE]  # what DRAIN ends with ends DOWN too
    follows = {DOWN: {CRUISE, PROBE_RTT}, CRUISE: {REFILL, PROBE_RTT}, REFILL: {UP, PROBE_RTT}}
    follows |= {UP: {DOWN, PROBE_RTT}, PROBE_RTT: {CRUISE}}
    assert all(b in follows[a] for a, b in pairwise(order[2:]))
    assert order.count(PROBE_RTT) == 2  # every 5 s
    whole = stays[3:-1]
    rounds = {
        state: {stay[-1].round - stay[0].round + 1 for stay in whole if stay[0].state == state}
        for state in (REFILL, UP)
    }
    assert rounds[REFILL] == {1}
    assert min(rounds[UP]) == 3
    # the wait begins with DOWN, through which DRAIN and PROBE_RTT pass to CRUISE
    began = [b[0].t_us for a, b in pairwise(stays) if a[0].state in (DRAIN, UP, PROBE_RTT)]
    probes = [stay[0].t_us for stay in stays if stay[0].state == REFILL]
    waits = [min(t - b for b in began if b < t) for t in probes]
    assert all(wait <= 3_050_000 for wait in waits)
    for stay in whole:
        if stay[0].state == PROBE_RTT:
            span_us = stay[-1].t_us - stay[0].t_us
            assert 200_000 <= span_us <= 300_000
            assert min(row.cwnd for row in stay) == pytest.approx(333 / 2, abs=3)


def test_pacing_rates_are_the_states_gains_of_the_bandwidth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stays = phases(spied(monkeypatch, alone(8)))
    payload = 100e6 / 8 * 1448 / 1500 * 0.99
    gains = {DRAIN: 0.5, DOWN: 0.9, CRUISE: 1, REFILL: 1, UP: 1.25}
    for stay in stays[2:]:
        gain = gains.get(stay[0].state)
        if gain:
            assert stay[-1].pacing_rate == pytest.approx(gain * payload, rel=0.02)
    assert {stay[0].state for stay in stays} >= set(gains)


def test_a1_the_bandwidth_is_found_within_two_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    startup = phases(spied(monkeypatch, alone(1)))[0]
    assert startup[0].state == STARTUP
    assert startup[-1].ca_bdp == pytest.approx(333, rel=0.02)
    assert startup[-1].t_us < 700_000  # log2(333/10) rounds to fill, 3 to be sure, a queue


def test_a_single_flow_fills_the_link() -> None:
    assert 0.95 < utilisation(run(alone(12))) <= 1


def test_in_half_a_bdp_of_buffer_it_loses_a_third_of_what_version_1_does() -> None:
    drops = {
        congestion: int(run(alone(5, "0.5 BDP", congestion)).links[0].drops[-1])
        for congestion in ("bbr", "bbr3")
    }
    assert 0 < drops["bbr3"] < drops["bbr"] / 3


def test_cubic_keeps_twice_as_much_beside_it_as_beside_version_1() -> None:
    cubic = {}
    for congestion in ("bbr", "bbr3"):
        text = "duration: 20 s\npath: {rate: 50 Mbit/s, rtt: 40 ms, buffer: 1 BDP}\nflows:\n"
        text += "  - {name: a, congestion: cubic}\n"
        text += f"  - {{name: b, congestion: {congestion}, start: 1 s}}\n"
        cubic[congestion] = carried_mbit_per_s(run(text), "a", 5 * S)
    assert cubic["bbr3"] > 2 * cubic["bbr"]
    assert cubic["bbr3"] > 8


def test_random_losses_below_the_threshold_cost_it_far_less_than_cubic() -> None:
    path = "path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 1 BDP, loss: 0.5 %}\n"
    text = f"duration: 12 s\n{path}flows:\n  - {{name: f, congestion: CC}}\n"
    carried = {cc: utilisation(run(text.replace("CC", cc))) for cc in ("cubic", "bbr3")}
    assert carried["bbr3"] > 2 * carried["cubic"]


def test_a_path_of_less_than_a_packet_is_filled_with_four() -> None:
    text = "duration: 10 s\npath: {rate: 1 Mbit/s, rtt: 5 ms, buffer: 20 packets}\n"
    result = run(text + "flows:\n  - {name: f, congestion: bbr3}\n")
    flow = flow_of(result, "f")
    later = flow.t_ns > 2 * S
    assert int(flow.snd_cwnd[later].min()) == 4
    assert utilisation(result) > 0.95
    assert float(np.mean(result.links[0].queue_packets[result.links[0].t_ns > 2 * S])) < 6
