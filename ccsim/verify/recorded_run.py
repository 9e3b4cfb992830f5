"""A recorded transfer as the result of a run, so that the metrics of simulations measure it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.traces import Event, Flows, FlowTrace, LinkTrace, SimResult, SwapRecord
from ccsim.units import NS_PER_S
from ccsim.verify.trace import RecordedFlow, RecordedSwap, Trace

__all__ = ["recorded_result"]

Column = NDArray[np.int64]


def recorded_result(trace: Trace) -> SimResult:
    """Return a recording as a result: samples of TCP_INFO, drops and swaps; what the recording does
    not tell (packets in flight, the queue) is 0 throughout."""
    swaps = [_swap(trace, k, swap) for k, swap in enumerate(trace.swaps)]
    return SimResult(
        duration_ns=round(trace.meta["duration_s"] * NS_PER_S),
        flows=Flows(_flow(trace, k, flow) for k, flow in enumerate(trace.flows)),
        links=(_link(trace),),
        events=tuple(sorted(_events(trace), key=lambda event: event.t_ns)),
        swaps=tuple(swaps),
    )


def _flow(trace: Trace, number: int, flow: RecordedFlow) -> FlowTrace:
    nothing = np.zeros_like(flow.t_ns)
    own = [swap for swap in trace.swaps if swap.flow == number]
    names = (flow.congestion, *(swap.to for swap in own))
    since = (flow.start_ns, *(swap.t_ns for swap in own))
    return FlowTrace(
        name=f"flow{number}",
        congestion=flow.congestion,
        start_ns=flow.start_ns,
        end_ns=None,
        mss_bytes=trace.meta["mss"],
        t_ns=flow.t_ns,
        snd_cwnd=flow.snd_cwnd,
        ssthresh=nothing,
        srtt_us=flow.srtt_us,
        in_flight=nothing,
        pacing_rate_bps=nothing - 1,
        delivered_bytes=np.maximum(flow.acked_bytes - 1, 0),  # the kernel counts the SYN, too
        throughput_bps=nothing,
        retransmissions=flow.retransmissions,
        marks=nothing,
        ca_state=nothing,
        implementation=nothing,
        implementations=names,
        served=tuple((t_ns, index) for index, t_ns in enumerate(since)),
        established_ns=next((int(t) for t in flow.t_ns[flow.srtt_us > 0]), None),
    )


def _link(trace: Trace) -> LinkTrace:
    times = np.concatenate((trace.drops, trace.losses))
    flows = np.concatenate((trace.drop_flows, trace.loss_flows))
    random = np.repeat([0, 1], [len(trace.drops), len(trace.losses)])
    order = np.argsort(times, kind="stable")
    none = np.empty(0, dtype=np.int64)
    return LinkTrace(
        name="bottleneck",
        rate_bps=round(trace.meta["rate_bps"]),
        buffer_packets=trace.meta["buffer_pkts"],
        t_ns=none,
        queue_packets=none,
        drops=none,
        losses=none,
        marks=none,
        departed_bytes=none,
        utilisation_ppm=none,
        drop_t_ns=times[order],
        drop_flow=flows[order],
        drop_reason=random[order],
        mark_t_ns=none,
        mark_flow=none,
    )


def _swap(trace: Trace, index: int, swap: RecordedSwap) -> SwapRecord:
    old = _served_before(trace, swap)
    return SwapRecord(
        index=index,
        t_ns=swap.t_ns,
        via="setsockopt",
        label=f"{old} → {swap.to}, setsockopt",
        old=old,
        new=swap.to,
        flows=(f"flow{swap.flow}",),
    )


def _served_before(trace: Trace, swap: RecordedSwap) -> str:
    earlier = [one.to for one in trace.swaps if one.flow == swap.flow and one.t_ns < swap.t_ns]
    return earlier[-1] if earlier else trace.flows[swap.flow].congestion


def _events(trace: Trace) -> list[Event]:
    """Return the swaps, and the retransmission timeouts at the samples that first count them."""
    found = [
        Event(swap.t_ns, "swap", f"flow{swap.flow}", {"swap": k, "via": "setsockopt", "errno": 0})
        for k, swap in enumerate(trace.swaps)
    ]
    for number, flow in enumerate(trace.flows):
        fired = np.diff(flow.rtos, prepend=0)
        for t_ns in np.repeat(flow.t_ns, np.maximum(fired, 0)).tolist():
            found.append(Event(t_ns, "rto", f"flow{number}", {}))
    return found
