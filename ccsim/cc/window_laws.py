"""Window growth over whole trains of ACKs: what the kernel's functions do ACK by ACK, at once.

Windows and counts are in packets. ``una`` counts the packets cumulatively acknowledged, so what is
acknowledged between two ACKs is a difference of two of its rows. Rows of a train are taken from
``first`` to before ``stop``.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from collections.abc import Callable

import numpy as np

from ccsim.cc.fixed_point import s32
from ccsim.cc.train import AckTrain, Column
from ccsim.kernel.kfuncs import tcp_cong_avoid_ai
from ccsim.kernel.sock import Sock

__all__ = [
    "acknowledged_before",
    "additive_increase",
    "any_rtt",
    "by_rounds",
    "first_beyond",
    "increase_each",
    "last_taken",
    "reaches_clamp",
    "reno_rows",
    "reno_train",
    "seq_of",
    "slow_start",
    "snd_nxt_at",
]

Law = Callable[[int], int]
"""From a window to how many packets must be acknowledged for one packet of growth."""


def acknowledged_before(acks: AckTrain, row: int = 0) -> int:
    """Return the packets acknowledged before a row of the train."""
    return int(acks.una[row]) - int(acks.acked[row])


def any_rtt(sk: Sock) -> int:
    """Return 1 us: no RTT sample means anything; for an algorithm's ``rtt_floor``."""
    return 1


def seq_of(sk: Sock, acks: AckTrain, packets: int) -> int:
    """Return the sequence number that follows that many packets [bytes]."""
    return sk.snd_nxt + (packets - acks.snd_nxt) * acks.mss


def snd_nxt_at(sk: Sock, acks: AckTrain, row: int) -> int:
    """Return ``snd_nxt`` when an ACK arrives [bytes]; the windows before it must be written."""
    return seq_of(sk, acks, acks.snd_nxt_before(row))


def first_beyond(sk: Sock, acks: AckTrain, end_seq: int, row: int) -> int:
    """Return the first ACK from ``row`` on that acknowledges a byte beyond ``end_seq``, as
    ``after(ack, end_seq)`` tells; ``acks.n`` for none.
    """
    una = memoryview(acks.una)
    left = s32(end_seq - seq_of(sk, acks, una[row]))
    return bisect_right(una, una[row] + left // acks.mss, row, acks.n)


def reaches_clamp(sk: Sock, acks: AckTrain) -> bool:
    """Report whether the window might reach ``snd_cwnd_clamp`` within the train."""
    acked = int(acks.una[-1]) - acknowledged_before(acks)
    return sk.snd_cwnd + acked + acks.n > sk.snd_cwnd_clamp


def slow_start(
    sk: Sock, acks: AckTrain, first: int = 0, stop: int | None = None
) -> tuple[int, int]:
    """Grow the window through the rows' slow start; write the column for it.

    cwnd_k = cwnd + acked_0 + … + acked_k                      (RFC 5681, equation 2; RFC 3465)

    Return the row after those it takes, the one that reaches ssthresh included, and how many
    packets of that one are left over for congestion avoidance (0 when ssthresh is not reached).
    """
    stop = acks.n if stop is None else stop
    if first == stop:
        return first, 0
    start = acknowledged_before(acks, first) - sk.snd_cwnd  # of una, to be the window
    taken = bisect_left(memoryview(acks.una), sk.snd_ssthresh + start, first, stop)
    if taken == stop:
        acks.cwnd[first:stop] = acks.una[first:stop] - start
        sk.snd_cwnd = int(acks.cwnd[stop - 1])
        return taken, 0
    acks.cwnd[first:taken] = acks.una[first:taken] - start
    acks.cwnd[taken] = sk.snd_cwnd = sk.snd_ssthresh
    return taken + 1, int(acks.una[taken]) - start - sk.snd_ssthresh


def _own_window(cwnd: int) -> int:
    return cwnd


def additive_increase(
    sk: Sock, acks: AckTrain, first: int, stop: int | None = None, law: Law = _own_window
) -> int:
    """Grow the window by a packet for every ``law(cwnd)`` packets acknowledged.

    cwnd <- cwnd + 1 whenever w = law(cwnd) more packets are acknowledged
                                                     (RFC 5681, equation 3, where w = cwnd)

    ``snd_cwnd_cnt`` must be below w, w must not fall as the window grows, and an ACK is worth one
    packet of growth at most: the walk stops before an ACK of more than w. Return the row after
    those that are done.
    """
    n, cwnd = acks.n if stop is None else stop, sk.snd_cwnd
    if first >= n:
        return first
    una = memoryview(acks.una)
    w = law(cwnd)
    counted = acknowledged_before(acks, first) - sk.snd_cwnd_cnt
    if una[n - 1] - counted > w:
        large = acks.acked[first:n] > w
        if large.any():
            n = first + int(large.argmax())
            if n == first:
                return first
    while first < n:
        grows = bisect_left(una, counted + w, first, n)
        acks.cwnd[first:grows] = cwnd
        if grows < n:
            counted += w
            cwnd += 1
            w = law(cwnd)
            acks.cwnd[grows] = cwnd
        first = grows + 1
    sk.snd_cwnd = cwnd
    sk.snd_cwnd_cnt = una[n - 1] - counted
    return n


def increase_each(acks: AckTrain, cwnd: int, fraction: int, step: int, shift: int) -> Column:
    """Return the window after each ACK of a train, all of which bring the same increment.

    cwnd_k = cwnd + (fraction + k step) / 2**shift, rounded down; ``fraction`` and ``step`` count in
    2**-shift packets (TCP Hybla's slow start).
    """
    return cwnd + ((fraction + step * np.arange(1, acks.n + 1)) >> shift)


def reno_rows(sk: Sock, acks: AckTrain, first: int, stop: int, law: Law = _own_window) -> int:
    """Take rows by slow start, and what it leaves over by `additive_increase`; return the row after
    those that are done. The window must stay below its clamp.
    """
    if first == stop:
        return first
    taken, acked = first, int(acks.acked[first])
    if sk.snd_cwnd < sk.snd_ssthresh:
        taken, acked = slow_start(sk, acks, first, stop)
        taken -= acked > 0
        if taken == stop:
            return taken
        acked = acked or int(acks.acked[taken])
    # by the definition: the counter may exceed what a packet of growth costs
    tcp_cong_avoid_ai(sk, law(sk.snd_cwnd), acked)
    acks.cwnd[taken] = sk.snd_cwnd
    return additive_increase(sk, acks, taken + 1, stop, law)


def reno_train(sk: Sock, acks: AckTrain, law: Law = _own_window) -> int:
    """Take a train as `tcp_reno_cong_avoid` would; the result for an algorithm's ``train`` hook.

    ``law`` is what a packet of growth costs beyond slow start; the window itself is Reno's.
    """
    return 0 if reaches_clamp(sk, acks) else reno_rows(sk, acks, 0, acks.n, law)


def last_taken(sk: Sock, acks: AckTrain, taken: int) -> int:
    """Return ``snd_una`` after the last ACK taken [bytes]."""
    return seq_of(sk, acks, int(acks.una[taken - 1]))


def by_rounds(
    sk: Sock,
    acks: AckTrain,
    end_seq: Callable[[], int],
    grow: Callable[[int, int], int],
    decide: Callable[[int], None],
    stop: int | None = None,
) -> int:
    """Take a train of an algorithm that decides once a round; the result for its ``train`` hook.

    ``end_seq`` returns the byte beyond which the round ends, ``grow(first, stop)`` takes rows
    within a round, writes their windows and returns the row after those it took; ``decide(row)``
    takes the ACK that ends the round, and begins the next one. A decision that lowers the window,
    or raises it by more than a train may, is taken back and left to the hooks; one that changes
    ssthresh is the last. Rows from ``stop`` on are not taken.
    """
    least, row = sk.snd_cwnd, 0
    stop = acks.n if stop is None else stop
    while row < stop:
        end = min(first_beyond(sk, acks, end_seq(), row), stop)
        done = grow(row, end)
        if done < end or end == stop:
            return done
        before = sk.snd_cwnd, sk.snd_cwnd_cnt, sk.snd_ssthresh, copy.copy(sk.ca)
        decide(end)
        if not least <= sk.snd_cwnd <= before[0] + int(acks.acked[end]) + 1:
            sk.snd_cwnd, sk.snd_cwnd_cnt, sk.snd_ssthresh, sk.ca = before
            return end
        acks.cwnd[end] = sk.snd_cwnd
        row = end + 1
        if sk.snd_ssthresh != before[2]:
            return row
    return row
