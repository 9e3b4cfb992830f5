"""Round-trip time and retransmission timeout (RFC 6298 as ``tcp_rtt_estimator`` computes it)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ccsim.tcp.sock import TcpSock

__all__ = ["end_of_round", "rtt_estimator", "rtt_train", "set_rto", "update_rtt"]

RUNS_FROM = 32  # shorter trains are folded one by one: looking for runs would cost more
NO_STOP = -2


def rtt_estimator(sk: TcpSock, m: int) -> None:
    """Fold one RTT sample ``m`` [us] into ``srtt_us`` (<< 3) and the deviation, which is raised at
    once and lowered once a round trip."""
    srtt = sk.srtt_us
    if not srtt:
        sk.srtt_us = max(1, m << 3)
        sk.mdev_us = m << 1
        sk.rttvar_us = sk.mdev_max_us = max(sk.mdev_us, sk.host.rto_min_us)
        sk.rtt_nxt = sk.nxt
        return
    m -= srtt >> 3
    sk.srtt_us = srtt + m or 1
    mdev = sk.mdev_us
    if m < 0:
        m = -m - (mdev >> 2)
        if m > 0:
            m >>= 3
    else:
        m -= mdev >> 2
    mdev += m
    sk.mdev_us = mdev
    if mdev > sk.mdev_max_us:
        sk.mdev_max_us = mdev
        if mdev > sk.rttvar_us:
            sk.rttvar_us = mdev
    if sk.una > sk.rtt_nxt:
        end_of_round(sk, sk.nxt)


def end_of_round(sk: TcpSock, nxt: int) -> None:
    """Let the deviation fall towards the largest of the round that has ended; the next ends at
    ``nxt``."""
    if sk.mdev_max_us < sk.rttvar_us:
        sk.rttvar_us -= (sk.rttvar_us - sk.mdev_max_us) >> 2
    sk.rtt_nxt = nxt
    sk.mdev_max_us = sk.host.rto_min_us


def set_rto(sk: TcpSock) -> None:
    """RTO = SRTT + max(G, K·RTTVAR) (RFC 6298 2.3), in ticks, rounded up (``__tcp_set_rto``)."""
    sk.rto_jiffies = -(-((sk.srtt_us >> 3) + sk.rttvar_us) * 1000 // sk.host.jiffy_ns)


def update_rtt(sk: TcpSock, seq_rtt_us: int, ca_rtt_us: int) -> None:
    """Take an RTT sample: ``seq_rtt_us`` for the estimator, ``ca_rtt_us`` for the minimum
    (``tcp_ack_update_rtt``)."""
    if ca_rtt_us < sk.rtt_min_us:
        # A sample of zero counts as one tick, as Linux has it.
        sk.rtt_min_us = ca_rtt_us or sk.host.jiffy_ns // 1000
    rtt_estimator(sk, seq_rtt_us)
    sk.rto_jiffies = -(-((sk.srtt_us >> 3) + sk.rttvar_us) * 1000 // sk.host.jiffy_ns)  # set_rto
    sk.backoff = 0


def rtt_train(sk: TcpSock, samples: NDArray[np.int64], stops: Sequence[int] = ()) -> list[int]:
    """Fold ``samples`` [us] as `rtt_estimator` would one by one, without ending a round; return
    ``srtt_us`` after each of the samples whose ascending indices, which may repeat, ``stops``
    gives.

    Integer EWMAs floor at every step, so they are not linear and cannot be jumped over; but a run
    of equal samples ends in a state that no longer changes, and the rest of that run is skipped.
    """
    edges = _run_edges(samples, stops)
    if edges is None:
        return _fold_each(sk, samples.tolist(), stops)
    srtt, mdev, mdev_max = sk.srtt_us, sk.mdev_us, sk.mdev_max_us
    found = []
    waiting = iter(stops)
    next_stop = next(waiting, NO_STOP) + 1
    values = samples[edges[:-1]].tolist()
    for k, sample in enumerate(values):
        end = edges[k + 1]
        for _ in range(end - edges[k]):
            m = sample - (srtt >> 3)
            new_srtt = srtt + m or 1
            if m < 0:
                m = -m - (mdev >> 2)
                if m > 0:
                    m >>= 3
            else:
                m -= mdev >> 2
            mdev += m
            if mdev > mdev_max:
                mdev_max = mdev
            if m == 0 and new_srtt == srtt:
                break
            srtt = new_srtt
        while end == next_stop:
            found.append(srtt)
            next_stop = next(waiting, NO_STOP) + 1
    sk.srtt_us, sk.mdev_us, sk.mdev_max_us = srtt, mdev, mdev_max
    if mdev_max > sk.rttvar_us:
        sk.rttvar_us = mdev_max
    return found


def _run_edges(samples: NDArray[np.int64], stops: Sequence[int]) -> list[int] | None:
    """Return where runs of equal samples begin, and the end; a run also ends after each stop. None
    if there are few runs."""
    n = len(samples)
    if n <= RUNS_FROM:
        return None
    changes = np.flatnonzero(samples[1:] != samples[:-1])
    if 2 * len(changes) > n:
        return None
    changes += 1
    return sorted({0, n, *changes.tolist(), *(stop + 1 for stop in stops)})


def _fold_each(sk: TcpSock, samples: list[int], stops: Sequence[int]) -> list[int]:
    """Fold samples [us], none below 1, that hold no runs, as `rtt_train` does."""
    srtt, mdev, mdev_max = sk.srtt_us, sk.mdev_us, sk.mdev_max_us
    found: list[int] = []
    done = 0
    for stop in (*stops, len(samples) - 1):
        for sample in samples[done : stop + 1]:
            m = sample - (srtt >> 3)
            srtt += m
            if m < 0:
                m = -m - (mdev >> 2)
                if m > 0:
                    m >>= 3
            else:
                m -= mdev >> 2
            mdev += m
            if mdev > mdev_max:
                mdev_max = mdev
        done = stop + 1
        found.append(srtt)
    sk.srtt_us, sk.mdev_us, sk.mdev_max_us = srtt, mdev, mdev_max
    if mdev_max > sk.rttvar_us:
        sk.rttvar_us = mdev_max
    return found[:-1]
