"""A receiving host that looks at packets one by one: ECN marks, and packets merged on arrival.

Flows without either have none of this and receive whole windows at once; with it, stretches with no
mark and nothing to merge still do.
"""

from __future__ import annotations

from array import array
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ccsim.net.batch import Batch, as_list
from ccsim.net.link import SYN_SEQ
from ccsim.spec import Receiver as ReceiverSpec
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.ecn import TCP_ECN_SEEN, EcnEcho
from ccsim.tcp.ecn_hooks import HookEcho
from ccsim.tcp.host import NEVER
from ccsim.tcp.receiver import Receiver

if TYPE_CHECKING:
    from ccsim.sim.flow import Flow

__all__ = ["Reception", "begin_ecn", "make_reception"]

Column = NDArray[np.int64]
Values = Column | list[int]

ECT_1, ECT_0 = 1, 2
RUN_ROWS = 8  # of more packets than that between two special ones, arrays are made


class Reception:
    """Takes a flow's packets off the link instead of the flow itself.

    ECN (``ecn``): new data is ECN-capable, and retransmissions are if the algorithm that they are
    sent under needs ECN (RFC 3168 section 6.1.5 forbids it to others). A CE mark is echoed as the
    receiver's ``ecn`` says. SYNs and pure ACKs are never marked.

    GRO (``gro_packets`` > 1): packets in order that follow within ``gro_ns`` of the first are
    handed to TCP as one when there are that many or that time is over, and get one ACK. What is out
    of order, or marked otherwise than those before, is not merged and ends the waiting. Linux also
    merges what is out of order.

    ``marked_ns`` tells when the packets that came with CE had reached the queue.
    """

    def __init__(self, flow: Flow, gro_packets: int = 1, gro_ns: int = 0) -> None:
        self.flow = flow
        self.ecn = False
        self.ect = ECT_0  # the codepoint of packets that are ECN-capable
        self._ect_again = False
        # Of that many of the packets `sent` next both were still so: an implementation went then.
        self._before: list[tuple[int, int, bool]] = []
        self._otherwise: dict[tuple[int, int], int] = {}  # packets `sent` last: their codepoint
        self.gro_packets = gro_packets
        self.gro_ns = gro_ns
        self.marked_ns = array("q")
        self.due_ns = NEVER  # when what is held is handed on
        self._held: list[tuple[int, int, bool]] = []  # (packet, sent [us], CE)
        self._high = 0  # one past the highest packet sent
        self._again: dict[tuple[int, int], bool] = {}  # retransmissions on the way: ECN-capable?
        self._cwr: set[int] = set()  # packets whose first transmission bears CWR

    # --- at the sender ---

    def sent(self, times: Values, seqs: Values) -> None:
        """Note which of the packets that leave the sender are retransmissions, and which bear
        CWR."""
        if not self.ecn or not len(seqs):
            return
        before, self._before = self._before, []
        self._otherwise = _otherwise(before, times, seqs)
        sk = self.flow.sk
        if sk.cwr_seqs:
            self._cwr.update(sk.cwr_seqs)
            sk.cwr_seqs = []
        if isinstance(seqs, np.ndarray):
            if int(seqs[0]) >= self._high and bool((seqs[1:] > seqs[:-1]).all()):
                self._high = int(seqs[-1]) + 1
                return
            times, seqs = np.asarray(times).tolist(), seqs.tolist()
        for row, (t, seq) in enumerate(zip(times, seqs, strict=True)):
            if seq >= self._high:
                self._high = seq + 1
            elif seq >= 0:
                self._again[t, seq] = next((c for n, _, c in before if row < n), self._ect_again)

    def note_algorithm(self) -> None:
        """Note what the implementation has packets bear from now on."""
        data = self.flow.sk.kernel_data
        left = self.flow.unsent()
        if left:
            self._before.append((left, self.ect, self._ect_again))
        self._ect_again = data.ecn_xmit
        self.ect = ECT_1 if data.ect_1 else ECT_0

    def codepoint(self, sent_ns: int, seq: int) -> int:
        """Return the ECN field of a packet that was among those `sent` last."""
        if not self.ecn or seq < 0 or not self._again.get((sent_ns, seq), True):
            return 0
        return self._otherwise.get((sent_ns, seq), self.ect)

    def bears_cwr(self, seq: int) -> bool:
        """Report whether a packet that has been `sent` bears CWR, if it was for the first time."""
        return seq in self._cwr

    # --- at the receiver ---

    def deliver(self, batch: Batch) -> None:
        """Take what the link made of a batch, as `Flow.deliver` does."""
        marks = batch.marks
        departures = np.asarray(batch.departures, dtype=np.int64)
        kept = np.flatnonzero(departures >= 0)
        flow = self.flow
        flow.dropped += len(departures) - len(kept)
        times = departures[kept] + flow.path.out_ns
        late = len(times) - int(np.searchsorted(times, flow.run_end_ns))
        flow.arriving += late
        flow.delivered += len(times) - late
        seqs = np.asarray(batch.seqs, dtype=np.int64)[kept]
        sent_ns = np.asarray(batch.arrivals, dtype=np.int64)[kept] - flow.path.access_ns
        ce = np.zeros(len(kept), dtype=bool) if marks is None else marks[kept]
        if self._again:
            lost = departures < 0
            if lost.any():
                self._forget(batch, lost)
        if flow.receives is not None:
            times = flow.receives.column(times)
        self._take(times, seqs, sent_ns, ce)

    def _forget(self, batch: Batch, lost: NDArray[np.bool_]) -> None:
        """Drop the notes about retransmissions that the queue has dropped."""
        access = self.flow.path.access_ns
        for k in np.flatnonzero(lost).tolist():
            self._again.pop((int(batch.arrivals[k]) - access, int(batch.seqs[k])), None)

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
                self.flow.receive(times[run], seqs[run], sent_ns[run])
                done = at
            plain = at + 1
        self._one_by_one(times[done:], seqs[done:], sent_ns[done:], ce[done:])

    def _see_plain(self) -> None:
        """Let the receiver know that there are ECN-capable packets, before some without a mark."""
        echo = self.flow.receiver.ecn
        if isinstance(echo, EcnEcho):
            echo.flags |= TCP_ECN_SEEN

    def _special(self, seqs: Column, sent_ns: Column, ce: NDArray[np.bool_]) -> list[int]:
        """Return the packets that have to be looked at; all where every packet has."""
        echo = self.flow.receiver.ecn
        everyone = self.gro_packets > 1 or (echo is not None and not echo.plain)
        if everyone or not self.flow.vector:
            return list(range(len(seqs)))
        special = ce | (seqs < 0)
        if self._cwr:
            special |= np.isin(seqs, list(self._cwr))
        if self._again:
            pairs = zip(sent_ns.tolist(), seqs.tolist(), strict=True)
            special |= np.array([pair in self._again for pair in pairs], dtype=bool)
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
        self.flow.send_acks(acks)

    def _packet(self, t: int, seq: int, sent_ns: int, marked: bool, acks: AckRows) -> None:
        """Take one data packet that arrives at ``t``."""
        ect = self.ecn
        first = True
        if self.ecn and (sent_ns, seq) in self._again:
            ect, first = self._again.pop((sent_ns, seq)), False
        ce = ect and marked
        if ce:
            self.marked_ns.append(sent_ns + self.flow.path.access_ns)
        cwr = first and seq in self._cwr
        if cwr:
            self._cwr.discard(seq)
        self.flush(t + 1, acks)
        mergeable = self.gro_packets > 1 and ect == self.ecn and not cwr
        if not (mergeable and self._may_hold(seq, ce)):
            self._hand_over(t, acks)
        if mergeable and self._may_hold(seq, ce):
            self._hold(t, seq, sent_ns // 1000, ce, acks)
            return
        self._to_tcp(t, seq, sent_ns // 1000, ect, ce, cwr, acks)

    def _to_tcp(
        self, t: int, seq: int, sent_us: int, ect: bool, ce: bool, cwr: bool, acks: AckRows
    ) -> None:
        receiver = self.flow.receiver
        receiver.flush(t + 1, acks)
        if self.ecn:
            self._set_scene(t, seq, 1, acks)
            receiver.see_ecn(seq, ect=ect, ce=ce, cwr=cwr)
        receiver.receive((t,), (seq,), (sent_us,), acks)

    def _set_scene(self, t: int, seq: int, count: int, acks: AckRows) -> None:
        """Tell an algorithm's own echo where the receiver stands."""
        receiver = self.flow.receiver
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
        receiver, held = self.flow.receiver, self._held
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
        receiver = self.flow.receiver
        seq, sent_us, ce = held[0]
        receiver.flush(t + 1, acks)
        if self.ecn:
            self._set_scene(t, seq, len(held), acks)
            receiver.see_ecn(seq, ect=True, ce=ce, cwr=False)
        receiver.receive_merged(t, seq, len(held), sent_us, acks)

    def flush(self, before_ns: int, acks: AckRows) -> None:
        """Hand over what is held if it is due before ``before_ns``."""
        if self.due_ns < before_ns:
            self._hand_over(self.due_ns, acks)


def _otherwise(
    before: list[tuple[int, int, bool]], times: Values, seqs: Values
) -> dict[tuple[int, int], int]:
    """Return the codepoints of packets that left before the implementation changed."""
    found: dict[tuple[int, int], int] = {}
    for packets, ect, _ in reversed(before):
        rows = zip(as_list(times[:packets]), as_list(seqs[:packets]), strict=True)
        found.update(dict.fromkeys(rows, ect))
    return found


def _special_ack(receiver: Receiver, t: int, acks: AckRows, packets: int) -> None:
    receiver.special_ack(t, packets, acks)


def make_reception(flow: Flow, host: ReceiverSpec) -> Reception | None:
    """Return what a flow's receiving host is before ECN is negotiated; None if it merges
    nothing."""
    if host.gro_packets == 1:
        return None
    return Reception(flow, host.gro_packets, host.gro_ns)


def begin_ecn(flow: Flow, echo: EcnEcho | HookEcho) -> None:
    """Let the ends of a flow that have agreed on ECN use it, ``echo`` being what its receiver
    does."""
    flow.receiver.ecn = echo
    if flow.reception is None:
        flow.reception = Reception(flow)
    flow.reception.ecn = True
