"""DualPI2: a queue for classic traffic and one for L4S, coupled (RFC 9332,
``net/sched/sch_dualpi2.c``).

Packets with ECT(1) or CE go to the L queue, which is marked from a step of queueing delay on; all
others to the C queue. One PI controller sets a probability: C packets are dropped or marked at its
square, L packets marked at ``coupling`` times it, so that both kinds of senders share the line. A
credit lets C have its share while L is busy. In overload L packets are dropped as C ones are.

================  =======  =========  =========================================================
limit             packets  10000      how many packets fit in both queues
memory_limit      bytes    30280000   of truesize; setting limit sets it to limit * 2 MTU
target            us       15000      delay that the controller holds
tupdate           us       16000      time between updates
alpha             1/256    41         weight of the distance from the target [Hz]
beta              1/256    819        weight of the change [Hz]
step_thresh       us       1000       L packets that waited longer are marked
step_thresh_pkts  packets  off        the same by the length of the L queue
min_qlen_step     packets  0          no step for packets that find fewer in the L queue
coupling          factor   2          probability of L over the root of that of C
drop_overload     flag     1          drop L packets in overload, instead of marking alone
drop_early        flag     0          decide on arrival, instead of at service
c_protection      percent  10         share of C while both are busy
ecn_mask          bits     1          codepoints of L: 1 ECT(1) and CE, 3 ECT(0) too
================  =======  =========  =========================================================

Where a `change` leaves more inside than fits, packets leave the C queue first, then the L queue;
the recorded kernel counts them twice and looks at the C queue alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import (
    AQM,
    DROPPED,
    OVERFLOW,
    PPM,
    QUEUED,
    STOLEN,
    U32,
    U64,
    Packet,
    Qdisc,
    set_ce,
)
from ccsim.net.qdisc.parameters import Parameter, QdiscError
from ccsim.units import NS_PER_S, NS_PER_US

__all__ = ["DualPi2"]

CLASSIC, L4S, L_UNMARKED = 0, 1, 2
NOT_ECT = 1 << 4  # in cb, beside the class: the codepoint on arrival
STEP = 1 << 5  # in cb: the step applies
CLASSES = 3
S64_SIGN = 1 << 63
HANDLE = 1  # the qdisc's major number, with which a priority names a class


class DualPi2(Qdisc):
    """Two queues under one controller."""

    __slots__ = (
        *("alpha", "beta", "c_head_ts", "c_queue", "coupling", "credit", "credit_init"),
        *("drop_early", "drop_overload", "drops", "ecn_mark", "ecn_mask", "l_backlog", "l_drops"),
        *("l_head_ts", "l_queue", "last_qdelay", "limit", "maxq", "memory_limit", "memory_used"),
        *("min_qlen_step", "overlimits", "packets_in_c", "packets_in_l", "prob"),
        *("step_in_packets", "step_marks", "step_thresh", "target", "tupdate", "wc", "wl"),
    )
    coupling: int
    prob: int
    alpha: int
    beta: int
    target: int
    last_qdelay: int
    min_qlen_step: int
    drop_overload: int
    drop_early: int
    ecn_mask: int

    kind: ClassVar = "dualpi2"
    GAUGES: ClassVar = ("prob_ppm", "packets_in_c", "packets_in_l")
    summary: ClassVar = "DualPI2: a classic and an L4S queue, coupled"
    keeps: ClassVar = "flow order"
    decides: ClassVar = "service"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "limit", "memory_limit", "target", "tupdate", "alpha", "beta"),
        *("step_thresh", "step_in_packets", "min_qlen_step", "coupling", "drop_overload"),
        *("drop_early", "wc", "wl", "credit_init", "ecn_mask", "prob", "credit", "c_head_ts"),
        *("l_head_ts", "last_qdelay", "packets_in_c", "packets_in_l", "maxq", "ecn_mark"),
        *("step_marks", "memory_used", "l_backlog", "drops", "overlimits", "l_drops"),
    )
    PARAMETERS: ClassVar = (
        Parameter("limit", "packets", 10_000, "how many packets fit in both queues", minimum=1),
        Parameter("memory_limit", "bytes", None, "of truesize; default: limit * 2 MTU", minimum=1),
        Parameter("target", "us", 15_000, "delay that the controller holds"),
        Parameter("tupdate", "us", 16_000, "time between updates", minimum=1),
        Parameter("alpha", "", 41, "weight of the distance from the target [1/256 Hz]", 0, 65_280),
        Parameter("beta", "", 819, "weight of the change [1/256 Hz]", 0, 65_280),
        Parameter("step_thresh", "us", 1000, "L packets that waited longer are marked"),
        Parameter("step_thresh_pkts", "packets", None, "the same by the length of the L queue"),
        Parameter("min_qlen_step", "packets", 0, "no step for packets that find fewer in L"),
        Parameter("coupling", "", 2, "probability of L over the root of that of C", 1, 255),
        Parameter("drop_overload", "flag", 1, "drop L packets in overload"),
        Parameter("drop_early", "flag", 0, "decide on arrival, instead of at service"),
        Parameter("c_protection", "percent", 10, "share of C while both are busy", 0, 100),
        Parameter("ecn_mask", "", 1, "codepoints of L: 1 ECT(1) and CE, 3 ECT(0) too", 0, 3),
    )

    def __init__(self, values: Mapping[str, Any], now: int, *args: Any, **options: Any) -> None:
        self.c_queue: deque[Packet] = deque()
        self.l_queue: deque[Packet] = deque()
        self.prob = self.last_qdelay = self.c_head_ts = self.l_head_ts = 0
        self.l_backlog = self.memory_used = self.maxq = 0
        self.packets_in_c = self.packets_in_l = self.ecn_mark = self.step_marks = 0
        self.drops = self.overlimits = self.l_drops = 0
        super().__init__(values, now, *args, **options)
        self.credit = self.credit_init
        self.tick_ns = now + self.tupdate

    @classmethod
    def _complete(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        full = super()._complete(values)
        if "step_thresh_pkts" in values and "step_thresh_us" not in values:
            del full["step_thresh_us"]
        return full

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        if "step_thresh_us" in values and "step_thresh_pkts" in values:
            raise QdiscError("dualpi2: expected one of step_thresh and step_thresh_pkts, got both")
        if values.get("ecn_mask") in (0, 2):
            raise QdiscError(f"dualpi2: ecn_mask: expected 1 or 3, got {values['ecn_mask']}")
        if "limit" in values:
            self.limit: int = values["limit"]
            self.memory_limit: int = min(self.limit * 2 * self.mtu, U32)
        self.memory_limit = values.get("memory_limit", self.memory_limit)
        if "target_us" in values:
            self.target = values["target_us"] * NS_PER_US
        if "tupdate_us" in values:
            self.tupdate: int = values["tupdate_us"] * NS_PER_US
        if "alpha" in values:
            self.alpha = (values["alpha"] * U32 >> 2) // NS_PER_S
        if "beta" in values:
            self.beta = (values["beta"] * U32 >> 2) // NS_PER_S
        for name in ("min_qlen_step", "coupling", "drop_overload", "drop_early", "ecn_mask"):
            if name in values:
                setattr(self, name, values[name])
        self._configure_step_and_weights(values)
        self._shrink()

    def _configure_step_and_weights(self, values: Mapping[str, Any]) -> None:
        if "step_thresh_us" in values:
            self.step_in_packets = 0
            self.step_thresh = values["step_thresh_us"] * NS_PER_US
        if "step_thresh_pkts" in values:
            self.step_in_packets = 1
            self.step_thresh = values["step_thresh_pkts"]
        if "c_protection" in values:
            self.wc: int = values["c_protection"]
            self.wl = 100 - self.wc
            self.credit_init = self.mtu * (self.wc - self.wl)

    def _shrink(self) -> None:
        while self.qlen > self.limit or self.memory_used > self.memory_limit:
            self.dropped.append(self._take_c() if self.c_queue else self._take_l())

    def _roll(self, prob: int) -> bool:
        return self.draws.u32() <= prob

    def _class(self, packet: Packet) -> int:
        if packet.ecn & self.ecn_mask:
            return L4S
        if packet.priority >> 16 == HANDLE and packet.priority & 0xFFFF < CLASSES:
            return packet.priority & 0xFFFF
        return CLASSIC

    def enqueue(self, packet: Packet, now: int) -> int:
        qlen = self.qlen
        if qlen >= self.limit or self.memory_used + packet.truesize > self.memory_limit:
            self.overlimits += 1
            self._drop(packet)
            return DROPPED
        kind = self._class(packet)
        packet.cb = kind if packet.ecn else kind | NOT_ECT
        if self.drop_early and self._must_drop(packet):
            self._drop(packet)
            return STOLEN
        packet.stamp = now
        if qlen > self.maxq:
            self.maxq = qlen
        self.qlen = qlen + 1
        self.backlog += packet.len
        self.memory_used += packet.truesize
        if kind == CLASSIC:
            self._append_c(packet, now)
        else:
            self._append_l(packet, kind, now)
        return QUEUED

    def reason(self, verdict: int) -> int:
        return OVERFLOW if verdict == DROPPED else AQM

    def _append_c(self, packet: Packet, now: int) -> None:
        self.packets_in_c += 1
        self.c_queue.append(packet)
        if not self.c_head_ts:
            self.c_head_ts = now

    def _append_l(self, packet: Packet, kind: int, now: int) -> None:
        if kind == L4S and len(self.l_queue) >= self.min_qlen_step:
            packet.cb |= STEP
        self.packets_in_l += 1
        self.l_queue.append(packet)
        self.l_backlog += packet.len
        if not self.l_head_ts:
            self.l_head_ts = now

    def _drop(self, packet: Packet) -> None:
        self.drops += 1
        self.dropped.append(packet)

    def _mark(self, packet: Packet) -> None:
        if set_ce(packet):
            self.ecn_mark += 1

    def _must_drop(self, packet: Packet) -> bool:
        """Report whether a packet is to be dropped, or mark it (``must_drop``)."""
        if self.backlog < 2 * self.mtu:
            return False
        kind = packet.cb & 15
        prob = self.prob
        prob_l = prob * self.coupling
        if kind == CLASSIC:
            if self._roll(prob) and self._roll(prob):
                if prob_l > U32 or packet.cb & NOT_ECT:
                    return True
                self._mark(packet)
        elif kind == L4S:
            if prob_l > U32:
                if self.drop_overload and self._roll(prob) and self._roll(prob):
                    return True
                self._mark(packet)
            elif self._roll(prob_l):
                if packet.cb & NOT_ECT:
                    return True
                self._mark(packet)
        return False

    def _take_l(self) -> Packet:
        packet = self.l_queue.popleft()
        self.l_head_ts = self.l_queue[0].stamp if self.l_queue else 0
        self.l_backlog -= packet.len
        self._count_out(packet)
        return packet

    def _take_c(self) -> Packet:
        packet = self.c_queue.popleft()
        self.c_head_ts = self.c_queue[0].stamp if self.c_queue else 0
        self._count_out(packet)
        return packet

    def _count_out(self, packet: Packet) -> None:
        self.qlen -= 1
        self.backlog -= packet.len
        self.memory_used -= packet.truesize

    def dequeue(self, now: int) -> Packet | None:
        while True:
            from_l = bool(self.l_queue) and (not self.c_queue or self.credit <= 0)
            if from_l:
                packet = self._take_l()
                change = self.wc if self.c_queue else 0
            elif self.c_queue:
                packet = self._take_c()
                change = -self.wl if self.l_queue else 0
            else:
                self.credit = self.credit_init
                return None
            if not self.drop_early and self._must_drop(packet):
                self._drop(packet)
                continue
            if from_l and packet.cb & STEP and self._step_drops(packet, now):
                continue
            self.credit += change * packet.len
            return packet

    def _step_drops(self, packet: Packet, now: int) -> bool:
        """Mark an L packet that has waited beyond the step; drop one that cannot be marked."""
        waited = len(self.l_queue) if self.step_in_packets else now - packet.stamp
        if waited <= self.step_thresh:
            return False
        if packet.cb & NOT_ECT:
            self.l_drops += 1
            self._drop(packet)
            return True
        self._mark(packet)
        self.step_marks += 1
        return False

    def tick(self, now: int) -> None:
        """Update the probability (``calculate_probability``)."""
        self.prob = self._next_prob(now)
        self.tick_ns = now + self.tupdate

    def _next_prob(self, now: int) -> int:
        since_l = now - self.l_head_ts if self.l_head_ts else 0
        since_c = now - self.c_head_ts if self.c_head_ts else 0
        qdelay = max(since_l, since_c)
        delta = (qdelay - self.target) * self.alpha + (qdelay - self.last_qdelay) * self.beta & U64
        self.last_qdelay = qdelay
        if delta and not delta & S64_SIGN:
            prob = self.prob + (delta >> 6) & U32
            if prob < self.prob:
                prob = U32
        else:
            prob = self.prob - ((1 << 64) - delta >> 6 if delta else 0) & U32
            if prob > self.prob:
                prob = 0
        return prob if self.drop_overload else min(prob, U32 // self.coupling)

    def gauges(self) -> tuple[int, ...]:
        return self.prob * PPM >> 32, self.packets_in_c, self.packets_in_l

    def packets(self) -> Iterator[Packet]:
        yield from self.c_queue
        yield from self.l_queue

    def observe(self) -> dict[str, int]:
        return {**super().observe(), "l_qlen": len(self.l_queue)}
