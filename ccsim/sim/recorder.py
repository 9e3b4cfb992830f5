"""What is written down while a run goes: samples of a flow on the recording grid, and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.implementation_sums import Groups
from ccsim.sim.sampler import METER_NS, Sampler
from ccsim.sim.source import Source
from ccsim.sim.traces import Borders, Event, FlowTrace, Meter
from ccsim.spill import Rows, Spill
from ccsim.tcp.host import NEVER
from ccsim.tcp.sock import UNBOUNDED, TcpSock

__all__ = [
    "BORDER",
    "COLUMNS",
    "METERED",
    "METER_COLUMNS",
    "TRACED",
    "EventLog",
    "FlowRecorder",
]

COLUMNS = (
    "t_ns",
    "snd_cwnd",
    "ssthresh",
    "srtt_us",
    "in_flight",
    "pacing_rate_bps",
    "acked_packets",
    "delivered_packets",
    "retransmissions",
    "ca_state",
    "implementation",
)
ACKED, DELIVERED = COLUMNS.index("acked_packets"), COLUMNS.index("delivered_packets")
SRTT = COLUMNS.index("srtt_us")
BYTES = {"acked_packets": "delivered_bytes", "delivered_packets": "throughput_bps"}
TRACED = (*(BYTES.get(name, name) for name in COLUMNS), "marks")
"""The columns of a trace: packets have become bytes."""
METERED = ("t_ns", "acked_packets", "delivered_packets", "retransmissions", "srtt_us")
"""What is kept of a sample on the meter's grid."""
_METERED_AT = [COLUMNS.index(name) for name in METERED]
METER_COLUMNS = ("t_ns", "delivered_bytes", "retransmissions", "srtt_us")
BORDER = ("t_ns", "delivered_bytes", "retransmissions")
_MOST = np.iinfo(np.int64).max
Table = NDArray[np.int64]


class EventLog:
    """Events of a run; `sorted_events` puts them in order of time, then flow, then occurrence."""

    def __init__(self) -> None:
        self._events: list[tuple[int, int, int, Event]] = []

    def add(self, t_ns: int, flow: int, event: Event) -> None:
        """Add an event of flow number ``flow`` (-1: of none)."""
        self._events.append((t_ns, flow, len(self._events), event))

    def sorted_events(self, until_ns: int) -> tuple[Event, ...]:
        """Return the events up to a time in their order, which does not depend on how the run was
        cut."""
        rows = sorted(self._events, key=lambda row: row[:3])
        return tuple(event for t_ns, _, _, event in rows if t_ns <= until_ns)


class FlowRecorder(Sampler):
    """Samples one sender at every multiple of the interval; a sample at t sees all that happened up
    to t.

    Without ``sampled`` it does not. The samples are ``kept``, or added to those of ``groups``, or
    both; those that are not kept are also added up by ``workload``. ``size_bytes`` is what a finite
    flow carries.
    """

    def __init__(
        self,
        interval_ns: int,
        implementation: Callable[[], str],
        clock: Callable[[], int] = lambda: 0,
        *,
        source: Source | None = None,
        sampled: bool = True,
        kept: bool = True,
        groups: Groups | None = None,
        workload: str = "",
        size_bytes: int | None = None,
        spill: Spill | None = None,
    ) -> None:
        super().__init__(interval_ns)
        spill = spill or Spill()
        self.packed: Rows = spill.rows(len(COLUMNS))  # all samples but the latest
        self.metered: Rows = spill.rows(len(METERED))  # where the scenario records other instants
        if interval_ns != METER_NS:
            self.meter_ns = METER_NS
        self.borders: list[tuple[int, int, int]] = []  # time [ns], packets acknowledged, resent
        self.implementations: list[str] = []
        self.served: list[tuple[int, int]] = []  # from when on [ns], index of what served the flow
        self.bare_fin = UNBOUNDED  # the packet that is a FIN without data
        self._implementation = implementation
        self._clock = clock
        self._source = source
        self._sampled = sampled
        self._kept = kept
        self._groups = groups
        self._workload = workload
        self._most = _MOST if size_bytes is None else size_bytes
        self._grouped_bytes = 0  # the payload that has been added to the groups
        self._crowded_bytes = 0  # that in order, to what is not kept
        self._ungrouped: list[NDArray[np.int64]] = []  # samples that are not in the groups yet

    def start(self, t_ns: int) -> None:
        """Begin at the first grid instant from ``t_ns`` on."""
        if self._sampled:
            self.next_ns = _up(t_ns, self.interval_ns)
            if self.meter_ns:
                self.next_ns = min(self.next_ns, _up(t_ns, self.meter_ns))

    def stop(self) -> None:
        """Sample no more."""
        self.next_ns = NEVER

    def implementation_changed(self) -> None:
        """Note what serves the flow from now on."""
        name = self._implementation()
        if name not in self.implementations:
            self.implementations.append(name)
        self.index = self.implementations.index(name)
        if not self.served or self.served[-1][1] != self.index:
            self.served.append((self._clock(), self.index))

    def forget_after(self, t_ns: int) -> None:
        """Drop the samples of a window that was not completed; the others have been packed."""
        self.packed.forget_after(t_ns)
        self.metered.forget_after(t_ns)

    def border(self, sk: TcpSock, t_ns: int) -> None:
        """Note the counts before ``t_ns``, when nothing that happens then has happened yet; at the
        flow's end they take the place of those before."""
        if self.borders and self.borders[-1][0] == t_ns:
            self.borders.pop()
        self.borders.append((t_ns, sk.una, sk.total_retrans))

    def between(self, t0_ns: int, t1_ns: int) -> list[tuple[int, ...]]:
        """Return the samples on the meter's grid in [t0, t1) that are kept, as `METERED`."""
        found: list[tuple[int, ...]] = []
        rows, columns = (self.metered, slice(None)) if self.meter_ns else (self.packed, _METERED_AT)
        for table in rows.since(t0_ns):
            inside = table[(table[:, 0] >= t0_ns) & (table[:, 0] < t1_ns)]
            found += [tuple(row) for row in inside[:, columns].tolist()]
        latest = map(tuple, _on_grid(self._latest(), METER_NS)[:, _METERED_AT].tolist())
        return found + [row for row in latest if t0_ns <= row[0] < t1_ns]

    def pack(self, sk: TcpSock) -> None:
        """Put the samples into a table, which takes a fifth of their memory, and into the
        groups."""
        if not self.count:
            return
        table = self._latest().copy()
        self.count = 0
        if self._kept:
            self._keep(table)
        if self._groups is not None:
            self._ungrouped.append(table)
            self._group(sk, sk.nxt)

    def _keep(self, table: Table) -> None:
        if not self.meter_ns:
            self.packed.add(table)
            return
        for rows, some in (
            (self.packed, _on_grid(table, self.interval_ns)),
            (self.metered, _on_grid(table, self.meter_ns)[:, _METERED_AT]),
        ):
            if len(some):
                rows.add(np.ascontiguousarray(some))

    def _latest(self) -> NDArray[np.int64]:
        """Return the samples that have not been packed, where they are."""
        values = np.frombuffer(self.table, np.int64)[: self.count * len(COLUMNS)]
        return values.reshape(-1, len(COLUMNS))

    def _group(self, sk: TcpSock, sent: int = UNBOUNDED) -> None:
        """Add samples to the groups, up to the first that counts more than ``sent`` packets as
        delivered.

        Needless retransmissions count as well, so there may be such samples; what a packet carries
        is settled only once it has left. Nor is known before a listener has accepted the flow what
        will serve it.
        """
        if self._groups is None or not self._ungrouped or not self.implementations:
            return
        table = np.concatenate(self._ungrouped)
        settled = int((table[:, DELIVERED] - 1).searchsorted(sent, side="right"))
        self._ungrouped = [table[settled:]] if settled < len(table) else []
        if not settled:
            return
        self._group_recorded(_on_grid(table[:settled], self.interval_ns), sk, self._groups)
        self._group_metered(_on_grid(table[:settled], METER_NS), sk, self._groups)

    def _group_recorded(self, table: Table, sk: TcpSock, groups: Groups) -> None:
        if not len(table):
            return
        carried = self._payload(table[:, DELIVERED] - 1, sk, self._source)
        gained = np.diff(carried, prepend=self._grouped_bytes)
        self._grouped_bytes = int(carried[-1])
        values = np.column_stack((table[:, [1, 4, 3]], gained))
        for index in np.unique(table[:, -1]):
            own = table[:, -1] == index
            groups.add(self.implementations[index], table[own, 0], values[own])

    def _group_metered(self, table: Table, sk: TcpSock, groups: Groups) -> None:
        if not len(table):
            return
        for index in np.unique(table[:, -1]):
            own = table[:, -1] == index
            groups.add_rtts(self.implementations[index], table[own, 0], table[own, SRTT])
        if not self._kept:
            in_order = self._in_order(table[:, ACKED], sk, self._source)
            gained = np.diff(in_order, prepend=self._crowded_bytes)
            self._crowded_bytes = int(in_order[-1])
            groups.add_to_crowd(self._workload, table[:, 0], gained, table[:, SRTT])

    def finish(self, sk: TcpSock) -> None:
        """Pack the samples of a flow that sends no more, all of them."""
        self.pack(sk)
        self.give_back()
        self._group(sk)

    def close(self, sk: TcpSock, t_ns: int) -> None:
        """Pack the samples of a flow that closed at ``t_ns``; the groups get what came after the
        last."""
        self.finish(sk)
        if self._groups is None or not self._sampled or not self.implementations:
            return
        carried = int(self._payload(np.array([sk.delivered - 1]), sk, self._source)[0])
        name = self.implementations[self.index]
        self._groups.add_payload(name, t_ns, carried - self._grouped_bytes)
        self._grouped_bytes = carried
        if not self._kept:
            in_order = int(self._in_order(np.array([sk.una]), sk, self._source)[0])
            self._groups.add_to_crowd_at_end(self._workload, t_ns, in_order - self._crowded_bytes)
            self._crowded_bytes = in_order

    def instants(self, after_ns: int, until_ns: int) -> list[int]:
        """Return the instants of samples from ``after_ns`` on and before ``until_ns``."""
        first = max(self.next_ns, after_ns)
        if first >= until_ns:
            return []
        recorded = range(_up(first, self.interval_ns), until_ns, self.interval_ns)
        if not self.meter_ns:
            return list(recorded)
        return sorted({*recorded, *range(_up(first, self.meter_ns), until_ns, self.meter_ns)})

    def trace(
        self,
        sk: TcpSock,
        source: Source | None,
        columns: Mapping[str, Any],
        metered: Mapping[str, Any],
        marked_ns: Table,
        **known: Any,
    ) -> FlowTrace:
        """Return the samples, put into ``columns`` (one for each of `TRACED`) and ``metered`` (one
        for each of `METER_COLUMNS`), which must have room for just as many; ``source`` wrote
        the packets that are not full, ``marked_ns`` when packets were marked. The recorder holds no
        samples afterwards."""
        stop, before = 0, 0
        for table in self.packed.blocks():
            rows, stop = slice(stop, stop + len(table)), stop + len(table)
            for k, name in enumerate(TRACED[: len(COLUMNS)]):
                columns[name][rows] = table[:, k]
            columns["delivered_bytes"][rows] = self._in_order(table[:, ACKED], sk, source)
            columns["marks"][rows] = marked_ns.searchsorted(table[:, 0], side="right")
            # `delivered` starts at 1, for the SYN.
            carried = self._payload(table[:, DELIVERED] - 1, sk, source)
            gained = np.diff(carried, prepend=before)
            columns["throughput_bps"][rows] = gained * 8 * 1_000_000_000 // self.interval_ns
            before = carried[-1]
        self.packed.clear()
        return FlowTrace(
            mss_bytes=sk.mss_cache,
            implementations=tuple(self.implementations),
            served=tuple(self.served),
            recorded=self._sampled and self._kept,
            meter=self._meter(sk, source, metered) if self.meter_ns else None,
            borders=self._borders(sk, source),
            **columns,
            **known,
        )

    def _meter(self, sk: TcpSock, source: Source | None, columns: Mapping[str, Any]) -> Meter:
        """Return the samples on the meter's grid, put into ``columns``."""
        stop = 0
        for table in self.metered.blocks():
            rows, stop = slice(stop, stop + len(table)), stop + len(table)
            columns["t_ns"][rows] = table[:, 0]
            columns["delivered_bytes"][rows] = self._in_order(table[:, 1], sk, source)
            columns["retransmissions"][rows] = table[:, 3]
            columns["srtt_us"][rows] = table[:, 4]
        self.metered.clear()
        return Meter(**columns)

    def _borders(self, sk: TcpSock, source: Source | None) -> Borders:
        """Return the counts at borders; bytes as in `trace`."""
        table = np.array(self.borders, dtype=np.int64).reshape(-1, len(BORDER))
        acked = self._in_order(table[:, 1], sk, source)
        return Borders(*(np.ascontiguousarray(one) for one in (table[:, 0], acked, table[:, 2])))

    def _in_order(self, packets: Table, sk: TcpSock, source: Source | None) -> Table:
        """Return the payload of packets acknowledged in order [bytes]."""
        payload: Table = np.minimum(self._payload(packets, sk, source), self._most)
        return payload

    def _payload(self, packets: Any, sk: TcpSock, source: Source | None) -> Any:
        """Return the payload of the first packets [bytes], for each count of them."""
        if source is not None:
            return source.payload_bytes(packets)
        return np.minimum(packets, self.bare_fin) * sk.mss_cache


def _on_grid(table: Table, interval_ns: int) -> Table:
    """Return the samples at multiples of an interval."""
    kept: Table = table[table[:, 0] % interval_ns == 0]
    return kept


def _up(t_ns: int, interval_ns: int) -> int:
    """Return the first multiple of an interval from ``t_ns`` on."""
    return -(-t_ns // interval_ns) * interval_ns
