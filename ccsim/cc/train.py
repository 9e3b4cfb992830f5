"""Trains of ACKs: what an algorithm's optional ``train`` hook receives, one NumPy row an ACK."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ccsim.kernel.ops import AckSample
from ccsim.kernel.sock import Sock

__all__ = [
    "AckTrain",
    "Column",
    "hook_train",
]


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


KEPT = ("snd_cwnd", "snd_cwnd_cnt", "snd_ssthresh")


def hook_train(sk: Sock, acks: AckTrain) -> int:
    """Take the ACKs of a train up to a change of ssthresh, or before a window below the train's.

    For ``train`` hooks of algorithms whose ``pkts_acked`` and ``cong_avoid`` read of the socket no
    more than windows, their own area, clocks, ``snd_una``, ``snd_nxt``, ``hz`` and ``mss_cache``,
    of the sample no ``in_flight``, and draw no random numbers. Return how many ACKs were taken;
    with an ``in_ack_event``, which is not run, none.
    """
    if sk.ca_ops.in_ack_event is not None:
        return 0
    shadow = _shadow(sk)
    taken, fell = _run(shadow, acks, acks.n)
    if fell:  # that ACK's hooks have run: begin again, and stop before it
        shadow = _shadow(sk)
        _run(shadow, acks, taken)
    if taken:
        for field in KEPT:
            setattr(sk, field, getattr(shadow, field))
        sk.ca = shadow.ca
    return taken


def _shadow(sk: Sock) -> Sock:
    """Return a socket on which hooks may run without any trace on the real one."""
    shadow = Sock()
    shadow.ca, shadow.ca_ops, shadow.ca_state = copy(sk.ca), sk.ca_ops, sk.ca_state
    shadow.snd_cwnd, shadow.snd_cwnd_cnt = sk.snd_cwnd, sk.snd_cwnd_cnt
    shadow.snd_ssthresh, shadow.snd_cwnd_clamp = sk.snd_ssthresh, sk.snd_cwnd_clamp
    shadow.is_cwnd_limited, shadow.hz, shadow.mss_cache = True, sk.hz, sk.mss_cache
    return shadow


def _run(shadow: Sock, acks: AckTrain, count: int) -> tuple[int, bool]:
    """Run the hooks for ``count`` ACKs; return how many are good, and whether the window fell below
    the first with the next one."""
    ops, mss = shadow.ca_ops, shadow.mss_cache
    pkts_acked, cong_avoid = ops.pkts_acked, ops.cong_avoid
    assert cong_avoid is not None
    floor, ssthresh, nxt = shadow.snd_cwnd, shadow.snd_ssthresh, acks.snd_nxt
    sample = AckSample()
    windows: list[int] = []
    columns = (acks.t_ns, acks.jiffies, acks.una, acks.acked, acks.rtt_us)
    rows = zip(*(column[:count].tolist() for column in columns), strict=True)
    for t, tick, una, acked, rtt_us in rows:
        shadow.tcp_clock_cache, shadow.tcp_mstamp = t, t // 1000
        shadow.tcp_jiffies32 = tick
        shadow.snd_una, shadow.snd_nxt = una * mss, nxt * mss
        if pkts_acked is not None:
            sample.pkts_acked, sample.rtt_us = acked, rtt_us
            pkts_acked(shadow, sample)
        cong_avoid(shadow, una * mss, acked)
        cwnd = shadow.snd_cwnd
        if cwnd < floor:
            return len(windows), True
        windows.append(cwnd)
        if una + cwnd > nxt:
            nxt = una + cwnd
        if shadow.snd_ssthresh != ssthresh:
            break
    acks.cwnd[: len(windows)] = windows
    return len(windows), False
