"""CAKE's configuration and its clocks: the shaper of the whole, those of the tins, the estimate of
the rate at which packets come (``cake_reconfigure``, ``cake_advance_shaper``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccsim.net.qdisc.base import U32, Packet, Qdisc
from ccsim.net.qdisc.cake_heap import CakeHeap
from ccsim.net.qdisc.cake_tins import QUEUES, TINS, CakeFlow, CakeTin, rate_of, share_rates
from ccsim.units import NS_PER_S

__all__ = ["AUTORATE", "INGRESS", "WASH", "CakeShaper"]

OVERHEAD, AUTORATE, INGRESS, WASH, SPLIT_GSO = 1, 2, 4, 8, 16  # flags
FLAGS = {"autorate_ingress": AUTORATE, "ingress": INGRESS, "wash": WASH}
ATM, PTM = 1, 2
LINK_HEADER = 14
LIMIT_PACKETS = 10_240
LEAST_BUFFER = 4 << 20
NO_LENGTH = 0xFFFF
RECONFIGURE_NS = 250_000_000


class CakeShaper(Qdisc):
    """What CAKE knows beside its queues: rates, limits, and when the next packet may leave."""

    __slots__ = (
        *("ack_drops", "ack_filter", "atm", "avg_packet_interval", "avg_peak_bandwidth"),
        *("avg_window_begin", "avg_window_bytes", "buffer_config_limit", "buffer_limit"),
        *("buffer_used", "cur_flow", "cur_tin", "drops", "failsafe_next", "flow_mode", "heap"),
        *("interval_us", "last_packet_time", "max_adjlen", "min_adjlen", "mpu", "overflow_timeout"),
        *("overhead", "overlimits", "rate_bps", "rate_flags", "rate_ns", "rate_shft"),
        *("target_us", "time_next", "tin_cnt", "tin_mode", "tins"),
    )
    tin_mode: int
    rate_bps: int
    flow_mode: int
    interval_us: int
    target_us: int
    mpu: int
    atm: int
    ack_filter: int

    def __init__(self, *args: Any, **options: Any) -> None:
        self.tins = [CakeTin(number) for number in range(TINS)]
        self.heap = CakeHeap()
        self.rate_flags = SPLIT_GSO
        self.overhead = self.buffer_config_limit = self.buffer_used = 0
        self.ack_drops = self.drops = self.overlimits = self.overflow_timeout = 0
        self.time_next = self.failsafe_next = self.cur_tin = self.cur_flow = 0
        self.max_adjlen, self.min_adjlen = 0, NO_LENGTH
        self.avg_packet_interval = self.avg_window_bytes = 0
        self.avg_window_begin = self.last_packet_time = 0
        super().__init__(*args, **options)
        self.avg_peak_bandwidth = self.rate_bps

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        for key, name in _PLAIN.items():
            if key in values:
                setattr(self, name, values[key])
        for name, bit in FLAGS.items():
            if name in values:
                self.rate_flags = self.rate_flags & ~bit | (bit if values[name] else 0)
        if "overhead" in values:
            self.rate_flags |= OVERHEAD
        if "raw" in values:
            self.rate_flags &= ~OVERHEAD
        if "overhead" in values or "raw" in values:
            self.max_adjlen, self.min_adjlen = 0, NO_LENGTH
        self._reconfigure()

    def _reconfigure(self) -> None:
        """Share the rate among the tins; empty those that a mode does not have
        (``cake_reconfigure``)."""
        shares = share_rates(self.tin_mode, self.rate_bps)
        self.tin_cnt = len(shares)
        for tin, (rate, quantum) in zip(self.tins, shares, strict=False):
            tin.set_rate(rate, self.mtu, self.target_us, self.interval_us)
            tin.quantum = quantum
        for tin in self.tins[self.tin_cnt :]:
            for _, flow in sorted(tin.flows.items()):
                while flow.queue:
                    self.dropped.append(self._take(tin, flow))
            self.cur_tin, self.cur_flow = tin.number, QUEUES
        self.rate_ns, self.rate_shft = rate_of(self.rate_bps)
        self._limit_buffer()

    def _limit_buffer(self) -> None:
        given = self.buffer_config_limit
        limit = U32
        if given:
            limit = given
        elif self.rate_bps:
            limit = max(self.rate_bps * self.interval_us // 250_000 & U32, LEAST_BUFFER)
        self.buffer_limit = min(limit, max(LIMIT_PACKETS * self.mtu, given))

    def _adjusted(self, length: int) -> int:
        """Return the bytes that a packet takes on the line (``cake_overhead``)."""
        if self.rate_flags & OVERHEAD:
            length -= LINK_HEADER
        length = max(length + self.overhead, self.mpu)
        if self.atm == ATM:
            length = (length + 47) // 48 * 53
        elif self.atm == PTM:
            length += (length + 63) // 64
        if length > self.max_adjlen:
            self.max_adjlen = length
        if length < self.min_adjlen:
            self.min_adjlen = length
        return length

    def _wake_shaper(self, tin: CakeTin, now: int) -> None:
        """Bring clocks that stood still up to now, or ask to be woken when they come."""
        if tin.time_next < now:
            tin.time_next = now
        if self.qlen:
            return
        if self.time_next < now:
            self.time_next = self.failsafe_next = now
        elif self.time_next > now and self.failsafe_next > now:
            self.overlimits += 1
            self.wake_ns = min(self.time_next, self.failsafe_next)

    def _advance(self, tin: CakeTin, packet: Packet, now: int, *, drop: bool) -> int:
        """Charge a packet to the shapers; return its length on the line."""
        length = packet.cb
        if self.rate_ns:
            of_tin = length * tin.rate_ns >> tin.rate_shft
            if tin.time_next < now:
                tin.time_next += of_tin
            elif tin.time_next < now + of_tin:
                tin.time_next = now + of_tin
            of_all = length * self.rate_ns >> self.rate_shft
            self.time_next += of_all
            if not drop:
                self.failsafe_next += of_all + (of_all >> 1)
        return length

    def _estimate(self, now: int) -> None:
        """Follow the rate at which packets come (``autorate-ingress``). The time of the last
        reconfiguration is never set in the recorded kernel, and stays 0."""
        interval = min(now - self.last_packet_time, NS_PER_S)
        average = self.avg_packet_interval
        average = _ewma(average, interval, 2 if interval > average else 8)
        self.avg_packet_interval = average
        self.last_packet_time = now
        if interval <= average:
            return
        rate = self.avg_window_bytes * NS_PER_S // (now - self.avg_window_begin)
        peak = self.avg_peak_bandwidth
        self.avg_peak_bandwidth = _ewma(peak, rate, 2 if rate > peak else 8)
        self.avg_window_bytes = 0
        self.avg_window_begin = now
        if now > RECONFIGURE_NS:
            self.rate_bps = self.avg_peak_bandwidth * 15 >> 4
            self._reconfigure()

    def _count_bytes(self, tin: CakeTin, flow: CakeFlow, length: int) -> None:
        flow.backlog += length
        tin.backlog += length
        self.backlog += length
        self.heap.backlogs[tin.number * QUEUES + flow.index] = flow.backlog

    def _take(self, tin: CakeTin, flow: CakeFlow) -> Packet:
        """Take the head of a queue (``cake_dequeue_one``)."""
        packet = flow.queue.popleft()
        self.qlen -= 1
        self.buffer_used -= packet.truesize
        self._count_bytes(tin, flow, -packet.len)
        if self.overflow_timeout:
            self.heap.down(self.heap.places[tin.number * QUEUES + flow.index])
        return packet


def _ewma(average: int, sample: int, shift: int) -> int:
    return average - (average >> shift) + (sample >> shift)


_PLAIN = {
    "bandwidth_Bps": "rate_bps",
    "diffserv": "tin_mode",
    "flow_mode": "flow_mode",
    "rtt_us": "interval_us",
    "target_us": "target_us",
    "overhead": "overhead",
    "mpu": "mpu",
    "atm": "atm",
    "memlimit": "buffer_config_limit",
    "ack_filter": "ack_filter",
}
"""Parameters that are kept as they are, by attribute."""
