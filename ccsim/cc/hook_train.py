"""A train taken by the hooks themselves, ACK by ACK: for laws that change from round to round.

Most of what a train saves lies in the sender, not in the algorithm; so an algorithm without closed
forms may still take trains, if its hooks read nothing of the socket but what an `AckTrain` tells.
"""

from __future__ import annotations

from copy import copy

from ccsim.cc.train import AckTrain
from ccsim.kernel.ops import AckSample
from ccsim.kernel.sock import Sock

__all__ = ["hook_train"]

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
    """Run the hooks for so many ACKs; return how many are good, and whether the window fell below
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
