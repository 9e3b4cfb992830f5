"""A socket's error queue: sends without a copy that are done, and timestamps of what was sent
(``skb_zerocopy_notify``, ``__skb_tstamp_tx``)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

__all__ = ["ErrorQueue", "Notice"]

ORIGIN_TIMESTAMPING, ORIGIN_ZEROCOPY = 4, 5  # SO_EE_ORIGIN_…
ZEROCOPY_COPIED = 1  # SO_EE_CODE_…: the bytes of a device such as tun are copied after all
TSTAMP_SENT, TSTAMP_QUEUED, TSTAMP_ACKED = 0, 1, 2  # SCM_TSTAMP_SND, _SCHED, _ACK
ENOMSG = 42
FLAGS = {
    TSTAMP_QUEUED: "SOF_TIMESTAMPING_TX_SCHED",
    TSTAMP_SENT: "SOF_TIMESTAMPING_TX_SOFTWARE",
    TSTAMP_ACKED: "SOF_TIMESTAMPING_TX_ACK",
}


@dataclass
class Notice:
    """One message of the queue, by the names of ``sock_extended_err``; ``at_ns``: its timestamp, if
    it bears one."""

    errno: int
    origin: int
    code: int
    info: int
    data: int
    at_ns: int | None = None


@dataclass
class Tagged:
    """A byte of which the application wants to know when it leaves and is acknowledged."""

    seq: int
    key: int
    flags: frozenset[str]
    left: bool = False


@dataclass
class ErrorQueue:
    """``come``: how many notices there have been; ``stamping``: the flags of SO_TIMESTAMPING, and
    ``base`` the sequence number from which its keys count."""

    notices: deque[Notice] = field(default_factory=deque)
    come: int = 0
    stamping: frozenset[str] = frozenset()
    base: int = 1
    _calls: int = 0  # sends without a copy
    _copies: deque[tuple[int, int]] = field(default_factory=deque)  # end of the bytes, number
    _tagged: list[Tagged] = field(default_factory=list)

    def send_without_copy(self, end: int) -> None:
        """Number a send without a copy whose last byte stands before ``end``."""
        self._copies.append((end, self._calls))
        self._calls += 1

    def tag(self, seq: int) -> None:
        """Tag the last byte of a write (``tcp_tx_timestamp``)."""
        self._tagged.append(Tagged(seq, seq - self.base, self.stamping))

    def leave(self, t_ns: int, start: int, end: int) -> None:
        """Note that a segment leaves."""
        for tagged in self._tagged:
            if not tagged.left and start <= tagged.seq < end:
                tagged.left = True
                for kind in (TSTAMP_QUEUED, TSTAMP_SENT):
                    self._stamp(t_ns, tagged, kind)

    def acknowledge(self, t_ns: int, una: int) -> None:
        """Note that all before ``una`` is acknowledged."""
        while self._copies and self._copies[0][0] <= una:
            self._done(self._copies.popleft()[1])
        for tagged in self._tagged:
            if tagged.seq < una:
                self._stamp(t_ns, tagged, TSTAMP_ACKED)
        self._tagged = [tagged for tagged in self._tagged if tagged.seq >= una]

    def purge(self) -> None:
        """Let go of what waits: the connection is gone."""
        while self._copies:
            self._done(self._copies.popleft()[1])
        self._tagged.clear()

    def _done(self, call: int) -> None:
        """Tell that a send's bytes may be used again; neighbours are told as one."""
        self.come += 1
        last = self.notices[-1] if self.notices else None
        if last is not None and last.origin == ORIGIN_ZEROCOPY and last.data == call - 1:
            last.data = call
            return
        self.notices.append(Notice(0, ORIGIN_ZEROCOPY, ZEROCOPY_COPIED, call, call))

    def _stamp(self, t_ns: int, tagged: Tagged, kind: int) -> None:
        if FLAGS[kind] not in tagged.flags:
            return
        self.come += 1
        key = tagged.key if "SOF_TIMESTAMPING_OPT_ID" in tagged.flags else 0
        self.notices.append(Notice(ENOMSG, ORIGIN_TIMESTAMPING, 0, kind, key, t_ns))
