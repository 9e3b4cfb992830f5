"""When the transfers of workloads completed: one row for each connection of given size and each
response."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ccsim.net.link import HEADER_BYTES
from ccsim.sim.applications import ResponseSource
from ccsim.sim.traces import Completions
from ccsim.units import NS_PER_S

if TYPE_CHECKING:
    from ccsim.sim.flow.flow import Flow
    from ccsim.sim.world import World

__all__ = ["completions"]

Row = tuple[int, int, int, int, int]


def completions(world: World, until_ns: int) -> Completions:
    """Return what the workloads of a world had carried by ``until_ns``."""
    rate_bps = world.scenario.path.rate_bps
    rows = [
        row
        for flow in world.flows
        if flow.planned.workload
        for row in _rows(flow, rate_bps)
        if row[1] <= until_ns
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    table[table[:, 2] > until_ns, 2] = -1
    return Completions(*(np.ascontiguousarray(column) for column in table.T))


def _rows(flow: Flow, rate_bps: int) -> Iterator[Row]:
    spec = flow.spec
    source = flow.application.source
    if isinstance(source, ResponseSource):
        for one in source.responses:
            ideal = spec.rtt_ns + _transmission_ns(flow, one.size_bytes, rate_bps)
            end = -1 if one.end_ns is None else one.end_ns
            yield flow.index, one.start_ns, end, one.size_bytes, ideal
    elif spec.size_bytes is not None:
        handshake = spec.rtt_ns + (flow.path.back_ns if flow.passive else 0)
        ideal = handshake + spec.rtt_ns + _transmission_ns(flow, spec.size_bytes, rate_bps)
        done = flow.application.completed_ns
        end = -1 if done is None else done
        yield flow.index, spec.start_ns, end, spec.size_bytes, ideal


def _transmission_ns(flow: Flow, size_bytes: int, rate_bps: int) -> int:
    """Return how long the line takes for a payload and its headers, rounded up [ns]."""
    packets = -(-size_bytes // flow.sk.mss_cache)
    return -(-(size_bytes + packets * HEADER_BYTES) * 8 * NS_PER_S // rate_bps)
