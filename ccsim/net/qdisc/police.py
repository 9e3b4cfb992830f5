"""The policer: a token bucket that drops (``net/sched/act_police.c``).

There is no queue: a packet for which there are tokens passes at once, others are dropped and cost
nothing. The bucket of a rate starts full, that of a packet rate empty. A policer is said as a qdisc
here, so that a hop can have one in front of its queue.

=========  =======  ==========  =========================================
rate       byte/s   off         the rate that passes
burst      bytes    (rate's)    what passes at once
mtu        bytes    none        larger packets are dropped
peakrate   byte/s   off         the most that a burst passes at; needs mtu
overhead   bytes    0           what each packet costs besides
mpu        bytes    0           what each packet costs at least
pps        packets  off         packets a second that pass
pkt_burst  packets  (pps's)     packets that pass at once
=========  =======  ==========  =========================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import (
    AQM,
    DROPPED,
    QUEUED,
    U32,
    Packet,
    Qdisc,
)
from ccsim.net.qdisc.parameters import Parameter, QdiscError
from ccsim.net.qdisc.token_rate import TokenRate, multiplier

__all__ = ["Police"]

NO_MTU = U32
MAX_NS = 1 << 62


class Police(Qdisc):
    """A verdict on each packet. What passes is handed out by the next `dequeue`."""

    __slots__ = (
        *("burst_ns", "mtu_bytes", "mtu_ptoks", "passed", "peak", "pkt_burst_ns", "pkttoks"),
        *("pps", "pps_mult", "pps_shift", "ptoks", "rate", "t_c", "toks"),
    )

    kind: ClassVar = "police"
    summary: ClassVar = "a policer: a token bucket that drops"
    OBSERVED: ClassVar = (
        *("burst_ns", "mtu_ptoks", "pps", "pps_mult", "pps_shift", "pkt_burst_ns", "toks"),
        *("ptoks", "pkttoks", "t_c"),
    )
    PARAMETERS: ClassVar = (
        Parameter("rate", "byte/s", None, "the rate that passes", 0, 1 << 40),
        Parameter("burst", "bytes", None, "what passes at once", minimum=1),
        Parameter("burst", "ns", None, "the same as time at the rate", 0, MAX_NS, internal=True),
        Parameter("mtu", "bytes", None, "larger packets are dropped; 0: none are"),
        Parameter("peakrate", "byte/s", None, "the most that a burst passes at", 0, 1 << 40),
        Parameter("overhead", "bytes", 0, "what each packet costs besides", maximum=0xFFFF),
        Parameter("mpu", "bytes", 0, "what each packet costs at least", maximum=0xFFFF),
        Parameter("pps", "packets", None, "packets a second that pass", 0, 1 << 40),
        Parameter("pkt_burst", "packets", None, "packets that pass at once", minimum=1),
        Parameter("pkt_burst", "ns", None, "the same as time", 0, MAX_NS, internal=True),
    )

    def __init__(self, values: Mapping[str, Any], now: int, *args: Any, **options: Any) -> None:
        self.passed: deque[Packet] = deque()
        self.t_c = now
        super().__init__(values, now, *args, **options)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        given = self._complete(values)
        cost = given["overhead"], given["mpu"]
        self.rate = TokenRate(given.get("rate_Bps", 0), *cost)
        self.peak = TokenRate(given.get("peakrate_Bps", 0), *cost)
        self.pps: int = given.get("pps", 0)
        self.pps_mult, self.pps_shift = multiplier(self.pps)
        _require(given, self.rate.rate, self.peak.rate, self.pps)
        self.mtu_bytes: int = given.get("mtu") or NO_MTU
        burst = self.rate.time(given["burst"]) if "burst" in given else 0
        self.burst_ns: int = given.get("burst_ns", burst)
        packets = given["pkt_burst"] * self._packet_ns() if "pkt_burst" in given else 0
        self.pkt_burst_ns: int = given.get("pkt_burst_ns", packets)
        self.mtu_ptoks = self.peak.time(self.mtu_bytes) if self.peak.rate else 0
        self.toks = self.burst_ns
        self.ptoks = self.mtu_ptoks
        self.pkttoks = 0

    def _packet_ns(self) -> int:
        return self.pps_mult >> self.pps_shift

    def enqueue(self, packet: Packet, now: int) -> int:
        if packet.len <= self.mtu_bytes and self._conforms(packet.len, now):
            self.passed.append(packet)
            return QUEUED
        self.dropped.append(packet)
        return DROPPED

    def reason(self, verdict: int) -> int:
        return AQM

    def _conforms(self, length: int, now: int) -> bool:
        """Take the tokens of a packet if there are enough (``tcf_police_act``)."""
        since = now - self.t_c
        toks, ptoks, pkttoks = min(since, self.burst_ns), 0, 0
        if self.peak.rate:
            ptoks = min(toks + self.ptoks, self.mtu_ptoks) - self.peak.time(length)
        if self.rate.rate:
            toks = min(toks + self.toks, self.burst_ns) - self.rate.time(length)
        if self.pps:
            filled = min(since, self.pkt_burst_ns) + self.pkttoks
            pkttoks = min(filled, self.pkt_burst_ns) - self._packet_ns()
        if toks < 0 or ptoks < 0 or pkttoks < 0:
            return False
        self.t_c = now
        self.toks, self.ptoks, self.pkttoks = toks, ptoks, pkttoks
        return True

    def dequeue(self, now: int) -> Packet | None:
        return self.passed.popleft() if self.passed else None

    def packets(self) -> Iterator[Packet]:
        return iter(self.passed)

    def observe(self) -> dict[str, int]:
        rate, peak = self.rate, self.peak
        return {
            **super().observe(),
            "qlen": 0,
            "backlog": 0,
            "mtu": self.mtu_bytes,
            "rate_Bps": rate.rate,
            "mult": rate.mult,
            "shift": rate.shift,
            "peak_Bps": peak.rate,
            "peak_mult": peak.mult,
            "peak_shift": peak.shift,
        }


def _require(given: Mapping[str, Any], rate: int, peak: int, pps: int) -> None:
    """Check what belongs together."""
    if rate and "burst" not in given and "burst_ns" not in given:
        raise QdiscError("police: expected burst beside rate, got none")
    if pps and "pkt_burst" not in given and "pkt_burst_ns" not in given:
        raise QdiscError("police: expected pkt_burst beside pps, got none")
    if peak and not rate:
        raise QdiscError("police: peakrate: expected rate beside it, got none")
    if rate and pps:
        raise QdiscError("police: expected rate or pps, got both")
    if not rate and not pps and not given.get("mtu"):
        raise QdiscError("police: expected rate, pps or mtu, got none of them")
