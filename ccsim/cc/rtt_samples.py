"""RTT samples by the round, as Vegas, Veno and YeAH keep them (``tcp_vegas_pkts_acked``)."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.train import AckTrain
from ccsim.kernel.ops import AckSample
from ccsim.kernel.sock import Sock

__all__ = ["MAX_COUNT", "MIN_SAMPLES", "NO_RTT_US", "RttSamples", "pkts_acked", "take_rows"]

NO_RTT_US = 0x7FFFFFFF
MIN_SAMPLES = 2  # no more samples than this say nothing
MAX_COUNT = 0xFFFF


@dataclass(slots=True)
class RttSamples:
    """What a connection knows of its RTT [us]. RTTs are 1 us too long, so that none is zero."""

    cnt_rtt: int = 0  # samples since the start or, where the algorithm has rounds, of this round
    min_rtt_us: int = 0  # smallest of this round
    base_rtt_us: int = 0  # smallest of the connection

    def start_round(self) -> None:
        """Drop the samples of the last round."""
        self.cnt_rtt = 0
        self.min_rtt_us = NO_RTT_US

    def take(self, rtt_us: int, count: int = 1) -> None:
        """Take the smallest of ``count`` samples [us]."""
        rtt_us += 1
        if rtt_us < self.base_rtt_us:
            self.base_rtt_us = rtt_us
        if rtt_us < self.min_rtt_us:
            self.min_rtt_us = rtt_us
        self.cnt_rtt = self.cnt_rtt + count & MAX_COUNT


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take an RTT sample, if the ACK brings one; the hook of that name."""
    if sample.rtt_us >= 0:
        ca: RttSamples = sk.ca
        ca.take(sample.rtt_us)


def take_rows(ca: RttSamples, acks: AckTrain, first: int, stop: int) -> None:
    """Take the samples of a train's rows, as `pkts_acked` would one by one."""
    rtts = acks.rtt_us[first:stop]
    rtts = rtts[rtts >= 0]
    if len(rtts):
        ca.take(int(rtts.min()), len(rtts))
