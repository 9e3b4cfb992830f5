"""The receiver: in-order delivery, delayed and quick ACKs, SACK and DSACK blocks (``tcp_input.c``,
RFC 5681 4.2).

Packets and ACKs cross in order of time; every packet carries the time it was sent, which the ACK
echoes as TCP timestamps do: the echo is that of the packet that last moved the left edge (RFC 7323
section 4.3).
"""

from __future__ import annotations

from collections.abc import Sequence

from ccsim.ints import Ints, as_ints, place
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.delack import MAX_QUICKACKS, DelayedAck, Exchange
from ccsim.tcp.ecn import EcnEcho
from ccsim.tcp.ecn_hooks import HookEcho
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.sack_blocks import (
    Blocks,
    above,
    as_blocks,
    leading,
    reported,
    with_duplicate,
)
from ccsim.tcp.sock import UNBOUNDED
from ccsim.tcp.writer import BulkWriter

__all__ = ["Receiver"]

BLOCKS_WITH_TIMESTAMPS = 3  # what fits beside the timestamps option (RFC 2018 section 3)


class Receiver(DelayedAck):
    """One connection's receiver.

    Linux starts with 16 quick ACKs and adds one for each packet while the advertised window grows,
    which with a 32 MiB buffer is 1449 packets long. After that the second packet elicits an ACK,
    disorder, the FIN, the end of a write as the application reads it, the timer, or the
    application's own data (`ccsim.tcp.delack`). Two short packets are as good as two full ones: the
    read of the second elicits the ACK (``ICSK_ACK_PUSHED2``). What is simpler than in Linux stands
    in `ccsim.tcp`.
    """

    __slots__ = (
        "blocks_max",
        "delayed",
        "echo_us",
        "ecn",
        "ends",
        "exchange",
        "fin",
        "now",
        "pushed",
        "rcv_nxt",
        "sacks",
        "starts",
        "unacked",
        "writer",
    )

    def __init__(self, host: Host, quickacks: int, *, delayed: bool = True) -> None:
        super().__init__(host, quickacks)
        self.ecn: EcnEcho | HookEcho | None = EcnEcho() if host.ecn else None
        self.blocks_max = BLOCKS_WITH_TIMESTAMPS + (not host.timestamps)
        self.delayed = delayed
        self.now = False  # the next packet is acknowledged at once (ICSK_ACK_NOW)
        self.exchange: Exchange | None = None  # of requests and responses
        self.pushed: set[int] = set()  # packets that bear PSH: the reader empties the queue at them
        self.fin = UNBOUNDED  # the packet that bears the FIN; it is acknowledged at once
        self.writer: BulkWriter | None = None  # who ends bursts, if that is to be modelled
        self.rcv_nxt = 0
        self.unacked = 0  # packets received in order since the last ACK
        self.echo_us = 0
        self.starts = Ints()  # the out-of-order queue: disjoint ranges [start, end), ascending
        self.ends = Ints()
        self.sacks: Blocks = as_blocks(())  # what is reported of it, the latest changed first

    def see_ecn(self, seq: int, *, ect: bool, ce: bool, cwr: bool, packets: int = 1) -> None:
        """Take the ECN marks of packet ``seq``, which is received next; of so many merged ones from
        it on."""
        if self.ecn is None:
            return
        if ce:
            self.ecn.saw_ce(packets)
        if cwr:
            self.ecn.accept_cwr()
        if seq >= self.rcv_nxt and not self._holds(seq, place(self.starts, seq)):
            quick = self.ecn.check(ect=ect, ce=ce)
            if quick > 1:
                self.go_quick(quick)
            self.now = quick > 0
        if cwr:
            self.now = True  # the sender's window may be very small

    def receive_merged(self, t: int, seq: int, count: int, tx_us: int, acks: AckRows) -> None:
        """Take ``count`` packets from ``seq`` on, the next in order, that arrive as one: they are
        acknowledged as one.

        ``tx_us`` is when the first was sent [us]; nothing is in the out-of-order queue.
        """
        if self.delack_ns <= t:
            self._fire(acks)
        if not self.unacked:
            self.echo_us = tx_us
        self.rcv_nxt = seq + count
        self.unacked += count
        self.adapt(t)
        pushed = bool(self.pushed) and not self.pushed.isdisjoint(range(seq, seq + count))
        if self.unacked > 1 or self.now or not self.delayed or self._is_prompt(pushed):
            self._ack(t, acks)
        else:
            self.delack_ns = self.expiry(t)
        if pushed:
            self._read(t)

    def special_ack(self, t: int, number: int, acks: AckRows) -> None:
        """Acknowledge ``number`` packets, fewer than there are, and leave all else as it is: how
        DCTCP reports what came before a change of marks (``__tcp_send_ack``)."""
        blocks: Blocks | None = leading(self.sacks, self.blocks_max) or None
        if self.ecn is not None and self.ecn.ece:
            blocks = self.ecn.bear(blocks or ())
        acks.add(t, number, self.echo_us, blocks)

    def flush(self, before_ns: int, acks: AckRows) -> None:
        """Send the delayed ACK if it is due before ``before_ns``."""
        if self.delack_ns < before_ns:
            self._fire(acks)

    def receive(
        self, times: Sequence[int], seqs: Sequence[int], tx_us: Sequence[int], acks: AckRows
    ) -> None:
        """Take packets ``seqs`` that arrive at ``times`` [ns] and were sent at ``tx_us`` [us];
        append ACKs."""
        waits_ns = NEVER  # since when a packet waits for its ACK, if `delack_ns` is a bound only
        near_ns, ato_min, lrcv_ns = self.near_ns, self.ato_min, self.lrcv_ns
        least_ns = ato_min * self.host.jiffy_ns
        at, numbers, sent = as_ints(times), as_ints(seqs), as_ints(tx_us)
        t_cells, seq_cells, tx_cells = at.cells, numbers.cells, sent.cells
        for k in range(len(at)):
            t, seq, tx = t_cells[k], seq_cells[k], tx_cells[k]
            if self.delack_ns <= t:
                if waits_ns != NEVER:
                    self.delack_ns, waits_ns = self.expiry(waits_ns), NEVER
                if self.delack_ns <= t:
                    self._fire(acks)
            if seq == self.rcv_nxt and not self.starts:
                if not self.unacked:
                    self.echo_us = tx
                self.rcv_nxt = seq + 1
                self.unacked += 1
                if t - lrcv_ns >= near_ns or self.ato != ato_min:
                    self.lrcv_ns = lrcv_ns
                    self.adapt(t)
                lrcv_ns = t
                pushed = seq in self.pushed if self.pushed else False
                if (
                    self.unacked > 1
                    or (self.quick and not self.pingpong)
                    or seq == self.fin
                    or not self.delayed
                    or self.now
                    or (pushed and not self.pingpong)
                ):
                    self._ack(t, acks)
                elif pushed or self.ato != ato_min:
                    self.delack_ns, waits_ns = self.expiry(t), NEVER
                else:
                    self.delack_ns, waits_ns = t + least_ns, t
                if pushed:
                    self.pushed.discard(seq)
                    self.lrcv_ns = t
                    self._read(t)
            elif seq > self.rcv_nxt:
                before = place(self.starts, seq)
                if self._holds(seq, before):
                    self._duplicate(t, seq, tx, acks)
                else:
                    self._out_of_order(t, seq, before, acks)
            elif seq == self.rcv_nxt:
                self.lrcv_ns = lrcv_ns
                self._fill_gap(t, seq, tx, acks)
                lrcv_ns = t
            else:
                self._duplicate(t, seq, tx, acks)
        self.lrcv_ns = lrcv_ns
        if waits_ns != NEVER and self.delack_ns != NEVER:
            self.delack_ns = self.expiry(waits_ns)

    def _is_prompt(self, pushed: bool) -> bool:
        """Report whether quick mode or the read of a write's end elicits an ACK at once
        (``tcp_in_quickack_mode``, ``tcp_cleanup_rbuf``)."""
        return not self.pingpong and (pushed or self.quick > 0)

    def _fire(self, acks: AckRows) -> None:
        """Send the ACK that waits, as it is due: with the application's data, or alone."""
        t = self.delack_ns
        if self.rides:
            self.rides = False
            self.answer(t)
        else:
            self.missed()
        self._ack(t, acks)

    def _read(self, t: int) -> None:
        """Let the client read what has come by ``t``; if that completes a response it thinks, and
        an ACK that still waits rides on its next request."""
        exchange = self.exchange
        if exchange is None or self.rcv_nxt < exchange.packets:
            return
        exchange.packets = NEVER
        exchange.asked_ns = leaves = t + exchange.think_ns
        if not self.unacked:
            self.answer(leaves)
        elif leaves <= self.delack_ns:
            self.delack_ns, self.rides = leaves, True

    def in_plain_order(self) -> bool:
        """Report whether nothing but packets in order, and their number, elicits ACKs."""
        plain = self.ecn is None and self.writer is None and not self.starts
        return plain and self.is_settled()

    def is_prompt(self, first_ns: int, gap_ns: int) -> bool:
        """Report whether packets from ``first_ns`` on, ``gap_ns`` apart, come before the delayed
        ACK is due, of the one that waits and of all that follow."""
        near_ns = self.near_ns
        return first_ns < self.delack_ns and first_ns - self.lrcv_ns < near_ns and gap_ns < near_ns

    def plain_ahead(self) -> int:
        """Return how many packets are to come before the next that bears PSH or FIN."""
        ahead = self.before_push() if self.pushed else NEVER
        return max(min(ahead, self.fin - self.rcv_nxt), 0)

    def before_push(self) -> int:
        """Return how many packets are to come before the next that bears PSH."""
        self.pushed.difference_update([seq for seq in self.pushed if seq < self.rcv_nxt])
        return min(self.pushed, default=NEVER) - self.rcv_nxt

    @property
    def sacks_alone(self) -> bool:
        """Whether what is out of order elicits SACKs and nothing else."""
        return self.host.sack and self.ecn is None and self.writer is None

    def extends_sack(self, seq: int) -> bool:
        """Report whether `receive_sacked` can take packet ``seq`` and those that follow it, if
        `sacks_alone`: beyond all that has arrived, each makes the first block grow by it."""
        return bool(self.starts and self.sacks) and self.ends[-1] == self.sacks[0][1] == seq

    def receive_sacked(self, count: int) -> tuple[tuple[int, int], Blocks, int]:
        """Take ``count`` packets at once (see `extends_sack`); return what their ACKs have in
        common: the packets received in order and where the first block starts, the other blocks,
        the echo [us]."""
        start, end = self.sacks[0]
        self.ends.cells[len(self.ends) - 1] = end + count
        self.sacks = as_blocks(((start, end + count), *self.sacks[1:]))
        if 0 < self.quick <= count:
            self.ato = self.ato_min
        self.quick = max(0, self.quick - count)
        self.unacked = 0
        self.delack_ns = NEVER
        return (self.rcv_nxt, start), self.sacks[1 : self.blocks_max], self.echo_us

    def _ack(
        self,
        t: int,
        acks: AckRows,
        duplicate: int = -1,
        scheduled: bool = True,
    ) -> None:
        """Send an ACK, which reports packet ``duplicate`` if that is one; ``scheduled``: data that
        may be new is what it answers."""
        blocks: Blocks | None = None
        if duplicate >= 0 and self.host.dsack and self.host.sack:
            blocks = with_duplicate(self.sacks, duplicate, self.blocks_max)
        elif self.sacks and self.host.sack:
            blocks = leading(self.sacks, self.blocks_max)
        if self.ecn is not None and self.ecn.ece:
            blocks = self.ecn.bear(blocks or ())
        acks.add(t, self.rcv_nxt, self.echo_us, blocks)
        if self.quick and scheduled:
            self.count_quick()
        self.unacked = 0
        self.delack_ns = NEVER
        self.now = self.rides = False
        if self.writer is not None:
            self.writer.acknowledged(self.rcv_nxt, self.pushed)

    def _holds(self, seq: int, k: int) -> bool:
        """Report whether the out-of-order queue has packet ``seq``; ``k`` ranges start at or before
        it."""
        return k > 0 and seq < self.ends.cells[k - 1]

    def _fill_gap(self, t: int, seq: int, tx_us: int, acks: AckRows) -> None:
        """Take the packet at the left edge; what it joins is delivered with it, and it is
        acknowledged at once."""
        if not self.unacked:
            self.echo_us = tx_us
        self.rcv_nxt = seq + 1
        self.adapt(t)
        if self.starts.cells[0] == self.rcv_nxt:
            self.rcv_nxt = self.ends.pop(0)
            self.starts.pop(0)
        self.sacks = above(self.sacks, self.rcv_nxt)  # what lies below is no longer reported
        self._ack(t, acks)
        self._read(t)

    def _out_of_order(self, t: int, seq: int, k: int, acks: AckRows) -> None:
        """Queue a packet beyond a gap, behind ``k`` ranges, and report it first
        (``tcp_data_queue_ofo``, ``tcp_sack_new_ofo_skb``)."""
        starts, ends = self.starts, self.ends
        first, past = starts.cells, ends.cells
        joins_left = k > 0 and past[k - 1] == seq
        joins_right = k < len(starts) and first[k] == seq + 1
        if joins_left and joins_right:
            past[k - 1] = ends.pop(k)
            starts.pop(k)
        elif joins_left:
            past[k - 1] = seq + 1
        elif joins_right:
            first[k] = seq
        else:
            starts.insert(k, seq)
            ends.insert(k, seq + 1)
        self.sacks = reported(self.sacks, seq, joins_left, joins_right)
        self._ack(t, acks)

    def _duplicate(self, t: int, seq: int, tx_us: int, acks: AckRows) -> None:
        """Report a packet that was there already, at once (RFC 2883), and go quick for a while if
        it had been received in order."""
        scheduled = True
        if seq < self.rcv_nxt:
            self.go_quick(MAX_QUICKACKS)
            if seq >= self.rcv_nxt - self.unacked - 1:
                self.echo_us = max(self.echo_us, tx_us)
            else:
                # What lies wholly below the last ACK is refused before its timestamp is looked at,
                # and its ACK is no quick one (``tcp_send_dupack``).
                scheduled = self.unacked > 0
        self._ack(t, acks, seq, scheduled)
