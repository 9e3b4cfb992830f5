"""Sums over all flows that one implementation serves, on the recording grid: what is kept of
thousands of connections in place of each one's samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.traces import GroupTrace

__all__ = ["Groups"]

Table = NDArray[np.int64]
SUMS = ("flows", "snd_cwnd", "in_flight", "srtt_us", "measured", "payload_bytes")


class Groups:
    """Collects samples by implementation; integers are added, so their order does not show."""

    def __init__(self, interval_ns: int, end_ns: int) -> None:
        self.interval_ns = interval_ns
        self._instants = end_ns // interval_ns + 1
        self._sums: dict[str, Table] = {}

    def _of(self, implementation: str) -> Table:
        if implementation not in self._sums:
            shape = (self._instants, len(SUMS))
            self._sums[implementation] = np.zeros(shape, dtype=np.int64)
        return self._sums[implementation]

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

    def traces(self, until_ns: int) -> tuple[GroupTrace, ...]:
        """Return the sums up to ``until_ns`` as columns, in order of the implementations' names."""
        rows = min(until_ns // self.interval_ns + 1, self._instants)
        t_ns = np.arange(rows, dtype=np.int64) * self.interval_ns
        return tuple(
            self._trace(name, t_ns, sums[:rows]) for name, sums in sorted(self._sums.items())
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
