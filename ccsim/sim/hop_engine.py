"""The engine over hops instead of one link: what a flow sends becomes packets on a network, and
what that delivers becomes batches for its receiver, or ACKs for its sender.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from ccsim.net.batch import Batch, as_column
from ccsim.net.fifo import DROPPED
from ccsim.net.hop_packets import (
    ECN,
    LENGTH,
    NO_ROWS,
    NUMBER,
    REACH,
    SENT,
    SEQ,
    WIDTH,
    HopPacket,
    Leg,
    Rows,
    rows_of,
)
from ccsim.net.link import ACK_BYTES, SYN_BYTES, SYN_SEQ
from ccsim.net.network import Network
from ccsim.net.qdisc.base import CE
from ccsim.net.rate_process import FOREVER
from ccsim.sim.acks import PlainAcks
from ccsim.sim.cross_traffic import Datagrams
from ccsim.sim.engine import Engine
from ccsim.sim.flow.flow import Flow
from ccsim.sim.flow.receiving import TRAIN_ROWS, WayBack
from ccsim.sim.hop_hashes import hash_of, hosts_of
from ccsim.sim.hops import Hops, Route
from ccsim.tcp.accecn import BLOCK_BYTES, OPTION_BYTES, OPTION_ROOM, SACK_BYTES, STAMPS_BYTES
from ccsim.tcp.ack_rows import AckRow, AckRows

__all__ = ["HopEngine"]

Column = NDArray[np.int64]
FULL_ACK_BYTES = ACK_BYTES - STAMPS_BYTES + OPTION_ROOM


class HopEngine(Engine):
    """Runs flows over hops until ``end_ns``; ``options`` as `Engine` has them."""

    def __init__(
        self, env: simpy.Environment, hops: Hops, end_ns: int, full_bytes: int, **options: Any
    ) -> None:
        super().__init__(env, None, end_ns, **options)
        self.hops = hops
        self.network = hops.network
        self.full_bytes = full_bytes
        self._ways: dict[int, _Ways] = {}
        self.traffic: list[Datagrams] = []

    def connect(self, flow: Flow) -> _Ways:
        """Return the ways of a flow that is being made; to be called for all before `start`."""
        ways = _Ways(flow, self.hops.route(flow.spec), self.network, self.full_bytes)
        self._ways[flow.index] = ways
        self.network.route(ways.out, ways.back, flow.path.back_ns)
        return ways

    def start(self) -> None:
        """Start the processes, with the clocks at 0."""
        for source in self.traffic:
            source.open()
        self.network.advance(0)
        super().start()

    def known_ns(self, t_ns: int) -> int:
        """See `Engine`."""
        return self.network.horizon_ns()

    def join(self, flow: Any) -> None:
        """Open the ways of a flow that takes part from now on."""
        self._ways[flow.index].open()

    def retire(self, flow: Any) -> None:
        """Let go of a flow that is over, and of which nothing is under way."""
        self._ways[flow.index].close()
        flow.retire()

    def transmit(self, horizon_ns: int) -> None:
        """Hand what the flows have sent to the hops, and run them as far as can be."""
        for flow in self.live:
            batch = flow.collect(FOREVER)
            if batch is not None:
                self._ways[flow.index].send(batch)
        for source in self.traffic:
            source.send_before(horizon_ns)
        self.network.advance(horizon_ns)

    def settle(self) -> None:
        """Let every flow know what has been dropped of its packets."""
        for ways in self._ways.values():
            ways.settle()

    def lost_acks(self, index: int) -> int:
        """Return how many ACKs of a flow hops have dropped."""
        return self._ways[index].acks_dropped


class _Ways:
    """The ways of one flow: what becomes of its packets, and of its ACKs if they cross hops."""

    def __init__(self, flow: Flow, route: Route, network: Network, full_bytes: int) -> None:
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
        self.out.hash = hash_of(flow.index, 0)
        self.out.hosts = hosts_of(flow.spec, flow.index)
        self.back: Leg | None = None
        self._heard = 0  # packets acknowledged by what has come back
        if back:
            self.back = Leg(flow.index, rank + 1, back, 0, path.back_ns, self._return)
            self.back.hash = hash_of(flow.index, 1)
            self.back.hosts = self.out.hosts[::-1]
            self.back.acks = {}

    @property
    def way_back(self) -> WayBack | None:
        """Itself, if ACKs cross hops."""
        return None if self.back is None else self

    def inside(self) -> int:
        """Return how many packets are under way, or dropped and not told of yet."""
        return self.out.inside + len(self.out.lost)

    def copies(self) -> int:
        """Return how many copies of packets hops have made."""
        return self.out.copies

    def rests(self) -> bool:
        """Report whether nothing is under way in either direction, or will be."""
        if self.out.inside:
            return False
        owes = self.back is not None and self.flow.receiving.owes_ack()
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
        flow = self.flow
        seqs = as_column(batch.seqs)
        rows = self._rows(as_column(batch.arrivals) - flow.path.access_ns, seqs)
        rows[:, SENT] = rows[:, REACH]
        rows[:, LENGTH] = self.full_bytes
        for seq, length in batch.odd.items():
            rows[seqs == seq, LENGTH] = length
        rows[:, ECN] = 0
        codepoints = flow.sending.codepoints
        if codepoints is not None:
            sent_ns = rows[:, SENT].tolist()
            pairs = zip(sent_ns, seqs.tolist(), strict=True)
            rows[:, ECN] = [codepoints.codepoint(*pair) for pair in pairs]
        self.network.send(self.out, rows)

    def _rows(self, times: Column, numbers: Column) -> Rows:
        """Return rows for what sets out then, with their places among all packets of the flow."""
        n = len(times)
        rows = np.empty((n, WIDTH), dtype=np.int64)
        rows[:, REACH] = times
        rows[:, SEQ] = numbers
        rows[:, NUMBER] = np.arange(self.sent + 1, self.sent + n + 1)
        self.sent += n
        return rows

    def _deliver(self, leg: Leg, rows: Rows, known_ns: int) -> None:
        """Give the receiver what has arrived, and let it send what it owes by then."""
        lost, leg.lost = leg.lost, []
        if len(rows) or lost:
            self.flow.deliver(self._batch(rows, lost))
        if self.back is not None:
            self.flow.receiving.flush_before(known_ns)

    def settle(self) -> None:
        """Let the flow know what has been dropped since its far end was told last."""
        self._deliver(self.out, NO_ROWS, 0)

    def _batch(self, rows: Rows, lost: Sequence[HopPacket]) -> Batch:
        """Return packets as `Link` returns them: dropped ones first."""
        flow = self.flow
        departures = rows[:, REACH] - flow.path.out_ns
        if lost:
            dropped = rows_of([(DROPPED, packet) for packet in lost])
            rows = np.concatenate([dropped, rows])
            departures = np.concatenate([dropped[:, REACH], departures])
        seqs = rows[:, SEQ]
        odd = {SYN_SEQ: SYN_BYTES} if int(seqs.min()) < 0 else {}
        batch = Batch(flow.index, rows[:, SENT] + flow.path.access_ns, seqs, odd, departures)
        if flow.receiving.reception is not None:
            batch.marks = rows[:, ECN] == CE
        return batch

    # --- back ---

    def send_acks(self, acks: AckRows) -> None:
        """Put ACKs on their way."""
        assert self.back is not None
        assert self.back.acks is not None
        times, numbers, echoes, _ = zip(*acks, strict=True)
        rows = self._rows(np.array(times, dtype=np.int64), np.array(numbers, dtype=np.int64))
        rows[:, SENT] = echoes
        option = self._option_bytes()
        most = FULL_ACK_BYTES + (0 if self.flow.sk.host.timestamps else STAMPS_BYTES)
        rows[:, LENGTH] = [_ack_bytes(row, option, most) for row in acks]
        first = int(rows[0, NUMBER])
        kept = {first + k: row for k, row in enumerate(acks) if _says_more(row)}
        self.back.acks.update(kept)
        self._set_out(rows)

    def send_ack_train(self, times: Column, numbers: Column, echoes: Column) -> None:
        """Put plain ACKs on their way."""
        rows = self._rows(times, numbers)
        rows[:, SENT] = echoes
        rows[:, LENGTH] = ACK_BYTES + self._option_bytes()
        self._set_out(rows)

    def _option_bytes(self) -> int:
        """Return the length of the AccECN option of ACKs."""
        codepoints = self.flow.sending.codepoints
        return OPTION_BYTES if codepoints is not None and codepoints.accurate else 0

    def _set_out(self, rows: Rows) -> None:
        assert self.back is not None
        codepoints = self.flow.sending.codepoints
        rows[:, ECN] = codepoints.ect if codepoints is not None and codepoints.accurate else 0
        self.network.send(self.back, rows)

    def _return(self, leg: Leg, rows: Rows, known_ns: int) -> None:
        """Give the sender the ACKs that have arrived."""
        self.acks_dropped += len(leg.lost)
        acks = leg.acks
        assert acks is not None
        if len(rows) and self.flow.closed_ns is None:
            self._hear(rows, acks)
        if not leg.inside:
            acks.clear()
        elif acks and not leg.copies:
            for number in (*rows[:, NUMBER].tolist(), *(ack.row_number for ack in leg.lost)):
                acks.pop(number, None)
        leg.lost.clear()

    def _hear(self, rows: Rows, acks: Mapping[int, AckRow]) -> None:
        """Let ACKs reach the sender, as columns where that may be."""
        sender = self.flow.sending
        numbers = rows[:, SEQ]
        plain = not acks and len(rows) >= TRAIN_ROWS and sender.vector
        if plain and numbers[0] > self._heard and bool((numbers[1:] > numbers[:-1]).all()):
            columns = (rows[:, REACH], numbers, rows[:, SENT])
            sender.hear_train(PlainAcks(*map(np.ascontiguousarray, columns)))
        else:
            sender.hear(AckRows(_acks(rows, acks)))
        self._heard = max(self._heard, int(numbers.max()))


def _says_more(row: AckRow) -> bool:
    """Report whether an ACK is more than the numbers of a row: with blocks, or what a tap puts in
    their place."""
    return row[3] is not None


def _acks(rows: Rows, sent: Mapping[int, AckRow]) -> list[AckRow]:
    """Return ACKs one by one; of those that say no more nothing is kept."""
    columns = (rows[:, column].tolist() for column in (REACH, SEQ, SENT, NUMBER))
    return [
        (t, *sent.get(number, (0, una, echo_us, None))[1:])
        for t, una, echo_us, number in zip(*columns, strict=True)
    ]


def _ack_bytes(row: AckRow, option: int, most: int) -> int:
    """Return the length of an ACK: with timestamps, with its SACK blocks if it has some, and with
    an ``option`` [bytes] if ``most`` leaves room for it."""
    if row[1] == SYN_SEQ:
        return SYN_BYTES
    blocks = row[3]
    length = ACK_BYTES + (SACK_BYTES + BLOCK_BYTES * len(blocks) if blocks else 0)
    return length + option if length + option <= most else length
