"""The simulation of a recorded transfer, built from the recording's description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ccsim.net.loss import BernoulliLoss
from ccsim.scenario import WOKEN, Scenario, parse_scenario
from ccsim.sim.traces import SimResult
from ccsim.sim.world import World
from ccsim.tcp.writer import BulkWriter
from ccsim.units import NS_PER_S
from ccsim.verify.trace import Trace
from ccsim.verify.trace_requirements import is_random

__all__ = ["scenario_of", "simulate_trace"]

HOST_US = 50  # what both hosts add to a round trip on average: 45 to 55 µs in the recordings
HOST_MEAN_US = 15  # what a host that has to be woken takes of a packet, and of an ACK
HOST_LEAST_US = HOST_US - 2 * HOST_MEAN_US  # and at the least, 18 to 27 µs
MACHINE = "machine"  # both hosts and the path are on one, which stalls as a whole
MOST_US = 1_000_000.0  # that a stall lasts
FINE_NS = 100_000  # how closely the moment of a swap is found
AFTER_NS = 2_000_000_000  # how much later it may be here than in the recording


def scenario_of(
    trace: Trace,
    seed: int = 1,
    instants: Sequence[int] | None = None,
    *,
    late: bool | None = None,
) -> Scenario:
    """Return the scenario of a recording; ``instants`` are when its swaps happen [ns], if
    not when they were recorded; ``late`` as for `simulate_trace`."""
    meta = trace.meta
    late = is_random(trace) if late is None else late
    if instants is None:
        instants = [swap.t_ns for swap in trace.swaps]
    rtt_us = round(meta["rtt_ms"] * 1000) + (HOST_LEAST_US if late else HOST_US)
    lines = [
        f"name: {_plain(trace.name)}",
        f"duration: {meta['duration_s']} s",
        f"seed: {seed}",
        f"path: {{rate: {round(meta['rate_bps'])} bit/s, rtt: {rtt_us} us,"
        f" buffer: {meta['buffer_pkts']} packets, loss: {meta['loss_prob']}}}",
        "record: {interval: 10 ms}",
        *_object_lines(meta),
        *(_late_lines(meta) if late else []),
        "flows:",
    ]
    machine = f", hosts: [{MACHINE}, {MACHINE}]" if late else ""
    for k, spec in enumerate(meta["flows"]):
        start_us = round(spec["start_s"] * 1e6)
        what = f"congestion: {spec['cc']}, start: {start_us} us{machine}"
        lines.append(f"  - {{name: flow{k}, {what}}}")
    swaps = _swap_lines(trace, instants)
    if swaps:
        lines += ["swaps:", *swaps]
    return parse_scenario("\n".join(lines) + "\n", f"{trace.name}.yaml")


def simulate_trace(trace: Trace, seed: int = 1, *, late: bool | None = None) -> SimResult:
    """Simulate a recording, with the very losses that the recording drew at random.

    What else is left to chance comes from the seed: BBR's first phase and, with ``late``, how late
    the hosts are (`ccsim.sim.lateness`). None: where that matters (`is_random`).
    """
    late = is_random(trace) if late is None else late
    scenario = scenario_of(trace, seed, _instants(trace, seed, late), late=late)
    return _run(trace, scenario)


def _run(trace: Trace, scenario: Scenario) -> SimResult:
    world = World(scenario)
    meta = trace.meta
    if meta["loss_prob"] > 0:
        assert world.link is not None
        world.link.fifo.loss = BernoulliLoss(meta["loss_prob"], meta["loss_seed"])
    for flow in world.flows:
        flow.receiving.receiver.writer = BulkWriter()
    world.run()
    return world.result()


def _instants(trace: Trace, seed: int, late: bool) -> list[int]:
    """Return when each swap happens [ns]: when it was recorded, or, where packets are lost at
    random, once as many were delivered as then.

    Random losses are drawn packet by packet, so it is the place in the sequence of packets that
    decides between which losses a swap falls; at the recorded time the simulation may be some
    dozens of packets ahead or behind.
    """
    if trace.meta["loss_prob"] == 0:
        return [swap.t_ns for swap in trace.swaps]
    instants: list[int] = []
    for swap in trace.swaps:
        scenario = scenario_of(trace, seed, instants, late=late)
        scenario = replace(
            scenario,
            record=replace(scenario.record, interval_ns=FINE_NS),
            duration_ns=min(scenario.duration_ns, swap.t_ns + AFTER_NS),
        )
        flow = _run(trace, scenario).flows[swap.flow]
        rates = flow.throughput_bps.astype(np.float64)
        delivered = np.cumsum(rates) * (FINE_NS / NS_PER_S / 8 / flow.mss_bytes)
        row = int(np.searchsorted(delivered, swap.delivered - 0.5))
        instants.append(int(flow.t_ns[row]) if row < len(flow.t_ns) else swap.t_ns)
    return instants


def _late_lines(meta: dict[str, Any]) -> list[str]:
    """Return the line that has hosts as late as a recording says that they were."""
    p99, p999, longest = _quantiles_us(meta)
    stalls = f"{{p99: {p99:.3f} us, p999: {p999:.3f} us, max: {longest:.3f} us}}"
    delay = ", ".join(f"{{time: {point['time']}, cdf: {point['cdf']}}}" for point in WOKEN)
    return [f"hosts: {{lateness: {{delay: [{delay}], stalls: {stalls}}}}}"]


def _quantiles_us(meta: dict[str, Any]) -> tuple[float, float, float]:
    """Return how late 1 %, 0.1 % and the latest were [us], each more than the one before; next to
    nothing where a recording does not say."""
    told = meta.get("emulator", {}).get("fwd_lateness_us", {})
    p99 = max(float(told.get("p99", 0)), 1.0)
    p999 = max(float(told.get("p999", 0)), 1.5 * p99)
    return p99, p999, min(max(float(told.get("max", 0)), p999), MOST_US)


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name)


def _object_lines(meta: dict[str, Any]) -> list[str]:
    """Return the lines that attach the recording's own struct_ops maps, if it has any."""
    if "bpf" not in meta:
        return []
    file = Path(__file__).with_name("btr.py")
    return [f"objects: ['{file}']", f"links: {{{meta['bpf']['name']}: T1}}"]


def _swap_lines(trace: Trace, instants: Sequence[int]) -> list[str]:
    meta = trace.meta
    lines = [
        f"  - {{at: {-(-t_ns // 1000)} us, via: setsockopt,"
        f" flows: [flow{swap.flow}], to: {swap.to}}}"
        for swap, t_ns in zip(trace.swaps, instants, strict=False)
    ]
    if "bpf" in meta:
        at_us = round(meta["bpf"]["link_update_t_s"] * 1e6)
        link = meta["bpf"]["name"]
        lines.append(f"  - {{at: {at_us} us, via: link_update, link: {link}, to: T2}}")
    return lines
