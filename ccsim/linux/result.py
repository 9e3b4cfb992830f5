"""What the processes of a run observed, as a `SimResult`: the same columns, from TCP_INFO and the
path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.linux.connection import SAMPLED
from ccsim.net.link import HEADER_BYTES
from ccsim.sim.traces import (
    Borders,
    Completions,
    Event,
    Flows,
    FlowTrace,
    LinkMeter,
    LinkTrace,
    SimResult,
    SwapRecord,
)
from ccsim.sim.workloads import PlannedFlow, planned_flows
from ccsim.spec import Flow, Scenario
from ccsim.units import NS_PER_S

__all__ = ["to_result"]

UNLIMITED = (1 << 64) - 1
Column = NDArray[np.int64]
Plain = Mapping[str, Any]


def to_result(scenario: Scenario, plan: Plain, reports: Mapping[str, Plain]) -> SimResult:
    """Return the result of a run on a kernel, of which these are the plan and the reports."""
    path, senders = reports["path"], reports["senders"]
    every = planned_flows(scenario)
    events = tuple(
        Event(int(t_ns), kind, flow, detail)
        for t_ns, kind, flow, detail in sorted(senders["events"], key=lambda event: event[0])
    )
    if senders["objects"]:
        events += (Event(scenario.duration_ns, "objects", "", senders["objects"]),)
    marks = np.array(path["marks"], dtype=np.int64).reshape(-1, 2)
    flows = tuple(
        _flow_trace(plan, one, seen, marks[marks[:, 1] == number, 0])
        for number, (one, seen) in enumerate(zip(every, senders["flows"], strict=True))
    )
    return SimResult(
        duration_ns=scenario.duration_ns,
        flows=Flows(flows),
        links=_link_traces(scenario, path, marks),
        events=events,
        swaps=_swaps(scenario, events),
        completions=_completions(scenario, every, senders["flows"]),
        drew=("kernel",),  # which never does the same twice
    )


def _flow_trace(plan: Plain, connection: PlannedFlow, seen: Plain, marked_ns: Column) -> FlowTrace:
    rows = seen["samples"]
    columns = {
        name: np.array([_signed(row[2 + k]) for row in rows], dtype=np.int64)
        for k, name in enumerate(SAMPLED)
    }
    mss = plan["mtu"] - HEADER_BYTES
    delivered = np.maximum(columns["delivered"] - 1, 0) * mss  # the kernel counts the SYN too
    acked = np.maximum(columns["bytes_acked"] - 1, 0)
    in_flight = columns["unacked"] - columns["sacked"] - columns["lost"] + columns["retrans"]
    t_ns = np.array([row[0] for row in rows], dtype=np.int64)
    borders = np.array(seen["borders"], dtype=np.int64).reshape(-1, 3)
    last = {name: seen["last"].get(name, 0) for name in SAMPLED}
    spec = connection.spec
    return FlowTrace(
        name=spec.name,
        congestion=seen["congestion"] or spec.congestion or "",
        start_ns=spec.start_ns,
        end_ns=seen["ended_ns"] if spec.stop_ns is None else spec.stop_ns,
        mss_bytes=mss,
        t_ns=t_ns,
        snd_cwnd=columns["snd_cwnd"],
        ssthresh=columns["snd_ssthresh"],
        srtt_us=columns["rtt"],
        in_flight=in_flight,
        pacing_rate_bps=np.where(
            columns["pacing_rate"] < 0, -1, np.minimum(columns["pacing_rate"], 1 << 59) * 8
        ),
        delivered_bytes=acked,
        throughput_bps=np.diff(delivered, prepend=0) * 8 * NS_PER_S // plan["interval_ns"],
        retransmissions=columns["total_retrans"],
        marks=marked_ns.searchsorted(t_ns, side="right"),
        ca_state=columns["ca_state"],
        implementation=np.array([row[1] for row in rows], dtype=np.int64),
        implementations=tuple(seen["names"]),
        counters={
            "packets_sent": last["segs_out"],
            "packets_delivered": max(last["delivered"] - 1, 0),
            "packets_in_flight": int(in_flight[-1]) if len(in_flight) else 0,
            "retransmissions": last["total_retrans"],
            "packets_marked": len(marked_ns),
        },
        workload=connection.workload,
        served=tuple((int(t_ns), int(index)) for t_ns, index in seen["served"]),
        borders=Borders(*(borders[:, k] for k in range(3))),
        established_ns=next((int(t) for t in t_ns[columns["rtt"] > 0]), None),
    )


def _signed(value: int) -> int:
    """Return an unlimited rate as -1, which an int64 can hold."""
    return -1 if value == UNLIMITED else value


def _link_traces(scenario: Scenario, path: Plain, marks: Column) -> tuple[LinkTrace, ...]:
    """Return what each hop recorded itself, or what is known of the one queue."""
    if "links" not in path:
        return (_link_trace(scenario, path, marks),)
    return tuple(_from_plain(trace) for trace in path["links"])


def _from_plain(plain: Plain) -> LinkTrace:
    """Return a trace that was told as JSON values."""
    columns: dict[str, Any] = {
        name: np.array(value, dtype=np.int64) if isinstance(value, list) else value
        for name, value in plain.items()
        if name not in ("rates", "gauges")
    }
    columns["rates"] = tuple((t, rate) for t, rate in plain["rates"])
    columns["gauges"] = tuple((k, np.array(v, dtype=np.int64)) for k, v in plain["gauges"])
    if plain["meter"] is not None:
        meter = {name: np.array(v, dtype=np.int64) for name, v in plain["meter"].items()}
        columns["meter"] = LinkMeter(**meter)
    return LinkTrace(**columns)


def _link_trace(scenario: Scenario, path: Plain, marks: Column) -> LinkTrace:
    samples = np.array(path["samples"], dtype=np.int64).reshape(-1, 5)
    drops = np.array(path["drops"], dtype=np.int64).reshape(-1, 3)
    rate, interval = scenario.path.rate_bps, scenario.record.interval_ns
    capacity = max(rate * interval // NS_PER_S, 1)
    departed = samples[:, 4]
    return LinkTrace(
        name="bottleneck",
        rate_bps=rate,
        buffer_packets=scenario.path.buffer_packets,
        t_ns=samples[:, 0],
        queue_packets=samples[:, 1],
        drops=samples[:, 2],
        losses=samples[:, 3],
        marks=marks[:, 0].searchsorted(samples[:, 0], side="right"),
        departed_bytes=departed,
        utilisation_ppm=np.diff(departed, prepend=0) * 8_000_000 // capacity,
        drop_t_ns=drops[:, 0],
        drop_flow=drops[:, 1],
        drop_reason=drops[:, 2],
        mark_t_ns=marks[:, 0],
        mark_flow=marks[:, 1],
    )


def _swaps(scenario: Scenario, events: Sequence[Event]) -> tuple[SwapRecord, ...]:
    """Return each swap as it was carried out: its first step's time, and whom it changed."""
    from ccsim.sim.swap.triggers import trigger_text

    found = []
    for index, swap in enumerate(scenario.swaps):
        steps = [e for e in events if e.kind == "swap" and e.detail.get("swap") == index]
        if not steps:
            continue
        changed = [e for e in steps if not e.detail["errno"] and e.detail["from"] != e.detail["to"]]
        old = " + ".join(dict.fromkeys(e.detail.get("from", "") for e in steps)) or "none"
        trigger = trigger_text(swap.trigger)
        new = next((e.detail["to"] for e in steps if not e.detail["errno"]), swap.to)
        label = ", ".join(filter(None, (f"{old} → {new}", swap.via, trigger)))
        found.append(
            SwapRecord(
                index=index,
                t_ns=steps[0].t_ns,
                via=swap.via,
                label=label,
                old=old,
                new=new,
                flows=tuple(dict.fromkeys(e.flow for e in changed if e.flow)),
                errno=next((e.detail["errno"] for e in steps if e.detail["errno"]), 0),
                trigger=trigger,
                **_outcome(index, events),
            )
        )
    return tuple(sorted(found, key=lambda swap: (swap.t_ns, swap.index)))


def _outcome(index: int, events: Sequence[Event]) -> dict[str, Any]:
    """Return what became of a roll-out; nothing for other swaps."""
    for event in events:
        if event.detail.get("swap") != index:
            continue
        if event.kind == "rollback":
            told = f"rolled back: {event.detail['text']}"
            return {"outcome": told, "outcome_ns": event.t_ns}
        if event.kind == "rollout":
            return {"outcome": "complete"}
    return {}


def _completions(
    scenario: Scenario, every: Sequence[PlannedFlow], seen: Sequence[Plain]
) -> Completions | None:
    """Return what workloads carried, a row for each sized connection and each response."""
    if not scenario.workloads:
        return None
    rows = []
    for number, (connection, one) in enumerate(zip(every, seen, strict=True)):
        if not connection.workload:
            continue
        spec = connection.spec
        ideal = _Ideal(scenario, spec)
        if spec.size_bytes is not None:
            size = spec.size_bytes
            end = -1 if one["ended_ns"] is None else one["ended_ns"]
            rows.append((number, spec.start_ns, end, size, ideal(size, handshake=True)))
        for start, end, size in one["responses"]:
            rows.append((number, start, end, size, ideal(size, handshake=False)))
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    return Completions(*(table[:, k] for k in range(5)))


class _Ideal:
    """How long that much would take alone at line rate, as `ccsim.sim.completions` has it [ns]."""

    def __init__(self, scenario: Scenario, spec: Flow) -> None:
        self.rate = scenario.path.rate_bps
        self.mss = scenario.tcp.mss_bytes
        self.rtt = spec.rtt_ns

    def __call__(self, size: int, *, handshake: bool) -> int:
        packets = -(-size // self.mss)
        carried = (size + packets * HEADER_BYTES) * 8 * NS_PER_S // self.rate
        return int(carried + self.rtt * (2 if handshake else 1))
