"""Hand-made runs that look like real ones: sawtooth, plateau, late starts, many flows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH
from ccsim.sim.traces import Flows, FlowTrace, LinkTrace, SimResult, SwapRecord

MS, SECOND = 1_000_000, 1_000_000_000
BASE_RTT_NS = 40 * MS
BDP, BUFFER = 345, 345  # packets of 1448 bytes at 100 Mbit/s and 40 ms


@dataclass(frozen=True)
class Run:
    """What pictures need of a stored run."""

    result: SimResult
    scenario: dict[str, Any]
    twin_a: SimResult | None = None
    twin_b: SimResult | None = None


def scenario(name: str = "cubic-to-bbr", flows: int = 1) -> dict[str, Any]:
    """Return the part of a resolved scenario that pictures read."""
    return {
        "name": name,
        "path": {"rate_bps": 100_000_000, "rtt_ns": BASE_RTT_NS},
        "flows": [{"rtt_ns": None}] * flows,
    }


def columns(n: int, **given: Any) -> dict[str, Any]:
    """Return all columns of a flow, constant unless given."""
    usual = {
        "t_ns": np.arange(n) * 10 * MS,
        "snd_cwnd": 10,
        "ssthresh": TCP_INFINITE_SSTHRESH,
        "srtt_us": 40_000,
        "in_flight": 10,
        "pacing_rate_bps": -1,
        "delivered_bytes": np.arange(n) * 100_000,
        "throughput_bps": 80_000_000,
        "retransmissions": 0,
        "ca_state": 0,
        "marks": 0,
        "implementation": 0,
    }
    merged = {**usual, **given}
    return {k: np.broadcast_to(np.asarray(v, dtype=np.int64), n).copy() for k, v in merged.items()}


def flow(n: int, name: str = "bulk", maps: tuple[str, ...] = ("cubic",), **given: Any) -> FlowTrace:
    """Return a flow of ``n`` samples 10 ms apart."""
    own = {k: given.pop(k) for k in ("start_ns", "end_ns") if k in given}
    own = {"start_ns": 0, "end_ns": None, **own}
    return FlowTrace(
        name=name,
        congestion=maps[0],
        mss_bytes=1448,
        implementations=maps,
        **own,
        **columns(n, **given),
    )


def link(n: int, queue: Any = 0, drops: Any = (), random: Any = None) -> LinkTrace:
    """Return a 100 Mbit/s link with the given queue and drop times."""
    drop_t_ns = np.asarray(drops, dtype=np.int64)
    zeros = np.zeros(n, dtype=np.int64)
    return LinkTrace(
        name="bottleneck",
        rate_bps=100_000_000,
        buffer_packets=BUFFER,
        t_ns=np.arange(n) * 10 * MS,
        queue_packets=np.broadcast_to(np.asarray(queue, dtype=np.int64), n).copy(),
        drops=zeros,
        losses=zeros,
        marks=zeros,
        departed_bytes=zeros,
        utilisation_ppm=zeros,
        drop_t_ns=drop_t_ns,
        drop_flow=np.zeros(len(drop_t_ns), dtype=np.int64),
        drop_reason=np.asarray(
            np.zeros(len(drop_t_ns)) if random is None else random, dtype=np.int64
        ),
        mark_t_ns=np.empty(0, dtype=np.int64),
        mark_flow=np.empty(0, dtype=np.int64),
    )


def swap(t_s: float, old: str, new: str, via: str = "setsockopt", **given: Any) -> SwapRecord:
    """Return a swap at ``t_s`` [s]."""
    usual: dict[str, Any] = {"index": 0, "flows": ("bulk",), "label": f"{old} → {new}, {via}"}
    return SwapRecord(t_ns=int(t_s * SECOND), via=via, old=old, new=new, **{**usual, **given})


def result(
    flows: Any, links: Any = (), swaps: Any = (), seconds: float = 1, **given: Any
) -> SimResult:
    """Return a result of ``seconds``."""
    return SimResult(int(seconds * SECOND), Flows(flows), tuple(links), (), tuple(swaps), **given)


def sawtooth_flow(
    seconds: float,
    share: float = 1.0,
    swap_s: float | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    seed: int = 1,
    name: str = "bulk",
    maps: tuple[str, ...] = ("cubic", "bbr"),
) -> FlowTrace:
    """Return CUBIC's slow start and sawtooth, from ``swap_s`` on BBR's plateau."""
    random = np.random.default_rng(seed)
    last = seconds if end_s is None else end_s
    t = np.arange(start_s, last, 0.01)
    age = t - start_s
    phase = (age * (1 + 0.1 * random.random()) + random.random()) % 8.0
    top = (BDP + BUFFER) * share
    cwnd = np.clip(0.4 * 50 * (phase - 4.2) ** 3 / 25 + 0.94 * top, 0.7 * top, top)
    start = 10 * 2 ** np.minimum(age / 0.045, 20)
    slow = age < 0.4
    cwnd = np.where(slow, np.minimum(start, top * 1.1), cwnd)
    ssthresh = np.where(slow, TCP_INFINITE_SSTHRESH, 0.7 * top)
    after = t >= (1e9 if swap_s is None else swap_s)
    gain = np.where((age % 0.32) < 0.04, 1.25, 1.0) * np.where(age % 10 > 9.8, 0.02, 1.0)
    cwnd = np.where(after, np.maximum(2 * BDP * share * np.minimum(gain, 1.02), 4), cwnd)
    queue_ms = np.clip(40 * (cwnd / share - BDP) / BDP, 0, 40)
    queue_ms = np.where(after, 3 * gain, queue_ms)
    rate = np.minimum(96e6 * share, cwnd * 1448 * 8 / 0.04) * np.where(
        after, np.minimum(gain, 1), 1
    )
    rate = rate * (1 + 0.02 * random.standard_normal(len(t)))
    delivered = np.concatenate(([0], np.cumsum(rate[1:] * 0.01 / 8))).astype(np.int64)
    return FlowTrace(
        name=name,
        congestion=maps[0],
        start_ns=int(start_s * SECOND),
        end_ns=None if end_s is None else int(end_s * SECOND),
        mss_bytes=1448,
        implementations=maps,
        **columns(
            len(t),
            t_ns=(t * SECOND).astype(np.int64),
            snd_cwnd=cwnd,
            ssthresh=ssthresh,
            srtt_us=np.where(age < 0.02, 0, 40_000 + queue_ms * 1000),
            delivered_bytes=delivered,
            throughput_bps=rate,
            implementation=after,
        ),
    )


def queue_of(flows: Any, seconds: float) -> LinkTrace:
    """Return a link whose queue follows the first flow's RTT, with a burst of drops at each top."""
    n = int(seconds * 100)
    seen = np.interp(np.arange(n) / 100, flows[0].t_ns / 1e9, flows[0].srtt_us)
    queue = np.clip((seen - 40_000) / 40_000 * BUFFER, 0, BUFFER)
    full = np.flatnonzero(np.diff((queue >= BUFFER - 1).astype(int)) == 1)
    drops = np.concatenate(
        [np.arange(40) * MS + i * 10 * MS for i in full] or [np.zeros(0, np.int64)]
    )
    return link(n, queue, drops)


def one_flow(seconds: float = 60, swap_s: float | None = 20, twins: bool = True) -> Run:
    """Return a bulk flow swapped from CUBIC to BBR, with its twins."""
    flows = [sawtooth_flow(seconds, swap_s=swap_s)]
    swaps = [] if swap_s is None else [swap(swap_s, "cubic", "bbr")]
    run = result(flows, [queue_of(flows, seconds)], swaps, seconds)
    if not twins or swap_s is None:
        return Run(run, scenario())
    b = replace(sawtooth_flow(seconds, swap_s=0, seed=3), congestion="bbr")
    return Run(
        run,
        scenario(),
        result([sawtooth_flow(seconds, seed=2)], run.links, (), seconds),
        result([b], run.links, (), seconds),
    )


def several_flows(count: int, seconds: float = 60) -> Run:
    """Return flows that share the path: one starts late, one ends early, all are swept."""
    flows = [
        sawtooth_flow(
            seconds,
            1 / count,
            swap_s=seconds * 2 / 3 + 0.2 * (i % 5),
            start_s=seconds / 12 if i == 1 else 0.0,
            end_s=seconds * 0.9 if i == count - 1 else None,
            seed=i,
            name=f"flow-{i}",
        )
        for i in range(count)
    ]
    swaps = [
        swap(seconds / 3, "cubic", "reno", "link_update", flows=()),
        *(swap(seconds * 2 / 3 + 0.2 * i, "cubic", "bbr", "sweep") for i in range(min(count, 5))),
    ]
    run = result(flows, [queue_of(flows, seconds)], swaps, seconds)
    return Run(run, scenario("sweep", count))
