"""Sums over all flows that one implementation serves, or of one workload, on a grid: what is kept
of thousands of connections instead of each one's samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.sampler import METER_NS
from ccsim.sim.traces import Crowd, GroupTrace, RttSum

__all__ = ["Groups"]

Table = NDArray[np.int64]
SUMS = ("flows", "snd_cwnd", "in_flight", "srtt_us", "measured", "payload_bytes")
METERED = ("in_order_bytes", "measured", "srtt_us")
GAINED, MEASURED, SRTT = range(3)


class Groups:
    """Collects samples; integers are added, so their order does not show."""

    def __init__(self, interval_ns: int, end_ns: int) -> None:
        self.interval_ns = interval_ns
        self._instants = end_ns // interval_ns + 1
        self._metered = end_ns // METER_NS + 1
        self._sums: dict[str, Table] = {}  # by implementation, on the recording grid
        self._rtts: dict[str, Table] = {}  # by implementation, on the meter's
        self._crowds: dict[str, Table] = {}  # by workload, on the meter's

    def _of(self, implementation: str) -> Table:
        if implementation not in self._sums:
            shape = (self._instants, len(SUMS))
            self._sums[implementation] = np.zeros(shape, dtype=np.int64)
        return self._sums[implementation]

    def _meter(self, tables: dict[str, Table], name: str) -> Table:
        if name not in tables:
            tables[name] = np.zeros((self._metered, len(METERED)), dtype=np.int64)
        return tables[name]

    def add(self, implementation: str, t_ns: Table, values: Table) -> None:
        """Add samples of one flow: columns cwnd, in flight [packets], smoothed RTT [us] (0: none),
        and payload since the sample before [bytes]."""
        rows = t_ns // self.interval_ns
        inside = rows < self._instants
        rows, values = rows[inside], values[inside]
        sums = self._of(implementation)
        sums[rows, 0] += 1  # the samples of one flow have an instant each
        sums[rows, 1:4] += values[:, :3]
        sums[rows, 4] += values[:, 2] > 0
        sums[rows, 5] += values[:, 3]

    def add_payload(self, implementation: str, t_ns: int, payload_bytes: int) -> None:
        """Add what a flow that closed at ``t_ns`` has carried since its last sample; it counts at
        the next one."""
        row = -(-t_ns // self.interval_ns)
        if row < self._instants:
            self._of(implementation)[row, 5] += payload_bytes

    def add_rtts(self, implementation: str, t_ns: Table, srtt_us: Table) -> None:
        """Add the smoothed RTTs of one flow on the meter's grid [us]; 0: none."""
        rows = t_ns // METER_NS
        inside = rows < self._metered
        rows, srtt_us = rows[inside], srtt_us[inside]
        table = self._meter(self._rtts, implementation)
        table[rows, MEASURED] += srtt_us > 0
        table[rows, SRTT] += srtt_us

    def add_to_crowd(self, workload: str, t_ns: Table, gained: Table, srtt_us: Table) -> None:
        """Add samples of a flow that is not kept, on the meter's grid: payload in order since the
        sample before [bytes] and smoothed RTT [us]."""
        rows = t_ns // METER_NS
        inside = rows < self._metered
        rows, gained, srtt_us = rows[inside], gained[inside], srtt_us[inside]
        table = self._meter(self._crowds, workload)
        table[rows, GAINED] += gained
        table[rows, MEASURED] += srtt_us > 0
        table[rows, SRTT] += srtt_us

    def add_to_crowd_at_end(self, workload: str, t_ns: int, gained: int) -> None:
        """Add what a flow that is not kept and closed at ``t_ns`` got in order since its last
        sample; it counts at the next one."""
        row = -(-t_ns // METER_NS)
        if row < self._metered:
            self._meter(self._crowds, workload)[row, GAINED] += gained

    def traces(self, until_ns: int) -> tuple[GroupTrace, ...]:
        """Return the sums up to ``until_ns`` as columns, in order of the implementations' names."""
        rows = min(until_ns // self.interval_ns + 1, self._instants)
        t_ns = np.arange(rows, dtype=np.int64) * self.interval_ns
        return tuple(
            self._trace(name, t_ns, sums[:rows]) for name, sums in sorted(self._sums.items())
        )

    def rtts(self, until_ns: int) -> tuple[RttSum, ...]:
        """Return the sums of RTTs up to ``until_ns``, in order of the implementations' names."""
        rows = min(until_ns // METER_NS + 1, self._metered)
        return tuple(
            RttSum(name, *(np.ascontiguousarray(table[:rows, k]) for k in (MEASURED, SRTT)))
            for name, table in sorted(self._rtts.items())
        )

    def crowds(self, until_ns: int) -> tuple[Crowd, ...]:
        """Return what is known of flows that are not kept, in order of the workloads' names."""
        rows = min(until_ns // METER_NS + 1, self._metered)
        return tuple(
            Crowd(
                name,
                np.cumsum(table[:rows, GAINED]),
                *(np.ascontiguousarray(table[:rows, k]) for k in (MEASURED, SRTT)),
            )
            for name, table in sorted(self._crowds.items())
        )

    def _trace(self, name: str, t_ns: Table, sums: Table) -> GroupTrace:
        flows, cwnd, in_flight, srtt, measured, payload = (
            np.ascontiguousarray(column) for column in sums.T
        )
        return GroupTrace(
            implementation=name,
            t_ns=t_ns,
            flows=flows,
            snd_cwnd=cwnd,
            in_flight=in_flight,
            srtt_us=srtt // np.maximum(measured, 1),
            throughput_bps=payload * 8 * 1_000_000_000 // self.interval_ns,
        )
