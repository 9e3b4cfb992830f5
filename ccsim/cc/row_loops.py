"""Loops over the rows of a train, for machine code (``ccsim compile``): what a train of paced ACKs
is asked in columns, and the search of a column.

A column is a buffer of int64, one element an ACK. Packets leave at ``depart_ns + gap_ns * k``, the
first of them packet number ``seq``.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from ccsim.cc.fixed_point import BW_SHIFT
from ccsim.compiled import in_use

__all__ = [
    "depart",
    "first_at_departure",
    "first_at_least",
    "follow",
]


def depart(
    t_ns: Any,
    una: Any,
    acked: Any,
    nxt: Any,
    row: int,
    depart_ns: int,
    gap_ns: int,
    seq: int,
    limit: int,
    least: int,
) -> tuple[int, int]:
    """Write which packet leaves next when each ACK from ``row`` on arrives.

    Return the most packets in flight before one of these ACKs, and the first that leaves fewer than
    ``least`` of them in flight, or no packet below ``limit`` to be sent.
    """
    n = free = len(t_ns)
    most = 0
    before = depart_ns - gap_ns + 1
    for k in range(row, n):
        waited = t_ns[k] - before
        following = seq + waited // gap_ns if waited > 0 else seq
        nxt[k] = following
        flight = following - una[k]
        if flight + acked[k] > most:
            most = flight + acked[k]
        if (flight < least or following >= limit) and k < free:
            free = k
    return most, free


def first_at_departure(
    t_ns: Any,
    una: Any,
    acked: Any,
    nxt: Any,
    start: int,
    stop: int,
    depart_ns: int,
    gap_ns: int,
    seq: int,
    bw: int,
    target: int,
    filled: bool,
) -> int:
    """Return the first ACK from ``start`` to before ``stop`` at which, when the next packet may
    leave, ``target`` packets are in the network: at least, if it is to be ``filled``, else at most.
    """
    for k in range(start, stop):
        wait_ns = (nxt[k] - seq) * gap_ns + depart_ns - t_ns[k]
        in_flight = nxt[k] - una[k] + acked[k]
        if wait_ns > 0:
            in_flight -= bw * (wait_ns // 1000) >> BW_SHIFT
        if in_flight >= target if filled else in_flight <= target:
            return k
    return stop


def follow(acked: Any, cwnd: Any, row: int, stop: int, window: int, target: int) -> int:
    """Let the window grow with the ACKs from ``row`` to before ``stop`` up to ``target``, or fall
    to it at once; write it, and return the last."""
    for k in range(row, stop):
        window += acked[k]
        if window > target:
            window = target
        cwnd[k] = window
    return window


COMPILED = in_use()


def first_at_least(column: Any, value: int, row: int, stop: int) -> int:
    """Return the first row from ``row`` to before ``stop`` that is not below a value; ``stop`` if
    all are."""
    if not COMPILED:
        return bisect_left(column, value, row, stop)
    while row < stop:
        middle = (row + stop) // 2
        if column[middle] < value:
            row = middle + 1
        else:
            stop = middle
    return row
