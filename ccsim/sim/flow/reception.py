"""A receiving host that looks at packets one by one: ECN marks, and packets merged on arrival.

Flows without either have none of this and receive whole windows at once; with them, stretches with
no mark and nothing to merge still do.
"""

from __future__ import annotations

from array import array
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ccsim.net.batch import Batch
from ccsim.net.link import SYN_SEQ
from ccsim.sim.flow.codepoints import Codepoints
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.ecn import TCP_ECN_SEEN, EcnEcho
from ccsim.tcp.ecn_hooks import HookEcho
from ccsim.tcp.host import NEVER
from ccsim.tcp.receiver import Receiver

if TYPE_CHECKING:
    from ccsim.sim.flow.receiving import ReceivingSide

__all__ = ["Reception"]

Column = NDArray[np.int64]

RUN_ROWS = 8  # of more packets than that between two special ones, arrays are made


class Reception:
    """Takes a flow's packets off the link instead of its receiving side.

    ECN: ``codepoints`` says what packets bear, once that has been agreed on. A CE mark is echoed as
    the receiver's ``ecn`` says.

    GRO (``gro_packets`` > 1): packets in order that follow within ``gro_ns`` of the first are
    handed to TCP as one when there are that many or that time is over, and get one ACK. What is out
    of order, or marked otherwise than those before, is not merged and ends the waiting. Linux also
    merges what is out of order.

    ``marked_ns`` tells when the packets that came with CE had reached the queue.
    """

    def __init__(
        self,
        side: ReceivingSide,
        codepoints: Codepoints | None,
        gro_packets: int = 1,
        gro_ns: int = 0,
    ) -> None:
        self.side = side
        self.receiver = side.receiver
        self.codepoints = codepoints
        self.gro_packets = gro_packets
        self.gro_ns = gro_ns
        self.marked_ns = array("q")
        self.due_ns = NEVER  # when what is held is handed on
        self._held: list[tuple[int, int, bool]] = []  # (packet, sent [us], CE)

    def deliver(self, batch: Batch) -> None:
        """Take what the link made of a batch, as `ReceivingSide.deliver` does."""
        marks = batch.marks
        departures = np.asarray(batch.departures, dtype=np.int64)
        kept = np.flatnonzero(departures >= 0)
        side = self.side
        times = departures[kept] + side.path.out_ns
        side.count(len(departures), times)
        seqs = np.asarray(batch.seqs, dtype=np.int64)[kept]
        sent_ns = np.asarray(batch.arrivals, dtype=np.int64)[kept] - side.path.access_ns
        ce = np.zeros(len(kept), dtype=bool) if marks is None else marks[kept]
        if self.codepoints is not None and self.codepoints.again:
            lost = departures < 0
            if lost.any():
                self._forget(batch, lost, self.codepoints)
        if side.late is not None:
            times = side.late.column(times)
        self._take(times, seqs, sent_ns, ce)

    def _forget(self, batch: Batch, lost: NDArray[np.bool_], codepoints: Codepoints) -> None:
        """Drop the notes about retransmissions that the queue has dropped."""
        access = self.side.path.access_ns
        for k in np.flatnonzero(lost).tolist():
            codepoints.forget(int(batch.arrivals[k]) - access, int(batch.seqs[k]))

    def _take(self, times: Column, seqs: Column, sent_ns: Column, ce: NDArray[np.bool_]) -> None:
        """Give runs of packets with nothing to look at to the flow, and the others one by one."""
        n = len(times)
        done, plain = 0, 0  # all before `done` has been taken; a plain run may begin at `plain`
        for at in (*self._special(seqs, sent_ns, ce), n):
            if at - plain > RUN_ROWS:
                looked_at, run = slice(done, plain), slice(plain, at)
                self._one_by_one(
                    times[looked_at], seqs[looked_at], sent_ns[looked_at], ce[looked_at]
                )
                self._see_plain()
                self.side.receive(times[run], seqs[run], sent_ns[run])
                done = at
            plain = at + 1
        self._one_by_one(times[done:], seqs[done:], sent_ns[done:], ce[done:])

    def _see_plain(self) -> None:
        """Let the receiver know that there are ECN-capable packets, before some without a mark."""
        echo = self.receiver.ecn
        if isinstance(echo, EcnEcho):
            echo.flags |= TCP_ECN_SEEN

    def _special(self, seqs: Column, sent_ns: Column, ce: NDArray[np.bool_]) -> list[int]:
        """Return the packets that have to be looked at; all where every packet has."""
        echo = self.receiver.ecn
        everyone = self.gro_packets > 1 or (echo is not None and not echo.plain)
        if everyone or not self.side.vector:
            return list(range(len(seqs)))
        special = ce | (seqs < 0)
        codepoints = self.codepoints
        if codepoints is not None and codepoints.cwr:
            special |= np.isin(seqs, list(codepoints.cwr))
        if codepoints is not None and codepoints.again:
            pairs = zip(sent_ns.tolist(), seqs.tolist(), strict=True)
            special |= np.array([pair in codepoints.again for pair in pairs], dtype=bool)
        return np.flatnonzero(special).tolist()

    def _one_by_one(
        self, times: Column, seqs: Column, sent_ns: Column, ce: NDArray[np.bool_]
    ) -> None:
        """Take packets that have to be looked at."""
        acks = AckRows()
        columns = times.tolist(), seqs.tolist(), sent_ns.tolist(), ce.tolist()
        for t, seq, sent, marked in zip(*columns, strict=True):
            if seq >= 0:
                self._packet(t, seq, sent, marked, acks)
            elif seq == SYN_SEQ:
                acks.append((t, SYN_SEQ, sent // 1000, None))
        self.side.send_acks(acks)

    def _packet(self, t: int, seq: int, sent_ns: int, marked: bool, acks: AckRows) -> None:
        """Take one data packet that arrives at ``t``."""
        codepoints = self.codepoints
        ecn = ect = codepoints is not None
        cwr = False
        if codepoints is not None:
            again = codepoints.again.pop((sent_ns, seq), None)
            if again is None:
                cwr = codepoints.take_cwr(seq)
            else:
                ect = again
        ce = ect and marked
        if ce:
            self.marked_ns.append(sent_ns + self.side.path.access_ns)
        self.flush(t + 1, acks)
        mergeable = self.gro_packets > 1 and ect == ecn and not cwr
        if not (mergeable and self._may_hold(seq, ce)):
            self._hand_over(t, acks)
        if mergeable and self._may_hold(seq, ce):
            self._hold(t, seq, sent_ns // 1000, ce, acks)
            return
        self._to_tcp(t, seq, sent_ns // 1000, ect, ce, cwr, acks)

    def _to_tcp(
        self, t: int, seq: int, sent_us: int, ect: bool, ce: bool, cwr: bool, acks: AckRows
    ) -> None:
        receiver = self.receiver
        receiver.flush(t + 1, acks)
        if self.codepoints is not None:
            self._set_scene(t, seq, 1, acks)
            receiver.see_ecn(seq, ect=ect, ce=ce, cwr=cwr)
        receiver.receive((t,), (seq,), (sent_us,), acks)

    def _set_scene(self, t: int, seq: int, count: int, acks: AckRows) -> None:
        """Tell an algorithm's own echo where the receiver stands."""
        receiver = self.receiver
        if isinstance(receiver.ecn, HookEcho):
            in_order = count if seq == receiver.rcv_nxt else 0
            receiver.ecn.at(
                t,
                receiver.rcv_nxt + in_order,
                ack_delayed=receiver.delack_ns != NEVER,
                send_ack=partial(_special_ack, receiver, t, acks),
            )

    # --- merging ---

    def _may_hold(self, seq: int, ce: bool) -> bool:
        """Report whether a packet may join those that are held, or be the first of them."""
        receiver, held = self.receiver, self._held
        if receiver.starts or seq != receiver.rcv_nxt + len(held) or seq == receiver.fin:
            return False
        return not held or held[0][2] == ce

    def _hold(self, t: int, seq: int, sent_us: int, ce: bool, acks: AckRows) -> None:
        if not self._held:
            self.due_ns = t + self.gro_ns
        self._held.append((seq, sent_us, ce))
        if len(self._held) == self.gro_packets:
            self._hand_over(t, acks)

    def _hand_over(self, t: int, acks: AckRows) -> None:
        """Give what is held to TCP at ``t``, as one packet."""
        held, self._held, self.due_ns = self._held, [], NEVER
        if not held:
            return
        receiver = self.receiver
        seq, sent_us, ce = held[0]
        receiver.flush(t + 1, acks)
        if self.codepoints is not None:
            self._set_scene(t, seq, len(held), acks)
            receiver.see_ecn(seq, ect=True, ce=ce, cwr=False, packets=len(held))
        receiver.receive_merged(t, seq, len(held), sent_us, acks)

    def flush(self, before_ns: int, acks: AckRows) -> None:
        """Hand over what is held if it is due before ``before_ns``."""
        if self.due_ns < before_ns:
            self._hand_over(self.due_ns, acks)


def _special_ack(receiver: Receiver, t: int, acks: AckRows, packets: int) -> None:
    receiver.special_ack(t, packets, acks)
