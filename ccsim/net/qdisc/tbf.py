"""TBF: a token bucket that shapes, in front of it a FIFO of bytes (``net/sched/sch_tbf.c``).

Tokens are kept as time at the rate. They fill up to the time of ``burst`` bytes while nothing
leaves; a packet goes when there are tokens for all of it, else the qdisc asks to be woken when
there will be. A second bucket of ``minburst`` bytes at ``peakrate`` keeps a burst from leaving at
the line's rate.

=========  =======  ============  ==================================================
rate       byte/s   (required)    the rate to shape to
burst      bytes    (required)    what may leave at once; larger packets never pass
limit      bytes    (or latency)  how many bytes fit
latency    us       (or limit)    how long a packet may wait: limit = rate*latency + burst
peakrate   byte/s   off           the most that a burst leaves at
minburst   bytes    (peakrate's)  what may leave at once at peakrate
overhead   bytes    0             what each packet costs besides
mpu        bytes    0             what each packet costs at least
atm        flag     0             count cells of 53 bytes that carry 48
=========  =======  ============  ==================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import CONGESTION, DROPPED, OneQueue, Packet
from ccsim.net.qdisc.parameters import Parameter, QdiscError
from ccsim.net.qdisc.token_rate import ATM, ETHERNET, TokenRate

__all__ = ["Tbf"]


class Tbf(OneQueue):
    """A FIFO behind a token bucket. `change` takes all parameters anew, as tc does."""

    __slots__ = (
        *("buffer", "drops", "has_queue", "limit", "max_size", "mtu_ns", "overlimits", "peak"),
        *("ptokens", "rate", "t_c", "tokens"),
    )

    kind: ClassVar = "tbf"
    TRAINS: ClassVar = True
    summary: ClassVar = "TBF: a token bucket that delays"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "limit", "max_size", "buffer", "mtu_ns", "tokens", "ptokens", "t_c"),
        *("drops", "overlimits"),
    )
    PARAMETERS: ClassVar = (
        Parameter("rate", "byte/s", None, "the rate to shape to", 1, 1 << 40),
        Parameter("burst", "bytes", None, "what may leave at once", minimum=1),
        Parameter("limit", "bytes", None, "how many bytes fit"),
        Parameter("latency", "us", None, "how long a packet may wait, instead of limit"),
        Parameter("peakrate", "byte/s", None, "the most that a burst leaves at", 1, 1 << 40),
        Parameter("minburst", "bytes", None, "what may leave at once at peakrate", minimum=1),
        Parameter("overhead", "bytes", 0, "what each packet costs besides", maximum=0xFFFF),
        Parameter("mpu", "bytes", 0, "what each packet costs at least", maximum=0xFFFF),
        Parameter("atm", "flag", 0, "count cells of 53 bytes that carry 48"),
    )

    def __init__(self, values: Mapping[str, Any], now: int, *args: Any, **options: Any) -> None:
        self.drops = self.overlimits = 0
        self.t_c = now
        self.has_queue = False
        super().__init__(values, now, *args, **options)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        given = _consistent(self._complete(values))
        cost = given["overhead"], given["mpu"]
        atm = given["atm"] != 0
        self.rate = TokenRate(given["rate_Bps"], *cost, atm=atm)
        self.peak = TokenRate(given.get("peakrate_Bps", 0), *cost, atm=atm)
        self.limit: int = given["limit"]
        self.has_queue |= self.limit > 0  # without one, noop drops all
        self.max_size: int = given["burst"]
        self.buffer = self.rate.time(given["burst"])
        self.mtu_ns = 0
        if self.peak.rate:
            self.max_size = min(given["burst"], given["minburst"])
            self.mtu_ns = self.peak.time(given["minburst"])
        self.tokens = self.buffer
        self.ptokens = self.mtu_ns

    def enqueue(self, packet: Packet, now: int) -> int:
        if packet.len > self.max_size or self.backlog + packet.len > self.limit:
            self.drops += 1
            self.dropped.append(packet)
            return DROPPED if self.has_queue or packet.len > self.max_size else CONGESTION
        return self._append(packet)

    def dequeue(self, now: int) -> Packet | None:
        if not self.queue:
            return None
        length = self.queue[0].len
        tokens = min(now - self.t_c, self.buffer)
        ptokens = 0
        if self.peak.rate:
            ptokens = min(tokens + self.ptokens, self.mtu_ns) - self.peak.time(length)
        tokens = min(tokens + self.tokens, self.buffer) - self.rate.time(length)
        if tokens < 0 or ptokens < 0:
            self.wake_ns = now + max(-tokens, -ptokens)
            self.overlimits += 1
            return None
        self.t_c = now
        self.tokens = tokens
        self.ptokens = ptokens
        return self._oldest()

    def takes(self, length: int, now: int) -> bool:
        if length > self.max_size or self.backlog + length > self.limit:
            return False
        self.qlen += 1
        self.backlog += length
        return True

    def gives(self, length: int, arrived: int, now: int) -> bool:
        tokens = min(min(now - self.t_c, self.buffer) + self.tokens, self.buffer)
        tokens -= self.rate.time(length)
        if tokens < 0 or self.peak.rate:
            return False
        self.t_c = now
        self.tokens = tokens
        self.qlen -= 1
        self.backlog -= length
        return True

    def observe(self) -> dict[str, int]:
        rate, peak = self.rate, self.peak
        return {
            **super().observe(),
            "rate_Bps": rate.rate,
            "mult": rate.mult,
            "shift": rate.shift,
            "overhead": rate.overhead,
            "mpu": rate.mpu,
            "peak_Bps": peak.rate,
            "peak_mult": peak.mult,
            "peak_shift": peak.shift,
            "linklayer": ATM if rate.atm else ETHERNET,
        }


def _consistent(given: dict[str, Any]) -> dict[str, Any]:
    """Check what belongs together; `limit` from `latency` where that is given."""
    for key, name in (("rate_Bps", "rate"), ("burst", "burst")):
        if key not in given:
            raise QdiscError(f"tbf: expected {name}, got none")
    if ("limit" in given) == ("latency_us" in given):
        count = "both" if "limit" in given else "neither"
        raise QdiscError(f"tbf: expected one of limit and latency, got {count}")
    if ("peakrate_Bps" in given) != ("minburst" in given):
        there = "peakrate" if "peakrate_Bps" in given else "minburst"
        raise QdiscError(f"tbf: expected peakrate and minburst together, got {there} alone")
    if given.get("peakrate_Bps", given["rate_Bps"] + 1) <= given["rate_Bps"]:
        raise QdiscError(
            f"tbf: peakrate: expected more than the rate, {given['rate_Bps']} byte/s, "
            f"got {given['peakrate_Bps']}"
        )
    if "limit" not in given:
        waiting = given["rate_Bps"] * given["latency_us"] // 1_000_000
        given["limit"] = waiting + given["burst"]
    return given
