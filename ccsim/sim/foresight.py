"""Windows that reach beyond the horizon: one flow alone on a link that never rests.

What such a link does is known before the packets come: they leave back to back, the receiver
acknowledges every second, and the ACKs come at times that depend on nothing that the sender has yet
to decide. So a sender may take the ACKs of several windows as one train. That every packet that it
sends then finds the link busy, and room in the queue, is checked before anything is done; up to the
first for which it does not hold, the link and the receiver do exactly what was foreseen, and they
do it when the window is over, as in any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.errors import InvariantError
from ccsim.net.link import Link
from ccsim.sim.acks import PlainAcks
from ccsim.sim.flow.receiving import ReceivingSide
from ccsim.sim.flow.sending import SendingSide
from ccsim.tcp.host import NEVER
from ccsim.tcp.long_train import LongTrain, may_take_long_train
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.receiver_train import elicits

__all__ = ["Foreseen", "confirm", "foresee", "may_foresee"]

Column = NDArray[np.int64]

LEAST_PACKETS = 32  # below that nothing is gained
MOST_PACKETS = 16384  # that are foreseen: more of them cost what they cost one window at a time
MOST_WINDOWS = 16
LEAST_WINDOWS = 3  # of so many packets: fewer cost more than windows that come one by one


class Foreseen:
    """What a flow has done up to ``horizon_ns``: it has taken ``rows`` ACKs that have not been
    sent."""

    __slots__ = ("horizon_ns", "rows")

    def __init__(self, horizon_ns: int, rows: int) -> None:
        self.horizon_ns = horizon_ns
        self.rows = rows


def may_foresee(sending: SendingSide, receiving: ReceivingSide, link: Link) -> bool:
    """Report whether nothing but the queue lies between the sender and the receiver, and the ACKs
    under way are plain and answer all that has left the queue."""
    receiver, sk = receiving.receiver, sending.sk
    return (
        sending.vector
        and link.vector
        and link.marker is None
        and link.fifo.loss is None
        and sending.application.source is None
        and receiving.reception is None
        and receiving.ack_path is None
        and receiving.late is None
        and sending.late is None
        and sending.connected
        and not sending.closed
        and bool(sending.acks)
        and sk.nxt - receiver.rcv_nxt == len(sending.waiting[0])
        and receiver.in_plain_order()
        and may_take_long_train(sk)
        and _plain_acks(sending) is not None
    )


def _plain_acks(sending: SendingSide) -> list[PlainAcks] | None:
    """Return the ACKs under way if all are plain and in columns."""
    acks = sending.acks
    plain = [rows for rows in acks if isinstance(rows, PlainAcks)]
    return plain if len(plain) == len(acks) else None


def foresee(
    sending: SendingSide, receiving: ReceivingSide, link: Link, until_ns: int
) -> Foreseen | None:
    """Let a flow, alone on the link, take the ACKs that will come before ``until_ns``, as far as
    they can be foreseen (if `may_foresee`); None, and nothing has changed, if that is no further
    than they are known."""
    acks = _plain_acks(sending)
    if not acks:
        return None
    t = np.concatenate([rows.t[rows.at :] for rows in acks])
    una = np.concatenate([rows.numbers[rows.at :] for rows in acks])
    known = len(t)
    if not known or t[0] > sending.sk.timer_ns:
        return None
    packets = _full_packets(sending, receiving.receiver)
    if packets < LEAST_PACKETS:
        return None
    path = _Path(sending, receiving.receiver, link, packets)
    if not receiving.receiver.is_prompt(path.first_ns, path.service_ns):
        return None
    t, una = np.concatenate((t, path.acks_ns)), np.concatenate((una, path.numbers))
    return _take(sending, path, t, una, known, until_ns)


def _full_packets(sending: SendingSide, receiver: Receiver) -> int:
    """Return how many packets are worth foreseeing: full ones that are like the others."""
    if LEAST_WINDOWS * sending.sk.snd_cwnd > MOST_PACKETS:
        return 0
    received = receiver.rcv_nxt
    odd = sending.application.odd_last
    short = min((packet for packet in odd if packet >= received), default=NEVER)
    most = min(MOST_PACKETS, MOST_WINDOWS * sending.sk.snd_cwnd)
    return min(most, receiver.plain_ahead(), short - received)


class _Path:
    """What a link without rest makes of the next ``packets`` packets."""

    def __init__(self, sending: SendingSide, receiver: Receiver, link: Link, packets: int) -> None:
        fifo, path = link.fifo, sending.path
        self.sending, self.limit = sending, fifo.limit
        self.first = receiver.rcv_nxt  # the number of the first packet
        before = fifo.queued()
        self.inside = np.concatenate((before, fifo.back_to_back(packets, link.full_bytes)))
        self.before = len(before)  # of them are packets that have been queued already
        self.last_ns = fifo.last_ns
        departures = self.inside[self.before :]
        answered = elicits(receiver, packets)
        self.acks_ns = departures[answered] + (path.out_ns + path.back_ns)
        self.numbers = answered + (self.first + 1)
        self.first_ns = int(departures[0]) + path.out_ns
        self.service_ns = fifo.service_ns(link.full_bytes)

    def next_ack_ns(self, received: int) -> int:
        """Return the earliest time at which an ACK comes that these packets do not elicit [ns]:
        a gap before it, and the next packet has its ACK at once."""
        departure = int(self.inside[self.before + received - self.first])
        path = self.sending.path
        return departure + path.out_ns + path.back_ns

    def as_foreseen(self, sent_ns: Column) -> int:
        """Return how many packets, those that wait and those that leave the sender at ``sent_ns``
        [ns], find the link busy and room in the queue."""
        access_ns, waiting = self.sending.path.access_ns, self.sending.waiting[0]
        arrivals = np.concatenate((np.array(waiting, dtype=np.int64), sent_ns + access_ns))
        n = min(len(arrivals), len(self.inside) - self.before)
        arrivals = arrivals[:n]
        if not n:
            return 0
        if arrivals[0] > self.last_ns:
            return 0
        rests = arrivals[1:] > self.inside[self.before : self.before + n - 1]
        first = int(rests.argmax()) + 1 if rests.any() else n
        skip = self.limit - self.before  # the first packet that has `limit` others before it
        if skip < first:
            full = self.inside[: first - skip] > arrivals[skip:first]
            if full.any():
                first = skip + int(full.argmax())
        return first


def _take(
    sending: SendingSide, path: _Path, t: Column, una: Column, known: int, until_ns: int
) -> Foreseen | None:
    """Take as many of the ACKs as come as foreseen, at least all that are known and one more."""
    sk = sending.sk
    rows = min(int(t.searchsorted(until_ns)), len(t) - 1)
    if rows <= known:
        return None
    sending.recorder.catch_up(sk, int(t[0]))
    train = LongTrain(sk, t, una, known)
    while rows > known:
        taken = train.plan(rows)
        if taken <= known:
            break
        sent_ns = train.planned.sent_ns
        sound = int(una.searchsorted(path.first + path.as_foreseen(sent_ns), side="right"))
        if sound < taken:
            train.undo()
            rows = sound
            continue
        instants = sending.recorder.instants(int(t[0]), int(t[taken - 1]))
        outcome = train.take(instants)
        if outcome is None:
            break
        sending.recorder.take(sk, outcome.samples)
        sending.left(sent_ns)
        sending.acks.clear()
        if sending.tally is not None:
            sending.tally.add("foreseen", taken)
        return Foreseen(min(path.next_ack_ns(int(una[taken - 1])), until_ns), taken - known)
    train.undo()
    return None


def confirm(sending: SendingSide, foreseen: Foreseen) -> None:
    """Let go of the ACKs that were taken before they were sent.

    InvariantError if those that the receiver has sent are others: a mistake of ours.
    """
    left, acks = foreseen.rows, sending.acks
    sk, una = sending.sk, -1
    while left and acks:
        rows = acks[0]
        part = min(left, len(rows) - rows.at)
        if part:
            _, una, sk.echo_us, _ = rows.row(rows.at + part - 1)
            rows.at += part
        if rows.at == len(rows):
            acks.pop(0)
        left -= part
    rows_left = acks[0] if acks else None
    late = rows_left is None or rows_left.time(rows_left.at) >= foreseen.horizon_ns
    if left or una != sk.una or not late:
        raise InvariantError(
            f"flow {sending.index}: expected ACKs up to packet {sk.una} before "
            f"{foreseen.horizon_ns} ns, as foreseen, but they came otherwise; please report this"
        )
