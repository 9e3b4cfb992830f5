"""One flow: its sender and receiver, the ACKs under way between them, and its share of each
window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FunctionType

import numpy as np
from numpy.typing import NDArray

from ccsim.compiled import in_use
from ccsim.net.link import ACK_SEQ, SYN_SEQ, Batch
from ccsim.sim.ack_path import AckPath
from ccsim.sim.acks import AckRows, SackTrainRows, TrainRows
from ccsim.sim.arrivals import TRAIN_ROWS, receive_columns
from ccsim.sim.reception import Reception
from ccsim.sim.recorder import FlowRecorder
from ccsim.sim.rows import ALL_TAKEN, SOURCE_FIRST, fire_timers, take_rows
from ccsim.sim.writing import Writing, as_list, before_source, joined
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.paced_train import may_take_paced_train, paced_train
from ccsim.tcp.receiver import AckRow, Receiver
from ccsim.tcp.sack_train import may_take_sack_train, sack_train
from ccsim.tcp.sender import Sender
from ccsim.tcp.sock import TcpSock
from ccsim.tcp.train import TrainOutcome, ack_train, may_take_train

__all__ = ["Flow", "FlowPath"]

Column = NDArray[np.int64]
Values = Column | list[int]

TrainPath = Callable[[TcpSock, Column, Column, list[int]], TrainOutcome | None]

# Shorter trains cost more than their ACKs one by one, which compiled cost a fifth.
PLAIN_TRAIN_ROWS = 128 if in_use() else 12
PACED_TRAIN_ROWS = 24
PACED_HOOK_ROWS = 512  # where the algorithm is compiled too
SACK_TRAIN_ROWS = 16
LEAST_TRAIN = min(PLAIN_TRAIN_ROWS, PACED_TRAIN_ROWS, SACK_TRAIN_ROWS)
RETRY_ROWS = 12  # ACKs that go one by one after a train was refused


@dataclass(frozen=True, slots=True)
class FlowPath:
    """Delays of a flow [ns]: sender to queue, line to receiver, receiver to sender."""

    access_ns: int
    out_ns: int
    back_ns: int


class Flow(Writing):
    """A connection from SYN to the last ACK.

    The engine alternates `advance`, which lets the sender do all it does before the horizon, and
    `deliver`, which hands it what the link made of its packets. ``vector`` allows the closed forms.
    A ``passive`` one is opened by its receiver: the first packet is a SYN-ACK, and no ACK of the
    sender's follows the handshake.
    """

    def __init__(
        self,
        index: int,
        sk: Sender,
        receiver: Receiver,
        path: FlowPath,
        recorder: FlowRecorder,
        *,
        vector: bool,
        odd_last: dict[int, int],
        end_ns: int,
        passive: bool = False,
    ) -> None:
        super().__init__()
        self.index = index
        self.sk = sk
        self.receiver = receiver
        self.path = path
        self.recorder = recorder
        self.vector = vector
        self.odd_last = odd_last  # the size of a finite flow's last packet, if it is short [bytes]
        self.run_end_ns = end_ns
        self.host: Host = sk.host
        self.passive = passive
        self.syn_ns = NEVER  # when the latest SYN (or SYN-ACK) left
        self.syn_timer_ns = NEVER
        self.syn_tries = 0
        self.connected = False
        self.reception: Reception | None = None  # where packets are looked at one by one
        self.ack_path: AckPath | None = None  # what befalls ACKs on their way
        self.acks: deque[TrainRows | AckRows] = deque()
        self.chunks: list[tuple[Values, Values]] = []  # sent in this window: times, packet numbers
        self.waiting: tuple[list[int], list[int]] = ([], [])  # sent, but not yet at the queue
        self.sent = 0
        self.delivered = 0
        self.arriving = 0  # on the way to the receiver when the run ends
        self.dropped = 0

    # --- the sender's side of a window ---

    def connect(self, t_ns: int) -> None:
        """Send the SYN, or if passive the SYN-ACK."""
        self.syn_ns = t_ns
        rto = self.host.rto_initial_ns // self.host.jiffy_ns << self.syn_tries
        self.syn_timer_ns = self.host.expiry_ns(t_ns, rto)
        self.syn_tries += 1
        self.sk.out_t.append(t_ns)
        self.sk.out_seq.append(SYN_SEQ)

    def on_connected(self, t_ns: int) -> None:
        """Act on the handshake's end; the world sets what the kernel does then."""

    def on_closed(self, t_ns: int) -> None:
        """Act on the last ACK of a flow that has nothing more to send."""

    def advance(self, horizon_ns: int) -> None:
        """Let everything happen at the sender that happens before the horizon, in order: ACKs
        before the retransmission timer, that before the pacing timer; then samples."""
        rows = self._next_rows()
        while rows is not None and rows.time(rows.at) < horizon_ns:
            self._take_acks(rows, horizon_ns)
            rows = self._next_rows()
        self._come_to(horizon_ns)

    def _come_to(self, t_ns: int) -> None:
        """Let timers fire that are due before ``t_ns``, and take the samples before it."""
        self._fire_before(t_ns)
        if self.recorder.next_ns < t_ns:
            self.recorder.catch_up(self.sk, t_ns)

    def _fire_before(self, t_ns: int) -> None:
        """Let timers fire that are due before ``t_ns``, the retransmission timer first at a tie."""
        sk, recorder, source = self.sk, self.recorder, self.source
        if not self.connected:
            while self.syn_timer_ns < t_ns:
                self.connect(self.syn_timer_ns)
            return
        while True:
            write_ns = NEVER if source is None else source.next_ns
            fire_timers(sk, recorder, t_ns, write_ns)
            if source is None or write_ns >= t_ns:
                return
            recorder.catch_up(sk, write_ns)
            source.write(write_ns)
            self._source_acted(write_ns)

    def _next_rows(self) -> TrainRows | AckRows | None:
        acks = self.acks
        while acks:
            rows = acks[0]
            if rows.at < len(rows):
                return rows
            acks.popleft()
        return None

    def _take_acks(self, rows: TrainRows | AckRows, horizon_ns: int) -> None:
        """Process ACKs until something else comes first: as a train if that may be, else one by
        one."""
        if not self.connected:
            t, _, echo_us, _ = rows.row(rows.at)
            self._come_to(t)
            rows.at += 1
            self._established(t, echo_us)
            return
        if (
            isinstance(rows, TrainRows)
            and rows.at >= rows.retry
            and len(rows) - rows.at >= LEAST_TRAIN
            and self._take_train(rows, horizon_ns)
        ):
            return
        self._take_rows(rows, horizon_ns)

    def _train_path(self, rows: TrainRows) -> tuple[TrainPath, int] | None:
        """Return what may take the ACKs at once, and of how many it makes sense."""
        sk = self.sk
        if isinstance(rows, SackTrainRows):
            if may_take_sack_train(sk):
                return partial(sack_train, known=rows.known, rest=rows.rest), SACK_TRAIN_ROWS
        elif may_take_train(sk):
            return ack_train, PLAIN_TRAIN_ROWS
        elif may_take_paced_train(sk):
            by_python = isinstance(sk.ca_ops.cong_control, FunctionType)
            return paced_train, PACED_TRAIN_ROWS if by_python else PACED_HOOK_ROWS
        return None

    def _take_rows(self, rows: TrainRows | AckRows, horizon_ns: int) -> None:
        while True:
            watch, write_ns = self._watched()
            turn = take_rows(self.sk, self.recorder, rows, horizon_ns, watch, write_ns)
            if turn == ALL_TAKEN:
                return
            if turn == SOURCE_FIRST:
                self._fire_before(rows.time(rows.at))
            elif self._acknowledged(rows.time(rows.at - 1)):
                return

    def _take_train(self, rows: TrainRows, horizon_ns: int) -> bool:
        """Process ACKs before the horizon at once, if that may be and makes sense; else note which
        are to go one by one."""
        self._come_to(rows.time(rows.at))
        path = self._train_path(rows)
        if path is None:
            if isinstance(rows, SackTrainRows):
                rows.retry = rows.at + RETRY_ROWS
            return False
        start, stop = rows.at, rows.before(horizon_ns)
        if self.source is not None:
            stop = before_source(rows, stop, self.source)
        train, least = path
        if stop - start < least:
            rows.retry = max(stop, start + 1)
            return False
        sk = self.sk
        t, numbers = rows.t[start:stop], rows.numbers[start:stop]
        instants = self.recorder.instants(int(t[0]), int(t[-1]))
        self._flush()
        outcome = train(sk, t, numbers, instants)
        if outcome is None:
            rows.retry = start + RETRY_ROWS
            return False
        self.recorder.take(sk, outcome.samples)
        if len(outcome.sent_ns):
            first = sk.nxt - len(outcome.sent_ns)
            self.chunks.append((outcome.sent_ns, np.arange(first, sk.nxt)))
        rows.at = start + outcome.taken
        return True

    def _established(self, t_ns: int, echo_us: int) -> None:
        sk = self.sk
        self.connected = True
        self.syn_timer_ns = NEVER
        sk.handshake_done(t_ns, self.syn_ns, syn_retransmitted=self.syn_tries > 1)
        if not self.passive:
            sk.out_t.append(t_ns)
            sk.out_seq.append(ACK_SEQ)
        self.on_connected(t_ns)
        self._begin_writing(t_ns)

    def _close(self, t_ns: int) -> None:
        self.closed_ns = t_ns
        if self.completed_ns is None:
            self.completed_ns = t_ns
        sk = self.sk
        sk.timer_ns = sk.pacing_ns = self.syn_timer_ns = NEVER
        if self.source is not None:
            self.source.stop()
        self.acks.clear()
        self.recorder.catch_up(sk, t_ns + 1)
        self.recorder.stop()
        self.on_closed(t_ns)

    # --- to the link and back ---

    def _flush(self) -> None:
        sk = self.sk
        if sk.out_t:
            self.chunks.append((sk.out_t, sk.out_seq))
            sk.out_t, sk.out_seq = [], []

    def collect(self, until_ns: int) -> Batch | None:
        """Return what reaches the queue before ``until_ns``, in order; the rest waits."""
        self._flush()
        times, seqs = joined(self.chunks)
        self.chunks = []
        self.sent += len(times)
        if self.reception is not None:
            self.reception.sent(times, seqs)
        access = self.path.access_ns
        if access:
            times, seqs = self._after_access(times, seqs, until_ns)
        if not len(times):
            return None
        return Batch(self.index, times, seqs, self._odd_sizes(seqs), [])

    def _after_access(self, times: Values, seqs: Values, until_ns: int) -> tuple[Values, Values]:
        all_times = self.waiting[0] + [t + self.path.access_ns for t in as_list(times)]
        all_seqs = self.waiting[1] + as_list(seqs)
        ready = sum(t < until_ns for t in all_times)
        self.waiting = all_times[ready:], all_seqs[ready:]
        return all_times[:ready], all_seqs[:ready]

    def deliver(self, batch: Batch) -> None:
        """Take what the link made of a batch: the receiver sees what was not dropped, and its ACKs
        set out."""
        if self.reception is not None:
            self.reception.deliver(batch)
            return
        departures = batch.departures
        n = len(departures)
        if isinstance(departures, list) or n < TRAIN_ROWS:
            self._deliver_rows(batch, as_list(departures))
            return
        arrivals = departures + self.path.out_ns
        sent = np.asarray(batch.arrivals)
        if self.path.access_ns:
            sent = sent - self.path.access_ns
        seqs = np.asarray(batch.seqs)
        if int(departures.min()) < 0:
            kept = departures >= 0
            arrivals, sent, seqs = arrivals[kept], sent[kept], seqs[kept]
            self.dropped += n - len(arrivals)
        late = 0
        if len(arrivals) and arrivals[-1] >= self.run_end_ns:
            late = len(arrivals) - int(arrivals.searchsorted(self.run_end_ns))
        self.arriving += late
        self.delivered += len(arrivals) - late
        self.receive(arrivals, seqs, sent)

    def _deliver_rows(self, batch: Batch, departures: list[int]) -> None:
        out, access = self.path.out_ns, self.path.access_ns
        times, seqs, sent_us = [], [], []
        for departure, seq, arrival in zip(
            departures, as_list(batch.seqs), as_list(batch.arrivals), strict=True
        ):
            if departure < 0:
                self.dropped += 1
                continue
            t = departure + out
            if t >= self.run_end_ns:
                self.arriving += 1
            else:
                self.delivered += 1
            if seq >= 0:
                times.append(t)
                seqs.append(seq)
                sent_us.append((arrival - access) // 1000)
            elif seq == SYN_SEQ:
                self.send_acks([(t, SYN_SEQ, (arrival - access) // 1000, None)])
        if not times:
            return
        if self.vector and len(times) >= TRAIN_ROWS and not self.receiver.starts:
            self.receive(np.array(times), np.array(seqs), np.array(sent_us) * 1000)
            return
        acks: list[AckRow] = []
        self.receiver.receive(times, seqs, sent_us, acks)
        self.send_acks(acks)

    def receive(self, times: Column, seqs: Column, sent_ns: Column) -> None:
        """Give packets to the receiver, at once where that may be; its ACKs set out."""
        receive_columns(self, times, seqs, sent_ns)

    def flush_receiver(self, horizon_ns: int) -> None:
        """Send the delayed ACK if it reaches the sender before the horizon: no packet can come
        before it is due."""
        back_ns = self.path.back_ns
        if self.reception is not None and self.reception.due_ns + back_ns < horizon_ns:
            merged: list[AckRow] = []
            self.reception.flush(horizon_ns - back_ns, merged)
            self.send_acks(merged)
        if self.receiver.delack_ns + self.path.back_ns < horizon_ns:
            acks: list[AckRow] = []
            self.receiver.flush(horizon_ns - self.path.back_ns, acks)
            self.send_acks(acks)

    def send_acks(self, acks: list[AckRow]) -> None:
        """Let ACKs set out to the sender, in order."""
        if acks and self.ack_path is not None:
            acks = self.ack_path.rows(acks)
        if acks and self.closed_ns is None:
            self.acks.append(AckRows(acks, self.path.back_ns))
