"""Applications of connections that go on: writing on and off, and answering a client's requests."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.sim.distributions import Uniform, draw
from ccsim.sim.source import Source
from ccsim.spec import OnOff, Requests
from ccsim.tcp.delack import Exchange
from ccsim.tcp.host import NEVER
from ccsim.tcp.sender import Sender
from ccsim.units import NS_PER_S

__all__ = ["OnOffSource", "Peer", "Response", "ResponseSource", "make_talk"]


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection as an application meets it.

    ``asks_at_once``: it has its say with the last packet of the handshake, as a client has.
    ``exchange`` tells it when a response is complete, and tells when the next request leaves, which
    is under way for ``back_ns``.
    """

    rtt_ns: int
    back_ns: int
    asks_at_once: bool
    exchange: Exchange


@dataclass(slots=True)
class Response:
    """One response: written at ``start_ns``, acknowledged to its last byte at ``end_ns`` (None: not
    yet), or, if that rode on the next request, when it would have been at once."""

    start_ns: int
    size_bytes: int
    end_ns: int | None = None


class OnOffSource(Source):
    """Writes packets at ``rate_bps`` of payload for a time, is silent for a time, and so on; the
    first time begins with the connection.

    A time may be cut short by the end of the source's life, after which nothing more is written;
    each begins with a write. What the path cannot carry waits in the send buffer and before it.
    """

    def __init__(self, sk: Sender, spec: OnOff, uniform: Uniform, life_ns: int | None) -> None:
        super().__init__(sk)
        self.spec = spec
        self.uniform = uniform
        self.life_ns = NEVER if life_ns is None else life_ns
        self.ends_ns = NEVER
        self._on_ns = 0  # when this time of writing began
        self._off_ns = -1  # when it ends
        self._count = 0

    def begin(self, t_ns: int) -> None:
        """Begin with the first write."""
        self.ends_ns = t_ns + self.life_ns
        super().begin(t_ns)

    def write(self, t_ns: int) -> None:
        """Write a packet, and say when the next is due."""
        if t_ns >= self._off_ns:
            self._on_ns, self._count = t_ns, 0
            self._off_ns = t_ns + draw(self.spec.on_ns, self.uniform())
        self._count += 1
        size = self.sk.mss_cache
        due = self._on_ns - (-self._count * 8 * size * NS_PER_S // self.spec.rate_bps)
        if due >= self._off_ns:
            self._off_ns += draw(self.spec.off_ns, self.uniform())
            due = self._off_ns = max(self._off_ns, t_ns + 1)
        self.finished = due >= self.ends_ns
        self.next_ns = NEVER if self.finished else due
        self.put(t_ns, size)


class ResponseSource(Source):
    """Answers requests: a client asks, reads the response to its last byte, thinks, asks again.

    A response is written when its request has arrived. Its last packet bears PSH, so that the
    client acknowledges it as it reads it, thinks, and asks again; but where the client has answered
    within the delayed-ACK timeout before (ping-pong mode), the ACK rides on the next request. A
    request that exceeds the initial window takes a round more for each doubling. The last response
    is that which ends the source's life or is number ``count``: the connection closes with it.

    Simpler than Linux: the way of the requests has no limits and no losses.
    """

    def __init__(
        self,
        sk: Sender,
        spec: Requests,
        uniform: Uniform,
        life_ns: int | None,
        peer: Peer,
    ) -> None:
        super().__init__(sk)
        self.spec = spec
        self.uniform = uniform
        self.life_ns = NEVER if life_ns is None else life_ns
        self.ends_ns = NEVER
        self.peer = peer
        self.responses: list[Response] = []

    def begin(self, t_ns: int) -> None:
        """Await the first request, which the client sends as soon as it is connected."""
        self.ends_ns = t_ns + self.life_ns
        away_ns = 0 if self.peer.asks_at_once else self.peer.rtt_ns
        self.next_ns = t_ns + away_ns + self._request_ns()
        if self.next_ns == t_ns:
            self.write(t_ns)

    def _request_ns(self) -> int:
        """Return how much longer than one packet a request takes to arrive."""
        packets = -(-draw(self.spec.request_bytes, self.uniform()) // self.sk.mss_cache)
        window, rounds = self.sk.host.initial_window, 0
        while packets > window:
            packets -= window
            window *= 2
            rounds += 1
        return rounds * self.peer.rtt_ns

    def write(self, t_ns: int) -> None:
        """Write a response."""
        size = draw(self.spec.response_bytes, self.uniform())
        self.responses.append(Response(t_ns, size))
        self.next_ns = NEVER
        self.finished = len(self.responses) == self.spec.count
        end = self.sk.write_limit - (-size // self.sk.mss_cache)
        self.peer.exchange.packets = end
        self.peer.exchange.think_ns = draw(self.spec.think_ns, self.uniform())
        if self.finished:
            self.peer.exchange.packets = NEVER
        self.put(t_ns, size)

    def flush(self, t_ns: int) -> None:
        """Move what is owed to the buffer; once all is there, wait for its last ACK."""
        super().flush(t_ns)
        if not self.owed_bytes:
            self.wake_una = self.sk.write_limit

    def acked(self, t_ns: int) -> None:
        """Act on room in the buffer, or on the end of a response: the client thinks."""
        if self.owed_bytes:
            super().acked(t_ns)
            return
        exchange = self.peer.exchange
        asked_ns = exchange.asked_ns + self.peer.back_ns
        rode = asked_ns == t_ns and not self.finished
        self.responses[-1].end_ns = t_ns - exchange.think_ns if rode else t_ns
        self.wake_una = NEVER
        if self.finished:
            return
        due = max(asked_ns, t_ns) + self._request_ns()
        self.finished = due >= self.ends_ns
        self.next_ns = NEVER if self.finished else due


def make_talk(
    sk: Sender, talk: OnOff | Requests, seed: int, life_ns: int | None, peer: Peer
) -> Source:
    """Return the application of a workload's connection."""
    uniform = Uniform(seed)
    if isinstance(talk, OnOff):
        return OnOffSource(sk, talk, uniform, life_ns)
    return ResponseSource(sk, talk, uniform, life_ns, peer)
