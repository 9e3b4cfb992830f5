"""What an application makes of a flow: what is written, what its acknowledgement means, and the
FIN at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.net.batch import Values, as_list
from ccsim.net.link import ACK_BYTES, ACK_SEQ, HEADER_BYTES, SYN_BYTES, SYN_SEQ
from ccsim.sim.acks import TrainRows
from ccsim.sim.recorder import FlowRecorder
from ccsim.sim.source import Source
from ccsim.tcp.host import NEVER
from ccsim.tcp.output import write_xmit
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.sender import Sender
from ccsim.tcp.sock import UNBOUNDED

__all__ = ["Writing", "before_source", "joined"]

Column = NDArray[np.int64]


class Writing:
    """The application's side of a flow.

    ``source`` says when it writes; without one all is written from the start. The last packet bears
    a FIN, or a bare one follows it if the application closes only after it has left. The flow is
    complete (``completed_ns``) when all data is acknowledged, and closes (``closed_ns``) when the
    FIN is. ``odd_last`` holds the wire sizes of packets that are not full by their numbers.
    """

    sk: Sender
    receiver: Receiver
    recorder: FlowRecorder
    odd_last: dict[int, int]
    connected: bool
    passive: bool
    waiting: tuple[list[int], list[int]]

    def __init__(self) -> None:
        self.source: Source | None = None
        self.completed_ns: int | None = None
        self.closed_ns: int | None = None
        self._handshake = True  # its packets have not all been handed to the link

    def _close(self, t_ns: int) -> None:
        """End the flow: nothing is outstanding."""
        raise NotImplementedError

    def _begin_writing(self, t_ns: int) -> None:
        """Write the first data, when the connection is established."""
        if self.source is not None:
            self.source.begin(t_ns)
            self._source_acted(t_ns)
            return
        self.sk.begin()
        if self.sk.write_limit < UNBOUNDED:
            self._shut_down(t_ns)

    def _watched(self) -> tuple[int, int]:
        """Return the number of packets whose acknowledgement means something to the application,
        and when it writes next [ns]."""
        source = self.source
        end = self.sk.write_limit if self.completed_ns is not None else self._data_end()
        if source is None:
            return end, NEVER
        wake = source.wake_una
        return min(wake, end) if source.done else wake, source.next_ns

    def _data_end(self) -> int:
        """Return how many packets bear data, so far as they are written."""
        return min(self.sk.write_limit, self.recorder.bare_fin)

    def _acknowledged(self, t_ns: int) -> bool:
        """Let the application act on what has been acknowledged; True if that was the last."""
        source = self.source
        if source is not None:
            if self.sk.una >= source.wake_una:
                source.acked(t_ns)
                self._source_acted(t_ns)
            if not source.done or self.sk.una < self._data_end():
                return False
        if self.completed_ns is None:
            self.completed_ns = t_ns
        if self.sk.una < self.sk.write_limit:
            return False
        if self.closed_ns is None:
            self._close(t_ns)
        return True

    def _source_acted(self, t_ns: int) -> None:
        """Shut the connection down once the source has written all it will."""
        if self.source is not None and self.source.done and self.receiver.fin == UNBOUNDED:
            self._shut_down(t_ns)

    def stop_writing(self, t_ns: int) -> None:
        """Let the application write no more; the connection closes when all is acknowledged."""
        sk = self.sk
        if self.source is not None:
            self.source.stop()
        elif sk.nxt < sk.write_limit:
            sk.write_limit = sk.nxt
            self.receiver.fin = self.recorder.bare_fin = (
                UNBOUNDED  # it comes earlier than it was to
            )
        if not self.connected:
            self._close(t_ns)
        elif self.receiver.fin == UNBOUNDED:
            if sk.una >= sk.write_limit:
                self.completed_ns = t_ns
            self._shut_down(t_ns)

    def _shut_down(self, t_ns: int) -> None:
        """Send the FIN: with the last packet if that has not left, else in a packet of its own
        (``tcp_send_fin``)."""
        sk = self.sk
        if sk.nxt >= sk.write_limit:
            if self.source is not None:
                self.source.short[sk.write_limit] = 0
            self.odd_last = {**self.odd_last, sk.write_limit: HEADER_BYTES}
            if self.source is None:
                sk.runts = self.odd_last
            self.recorder.bare_fin = sk.write_limit
            sk.write_limit += 1
            sk.set_clock(t_ns)
            write_xmit(sk)
        self.receiver.fin = sk.write_limit - 1

    def _odd_sizes(self, seqs: Values) -> dict[int, int]:
        """Return the sizes of packets that are not full-sized, if there may be any among these."""
        if self._handshake:
            self._handshake = self._handshake_follows(seqs)
            odd = {SYN_SEQ: SYN_BYTES, ACK_SEQ: ACK_BYTES, **self.odd_last}
            return odd | self._short_sizes(seqs)
        if self.source is not None:
            return self._short_sizes(seqs)
        if self.odd_last and not self.odd_last.keys().isdisjoint(as_list(seqs)):
            return self.odd_last
        return {}

    def _short_sizes(self, seqs: Values) -> dict[int, int]:
        """Return the sizes of those of a source's packets that are short."""
        short = self.source.short if self.source is not None else {}
        return {s: short[s] + HEADER_BYTES for s in as_list(seqs) if s in short} if short else {}

    def _handshake_follows(self, seqs: Values) -> bool:
        """Report whether packets of the handshake may come after these."""
        if self.passive:
            return not self.connected or SYN_SEQ in self.waiting[1]
        return ACK_SEQ not in as_list(seqs)


def before_source(rows: TrainRows, stop: int, source: Source) -> int:
    """Return how many ACKs come before the source acts: those of the instant of a write, and those
    that do not wake it."""
    stop = min(stop, int(np.searchsorted(rows.t, source.next_ns, side="right")))
    return min(stop, int(np.searchsorted(rows.numbers, source.wake_una)))


def joined(chunks: list[tuple[Values, Values]]) -> tuple[Values, Values]:
    """Return times and packet numbers of several chunks, in order, as one."""
    if not chunks:
        return [], []
    if len(chunks) == 1:
        return chunks[0]
    if all(isinstance(times, list) for times, _ in chunks):
        return [t for times, _ in chunks for t in times], [
            seq for _, seqs in chunks for seq in seqs
        ]
    times, seqs = zip(*chunks, strict=True)
    return np.concatenate(times), np.concatenate(seqs)
