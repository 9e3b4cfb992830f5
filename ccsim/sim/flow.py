"""One flow: its sender and receiver, the ACKs under way between them, and its share of each
window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.compiled import in_use
from ccsim.net.link import ACK_SEQ, SYN_SEQ
from ccsim.sim.acks import SackTrainRows, TrainRows
from ccsim.sim.delivering import Delivering, FlowPath
from ccsim.sim.recorder import FlowRecorder
from ccsim.sim.sender_events import ALL_TAKEN, SOURCE_FIRST, fire_timers, take_rows
from ccsim.sim.writing import before_source
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.paced_train import may_take_paced_train, paced_train
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.sack_train import may_take_sack_train, sack_train
from ccsim.tcp.sender import Sender
from ccsim.tcp.sock import TcpSock
from ccsim.tcp.train import TrainOutcome, ack_train, may_take_train

__all__ = ["Flow"]

Column = NDArray[np.int64]
Values = Column | list[int]

TrainPath = Callable[[TcpSock, Column, Column, list[int]], TrainOutcome | None]

# Shorter trains cost more than their ACKs one by one, which compiled cost a fifth.
PLAIN_TRAIN_ROWS = 128 if in_use() else 12
PACED_TRAIN_ROWS = 24
PACED_HOOK_ROWS = 512  # where the algorithm is compiled too
SACK_TRAIN_ROWS = 256 if in_use() else 16
LEAST_TRAIN = min(PLAIN_TRAIN_ROWS, PACED_TRAIN_ROWS, SACK_TRAIN_ROWS)
RETRY_ROWS = 12  # ACKs that go one by one after a train was refused, at least
RETRY_PARTS = 32  # of those that are left, one: a long train is not looked at again and again


class Flow(Delivering):
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
        self.first_syn_ns = NEVER
        self.syn_ns = NEVER  # when the latest SYN (or SYN-ACK) left
        self.syn_timer_ns = NEVER
        self.syn_tries = 0
        self.followers: list[Any] = []  # who is told of every event
        self.first_syn_answered = False
        self.connected = False
        self.established_ns: int | None = None

    # --- the sender's side of a window ---

    def connect(self, t_ns: int) -> None:
        """Send the SYN, or if passive the SYN-ACK."""
        if not self.syn_tries:
            self.first_syn_ns = t_ns
            self.on_syn(t_ns)
        self.syn_ns = t_ns
        rto = self.host.rto_initial_ns // self.host.jiffy_ns << self.syn_tries
        self.syn_timer_ns = self.host.expiry_ns(t_ns, rto)
        self.syn_tries += 1
        self.sk.out_t.append(t_ns)
        self.sk.out_seq.append(SYN_SEQ)

    def on_syn(self, t_ns: int) -> None:
        """Act on the first SYN's leaving; the world sets what the kernel does then."""

    def on_connected(self, t_ns: int) -> None:
        """Act on the handshake's end; the world sets what the kernel does then."""

    def on_closed(self, t_ns: int) -> None:
        """Act on the last ACK of a flow that has nothing more to send."""

    def advance(self, horizon_ns: int) -> None:
        """Let everything happen at the sender that happens before the horizon, in order: ACKs
        before the retransmission timer, that before the pacing timer; then samples."""
        if self.followers:
            self.follow(horizon_ns)
        rows = self._next_rows()
        while rows is not None and first_time(rows) < horizon_ns:
            self._take_acks(rows, horizon_ns)
            rows = self._next_rows()
        self._come_to(horizon_ns)

    def follow(self, horizon_ns: int) -> None:
        """Let happen what happens before the horizon, event by event, while somebody follows."""

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
        if source is None:
            fire_timers(sk, recorder, t_ns, NEVER)
            return
        while True:
            write_ns = source.next_ns
            fire_timers(sk, recorder, t_ns, write_ns)
            if write_ns >= t_ns:
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
            rows.retry = start + max(RETRY_ROWS, (len(rows) - start) // RETRY_PARTS)
            return False
        self.recorder.take(sk, outcome.samples)
        if len(outcome.sent_ns):
            first = sk.nxt - len(outcome.sent_ns)
            self.chunks.append((outcome.sent_ns, np.arange(first, sk.nxt)))
        rows.at = start + outcome.taken
        sk.echo_us = rows.echo(rows.at - 1)
        return True

    def _established(self, t_ns: int, echo_us: int) -> None:
        sk = self.sk
        self.connected = True
        self.established_ns = t_ns
        self.first_syn_answered = echo_us == self.first_syn_ns // 1000
        self.syn_timer_ns = NEVER
        if self.syn_tries == 1:
            path = self.path
            rtt_us = path.rtt_ns // 1000
            self.receiver.measured(rtt_us, sk.rwnd)
        sk.handshake_done(t_ns, self.syn_ns, tries=self.syn_tries, passive=self.passive)
        if not self.passive:
            sk.out_t.append(t_ns)
            sk.out_seq.append(ACK_SEQ)
        self.on_connected(t_ns)
        self._begin_writing(t_ns)

    def _close(self, t_ns: int) -> None:
        """End the flow: nothing is outstanding."""
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
        self.recorder.border(sk, t_ns)
        self.on_closed(t_ns)


def first_time(rows: TrainRows | AckRows) -> int:
    """Return when the first ACK that is not taken yet arrives [ns]."""
    if isinstance(rows, AckRows):
        return rows.time(rows.at)
    return rows.time(rows.at)
