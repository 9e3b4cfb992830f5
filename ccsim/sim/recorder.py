"""What is written down while a run goes: samples of a flow on the recording grid, and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.net.link import Link
from ccsim.sim.groups import Groups
from ccsim.sim.sampler import Sampler
from ccsim.sim.source import Source
from ccsim.sim.traces import Event, FlowTrace, LinkTrace
from ccsim.spill import BLOCK_ROWS, Rows, Spill
from ccsim.tcp.host import NEVER
from ccsim.tcp.sock import UNBOUNDED, TcpSock

__all__ = ["COLUMNS", "TRACED", "EventLog", "FlowRecorder", "link_trace"]

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
BYTES = {"acked_packets": "delivered_bytes", "delivered_packets": "throughput_bps"}
TRACED = tuple(BYTES.get(name, name) for name in COLUMNS)
"""The columns of a trace: packets have become bytes."""
_MOST = np.iinfo(np.int64).max
LINK_SAMPLE = ("t_ns", "queue_packets", "drops", "losses", "departed_bytes")


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
    both.
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
        rows: Rows | None = None,
    ) -> None:
        super().__init__(interval_ns)
        self.packed = Spill().rows(len(COLUMNS)) if rows is None else rows  # all but the latest
        self.implementations: list[str] = []
        self.served: list[tuple[int, int]] = []  # from when on [ns], index of what served the flow
        self.bare_fin = UNBOUNDED  # the packet that is a FIN without data
        self._implementation = implementation
        self._clock = clock
        self._source = source
        self._sampled = sampled
        self._kept = kept
        self._groups = groups
        self._grouped_bytes = 0  # the payload that has been added to the groups
        self._ungrouped: list[NDArray[np.int64]] = []  # samples that are not in the groups yet

    def start(self, t_ns: int) -> None:
        """Begin at the first grid instant from ``t_ns`` on."""
        if self._sampled:
            self.next_ns = -(-t_ns // self.interval_ns) * self.interval_ns

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

    def between(self, t0_ns: int, t1_ns: int) -> list[tuple[int, ...]]:
        """Return the samples in [t0, t1) that are kept."""
        found: list[tuple[int, ...]] = []
        for table in self.packed.since(t0_ns):
            inside = table[(table[:, 0] >= t0_ns) & (table[:, 0] < t1_ns)]
            found += [tuple(row) for row in inside.tolist()]
        latest = map(tuple, self._latest().tolist())
        return found + [row for row in latest if t0_ns <= row[0] < t1_ns]

    def pack(self, sk: TcpSock) -> None:
        """Put the samples into a table, which takes a fifth of their memory, and into the
        groups."""
        if not self.count:
            return
        table = self._latest().copy()
        self.count = 0
        if self._kept:
            self.packed.add(table)
        if self._groups is not None:
            self._ungrouped.append(table)
            self._group(sk, sk.nxt)

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
        table = table[:settled]
        carried = self._payload(table[:, DELIVERED] - 1, sk, self._source)
        gained = np.diff(carried, prepend=self._grouped_bytes)
        self._grouped_bytes = int(carried[-1])
        values = np.column_stack((table[:, [1, 4, 3]], gained))
        for index in np.unique(table[:, -1]):
            own = table[:, -1] == index
            self._groups.add(self.implementations[index], table[own, 0], values[own])

    def finish(self, sk: TcpSock) -> None:
        """Pack the samples of a flow that sends no more, all of them."""
        self.pack(sk)
        self.give_back()
        self._group(sk)

    def close(self, sk: TcpSock, t_ns: int) -> None:
        """Pack the samples of a flow that closed at ``t_ns``; the groups get what came after the
        last."""
        self.finish(sk)
        if self._groups is not None and self._sampled and self.implementations:
            carried = int(self._payload(np.array([sk.delivered - 1]), sk, self._source)[0])
            name = self.implementations[self.index]
            self._groups.add_payload(name, t_ns, carried - self._grouped_bytes)
            self._grouped_bytes = carried

    def instants(self, after_ns: int, until_ns: int) -> list[int]:
        """Return the recording instants from ``after_ns`` on and before ``until_ns``."""
        if self.next_ns >= until_ns:
            return []
        return list(range(max(self.next_ns, after_ns), until_ns, self.interval_ns))

    def trace(
        self,
        sk: TcpSock,
        size_bytes: int | None,
        source: Source | None,
        columns: Mapping[str, Any],
        **known: Any,
    ) -> FlowTrace:
        """Return the samples, put into ``columns`` (one for each of `TRACED`), which must have
        room for just as many; ``size_bytes`` is what a finite flow carries, ``source`` who wrote
        packets that are not full. The recorder holds no samples afterwards."""
        self.pack(sk)
        stop, before = 0, 0
        for table in self.packed.blocks():
            rows, stop = slice(stop, stop + len(table)), stop + len(table)
            for k, name in enumerate(TRACED):
                columns[name][rows] = table[:, k]
            acked = self._payload(table[:, ACKED], sk, source)
            columns["delivered_bytes"][rows] = np.minimum(
                acked, _MOST if size_bytes is None else size_bytes
            )
            # `delivered` starts at 1, for the SYN.
            carried = self._payload(table[:, DELIVERED] - 1, sk, source)
            gained = np.diff(carried, prepend=before)
            columns["throughput_bps"][rows] = gained * 8 * 1_000_000_000 // self.interval_ns
            before = carried[-1]
        self.packed.clear()
        return FlowTrace(
            mss_bytes=sk.mss_cache,
            implementations=tuple(self.implementations),
            **columns,
            **known,
        )

    def _payload(self, packets: Any, sk: TcpSock, source: Source | None) -> Any:
        """Return the payload of the first so many packets [bytes], for each count."""
        if source is not None:
            return source.payload_bytes(packets)
        return np.minimum(packets, self.bare_fin) * sk.mss_cache


def link_trace(name: str, link: Link, end_ns: int, spill: Spill) -> LinkTrace:
    """Return what a link recorded up to and including ``end_ns`` as columns; it holds none of it
    afterwards."""
    link.pack(len(link.drop_log))
    sampled = _gathered(link.sampled, LINK_SAMPLE, end_ns, spill, more=("utilisation_ppm",))
    dropped = _gathered(link.dropped, ("t_ns", "flow", "random"), end_ns, spill)
    capacity = max(link.fifo.rate_bps * link.interval_ns // 1_000_000_000, 1)
    departed, use = sampled["departed_bytes"], sampled["utilisation_ppm"]
    for first in range(0, len(use), BLOCK_ROWS):
        carried = departed[first : first + BLOCK_ROWS]
        before = departed[first - 1] if first else 0
        use[first : first + BLOCK_ROWS] = np.diff(carried, prepend=before) * 8_000_000 // capacity
    return LinkTrace(
        name=name,
        rate_bps=link.fifo.rate_bps,
        buffer_packets=link.fifo.limit,
        **sampled,
        **{f"drop_{column}": values for column, values in dropped.items()},
    )


def _gathered(
    rows: Rows, names: tuple[str, ...], end_ns: int, spill: Spill, more: tuple[str, ...] = ()
) -> dict[str, NDArray[np.int64]]:
    """Return rows up to a time as columns, with room for ``more``; they hold none afterwards."""
    rows.forget_after(end_ns)
    columns = spill.columns((*names, *more), len(rows))
    stop = 0
    for table in rows.blocks():
        start, stop = stop, stop + len(table)
        for k, name in enumerate(names):
            columns[name][start:stop] = table[:, k]
    rows.clear()
    return columns
