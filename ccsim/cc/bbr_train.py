"""The path model over a train of ACKs: taken at once between its user's decisions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsim.cc.bbr_model import MAX_EPOCH_ACKED, PathModel
from ccsim.cc.fixed_point import BW_SHIFT, BW_WINDOW
from ccsim.cc.minmax import settled_until
from ccsim.cc.pacing import paced_rate, tso_segs_goal
from ccsim.cc.rate_train import RateTrain
from ccsim.kernel.ops import RateSample
from ccsim.kernel.sock import Sock

__all__ = ["PathTrain", "ProbingTrain"]

NO_SAMPLE = 1 << 62  # takes the place of the bandwidth where the sample is not valid


class PathTrain:
    """The columns of a train that the path model reads, to be read row by row: ``bw`` delivery rate
    [packets/us << 24], ``t_us``, ``rtt_us``, ``acked``, ``prior_delivered``."""

    __slots__ = ("acked", "bw", "prior_delivered", "rtt_us", "t_us")

    def __init__(self, acks: RateTrain) -> None:
        interval = acks.interval_us
        valid = interval > 0
        bw = ((acks.delivered - acks.prior_delivered) << BW_SHIFT) // np.maximum(interval, 1)
        self.bw = np.where(valid, bw, NO_SAMPLE).tolist()
        self.t_us = acks.t_us.tolist()
        self.rtt_us = acks.rtt_us.tolist()
        self.acked = acks.acked.tolist()
        self.prior_delivered = acks.prior_delivered.tolist()

    def round_start(self, ca: PathModel, row: int) -> int:
        """Return the first ACK from ``row`` on that begins a round."""
        return bisect_left(self.prior_delivered, ca.next_rtt_delivered, row)

    def later_than(self, t_us: int, row: int) -> int:
        """Return the first ACK from ``row`` on that arrives later than ``t_us``."""
        return bisect_right(self.t_us, t_us, row)

    def take(self, ca: PathModel, row: int, stop: int, bw: int) -> int:
        """Take the ACKs from ``row`` to before ``stop``, none of which begins a round, up to the
        first that would change ``max_bw``, ``min_rtt_us`` or ``extra_acked``; return that one.

        It does what `track_rate` and `track_aggregation` do with the bandwidth ``bw``.
        """
        rounds = ca.rtt_cnt
        (best_at, best), (second_at, second), (third_at, third) = ca.samples
        age = rounds - best_at
        if age > BW_WINDOW or (age > BW_WINDOW // 4 and second_at == best_at):
            return row  # the filter drops its maximum, or renews its runners-up
        # In the second half of the window a third best as old as the second is the latest sample.
        aged = age > BW_WINDOW // 2
        least = 0 if aged and third_at == second_at else third
        bws, times, rtts, acked = self.bw, self.t_us, self.rtt_us, self.acked
        min_rtt, top = ca.min_rtt_us, ca.extra_acked
        epoch_us, epoch_acked = ca.ack_epoch_mstamp, ca.ack_epoch_acked
        k = row
        while k < stop:
            sample = bws[k]
            if sample > best or rtts[k] < min_rtt:
                break
            count = acked[k]
            arrived = times[k]
            extra = epoch_acked + count
            expected = bw * (arrived - epoch_us) >> BW_SHIFT
            if epoch_acked <= expected:
                extra = count
                if extra > top:
                    break
                epoch_us = arrived
            elif extra - expected > top or extra > MAX_EPOCH_ACKED:
                break
            epoch_acked = extra
            if sample >= least:
                third, third_at = sample, rounds
                if sample >= second:
                    second, second_at = sample, rounds
                    if sample == best:
                        best_at, aged = rounds, False
                least = 0 if aged and third_at == second_at else third
            k += 1
        if k > row:
            ca.samples = (best_at, best), (second_at, second), (third_at, third)
            ca.settled_until = settled_until(ca.samples, BW_WINDOW)
            ca.third_bw = third
            ca.ack_epoch_mstamp, ca.ack_epoch_acked = epoch_us, epoch_acked
            ca.round_start = False
        return k


@dataclass(frozen=True, slots=True)
class ProbingTrain:
    """The ``train`` hook of an algorithm that paces at its path model's bandwidth and probes in
    phases: ACKs between its decisions are taken at once, each decision is left to
    ``cong_control``.

    ``is_steady(sk, ca)`` says whether phases are all that changes its gains; ``cwnd_target(sk, ca,
    bw)`` and ``probe_target(sk, ca)`` are the window that it aims at and the packets in flight that
    a phase waits for; ``unit`` is a gain of 1, ``min_rtt_window_us`` how long RTprop counts.
    """

    cong_control: Callable[[Sock, int, int, RateSample], None]
    is_steady: Callable[[Sock, Any], bool]
    cwnd_target: Callable[[Sock, Any, int], int]
    probe_target: Callable[[Sock, Any], int]
    unit: int
    min_rtt_window_us: int

    def __call__(self, sk: Sock, acks: RateTrain) -> int:
        """Take a prefix of ``acks``; return its length."""
        ca = sk.ca
        path = PathTrain(acks)
        k = 0
        while k < acks.n and self.is_steady(sk, ca):
            bw = ca.lt_bw if ca.lt_use_bw else ca.max_bw
            target = self.cwnd_target(sk, ca, bw)
            cwnd = min(sk.snd_cwnd, target)
            free = acks.unlimited(k, cwnd)
            if cwnd < sk.snd_ssthresh:
                break
            if sk.pacing_rate == paced_rate(sk, bw, ca.pacing_gain):
                stop = path.take(ca, k, min(free, self._decision(sk, ca, path, acks, k, bw)), bw)
                if stop > k:
                    acks.grow(sk, k, stop, target)
                k = stop
            if k >= free:
                break
            self._decide(sk, acks, k)
            k += 1
        return k

    def _decide(self, sk: Sock, acks: RateTrain, k: int) -> None:
        rs = acks.arrive(k)
        rate = sk.pacing_rate
        self.cong_control(sk, int(acks.una[k]) * acks.mss, 0, rs)
        acks.cwnd[k] = sk.snd_cwnd
        if sk.pacing_rate != rate:
            acks.paced(sk, k)

    def _decision(
        self, sk: Sock, ca: Any, path: PathTrain, acks: RateTrain, k: int, bw: int
    ) -> int:
        """Return the first ACK from ``k`` on that begins a round, may end a phase, or lets the
        least RTT run out."""
        expiry = path.later_than(ca.min_rtt_mstamp + self.min_rtt_window_us, k)
        first = min(path.round_start(ca, k), expiry)
        full_length = path.later_than(ca.cycle_mstamp + ca.min_rtt_us, k)
        if ca.pacing_gain == self.unit:
            return min(first, full_length)
        # A gain above 1 lasts until it has filled the pipe, but a round trip at least; one below 1
        # until it has emptied it, but a round trip at most.
        target = self.probe_target(sk, ca)
        if ca.pacing_gain > self.unit:
            start, stop = min(full_length, first), first
            return acks.first_filled(start, stop, bw, target - tso_segs_goal(sk))
        return acks.first_drained(k, min(first, full_length), bw, target)
