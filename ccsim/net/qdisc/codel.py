"""CoDel: drop at the head while packets have waited too long for too long (RFC 8289,
``include/net/codel_impl.h``, ``net/sched/sch_codel.c``).

A packet is stamped when it arrives. If the time that packets have waited when they leave stays
above the target for a whole interval, one is dropped, then others at times that come ever closer
together, as the interval over the square root of their number, until one has waited less. The root
comes from one Newton step a drop, so the first gaps are not RFC 8289's; the unit of time is 1024 ns
in 32 bits, which wraps after 4398 s.

============  =======  =======  =====================================================
limit         packets  1000     how many packets fit
target        us       5000     the wait that is fine
interval      us       100000   how long it may be longer, about the longest RTT
ecn           flag     0        mark instead of dropping, where the packet allows
ce_threshold  us       off      mark every packet that has waited longer
============  =======  =======  =====================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import DROPPED, QUEUED, S32_SIGN, U32, U64, Packet, Qdisc, set_ce
from ccsim.net.qdisc.parameters import Parameter

__all__ = ["CODEL_PARAMETERS", "Codel", "CodelFlow", "CodelQdisc"]

CE_OFF = 0x7FFF_FFFF
_U32 = U32
_SIGN = S32_SIGN
MAX_US = CE_OFF  # times that 32 bits of 1024 ns can compare
CODEL_PARAMETERS = (
    Parameter("target", "us", 5000, "the wait that is fine", maximum=MAX_US),
    Parameter("interval", "us", 100_000, "how long it may be longer", maximum=MAX_US),
    Parameter("ce_threshold", "us", None, "mark what has waited longer", maximum=U32),
)


class CodelFlow:
    """A queue with its own state of CoDel (``codel_vars``)."""

    __slots__ = (
        *("count", "drop_next", "dropping", "first_above_time", "lastcount", "ldelay", "queue"),
        "rec_inv_sqrt",
    )

    def __init__(self) -> None:
        self.queue: deque[Packet] = deque()
        self.count = 0
        self.lastcount = 0
        self.dropping = False
        self.rec_inv_sqrt = 0
        self.first_above_time = 0
        self.drop_next = 0
        self.ldelay = 0

    def newton(self) -> None:
        """Bring ``rec_inv_sqrt`` one step nearer to 1/sqrt(count), in 16 bits."""
        inverse = self.rec_inv_sqrt << 16
        square = inverse * inverse >> 32
        value = ((3 << 32) - self.count * square & U64) >> 2
        self.rec_inv_sqrt = ((value * inverse & U64) >> 31) >> 16 & 0xFFFF


class CodelQdisc(Qdisc):
    """What codel and fq_codel share: the parameters, and CoDel's dequeue on one flow."""

    __slots__ = (
        *("ce_mark", "ce_mask", "ce_selector", "ce_threshold", "drops", "ecn", "ecn_mark"),
        *("interval", "maxpacket", "target"),
    )

    decides: ClassVar = "service"

    def __init__(self, *args: Any, **options: Any) -> None:
        self.ce_threshold = CE_OFF
        self.ce_selector = self.ce_mask = 0
        self.maxpacket = self.ecn_mark = self.ce_mark = self.drops = 0
        super().__init__(*args, **options)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        if "target_us" in values:
            self.target: int = values["target_us"] * 1000 >> 10 & U32
        if "interval_us" in values:
            self.interval: int = values["interval_us"] * 1000 >> 10 & U32
        if "ce_threshold_us" in values:
            self.ce_threshold = values["ce_threshold_us"] * 1000 >> 10 & U32
        if "ecn" in values:
            self.ecn = values["ecn"] != 0

    def _take(self, flow: CodelFlow) -> Packet:
        packet: Packet = flow.queue.popleft()
        self.qlen -= 1
        self.backlog -= packet.len
        return packet

    def _drop(self, packet: Packet) -> None:
        self.drops += 1
        self.dropped.append(packet)

    def _should_drop(self, flow: CodelFlow, packet: Packet | None, now: int) -> bool:
        """Report whether waits were above the target for an interval (``codel_should_drop``)."""
        if packet is None:
            flow.first_above_time = 0
            return False
        flow.ldelay = delay = now - packet.stamp & _U32
        if packet.len > self.maxpacket:
            self.maxpacket = packet.len
        if delay - self.target & _SIGN or self.backlog <= self.mtu:
            flow.first_above_time = 0
            return False
        if flow.first_above_time == 0:
            flow.first_above_time = now + self.interval & _U32
            return False
        return 0 < (now - flow.first_above_time & _U32) < _SIGN

    def _law(self, flow: CodelFlow, t: int) -> None:
        """Set the next drop after ``t`` (``codel_control_law``)."""
        flow.drop_next = t + (self.interval * (flow.rec_inv_sqrt << 16) >> 32) & _U32

    def _codel_dequeue(self, flow: CodelFlow, now_ns: int) -> Packet | None:
        """Hand out a flow's next packet, after those that CoDel drops (``codel_dequeue``)."""
        if not flow.queue:
            flow.first_above_time = 0
            flow.dropping = False
            return None
        now = now_ns >> 10 & _U32
        packet: Packet | None = self._take(flow)
        assert packet is not None
        drop = self._should_drop(flow, packet, now)
        if flow.dropping:
            if not drop:
                flow.dropping = False
            else:
                packet = self._go_on_dropping(flow, packet, now)
        elif drop:
            packet = self._begin_dropping(flow, packet, now)
        if packet is not None and 0 < (flow.ldelay - self.ce_threshold & _U32) < _SIGN:
            self._mark_by_threshold(packet)
        return packet

    def _go_on_dropping(self, flow: CodelFlow, packet: Packet | None, now: int) -> Packet | None:
        """Drop once for each time that has come; a mark ends it, since the packet leaves."""
        while flow.dropping and not (now - flow.drop_next & _SIGN):
            flow.count = flow.count + 1 & _U32
            flow.newton()
            if packet is not None:
                if self.ecn and set_ce(packet):
                    self.ecn_mark += 1
                    self._law(flow, flow.drop_next)
                    break
                self._drop(packet)
            packet = self._take(flow) if flow.queue else None
            if not self._should_drop(flow, packet, now):
                flow.dropping = False
            else:
                self._law(flow, flow.drop_next)
        return packet

    def _begin_dropping(self, flow: CodelFlow, packet: Packet, now: int) -> Packet | None:
        """Drop or mark one, and begin where the last time of dropping ended if that was lately."""
        left: Packet | None = packet
        if self.ecn and set_ce(packet):
            self.ecn_mark += 1
        else:
            self._drop(packet)
            left = self._take(flow) if flow.queue else None
            self._should_drop(flow, left, now)  # for what it notes; the verdict does not matter
        flow.dropping = True
        delta = flow.count - flow.lastcount & _U32
        if delta > 1 and (now - flow.drop_next - 16 * self.interval) & _SIGN:
            flow.count = delta
            flow.newton()
        else:
            flow.count = 1
            flow.rec_inv_sqrt = 0xFFFF
        flow.lastcount = flow.count
        self._law(flow, now)
        return left

    def _mark_by_threshold(self, packet: Packet) -> None:
        if self.ce_mask and (packet.dscp << 2 | packet.ecn) & self.ce_mask != self.ce_selector:
            return
        if set_ce(packet):
            self.ce_mark += 1


class Codel(CodelQdisc):
    """One queue under CoDel."""

    __slots__ = ("drop_overlimit", "flow", "limit")

    kind: ClassVar = "codel"
    GAUGES: ClassVar = ("count", "dropping")
    TRAINS: ClassVar = True
    summary: ClassVar = "CoDel: drops at the head when packets have waited too long"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "limit", "target", "interval", "ce_threshold", "ecn", "mtu"),
        *("maxpacket", "ecn_mark", "ce_mark", "drop_overlimit", "drops"),
    )
    OF_FLOW: ClassVar = (
        *("count", "lastcount", "dropping", "rec_inv_sqrt", "first_above_time", "drop_next"),
        "ldelay",
    )
    PARAMETERS: ClassVar = (
        Parameter("limit", "packets", 1000, "how many packets fit"),
        *CODEL_PARAMETERS,
        Parameter("ecn", "flag", 0, "mark instead of dropping"),
        Parameter("mtu", "", None, "a backlog that is never too long", internal=True),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        self.flow = CodelFlow()
        self.drop_overlimit = 0
        super().__init__(*args, **options)

    def enqueue(self, packet: Packet, now: int) -> int:
        if self.qlen >= self.limit:
            self.drop_overlimit += 1
            self._drop(packet)
            return DROPPED
        packet.stamp = now >> 10 & _U32
        self.flow.queue.append(packet)
        self.qlen += 1
        self.backlog += packet.len
        return QUEUED

    def dequeue(self, now: int) -> Packet | None:
        return self._codel_dequeue(self.flow, now)

    def hold(self, queue: Any) -> None:
        self.flow.queue = queue

    def stamp_of(self, arrived: int) -> int:
        return arrived >> 10 & _U32

    def takes(self, length: int, now: int) -> bool:
        if self.qlen >= self.limit:
            return False
        self.qlen += 1
        self.backlog += length
        return True

    def gives(self, length: int, arrived: int, now_ns: int) -> bool:
        flow = self.flow
        now = now_ns >> 10 & _U32
        delay = now - (arrived >> 10 & _U32) & _U32
        left = self.backlog - length
        if 0 < (delay - self.ce_threshold & _U32) < _SIGN:
            return False
        if delay - self.target & _SIGN or left <= self.mtu:
            flow.first_above_time = 0
            flow.dropping = False
        elif flow.first_above_time == 0:
            flow.first_above_time = now + self.interval & _U32
            flow.dropping = False
        elif not 0 < (now - flow.first_above_time & _U32) < _SIGN:
            flow.dropping = False
        elif not (flow.dropping and now - flow.drop_next & _SIGN):
            return False
        flow.ldelay = delay
        if length > self.maxpacket:
            self.maxpacket = length
        self.qlen -= 1
        self.backlog = left
        return True

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        super()._configure(values, now)
        self.mtu = values.get("mtu", self.mtu)
        if "limit" in values:
            self.limit: int = values["limit"]
        while self.qlen > self.limit:
            self._drop(self._take(self.flow))

    def gauges(self) -> tuple[int, ...]:
        return self.flow.count, int(self.flow.dropping)

    def packets(self) -> Iterator[Packet]:
        return iter(self.flow.queue)

    def observe(self) -> dict[str, int]:
        return {
            **super().observe(),
            **{name: int(getattr(self.flow, name)) for name in self.OF_FLOW},
        }
