"""The simulation of a recorded transfer, built from the recording's description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ccsim.net.loss import BernoulliLoss
from ccsim.scenario import parse_scenario
from ccsim.sim.traces import SimResult
from ccsim.sim.world import World
from ccsim.tcp.writer import BulkWriter
from ccsim.verify.trace import Trace

__all__ = ["scenario_of", "simulate_trace"]

HOST_US = 50  # what both hosts add to a round trip: 45 to 55 µs in the recordings
OFFSET_RTTS = 3  # from seed to seed the second of two flows starts 1/3 round trip later


def scenario_of(trace: Trace, seed: int = 1, later_ns: int = 0) -> dict[str, Any]:
    """Return the resolved scenario of a recording; from seed to seed a second flow starts a little
    later.

    Swaps happen when they were recorded, or ``later_ns`` after that, so that whichever ACK came
    first there comes first here.
    """
    meta = trace.meta
    rtt_us = round(meta["rtt_ms"] * 1000) + HOST_US
    lines = [
        f"name: {_plain(trace.name)}",
        f"duration: {meta['duration_s']} s",
        f"seed: {seed}",
        f"path: {{rate: {round(meta['rate_bps'])} bit/s, rtt: {rtt_us} us,"
        f" buffer: {meta['buffer_pkts']} packets, loss: {meta['loss_prob']}}}",
        "record: {interval: 10 ms}",
        *_object_lines(meta),
        "flows:",
    ]
    for k, spec in enumerate(meta["flows"]):
        start_us = round(spec["start_s"] * 1e6) + (rtt_us // OFFSET_RTTS * (seed - 1) if k else 0)
        lines.append(f"  - {{name: flow{k}, congestion: {spec['cc']}, start: {start_us} us}}")
    swaps = _swap_lines(trace, later_ns)
    if swaps:
        lines += ["swaps:", *swaps]
    return dict(parse_scenario("\n".join(lines) + "\n", f"{trace.name}.yaml").resolved())


def simulate_trace(trace: Trace, seed: int = 1, later_ns: int = 0) -> SimResult:
    """Simulate a recording, with the very losses that the recording drew at random."""
    world = World(scenario_of(trace, seed, later_ns))
    if trace.meta["loss_prob"] > 0:
        world.link.fifo.loss = BernoulliLoss(trace.meta["loss_prob"], trace.meta["loss_seed"])
    for flow in world.flows:
        flow.receiver.writer = BulkWriter()
    world.run()
    return world.result()


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name)


def _object_lines(meta: dict[str, Any]) -> list[str]:
    """Return the lines that attach the recording's own struct_ops maps, if it has any."""
    if "bpf" not in meta:
        return []
    file = Path(__file__).with_name("btr.py")
    return [f"objects: ['{file}']", f"links: {{{meta['bpf']['name']}: T1}}"]


def _swap_lines(trace: Trace, later_ns: int) -> list[str]:
    meta = trace.meta
    lines = [
        f"  - {{at: {(swap.t_ns + later_ns) // 1000} us, via: setsockopt,"
        f" flows: [flow{swap.flow}], to: {swap.to}}}"
        for swap in trace.swaps
    ]
    if "bpf" in meta:
        at_us = round(meta["bpf"]["link_update_t_s"] * 1e6)
        link = meta["bpf"]["name"]
        lines.append(f"  - {{at: {at_us} us, via: link_update, link: {link}, to: T2}}")
    return lines
