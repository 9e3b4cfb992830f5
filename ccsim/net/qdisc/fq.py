"""fq: fair queueing with pacing, for sockets that say how fast they send (``net/sched/sch_fq.c``).

Each socket is a flow. A flow sends by credits, and after a packet at its socket's pacing rate the
flow is set aside until the time that this takes has passed; above ``low_rate_threshold`` a whole
quantum goes at once. Packets may bear their own departure time. Three bands share the line by
weights. Packets that find next to nothing waiting take a fast path past all this, unpaced.

Linux finds flows in trees and frees those that have been idle for 3 s when a search passes them;
here they stay, with the same credit.

==================  =======  ============  ====================================================
limit               packets  10000         how many packets fit in a band
flow_limit          packets  100           ... in a flow
quantum             bytes    2 MTU         what a flow sends a turn, 256 to 2^20
initial_quantum     bytes    10 MTU        what a new flow sends at first
pacing              flag     1             keep to the sockets' rates
maxrate             byte/s   none          no flow is faster
refill_delay        us       40000         idle time that gives a flow a quantum again
low_rate_threshold  byte/s   68750         up to this rate packets are paced one by one
ce_threshold        us       4294967295    mark packets that leave later than they should by this
horizon             us       10000000      departure times further off are refused
horizon_drop        flag     1             ... by a drop; else they are moved to the horizon
orphan_mask         bits     1023          hash bits that tell packets without socket apart
weights             bytes    589824 ...    quanta of the three bands
timer_slack         ns       10000         a hint to the kernel's timers, without effect here
==================  =======  ============  ====================================================
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import (
    DROPPED,
    QUEUED,
    U32,
    U64,
    Packet,
    Qdisc,
    jiffies,
    jiffies_of_us,
    set_ce,
)
from ccsim.net.qdisc.departures import Departures
from ccsim.net.qdisc.parameters import Parameter
from ccsim.units import NS_PER_S, NS_PER_US

__all__ = ["Fq"]

BAND_OF_PRIORITY = (1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
BANDS = 3
FAST_PATH_PACKETS = 8
LEAST_QUANTUM, GREATEST_QUANTUM = 256, 1 << 20
NO_RATE = NO_TIME = U64
DETACHED, LISTED, THROTTLED = 1, 2, 3
ORPHAN_KEYS = 1000  # where recordings number them from


class FqFlow:
    """A flow: its packets, credit, band, when its next packet may leave, and where it is."""

    __slots__ = ("age", "band", "credit", "key", "packets", "qlen", "socket_hash", "state", "tnp")

    def __init__(self, key: int, credit: int, age: int) -> None:
        self.key = key
        self.packets = Departures()
        self.qlen = 0
        self.credit = credit
        self.band = 0
        self.tnp = 0
        self.socket_hash = 0
        self.state = DETACHED
        self.age = age


class FqBand:
    """One of three bands: its flows, its credit, and how many packets its flows hold."""

    __slots__ = ("credit", "drops", "new_flows", "old_flows", "pkts", "quantum")

    def __init__(self, quantum: int) -> None:
        self.new_flows: deque[FqFlow] = deque()
        self.old_flows: deque[FqFlow] = deque()
        self.credit = 0
        self.quantum = quantum
        self.pkts = 0
        self.drops = 0


class Fq(Qdisc):
    """Flows in three bands, and those that wait for their time."""

    __slots__ = (
        *("band_nr", "bands", "ce_threshold", "flow_plimit", "flows", "horizon", "horizon_drop"),
        *("inactive", "initial_quantum", "internal", "limit", "low_rate_threshold", "maxrate"),
        *("orphan_mask", "quantum", "rate_enable", "rates", "refill_jiffies", "stat_ce_mark"),
        *("stat_fastpath", "stat_flows_plimit", "stat_gc", "stat_horizon_caps"),
        *("stat_horizon_drops", "stat_pkts_too_long", "stat_throttled", "throttle_order"),
        *("throttled_flows", "time_next_delayed", "timer_slack", "unthrottle_latency"),
    )
    limit: int
    flow_plimit: int
    initial_quantum: int
    rate_enable: int
    maxrate: int
    low_rate_threshold: int
    horizon_drop: int
    orphan_mask: int
    timer_slack: int

    kind: ClassVar = "fq"
    summary: ClassVar = "fq: fair queueing that paces sockets"
    keeps: ClassVar = "flow order"
    decides: ClassVar = "service"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "limit", "flow_plimit", "quantum", "initial_quantum"),
        *("refill_jiffies", "maxrate", "low_rate_threshold", "ce_threshold", "horizon"),
        *("horizon_drop", "rate_enable", "timer_slack", "orphan_mask", "band_nr"),
        *("time_next_delayed", "inactive", "stat_throttled", "stat_fastpath", "stat_ce_mark"),
        *("stat_horizon_drops", "stat_horizon_caps", "stat_flows_plimit"),
        *("stat_pkts_too_long", "stat_gc", "unthrottle_latency"),
    )
    PARAMETERS: ClassVar = (
        Parameter("limit", "packets", 10_000, "how many packets fit in a band"),
        Parameter("flow_limit", "packets", 100, "how many packets fit in a flow"),
        Parameter("quantum", "bytes", None, "what a flow sends a turn; default: 2 MTU"),
        Parameter("initial_quantum", "bytes", None, "what a new flow sends; default: 10 MTU"),
        Parameter("pacing", "flag", 1, "keep to the sockets' rates"),
        Parameter("maxrate", "byte/s", NO_RATE, "no flow is faster", 0, NO_RATE),
        Parameter("refill_delay", "us", 40_000, "idle time that gives a flow a quantum again"),
        Parameter("low_rate_threshold", "byte/s", 68_750, "paced packet by packet up to this"),
        Parameter("ce_threshold", "us", U32, "mark packets that leave later by this"),
        Parameter("horizon", "us", 10_000_000, "departure times further off are refused"),
        Parameter("horizon_drop", "flag", 1, "refuse by a drop; else move to the horizon"),
        Parameter("orphan_mask", "", 1023, "hash bits that tell packets without socket apart"),
        Parameter(
            *("weights", "bytes", (589_824, 196_608, 65_536), "quanta of the three bands"),
            minimum=1,
            maximum=0x7FFF_FFFF,
            length=(BANDS, BANDS),
        ),
        Parameter("timer_slack", "ns", 10_000, "a hint to the kernel's timers, no effect here"),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        self.bands = [FqBand(0) for _ in range(BANDS)]
        self.flows: dict[int, FqFlow] = {}
        self.rates: dict[int, int] = {}  # of sockets, as they are now
        self.internal = Departures()
        self.throttled_flows: list[tuple[int, int, FqFlow]] = []
        self.throttle_order = 0
        self.time_next_delayed = NO_TIME
        self.band_nr = self.inactive = self.unthrottle_latency = self.quantum = 0
        self.stat_throttled = self.stat_fastpath = self.stat_ce_mark = self.stat_gc = 0
        self.stat_horizon_drops = self.stat_horizon_caps = 0
        self.stat_flows_plimit = self.stat_pkts_too_long = 0
        super().__init__(*args, **options)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        if not self.quantum:
            self.quantum = 2 * self.mtu
            self.initial_quantum = 10 * self.mtu
        if "quantum" in values:
            self.quantum = min(max(values["quantum"], LEAST_QUANTUM), GREATEST_QUANTUM)
        if "refill_delay_us" in values:
            self.refill_jiffies = jiffies_of_us(values["refill_delay_us"], self.hz)
        if "ce_threshold_us" in values:
            self.ce_threshold = values["ce_threshold_us"] * NS_PER_US
        if "horizon_us" in values:
            self.horizon = values["horizon_us"] * NS_PER_US
        for key, name in _PLAIN.items():
            if key in values:
                setattr(self, name, values[key])
        for band, weight in zip(self.bands, values.get("weights", ()), strict=False):
            band.quantum = weight
        while self.qlen > self.limit:
            packet = self.dequeue(now)
            if packet is None:
                break
            self.dropped.append(packet)

    def enqueue(self, packet: Packet, now: int) -> int:
        band = BAND_OF_PRIORITY[packet.priority & 15]
        if packet.sk:
            self.rates[packet.sk] = packet.pacing_rate
        if self.bands[band].pkts >= self.limit:
            self.bands[band].drops += 1
            return self._refuse(packet)
        departure = packet.tstamp or now
        if departure > now + self.horizon:
            if self.horizon_drop:
                self.stat_horizon_drops += 1
                return self._refuse(packet)
            self.stat_horizon_caps += 1
            departure = now + self.horizon
        packet.cb = departure
        packet.stamp = band
        if self._fast_path(departure, now):
            self.internal.add(packet)
            self.stat_fastpath += 1
            return self._accept(packet)
        flow = self._classify(packet, now)
        if flow.qlen >= self.flow_plimit:
            self.stat_flows_plimit += 1
            return self._refuse(packet)
        self._into_flow(flow, packet, band, now)
        return self._accept(packet)

    def _refuse(self, packet: Packet) -> int:
        self.dropped.append(packet)
        return DROPPED

    def _accept(self, packet: Packet) -> int:
        self.qlen += 1
        self.backlog += packet.len
        return QUEUED

    def _fast_path(self, departure: int, now: int) -> bool:
        """Report whether so little waits that a packet need not (``fq_fastpath_check``)."""
        if departure > now or self.maxrate != NO_RATE:
            return False
        if self.qlen == 0:
            return True
        return (
            len(self.flows) == self.inactive + len(self.throttled_flows)
            and len(self.internal) < FAST_PATH_PACKETS
            and self.time_next_delayed > now
        )

    def _classify(self, packet: Packet, now: int) -> FqFlow:
        """Return the packet's flow, a new one if it is not known."""
        key = packet.sk or ~(packet.hash & self.orphan_mask)
        flow = self.flows.get(key)
        if flow is None:
            flow = FqFlow(key, self.initial_quantum, jiffies(now, self.hz) | 1)
            flow.socket_hash = packet.hash
            self.flows[key] = flow
            self.inactive += 1
        elif packet.sk and flow.socket_hash != packet.hash:  # another connection on this socket
            flow.credit = self.initial_quantum
            flow.socket_hash = packet.hash
            if flow.state == THROTTLED:
                self._unthrottle(
                    next(k for k, e in enumerate(self.throttled_flows) if e[2] is flow)
                )
            flow.tnp = 0
        return flow

    def _into_flow(self, flow: FqFlow, packet: Packet, band: int, now: int) -> None:
        if flow.state == DETACHED:
            self.bands[flow.band].new_flows.append(flow)
            flow.state = LISTED
            late = jiffies(now, self.hz) > flow.age + self.refill_jiffies
            if late and 0 <= flow.credit < self.quantum:
                flow.credit = self.quantum
        if flow.qlen == 0:
            self.inactive -= 1
        flow.band = band
        flow.qlen += 1
        self.bands[band].pkts += 1
        flow.packets.add(packet)

    def _unthrottle(self, place: int) -> None:
        """Put a throttled flow at the end of its band's old flows."""
        flow = self.throttled_flows.pop(place)[2]
        flow.state = LISTED
        self.bands[flow.band].old_flows.append(flow)

    def _check_throttled(self, now: int) -> None:
        """Bring back the flows whose time has come (``fq_check_throttled``)."""
        late = now - self.time_next_delayed
        latency = self.unthrottle_latency
        self.unthrottle_latency = latency - (latency >> 3) + (late >> 3)
        self.time_next_delayed = NO_TIME
        while self.throttled_flows:
            due = self.throttled_flows[0][0]
            if due > now:
                self.time_next_delayed = due
                break
            self._unthrottle(0)

    def dequeue(self, now: int) -> Packet | None:
        if not self.qlen:
            return None
        if len(self.internal):
            packet = self.internal.pop()
            self._forget(packet)
            return packet
        if self.time_next_delayed <= now:
            self._check_throttled(now)
        while True:
            band = self._select_band()
            if band is None:
                return None
            head = band.new_flows or band.old_flows
            flow = head[0]
            if flow.credit <= 0:
                flow.credit += self.quantum
                head.popleft()
                self.bands[flow.band].old_flows.append(flow)
                continue
            ready = self._next_of(band, head, flow, now)
            if ready is not None:
                return self._send(band, flow, ready, now)

    def _select_band(self) -> FqBand | None:
        """Return the band at turn that has flows and credit; None if there is none, after asking
        to be woken for the next throttled flow."""
        band = self.bands[self.band_nr]
        retry = 0
        while band.credit <= 0 or not (band.new_flows or band.old_flows):
            while True:
                retry += 1
                if retry > BANDS:
                    if self.time_next_delayed != NO_TIME:
                        self.wake_ns = self.time_next_delayed
                    return None
                self.band_nr = (self.band_nr + 1) % BANDS
                band = self.bands[self.band_nr]
                band.credit = min(band.credit + band.quantum, band.quantum)
                if band.credit > 0:
                    break
                retry = 0
        return band

    def _next_of(self, band: FqBand, head: deque[FqFlow], flow: FqFlow, now: int) -> Packet | None:
        """Return the packet that a flow sends now; None if it leaves the list instead."""
        packet = flow.packets.first()
        if packet is None:
            head.popleft()
            if head is band.new_flows:
                self.bands[flow.band].old_flows.append(flow)
            else:
                flow.state = DETACHED
                flow.age = jiffies(now, self.hz) | 1
            return None
        departure = max(packet.cb, flow.tnp)
        if now < departure:
            head.popleft()
            self._throttle(flow, departure)
            return None
        if now - departure > self.ce_threshold:
            set_ce(packet)
            self.stat_ce_mark += 1
        return packet

    def _throttle(self, flow: FqFlow, departure: int) -> None:
        flow.tnp = departure
        flow.state = THROTTLED
        self.throttle_order += 1
        insort(self.throttled_flows, (departure, self.throttle_order, flow))
        self.time_next_delayed = min(self.time_next_delayed, departure)
        self.stat_throttled += 1

    def _forget(self, packet: Packet) -> None:
        self.qlen -= 1
        self.backlog -= packet.len

    def _send(self, band: FqBand, flow: FqFlow, packet: Packet, now: int) -> Packet:
        """Take the packet, charge it, and say when the flow's next one may leave."""
        flow.packets.pop()
        flow.qlen -= 1
        if flow.qlen == 0:
            self.inactive += 1
        self.bands[packet.stamp].pkts -= 1
        self._forget(packet)
        flow.credit -= packet.len
        band.credit -= packet.len
        if self.rate_enable:
            self._pace(flow, packet, now)
        return packet

    def _pace(self, flow: FqFlow, packet: Packet, now: int) -> None:
        rate, length = self.maxrate, packet.len
        if not packet.tstamp:
            if packet.sk:
                rate = min(self.rates[packet.sk], rate)
            if rate <= self.low_rate_threshold:
                flow.credit = 0
            else:
                length = max(length, self.quantum)
                if flow.credit > 0:
                    return
        if rate == NO_RATE:
            return
        gap = length * NS_PER_S // rate if rate else length * NS_PER_S
        if gap > NS_PER_S:
            gap = NS_PER_S
            self.stat_pkts_too_long += 1
        if flow.tnp:
            gap -= min(gap // 2, now - flow.tnp & U64)
        flow.tnp = now + gap

    def packets(self) -> Iterator[Packet]:
        yield from self.internal
        for flow in self.flows.values():
            yield from flow.packets

    def observe(self) -> dict[str, int]:
        state = super().observe()
        state["internal_qlen"] = len(self.internal)
        state["flows"] = len(self.flows)
        state["throttled"] = len(self.throttled_flows)
        for k, band in enumerate(self.bands):
            for name in ("quantum", "credit", "pkts", "drops"):
                state[f"b{k}.{name}"] = getattr(band, name)
        for flow in self.flows.values():
            number = flow.key if flow.key >= 0 else ORPHAN_KEYS + ~flow.key
            for name in ("qlen", "credit", "band", "tnp"):
                state[f"f{number}.{name}"] = getattr(flow, name)
            state[f"f{number}.st"] = flow.state
        return state


_PLAIN = {
    "limit": "limit",
    "flow_limit": "flow_plimit",
    "initial_quantum": "initial_quantum",
    "pacing": "rate_enable",
    "maxrate_Bps": "maxrate",
    "low_rate_threshold_Bps": "low_rate_threshold",
    "horizon_drop": "horizon_drop",
    "orphan_mask": "orphan_mask",
    "timer_slack_ns": "timer_slack",
}
"""Parameters that are kept as they are, by attribute."""
