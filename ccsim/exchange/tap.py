"""A tap on the engine: every packet of a second simulation, as the hosts at both ends see it.

A run is deterministic, so its packets need not be stored. The second simulation goes packet by
packet, without trains, which changes no byte of the result. What a window has decided is handed
over in order of time once no later window can add to it, so memory is bounded by what is under way.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any

from ccsim.exchange.segment import ACK, AE, CWR, ECE, FIN, PSH, SYN, Segment, Sight
from ccsim.net.batch import Batch, as_list
from ccsim.net.link import HEADER_BYTES, SYN_SEQ
from ccsim.sim.acks import AcksInColumns
from ccsim.sim.engine import Engine
from ccsim.sim.flow.flow import Flow
from ccsim.sim.flow.receiving import ReceivingSide
from ccsim.sim.flow.sending import SendingSide
from ccsim.sim.hosts import tcp_of_ends
from ccsim.sim.traces import SimResult
from ccsim.sim.workloads import PlannedFlow
from ccsim.sim.world import World
from ccsim.spec import Scenario
from ccsim.tcp.accecn import CEP_INIT
from ccsim.tcp.ack_rows import AckRow, AckRows
from ccsim.tcp.ecn import TCP_ECN_AGREED, TCP_ECN_MODE_ACCECN
from ccsim.tcp.sack_blocks import AceBlocks, EceBlocks

__all__ = ["Take", "TappedWorld"]

Take = Callable[[Sight], None]
"""Takes sights in order of time, then flow; at one instant a host receives before it sends."""

KEPT_NS = 60_000_000_000  # the longest that a packet may be under way over hops, copies of it too
ACK_IN, DATA_OUT, DATA_IN, ACK_OUT = range(4)


class _Borne:
    """The SACK blocks of an ACK and the segment that bears it, whichever way that goes."""

    __slots__ = ("blocks", "segment")

    def __init__(self, blocks: Any, segment: Segment) -> None:
        self.blocks = blocks
        self.segment = segment

    def __len__(self) -> int:
        return len(self.blocks or ())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.blocks or ())


class _Arriving(list["AcksInColumns | AckRows"]):
    """A flow's ACKs under way to the sender; each is noted as it is put here."""

    def __init__(self, flow: TappedFlow) -> None:
        super().__init__()
        self._flow = flow

    def append(self, rows: AcksInColumns | AckRows) -> None:
        """Take ACKs that have set out, and give them their own blocks."""
        assert isinstance(rows, AckRows)
        plain = AckRows((), rows.back_ns)
        for t, una, echo_us, borne in rows:
            assert isinstance(borne, _Borne)
            self._flow.ack_comes(t + rows.back_ns, borne.segment)
            plain.add(t, una, echo_us, borne.blocks)
        super().append(plain)


class _TappedSending(SendingSide):
    """A sending side that tells its flow when ACKs will come."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.acks = _Arriving(self.flow)

    @property
    def flow(self) -> TappedFlow:
        """The flow that it is a side of."""
        assert isinstance(self.handshake, TappedFlow)
        return self.handshake


class _TappedReceiving(ReceivingSide):
    """A receiving side that tells its flow of the ACKs that leave."""

    def send_acks(self, acks: AckRows) -> None:
        """Let ACKs set out, each with the segment that bears it."""
        assert isinstance(self.sender, _TappedSending)
        super().send_acks(self.sender.flow.acks_leave(acks))


class TappedFlow(Flow):
    """A flow that tells its world of each packet."""

    world: TappedWorld
    sending_class = _TappedSending
    receiving_class = _TappedReceiving

    def __init__(self, world: TappedWorld, index: int, planned: PlannedFlow) -> None:
        super().__init__(world, index, planned)
        self._starts = array("q", [1])  # of each packet sent, and the next: its sequence number
        self._pushes: set[int] = set()
        self._fin = -1
        self._on_way: dict[tuple[int, int], Segment] = {}
        self._idents = [0, 0]
        self._heard_ms = 0  # the latest timestamp that the sender has received

    # --- what the flow does, and what of it is seen ---

    def begin(self) -> None:
        """Open the flow; a client that the server answers has sent a SYN."""
        first = not self.begun
        super().begin()
        if first and self.passive:
            t, flags = self.spec.start_ns, SYN | self._asks_for_ecn()
            syn = self._segment(False, 0, None, 0, flags, t, 0)
            self.world.note(ACK_OUT, Sight(t, False, syn))
            self.world.note(ACK_IN, Sight(t + self.path.back_ns, True, syn))

    def _asks_for_ecn(self) -> int:
        """Return the flags by which the client of a flow whose server wants ECN asks for it."""
        ecn = self.spec.ecn
        wants = tcp_of_ends(self.spec, self.world.scenario)[1].ecn if ecn is None else ecn
        return {"accecn": AE | CWR | ECE, True: CWR | ECE}.get(wants, 0)

    def collect(self, until_ns: int) -> Batch | None:
        """Note what the sender has sent, and return what reaches the queue."""
        chunks = self.sending.uncollected()
        batch = super().collect(until_ns)
        for times, seqs in chunks:
            for t, seq in zip(as_list(times), as_list(seqs), strict=True):
                segment = self._sent(t, seq)
                self._on_way[t, seq] = segment
                self.world.note(DATA_OUT, Sight(t, True, segment))
        return batch

    def deliver(self, batch: Batch) -> None:
        """Note what the receiver gets, and let it."""
        access, out = self.path.access_ns, self.path.out_ns
        columns = as_list(batch.arrivals), as_list(batch.seqs), as_list(batch.departures)
        for k, (at, seq, departure) in enumerate(zip(*columns, strict=True)):
            key = (at - access, seq)
            if departure < 0:
                self._on_way.pop(key, None)
                continue
            segment = self._on_way[key] if self.network else self._on_way.pop(key)
            ce = bool(batch.marks is not None and batch.marks[k] and segment.ecn)
            self.world.note(DATA_IN, Sight(departure + out, False, segment, ce))
        if self.network is not None:
            self._forget(int(self.world.env.now) - KEPT_NS)
        super().deliver(batch)

    def _forget(self, before_ns: int) -> None:
        """Forget packets of which no copy can come any more."""
        while self._on_way:
            key = next(iter(self._on_way))
            if key[0] >= before_ns:
                return
            del self._on_way[key]

    def acks_leave(self, acks: AckRows) -> AckRows:
        """Note the ACKs that leave the receiver, and return them with the segments that bear
        them."""
        borne = AckRows()
        for row in acks:
            segment = self._acked(row)
            self.world.note(ACK_OUT, Sight(row[0], False, segment))
            borne.add(row[0], row[1], row[2], _Borne(row[3], segment))
        return borne

    def ack_comes(self, t_ns: int, segment: Segment) -> None:
        """Note when an ACK will reach the sender."""
        self.world.note(ACK_IN, Sight(t_ns, True, segment))

    def is_seen(self, order: int, sight: Sight) -> bool:
        """Report whether what is due now happens: a sender that has closed takes no ACKs. What the
        sender echoes is the latest timestamp that has come."""
        if order == ACK_IN:
            self._heard_ms = sight.segment.ts_val
            return self.closed_ns is None or sight.t_ns <= self.closed_ns
        if order == DATA_OUT:
            sight.segment.ts_ecr = self._heard_ms
        return True

    # --- segments ---

    def _sent(self, t_ns: int, seq: int) -> Segment:
        """Return what the sender has sent at ``t_ns`` under a packet number."""
        answered = None if seq == SYN_SEQ and not self.passive else 1
        if seq < 0:
            flags = self._syn_flags(t_ns) if seq == SYN_SEQ else ACK
            start = 0 if seq == SYN_SEQ else 1
            return self._segment(True, start, answered, 0, flags, t_ns, 0)
        again = seq + 1 < len(self._starts)
        if not again:
            self._new(seq)
        length = self._starts[seq + 1] - self._starts[seq]
        flags = ACK
        if seq == self._fin:
            flags, length = flags | FIN, length - 1
        if seq in self._pushes:
            flags |= PSH
        segment = self._segment(True, self._starts[seq], answered, length, flags, t_ns, 0)
        segment.again = again
        self._mark(segment, t_ns, seq)
        return segment

    def _new(self, seq: int) -> None:
        """Take note of what a packet bears that leaves for the first time."""
        source, receiver = self.application.source, self.receiving.receiver
        if source is not None:
            length = source.short.get(seq, self.sk.mss_cache)
        else:
            full = self.sk.mss_cache + HEADER_BYTES
            length = self.application.odd_last.get(seq, full) - HEADER_BYTES
        fin, bare_fin = receiver.fin, self.recorder.bare_fin
        if seq == fin:
            self._fin = seq
        if seq in receiver.pushed or (seq + 1 == bare_fin if fin == bare_fin else seq == fin):
            self._pushes.add(seq)
        self._starts.append(self._starts[seq] + length + (seq == self._fin))

    def _mark(self, segment: Segment, t_ns: int, seq: int) -> None:
        """Set a data segment's ECN field and CWR."""
        codepoints = self.sending.codepoints
        if codepoints is None:
            return
        segment.ecn = codepoints.codepoint(t_ns, seq)
        if codepoints.accurate:
            segment.flags |= _ace(CEP_INIT)
        if not segment.again and codepoints.bears_cwr(seq):
            segment.flags |= CWR

    def _syn_flags(self, t_ns: int) -> int:
        """Return the flags of a SYN, or of a SYN-ACK; one that is sent again asks for no ECN."""
        if self.passive:
            return SYN | ACK | _answer(self.sk.ecn_flags)
        first = t_ns == self.sending.first_syn_ns
        return SYN | (_request(self.sk.ecn_flags) if first else 0)

    def _acked(self, row: AckRow) -> Segment:
        """Return an ACK of the receiver."""
        t, una, echo_us, blocks = row
        echo_ms = self.sk.host.timestamp_ms(echo_us)
        if una == SYN_SEQ:
            first = echo_us == self.sending.first_syn_ns // 1000
            agreed = _answer(self.sk.ecn_flags) if first else 0
            flags = ACK if self.passive else SYN | ACK | agreed
            return self._segment(False, int(self.passive), 1, 0, flags, t, echo_ms)
        flags = ACK | self._echo(blocks)
        segment = self._segment(False, 1, self._starts[una], 0, flags, t, echo_ms)
        if blocks:
            segment.blocks = tuple((self._starts[a], self._starts[b]) for a, b in blocks)
        return segment

    def _echo(self, blocks: Any) -> int:
        """Return the flags by which an ACK tells of marks: ECE, or the ACE field."""
        if self.sk.ecn_flags & TCP_ECN_MODE_ACCECN:
            return _ace(blocks.ace if isinstance(blocks, AceBlocks) else CEP_INIT)
        return ECE if isinstance(blocks, EceBlocks) else 0

    def _segment(
        self,
        from_sender: bool,
        seq: int,
        ack: int | None,
        length: int,
        flags: int,
        t_ns: int,
        ts_ecr: int,
    ) -> Segment:
        self._idents[from_sender] += 1
        ts_val, ident = self.sk.host.timestamp_ms(t_ns // 1000), self._idents[from_sender]
        return Segment(
            self.index, from_sender, seq, ack, length, flags, ts_val, ts_ecr, ident=ident
        )


def _ace(count: int) -> int:
    """Return the flags that bear three bits (RFC 9768 section 3.1)."""
    return AE * (count >> 2 & 1) | CWR * (count >> 1 & 1) | ECE * (count & 1)


def _request(ecn_flags: int) -> int:
    """Return the flags of a SYN by which ECN, or Accurate ECN, is asked for."""
    if ecn_flags & TCP_ECN_MODE_ACCECN:
        return AE | CWR | ECE
    return CWR | ECE if ecn_flags & TCP_ECN_AGREED else 0


def _answer(ecn_flags: int) -> int:
    """Return the flags by which it is agreed on; CWR alone: the SYN came without an ECN field
    (RFC 9768 table 2)."""
    if ecn_flags & TCP_ECN_MODE_ACCECN:
        return CWR
    return ECE if ecn_flags & TCP_ECN_AGREED else 0


class TappedWorld(World):
    """A world whose packets are told to ``take``."""

    flow_class = TappedFlow

    def __init__(self, scenario: Scenario, *, take: Take, **options: Any) -> None:
        self._take = take
        self._waiting: list[tuple[int, int, int, int, Sight]] = []
        self._count = 0
        self._told_ns = 0
        super().__init__(scenario, **{**options, "vector": False})
        self._margin_ns = max((flow.path.back_ns for flow in self.flows), default=0)

    def _make_engine(self, **options: Any) -> Engine:
        """Return the engine, which lets go of what is decided after each window."""
        check: Callable[[], None] | None = options.pop("check")

        def after_window() -> None:
            self.tell_before(int(self.env.now) - self._margin_ns)
            if check is not None:
                check()

        return super()._make_engine(check=after_window, **options)

    def result(self, failed: str = "") -> SimResult:
        """Return what was recorded, and tell the rest of what was seen before the run's end."""
        found = super().result(failed)
        self.tell_before(found.duration_ns)
        return found

    def note(self, order: int, sight: Sight) -> None:
        """Take note of a sight, of which one instant has them in ``order``."""
        if sight.t_ns < self._told_ns:
            raise RuntimeError(f"a packet of {sight.t_ns} ns is known too late; please report this")
        self._count += 1
        entry = (sight.t_ns, sight.segment.flow, order, self._count, sight)
        heappush(self._waiting, entry)

    def tell_before(self, t_ns: int) -> None:
        """Hand over what was seen before ``t_ns``."""
        waiting = self._waiting
        self._told_ns = max(self._told_ns, t_ns)
        while waiting and waiting[0][0] < t_ns:
            _, index, order, _, sight = heappop(waiting)
            flow = self.flows[index]
            assert isinstance(flow, TappedFlow)
            if flow.is_seen(order, sight):
                self._take(sight)
