"""The emulated host of a script: its clock, its sockets, and the wire to the one peer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ccsim.kernel import Kernel
from ccsim.tcp.host import NEVER
from ccsim.verify.episode_replay import EpisodeRandom, request_module
from ccsim.verify.packetdrill.connection import Connection
from ccsim.verify.packetdrill.errors import CannotExpress, Place
from ccsim.verify.packetdrill.opening import SockOptions, World
from ccsim.verify.packetdrill.segment import Segment
from ccsim.verify.packetdrill.settings import Settings
from ccsim.verify.packetdrill.terms import PromptHost

__all__ = ["Machine", "Socket"]

START_NS = 1_000_000_000_000  # the clock when a script begins, so that nothing lies before 0
STEPS_MOST = 1_000_000  # timers that fire between two events


@dataclass
class Socket:
    """What a file descriptor of a script stands for; ``kind`` is tcp, epoll, pipe or file."""

    kind: str = "tcp"
    options: SockOptions = field(default_factory=SockOptions)
    connection: Connection | None = None
    listening: bool = False
    nonblocking: bool = False
    bound: bool = False
    fastopen_queue: int = 0  # how many connections may be half open
    told: bool = False  # a call has said that the connection is open
    left: int | None = None  # of a blocked call: bytes that go once the connection is open
    watched: dict[int, int] = field(default_factory=dict)  # of epoll: events by descriptor,
    seen: dict[int, tuple[int, int, str]] = field(default_factory=dict)  # and what was told of them


class Machine:
    """A host. ``wire`` holds what has left and no event has looked at: (time [ns], segment)."""

    def __init__(self, settings: Settings, ranges: list[tuple[int, int]]) -> None:
        self.settings = settings
        self.now_ns = self.start_ns = START_NS
        self.wire: deque[tuple[int, Segment]] = deque()
        self.stamps: dict[int, int] = {}  # timestamps of the script: what they really were
        self.stamp_shift: int | None = None  # from what they really are to those of the script
        kernel = Kernel(
            profile="linux",
            default=settings.sysctl["tcp_congestion_control"],
            request_module=request_module,
        )
        self.world = World(
            settings, kernel, ranges, self._emit, PromptHost(hz=settings.hz), EpisodeRandom(0)
        )
        self.listens_anew = False  # there was a `listen` since the latest connection began
        self.fds: dict[int, Socket] = {}
        self.connections: list[Connection] = []

    def _emit(self, t_ns: int, segment: Segment, origin: object = None) -> None:
        """Put a segment on the wire, unless it is of a connection that the script has done with."""
        if origin is None or origin is self._current():
            self.wire.append((t_ns, segment))

    def begin(self, connection: Connection) -> None:
        """Let the script be about a new connection from now on."""
        self.connections.append(connection)
        self.wire.clear()
        self.listens_anew = False

    def due_ns(self) -> int:
        """Return when a timer is due next [ns]."""
        return min((connection.due_ns() for connection in self.connections), default=NEVER)

    def step(self, until_ns: int) -> bool:
        """Let the next timer fire that is due by ``until_ns``; report whether there was one."""
        due = self.due_ns()
        if due > until_ns:
            return False
        self.now_ns = max(self.now_ns, due)
        for connection in self.connections:
            if connection.due_ns() == due:
                connection.fire(due)
                break
        return True

    def advance(self, until_ns: int) -> None:
        """Let time pass."""
        for _ in range(STEPS_MOST):
            if not self.step(until_ns):
                break
        self.now_ns = max(self.now_ns, until_ns)

    # --- the peer ---

    def inject(self, segment: Segment, place: Place) -> None:
        """Let a segment come from the peer."""
        segment = self._with_live_stamp(segment)
        if "S" in segment.flags and "." not in segment.flags and self._begin(segment):
            return
        connection = self._current()
        if connection is not None:
            connection.receive(self.now_ns, segment, place)
        elif any(socket.listening for socket in self.fds.values()):
            self._at_listener(segment)
        else:
            raise CannotExpress(place, "a segment to a host without a socket is not modelled")

    def _begin(self, syn: Segment) -> bool:
        """Let a SYN begin a connection at a listener; False if it belongs to one that there is."""
        listener = next((s for s in self.fds.values() if s.listening), None)
        current = self._current()
        done = current is None or current.state == "CLOSE" or self.listens_anew
        if listener is None or not done:
            return False
        if {"R", "F"} & syn.flags:
            return True
        waiting = sum(connection.half_open for connection in self.connections)
        connection = Connection(self.world, SockOptions(**vars(listener.options)))
        self.begin(connection)
        connection.listen_to(self.now_ns, syn, fast=waiting < listener.fastopen_queue)
        return True

    def _at_listener(self, segment: Segment) -> None:
        """Answer what is no SYN at a listener: an ACK is refused."""
        if "." in segment.flags and "R" not in segment.flags:
            self._emit(self.now_ns, Segment(frozenset("R"), segment.ack, 0, 0, 0, None))

    def _current(self) -> Connection | None:
        return self.connections[-1] if self.connections else None

    @property
    def current(self) -> Connection | None:
        """The connection that packets and TCP_INFO are about: the latest."""
        return self._current()

    def _with_live_stamp(self, segment: Segment) -> Segment:
        """Put the real timestamp instead of that of the script, which a segment echoes."""
        stamp = segment.option("TS")
        if stamp is None or segment.options is None or "." not in segment.flags:
            return segment
        live = self.stamps.get(stamp[1])
        if live is None and self.stamp_shift is not None:
            live = stamp[1] - self.stamp_shift
        options = tuple(
            ("TS", (stamp[0], stamp[1] if live is None else live)) if kind == "TS" else (kind, n)
            for kind, n in segment.options
        )
        return Segment(segment.flags, segment.seq, segment.length, segment.ack, segment.window,
                       options, segment.ecn)  # fmt: skip

    def accept(self) -> Connection | None:
        """Return the first connection that is established and that nobody has accepted."""
        for connection in self.connections:
            if connection.waits:
                connection.accepted = True
                return connection
        return None
