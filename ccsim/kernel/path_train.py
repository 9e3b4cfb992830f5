"""The path model over a train of ACKs: what leaves bandwidth, RTprop and excess as they are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from ccsim.kernel.minmax import settled_until
from ccsim.kernel.path_model import BW_SHIFT, BW_WINDOW, MAX_EPOCH_ACKED, PathModel
from ccsim.kernel.rate_train import RateTrain

__all__ = ["PathTrain"]

NO_SAMPLE = 1 << 62  # takes the place of the bandwidth where the sample is not valid


class PathTrain:
    """The columns of a train that the path model reads, as lists: ``bw`` delivery rate [packets/us
    << 24], ``t_us``, ``rtt_us``, ``acked``, ``prior_delivered``."""

    __slots__ = ("acked", "bw", "prior_delivered", "rtt_us", "t_us")

    def __init__(self, acks: RateTrain) -> None:
        interval = acks.interval_us
        valid = interval > 0
        bw = ((acks.delivered - acks.prior_delivered) << BW_SHIFT) // np.maximum(interval, 1)
        self.bw: list[int] = np.where(valid, bw, NO_SAMPLE).tolist()
        self.t_us: list[int] = acks.t_us.tolist()
        self.rtt_us: list[int] = acks.rtt_us.tolist()
        self.acked: list[int] = acks.acked.tolist()
        self.prior_delivered: list[int] = acks.prior_delivered.tolist()

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
            extra = epoch_acked + acked[k]
            expected = bw * (times[k] - epoch_us) >> BW_SHIFT
            if epoch_acked <= expected:
                extra = acked[k]
                if extra > top:
                    break
                epoch_us = times[k]
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
