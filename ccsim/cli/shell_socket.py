"""The shell's sockets: a toy sender that lets the hooks run as acknowledgements would."""

from __future__ import annotations

from random import Random

from ccsim.kernel.ops import PLAIN_ACK, AckFlag, AckSample, RateSample
from ccsim.kernel.sock import Sock

__all__ = ["RTT_US", "ShellSock"]

RTT_US = 40_000


class _Random:
    """Random numbers that are the same in every session."""

    def __init__(self) -> None:
        self._random = Random(1)

    def u32(self) -> int:
        return self._random.getrandbits(32)

    def u32_below(self, bound: int) -> int:
        return self._random.randrange(bound)

    def u8(self) -> int:
        return self._random.getrandbits(8)


class ShellSock(Sock):
    """A socket on a path of 40 ms without losses, every packet acknowledged.

    It is there to let hooks run and to see which implementation they belong to; it is no
    simulation.
    """

    __slots__ = ("acks", "name")

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.acks = 0
        self.random = _Random()
        self.srtt_us = RTT_US << 3
        self.rtt_min_us = RTT_US
        self.tcp_mstamp = 1_000_000
        self._tick()

    def _tick(self) -> None:
        self.tcp_clock_cache = self.tcp_mstamp * 1000
        self.tcp_jiffies32 = self.tcp_mstamp * self.hz // 1_000_000

    def acknowledge(self, acks: int) -> None:
        """Let ``acks`` acknowledgements of one packet arrive, spread over round trips."""
        for _ in range(acks):
            self._one()

    def _one(self) -> None:
        window = max(1, self.snd_cwnd)
        self.packets_out = self.max_packets_out = window
        self.is_cwnd_limited = True
        self.tcp_mstamp += max(1, RTT_US // window)
        self._tick()
        self.acks += 1
        self.delivered += 1
        self.delivered_mstamp = self.tcp_mstamp
        self.snd_una += self.mss_cache
        self.snd_nxt = self.snd_una + window * self.mss_cache
        ops = self.ca_ops
        if ops.pkts_acked is not None:
            ops.pkts_acked(self, AckSample(1, RTT_US, window * self.mss_cache))
        if ops.in_ack_event is not None:
            ops.in_ack_event(self, int(AckFlag.WIN_UPDATE))
        if ops.cong_control is not None:
            ops.cong_control(self, self.snd_una, PLAIN_ACK, self._rate_sample(window))
        else:
            assert ops.cong_avoid is not None
            ops.cong_avoid(self, self.snd_una, 1)

    def _rate_sample(self, window: int) -> RateSample:
        rs = RateSample()
        rs.prior_delivered = max(0, self.delivered - window)
        rs.delivered = self.delivered - rs.prior_delivered
        rs.interval_us = rs.snd_interval_us = rs.rcv_interval_us = rs.rtt_us = RTT_US
        rs.last_end_seq = self.snd_una
        rs.acked_sacked = 1
        rs.prior_in_flight = window
        return rs
