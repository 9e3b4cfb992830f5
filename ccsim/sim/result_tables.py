"""A `SimResult` as plain tables and one JSON description, and back: for Parquet, CSV and pipes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.traces import (
    Completions,
    Event,
    Flows,
    FlowTrace,
    GroupTrace,
    LinkTrace,
    SimResult,
    SwapRecord,
    TrafficTrace,
)
from ccsim.spill import Spill

__all__ = [
    "COMPLETION_COLUMNS",
    "DROP_COLUMNS",
    "FLOW_COLUMNS",
    "GROUP_COLUMNS",
    "LINK_COLUMNS",
    "MARK_COLUMNS",
    "Cutter",
    "Table",
    "Tables",
    "columns_of",
    "describe",
    "from_tables",
    "joined",
    "stacked",
    "to_tables",
]

FLOW_COLUMNS = (
    *("t_ns", "snd_cwnd", "ssthresh", "srtt_us", "in_flight", "pacing_rate_bps"),
    *("delivered_bytes", "throughput_bps", "retransmissions", "marks", "ca_state"),
    "implementation",
)
LINK_COLUMNS = (
    *("t_ns", "queue_packets", "drops", "losses", "marks", "departed_bytes", "utilisation_ppm"),
)
MARK_COLUMNS = ("mark_t_ns", "mark_flow")
DROP_COLUMNS = ("drop_t_ns", "drop_flow", "drop_reason")
GROUP_COLUMNS = ("t_ns", "flows", "snd_cwnd", "in_flight", "srtt_us", "throughput_bps")
COMPLETION_COLUMNS = ("flow", "start_ns", "end_ns", "size_bytes", "ideal_ns")
Column = NDArray[np.int64]
Table = dict[str, Column]
Tables = dict[str, Table]


def describe(result: SimResult) -> dict[str, Any]:
    """Return all that is no column as JSON values: `from_tables` needs it to cut the tables."""
    return {
        "duration_ns": result.duration_ns,
        "failed": result.failed,
        "flows": [_describe_flow(flow) for flow in result.flows],
        "links": [_describe_link(link) for link in result.links],
        "swaps": [_describe_swap(swap) for swap in result.swaps],
        "drew": list(result.drew),
        **_describe_more(result),
    }


def _describe_more(result: SimResult) -> dict[str, Any]:
    """Return what only runs with hops, with workloads or without samples of each flow have."""
    found: dict[str, Any] = {}
    if any(link.gauges for link in result.links):
        found["gauges"] = gauge_names(result.links)
    if result.groups:
        found["groups"] = [
            {"implementation": group.implementation, "samples": len(group.t_ns)}
            for group in result.groups
        ]
    if result.completions is not None:
        found["completions"] = len(result.completions.flow)
    if result.traffic:
        found["traffic"] = [asdict(one) for one in result.traffic]
    return found


def to_tables(result: SimResult, spill: Spill | None = None) -> Tables:
    """Return the tables ``flows``, ``links``, ``drops`` and ``marks`` in long form: one int64 array
    a column; and ``gauges``, ``groups`` and ``completions``, if the result has them.

    ``flow`` and ``link`` are indices into the description's lists, ``implementation`` one into the
    flow's own names. Rows are in the order of flows (links), then of time. ``spill`` keeps what
    has to be made.
    """
    tables = columns_of(result)
    drops = [len(link.drop_t_ns) for link in result.links]
    marks = [len(link.mark_t_ns) for link in result.links]
    for table, index, lengths in (
        ("flows", "flow", [len(flow.t_ns) for flow in result.flows]),
        ("links", "link", [len(link.t_ns) for link in result.links]),
        ("drops", "link", drops),
        ("marks", "link", marks),
        ("gauges", "link", [len(link.t_ns) * len(link.gauges) for link in result.links]),
        ("groups", "group", [len(group.t_ns) for group in result.groups]),
    ):
        if table in tables:
            numbers = _numbers(lengths, spill or Spill())
            tables[table] = {index: numbers, **tables[table]}
    return tables


def columns_of(result: SimResult) -> Tables:
    """Return `to_tables` without the indices ``flow``, ``link`` and ``group``: what `from_tables`
    needs beside the description. Columns that lie in one table already are not copied."""
    drops = stacked(result.links, DROP_COLUMNS)
    marks = stacked(result.links, MARK_COLUMNS)
    more: Tables = {}
    if any(link.gauges for link in result.links):
        more["gauges"] = _gauges(result.links)
    if result.groups:
        more["groups"] = stacked(result.groups, GROUP_COLUMNS)
    if result.completions is not None:
        more["completions"] = {
            name: getattr(result.completions, name) for name in COMPLETION_COLUMNS
        }
    return {
        "flows": stacked(result.flows, FLOW_COLUMNS),
        "links": stacked(result.links, LINK_COLUMNS),
        "drops": {name.removeprefix("drop_"): column for name, column in drops.items()},
        "marks": {name.removeprefix("mark_"): column for name, column in marks.items()},
        **more,
    }


def gauge_names(links: Iterable[LinkTrace]) -> list[str]:
    """Return the names of all that was sampled of hops beside their queues."""
    return list(dict.fromkeys(name for link in links for name, _ in link.gauges))


def _gauges(links: Sequence[LinkTrace]) -> Table:
    """Return what else was sampled of hops: ``gauge`` is an index into `gauge_names`."""
    names = gauge_names(links)
    every = [(link, names.index(name), values) for link in links for name, values in link.gauges]
    lengths = [len(link.t_ns) for link, _, _ in every]
    return {
        "gauge": np.repeat(np.array([k for _, k, _ in every], dtype=np.int64), lengths),
        "t_ns": joined([link.t_ns for link, _, _ in every]),
        "value": joined([values for _, _, values in every]),
    }


def from_tables(
    description: Mapping[str, Any], tables: Mapping[str, Table], events: Iterable[Event]
) -> SimResult:
    """Return the `SimResult` of which these are the parts; the inverse of the two functions above.

    KeyError, TypeError or ValueError if they are not of that form.
    """
    flows, links, drops, marks = (
        Cutter(tables[name]) for name in ("flows", "links", "drops", "marks")
    )
    gauges = Cutter(tables["gauges"]) if "gauges" in tables else None
    return SimResult(
        duration_ns=int(description["duration_ns"]),
        flows=Flows(_flow(plain, flows(plain["samples"])) for plain in description["flows"]),
        links=tuple(
            _link(
                plain,
                links(plain["samples"]),
                drops(plain["dropped"]),
                marks(plain["marked"]),
                _gauges_of(plain, gauges),
            )
            for plain in description["links"]
        ),
        events=tuple(events),
        swaps=tuple(_swap(plain) for plain in description["swaps"]),
        failed=str(description["failed"]),
        groups=_groups(description, tables),
        completions=_completions(description, tables),
        traffic=tuple(_traffic(plain) for plain in description.get("traffic", ())),
        drew=tuple(map(str, description.get("drew", ()))),
    )


def _traffic(plain: Mapping[str, Any]) -> TrafficTrace:
    rtts = tuple((int(t), int(rtt)) for t, rtt in plain["rtts_ns"])
    return TrafficTrace(**{**plain, "delays_ns": tuple(plain["delays_ns"]), "rtts_ns": rtts})


def _groups(description: Mapping[str, Any], tables: Mapping[str, Table]) -> tuple[GroupTrace, ...]:
    if "groups" not in description:
        return ()
    rows = Cutter(tables["groups"])
    return tuple(
        GroupTrace(
            plain["implementation"],
            *(columns[name] for columns in (rows(plain["samples"]),) for name in GROUP_COLUMNS),
        )
        for plain in description["groups"]
    )


def _completions(description: Mapping[str, Any], tables: Mapping[str, Table]) -> Completions | None:
    if "completions" not in description:
        return None
    rows = Cutter(tables["completions"])(description["completions"])
    return Completions(*(rows[name] for name in COMPLETION_COLUMNS))


def _describe_flow(flow: FlowTrace) -> dict[str, Any]:
    more: dict[str, Any] = {"workload": flow.workload} if flow.workload else {}
    if not flow.recorded:
        more["recorded"] = False
    return {
        "name": flow.name,
        "congestion": flow.congestion,
        "start_ns": flow.start_ns,
        "end_ns": flow.end_ns,
        "established_ns": flow.established_ns,
        "mss_bytes": flow.mss_bytes,
        "implementations": list(flow.implementations),
        "served": [list(change) for change in flow.served],
        "counters": dict(flow.counters),
        "samples": len(flow.t_ns),
        **more,
    }


def _describe_link(link: LinkTrace) -> dict[str, Any]:
    return {
        "name": link.name,
        "rate_bps": link.rate_bps,
        "buffer_packets": link.buffer_packets,
        "samples": len(link.t_ns),
        "dropped": len(link.drop_t_ns),
        "marked": len(link.mark_t_ns),
        **({"rates": [list(piece) for piece in link.rates]} if link.rates else {}),
        **({"gauges": [name for name, _ in link.gauges]} if link.gauges else {}),
    }


def _describe_swap(swap: SwapRecord) -> dict[str, Any]:
    return {
        "index": swap.index,
        "t_ns": swap.t_ns,
        "via": swap.via,
        "label": swap.label,
        "old": swap.old,
        "new": swap.new,
        "flows": list(swap.flows),
        "errno": swap.errno,
        "state": swap.state,
        "trigger": swap.trigger,
        "outcome": swap.outcome,
        "outcome_ns": swap.outcome_ns,
    }


def _numbers(lengths: list[int], spill: Spill) -> Column:
    """Return 0, 1, …, each as often as the length at its place says."""
    numbers = spill.columns(("number",), sum(lengths))["number"]
    stop = 0
    for number, length in enumerate(lengths):
        start, stop = stop, stop + length
        numbers[start:stop] = number
    return numbers


def _flow(plain: Mapping[str, Any], columns: Table) -> FlowTrace:
    return FlowTrace(
        name=plain["name"],
        congestion=plain["congestion"],
        start_ns=plain["start_ns"],
        end_ns=plain["end_ns"],
        mss_bytes=plain["mss_bytes"],
        implementations=tuple(plain["implementations"]),
        counters=dict(plain["counters"]),
        workload=plain.get("workload", ""),
        served=tuple((int(t_ns), int(index)) for t_ns, index in plain["served"]),
        established_ns=plain["established_ns"],
        recorded=plain.get("recorded", True),
        **_named(columns, FLOW_COLUMNS),
    )


def _named(columns: Table, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: columns[name] for name in names}


def _gauges_of(plain: Mapping[str, Any], rows: Cutter | None) -> tuple[tuple[str, Column], ...]:
    if rows is None:
        return ()
    return tuple((name, rows(plain["samples"])["value"]) for name in plain.get("gauges", ()))


def _link(
    plain: Mapping[str, Any],
    columns: Table,
    drops: Table,
    marks: Table,
    gauges: tuple[tuple[str, Column], ...],
) -> LinkTrace:
    logs: dict[str, Any] = {f"drop_{name}": column for name, column in drops.items()}
    logs |= {f"mark_{name}": column for name, column in marks.items()}
    return LinkTrace(
        name=plain["name"],
        rate_bps=plain["rate_bps"],
        buffer_packets=plain["buffer_packets"],
        **_named(columns, LINK_COLUMNS),
        **logs,
        rates=tuple((int(t_ns), int(rate)) for t_ns, rate in plain.get("rates", ())),
        gauges=gauges,
    )


def _swap(plain: Mapping[str, Any]) -> SwapRecord:
    return SwapRecord(**{**plain, "flows": tuple(plain["flows"])})


def stacked(traces: Sequence[object], names: tuple[str, ...]) -> Table:
    """Return the traces' columns below one another."""
    return {
        name: joined([np.asarray(getattr(trace, name), dtype=np.int64) for trace in traces])
        for name in names
    }


def joined(parts: list[Column]) -> Column:
    """Return the parts one after the other: not copied if they are, in this order, all of a piece
    of one array."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return np.empty(0, dtype=np.int64)
    base, total = parts[0].base, sum(map(len, parts))
    ends = [part.ctypes.data + part.nbytes for part in parts]
    if (
        base is not None
        and all(part.base is base and part.strides == (8,) for part in parts)
        and all(part.ctypes.data == end for part, end in zip(parts[1:], ends, strict=False))
    ):
        return np.lib.stride_tricks.as_strided(parts[0], (total,), writeable=False)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Cutter:
    """Takes a table apart from the top: each call returns the next ``n`` rows."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.taken = 0
        self.length = min(map(len, table.values()))

    def __call__(self, n: int) -> Table:
        first, self.taken = self.taken, self.taken + n
        if n < 0 or self.taken > self.length:
            raise ValueError(f"traces: expected {self.taken} rows or more, got {self.length}")
        return {name: column[first : self.taken] for name, column in self.table.items()}
