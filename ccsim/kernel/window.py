"""Window growth over whole trains of ACKs: what the kernel's functions do ACK by ACK, at once.

Windows and counts are in packets. ``una`` counts the packets cumulatively acknowledged, so what is
acknowledged between two ACKs is a difference of two of its rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from ccsim.kernel.kfuncs import tcp_cong_avoid_ai
from ccsim.kernel.sock import Sock
from ccsim.kernel.train import AckTrain

__all__ = [
    "acknowledged_before",
    "additive_increase",
    "increase_per_ack",
    "reaches_clamp",
    "reno_train",
    "slow_start",
]


NO_LIMIT = 1 << 62


def acknowledged_before(acks: AckTrain) -> int:
    """Return the packets acknowledged before the train."""
    return int(acks.una[0]) - int(acks.acked[0])


def reaches_clamp(sk: Sock, acks: AckTrain) -> bool:
    """Tell whether the window might reach ``snd_cwnd_clamp`` within the train."""
    acked = int(acks.una[-1]) - acknowledged_before(acks)
    return sk.snd_cwnd + acked + 1 > sk.snd_cwnd_clamp


def slow_start(sk: Sock, acks: AckTrain) -> tuple[int, int]:
    """Grow the window through the train's slow start; write the column for it.

    cwnd_k = cwnd + acked_0 + … + acked_k                      (RFC 5681, equation 2; RFC 3465)

    Return how many ACKs that takes, the one that reaches ssthresh included, and how many packets of
    that one are left over for congestion avoidance (0 when ssthresh is not reached).
    """
    start = acknowledged_before(acks) - sk.snd_cwnd  # of una, to be the window
    taken = int(acks.una.searchsorted(sk.snd_ssthresh + start))
    if taken == acks.n:
        acks.cwnd[:] = acks.una - start
        sk.snd_cwnd = int(acks.cwnd[-1])
        return taken, 0
    acks.cwnd[:taken] = acks.una[:taken] - start
    acks.cwnd[taken] = sk.snd_cwnd = sk.snd_ssthresh
    return taken + 1, int(acks.una[taken]) - start - sk.snd_ssthresh


def additive_increase(sk: Sock, acks: AckTrain, first: int, most: int = NO_LIMIT) -> int:
    """Grow the window by a packet for each window acknowledged, from ACK ``first`` on; a window
    counts for ``most`` packets at most.

    cwnd <- cwnd + 1 whenever cwnd more packets are acknowledged            (RFC 5681, equation 3)

    ``snd_cwnd_cnt`` must be below the window, and an ACK is worth one packet of growth at most: the
    walk stops before an ACK of more than a window. Return how many ACKs of the train are done.
    """
    n, cwnd = acks.n, sk.snd_cwnd
    una = memoryview(acks.una)
    counted = una[first - 1] - sk.snd_cwnd_cnt if first else acknowledged_before(acks)
    if una[n - 1] - counted > min(cwnd, most):
        large = acks.acked[first:] > min(cwnd, most)
        if large.any():
            n = first + int(large.argmax())
    while first < n:
        needed = cwnd if cwnd < most else most
        grows = bisect_left(una, counted + needed, first, n)
        acks.cwnd[first:grows] = cwnd
        if grows < n:
            counted += needed
            cwnd += 1
            acks.cwnd[grows] = cwnd
        first = grows + 1
    sk.snd_cwnd = cwnd
    sk.snd_cwnd_cnt = una[n - 1] - counted
    return n


def increase_per_ack(sk: Sock, acks: AckTrain, first: int, step: Callable[[int], int]) -> None:
    """Grow the window by ``step(cwnd)`` packets for each window of ACKs, from ACK ``first`` on.

    cwnd_cnt <- cwnd_cnt + a(cwnd) with each ACK; at cwnd, cwnd <- cwnd + 1   (RFC 3649, section 5)
    """
    n, cwnd, count = acks.n, sk.snd_cwnd, sk.snd_cwnd_cnt
    while first < n:
        a = step(cwnd)
        needed = max(-(-(cwnd - count) // a), 1)  # ACKs
        grows = first + needed - 1
        acks.cwnd[first:grows] = cwnd
        if grows >= n:
            count += a * (n - first)
            break
        count += a * needed - cwnd
        cwnd += 1
        acks.cwnd[grows] = cwnd
        first = grows + 1
    sk.snd_cwnd, sk.snd_cwnd_cnt = cwnd, count


def reno_train(sk: Sock, acks: AckTrain, most: int = NO_LIMIT) -> int:
    """Take a train as `tcp_reno_cong_avoid` would, where ``most`` packets acknowledged always bring
    a packet; the result for an algorithm's ``train`` hook."""
    if reaches_clamp(sk, acks):
        return 0
    taken, acked = 0, int(acks.acked[0])
    if sk.snd_cwnd < sk.snd_ssthresh:
        taken, acked = slow_start(sk, acks)
        taken -= acked > 0
        if taken == acks.n:
            return taken
        acked = acked or int(acks.acked[taken])
    tcp_cong_avoid_ai(
        sk, min(sk.snd_cwnd, most), acked
    )  # by the definition: the counter may exceed the window
    acks.cwnd[taken] = sk.snd_cwnd
    return additive_increase(sk, acks, taken + 1, most)
