"""SFQ: stochastic fairness, a round over hashed flows (McKenney 1990, ``net/sched/sch_sfq.c``).

A hash puts each flow into a slot; slots with packets form a ring and send ``quantum`` bytes a turn.
A flow may hold ``depth`` packets; a full queue drops from the fullest flow. With ``perturb`` the
hash changes now and then, which may move packets to other slots or drop them. RED may watch each
slot's backlog. An sfq cannot be changed once it is made.

============  =======  =======  ==============================================================
quantum       bytes    MTU      what a flow sends a turn, at least 256
flows         slots    128      how many flows are kept apart, at most divisor and limit
divisor       buckets  1024     size of the hash table, a power of two
depth         packets  127      how many packets a flow may hold
limit         packets  127      how many packets fit, at most depth*flows
headdrop      flag     0        a flow that is full drops its oldest packet
perturb       s        0        time between changes of the hash
redflowlimit  bytes    off      RED on each flow: its limit; min, max, avpkt, burst, ...
============  =======  =======  ==============================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import (
    CONGESTION,
    DROPPED,
    NEVER,
    QUEUED,
    U32,
    Packet,
    Qdisc,
    instant_of_jiffies,
    jiffies,
    set_ce,
)
from ccsim.net.qdisc.parameters import Parameter, QdiscError
from ccsim.net.qdisc.red_tables import slope, weight
from ccsim.net.qdisc.red_verdict import ECN, HARD_MARK, HARDDROP, RedParms, RedVars

__all__ = ["Sfq"]

MAX_DEPTH = 127
MAX_FLOWS = 65_408
LEAST_QUANTUM = 256
NONE = -1
HASH_FACTOR = 0x9E37_79B1
RED_NAMES = ("min", "max", "avpkt", "burst", "probability", "ecn", "harddrop")


class SfqSlot:
    """A flow: its packets, its bucket, what it may still send this turn, the next in the ring."""

    __slots__ = ("allot", "backlog", "hash", "next", "queue", "red")

    def __init__(self) -> None:
        self.queue: deque[Packet] = deque()
        self.hash = 0
        self.next = 0
        self.allot = 0
        self.backlog = 0
        self.red = RedVars()


class Sfq(Qdisc):
    """A ring of flows."""

    __slots__ = (
        *("buckets", "cur_depth", "dep", "divisor", "drops", "flags", "forced_drop"),
        *("forced_mark", "forced_mark_head", "headdrop", "key0", "limit", "maxdepth"),
        *("maxflows", "parms", "perturb_jiffies", "prob_drop", "prob_mark", "prob_mark_head"),
        *("quantum", "seen", "slots", "tail"),
    )

    kind: ClassVar = "sfq"
    summary: ClassVar = "SFQ: a round over hashed flows"
    keeps: ClassVar = "flow order"
    decides: ClassVar = "service"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "limit", "divisor", "maxflows", "maxdepth", "headdrop", "quantum"),
        *("perturb_jiffies", "flags", "key0", "cur_depth", "tail", "drops", "prob_mark"),
        *("prob_mark_head", "prob_drop", "forced_mark", "forced_mark_head", "forced_drop"),
    )
    PARAMETERS: ClassVar = (
        Parameter("quantum", "bytes", None, "what a flow sends a turn; default: the MTU"),
        Parameter("flows", "", 128, "how many flows are kept apart"),
        Parameter("divisor", "", None, "size of the hash table, a power of two", 1, 65_536),
        Parameter("depth", "packets", MAX_DEPTH, "how many packets a flow may hold"),
        Parameter("limit", "packets", None, "how many packets fit"),
        Parameter("headdrop", "flag", 0, "a flow that is full drops its oldest packet"),
        Parameter("perturb", "s", 0, "time between changes of the hash", maximum=1_000_000),
        Parameter("redflowlimit", "bytes", None, "RED on each flow: its limit"),
        Parameter("min", "bytes", None, "of RED: average below which all pass"),
        Parameter("max", "bytes", None, "of RED: average from which none passes"),
        Parameter("avpkt", "bytes", None, "of RED: the average packet", minimum=1),
        Parameter("burst", "packets", None, "of RED: packets at once that pass", minimum=1),
        Parameter("probability", "probability", None, "of RED: probability just below max"),
        Parameter("ecn", "flag", None, "of RED: mark instead of dropping"),
        Parameter("harddrop", "flag", None, "of RED: drop above max, even with ecn"),
        Parameter("red_min", "", None, "of RED: lower threshold", internal=True),
        Parameter("red_max", "", None, "of RED: upper threshold", internal=True),
        Parameter("Wlog", "", None, "of RED: weight", maximum=31, internal=True),
        Parameter("Plog", "", 0, "of RED: slope", maximum=31, internal=True),
        Parameter("max_P", "", 0, "of RED: probability at max, of 2^32", internal=True),
        Parameter("red_flags", "", 0, "of RED: 1 ecn, 2 harddrop", maximum=3, internal=True),
    )

    def __init__(self, values: Mapping[str, Any], now: int, *args: Any, **options: Any) -> None:
        self.drops = self.prob_mark = self.prob_mark_head = self.prob_drop = 0
        self.forced_mark = self.forced_mark_head = self.forced_drop = 0
        self.parms: RedParms | None = None
        super().__init__(values, now, *args, **options)
        self._new_key()
        if self.perturb_jiffies:
            self._new_key()
        self.tick_ns = self._next_tick(now)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        self.quantum = max(values.get("quantum") or self.mtu, LEAST_QUANTUM)
        flows = min(values["flows"] or 128, MAX_FLOWS)
        self.divisor: int = values.get("divisor", 1024)
        if self.divisor & (self.divisor - 1):
            raise QdiscError(f"sfq: divisor: expected a power of two, got {self.divisor}")
        if "divisor" in values:
            flows = min(flows, self.divisor)
        self.maxdepth = min(values["depth"] or MAX_DEPTH, MAX_DEPTH)
        self.limit = MAX_DEPTH
        if values.get("limit"):
            self.limit = min(values["limit"], self.maxdepth * flows)
            flows = min(flows, self.limit)
        if self.limit == 1:
            raise QdiscError("sfq: limit: expected at least 2 packets, depth*flows too, got 1")
        self.maxflows = flows
        self.headdrop: int = values["headdrop"]
        self.perturb_jiffies = values["perturb_s"] * self.hz
        self._configure_red(values)
        self.slots = [SfqSlot() for _ in range(flows)]
        self.buckets: dict[int, int] = {}
        self.dep: list[dict[int, None]] = [{} for _ in range(self.maxdepth + 2)]
        self.dep[0] = dict.fromkeys(range(flows))
        self.seen: set[int] = set()
        self.cur_depth = 0
        self.tail = NONE

    def _configure_red(self, values: Mapping[str, Any]) -> None:
        given = _red_values(values)
        self.flags: int = given.get("red_flags", 0)
        if "red_max" in given:
            self.parms = RedParms(
                given["red_min"],
                given["red_max"],
                given["Wlog"],
                given["Plog"],
                max_p=given["max_P"],
            )

    def change(self, values: Mapping[str, Any], now: int) -> None:
        raise QdiscError("sfq: expected no change while in use, got one; Linux has none either")

    def _new_key(self) -> None:
        self.key0 = self.draws.u64()
        self.draws.u64()  # the other half of the kernel's key

    def _bucket(self, packet: Packet) -> int:
        mixed = (packet.hash ^ self.key0 & U32) * HASH_FACTOR & U32
        return (mixed ^ mixed >> 15) & self.divisor - 1

    def enqueue(self, packet: Packet, now: int) -> int:
        bucket = self._bucket(packet)
        place = self.buckets.get(bucket, NONE)
        if place == NONE:
            if not self.dep[0]:
                return self._refuse(packet)
            place = self._open(bucket)
            slot = self.slots[place]
            slot.backlog = 0
            slot.red.restart()
        else:
            slot = self.slots[place]
            chosen = self.parms is not None and self._chosen(self.parms, slot, packet)
            if chosen or len(slot.queue) >= self.maxdepth:
                return self._replace(slot, packet) if self.headdrop else self._refuse(packet)
        self._append(place, slot, packet)
        self.backlog += packet.len
        self.qlen += 1
        if self.qlen <= self.limit:
            return QUEUED
        return CONGESTION if self._drop_from_fullest() is slot else QUEUED

    def _refuse(self, packet: Packet) -> int:
        self.drops += 1
        self.dropped.append(packet)
        return DROPPED

    def _open(self, bucket: int) -> int:
        """Give a bucket the free slot that was linked last."""
        place = next(reversed(self.dep[0]))
        self.buckets[bucket] = place
        self.slots[place].hash = bucket
        self.seen.add(place)
        return place

    def _chosen(self, parms: RedParms, slot: SfqSlot, packet: Packet) -> bool:
        """Report whether RED drops a packet of the slot; mark one instead where that is allowed."""
        slot.red.qavg = parms.average_after(slot.red.qavg, slot.backlog)
        verdict = parms.judge(slot.red, self.draws)
        if not verdict:
            return False
        hard = verdict == HARD_MARK
        if self.flags & ECN and not (hard and self.flags & HARDDROP):
            if self.headdrop and set_ce(slot.queue[0]):
                self.forced_mark_head += hard
                self.prob_mark_head += not hard
                return False
            if set_ce(packet):
                self.forced_mark += hard
                self.prob_mark += not hard
                return False
        self.forced_drop += hard
        self.prob_drop += not hard
        return True

    def _replace(self, slot: SfqSlot, packet: Packet) -> int:
        """Drop the flow's oldest packet instead of the new one."""
        oldest = slot.queue.popleft()
        slot.queue.append(packet)
        slot.backlog += packet.len - oldest.len
        self.backlog += packet.len - oldest.len
        self._refuse(oldest)
        return CONGESTION

    def _append(self, place: int, slot: SfqSlot, packet: Packet) -> None:
        """Put a packet into a slot; one that was empty is served last in the round."""
        slot.queue.append(packet)
        slot.backlog += packet.len
        depth = len(slot.queue)
        del self.dep[depth - 1][place]
        self.dep[depth][place] = None
        if depth > self.cur_depth:
            self.cur_depth = depth
        if depth == 1:
            if self.tail == NONE:
                slot.next = place
            else:
                last = self.slots[self.tail]
                slot.next, last.next = last.next, place
            self.tail = place
            slot.allot = self.quantum

    def _shrink(self, place: int, slot: SfqSlot) -> None:
        """Note that a slot has lost a packet."""
        depth = len(slot.queue)
        above = self.dep[depth + 1]
        del above[place]
        if not above and self.cur_depth == depth + 1:
            self.cur_depth = depth
        self.dep[depth][place] = None

    def _drop_from_fullest(self) -> SfqSlot:
        """Drop a packet of the flow with most packets; return its slot (``sfq_drop``)."""
        if self.cur_depth > 1:
            place = next(reversed(self.dep[self.cur_depth]))
            slot = self.slots[place]
        else:  # all have one: the slot at turn leaves the ring
            place = self.slots[self.tail].next
            slot = self.slots[place]
            self._leave_ring(place, slot)
        packet = slot.queue.popleft() if self.headdrop else slot.queue.pop()
        slot.backlog -= packet.len
        self._shrink(place, slot)
        self.qlen -= 1
        self.backlog -= packet.len
        self._refuse(packet)
        return slot

    def _leave_ring(self, place: int, slot: SfqSlot) -> None:
        if slot.next == place:
            self.tail = NONE
        else:
            self.slots[self.tail].next = slot.next
        del self.buckets[slot.hash]

    def dequeue(self, now: int) -> Packet | None:
        if self.tail == NONE:
            return None
        slots = self.slots
        while True:
            place = slots[self.tail].next
            slot = slots[place]
            if slot.allot > 0:
                break
            self.tail = place
            slot.allot += self.quantum
        packet = slot.queue.popleft()
        self._shrink(place, slot)
        self.qlen -= 1
        self.backlog -= packet.len
        slot.backlog -= packet.len
        if slot.queue:
            slot.allot -= packet.len
        else:
            self._leave_ring(place, slot)
        return packet

    def tick(self, now: int) -> None:
        """Change the hash, and put what is inside where it now belongs (``sfq_perturbation``)."""
        self._new_key()
        if self.tail != NONE:
            self._rehash()
        self.tick_ns = self._next_tick(now)

    def _next_tick(self, now: int) -> int:
        if not self.perturb_jiffies:
            return NEVER
        return instant_of_jiffies(jiffies(now, self.hz) + self.perturb_jiffies, self.hz)

    def _rehash(self) -> None:
        moved: list[Packet] = []
        for place, slot in enumerate(self.slots):
            if not slot.queue:
                continue
            while slot.queue:
                moved.append(slot.queue.popleft())
                self._shrink(place, slot)
            slot.backlog = 0
            slot.red.restart()
            del self.buckets[slot.hash]
        self.tail = NONE
        for packet in moved:
            self._reinsert(packet)

    def _reinsert(self, packet: Packet) -> None:
        bucket = self._bucket(packet)
        place = self.buckets.get(bucket, NONE)
        if place == NONE and self.dep[0]:
            place = self._open(bucket)
        if place == NONE or len(self.slots[place].queue) >= self.maxdepth:
            self.qlen -= 1
            self.backlog -= packet.len
            self.dropped.append(packet)
            return
        slot = self.slots[place]
        if self.parms is not None:
            slot.red.qavg = self.parms.average_after(slot.red.qavg, slot.backlog)
        self._append(place, slot, packet)

    def packets(self) -> Iterator[Packet]:
        return (packet for slot in self.slots for packet in slot.queue)

    def observe(self) -> dict[str, int]:
        state = super().observe()
        for place in self.seen:
            slot = self.slots[place]
            state[f"s{place}.qlen"] = len(slot.queue)
            state[f"s{place}.hash"] = slot.hash
            state[f"s{place}.allot"] = slot.allot
            state[f"s{place}.backlog"] = slot.backlog
            if self.parms is not None:
                state[f"s{place}.qavg"] = slot.red.qavg
                state[f"s{place}.qcount"] = slot.red.qcount
                state[f"s{place}.qR"] = slot.red.qR
        return state


def _red_values(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return RED's values as the kernel has them, from a person's if those are given."""
    if "redflowlimit" not in values:
        for name in RED_NAMES:
            if name in values:
                raise QdiscError(f"sfq: {name}: expected redflowlimit beside it, got none")
        if "red_max" in values and "Wlog" not in values:
            raise QdiscError("sfq: expected Wlog beside red_max, got none")
        return values
    high = values.get("max") or values["redflowlimit"] // 4
    low = values.get("min") or high // 3
    avpkt = values.get("avpkt", 1000)
    if low > high:
        raise QdiscError(f"sfq: min: expected at most max, {high} bytes, got {low}")
    burst = values.get("burst") or (2 * low + high) // (3 * avpkt)
    probability = values.get("probability", 85_899_346)
    return {
        "red_min": low,
        "red_max": high,
        "max_P": probability,
        "Wlog": weight("sfq", low, burst, avpkt),
        "Plog": slope("sfq", low, high, probability / U32),
        "red_flags": ECN * values.get("ecn", 0) + HARDDROP * values.get("harddrop", 0),
    }
