"""CAKE: a shaper, tins by DSCP, flows and hosts apart, COBALT on each queue (Høiland-Jørgensen and
others, "Piece of CAKE", 2018; ``net/sched/sch_cake.c``).

A packet goes by its DSCP to a tin, there by its hash to one of 1024 queues, in sets of eight so
that flows seldom share one. Queues are served as in FQ-CoDel; a queue's quantum is divided by how
many bulk queues its host has, so that hosts get equal shares. A virtual clock shapes the whole and
each tin. ``ack_filter`` drops ACKs that a newer one repeats, ``autorate_ingress`` follows the rate
at which packets come. Its parts: ``cake_tins.py``, ``cobalt.py``, ``cake_ack_filter.py``,
``cake_heap.py``.

================  ======  ==============  ====================================================
bandwidth         byte/s  0               the rate to shape to; 0: unlimited
diffserv          name    diffserv3       or diffserv4, diffserv8, besteffort, precedence
flow_mode         name    triple-isolate  or flowblind, srchost, dsthost, hosts, flows,
                                          dual-srchost, dual-dsthost
rtt               us      100000          COBALT's interval
target            us      5000            COBALT's target
overhead          bytes   none            count IP packets and this
mpu               bytes   0               ... at least this
atm               name    noatm           or atm (53-byte cells), ptm (65/64)
raw               flag    0               count what the device counts; undoes overhead
memlimit          bytes   rate * rtt * 4  of truesize, at least 4 MiB
ingress           flag    0               charge what is dropped too
autorate_ingress  flag    0               estimate the bandwidth
wash              flag    0               clear the DSCP
ack_filter        name    no-ack-filter   or ack-filter, ack-filter-aggressive
================  ======  ==============  ====================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import ClassVar

from ccsim.net.qdisc.base import CONGESTION, QUEUED, Packet
from ccsim.net.qdisc.cake_ack_filter import superseded
from ccsim.net.qdisc.cake_parameters import CAKE_PARAMETERS
from ccsim.net.qdisc.cake_shaper import AUTORATE, INGRESS, WASH, CakeShaper
from ccsim.net.qdisc.cake_tins import (
    BULK,
    DECAYING,
    NONE,
    QUEUES,
    SPARSE,
    SPARSE_WAIT,
    TIN_OF_DSCP,
    CakeFlow,
    CakeTin,
)

__all__ = ["Cake"]

OVERFLOW_TIMEOUT = 65_535


class Cake(CakeShaper):
    """Up to eight tins behind one shaper."""

    __slots__ = ()

    kind: ClassVar = "cake"
    summary: ClassVar = "CAKE: a shaper, tins, flows and hosts apart, COBALT on each queue"
    keeps: ClassVar = "flow order"
    decides: ClassVar = "service"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "rate_bps", "rate_ns", "rate_shft", "interval_us", "target_us"),
        *("flow_mode", "tin_mode", "tin_cnt", "rate_flags", "atm", "overhead", "mpu"),
        *("buffer_limit", "buffer_used", "ack_filter", "ack_drops", "time_next"),
        *("failsafe_next", "cur_tin", "cur_flow", "drops", "overlimits", "overflow_timeout"),
        *("max_adjlen", "min_adjlen", "avg_peak_bandwidth", "avg_packet_interval"),
        "avg_window_bytes",
    )
    OF_TIN: ClassVar = (
        *("flow_quantum", "rate_ns", "rate_shft", "quantum", "sparse", "bulk", "decaying"),
        *("time_next", "backlog", "deficit", "directs", "hits", "misses", "collisions"),
        *("dropped", "drop_overlimit", "unresponsive", "ecn_mark"),
    )
    OF_QUEUE: ClassVar = ("count", "rec_inv_sqrt", "drop_next", "blue_timer", "p_drop", "dropping")
    PARAMETERS: ClassVar = CAKE_PARAMETERS

    def _quantum(self, tin: CakeTin, flow: CakeFlow) -> int:
        """Return a turn's bytes, with a random part so that rounding does not add up."""
        share = 65_535 // tin.host_load(flow, self.flow_mode)
        return tin.flow_quantum * share + self.draws.u16() >> 16

    def enqueue(self, packet: Packet, now: int) -> int:
        tin = self.tins[TIN_OF_DSCP[self.tin_mode][packet.dscp]]
        if self.rate_flags & WASH:
            packet.dscp = 0
        flow = tin.queue_for(packet, self.flow_mode)
        if not tin.backlog:
            self._wake_shaper(tin, now)
        packet.stamp = now
        packet.cb = self._adjusted(packet.len)
        flow.queue.append(packet)
        self._count_in(tin, flow, packet, now)
        if self.overflow_timeout:
            self.heap.up(self.heap.places[tin.number * QUEUES + flow.index])
        if self.rate_flags & AUTORATE:
            self._estimate(now)
        else:
            self.avg_window_bytes = 0
            self.last_packet_time = now
        self._into_lists(tin, flow)
        if self.buffer_used > self.buffer_limit:
            return self._overflow(tin, flow, now)
        return QUEUED

    def _count_in(self, tin: CakeTin, flow: CakeFlow, packet: Packet, now: int) -> None:
        """Count a packet that was appended, and the ACK that it makes superfluous."""
        length, memory = packet.len, packet.truesize
        ack = superseded(flow.queue, self.ack_filter) if self.ack_filter else None
        if ack is None:
            self.qlen += 1
        else:
            flow.queue.remove(ack)
            self.ack_drops += 1
            self.drops += 1
            length -= ack.len
            memory -= ack.truesize
            if self.rate_flags & INGRESS:
                self._advance(tin, ack, now, drop=True)
            self.dropped.append(ack)
        self.buffer_used += memory
        self._count_bytes(tin, flow, length)
        self.avg_window_bytes += length

    def _into_lists(self, tin: CakeTin, flow: CakeFlow) -> None:
        """Put a queue that was at rest among the new ones; one that waited becomes bulk."""
        if flow.set in (NONE, DECAYING):
            if flow.set == DECAYING:
                tin.decaying -= 1
                tin.decaying_flows.remove(flow)
            tin.new_flows.append(flow)
            flow.set = SPARSE
            tin.sparse += 1
            flow.deficit = self._quantum(tin, flow)
        elif flow.set == SPARSE_WAIT:
            flow.set = BULK
            tin.sparse -= 1
            tin.bulk += 1
            tin.enter_bulk(flow, self.flow_mode)

    def _overflow(self, tin: CakeTin, flow: CakeFlow, now: int) -> int:
        """Drop from the longest queues until the rest fits."""
        same = False
        while self.buffer_used > self.buffer_limit:
            same |= self._drop_longest(now) == tin.number * QUEUES + flow.index
            tin.drop_overlimit += 1
        return CONGESTION if same else QUEUED

    def _drop_longest(self, now: int) -> int:
        """Drop the head of the longest queue; return the queue's number (``cake_drop``)."""
        heap = self.heap
        if not self.overflow_timeout:
            heap.build()
        self.overflow_timeout = OVERFLOW_TIMEOUT
        number = heap.entries[0]
        tin = self.tins[number // QUEUES]
        flow = tin.flow_at(number % QUEUES)
        if not flow.queue:
            self.overflow_timeout = 0
            return number
        if flow.cvars.queue_full(tin.cparams, now):
            tin.unresponsive += 1
        packet = flow.queue.popleft()
        self.qlen -= 1
        self.buffer_used -= packet.truesize
        self._count_bytes(tin, flow, -packet.len)
        self._count_drop(tin, flow, packet)
        if self.rate_flags & INGRESS:
            self._advance(tin, packet, now, drop=True)
        heap.down(0)
        return number

    def _count_drop(self, tin: CakeTin, flow: CakeFlow, packet: Packet) -> None:
        flow.dropped += 1
        tin.dropped += 1
        self.drops += 1
        self.dropped.append(packet)

    def dequeue(self, now: int) -> Packet | None:
        first_look = True
        while self.qlen:
            if self.time_next > now and self.failsafe_next > now:
                self.wake_ns = min(self.time_next, self.failsafe_next)
                self.overlimits += 1
                return None
            tin = self._tin_at_turn(now)
            if tin is None:
                return None
            flow = self._flow_at_turn(tin, first_look)
            while flow is not None:
                first_look = False
                packet = self._from_flow(tin, flow, now)
                if packet is not None:
                    return self._deliver(tin, flow, packet, now)
                if not flow.queue or not self.rate_flags & INGRESS:
                    break
                flow = self._flow_at_turn(tin, first_look)
        return None

    def _tin_at_turn(self, now: int) -> CakeTin | None:
        """Return the tin to serve: by deficits if unlimited, else by the shapers' schedule."""
        if not self.rate_ns:
            return self._tin_by_deficit()
        best: CakeTin | None = None
        best_ns = 0
        for tin in self.tins[: self.tin_cnt]:
            if tin.sparse + tin.bulk:
                ahead = tin.time_next - now
                if best is None or ahead <= 0 or ahead <= best_ns:
                    best, best_ns = tin, ahead
        self.cur_tin = best.number if best is not None else 0
        return best

    def _tin_by_deficit(self) -> CakeTin | None:
        tin = self.tins[self.cur_tin]
        wrapped, empty = False, True
        while tin.deficit < 0 or not tin.sparse + tin.bulk:
            if tin.deficit <= 0:
                tin.deficit += tin.quantum
            if tin.sparse + tin.bulk:
                empty = False
            self.cur_tin += 1
            if self.cur_tin >= self.tin_cnt:
                self.cur_tin = 0
                if wrapped and empty:
                    return None
                wrapped = True
            tin = self.tins[self.cur_tin]
        return tin

    def _flow_at_turn(self, tin: CakeTin, first_look: bool) -> CakeFlow | None:
        """Return the queue to serve; the first look of a call is at those that decay."""
        while True:
            if first_look and tin.decaying_flows:
                head = tin.decaying_flows
            else:
                head = tin.new_flows or tin.old_flows or tin.decaying_flows
                if not head:
                    return None
            first_look = False
            flow = head[0]
            self.cur_flow = flow.index
            if flow.deficit > 0:
                return flow
            if flow.set == SPARSE:
                self._out_of_sparse(tin, flow)
            flow.deficit += self._quantum(tin, flow)
            head.popleft()
            tin.old_flows.append(flow)

    def _out_of_sparse(self, tin: CakeTin, flow: CakeFlow) -> None:
        """Make a queue that has used its turn bulk; an empty one still counts as sparse."""
        if not flow.queue:
            flow.set = SPARSE_WAIT
            return
        tin.sparse -= 1
        tin.bulk += 1
        tin.enter_bulk(flow, self.flow_mode)
        flow.set = BULK

    def _from_flow(self, tin: CakeTin, flow: CakeFlow, now: int) -> Packet | None:
        """Return the packet that a queue delivers; None if it is empty, or has dropped one and is
        to be looked at again."""
        ingress = self.rate_flags & INGRESS
        while flow.queue:
            packet = self._take(tin, flow)
            bulk = tin.bulk if ingress else 0
            drop = flow.cvars.should_drop(tin.cparams, now, packet, bulk, self.draws)
            if not drop or not flow.queue:
                return packet
            self._count_drop(tin, flow, packet)
            if ingress:
                length = self._advance(tin, packet, now, drop=True)
                flow.deficit -= length
                tin.deficit -= length
                return None
        self._rest(tin, flow, now)
        return None

    def _rest(self, tin: CakeTin, flow: CakeFlow, now: int) -> None:
        """Let an empty queue decay, or leave the lists when its controller is at rest."""
        if flow.cvars.queue_empty(tin.cparams, now):
            tin.unresponsive -= 1
        _list_of(tin, flow).popleft()
        if flow.set == BULK:
            tin.bulk -= 1
            tin.leave_bulk(flow, self.flow_mode)
        elif flow.set == DECAYING:
            tin.decaying -= 1
        else:
            tin.sparse -= 1
        cvars = flow.cvars
        if cvars.p_drop or cvars.count or now < cvars.drop_next:
            tin.decaying_flows.append(flow)
            tin.decaying += 1
            flow.set = DECAYING
        else:
            flow.set = NONE

    def _deliver(self, tin: CakeTin, flow: CakeFlow, packet: Packet, now: int) -> Packet:
        """Charge a packet, and ask to be woken for the next one."""
        tin.ecn_mark += flow.cvars.ecn_marked
        length = self._advance(tin, packet, now, drop=False)
        flow.deficit -= length
        tin.deficit -= length
        if self.qlen:
            if self.time_next > now:
                self.wake_ns = min(self.time_next, self.failsafe_next)
        else:
            for other in self.tins[: self.tin_cnt]:
                if other.decaying:
                    self.wake_ns = now + other.cparams.target
                    break
        if self.overflow_timeout:
            self.overflow_timeout -= 1
        return packet

    def packets(self) -> Iterator[Packet]:
        for tin in self.tins:
            for flow in tin.flows.values():
                yield from flow.queue

    def observe(self) -> dict[str, int]:
        state = super().observe()
        for tin in self.tins[: self.tin_cnt]:
            prefix = f"t{tin.number}."
            state.update((prefix + name, getattr(tin, name)) for name in self.OF_TIN)
            for name in ("target", "interval", "mtu_time"):
                state[prefix + name] = getattr(tin.cparams, name)
            for flow in tin.flows.values():
                self._observe_flow(state, tin, flow)
        return state

    def _observe_flow(self, state: dict[str, int], tin: CakeTin, flow: CakeFlow) -> None:
        prefix = f"f{tin.number * QUEUES + flow.index}."
        for name in ("set", "deficit", "backlog", "dropped", "src", "dst"):
            state[prefix + name] = getattr(flow, name)
        for name in self.OF_QUEUE:
            state[prefix + name] = int(getattr(flow.cvars, name))
        state[prefix + "srcbulk"] = tin.src_bulk[flow.src]
        state[prefix + "dstbulk"] = tin.dst_bulk[flow.dst]


def _list_of(tin: CakeTin, flow: CakeFlow) -> deque[CakeFlow]:
    """Return the list whose first queue this is."""
    for flows in (tin.new_flows, tin.old_flows, tin.decaying_flows):
        if flows and flows[0] is flow:
            return flows
    raise AssertionError("a queue that is served is the first of its list")
