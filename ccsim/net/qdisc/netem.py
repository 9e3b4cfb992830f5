"""netem: delay, jitter, loss, duplicates, corruption, reordering, a rate and slots
(``net/sched/sch_netem.c``).

On arrival it is decided whether a packet is lost, doubled or damaged, and when it may leave: after
the delay with its jitter, or at once if it overtakes. With a rate the packet leaves its length over
the rate after the one before it, so jitter does not reorder then. Slots release what is due in
batches, as a shared medium does. Parts of it with random numbers are in ``netem_random.py``.

===============  ===========  ========  ====================================================
limit            packets      1000      how many packets fit
delay            ns           0         how long each packet stays
jitter           ns           0         how much that varies
delay_corr       probability  0         correlation of successive delays
distribution     name         uniform   normal, pareto, paretonormal
loss             probability  0         packets lost at random
loss_corr        probability  0         correlation of successive losses
gemodel          mapping      off       Gilbert-Elliott: p, r, 1-h, 1-k
gimodel          mapping      off       four states: p13, p31, p32, p14, p23
ecn              flag         0         mark what would be lost, where possible
duplicate        probability  0         packets doubled
dup_corr         probability  0         correlation of successive doublings
corrupt          probability  0         packets in which a bit flips
corrupt_corr     probability  0         correlation of successive corruptions
reorder          probability  0         every gap-th packet leaves at once with it
reorder_corr     probability  0         correlation of successive overtakings
gap              packets      0         1 if reorder is given alone
rate             byte/s       off       a packet takes its length over it
packet_overhead  bytes        0         added to each packet's length
cell_size        bytes        0         lengths in whole cells of this payload
cell_overhead    bytes        0         added to each cell
slot             mapping      off       min, max or distribution, delay, jitter; packets, bytes
===============  ===========  ========  ====================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import (
    DROPPED,
    LOST,
    OVERFLOW,
    QUEUED,
    STOLEN,
    U32,
    Packet,
    Qdisc,
    set_ce,
)
from ccsim.net.qdisc.departures import Departures
from ccsim.net.qdisc.netem_parameters import NETEM_PARAMETERS
from ccsim.net.qdisc.netem_random import RANDOM, CorrelatedDraws, LossModel, delay_of
from ccsim.units import NS_PER_S

__all__ = ["COPIES", "Netem"]

S32_MAX = 0x7FFF_FFFF
COPIES = 1_000_000  # a copy's number is that of the packet and this
CORRELATED = {
    "delay": ("delay_corr", "loss_corr", "dup_corr"),
    "reorder": ("reorder", "reorder_corr"),
    "corrupt": ("corrupt", "corrupt_corr"),
}
"""What is set together: the first number of its correlated draws is drawn then."""


class Netem(Qdisc):
    """Packets in order of their time. `change` takes all parameters anew, as tc does; those of
    correlations, overtaking, corruption, rate and slots stay if they are not given."""

    __slots__ = (
        *("bytes_left", "cell_overhead", "cell_size", "corrupt", "corrupt_cor", "counter"),
        *("delay_cor", "dist", "drops", "dup_cor", "duplicate", "ecn", "front", "gap", "jitter"),
        *("latency", "limit", "loss", "loss_cor", "model", "packet_overhead", "packets_left"),
        *("rate", "reorder", "reorder_cor", "requeues", "slot", "slot_dist", "slot_next"),
        "waiting",
    )

    kind: ClassVar = "netem"
    summary: ClassVar = "netem: delay, jitter, loss, duplicates, reordering, rate, slots"
    keeps: ClassVar = "none"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "limit", "latency", "jitter", "loss", "ecn", "gap", "duplicate"),
        *("reorder", "corrupt", "rate", "packet_overhead", "cell_size", "cell_overhead"),
        *("counter", "slot_next", "packets_left", "bytes_left", "drops", "requeues"),
    )
    PARAMETERS: ClassVar = NETEM_PARAMETERS

    def __init__(self, values: Mapping[str, Any], now: int, *args: Any, **options: Any) -> None:
        self.front: deque[Packet] = deque()
        self.waiting = Departures()
        self.model = LossModel()
        self.delay_cor, self.loss_cor = CorrelatedDraws(), CorrelatedDraws()
        self.dup_cor, self.reorder_cor = CorrelatedDraws(), CorrelatedDraws()
        self.corrupt_cor = CorrelatedDraws()
        self.dist: tuple[int, ...] = ()
        self.slot_dist: tuple[int, ...] = ()
        self.slot: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
        self.reorder = self.corrupt = self.rate = self.ecn = 0
        self.packet_overhead = self.cell_size = self.cell_overhead = 0
        self.slot_next = self.packets_left = self.bytes_left = 0
        self.drops = self.requeues = 0
        super().__init__(values, now, *args, **options)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        if self.qlen == 0 and not hasattr(self, "limit"):
            self.draws.u64()  # the seed of the kernel's own generator
        self.limit: int = values.get("limit", 1000)
        self.latency: int = values.get("delay_ns", 0)
        self.jitter: int = min(values.get("jitter_ns", 0), S32_MAX)
        self.loss: int = values.get("loss", 0)
        self.duplicate: int = values.get("duplicate", 0)
        self.gap: int = values.get("gap", 0)
        self.counter = 0
        if self.gap:
            self.reorder = U32
        self._configure_model(values)
        self._configure_correlations(values)
        self.reorder = values.get("reorder", self.reorder)
        self.corrupt = values.get("corrupt", self.corrupt)
        self.ecn = values.get("ecn", self.ecn)
        if "rate_Bps" in values:
            self.rate = values["rate_Bps"]
            self.packet_overhead = values.get("packet_overhead", 0)
            self.cell_size = values.get("cell_size", 0)
            self.cell_overhead = values.get("cell_overhead", 0)
        self.dist = values.get("dist", self.dist)
        self.slot_dist = values.get("slot_dist", self.slot_dist)
        if "slot" in values:
            self._configure_slot(values["slot"], now)

    def _configure_model(self, values: Mapping[str, Any]) -> None:
        self.model.kind = RANDOM
        if "gemodel" in values:
            self.model.gemodel(*values["gemodel"])
        elif "gimodel" in values:
            self.model.gimodel(*values["gimodel"])

    def _configure_correlations(self, values: Mapping[str, Any]) -> None:
        if any(name in values for name in CORRELATED["delay"]):
            self.delay_cor.start(values.get("delay_corr", 0), self.draws)
            self.loss_cor.start(values.get("loss_corr", 0), self.draws)
            self.dup_cor.start(values.get("dup_corr", 0), self.draws)
        if any(name in values for name in CORRELATED["reorder"]):
            self.reorder_cor.start(values.get("reorder_corr", 0), self.draws)
        if any(name in values for name in CORRELATED["corrupt"]):
            self.corrupt_cor.start(values.get("corrupt_corr", 0), self.draws)

    def _configure_slot(self, slot: tuple[int, ...], now: int) -> None:
        least, most, packets, size, delay, jitter = slot
        jitter = min(abs(jitter), S32_MAX)
        self.slot = least, most, packets or S32_MAX, size or S32_MAX, delay, jitter
        self.packets_left, self.bytes_left = self.slot[2:4]
        self.slot_next = now if least or most or jitter else 0

    def enqueue(self, packet: Packet, now: int) -> int:
        return self._enqueue(packet, now, self.duplicate)

    def _enqueue(self, packet: Packet, now: int, duplicate: int) -> int:
        """Like `enqueue`; a copy is not doubled again."""
        copies = 1
        if duplicate and duplicate >= self.dup_cor.draw(self.draws):
            copies = 2
        if self._loses():
            if self.ecn and set_ce(packet):
                self.drops += 1  # Linux counts the mark here
            else:
                copies -= 1
        if copies == 0:
            self.drops += 1
            self.dropped.append(packet)
            return STOLEN
        twin = self._copy(packet) if copies == 2 else None
        if self.corrupt and self.corrupt >= self.corrupt_cor.draw(self.draws):
            self.draws.u32()  # which byte
            self.draws.u32()  # which of its bits
        if self.qlen >= self.limit:
            self.drops += 1
            self.dropped.append(packet)
            if twin is not None:
                self.dropped.append(twin)
            return DROPPED
        if twin is not None:
            self._enqueue(twin, now, 0)
        self.qlen += 1
        self.backlog += packet.len
        self._place(packet, now)
        return QUEUED

    def reason(self, verdict: int) -> int:
        return OVERFLOW if verdict == DROPPED else LOST

    def _copy(self, packet: Packet) -> Packet:
        self.copies += 1
        self.copied_bytes += packet.len
        return packet.copy(packet.number + COPIES)

    def _loses(self) -> bool:
        if self.model.kind:
            return self.model.loses(self.draws)
        return self.loss != 0 and self.loss >= self.loss_cor.draw(self.draws)

    def _place(self, packet: Packet, now: int) -> None:
        """Say when a packet may leave, or let it overtake all others."""
        if (
            self.gap == 0
            or self.counter < self.gap - 1
            or self.reorder < self.reorder_cor.draw(self.draws)
        ):
            delay = delay_of(self.latency, self.jitter, self.delay_cor, self.dist, self.draws)
            base = now
            if self.rate:
                last = self._last_time()
                if last is not None:
                    delay = max(0, delay - (last - now))
                    base = last
                delay += self._time(packet.len)
            packet.cb = base + delay
            self.counter += 1
            self.waiting.add(packet)
        else:
            packet.cb = now
            self.counter = 0
            self.front.appendleft(packet)
            self.requeues += 1

    def _last_time(self) -> int | None:
        """Return the latest time at which something inside may leave."""
        last = self.waiting.last_time()
        if self.front:
            front = self.front[-1].cb
            return front if last is None else max(front, last)
        return last

    def _time(self, length: int) -> int:
        """Return how long a packet takes at the rate [ns] (``packet_time_ns``)."""
        length += self.packet_overhead
        if self.cell_size:
            length = -(-length // self.cell_size) * (self.cell_size + self.cell_overhead)
        return length * NS_PER_S // self.rate

    def dequeue(self, now: int) -> Packet | None:
        if self.front:
            return self._leave(self.front.popleft())
        packet = self.waiting.first()
        if packet is None:
            return None
        if self.slot_next and self.slot_next < packet.cb:
            self._next_slot(now)
        if packet.cb > now or self.slot_next > now:
            self.wake_ns = max(packet.cb, self.slot_next)
            return None
        self.waiting.pop()
        if self.slot_next:
            self.packets_left -= 1
            self.bytes_left -= packet.len
            if self.packets_left <= 0 or self.bytes_left <= 0:
                self._next_slot(now)
        return self._leave(packet)

    def _leave(self, packet: Packet) -> Packet:
        self.qlen -= 1
        self.backlog -= packet.len
        return packet

    def _next_slot(self, now: int) -> None:
        """Say when the next batch may leave, and how large it is."""
        least, most, packets, size, mean, jitter = self.slot
        if self.slot_dist:
            delay = delay_of(mean, jitter, None, self.slot_dist, self.draws)
        else:
            delay = least + ((most - least) * self.draws.u32() >> 32)
        self.slot_next = now + delay
        self.packets_left = packets
        self.bytes_left = size

    def packets(self) -> Iterator[Packet]:
        yield from self.front
        yield from self.waiting

    def observe(self) -> dict[str, int]:
        model, linear = self.model, self.waiting.linear
        state = super().observe()
        state["loss_model"], state["clg_state"] = model.kind, model.state
        for k in range(1, 6):
            state[f"a{k}"] = getattr(model, f"a{k}")
        for name in ("delay", "loss", "dup", "reorder"):
            correlated = getattr(self, f"{name}_cor")
            state[f"{name}_last"], state[f"{name}_rho"] = correlated.last, correlated.rho
        state["t_len"] = len(self.waiting)
        state["tail_tts"] = linear[-1].cb if linear else 0
        return state
