"""Per-packet columns of a sender: one row for each packet between ``una`` and ``nxt``.

Every column is one block of memory seen twice: as an ``array`` whose elements the scalar path reads
and writes at list speed, and as a NumPy view that the vector path slices. Nothing is converted when
a connection changes paths.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from ccsim.errors import AlgorithmError

__all__ = [
    "APP_LIMITED",
    "EVER_RETRANS",
    "LOST",
    "MAX_IN_FLIGHT",
    "RETRANS",
    "SACKED",
    "PacketColumns",
]

SACKED = 1  # TCPCB_SACKED_ACKED
RETRANS = 2  # TCPCB_SACKED_RETRANS: a retransmission is in flight
LOST = 4  # TCPCB_LOST
EVER_RETRANS = 128  # TCPCB_EVER_RETRANS
APP_LIMITED = 16  # sent while the application limited the flow

INITIAL_ROWS = 1024
MAX_IN_FLIGHT = 1 << 21
"""So many packets of a flow may be in flight: 3 GB of data, for which a sender takes half a GB."""
NAMES = ("tx_us", "delivered", "delivered_us", "first_tx_us")


class PacketColumns:
    """Columns indexed by packet number minus ``base``.

    ``tx_us`` time of the latest transmission [us]; ``delivered``, ``delivered_us``, ``first_tx_us``
    the stamps that a rate sample needs (``tx.delivered``, ``tx.delivered_mstamp``,
    ``tx.first_tx_mstamp``); ``flags`` the marks above, none beyond the last packet sent. ``*_np``
    are NumPy views of the same memory, ``flags_bytes`` the flags as bytes.
    """

    __slots__ = (
        "base",
        "capacity",
        "delivered",
        "delivered_np",
        "delivered_us",
        "delivered_us_np",
        "first_tx_us",
        "first_tx_us_np",
        "flags",
        "flags_bytes",
        "flags_np",
        "tx_us",
        "tx_us_np",
    )

    tx_us: array[int]
    delivered: array[int]
    delivered_us: array[int]
    first_tx_us: array[int]
    flags: bytearray
    flags_bytes: bytearray
    tx_us_np: NDArray[np.int64]
    delivered_np: NDArray[np.int64]
    delivered_us_np: NDArray[np.int64]
    first_tx_us_np: NDArray[np.int64]
    flags_np: NDArray[np.uint8]

    def __init__(self) -> None:
        self.base = 0
        self._allocate(INITIAL_ROWS)

    def _allocate(self, capacity: int) -> None:
        self.capacity = capacity
        for name in NAMES:
            column = array("q", bytes(8 * capacity))
            setattr(self, name, column)
            setattr(self, name + "_np", np.frombuffer(column, dtype=np.int64))
        self.flags = self.flags_bytes = bytearray(capacity)
        self.flags_np = np.frombuffer(self.flags, dtype=np.uint8)

    def make_room(self, una: int, nxt: int, count: int) -> None:
        """Make sure that packets ``nxt`` to ``nxt + count`` have rows; forget those below
        ``una``; AlgorithmError if the window has become too large for a simulation."""
        live = nxt - una
        if live + count > MAX_IN_FLIGHT:
            raise AlgorithmError(
                f"the window lets {live + count} packets be in flight, expected at most "
                f"{MAX_IN_FLIGHT}; the flow's receiver (rwnd) or sndbuf bounds it"
            )
        old = [getattr(self, name + "_np")[una - self.base : nxt - self.base] for name in NAMES]
        old_flags = self.flags_np[una - self.base : nxt - self.base].copy()
        if 2 * (live + count) > self.capacity:
            self._allocate(max(2 * self.capacity, 4 * (live + count)))
        for name, values in zip(NAMES, old, strict=True):
            getattr(self, name + "_np")[:live] = values
        self.flags_np[:live] = old_flags
        self.flags_np[live:] = 0
        self.base = una
