"""The engine over hops in place of one link: what a flow sends becomes packets on a network, and
what that delivers becomes batches for its receiver, or ACKs for its sender.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import simpy

from ccsim.net.fifo import DROPPED
from ccsim.net.link import ACK_BYTES, SYN_BYTES, SYN_SEQ, Batch
from ccsim.net.network import Leg, Network, Segment
from ccsim.net.qdisc.base import CE
from ccsim.net.rate_process import FOREVER
from ccsim.sim.acks import AckRows
from ccsim.sim.engine import Engine
from ccsim.sim.hop_packets import make_segment
from ccsim.sim.live_flow import LiveFlow
from ccsim.sim.writing import as_list
from ccsim.tcp.receiver import AckRow

__all__ = ["HopEngine", "Route"]

Route = tuple[tuple[int, ...], tuple[int, ...]]  # the numbers of the hops forth, and back
SACK_BYTES, BLOCK_BYTES = 4, 8  # the option with its padding, and each block of it (RFC 2018)


class HopEngine(Engine):
    """Runs flows over a network until ``end_ns``; ``options`` as `Engine` has them."""

    def __init__(
        self, env: simpy.Environment, network: Network, end_ns: int, full_bytes: int, **options: Any
    ) -> None:
        super().__init__(env, None, end_ns, **options)
        self.network = network
        self.full_bytes = full_bytes
        self._ends: dict[int, _Ends] = {}

    def connect(self, flow: LiveFlow, route: Route) -> None:
        """Let a flow go by a route; to be called for all before `start`."""
        ends = _Ends(flow, route, self.network, self.full_bytes)
        self._ends[flow.index] = ends
        self.network.route(ends.out, ends.back, flow.path.back_ns)

    def start(self) -> None:
        """Start the processes, with the clocks at 0."""
        self.network.advance(0)
        super().start()

    def known_ns(self, t_ns: int) -> int:
        """See `Engine`."""
        return self.network.horizon_ns()

    def join(self, flow: Any) -> None:
        """Open the ways of a flow that takes part from now on."""
        self._ends[flow.index].open()

    def retire(self, flow: Any) -> None:
        """Let go of a flow that is over, and of which nothing is under way."""
        self._ends[flow.index].close()
        flow.retire()

    def transmit(self, horizon_ns: int) -> None:
        """Hand what the flows have sent to the hops, and run them as far as can be."""
        for flow in self.live:
            batch = flow.collect(FOREVER)
            if batch is not None:
                self._ends[flow.index].send(batch)
        self.network.advance(horizon_ns)

    def settle(self) -> None:
        """Let every flow know what has been dropped of its packets."""
        for ends in self._ends.values():
            ends.settle()

    def lost_acks(self, index: int) -> int:
        """Return how many ACKs of a flow hops have dropped."""
        return self._ends[index].acks_dropped


class _Ends:
    """Both ends of one flow: what becomes of its packets, and of its ACKs if they cross hops."""

    def __init__(self, flow: LiveFlow, route: Route, network: Network, full_bytes: int) -> None:
        self.flow = flow
        self.network = network
        self.full_bytes = full_bytes
        self.sent = 0
        self.acks_dropped = 0
        path = flow.path
        forth, back = route
        rank = 2 * flow.index
        after_ns = path.out_ns
        self.out = Leg(flow.index, rank, forth, path.access_ns, after_ns, self._deliver)
        self.back: Leg | None = None
        if back:
            self.back = Leg(flow.index, rank + 1, back, 0, path.back_ns, self._return)
            flow.returns = self._send_acks
        flow.network = self

    def inside(self) -> int:
        """Return how many packets are under way, or dropped and not told of yet."""
        return self.out.inside + len(self.out.lost)

    def copies(self) -> int:
        """Return how many copies of packets hops have made."""
        return self.out.copies

    def rests(self) -> bool:
        """Tell whether nothing is under way in either direction, or will be."""
        if self.out.inside:
            return False
        owes = self.back is not None and self.flow.owes_ack()
        return not (owes or (self.back is not None and self.back.inside))

    def open(self) -> None:
        """Take part in the network's rounds."""
        self.network.open(self.out)
        if self.back is not None:
            self.network.open(self.back)

    def close(self) -> None:
        """Take part no longer."""
        self.network.close(self.out)
        if self.back is not None:
            self.network.close(self.back)

    # --- forth ---

    def send(self, batch: Batch) -> None:
        """Put what the sender has sent on its way."""
        flow, access = self.flow, self.flow.path.access_ns
        odd, full, reception = batch.odd, self.full_bytes, flow.reception
        ecn = reception is not None and reception.ecn
        rows: list[tuple[int, Segment]] = []
        for at, seq in zip(as_list(batch.arrivals), as_list(batch.seqs), strict=True):
            sent_ns = at - access
            packet = self._packet(odd.get(seq, full), 0)
            if ecn and reception is not None:
                packet.ecn = reception.codepoint(sent_ns, seq)
            packet.seq, packet.sent_ns = seq, sent_ns
            rows.append((sent_ns, packet))
        self.network.send(self.out, rows)

    def _packet(self, size: int, way: int) -> Segment:
        self.sent += 1
        return make_segment(self.sent, size, self.flow.index, way, self.flow.hosts)

    def _deliver(self, leg: Leg, rows: list[tuple[int, Segment]], known_ns: int) -> None:
        """Give the receiver what has arrived, and let it send what it owes by then."""
        lost, leg.lost = leg.lost, []
        if rows or lost:
            self.flow.deliver(self._batch(rows, lost))
        if self.back is not None:
            self.flow.flush_before(known_ns)

    def settle(self) -> None:
        """Let the flow know what has been dropped since its far end was told last."""
        self._deliver(self.out, [], 0)

    def _batch(self, rows: list[tuple[int, Segment]], lost: Sequence[Segment]) -> Batch:
        """Return packets as `Link` returns them: dropped ones first."""
        flow = self.flow
        access, out = flow.path.access_ns, flow.path.out_ns
        packets = [*lost, *(packet for _, packet in rows)]
        departures = [DROPPED] * len(lost) + [t - out for t, _ in rows]
        seqs = [packet.seq for packet in packets]
        handshake = any(seq < 0 for seq in seqs)
        odd = {SYN_SEQ: SYN_BYTES} if handshake else {}
        arrivals = [packet.sent_ns + access for packet in packets]
        batch = Batch(flow.index, arrivals, seqs, odd, departures)
        if flow.reception is not None:
            batch.marks = np.array([packet.ecn == CE for packet in packets], dtype=bool)
        return batch

    # --- back ---

    def _send_acks(self, acks: list[AckRow]) -> None:
        """Put ACKs on their way."""
        assert self.back is not None
        rows: list[tuple[int, Segment]] = []
        for row in acks:
            packet = self._packet(_ack_bytes(row), 1)
            packet.row = row
            rows.append((row[0], packet))
        self.network.send(self.back, rows)

    def _return(self, leg: Leg, rows: list[tuple[int, Segment]], known_ns: int) -> None:
        """Give the sender the ACKs that have arrived."""
        self.acks_dropped += len(leg.lost)
        leg.lost.clear()
        if rows and self.flow.closed_ns is None:
            acks = [(t, *packet.row[1:]) for t, packet in rows]
            self.flow.hear(AckRows(acks))


def _ack_bytes(row: AckRow) -> int:
    """Return the length of an ACK: with timestamps, and with its SACK blocks if it has some."""
    if row[1] == SYN_SEQ:
        return SYN_BYTES
    blocks = row[3]
    return ACK_BYTES + (SACK_BYTES + BLOCK_BYTES * len(blocks) if blocks else 0)
