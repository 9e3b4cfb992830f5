"""The sending side of a flow: the ACKs that come to it, its timers, and the packets that leave.

In each window it does, in order, all that happens before the horizon; what it has sent by then
is collected for the link.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ccsim.ints import fresh
from ccsim.net.batch import Batch, Values, as_list
from ccsim.net.link import ACK_BYTES, ACK_SEQ, SYN_BYTES, SYN_SEQ
from ccsim.sim.acks import AcksInColumns, Sacks
from ccsim.sim.flow.application import Application, before_source
from ccsim.sim.flow.codepoints import Codepoints
from ccsim.sim.flow.path import FlowPath
from ccsim.sim.lateness import Handover
from ccsim.sim.recorder import FlowRecorder
from ccsim.sim.sender_events import ALL_TAKEN, SOURCE_FIRST, fire_timers, take_rows
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.output import settle_timer
from ccsim.tcp.paced_train import PACED
from ccsim.tcp.refusal import Refusal, Tally
from ccsim.tcp.sack_train import SackRegime
from ccsim.tcp.sender import Sender
from ccsim.tcp.thresholds import thresholds
from ccsim.tcp.train import Regime, take_train
from ccsim.tcp.window_train import WINDOW

__all__ = ["Handshake", "SendingSide"]

Column = NDArray[np.int64]

ROWS = thresholds()
LEAST_TRAIN = min(ROWS.window, ROWS.paced, ROWS.recovery)
LONE = Refusal.NOT_IN_COLUMNS
RETRY_ROWS = 12  # ACKs that go one by one after a train was refused, at least
RETRY_PARTS = 32  # of those that are left, one: a long train is not looked at again and again


class Handshake(Protocol):
    """What a flow does as its connection is established."""

    def on_syn(self, t_ns: int) -> None:
        """Act on the first SYN's leaving."""

    def on_connected(self, t_ns: int) -> None:
        """Act on the handshake's end, before anything is written."""


class SendingSide:
    """A sender, and the ACKs under way to it.

    ``vector`` allows the closed forms. A ``passive`` one is opened by its receiver: the first
    packet is a SYN-ACK, and the sender sends no ACK after the handshake. ``late`` is what a late
    host makes of ACKs.

    ``chunks`` are the times and numbers of the packets sent in this window, before those that the
    socket holds; ``waiting`` are sent, but not yet at the queue; ``sent`` counts them all.
    """

    def __init__(
        self,
        index: int,
        sk: Sender,
        path: FlowPath,
        recorder: FlowRecorder,
        application: Application,
        handshake: Handshake,
        *,
        vector: bool,
        passive: bool,
        late: Handover | None,
    ) -> None:
        self.index = index
        self.sk = sk
        self.host: Host = sk.host
        self.path = path
        self.recorder = recorder
        self.application = application
        self.handshake = handshake
        self.vector = vector
        self.passive = passive
        self.late = late
        self.codepoints: Codepoints | None = None  # once ECN has been agreed on
        self.first_syn_ns = NEVER
        self.syn_ns = NEVER  # when the latest SYN (or SYN-ACK) left
        self.syn_timer_ns = NEVER
        self.syn_tries = 0
        self.first_syn_answered = False
        self.connected = False
        self.established_ns: int | None = None
        self.closed = False
        self.acks: list[AcksInColumns | AckRows] = []
        self.chunks: list[tuple[Values, Values]] = []
        self.waiting: tuple[list[int], list[int]] = ([], [])
        self.sent = 0
        self.tally: Tally | None = None  # counts by which way ACKs go
        self._in_handshake = True  # its packets have not all been handed to the link

    # --- the handshake, and the end ---

    def connect(self, t_ns: int) -> None:
        """Send the SYN, or if passive the SYN-ACK."""
        if not self.syn_tries:
            self.first_syn_ns = t_ns
            self.handshake.on_syn(t_ns)
        self.syn_ns = t_ns
        rto = self.host.rto_initial_ns // self.host.jiffy_ns << self.syn_tries
        self.syn_timer_ns = self.host.expiry_ns(t_ns, rto)
        self.syn_tries += 1
        self.sk.out_t.append(t_ns)
        self.sk.out_seq.append(SYN_SEQ)

    def _established(self, t_ns: int, echo_us: int) -> None:
        sk = self.sk
        self.connected = True
        self.established_ns = t_ns
        self.first_syn_answered = echo_us == self.first_syn_ns // 1000
        self.syn_timer_ns = NEVER
        if self.syn_tries == 1:
            path = self.path
            rtt_us = path.rtt_ns // 1000
            self.application.receiver.measured(rtt_us, sk.rwnd)
        sk.handshake_done(t_ns, self.syn_ns, tries=self.syn_tries, passive=self.passive)
        if not self.passive:
            sk.out_t.append(t_ns)
            sk.out_seq.append(ACK_SEQ)
        self.handshake.on_connected(t_ns)
        self.application.begin(t_ns)

    def close(self, t_ns: int) -> None:
        """Let nothing happen any more: nothing is outstanding."""
        sk = self.sk
        self.closed = True
        sk.timer_ns = sk.pacing_ns = self.syn_timer_ns = NEVER
        self.acks.clear()
        self.recorder.catch_up(sk, t_ns + 1)
        self.recorder.stop()
        self.recorder.border(sk, t_ns)

    # --- what comes ---

    def hear(self, acks: AckRows) -> None:
        """Let ACKs come, one by one."""
        if self.closed:
            return
        if self.late is not None:
            times = self.late.times([row[0] + acks.back_ns for row in acks])
            acks = AckRows([(t, *row[1:]) for t, row in zip(times, acks, strict=True)])
        self.acks.append(acks)

    def hear_train(self, acks: AcksInColumns) -> None:
        """Let ACKs come as columns."""
        if self.closed:
            return
        if self.late is not None:
            acks.t = self.late.column(acks.t)
        self.acks.append(acks)

    # --- a window ---

    def advance(self, horizon_ns: int) -> None:
        """Let everything happen that happens before the horizon, in order: ACKs before the
        retransmission timer, that before the pacing timer; then samples."""
        rows = self._next_rows()
        while rows is not None and first_time(rows) < horizon_ns:
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
        sk, recorder, source = self.sk, self.recorder, self.application.source
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
            self.application.write(write_ns)

    def _next_rows(self) -> AcksInColumns | AckRows | None:
        acks = self.acks
        while acks:
            rows = acks[0]
            if isinstance(rows, AckRows):
                one_by_one: AckRows = rows
                if one_by_one.at < len(one_by_one):
                    return rows
            elif rows.at < len(rows):
                return rows
            del acks[0]
        return None

    def _take_acks(self, rows: AcksInColumns | AckRows, horizon_ns: int) -> None:
        """Process ACKs until something else comes first: as a train if that may be, else one by
        one."""
        if not self.connected:
            t, _, echo_us, _ = rows.row(rows.at)
            self._come_to(t)
            rows.at += 1
            self._established(t, echo_us)
            return
        refusal: Refusal | None = LONE
        if isinstance(rows, AcksInColumns):
            refusal = self._take_train(rows, horizon_ns)
        if refusal is not None:
            self._one_by_one(rows, horizon_ns, refusal)

    def _one_by_one(self, rows: AcksInColumns | AckRows, horizon_ns: int, why: Refusal) -> None:
        """Process ACKs one by one until something else comes first, and count them if asked to."""
        first = rows.at
        self._take_rows(rows, horizon_ns)
        if self.tally is not None:
            self.tally.add(why, rows.at - first)

    def _regime(self, rows: AcksInColumns) -> tuple[Regime, int]:
        """Return the regime that may take the ACKs at once, and of how many it makes sense."""
        if isinstance(rows, Sacks):
            return SackRegime(rows.known, rows.rest), ROWS.recovery
        if self.sk.ca_ops.cong_control is None:
            return WINDOW, ROWS.window
        return PACED, ROWS.paced

    def _take_rows(self, rows: AcksInColumns | AckRows, horizon_ns: int) -> None:
        while True:
            watch, write_ns = self.application.watched()
            turn = take_rows(self.sk, self.recorder, rows, horizon_ns, watch, write_ns)
            if turn == ALL_TAKEN:
                return
            if turn == SOURCE_FIRST:
                self._fire_before(rows.time(rows.at))
            elif self.application.acknowledged(rows.time(rows.at - 1)):
                return

    def _take_train(self, rows: AcksInColumns, horizon_ns: int) -> Refusal | None:
        """Process ACKs before the horizon at once; else return why not, and note which are to go
        one by one."""
        start = rows.at
        if start < rows.retry:
            return Refusal.REFUSED_BEFORE
        if len(rows) - start < LEAST_TRAIN:
            return Refusal.TOO_FEW
        self._come_to(rows.time(start))
        sk = self.sk
        regime, least = self._regime(rows)
        refusal = regime.eligible(sk)
        if refusal is not None:
            if isinstance(rows, Sacks):
                rows.retry = start + RETRY_ROWS
            return refusal
        stop = rows.before(horizon_ns)
        if self.application.source is not None:
            stop = before_source(rows, stop, self.application.source)
        if stop - start < least:
            rows.retry = max(stop, start + 1)
            return Refusal.TOO_FEW
        t, numbers = rows.t[start:stop], rows.numbers[start:stop]
        instants = self.recorder.instants(int(t[0]), int(t[-1]))
        self._flush()
        outcome = take_train(sk, regime, t, numbers, instants)
        if isinstance(outcome, Refusal):
            rows.retry = start + max(RETRY_ROWS, (len(rows) - start) // RETRY_PARTS)
            return outcome
        self.recorder.take(sk, outcome.samples)
        self.left(outcome.sent_ns)
        rows.at = start + outcome.taken
        sk.echo_us = rows.echo(rows.at - 1)
        if self.tally is not None:
            self.tally.add(regime.name, outcome.taken)
        return None

    # --- event by event ---

    def next_event_ns(self) -> int:
        """Return when the next event is due, or, of a timer that is not settled, may be."""
        rows = self._next_rows()
        t = NEVER if rows is None else rows.time(rows.at)
        if not self.connected:
            return min(t, self.syn_timer_ns)
        return min(t, self._timer_ns())

    def _timer_ns(self) -> int:
        """Return when a timer fires or the application writes next."""
        source = self.application.source
        write_ns = NEVER if source is None else source.next_ns
        return min(self.sk.timer_ns, self.sk.pacing_ns, write_ns)

    def one_event(self, t_ns: int) -> bool:
        """Let what is due at ``t_ns`` happen: ACKs before timers; False if nothing was due.

        All ACKs of the instant are taken, in whichever windows they set out. A timer that is not
        settled yet has only a lower bound of its time.
        """
        sk = self.sk
        rows = self._next_rows()
        self.recorder.catch_up(sk, t_ns)
        acked = False
        while rows is not None and rows.time(rows.at) == t_ns:
            if self.connected:
                self._one_by_one(rows, t_ns + 1, Refusal.FOLLOWED)
            else:
                self._take_acks(rows, t_ns + 1)
            rows, acked = self._next_rows(), True
        if acked:
            return True
        if self.connected and sk.timer_ns == t_ns and not sk.timer_settled:
            settle_timer(sk)
            if self._timer_ns() > t_ns:
                return False
        self._fire_before(t_ns + 1)
        return True

    # --- what leaves ---

    def left(self, sent_ns: Column) -> None:
        """Note when the packets that a train has sent left [ns]: the last ones by number."""
        if len(sent_ns):
            nxt = self.sk.nxt
            self.chunks.append((sent_ns, np.arange(nxt - len(sent_ns), nxt)))

    def _flush(self) -> None:
        """Take what the socket has sent since the last chunk."""
        sk = self.sk
        if sk.out_t:
            self.chunks.append((sk.out_t, sk.out_seq))
            sk.out_t, sk.out_seq = fresh(sk.out_t), fresh(sk.out_seq)

    def note_algorithm(self) -> None:
        """Let what leaves from now on bear what the implementation has packets bear."""
        if self.codepoints is not None:
            uncollected = len(self.sk.out_t) + sum(len(times) for times, _ in self.chunks)
            self.codepoints.note_algorithm(uncollected)

    def uncollected(self) -> list[tuple[Values, Values]]:
        """Return the times [ns] and numbers of the packets that `collect` takes next."""
        self._flush()
        return list(self.chunks)

    def collect(self, until_ns: int) -> Batch | None:
        """Return what reaches the queue before ``until_ns``, in order; the rest waits."""
        self._flush()
        times: Values = []
        seqs: Values = []
        if self.chunks:
            times, seqs = self.chunks[0] if len(self.chunks) == 1 else concatenated(self.chunks)
            self.chunks = []
            self.sent += len(times)
            if self.codepoints is not None:
                self.codepoints.sent(times, seqs)
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

    def _odd_sizes(self, seqs: Values) -> dict[int, int]:
        """Return the sizes of packets that are not full-sized, if there may be any among these."""
        application = self.application
        if not self._in_handshake:
            return application.odd_sizes(seqs)
        self._in_handshake = self._handshake_follows(seqs)
        odd = {SYN_SEQ: SYN_BYTES, ACK_SEQ: ACK_BYTES, **application.odd_last}
        return odd | application.short_sizes(seqs)

    def _handshake_follows(self, seqs: Values) -> bool:
        """Report whether packets of the handshake may come after these."""
        if self.passive:
            return not self.connected or SYN_SEQ in self.waiting[1]
        return ACK_SEQ not in as_list(seqs)


def first_time(rows: AcksInColumns | AckRows) -> int:
    """Return when the first ACK that is not taken yet arrives [ns]."""
    if isinstance(rows, AckRows):
        one_by_one: AckRows = rows
        return one_by_one.time(one_by_one.at)
    in_columns: AcksInColumns = rows
    return in_columns.time(in_columns.at)


def concatenated(chunks: list[tuple[Values, Values]]) -> tuple[Values, Values]:
    """Return times and packet numbers of several chunks, in order, as one."""
    if all(isinstance(times, list) for times, _ in chunks):
        return [t for times, _ in chunks for t in times], [
            seq for _, seqs in chunks for seq in seqs
        ]
    times, seqs = zip(*chunks, strict=True)
    return np.concatenate(times), np.concatenate(seqs)
