"""The application's side of a flow: what it writes, what an acknowledgement means to it, and the
FIN at the end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ccsim.net.batch import Values, as_list
from ccsim.net.link import HEADER_BYTES
from ccsim.sim.acks import AcksInColumns
from ccsim.sim.recorder import FlowRecorder
from ccsim.sim.source import Source
from ccsim.tcp.host import NEVER
from ccsim.tcp.output import write_xmit
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.sender import Sender
from ccsim.tcp.sock import UNBOUNDED

__all__ = ["Application", "before_source"]


class Application:
    """Writes to a flow, and closes it.

    ``source`` says when it writes; without one all is written from the start. The last packet bears
    a FIN, or a bare one follows it if the application closes only after it has left. The data is
    ``completed_ns`` when all of it is acknowledged, and ``close`` is called when the FIN is.
    ``odd_last`` holds the wire sizes of packets that are not full by their numbers.
    """

    def __init__(
        self,
        sk: Sender,
        receiver: Receiver,
        recorder: FlowRecorder,
        source: Source | None,
        odd_last: dict[int, int],
        close: Callable[[int], None],
    ) -> None:
        self.sk = sk
        self.receiver = receiver
        self.recorder = recorder
        self.source = source
        self.odd_last = odd_last
        self.close = close
        self.completed_ns: int | None = None

    def begin(self, t_ns: int) -> None:
        """Write the first data, when the connection is established."""
        if self.source is not None:
            self.source.begin(t_ns)
            self._source_acted(t_ns)
            return
        self.sk.begin()
        if self.sk.write_limit < UNBOUNDED:
            self._shut_down(t_ns)

    def watched(self) -> tuple[int, int]:
        """Return the number of packets whose acknowledgement means something to the application,
        and when it writes next [ns]."""
        source = self.source
        end = self.sk.write_limit if self.completed_ns is not None else self._data_end()
        if source is None:
            return end, NEVER
        wake = source.wake_una
        return min(wake, end) if source.done else wake, source.next_ns

    def _data_end(self) -> int:
        """Return how many of the packets written so far bear data."""
        return min(self.sk.write_limit, self.recorder.bare_fin)

    def acknowledged(self, t_ns: int) -> bool:
        """Act on what has been acknowledged; True if that was the last."""
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
        self.close(t_ns)
        return True

    def write(self, t_ns: int) -> None:
        """Let the source write what is due at ``t_ns``."""
        assert self.source is not None
        self.source.write(t_ns)
        self._source_acted(t_ns)

    def _source_acted(self, t_ns: int) -> None:
        """Shut the connection down once the source has written all it will."""
        if self.source is not None and self.source.done and self.receiver.fin == UNBOUNDED:
            self._shut_down(t_ns)

    def stop(self, t_ns: int, *, connected: bool) -> None:
        """Write no more; the connection closes when all is acknowledged."""
        sk = self.sk
        if self.source is not None:
            self.source.stop()
        elif sk.nxt < sk.write_limit:
            sk.write_limit = sk.nxt
            self.receiver.fin = self.recorder.bare_fin = (
                UNBOUNDED  # it comes earlier than it was to
            )
        if not connected:
            self.close(t_ns)
        elif self.receiver.fin == UNBOUNDED:
            if sk.una >= sk.write_limit:
                self.completed_ns = t_ns
            self._shut_down(t_ns)

    def closed(self, t_ns: int) -> None:
        """Note that the flow has closed."""
        if self.completed_ns is None:
            self.completed_ns = t_ns
        if self.source is not None:
            self.source.stop()

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

    def odd_sizes(self, seqs: Values) -> dict[int, int]:
        """Return the wire sizes of packets that are not full, if any of these may be [bytes]."""
        if self.source is not None:
            return self.short_sizes(seqs)
        if self.odd_last and not self.odd_last.keys().isdisjoint(as_list(seqs)):
            return self.odd_last
        return {}

    def short_sizes(self, seqs: Values) -> dict[int, int]:
        """Return the wire sizes of those of a source's packets that are short [bytes]."""
        short = self.source.short if self.source is not None else {}
        return {s: short[s] + HEADER_BYTES for s in as_list(seqs) if s in short} if short else {}


def before_source(rows: AcksInColumns, stop: int, source: Source) -> int:
    """Return how many ACKs come before the source acts: those of the instant of a write, and those
    that do not wake it."""
    stop = min(stop, int(np.searchsorted(rows.t, source.next_ns, side="right")))
    return min(stop, int(np.searchsorted(rows.numbers, source.wake_una)))
