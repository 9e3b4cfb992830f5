"""The link's side of a flow: what reaches the queue in a window, and what becomes of it: packets at
the receiver, ACKs that set out."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsim.ints import Ints, as_ints, in_us, kept, later, least, picked
from ccsim.net.batch import Batch, as_column, as_list
from ccsim.net.link import SYN_SEQ
from ccsim.sim.ack_path import AckPath
from ccsim.sim.acks import TrainRows
from ccsim.sim.arrivals import TRAIN_ROWS, receive_columns
from ccsim.sim.lateness import Handover
from ccsim.sim.reception import Reception
from ccsim.sim.writing import Writing, joined
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.host import NEVER

__all__ = ["Delivering", "FlowPath"]

Column = NDArray[np.int64]
Values = Column | list[int]


@dataclass(frozen=True)
class FlowPath:
    """Delays of a flow [ns]: sender to queue, line to receiver, receiver to sender; and those of
    hops between, beside what they queue."""

    access_ns: int
    out_ns: int
    back_ns: int
    hops_ns: int = 0

    @property
    def rtt_ns(self) -> int:
        """The round trip without queueing [ns]."""
        return self.access_ns + self.out_ns + self.back_ns + self.hops_ns


class Delivering(Writing):
    """A flow between its sender and its receiver.

    ``chunks`` are the times and numbers of the packets sent in this window, before those that the
    socket holds; ``waiting`` are sent, but not yet at the queue. Of all ``sent``, ``delivered``
    reach the receiver before the run ends and ``arriving`` later, and the queue has ``dropped``
    others.
    """

    index: int
    path: FlowPath
    vector: bool
    run_end_ns: int

    def __init__(self) -> None:
        super().__init__()
        self.reception: Reception | None = None  # where packets are looked at one by one
        self.ack_path: AckPath | None = None  # what befalls ACKs on their way
        self.receives: Handover | None = None  # what a late receiving host makes of packets,
        self.hears: Handover | None = None  # and a late sending host of ACKs
        self.returns: Callable[[AckRows], None] | None = None  # takes them where hops lie back
        self.returns_train: Callable[[Column, Column, Column], None] | None = None
        self.acks: deque[TrainRows | AckRows] = deque()
        self.chunks: list[tuple[Values, Values]] = []
        self.waiting = ([], [])
        self.sent = 0
        self.delivered = 0
        self.arriving = 0
        self.dropped = 0

    def _flush(self) -> None:
        """Take what the socket has sent since the last chunk."""
        sk = self.sk
        if sk.out_t:
            self.chunks.append((sk.out_t, sk.out_seq))
            sk.out_t, sk.out_seq = Ints(), Ints()

    def unsent(self) -> int:
        """Return how many packets the socket has sent that are still to be collected."""
        return len(self.sk.out_t) + sum(len(times) for times, _ in self.chunks)

    def collect(self, until_ns: int) -> Batch | None:
        """Return what reaches the queue before ``until_ns``, in order; the rest waits."""
        self._flush()
        times: Values = []
        seqs: Values = []
        if self.chunks:
            times, seqs = self.chunks[0] if len(self.chunks) == 1 else joined(self.chunks)
            self.chunks = []
            self.sent += len(times)
            if self.reception is not None:
                self.reception.sent(times, seqs)
        if self.path.access_ns:
            times, seqs = self._after_access(times, seqs, until_ns)
        if not len(times):
            return None
        return Batch(self.index, times, seqs, self._odd_sizes(seqs), [])

    def _after_access(self, times: Values, seqs: Values, until_ns: int) -> tuple[Values, Values]:
        access_ns = self.path.access_ns
        all_times = self.waiting[0] + [t + access_ns for t in as_list(times)]
        all_seqs = self.waiting[1] + as_list(seqs)
        ready = bisect_left(all_times, until_ns)
        self.waiting = all_times[ready:], all_seqs[ready:]
        return all_times[:ready], all_seqs[:ready]

    def deliver(self, batch: Batch) -> None:
        """Take what the link made of a batch: the receiver sees what was not dropped, and its ACKs
        set out."""
        if self.reception is not None:
            self.reception.deliver(batch)
            return
        departures = batch.departures
        handshake = SYN_SEQ in batch.odd
        if not isinstance(departures, np.ndarray) or len(departures) < TRAIN_ROWS or handshake:
            rows = as_ints(departures), as_ints(batch.seqs), as_ints(batch.arrivals)
            self._deliver_rows(rows[0], rows[1], rows[2], handshake)
            return
        arrivals = departures + self.path.out_ns
        sent = as_column(batch.arrivals)
        if self.path.access_ns:
            sent = sent - self.path.access_ns
        seqs = as_column(batch.seqs)
        if int(departures.min()) < 0:
            kept = departures >= 0
            arrivals, sent, seqs = arrivals[kept], sent[kept], seqs[kept]
            self.dropped += len(departures) - len(arrivals)
        late = 0
        if len(arrivals) and arrivals[-1] >= self.run_end_ns:
            late = len(arrivals) - int(arrivals.searchsorted(self.run_end_ns))
        self.arriving += late
        self.delivered += len(arrivals) - late
        if self.receives is not None:
            arrivals = self.receives.column(arrivals)
        self.receive(arrivals, seqs, sent)

    def _deliver_rows(self, departures: Ints, seqs: Ints, arrivals: Ints, handshake: bool) -> None:
        """Like `deliver`, packet by packet; ``handshake``: some may be no data."""
        n = len(departures)
        if least(departures) < 0:
            rows = kept(departures)
            departures, seqs = picked(departures, rows), picked(seqs, rows)
            arrivals = picked(arrivals, rows)
            self.dropped += n - len(departures)
        path = self.path
        times = later(departures, path.out_ns)
        late = 0
        if len(times) and times[-1] >= self.run_end_ns:
            late = len(times) - bisect_left(times, self.run_end_ns)
        self.arriving += late
        self.delivered += len(times) - late
        if self.receives is not None:
            times = as_ints(self.receives.times(times))
        sent_us = in_us(arrivals, path.access_ns)
        if handshake:
            times, seqs, sent_us = self._take_handshake(times, seqs, sent_us)
        if not len(times):
            return
        if self.vector and len(times) >= TRAIN_ROWS and not self.receiver.starts:
            self.receive(as_column(times), as_column(seqs), as_column(sent_us) * 1000)
            return
        acks = AckRows()
        self.receiver.receive(times, seqs, sent_us, acks)
        self.send_acks(acks)

    def _take_handshake(self, times: Ints, seqs: Ints, sent_us: Ints) -> tuple[Ints, Ints, Ints]:
        """Answer SYNs; return the data among what arrives."""
        data = Ints()
        for k, (t, seq, sent) in enumerate(zip(times, seqs, sent_us, strict=True)):
            if seq >= 0:
                data.append(k)
            elif seq == SYN_SEQ:
                self.send_acks(AckRows([(t, SYN_SEQ, sent, None)]))
        return picked(times, data), picked(seqs, data), picked(sent_us, data)

    def receive(self, times: Column, seqs: Column, sent_ns: Column) -> None:
        """Give packets to the receiver, at once where that may be; its ACKs set out."""
        receive_columns(self, times, seqs, sent_ns)

    def flush_receiver(self, horizon_ns: int) -> None:
        """Send the delayed ACK if it reaches the sender before the horizon: no packet can come
        before it is due."""
        if self.returns is None:
            self.flush_before(horizon_ns - self.path.back_ns)

    def flush_before(self, t_ns: int) -> None:
        """Send what is due at the receiver before a time before which no packet can come."""
        if self.reception is not None and self.reception.due_ns < t_ns:
            merged = AckRows()
            self.reception.flush(t_ns, merged)
            self.send_acks(merged)
        if self.receiver.delack_ns < t_ns:
            acks = AckRows()
            self.receiver.flush(t_ns, acks)
            self.send_acks(acks)

    def owes_ack(self) -> bool:
        """Report whether the receiver will send something though nothing comes."""
        held = self.reception is not None and self.reception.due_ns != NEVER
        return held or self.receiver.delack_ns != NEVER

    def send_acks(self, acks: AckRows) -> None:
        """Let ACKs set out to the sender, in order."""
        if acks and self.ack_path is not None:
            acks = self.ack_path.rows(acks)
        if acks and self.returns is not None:
            self.returns(acks)
        elif acks and self.closed_ns is None:
            acks.back_ns = self.path.back_ns
            self.hear(acks)

    def hear(self, acks: AckRows) -> None:
        """Let ACKs come to the sender, one by one."""
        if self.hears is not None:
            times = self.hears.times([row[0] + acks.back_ns for row in acks])
            acks = AckRows([(t, *row[1:]) for t, row in zip(times, acks, strict=True)])
        self.acks.append(acks)

    def hear_train(self, acks: TrainRows) -> None:
        """Let ACKs come to the sender as columns."""
        if self.hears is not None:
            acks.t = self.hears.column(acks.t)
        self.acks.append(acks)
