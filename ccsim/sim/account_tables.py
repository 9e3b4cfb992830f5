"""What metrics are worked out from besides the traces, as a worker sends it: samples every 10 ms,
exact counts at borders, and sums. It is not stored; the metrics are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from ccsim.sim.result_tables import Cutter, Table, Tables, stacked
from ccsim.sim.traces import Borders, Crowd, Flows, LinkMeter, Meter, RttSum, SimResult

__all__ = ["account_columns", "account_lengths", "with_accounts", "without_accounts"]

T = TypeVar("T")


def account_columns(result: SimResult) -> Tables:
    """Return the tables ``meters``, ``borders``, ``link_meters``, ``rtts`` and ``crowds``, those
    that are not empty."""
    parts: dict[str, tuple[type, Sequence[Any]]] = {
        "meters": (Meter, [flow.meter for flow in result.flows]),
        "borders": (Borders, [flow.borders for flow in result.flows]),
        "link_meters": (LinkMeter, [link.meter for link in result.links]),
        "rtts": (RttSum, result.rtts),
        "crowds": (Crowd, result.crowds),
    }
    return {
        table: stacked(known, _columns(kind))
        for table, (kind, found) in parts.items()
        if (known := [one for one in found if one is not None])
    }


def account_lengths(result: SimResult) -> dict[str, Any]:
    """Return what `with_accounts` needs to take the tables apart, as JSON values."""
    return {
        "meters": [_length(flow.meter) for flow in result.flows],
        "borders": [_length(flow.borders) for flow in result.flows],
        "link_meters": [_length(link.meter) for link in result.links],
        "rtts": [[one.implementation, len(one.flows)] for one in result.rtts],
        "crowds": [[one.workload, len(one.flows)] for one in result.crowds],
    }


def with_accounts(
    result: SimResult, lengths: Mapping[str, Any], tables: Mapping[str, Table]
) -> SimResult:
    """Return a result with that from which its metrics are worked out."""
    meters = _cut(tables, "meters", Meter, lengths["meters"])
    borders = _cut(tables, "borders", Borders, lengths["borders"])
    link_meters = _cut(tables, "link_meters", LinkMeter, lengths["link_meters"])
    own = zip(result.flows, meters, borders, strict=True)
    return replace(
        result,
        flows=Flows(replace(flow, meter=meter, borders=border) for flow, meter, border in own),
        links=tuple(
            replace(link, meter=meter)
            for link, meter in zip(result.links, link_meters, strict=True)
        ),
        rtts=tuple(_named(tables, "rtts", RttSum, lengths["rtts"])),
        crowds=tuple(_named(tables, "crowds", Crowd, lengths["crowds"])),
    )


def without_accounts(result: SimResult) -> SimResult:
    """Return a result as it is read back from the store."""
    return replace(
        result,
        flows=Flows(replace(flow, meter=None, borders=None) for flow in result.flows),
        links=tuple(replace(link, meter=None) for link in result.links),
        rtts=(),
        crowds=(),
    )


def _columns(kind: type) -> tuple[str, ...]:
    """Return the columns of a dataclass: all fields but a name."""
    return tuple(one.name for one in fields(kind) if one.type == "Column")


def _length(one: Meter | Borders | LinkMeter | None) -> int | None:
    return None if one is None else len(one.t_ns)


def _cut(
    tables: Mapping[str, Table], table: str, kind: Callable[..., T], lengths: Sequence[int | None]
) -> list[T | None]:
    rows = Cutter(tables[table]) if table in tables else None
    return [None if n is None or rows is None else kind(**rows(n)) for n in lengths]


def _named(
    tables: Mapping[str, Table],
    table: str,
    kind: Callable[..., T],
    lengths: Sequence[tuple[str, int]],
) -> list[T]:
    if table not in tables:
        return []
    rows = Cutter(tables[table])
    return [kind(name, **rows(n)) for name, n in lengths]
