"""The emulated path of a scenario with more than a FIFO behind a constant line: the simulator's own
hops (`ccsim.net.network`), run in virtual time as packets come.

All that was sent before now is known, so hops are run up to now; what they decide lies on a heap
until its time. Hops wake the process when one of them could do something that it has not decided.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ccsim.linux.packets import TO_RECEIVER, TO_SENDER, FlowDelays, with_ce
from ccsim.net.hop_packets import ECN, NUMBER, REACH, Leg, Rows
from ccsim.net.qdisc.base import CE
from ccsim.net.rate_process import FOREVER
from ccsim.sim.hop_hashes import hash_of, hosts_of
from ccsim.sim.hop_trace import hop_trace
from ccsim.sim.hops import make_hops
from ccsim.sim.workloads import planned_flows
from ccsim.spec import Flow, Scenario
from ccsim.spill import Spill

__all__ = ["HopPath"]


class HopPath:
    """Packets on their way over a scenario's hops; it is used as `ccsim.linux.bottleneck`'s.

    The bytes of packets are kept here while they are on their way. ``marks`` are (time, flow) of
    data that arrives with a mark it has got on the way.
    """

    def __init__(self, scenario: Scenario, ways: Sequence[FlowDelays]) -> None:
        self.end_ns = scenario.duration_ns
        self._spill = Spill()
        self._hops = make_hops(scenario, self._spill, vector=False)  # they come one by one
        self._network = self._hops.network
        self._ways = ways
        self.marks: list[tuple[int, int]] = []
        self._heap: list[tuple[int, int, int, int, bytes]] = []
        self._order = 0
        self._sent = 0
        self._data: dict[int, bytes] = {}  # of packets under way, by number
        self._busy: set[Leg] = set()  # those with packets on their way
        specs = [one.spec for one in planned_flows(scenario)]
        self._hosts = [hosts_of(spec, flow) for flow, spec in enumerate(specs)]
        self._forth: list[Leg] = []
        self._back: list[Leg | int] = []  # without hops: how long ACKs take
        for flow, spec in enumerate(specs):
            self._connect(flow, spec)
        self._network.advance(0)

    def _connect(self, flow: int, spec: Flow) -> None:
        """Lay the ways of a flow; each direction is fed from outside."""
        path = self._hops.path(spec)
        forth, back = self._hops.route(spec)
        rank = 2 * flow
        out = Leg(flow, rank, forth, path.access_ns, path.out_ns, self._arrived)
        out.hash, out.hosts = hash_of(flow, 0), self._hosts[flow]
        self._forth.append(out)
        self._network.route(out, None, 0)
        if not back:
            self._back.append(path.back_ns)
            return
        leg = Leg(flow, rank + 1, back, 0, path.back_ns, self._returned)
        leg.hash, leg.hosts = hash_of(flow, 1), self._hosts[flow][::-1]
        self._back.append(leg)
        self._network.route(leg, None, 0)

    def forward(self, t_ns: int, flow: int, packet: bytes) -> None:
        """Take a packet of a sender."""
        self._send(self._forth[flow], t_ns, packet)

    def back(self, t_ns: int, flow: int, packet: bytes, *, spared: bool) -> None:
        """Take a packet of a receiver; see `Bottleneck`."""
        leaves = self._ways[flow].leaves_ns(t_ns, spared=spared)
        if leaves is None:
            return
        way = self._back[flow]
        if isinstance(way, Leg):
            self._send(way, leaves, packet)
        else:
            self._push(leaves + way, TO_SENDER, flow, packet)

    def due(self, now_ns: int) -> list[tuple[int, int, int, bytes]]:
        """Return (time, where to, flow, packet) of what arrives by ``now_ns``, in order of time."""
        self._network.advance(now_ns)
        for leg in [leg for leg in self._busy if not leg.inside]:
            self._busy.remove(leg)
            self._network.close(leg)
        out = []
        heap = self._heap
        while heap and heap[0][0] <= now_ns:
            t, _, to, flow, packet = heapq.heappop(heap)
            out.append((t, to, flow, packet))
        return out

    def next_ns(self) -> int | None:
        """Return when the next thing happens; None if nothing is under way."""
        at = min(hop.next_ns() for hop in self._network.hops) + 1  # and is over
        if self._heap:
            at = min(at, self._heap[0][0])
        return at if at < FOREVER else None

    def finish(self, t_ns: int) -> None:
        """Let all happen that happens up to the end."""
        self._network.advance(t_ns + 1)

    def report(self) -> dict[str, Any]:
        """Return the traces of all hops, and the marks, as JSON values."""
        traces = [hop_trace(one, self.end_ns, self._spill) for one in self._hops.described]
        return {"links": [_plain(trace) for trace in traces], "marks": self.marks}

    def _send(self, leg: Leg, t_ns: int, data: bytes) -> None:
        self._sent += 1
        self._data[self._sent] = data
        if leg not in self._busy:
            self._busy.add(leg)
            self._network.open(leg)
        row = (t_ns, leg.number, len(data), data[1] & 3, 0, t_ns, self._sent)
        self._network.send(leg, np.array([row], dtype=np.int64))

    def _arrived(self, leg: Leg, rows: Rows, known_ns: int) -> None:
        """Keep what arrives at a receiver until its time."""
        for t, data, marked in self._taken(leg, rows):
            if marked:
                self.marks.append((t, leg.flow))
            self._push(t, TO_RECEIVER, leg.flow, data)

    def _returned(self, leg: Leg, rows: Rows, known_ns: int) -> None:
        """Keep what arrives at a sender until its time."""
        for t, data, _ in self._taken(leg, rows):
            self._push(t, TO_SENDER, leg.flow, data)

    def _taken(self, leg: Leg, rows: Rows) -> list[tuple[int, bytes, bool]]:
        """Return when packets arrive, their bytes, and whether they have got a mark on the way;
        unless there are copies of some, nothing is kept of them."""
        taken = []
        for t, ecn, number in rows[:, (REACH, ECN, NUMBER)].tolist():
            data = self._data[number]
            marked = ecn == CE and data[1] & 3 != CE
            taken.append((t, with_ce(data) if marked else data, marked))
        if not leg.copies:
            for number in (*rows[:, NUMBER].tolist(), *(one.row_number for one in leg.lost)):
                del self._data[number]
        leg.lost.clear()
        return taken

    def _push(self, t_ns: int, to: int, flow: int, packet: bytes) -> None:
        self._order += 1
        heapq.heappush(self._heap, (t_ns, self._order, to, flow, packet))


def _plain(value: Any) -> Any:
    """Return a trace as JSON values: its columns as lists, by name."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value
