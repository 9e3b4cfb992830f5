"""Every field that hooks may read, and every hook, is of use: something in a run fills or calls it,
or it is listed here with the reason why it stays as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.fields import ACK_SAMPLE, RATE_SAMPLE, SOCKET
from ccsim.kernel.verifier import MEMBERS
from ccsim.sim.world import World
from tests.sim.sim_rig import scenario_of

SCENARIOS = {
    "losses": "path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 30 packets, loss: 0.01}\n",
    "marks": "path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 90 packets,"
    " ecn: {mark_above: 9 packets}}\n",
    "lost ACKs": "path: {rate: 2 Mbit/s, rtt: 40 ms, buffer: 5 packets, ack_loss: 0.4}\n",
}
CONSTANT = {
    "snd_cwnd_clamp": "nothing but a module sets it",
    "max_pacing_rate": "SO_MAX_PACING_RATE is not set",
    "pacing_shift": "the host's setting",
    "gso_max_size": "the host's setting",
    "mss_cache": "one MSS for the connection",
    "advmss": "one MSS for the connection",
    "hz": "the host's setting",
    "snd_wnd": "the window of a flow is fixed",
    "rcv_nxt": "the sender's peer sends no data; the receiving end's moves",
    "ack_pending": "the sender's peer sends no data; the receiving end's changes",
    "ca_setsockopt": "chosen once, before the connection",
    **dict.fromkeys(
        (
            *("reordering", "reord_seen", "rack_dsack_seen", "rack_last_delivered"),
            *("rack_reo_wnd_steps", "rack_reo_wnd_persist"),
        ),
        "no path here changes the order of data; the recorded episodes do",
    ),
}
NEVER_CALLED = {
    "get_info": "ss asks for it in Linux; here who wants an algorithm's state reads its area",
    "sndbuf_expand": "the send buffer does not grow",
}


@pytest.fixture(scope="module")
def seen() -> tuple[dict[str, set[int]], set[str]]:
    """Return the values that the fields had at any hook of two algorithms, and the hooks called."""
    values: dict[str, set[int]] = defaultdict(set)
    called: set[str] = set()

    def watched(member: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        def hear(sk: Any, *args: Any) -> Any:
            called.add(member)
            for name in SOCKET:
                if name not in ("ca", "ca_ops"):
                    values[name].add(int(getattr(sk, name)))
            sample = args[-1] if args else None
            known = {"cong_control": RATE_SAMPLE, "pkts_acked": ACK_SAMPLE}.get(member, {})
            for name in known:
                values[f"{member}: {name}"].add(int(getattr(sample, name)))
            return hook(sk, *args)

        return hear

    def guard(ops: TcpCongestionOps) -> TcpCongestionOps:
        hooks: dict[str, Any] = {
            member: watched(member, getattr(ops, member) or (lambda *args: None))
            for member in MEMBERS
            if getattr(ops, member) is not None
            or member in ("set_state", "cwnd_event", "pkts_acked", "in_ack_event", "release")
        }
        return replace(ops, **hooks, train=None, sack_train=None, rtt_floor=None)

    flows = (
        "flows: [{name: a, congestion: bbr, ecn: true}, {name: b, congestion: cubic, ecn: true},"
        " {name: c, congestion: bbr, size: 300 B, start: 1 s}, {name: d, congestion: bbr,"
        " start: 1 s, source: {write: 2000 B, every: 60 ms}, ecn: true}]\n"
        "tcp: {tso: true}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "always_paranoid", False)  # whose tables these would not be
        for path in SCENARIOS.values():
            world = World(scenario_of("duration: 5 s\n" + path + flows))
            kernel = world.registry.kernel.tcp_cong
            kernel._guard = guard
            for found in kernel.implementations():
                found.ops = guard(found.ops)
            world.run()
    return values, called


@pytest.mark.pure
def test_every_field_of_a_socket_moves_or_has_a_reason(seen: Any) -> None:
    values, _ = seen
    still = {name for name in SOCKET if name not in ("ca", "ca_ops") and len(values[name]) < 2}
    assert still == set(CONSTANT)


@pytest.mark.pure
def test_every_field_of_the_samples_moves(seen: Any) -> None:
    values, _ = seen
    for member, fields in (("cong_control", RATE_SAMPLE), ("pkts_acked", ACK_SAMPLE)):
        assert [name for name in fields if len(values[f"{member}: {name}"]) < 2] == []


@pytest.mark.pure
def test_every_hook_is_called_or_has_a_reason(seen: Any) -> None:
    _, called = seen
    assert set(MEMBERS) - called == set(NEVER_CALLED)
