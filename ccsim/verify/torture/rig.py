"""A path for one connection at a time, whose packets can be lost, held back and marked at will.

One sender, a bottleneck with a short buffer, a receiver: ccsim's own, row by row.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from ccsim.ints import Ints
from ccsim.kernel import TCP_CONGESTION, Kernel, Object
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN
from ccsim.sim.streams import FlowRandom, stream_seed
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.receiver import Receiver
from ccsim.verify.torture.probe import Probe, TortureSock

__all__ = ["MS", "RTT_NS", "UNDER_TEST", "Bench", "TortureConnection"]

MS = 1_000_000
RTT_NS = 40 * MS
SERVICE_NS = 2 * MS  # 500 packets/s: 20 packets fill the path
BUFFER = 20  # packets
MARK_FROM = 5  # packets in the queue from which on it marks
QUICKACKS = 16
WRITES = 40_000  # packets that the application has: a window out of bounds must come to an end
UNDER_TEST = "under.test"
Fate = Callable[[int, int, int], int]
"""What becomes of a packet (number, how often it was sent before, time [ns]): delay [ns], or -1."""


def _through(seq: int, copies: int, t_ns: int) -> int:
    return 0


class TortureConnection:
    """One connection under test; ``fate`` decides what the network does to each packet."""

    def __init__(self, index: int, host: Host, fate: Fate = _through) -> None:
        self.sk = sk = TortureSock(host)
        sk.index, sk.log, sk.serving, sk.acted = index, [], "", False
        sk.write_limit = WRITES
        sk.random = FlowRandom(stream_seed(1, "torture", index))
        self.receiver = Receiver(host, QUICKACKS)
        self.fate = fate
        self.ecn = host.ecn
        self._events: list[tuple[int, int, int, Any]] = []  # time, kind (1: ACK), order, what
        self._order = 0
        self._line_free_ns = 0
        self._copies: dict[int, int] = {}

    def next_ns(self) -> int:
        """Return when something happens next [ns]."""
        sk = self.sk
        first = self._events[0][0] if self._events else NEVER
        return min(first, self.receiver.delack_ns, sk.timer_ns, sk.pacing_ns)

    def step(self, t: int) -> None:
        """Let one thing happen at ``t``, when something is due: packet, ACK, timer, pacer."""
        sk, acks = self.sk, AckRows()
        if self.receiver.delack_ns <= t:
            self.receiver.flush(t + 1, acks)
        elif self._events and self._events[0][0] <= t:
            _, is_ack, _, what = heapq.heappop(self._events)
            if is_ack:
                sk.receive_ack(t, what)
            else:
                self._receive(t, what, acks)
        elif sk.timer_ns <= t:
            sk.fire_timer(sk.timer_ns)
        else:
            sk.on_pacing(t)
        for row in acks:
            self._push(row[0] + RTT_NS // 2, 1, row)
        self.send()

    def _receive(self, t: int, what: tuple[int, int, bool], acks: AckRows) -> None:
        seq, tx_us, ce = what
        if self.ecn:
            self.receiver.see_ecn(seq, ect=True, ce=ce, cwr=seq == self.sk.cwr_seq)
        self.receiver.receive([t], [seq], [tx_us], acks)

    def send(self) -> None:
        """Hand what the sender has sent to the network."""
        sk = self.sk
        for t, seq in zip(sk.out_t, sk.out_seq, strict=True):
            copies = self._copies.get(seq, 0)
            self._copies[seq] = copies + 1
            delay = self.fate(seq, copies, t)
            queue = max(self._line_free_ns - t, 0) // SERVICE_NS
            if delay < 0 or queue > BUFFER:
                continue
            self._line_free_ns = max(self._line_free_ns, t) + SERVICE_NS
            at = self._line_free_ns + RTT_NS // 2 - SERVICE_NS + delay
            self._push(at, 0, (seq, t // 1000, queue >= MARK_FROM))
        sk.out_t, sk.out_seq = Ints(), Ints()

    def _push(self, t: int, is_ack: int, what: Any) -> None:
        self._order += 1
        heapq.heappush(self._events, (t, is_ack, self._order, what))

    def hand_over(self, t: int) -> None:
        """Let the receiver have at once all that was sent, without a word to the sender."""
        sk = self.sk
        count = len(sk.out_seq)
        self.receiver.receive([t] * count, sk.out_seq, [t // 1000] * count, AckRows())
        sk.out_t, sk.out_seq = Ints(), Ints()


class Bench:
    """An emulated kernel with the algorithm under test, and connections whose time runs as one."""

    def __init__(self, probe: Probe, *, ecn: bool | None = None) -> None:
        self.probe = probe
        needs_ecn = bool(probe.ops.flags & TCP_CONG_NEEDS_ECN)
        self.host = Host(ecn=needs_ecn if ecn is None else ecn)
        self.kernel = Kernel()
        obj = Object.open({"table": probe.table}, names={"table": UNDER_TEST}, strip_get_info=True)
        obj.load(self.kernel)
        obj.maps["table"].attach_struct_ops()
        implementation = self.kernel.tcp_cong.find(UNDER_TEST)
        assert implementation is not None
        probe.adopt(implementation.ops)
        self.connections: list[TortureConnection] = []

    def connect(
        self, congestion: str = UNDER_TEST, fate: Fate = _through, t_ns: int = 0
    ) -> TortureConnection:
        """Open a connection whose SYN leaves at ``t_ns``; it sends as much as it may."""
        connection = TortureConnection(len(self.connections), self.host, fate)
        self.connections.append(connection)
        sk = connection.sk
        self.kernel.socket(sk)
        self.kernel.setsockopt(sk, TCP_CONGESTION, congestion)
        self.probe.sockets.append(sk)
        sk.handshake_done(t_ns + RTT_NS, t_ns)
        self._serves(sk)
        self.kernel.connect(sk)
        sk.begin()
        connection.send()
        self.probe.after_event(sk)
        return connection

    def swap(self, connection: TortureConnection, congestion: str) -> None:
        """Let the connection choose another algorithm at the time that it has come to."""
        sk = connection.sk
        if sk.serving == "live":
            self.kernel.setsockopt(sk, TCP_CONGESTION, congestion)
            sk.serving = "released"
        if congestion == UNDER_TEST:
            sk.serving = ""
            self._serves(sk)
            self.kernel.setsockopt(sk, TCP_CONGESTION, congestion)
        self.probe.after_event(sk)

    def _serves(self, sk: TortureSock) -> None:
        """Without ``init`` the implementation serves from the moment that it is chosen."""
        if self.probe.ops.init is None:
            sk.serving = "live"

    def run(self, until_ns: int, when: Callable[[], bool] | None = None) -> bool:
        """Let things happen in order of time until ``until_ns``, or until ``when`` holds; return
        whether it does.
        """
        while when is None or not when():
            connection = min(self.connections, key=TortureConnection.next_ns)
            t = connection.next_ns()
            if t >= until_ns:
                return False
            connection.step(t)
            self.probe.after_event(connection.sk)
        return True

    def close(self) -> None:
        """Close all sockets, which releases them."""
        for connection in self.connections:
            if connection.sk.kernel_data is not None:
                self.kernel.close(connection.sk)
