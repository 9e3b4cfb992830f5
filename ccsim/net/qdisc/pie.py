"""PIE: drop on arrival, with a probability that a controller sets (RFC 8033,
``net/sched/sch_pie.c``, ``include/net/pie.h``).

Every ``tupdate`` the probability moves by how far the queueing delay is from the target and by how
it changed; small probabilities move in smaller steps. The delay is that of the packet that left
last, or with the estimator the backlog over the measured rate. A sum of probabilities
(``accu_prob``) keeps drops apart: none below 0.85, one for certain above 8.5. The probability may
pass 1; Linux clips it only where 64 bits overflow.

=================  =======  =======  ================================================
limit              packets  1000     how many packets fit
target             us       15000    the delay to hold
tupdate            us       15000    time between updates, rounded up to jiffies
alpha              1/16     2        weight of the distance from the target
beta               1/16     20       weight of the change
ecn                flag     0        mark below a probability of 10 %
bytemode           flag     0        weigh the probability by the packet's length
dq_rate_estimator  flag     0        delay from the measured rate, not from timestamps
=================  =======  =======  ================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import (
    AQM,
    DROPPED,
    NEVER,
    OVERFLOW,
    PPM,
    QUEUED,
    U32,
    U64,
    Packet,
    Qdisc,
    instant_of_jiffies,
    jiffies,
    jiffies_of_us,
    set_ce,
)
from ccsim.net.qdisc.parameters import Parameter

__all__ = ["Pie"]

MAX_PROB = (1 << 56) - 1  # probability 1
TICKS_PER_S = 1_000_000_000 >> 6  # psched time: 64 ns
BURST_TICKS = 150_000_000 >> 6
HIGH_DELAY_TICKS = 250_000_000 >> 6
_U32, _U64 = U32, U64
_NO_COUNT = U64
_FIFTH = MAX_PROB // 5
_LEAST_SUM = MAX_PROB // 100 * 85  # of probabilities, below which nothing is dropped
_MOST_SUM = MAX_PROB // 2 * 17
DQ_THRESHOLD = 16_384  # bytes that a measurement of the rate takes
RATE_SCALE = 8
S64_SIGN = 1 << 63


class Pie(Qdisc):
    """One queue under PIE."""

    __slots__ = (
        *("accu_prob", "alpha", "avg_dq_rate", "backlog_old", "beta", "burst_time", "bytemode"),
        *("dq_count", "dq_rate_estimator", "dq_tstamp", "dropped_packets", "ecn", "ecn_mark"),
        *("limit", "maxq", "overlimit", "packets_in", "prob", "qdelay", "qdelay_old", "queue"),
        *("target", "tupdate"),
    )
    limit: int
    alpha: int
    beta: int
    ecn: int
    bytemode: int
    dq_rate_estimator: int

    kind: ClassVar = "pie"
    GAUGES: ClassVar = ("prob_ppm",)
    TRAINS: ClassVar = True
    summary: ClassVar = "PIE: drops on arrival, at a probability that a controller sets"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "limit", "target", "tupdate", "alpha", "beta", "ecn", "bytemode"),
        *("dq_rate_estimator", "prob", "accu_prob", "qdelay", "qdelay_old", "burst_time"),
        *("dq_tstamp", "dq_count", "avg_dq_rate", "backlog_old", "packets_in", "overlimit"),
        *("ecn_mark", "maxq"),
    )
    PARAMETERS: ClassVar = (
        Parameter("limit", "packets", 1000, "how many packets fit"),
        Parameter("target", "us", 15_000, "the delay to hold"),
        Parameter("tupdate", "us", 15_000, "time between updates, in jiffies rounded up"),
        Parameter("alpha", "", 2, "weight of the distance from the target, in sixteenths"),
        Parameter("beta", "", 20, "weight of the change of the delay, in sixteenths"),
        Parameter("ecn", "flag", 0, "mark below a probability of 10 %"),
        Parameter("bytemode", "flag", 0, "weigh the probability by the packet's length"),
        Parameter("dq_rate_estimator", "flag", 0, "delay from the measured rate"),
    )

    def __init__(self, values: Mapping[str, Any], now: int, *args: Any, **options: Any) -> None:
        self.queue: deque[Packet] = deque()
        self.prob = self.qdelay = self.qdelay_old = self.backlog_old = 0
        self.packets_in = self.dropped_packets = self.overlimit = self.ecn_mark = self.maxq = 0
        self._reset()
        super().__init__(values, now, *args, **options)
        self.tick_ns = instant_of_jiffies(jiffies(now, self.hz) + self.hz // 2, self.hz)

    def _reset(self) -> None:
        """Begin anew after the queue has been short and the probability 0 (``pie_vars_init``)."""
        self.burst_time = BURST_TICKS
        self.dq_tstamp = self.dq_count = _NO_COUNT
        self.accu_prob = 0
        self.avg_dq_rate = 0

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        if "target_us" in values:
            self.target: int = values["target_us"] * 1000 >> 6
        if "tupdate_us" in values:
            self.tupdate: int = jiffies_of_us(values["tupdate_us"], self.hz)
        for name in ("limit", "alpha", "beta", "ecn", "bytemode", "dq_rate_estimator"):
            if name in values:
                setattr(self, name, values[name])
        while self.qlen > self.limit:
            self.dropped.append(self._take())

    def enqueue(self, packet: Packet, now: int) -> int:
        if self.qlen >= self.limit:
            self.overlimit += 1
        elif not self._early(packet.len):
            return self._accept(packet, now)
        elif self.ecn and self.prob <= MAX_PROB // 10 and set_ce(packet):
            self.ecn_mark += 1
            return self._accept(packet, now)
        self.dropped_packets += 1
        self.accu_prob = 0
        self.dropped.append(packet)
        return DROPPED

    def reason(self, verdict: int) -> int:
        return OVERFLOW if self.qlen >= self.limit else AQM

    def _accept(self, packet: Packet, now: int) -> int:
        packet.stamp = now >> 6
        self.queue.append(packet)
        self._count_in(packet.len)
        return QUEUED

    def _count_in(self, length: int) -> None:
        self.packets_in += 1
        if self.qlen > self.maxq:
            self.maxq = self.qlen
        self.qlen += 1
        self.backlog += length

    def _early(self, length: int) -> bool:
        """Report whether a packet is to be dropped or marked on arrival (``pie_drop_early``)."""
        prob = self.prob
        if self.burst_time > 0:
            return False
        if self.qdelay < self.target >> 1 and prob < _FIFTH:
            return False
        if self.backlog < 2 * self.mtu:
            return False
        if self.bytemode and length <= self.mtu:
            prob = length * (prob // self.mtu)
        room = _U64 - prob
        if prob == 0:
            self.accu_prob = 0
        elif self.accu_prob > room:  # 64 bits overflow
            self.accu_prob -= room + 1
        else:
            self.accu_prob += prob
        if self.accu_prob < _LEAST_SUM:
            return False
        if self.accu_prob >= _MOST_SUM:
            return True
        if self.draws.u64() >> 8 < prob:
            self.accu_prob = 0
            return True
        return False

    def _take(self) -> Packet:
        packet = self.queue.popleft()
        self.qlen -= 1
        self.backlog -= packet.len
        return packet

    def dequeue(self, now: int) -> Packet | None:
        if not self.queue:
            return None
        packet = self._take()
        self._note_left(packet.len, packet.stamp, now >> 6)
        return packet

    def _note_left(self, length: int, stamp: int, ticks: int) -> None:
        """Measure the delay or the rate by a packet that has left (``pie_process_dequeue``)."""
        if self.dq_rate_estimator:
            passed = self._measure(length, ticks)
        else:
            self.qdelay = ticks - stamp if self.backlog else 0
            since = self.dq_tstamp
            passed = (ticks - since & _U32) if since != _NO_COUNT else 0
            self.dq_tstamp = ticks
        if passed:
            self.burst_time = self.burst_time - passed if self.burst_time > passed else 0

    def hold(self, queue: Any) -> None:
        self.queue = queue

    def stamp_of(self, arrived: int) -> int:
        return arrived >> 6

    def takes(self, length: int, now: int) -> bool:
        if self.qlen >= self.limit:
            return False
        accu_prob, draws = self.accu_prob, self.draws.state
        if self._early(length):
            self.accu_prob, self.draws.state = accu_prob, draws
            return False
        self._count_in(length)
        return True

    def gives(self, length: int, arrived: int, now: int) -> bool:
        self.qlen -= 1
        self.backlog -= length
        self._note_left(length, arrived >> 6, now >> 6)
        return True

    def _measure(self, length: int, ticks: int) -> int:
        """Count what leaves; return how long a measurement that this completes took, or 0."""
        if self.backlog >= DQ_THRESHOLD and self.dq_count == _NO_COUNT:
            self.dq_tstamp = ticks
            self.dq_count = 0
        if self.dq_count == _NO_COUNT:
            return 0
        self.dq_count += length
        if self.dq_count < DQ_THRESHOLD:
            return 0
        passed = ticks - self.dq_tstamp & U32
        if passed == 0:
            return 0
        rate = (self.dq_count << RATE_SCALE & U32) // passed
        old = self.avg_dq_rate
        self.avg_dq_rate = rate if old == 0 else old - (old >> 3) + (rate >> 3)
        if self.backlog < DQ_THRESHOLD:
            self.dq_count = _NO_COUNT
        else:
            self.dq_count = 0
            self.dq_tstamp = ticks
        return passed

    def tick(self, now: int) -> None:
        """Update the probability (``pie_timer``)."""
        self._calculate_probability()
        due = jiffies(now, self.hz) + self.tupdate
        self.tick_ns = instant_of_jiffies(due, self.hz) if self.tupdate else NEVER

    def _calculate_probability(self) -> None:
        qdelay, qdelay_old = self._delays()
        update = not (qdelay == 0 and self.backlog != 0)
        was = self.prob
        delta = self._delta(qdelay, qdelay_old)
        prob = was + delta & U64
        if delta > 0:
            if prob < was:  # 64 bits overflowed: the only case that Linux clips
                prob = MAX_PROB
                update = False
        elif prob > was:
            prob = 0
        if qdelay == 0 and qdelay_old == 0 and update:
            prob -= prob // 64
        self.prob = prob
        self.qdelay = qdelay
        self.backlog_old = self.backlog
        half = self.target >> 1
        known = not self.dq_rate_estimator or self.avg_dq_rate > 0
        if qdelay < half and self.qdelay_old < half and prob == 0 and known:
            self._reset()
        if not self.dq_rate_estimator:
            self.qdelay_old = qdelay

    def _delays(self) -> tuple[int, int]:
        """Return the present delay and that of the last update [64 ns]."""
        if not self.dq_rate_estimator:
            return self.qdelay, self.qdelay_old
        self.qdelay_old = self.qdelay
        rate = self.avg_dq_rate
        return (self.backlog << RATE_SCALE & U32) // rate if rate else 0, self.qdelay_old

    def _delta(self, qdelay: int, qdelay_old: int) -> int:
        """Return by how much the probability moves."""
        alpha = self.alpha * (MAX_PROB // TICKS_PER_S) >> 4
        beta = self.beta * (MAX_PROB // TICKS_PER_S) >> 4
        prob = self.prob
        if prob < MAX_PROB // 10:
            alpha >>= 1
            beta >>= 1
            power = 100
            while prob < MAX_PROB // power and power <= 1_000_000:
                alpha >>= 2
                beta >>= 2
                power *= 10
        delta = alpha * (qdelay - self.target) + beta * (qdelay - qdelay_old) & U64
        if delta & S64_SIGN:
            delta -= 1 << 64
        if delta > MAX_PROB // 50 and prob >= MAX_PROB // 10:
            delta = MAX_PROB // 100 * 2
        if qdelay > HIGH_DELAY_TICKS:
            delta += MAX_PROB // 50
        return delta

    def gauges(self) -> tuple[int, ...]:
        return (self.prob * PPM // MAX_PROB,)

    def packets(self) -> Iterator[Packet]:
        return iter(self.queue)

    def observe(self) -> dict[str, int]:
        return {**super().observe(), "dropped": self.dropped_packets}
