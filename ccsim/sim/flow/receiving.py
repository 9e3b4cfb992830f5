"""The receiving side of a flow: what becomes of packets that the link has carried, and the ACKs
that set out.

Packets that arrive as columns are taken at once where they come in plain order, or beyond one gap;
else one by one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ccsim.ints import Ints, as_ints, in_us, kept, later, least, picked
from ccsim.net.batch import Batch, as_column
from ccsim.net.link import SYN_SEQ
from ccsim.sim.ack_path import AckPath
from ccsim.sim.acks import PlainAcks, Sacks
from ccsim.sim.flow.codepoints import Codepoints
from ccsim.sim.flow.path import FlowPath
from ccsim.sim.flow.reception import Reception
from ccsim.sim.flow.sending import SendingSide
from ccsim.sim.lateness import Handover
from ccsim.spec import Receiver as ReceiverSpec
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.ecn import EcnEcho
from ccsim.tcp.ecn_hooks import HookEcho
from ccsim.tcp.host import NEVER
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.receiver_train import plain_prefix, receive_train
from ccsim.tcp.thresholds import thresholds

__all__ = ["SACK_ROWS", "TRAIN_ROWS", "ReceivingSide", "Runs", "WayBack"]

Column = NDArray[np.int64]

TRAIN_ROWS = thresholds().received
SACK_ROWS = thresholds().beyond_gap
ROWS_ONE_BY_ONE = thresholds().one_by_one


class WayBack(Protocol):
    """Hops that ACKs cross on their way to the sender."""

    def send_acks(self, acks: AckRows) -> None:
        """Put ACKs on their way."""

    def send_ack_train(self, times: Column, numbers: Column, echoes: Column) -> None:
        """Put plain ACKs on their way."""


class ReceivingSide:
    """A receiver, and what lies between it and the sender on the way back.

    ``late`` is what a late host makes of packets, ``ack_path`` what befalls ACKs, ``way_back`` the
    hops that they cross; without those they reach the ``sender`` after the path's delay.
    ``reception`` takes the packets where they are looked at one by one. Of all that was sent,
    ``delivered`` packets reach the receiver before the run ends and ``arriving`` later, and the
    queue has ``dropped`` others.
    """

    def __init__(
        self,
        receiver: Receiver,
        path: FlowPath,
        sender: SendingSide,
        host: ReceiverSpec,
        *,
        vector: bool,
        run_end_ns: int,
        late: Handover | None,
        ack_path: AckPath | None,
        way_back: WayBack | None,
    ) -> None:
        self.receiver = receiver
        self.path = path
        self.sender = sender
        self.vector = vector
        self.run_end_ns = run_end_ns
        self.late = late
        self.ack_path = ack_path
        self.way_back = way_back
        self.delivered = 0
        self.arriving = 0
        self.dropped = 0
        self.reception: Reception | None = None
        if host.gro_packets > 1:
            self.reception = Reception(self, None, host.gro_packets, host.gro_ns)

    def use_ecn(self, echo: EcnEcho | HookEcho, codepoints: Codepoints) -> None:
        """Look at what packets bear from now on, and echo marks as ``echo`` does."""
        self.receiver.ecn = echo
        if self.reception is None:
            self.reception = Reception(self, codepoints)
        self.reception.codepoints = codepoints

    # --- packets ---

    def deliver(self, batch: Batch) -> None:
        """Take what the link made of a batch: the receiver sees what was not dropped, and its ACKs
        set out."""
        if self.reception is not None:
            self.reception.deliver(batch)
            return
        departures = batch.departures
        handshake = len(batch.odd) > 0 and SYN_SEQ in batch.odd
        if (
            isinstance(departures, Ints)
            or not isinstance(departures, np.ndarray)
            or len(departures) < TRAIN_ROWS
            or handshake
        ):
            self._deliver_rows(
                as_ints(departures), as_ints(batch.seqs), as_ints(batch.arrivals), handshake
            )
            return
        arrivals = departures + self.path.out_ns
        sent = as_column(batch.arrivals)
        if self.path.access_ns:
            sent = sent - self.path.access_ns
        seqs = as_column(batch.seqs)
        if int(departures.min()) < 0:
            kept = departures >= 0
            arrivals, sent, seqs = arrivals[kept], sent[kept], seqs[kept]
        self.count(len(departures), arrivals)
        if self.late is not None:
            arrivals = self.late.column(arrivals)
        self.receive(arrivals, seqs, sent)

    def count(self, sent: int, arrivals: Column) -> None:
        """Count that many packets sent, of which those that were not dropped arrive then [ns]."""
        late = 0
        if len(arrivals) and arrivals[-1] >= self.run_end_ns:
            late = len(arrivals) - int(arrivals.searchsorted(self.run_end_ns))
        self.dropped += sent - len(arrivals)
        self.arriving += late
        self.delivered += len(arrivals) - late

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
        n = len(times)
        if n and times.cells[n - 1] >= self.run_end_ns:
            late = len(times) - bisect_left(times, self.run_end_ns)
        self.arriving += late
        self.delivered += len(times) - late
        if self.late is not None:
            times = as_ints(self.late.times(times))
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
        """Give packets that arrive at ``times`` [ns] and left at ``sent_ns`` [ns] to the receiver,
        at once where that may be, and let its ACKs set out."""
        receiver = self.receiver
        alone = self.ack_path is None and self.way_back is None
        by_runs = self.vector and alone and receiver.sacks_alone
        runs: Runs | None = None
        done, n = 0, len(times)
        while done < n:
            acks = AckRows()
            receiver.flush(int(times[done]) + 1, acks)
            self.send_acks(acks)
            count = plain_prefix(receiver, times[done:], seqs[done:]) if self.vector else 0
            if count >= TRAIN_ROWS:
                stop = done + count
                self._receive_plain(times[done:stop], sent_ns[done:stop])
                done = stop
                continue
            stop = min(n, done + max(count, ROWS_ONE_BY_ONE))
            if by_runs and count < n - done:
                runs = runs or Runs(seqs)
                end = runs.end(done)
                if end - done >= SACK_ROWS and receiver.extends_sack(int(seqs[done])):
                    self._receive_sacked(times[done:end], seqs[done:end])
                    done = end
                    continue
                stop = max(done + count, runs.short_until(done, ROWS_ONE_BY_ONE))
            acks = AckRows()
            sent_us = as_ints(sent_ns[done:stop] // 1000)
            receiver.receive(as_ints(times[done:stop]), as_ints(seqs[done:stop]), sent_us, acks)
            self.send_acks(acks)
            done = stop

    def _receive_plain(self, times: Column, sent_ns: Column) -> None:
        at, numbers, echoes = receive_train(self.receiver, times, sent_ns)
        if self.ack_path is not None:
            at, numbers, echoes = self.ack_path.train(at, numbers, echoes)
        if not len(at):
            return
        if self.way_back is not None:
            self.way_back.send_ack_train(at, numbers, echoes)
        else:
            self.sender.hear_train(PlainAcks(at + self.path.back_ns, numbers, echoes))

    def _receive_sacked(self, times: Column, seqs: Column) -> None:
        """Take packets beyond a gap, each of which the receiver SACKs beyond the one before."""
        known, rest, echo_us = self.receiver.receive_sacked(len(seqs))
        at = times + self.path.back_ns
        self.sender.hear_train(Sacks(at, seqs + 1, known, rest, echo_us))

    # --- ACKs ---

    def flush(self, horizon_ns: int) -> None:
        """Send the delayed ACK if it reaches the sender before the horizon: no packet can come
        before it is due."""
        if self.way_back is None:
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
        if not acks:
            return
        if self.way_back is not None:
            self.way_back.send_acks(acks)
        else:
            acks.back_ns = self.path.back_ns
            self.sender.hear(acks)


class Runs:
    """The runs of consecutive numbers among packets."""

    __slots__ = ("ends",)

    def __init__(self, seqs: Column) -> None:
        breaks = np.flatnonzero(seqs[1:] - seqs[:-1] != 1) + 1
        self.ends: list[int] = [*breaks.tolist(), len(seqs)]

    def end(self, k: int) -> int:
        """Return where the run of packet ``k`` ends."""
        return self.ends[bisect_right(self.ends, k)]

    def short_until(self, k: int, most: int) -> int:
        """Return up to where packets from ``k`` on go one by one: the first of a long run by
        itself, as it may only open a gap; short runs up to the next long one, about ``most``
        packets."""
        ends = self.ends
        at = bisect_right(ends, k)
        if ends[at] - k > SACK_ROWS:
            return k + 1
        while at + 1 < len(ends) and ends[at] < k + most and ends[at + 1] - ends[at] <= SACK_ROWS:
            at += 1
        return ends[at]
