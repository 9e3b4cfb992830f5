"""Trains of ACKs: what an algorithm's optional ``train`` hook receives, one NumPy row an ACK."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["AckTrain", "Column"]

Column = NDArray[np.int64]


class AckTrain:
    """Consecutive plain ACKs of one socket: state Open, nothing lost or SACKed, the window the only
    limit.

    ``t_ns`` arrival of each ACK [ns]; ``una`` packets acknowledged cumulatively after it; ``acked``
    packets it newly acknowledges (at least 1); ``rtt_us`` the RTT sample and ``in_flight`` the
    bytes in flight that ``pkts_acked`` would receive [us, bytes]. All int64[n]. ``cwnd`` is the
    hook's output: snd_cwnd after each ACK. ``snd_nxt`` is the sender's next packet number before
    the first ACK; ``jiffies0_ns`` and ``jiffy_ns`` give the tick of a time.

    The hook sees the socket as it is before the first ACK. It takes the first k ACKs, writes
    ``cwnd[:k]``, leaves ``snd_cwnd``, ``snd_cwnd_cnt``, ``snd_ssthresh`` and ``ca`` as
    ``pkts_acked``, ``in_ack_event`` with no flag and ``cong_avoid``, called ACK by ACK, would have
    left them, and returns k (0 to n). ``snd_ssthresh`` may change at the last taken ACK only;
    ``cwnd`` never falls below the window that the train began with, and grows at an ACK by what
    that acknowledges and a packet more at most.

    Between the ACKs ``srtt_us`` follows the samples, as its filter has it, and ``delivered``
    follows ``una``; ``delivered_ce``, the timestamps and all else of the socket stay.
    """

    def __init__(
        self,
        t_ns: Column,
        una: Column,
        acked: Column,
        rtt_us: Column,
        *,
        snd_nxt: int,
        mss: int,
        jiffies0_ns: int,
        jiffy_ns: int,
        in_flight: Callable[[], Column] | None = None,
    ) -> None:
        self.n = len(t_ns)
        self.t_ns = t_ns
        self.una = una
        self.acked = acked
        self.rtt_us = rtt_us
        self.cwnd: Column = np.empty(self.n, dtype=np.int64)
        self.snd_nxt = snd_nxt
        self.mss = mss
        self.jiffies0_ns = jiffies0_ns
        self.jiffy_ns = jiffy_ns
        self._in_flight = in_flight

    @cached_property
    def t_us(self) -> Column:
        """``tcp_mstamp`` at each ACK [us]."""
        return self.t_ns // 1000

    @cached_property
    def jiffies(self) -> Column:
        """``tcp_jiffies32`` at each ACK, not wrapped."""
        return (self.t_ns + self.jiffies0_ns) // self.jiffy_ns

    @cached_property
    def in_flight(self) -> Column:
        """Bytes in flight when the newest packet of each ACK was sent; TypeError if the host does
        not tell.
        """
        if self._in_flight is None:
            raise TypeError("this train does not tell what was in flight")
        return self._in_flight()

    def snd_nxt_before(self, k: int) -> int:
        """Return the next packet number when ACK ``k`` arrives, from ``cwnd[:k]``, which must be
        written."""
        if k == 0:
            return self.snd_nxt
        return max(self.snd_nxt, int((self.una[:k] + self.cwnd[:k]).max()))
