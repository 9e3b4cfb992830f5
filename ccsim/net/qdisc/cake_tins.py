"""CAKE's tins: how rates and DSCPs are shared among them, and the queues of each
(``cake_config_*``, ``cake_set_rate`` and ``cake_hash`` in ``net/sched/sch_cake.c``)."""

from __future__ import annotations

from collections import deque

from ccsim.net.qdisc.base import Packet
from ccsim.net.qdisc.cobalt import CobaltParms, CobaltVars
from ccsim.units import NS_PER_S, NS_PER_US

__all__ = ["BESTEFFORT", "MODES", "QUEUES", "TINS", "CakeFlow", "CakeTin", "rate_of", "share_rates"]

TINS = 8
QUEUES = 1024  # of a tin
WAYS = 8  # queues that a hash may choose from
SRC_IP, DST_IP, FLOWS = 1, 2, 4  # bits of the flow mode
DUAL_SRC, DUAL_DST = SRC_IP | FLOWS, DST_IP | FLOWS
NONE, SPARSE, SPARSE_WAIT, BULK, DECAYING = 0, 1, 2, 3, 4  # which set a flow is in
DIFFSERV3, DIFFSERV4, DIFFSERV8, BESTEFFORT, PRECEDENCE = 0, 1, 2, 3, 4
MODES = ("diffserv3", "diffserv4", "diffserv8", "besteffort", "precedence")
LEAST_RATE = 64  # byte/s
FULL, SMALLEST_QUANTUM = 1514, 300


def _lookup(default: int, tins: dict[int, tuple[int, ...]]) -> tuple[int, ...]:
    table = [default] * 64
    for tin, points in tins.items():
        for dscp in points:
            table[dscp] = tin
    return tuple(table)


TIN_OF_DSCP: dict[int, tuple[int, ...]] = {
    DIFFSERV3: _lookup(0, {1: (1, 8), 2: (4, 44, 46, 48, 56)}),
    DIFFSERV4: _lookup(
        0,
        {
            1: (1, 8),
            3: (32, 40, 44, 46, 48, 56),
            2: (4, 16, 18, 20, 22, 24, 26, 28, 30, 34, 36, 38),
        },
    ),
    DIFFSERV8: (
        *(2, 0, 1, 2, 4, 2, 2, 2, 1, 2, 1, 2, 1, 2, 1, 2),
        *(5, 2, 4, 2, 4, 2, 4, 2, 3, 2, 3, 2, 3, 2, 3, 2),
        *(6, 2, 3, 2, 3, 2, 3, 2, 6, 2, 2, 2, 6, 2, 6, 2),
        *(7, 2, 2, 2, 2, 2, 2, 2, 7, 2, 2, 2, 2, 2, 2, 2),
    ),
    BESTEFFORT: (0,) * 64,
    PRECEDENCE: tuple(dscp >> 3 for dscp in range(64)),
}


def share_rates(mode: int, rate: int) -> list[tuple[int, int]]:
    """Return the rate [byte/s] and the quantum of each tin that a mode has."""
    if mode == BESTEFFORT:
        return [(rate, 65_535)]
    if mode == DIFFSERV3:
        return [(rate, 1024), (rate >> 4, 64), (rate >> 2, 256)]
    if mode == DIFFSERV4:
        return [(rate, 1024), (rate >> 4, 64), (rate >> 1, 512), (rate >> 2, 256)]
    shares, quantum = [], 256
    for _ in range(TINS):
        shares.append((rate, quantum))
        rate = rate * 7 >> 3
        quantum = max(quantum * 7 >> 3, 1)
    return shares


def rate_of(rate: int) -> tuple[int, int]:
    """Return ns and shift: n bytes take n * ns >> shift; 0 and 0 without a rate."""
    if not rate:
        return 0, 0
    shift = 34
    ns = (NS_PER_S << shift) // max(LEAST_RATE, rate)
    while ns >> 34:
        ns >>= 1
        shift -= 1
    return ns, shift


class CakeFlow:
    """A queue: its packets, its controller, what it may still send, and the set it is in."""

    __slots__ = ("backlog", "cvars", "deficit", "dropped", "dst", "index", "queue", "set", "src")

    def __init__(self, index: int) -> None:
        self.index = index
        self.queue: deque[Packet] = deque()
        self.cvars = CobaltVars()
        self.backlog = 0
        self.deficit = 0
        self.dropped = 0
        self.set = NONE
        self.src = 0
        self.dst = 0


class CakeTin:
    """One class of traffic: a shaper, three lists of queues, and which hosts have how many bulk
    queues."""

    __slots__ = (
        *("backlog", "bulk", "collisions", "cparams", "decaying", "decaying_flows", "deficit"),
        *("directs", "drop_overlimit", "dropped", "dst_bulk", "dst_tags", "ecn_mark"),
        *("flow_quantum", "flows", "hits", "misses", "new_flows", "number", "old_flows"),
        *("quantum", "rate_ns", "rate_shft", "sparse", "src_bulk", "src_tags", "tags"),
        *("time_next", "unresponsive"),
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.cparams = CobaltParms()
        self.flows: dict[int, CakeFlow] = {}
        self.tags = [0] * QUEUES
        self.src_tags, self.src_bulk = [0] * QUEUES, [0] * QUEUES
        self.dst_tags, self.dst_bulk = [0] * QUEUES, [0] * QUEUES
        self.new_flows: deque[CakeFlow] = deque()
        self.old_flows: deque[CakeFlow] = deque()
        self.decaying_flows: deque[CakeFlow] = deque()
        self.sparse = self.bulk = self.decaying = 0
        self.backlog = self.deficit = self.time_next = 0
        self.directs = self.hits = self.misses = self.collisions = 0
        self.dropped = self.drop_overlimit = self.ecn_mark = self.unresponsive = 0
        self.quantum = self.flow_quantum = self.rate_ns = self.rate_shft = 0

    def set_rate(self, rate: int, mtu: int, target_us: int, rtt_us: int) -> None:
        """Set what follows from the tin's rate (``cake_set_rate``)."""
        self.rate_ns, self.rate_shft = rate_of(rate)
        self.flow_quantum = max(min(rate >> 12, FULL), SMALLEST_QUANTUM) if rate else FULL
        parms, target = self.cparams, target_us * NS_PER_US
        parms.mtu_time = mtu * self.rate_ns >> self.rate_shft
        parms.target = max(parms.mtu_time * 3 // 2, target)
        parms.interval = max(rtt_us * NS_PER_US + parms.target - target, 2 * parms.target)

    def flow_at(self, index: int) -> CakeFlow:
        """Return the queue of an index."""
        flow = self.flows.get(index)
        if flow is None:
            flow = self.flows[index] = CakeFlow(index)
        return flow

    def _in_use(self, index: int) -> int:
        flow = self.flows.get(index)
        return flow.set if flow is not None else NONE

    def queue_for(self, packet: Packet, mode: int) -> CakeFlow:
        """Return the queue of a packet: its own if there is one, else a free one of its set of
        eight, else one that others use (``cake_hash``)."""
        if mode == 0:
            return self.flow_at(0)
        wanted = packet.hash
        if not mode & FLOWS:
            wanted = (packet.srchost if mode & SRC_IP else 0) ^ (
                packet.dsthost if mode & DST_IP else 0
            )
        index = wanted % QUEUES
        if self.tags[index] == wanted and self._in_use(index):
            self.directs += 1
            return self.flow_at(index)
        index, fresh = self._search(wanted, index, mode)
        self.tags[index] = wanted
        flow = self.flow_at(index)
        if fresh:
            self._assign_hosts(flow, packet, mode)
        return flow

    def _search(self, wanted: int, index: int, mode: int) -> tuple[int, bool]:
        """Return a queue of the set of eight, and whether its hosts are to be set."""
        outer, inner = index - index % WAYS, index % WAYS
        ways = [outer + (inner + k) % WAYS for k in range(WAYS)]
        for tries, place in enumerate(ways):
            if self.tags[place] == wanted:
                self.hits += tries > 0
                return place, not self._in_use(place)
        for place in ways:
            if not self._in_use(place):
                self.misses += 1
                return place, True
        self.collisions += 1
        flow = self.flow_at(index)
        if flow.set == BULK:
            self.leave_bulk(flow, mode)
        return index, True

    def _assign_hosts(self, flow: CakeFlow, packet: Packet, mode: int) -> None:
        """Find the entries of the packet's hosts, and count a bulk queue there."""
        if mode & DUAL_SRC == DUAL_SRC:
            flow.src = _host(packet.srchost, self.src_tags, self.src_bulk)
            if flow.set == BULK:
                _up(self.src_bulk, flow.src)
        if mode & DUAL_DST == DUAL_DST:
            flow.dst = _host(packet.dsthost, self.dst_tags, self.dst_bulk)
            if flow.set == BULK:
                _up(self.dst_bulk, flow.dst)

    def enter_bulk(self, flow: CakeFlow, mode: int) -> None:
        """Count a queue that has become bulk with its hosts."""
        if mode & DUAL_SRC == DUAL_SRC:
            _up(self.src_bulk, flow.src)
        if mode & DUAL_DST == DUAL_DST:
            _up(self.dst_bulk, flow.dst)

    def leave_bulk(self, flow: CakeFlow, mode: int) -> None:
        """Count it no more."""
        if mode & DUAL_SRC == DUAL_SRC and self.src_bulk[flow.src]:
            self.src_bulk[flow.src] -= 1
        if mode & DUAL_DST == DUAL_DST and self.dst_bulk[flow.dst]:
            self.dst_bulk[flow.dst] -= 1

    def host_load(self, flow: CakeFlow, mode: int) -> int:
        """Return by how many bulk queues the flow's host divides its share."""
        load = 1
        if mode & DUAL_SRC == DUAL_SRC:
            load = max(load, self.src_bulk[flow.src])
        if mode & DUAL_DST == DUAL_DST:
            load = max(load, self.dst_bulk[flow.dst])
        return load


def _up(counts: list[int], place: int) -> None:
    if counts[place] < QUEUES:
        counts[place] += 1


def _host(wanted: int, tags: list[int], bulk: list[int]) -> int:
    """Return the entry of a host: its own, else one of its set of eight without bulk queues."""
    index = wanted % QUEUES
    outer, inner = index - index % WAYS, index % WAYS
    ways = [outer + (inner + k) % WAYS for k in range(WAYS)]
    for place in ways:
        if tags[place] == wanted:
            return place
    place = next((place for place in ways if not bulk[place]), index)
    tags[place] = wanted
    return place
