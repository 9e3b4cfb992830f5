"""L4S for real: Prague's packets are ECT(1), go to DualPI2's own queue, and share the line with
those of a classic sender; and what jitter, duplicates and a longer path do to a sender."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ccsim.scenario import parse_scenario
from ccsim.sim.flow.codepoints import Codepoints
from ccsim.sim.traces import FlowTrace
from ccsim.sim.world import World
from tests.digests.digests import digest

S = 1_000_000_000


def world(text: str, **options: Any) -> World:
    made = World(parse_scenario(f"name: x\n{text}", "x.yaml"), **options)
    made.run()
    return made


def flows(text: str) -> tuple[FlowTrace, ...]:
    return tuple(world(text).result().flows)


BESIDE = """
duration: 12 s
path: {rate: 40 Mbit/s, rtt: 10 ms, qdisc: dualpi2}
flows: [{name: p, congestion: prague}, {name: c, congestion: cubic}]
"""


def test_prague_shares_a_line_with_cubic_and_does_not_wait_in_its_queue() -> None:
    """RFC 9332 has them share about equally from 5 to 100 ms at 40 Mbit/s and more; L packets that
    waited a millisecond are marked, C packets wait for 15 ms."""
    prague, cubic = flows(BESIDE)
    late = prague.t_ns >= 4 * S
    share = [
        int(flow.delivered_bytes[-1] - flow.delivered_bytes[late][0]) for flow in (prague, cubic)
    ]
    assert 0.5 <= share[0] / share[1] <= 2
    waits_ms = [np.median(flow.srtt_us[late]) / 1000 - 10 for flow in (prague, cubic)]
    assert waits_ms[0] < 2
    assert 10 < waits_ms[1] < 20
    assert prague.counters["packets_dropped"] == 0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return when packets leave, and with which codepoint."""
    found: list[tuple[int, int]] = []
    real: Callable[..., int] = Codepoints.codepoint

    def codepoint(self: Codepoints, sent_ns: int, seq: int) -> int:
        bits = real(self, sent_ns, seq)
        if seq >= 0:
            found.append((sent_ns, bits))
        return bits

    monkeypatch.setattr(Codepoints, "codepoint", codepoint)
    return found


SWAPPED = """
duration: 3 s
path: {{rate: 10 Mbit/s, rtt: 20 ms, qdisc: dualpi2}}
flows: [{{name: a, congestion: prague}}]
swaps: [{{{when}, via: setsockopt, flows: [a], to: dctcp}}]
"""
AT_ONCE = "when: {flow: a, acked: 1 MB}"


@pytest.mark.pure
@pytest.mark.parametrize("when", ["at: 1 s", AT_ONCE])
def test_what_leaves_after_a_swap_bears_the_new_ones_codepoint(
    seen: list[tuple[int, int]], when: str
) -> None:
    made = world(SWAPPED.format(when=when))
    (swap,) = made.result().swaps
    assert {bits for t, bits in seen if t < swap.t_ns} == {1}
    assert {bits for t, bits in seen if t > swap.t_ns} == {2}


@pytest.mark.parametrize("when", ["at: 1 s", AT_ONCE])
def test_no_cut_shows_in_what_a_swap_at_once_has_packets_bear(when: str) -> None:
    text = SWAPPED.format(when=when)
    cuts: tuple[dict[str, Any], ...] = (
        {},
        {"vector": False},
        {"lookahead_ns": 3_456_789, "paranoid": True},
    )
    assert len({digest(world(text, **options).result()) for options in cuts}) == 1


@pytest.mark.pure
def test_dctcp_stays_ect_0(seen: list[tuple[int, int]]) -> None:
    world(
        "duration: 500 ms\npath: {rate: 10 Mbit/s, rtt: 20 ms, qdisc: dualpi2}\n"
        "flows: [{name: a, congestion: dctcp}]"
    )
    assert {bits for _, bits in seen} == {2}


def jittery(netem: str, more: str = "") -> World:
    return world(
        f"duration: 8 s\npath: {{rate: 20 Mbit/s, rtt: 40 ms, buffer: 2 BDP, netem: {netem}}}\n"
        f"{more}flows: [{{name: a, congestion: cubic}}]"
    )


def test_racks_window_widens_where_packets_overtake_one_another() -> None:
    """4 ms of jitter reorders packets that leave a millisecond and less apart."""
    sk = jittery("{delay: 5 ms, jitter: 4 ms}").flows[0].sk
    assert sk.counters["reorderings"] > 0
    assert sk.reord_seen
    steady = jittery("{delay: 5 ms}").flows[0].sk
    assert not steady.reord_seen


def test_a_static_window_is_not_widened() -> None:
    netem, static = "{delay: 20 ms, jitter: 19 ms}", "tcp: {recovery: 3}\n"
    widened, fixed = (jittery(netem, tcp).flows[0].sk for tcp in ("", static))
    assert widened.counters["dsacks"] > 0
    assert widened.rack_reo_wnd_steps > 1
    assert fixed.rack_reo_wnd_steps == 1


def test_duplicates_of_what_was_sent_once_prove_no_retransmission_needless() -> None:
    """Of some 13,000 packets 1 % come twice. More DSACKs than retransmissions tell the sender that
    the network made them (``tcp_dsack_seen``): it takes none for its own."""
    made = jittery("{delay: 5 ms, duplicate: 1 %}")
    flow = made.flows[0]
    assert made.result().flows[0].counters["packets_duplicated"] > 80
    assert flow.sk.counters["dsacks"] == flow.sk.counters["undos"] == 0
    assert not flow.sk.reord_seen
