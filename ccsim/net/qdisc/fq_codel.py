"""FQ-CoDel: flows apart, CoDel on each, new flows first (RFC 8290, ``net/sched/sch_fq_codel.c``).

A hash gives each flow its own queue. A flow that becomes busy joins the new flows, which are served
before the old ones; each sends ``quantum`` bytes a turn. CoDel drops from each flow by itself, but
its test for a nearly empty queue reads the backlog of the whole qdisc. When there are too many
packets, or too much memory, the flow with most bytes loses half of them, at most ``drop_batch``
packets, from its head.

=====================  =======  =======  ======================================================
limit                  packets  10240    how many packets fit
flows                  queues   1024     how many flows are kept apart; fixed
quantum                bytes    MTU      what a flow sends a turn, at least 256
target                 us       5000     CoDel: the wait that is fine
interval               us       100000   CoDel: how long it may be longer
ecn                    flag     1        mark instead of dropping
ce_threshold           us       off      mark every packet that has waited longer
ce_threshold_selector  bits     0        ... whose DSCP and ECN bits under the mask are this
ce_threshold_mask      bits     0        0: whichever
memory_limit           bytes    32 MiB   of truesize
drop_batch             packets  64       how many an overflow drops at most
=====================  =======  =======  ======================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import CONGESTION, QUEUED, U32, Packet, scale
from ccsim.net.qdisc.codel import CODEL_PARAMETERS, CodelFlow, CodelQdisc
from ccsim.net.qdisc.parameters import Parameter

__all__ = ["FqCodel"]

LEAST_QUANTUM = 256
_U32 = U32
_NO_LIST, _NEW, _OLD = range(3)


class FqCodelFlow(CodelFlow):
    """A flow: its queue under CoDel, what it may still send this turn, and the list it is in."""

    __slots__ = ("backlog", "deficit", "index", "list")

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index
        self.list = _NO_LIST
        self.deficit = 0
        self.backlog = 0


class FqCodel(CodelQdisc):
    """Two lists of flows, each under CoDel."""

    __slots__ = (
        *("drop_batch", "drop_overlimit", "drop_overmemory", "flow_count", "flows", "limit"),
        *("memory_limit", "memory_usage", "new_flow_count", "new_flows", "old_flows", "quantum"),
    )

    kind: ClassVar = "fq_codel"
    GAUGES: ClassVar = ("new_flows", "old_flows")
    summary: ClassVar = "FQ-CoDel: flows apart, CoDel on each"
    keeps: ClassVar = "flow order"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "limit", "target", "interval", "ce_threshold", "ce_mask"),
        *("ce_selector", "ecn", "mtu", "quantum", "drop_batch", "memory_limit", "memory_usage"),
        *("drop_overlimit", "drop_overmemory", "new_flow_count", "ecn_mark", "ce_mark"),
        *("maxpacket", "drops"),
    )
    OF_FLOW: ClassVar = (
        *("list", "deficit", "backlog", "count", "lastcount", "dropping", "rec_inv_sqrt"),
        *("drop_next", "ldelay"),
    )
    PARAMETERS: ClassVar = (
        Parameter("limit", "packets", 10_240, "how many packets fit"),
        Parameter("flows", "", 1024, "how many flows are kept apart; fixed", 1, 65_536),
        Parameter("quantum", "bytes", None, "what a flow sends a turn; default: the MTU"),
        *CODEL_PARAMETERS,
        Parameter("ecn", "flag", 1, "mark instead of dropping"),
        Parameter("ce_threshold_selector", "", None, "of DSCP and ECN under the mask", 0, 255),
        Parameter("ce_threshold_mask", "", None, "which bits ce_threshold looks at", 0, 255),
        Parameter("memory_limit", "bytes", 32 << 20, "of truesize", maximum=1 << 31),
        Parameter("drop_batch", "packets", 64, "how many an overflow drops at most"),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        self.flows: dict[int, FqCodelFlow] = {}
        self.flow_count = 0
        self.new_flows: deque[FqCodelFlow] = deque()
        self.old_flows: deque[FqCodelFlow] = deque()
        self.memory_usage = self.new_flow_count = 0
        self.drop_overlimit = self.drop_overmemory = 0
        self.quantum = 0
        super().__init__(*args, **options)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        super()._configure(values, now)
        self.ce_selector = values.get("ce_threshold_selector", self.ce_selector)
        self.ce_mask = values.get("ce_threshold_mask", self.ce_mask)
        if not self.flow_count:
            self.flow_count = values["flows"]
            self.quantum = self.mtu
        if "quantum" in values:
            self.quantum = max(values["quantum"], LEAST_QUANTUM)
        if "limit" in values:
            self.limit: int = values["limit"]
        if "memory_limit" in values:
            self.memory_limit: int = values["memory_limit"]
        if "drop_batch" in values:
            self.drop_batch = max(values["drop_batch"], 1)
        self._shrink(now)

    def _shrink(self, now: int) -> None:
        """Drop what no longer fits, in the order in which it would leave."""
        while self.qlen > self.limit or self.memory_usage > self.memory_limit:
            packet = self.dequeue(now)
            if packet is None:
                break
            self.dropped.append(packet)

    def enqueue(self, packet: Packet, now: int) -> int:
        index = scale(packet.hash, self.flow_count)
        flow = self.flows.get(index)
        if flow is None:
            flow = self.flows[index] = FqCodelFlow(index)
        packet.stamp = now >> 10 & _U32
        flow.queue.append(packet)
        flow.backlog += packet.len
        self.backlog += packet.len
        if not flow.list:
            self.new_flows.append(flow)
            flow.list = _NEW
            flow.deficit = self.quantum
            self.new_flow_count += 1
        self.memory_usage += packet.truesize
        self.qlen += 1
        over = self.memory_usage > self.memory_limit
        if self.qlen <= self.limit and not over:
            return QUEUED
        return CONGESTION if self._overflow(over) is flow else QUEUED

    def _overflow(self, over_memory: bool) -> FqCodelFlow:
        """Drop from the flow with most bytes, which is returned (``fq_codel_drop``)."""
        fattest = max(self.flows.values(), key=lambda flow: (flow.backlog, -flow.index))
        threshold = fattest.backlog >> 1
        count = length = 0
        while True:
            packet = self._take(fattest)
            length += packet.len
            count += 1
            self._drop(packet)
            if count >= self.drop_batch or length >= threshold:
                break
        fattest.count = fattest.count + count & U32
        self.drop_overlimit += count
        if over_memory:
            self.drop_overmemory += count
        return fattest

    def _take(self, flow: CodelFlow) -> Packet:
        assert isinstance(flow, FqCodelFlow)
        own: FqCodelFlow = flow
        packet: Packet = own.queue.popleft()
        self.qlen -= 1
        self.backlog -= packet.len
        own.backlog -= packet.len
        self.memory_usage -= packet.truesize
        return packet

    def dequeue(self, now: int) -> Packet | None:
        new, old = self.new_flows, self.old_flows
        while new or old:
            head = new or old
            flow = head[0]
            if flow.deficit <= 0:
                flow.deficit += self.quantum
                self._to_old(head)
                continue
            packet = self._codel_dequeue(flow, now)
            if packet is not None:
                flow.deficit -= packet.len
                return packet
            if head is new and old:  # or flows that come and go would starve the others
                self._to_old(head)
            else:
                head.popleft()
                flow.list = _NO_LIST
        return None

    def _to_old(self, head: deque[FqCodelFlow]) -> None:
        flow = head.popleft()
        flow.list = _OLD
        self.old_flows.append(flow)

    def gauges(self) -> tuple[int, ...]:
        return len(self.new_flows), len(self.old_flows)

    def packets(self) -> Iterator[Packet]:
        return (packet for flow in self.flows.values() for packet in flow.queue)

    def observe(self) -> dict[str, int]:
        state = {**super().observe(), "flows": self.flow_count}
        for index, flow in self.flows.items():
            state[f"f{index}.first_above"] = flow.first_above_time
            for name in self.OF_FLOW:
                state[f"f{index}.{name}"] = int(getattr(flow, name))
        return state
