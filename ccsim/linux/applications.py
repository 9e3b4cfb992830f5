"""What writes to a connection, and what reads from it: bulk, sized, periodic, on and off, and
responses to requests. The distributions and their random streams are the simulator's."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ccsim.linux.loop import Loop
from ccsim.units import NS_PER_S

__all__ = ["Client", "Writer", "make_writer"]

CHUNK = memoryview(bytes(262_144))
FOR_EVER = 1 << 60
Exchanges = Iterator[tuple[int, int, int]]
"""(request [bytes], response [bytes], time to think after it [ns])."""


class Writer:
    """Writes what is owed to a connection as its send buffer has room, and closes its half once
    nothing more will be owed. ``done`` is called with the time of the peer's own close."""

    def __init__(self, loop: Loop, sock: socket.socket, done: Callable[[int], None]) -> None:
        self.loop, self.sock, self.done = loop, sock, done
        self.owed = 0
        self.finished = False  # nothing more will be owed
        self.closed = False
        self._shut = False
        loop.watch(sock.fileno(), select.EPOLLIN, self._ready)

    def begin(self, t_ns: int) -> None:
        """Act on the connection's being established."""

    def put(self, size: int) -> None:
        """Owe that many bytes more, and write what there is room for."""
        self.owed += size
        self._flush()

    def stop(self) -> None:
        """Write no more; what is in the buffer is still sent."""
        self.owed, self.finished = 0, True
        self._flush()

    def take(self, size: int) -> None:
        """Act on that many bytes from the peer."""

    def close(self) -> None:
        """Give the socket back."""
        if not self.closed:
            self.closed = True
            self.loop.forget(self.sock.fileno())
            self.sock.close()

    def _flush(self) -> None:
        if self.closed or self._shut:
            return
        try:
            while self.owed:
                self.owed -= self.sock.send(CHUNK[: min(self.owed, len(CHUNK))])
        except BlockingIOError:
            pass
        except OSError:
            self.owed, self.finished = 0, True
        if not self.owed and self.finished:
            self._shut = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:  # the peer was faster
                self.done(self.loop.now())
                return
        wanted = select.EPOLLIN | (select.EPOLLOUT if self.owed else 0)
        self.loop.watch(self.sock.fileno(), wanted, self._ready)

    def _ready(self, t_ns: int, events: int) -> None:
        if events & select.EPOLLOUT:
            self._flush()
        if events & ~select.EPOLLOUT and not self.closed:
            self._read(t_ns)

    def _read(self, t_ns: int) -> None:
        try:
            got = len(self.sock.recv(len(CHUNK)))
        except BlockingIOError:
            return
        except OSError:
            got = 0
        if got:
            self.take(got)
        else:
            self.done(t_ns)


class _Bulk(Writer):
    """Writes all there is at once."""

    def __init__(self, size: int | None, *about: Any) -> None:
        super().__init__(*about)
        self.size = size

    def begin(self, t_ns: int) -> None:
        self.finished = self.size is not None
        self.put(FOR_EVER if self.size is None else self.size)


class _Periodic(Writer):
    """Writes ``write_bytes`` every ``interval[0] / interval[1]`` ns, until ``size`` are written."""

    def __init__(self, spec: Mapping[str, Any], size: int | None, *about: Any) -> None:
        super().__init__(*about)
        self.write_bytes: int = spec["write_bytes"]
        rate = spec["rate_bps"]
        self.interval = (8 * self.write_bytes * NS_PER_S, rate) if rate else (spec["every_ns"], 1)
        self.left = FOR_EVER if size is None else size
        self._first, self._count = 0, 0

    def begin(self, t_ns: int) -> None:
        self._first = t_ns
        self._write(t_ns)

    def _write(self, t_ns: int) -> None:
        if self.closed or self.finished:
            return
        size = min(self.write_bytes, self.left)
        self.left -= size
        self._count += 1
        self.finished = not self.left
        self.put(size)
        if not self.finished:
            numerator, denominator = self.interval
            self.loop.at(self._first - (-self._count * numerator // denominator), self._write)


class _OnOff(Writer):
    """Writes packets at a rate for a time, is silent for a time; see `ccsim.sim.applications`."""

    def __init__(self, flow: Mapping[str, Any], *about: Any) -> None:
        from ccsim.sim.distributions import Uniform
        from ccsim.spec import OnOff
        from ccsim.spec.plain import from_plain

        super().__init__(*about)
        self.spec, self.mss = from_plain(OnOff, flow["talk"]), flow["mss_bytes"]
        self.life = FOR_EVER if flow["life_ns"] is None else flow["life_ns"]
        self.uniform = Uniform(flow["talk_seed"])
        self._on, self._off, self._count, self._ends = 0, -1, 0, FOR_EVER

    def begin(self, t_ns: int) -> None:
        self._ends = t_ns + self.life
        self._write(t_ns)

    def _write(self, t_ns: int) -> None:
        from ccsim.sim.distributions import draw

        if self.closed or self.finished:
            return
        if t_ns >= self._off:
            self._on, self._count = t_ns, 0
            self._off = t_ns + draw(self.spec.on_ns, self.uniform())
        self._count += 1
        due = self._on - (-self._count * 8 * self.mss * NS_PER_S // self.spec.rate_bps)
        if due >= self._off:
            self._off += draw(self.spec.off_ns, self.uniform())
            due = self._off = max(self._off, t_ns + 1)
        self.finished = due >= self._ends
        self.put(self.mss)
        if not self.finished:
            self.loop.at(due, self._write)


def _exchanges(flow: Mapping[str, Any]) -> Exchanges:
    """Yield what a client and its server exchange; both ends draw the same numbers."""
    from ccsim.sim.distributions import Uniform, draw
    from ccsim.spec import Requests
    from ccsim.spec.plain import from_plain

    spec, uniform = from_plain(Requests, flow["talk"]), Uniform(flow["talk_seed"])
    count = 0
    while spec.count is None or count < spec.count:
        request = draw(spec.request_bytes, uniform())
        response = draw(spec.response_bytes, uniform())
        yield request, response, draw(spec.think_ns, uniform())
        count += 1


class _Responses(Writer):
    """Answers each request once it is there whole; ``responded`` is told (time, size)."""

    def __init__(
        self, flow: Mapping[str, Any], responded: Callable[[int, int], None], *about: Any
    ) -> None:
        super().__init__(*about)
        self.exchanges = _exchanges(flow)
        self.responded = responded
        self._wanted, self._response = 0, 0
        self._next()

    def _next(self) -> None:
        self._wanted, self._response, _ = next(self.exchanges, (0, 0, 0))

    def take(self, size: int) -> None:
        self._wanted -= size
        if self._wanted <= 0 < self._response:
            self.responded(self.loop.now(), self._response)
            self.put(self._response)
            self._next()


class Client(Writer):
    """Asks, reads the response to its last byte, thinks, asks again, and closes after the last."""

    def __init__(self, flow: Mapping[str, Any], *about: Any) -> None:
        super().__init__(*about)
        self.exchanges = _exchanges(flow)
        self.life = FOR_EVER if flow["life_ns"] is None else flow["life_ns"]
        self._left, self._think, self._ends = 0, 0, FOR_EVER

    def begin(self, t_ns: int) -> None:
        """Send the first request."""
        self._ends = t_ns + self.life
        self._ask(t_ns)

    def _ask(self, t_ns: int) -> None:
        request, self._left, self._think = next(self.exchanges, (0, 0, 0))
        if not request or t_ns >= self._ends:
            self.stop()
        else:
            self.put(request)

    def take(self, size: int) -> None:
        """Act on a part of a response."""
        self._left -= size
        if self._left <= 0:
            self.loop.at(self.loop.now() + self._think, self._ask)


def make_writer(
    flow: Mapping[str, Any],
    loop: Loop,
    sock: socket.socket,
    done: Callable[[int], None],
    responded: Callable[[int, int], None],
) -> Writer:
    """Return what writes to a flow of the plan."""
    about = (loop, sock, done)
    if flow["talk"] is not None:
        if "rate_bps" in flow["talk"]:
            return _OnOff(flow, *about)
        return _Responses(flow, responded, *about)
    if flow["source"] is not None:
        return _Periodic(flow["source"], flow["size_bytes"], *about)
    return _Bulk(flow["size_bytes"], *about)
