"""What was measured of connections, wherever it comes from: captures, ``ss``, probes, iperf3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "Imported", "Measured"]

Floats = NDArray[np.floating[Any]]
COLUMNS = {
    "throughput_bps": "payload delivered since the sample before [bit/s]",
    "rtt_ms": "round-trip time, smoothed where the file has it so [ms]",
    "in_flight_packets": "sent, and neither acknowledged nor SACKed [full packets]",
    "retransmissions": "packets sent again so far",
    "cwnd_packets": "congestion window [packets]",
    "ssthresh_packets": "slow-start threshold [packets]",
    "pacing_bps": "pacing rate [bit/s]",
}
"""What a connection's samples may have."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One connection: samples at ``t_s`` [s since the file's first], each of ``columns`` as long;
    a value that is not known is NaN.

    ``start_s`` and ``end_s`` when it began and was last seen [s]; ``bytes_delivered`` payload;
    ``facts`` are what the file tells beside samples.
    """

    name: str
    congestion: str  # empty: not told
    start_s: float
    end_s: float
    mss_bytes: int  # 0: not told
    bytes_delivered: int
    t_s: Floats
    columns: Mapping[str, Floats]
    facts: Mapping[str, float] = field(default_factory=dict)

    def column(self, name: str) -> Floats | None:
        """Return a column; None if the file does not tell it."""
        found = self.columns.get(name)
        return None if found is None or np.isnan(found).all() else found

    @property
    def goodput_bps(self) -> float:
        """Payload delivered over the connection's life [bit/s]."""
        return 8 * self.bytes_delivered / max(self.end_s - self.start_s, 1e-9)


@dataclass(frozen=True, eq=False)
class Imported:
    """A file's connections, in order of their start, and what is to be known of how it was read."""

    file: str
    kind: str
    connections: tuple[Measured, ...]
    notes: tuple[str, ...] = ()
