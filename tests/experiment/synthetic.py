"""Hand-made results: goodput is given piece by piece, so that sums can be done in one's head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.traces import Event, Flows, FlowTrace, LinkTrace, SimResult, SwapRecord

MS = 1_000_000
S = 1_000_000_000
MBIT = 1_000_000
INTERVAL = 10 * MS
"""Samples every 10 ms."""

Pieces = Sequence[tuple[float, float]]
"""(until second, value): the value holds from the previous piece's end to that instant."""


def stepped(t_ns: NDArray[np.int64], pieces: Pieces) -> NDArray[np.int64]:
    """Return the value of the piece in which each instant lies; ends belong to the piece."""
    ends = np.array([round(end * S) for end, _ in pieces])
    values = np.array([value for _, value in pieces])
    return values[np.minimum(np.searchsorted(ends, t_ns), len(pieces) - 1)].astype(np.int64)


def held(t_ns: NDArray[np.int64], pieces: Pieces) -> NDArray[np.int64]:
    """Return the value that holds from each instant on: ends belong to the next piece."""
    return stepped(t_ns + 1, pieces)


def flow(
    name: str = "bulk",
    *,
    mbit: Pieces = ((60, 100),),
    rtt_ms: Pieces = ((60, 40),),
    cwnd: Pieces = ((60, 100),),
    start_s: float = 0,
    end_s: float | None = None,
    duration_s: float = 60,
    implementations: Sequence[str] = ("cubic",),
    implementation: Pieces = ((60, 0),),
    retransmissions: Pieces = ((60, 0),),
) -> FlowTrace:
    """Return a flow with those goodputs [Mbit/s], RTTs [ms] and windows [packets]."""
    start, end = round(start_s * S), round((duration_s if end_s is None else end_s) * S)
    t = np.arange(start, end + 1, INTERVAL, dtype=np.int64)
    rate = stepped(t, mbit) * MBIT
    rate[:1] = 0
    return FlowTrace(
        name=name,
        congestion=implementations[0],
        start_ns=start,
        end_ns=None if end_s is None else end,
        mss_bytes=1448,
        t_ns=t,
        snd_cwnd=held(t, cwnd),
        ssthresh=np.full(len(t), 0x7FFFFFFF),
        srtt_us=held(t, rtt_ms) * 1000,
        in_flight=held(t, cwnd),
        pacing_rate_bps=np.full(len(t), -1),
        delivered_bytes=np.cumsum(rate // 8 // 100),
        throughput_bps=rate,
        retransmissions=stepped(t, retransmissions),
        marks=np.zeros(len(t), dtype=np.int64),
        ca_state=np.zeros(len(t), dtype=np.int64),
        implementation=held(t, implementation),
        implementations=tuple(implementations),
        counters={"packets_sent": 1000, "retransmissions": 3},
        established_ns=start,
    )


def link(
    *,
    utilisation: Pieces = ((60, 1_000_000),),
    drops: Sequence[tuple[float, int]] = (),
    duration_s: float = 60,
    name: str = "bottleneck",
) -> LinkTrace:
    """Return a link with that use [ppm] and drops (second, flow number)."""
    t = np.arange(0, round(duration_s * S) + 1, INTERVAL, dtype=np.int64)
    use = stepped(t, utilisation)
    use[:1] = 0
    drop_t = np.array([round(at * S) for at, _ in drops], dtype=np.int64)
    return LinkTrace(
        name=name,
        rate_bps=100 * MBIT,
        buffer_packets=345,
        t_ns=t,
        queue_packets=np.full(len(t), 7),
        drops=np.searchsorted(drop_t, t, side="right").astype(np.int64),
        losses=np.zeros(len(t), dtype=np.int64),
        marks=np.zeros(len(t), dtype=np.int64),
        departed_bytes=np.cumsum(use) // 8,  # 100 Mbit/s are 125,000 bytes in 10 ms
        utilisation_ppm=use,
        drop_t_ns=drop_t,
        drop_flow=np.array([number for _, number in drops], dtype=np.int64),
        drop_reason=np.zeros(len(drops), dtype=np.int64),
        mark_t_ns=np.empty(0, dtype=np.int64),
        mark_flow=np.empty(0, dtype=np.int64),
    )


def swap(at_s: float = 20, flows: Sequence[str] = ("bulk",), **other: Any) -> SwapRecord:
    """Return a swap from cubic to bbr."""
    values: dict[str, Any] = {
        "index": 0,
        "t_ns": round(at_s * S),
        "via": "setsockopt",
        "label": "cubic → bbr, setsockopt",
        "old": "cubic",
        "new": "bbr",
        "flows": tuple(flows),
    }
    return SwapRecord(**{**values, **other})


def event(at_s: float, kind: str, flow: str = "bulk", **detail: Any) -> Event:
    """Return an event at a second."""
    return Event(round(at_s * S), kind, flow, detail)


def result(
    *flows: FlowTrace,
    links: Sequence[LinkTrace] = (),
    events: Sequence[Event] = (),
    swaps: Sequence[SwapRecord] = (),
    duration_s: float = 60,
    failed: str = "",
) -> SimResult:
    """Return a result of those parts; a link without drops if none is given."""
    return SimResult(
        duration_ns=round(duration_s * S),
        flows=Flows(flows or (flow(duration_s=duration_s),)),
        links=tuple(links) or (link(duration_s=duration_s),),
        events=tuple(events),
        swaps=tuple(swaps),
        failed=failed,
    )


def equal(one: Any, other: Any) -> bool:
    """Report whether two traces are equal, arrays and all."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other) and one.dtype == other.dtype
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, Mapping):
        return set(one) == set(other) and all(equal(one[key], other[key]) for key in one)
    if hasattr(one, "__dataclass_fields__"):
        return equal(vars(one), vars(other))
    return bool(one == other)
