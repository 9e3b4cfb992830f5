"""How much a scenario may ask for: a run that could not end, or would not fit into memory, is
refused. `docs/bounds.md` is this table for readers.

The numbers are far above what anybody waits for: some hours and some ten GB of results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ccsim import spec
from ccsim.scenario import flow_spec
from ccsim.scenario.document import Location
from ccsim.scenario.spec import ScenarioSpec
from ccsim.sim.distributions import mean
from ccsim.spec import Distribution, OnOff, Requests
from ccsim.spec.limits import HEADER_BYTES
from ccsim.units import NS_PER_S

__all__ = ["BOUNDS", "check_bounds"]

BOUNDS = {
    "samples": 10_000_000,
    "recorded": 200_000_000,
    "flows": 100_000,
    "window": 65_536,
    "first flights": 4_000_000,
    "writes": 100_000_000,
    "packets": 100_000_000_000,
    "swaps": 100_000,
    "changes": 1_000_000,
}
"""``samples`` of one flow, ``recorded`` of all; ``flows`` that entries stand for; packets in an
initial ``window``, in the ``first flights`` of all flows that start at once; ``writes`` of
applications; ``packets`` that the bottleneck carries; ``swaps``, repetitions included; ``changes``
of one entry: its repetitions, the steps of its walk."""

Complain = Callable[..., None]
Beyond = tuple[Location, str, int, str]  # where, which bound, what was asked for, how to mend it


def check_bounds(
    written: ScenarioSpec,
    flows: Sequence[spec.Flow],
    workloads: Sequence[spec.Workload],
    swaps: Sequence[spec.Swap],
    complain: Complain,
) -> None:
    """Tell ``complain`` what is beyond its bound, and where that can be mended."""
    for location, bound, asked, remedy in (
        *_of_run(written, flows, swaps),
        *_of_sources(written, flows),
        *_of_workloads(written, workloads),
        *_of_changes(written),
    ):
        most = BOUNDS[bound]
        if asked > most:
            what = {"window": "packets", "first flights": "packets at once"}.get(bound, bound)
            complain(location, f"expected at most {most} {what}, got {asked}; {remedy}")


def _of_run(
    written: ScenarioSpec, flows: Sequence[spec.Flow], swaps: Sequence[spec.Swap]
) -> Iterator[Beyond]:
    """Yield what the whole run asks for."""
    samples = written.duration // written.record.interval
    interval = ("record", "interval")
    yield interval, "samples", samples, "sample less often"
    kept = written.record.flows
    recorded = len(flows) if kept == "all" else 0 if isinstance(kept, str) else len(kept)
    if samples <= BOUNDS["samples"]:
        yield interval, "recorded", samples * recorded, "sample less often, or record fewer flows"
    yield ("flows",), "flows", len(flows), "let some of them go"
    window = written.tcp.initial_window
    where = ("tcp", "initial_window")
    yield where, "window", window, "Linux begins with 10"
    if window <= BOUNDS["window"]:
        together = max((_together(flows)), default=0)
        yield where, "first flights", window * together, "let flows start at different times"
    bits = (written.tcp.mss + HEADER_BYTES) * 8
    packets = written.path.rate * written.duration // (NS_PER_S * bits)
    yield ("duration",), "packets", packets, "run shorter, or slower"
    yield ("swaps",), "swaps", len(swaps), "repeat them less often"


def _of_changes(written: ScenarioSpec) -> Iterator[Beyond]:
    """Yield how often the path changes."""
    for i, change in enumerate(written.changes):
        left_ns = max(written.duration - change.at, 0)
        if change.every is not None:
            yield ("changes", i, "every"), "changes", left_ns // change.every, "let it rest longer"
        if change.walk is not None:
            steps = left_ns // change.walk.every
            yield ("changes", i, "walk", "every"), "changes", steps, "let it step less often"


def _together(flows: Sequence[spec.Flow]) -> Iterator[int]:
    """Yield how many flows start at each time."""
    starts: dict[int, int] = {}
    for flow in flows:
        starts[flow.start_ns] = starts.get(flow.start_ns, 0) + 1
    yield from starts.values()


def _of_sources(written: ScenarioSpec, flows: Sequence[spec.Flow]) -> Iterator[Beyond]:
    """Yield how often the applications of flows write."""
    entries = iter(flows)
    for i, entry in enumerate(written.flows):
        own = [flow for _, flow in zip(range(entry.count or 1), entries, strict=False)]
        if entry.source is not None:
            key = "every" if entry.source.every is not None else "rate"
            writes = sum(_writes(entry, flow, written) for flow in own)
            yield ("flows", i, "source", key), "writes", writes, "write more at a time, less often"


def _writes(entry: flow_spec.FlowSpec, flow: spec.Flow, written: ScenarioSpec) -> int:
    """Return how often a flow's application writes."""
    source = entry.source
    assert source is not None
    end_ns = min(written.duration, flow.stop_ns or written.duration)
    span_ns = max(end_ns - flow.start_ns, 0)
    write_bytes = source.write or written.tcp.mss
    if source.every is not None:
        writes = span_ns // source.every
    else:
        writes = (source.rate or 0) * span_ns // (8 * write_bytes * NS_PER_S)
    return min(writes, -(-(flow.size_bytes or writes * write_bytes) // write_bytes))


def _of_workloads(written: ScenarioSpec, workloads: Sequence[spec.Workload]) -> Iterator[Beyond]:
    """Yield how often the applications of workloads write."""
    for i, load in enumerate(workloads):
        life_ns = written.duration - load.flow.start_ns
        if load.life_ns is not None:
            life_ns = min(life_ns, _mean(load.life_ns))
        if load.on_off is not None:
            each = _on_off_writes(load.on_off, life_ns, written.tcp.mss)
            remedy = "write and rest for longer, or slower"
            yield ("workloads", i, "on_off"), "writes", each * _connections(load), remedy
        if load.requests is not None:
            each = _responses(load.requests, life_ns, load.flow.rtt_ns)
            remedy = "bound them with count, or let the client think"
            yield ("workloads", i, "requests"), "writes", each * _connections(load), remedy


def _connections(load: spec.Workload) -> int:
    """Return how many connections a workload has, about."""
    arrivals = load.arrivals
    span_ns = max(load.until_ns - load.flow.start_ns, 1)
    return min(arrivals.count or -(-span_ns // max(arrivals.gap_ns, 1)), load.most)


def _on_off_writes(talk: OnOff, life_ns: int, mss: int) -> int:
    """Return how often such an application writes: a packet each time, one at least each turn."""
    on_ns, off_ns = _mean(talk.on_ns), _mean(talk.off_ns)
    turns = life_ns // max(on_ns + off_ns, 1) + 1
    return turns * max(talk.rate_bps * min(on_ns, life_ns) // (8 * mss * NS_PER_S), 1)


def _responses(talk: Requests, life_ns: int, rtt_ns: int) -> int:
    """Return how many requests a client makes at most: each takes a round and its thinking."""
    responses = life_ns // max(_mean(talk.think_ns) + rtt_ns, 1) + 1
    return min(responses, talk.count or responses)


def _mean(times: Distribution) -> int:
    return int(mean(times))
