"""``poll`` and ``epoll`` on the emulated host: what is ready, by level and by edge."""

from __future__ import annotations

from typing import Any

from ccsim.verify.packetdrill.errors import CannotExpress, Differs
from ccsim.verify.packetdrill.machine import Machine, Socket
from ccsim.verify.packetdrill.script import ANY, Call
from ccsim.verify.packetdrill.values import Result, fail, number, ok, symbols

__all__ = ["epoll_ctl", "epoll_wait", "poll"]

BITS = {"IN": 1, "PRI": 2, "OUT": 4, "ERR": 8, "HUP": 16, "RDNORM": 64, "WRNORM": 256,
        "RDHUP": 0x2000}  # fmt: skip
ALWAYS = BITS["ERR"] | BITS["HUP"]
EDGE = 1 << 31
NAMES = {f"{prefix}{name}": bit for name, bit in BITS.items() for prefix in ("POLL", "EPOLL")}
ONCE = 1 << 30
NAMES |= {"EPOLLET": EDGE, "EPOLLONESHOT": ONCE, "EPOLLEXCLUSIVE": 1 << 28}


def _events(call: Call, value: Any) -> int:
    if isinstance(value, int):
        return value
    found = 0
    for name in symbols(value):
        if name not in NAMES:
            raise CannotExpress(call.place, f"the event {name} is not modelled")
        found |= NAMES[name]
    return found


def _ready(machine: Machine, socket: Socket) -> int:
    """Return the events of a socket (``tcp_poll``)."""
    connection = socket.connection
    if socket.listening:
        return BITS["IN"] | BITS["RDNORM"] if any(c.waits for c in machine.connections) else 0
    if connection is None:
        return BITS["OUT"] | BITS["WRNORM"] | BITS["HUP"]
    if connection.state in ("SYN_SENT", "SYN_RECV") and not connection.half_open:
        return BITS["OUT"] | BITS["WRNORM"] if connection.deferred else 0
    found = 0
    ended = connection.shut_read or connection.was_reset
    ended = ended or (connection.opened_ns > 0 and connection.inbox.finished)
    sent_fin = connection.was_reset or connection.out.queue.fin >= 0
    if ended:
        found |= BITS["IN"] | BITS["RDNORM"] | BITS["RDHUP"]
    if connection.opened_ns and connection.inbox.unread:
        found |= BITS["IN"] | BITS["RDNORM"]
    if (ended and sent_fin) or connection.state == "CLOSE":
        found |= BITS["HUP"]
    if sent_fin or connection.out.is_writable():
        found |= BITS["OUT"] | BITS["WRNORM"]
    return found | (BITS["ERR"] if connection.error or connection.errors.notices else 0)


def poll(machine: Machine, call: Call) -> Result | None:
    """Wait for events of several descriptors; what comes is compared with ``revents``."""
    entries = call.args[0]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CannotExpress(call.place, "expected poll([{fd=…, events=…, revents=…}], …)")
    found = []
    for entry in entries:
        socket = machine.fds.get(entry.get("fd", -1))
        if socket is None:
            raise CannotExpress(call.place, "poll of a descriptor that is not open")
        wanted = _events(call, entry.get("events", 0)) | ALWAYS
        found.append(_ready(machine, socket) & wanted)
    _compare(call, [entry.get("revents", ANY) for entry in entries], found)
    count = sum(1 for events in found if events)
    return ok(count) if count or number(call, 2) == 0 else None


def _compare(call: Call, expected: list[Any], found: list[int]) -> None:
    """Check the events that a ready descriptor has."""
    for wanted, got in zip(expected, found, strict=True):
        if got and wanted is not ANY and _events(call, wanted) != got:
            raise Differs(call.place, f"expected events {wanted}, got {_names(got)}")


def _names(events: int) -> str:
    found = [f"POLL{name}" for name, bit in BITS.items() if events & bit]
    return "|".join(found) or "none"


def epoll_ctl(machine: Machine, call: Call) -> Result:
    """Add, change or drop a descriptor of an epoll."""
    epoll = machine.fds.get(number(call, 0))
    if epoll is None or epoll.kind != "epoll":
        return fail("EINVAL")
    fd, operation = number(call, 2), str(call.args[1])
    if operation == "EPOLL_CTL_DEL":
        epoll.watched.pop(fd, None)
        epoll.seen.pop(fd, None)
        return ok(0)
    event = call.args[3]
    if not isinstance(event, dict) or operation not in ("EPOLL_CTL_ADD", "EPOLL_CTL_MOD"):
        raise CannotExpress(call.place, f"epoll_ctl {operation} is not modelled")
    epoll.watched[fd] = _events(call, event.get("events", 0))
    epoll.seen.pop(fd, None)
    return ok(0)


def epoll_wait(machine: Machine, call: Call) -> Result | None:
    """Wait for events of an epoll, one descriptor at a time."""
    epoll = machine.fds.get(number(call, 0))
    if epoll is None or epoll.kind != "epoll":
        return fail("EINVAL")
    for fd, wanted in epoll.watched.items():
        socket = machine.fds.get(fd)
        if socket is None or not wanted & ~(EDGE | ONCE):
            continue
        events = _ready(machine, socket) & (wanted | ALWAYS)
        if wanted & EDGE and not _is_new(epoll, fd, socket):
            continue
        if events:
            if wanted & ONCE:
                epoll.watched[fd] = wanted & (EDGE | ONCE)
            return _told(call, events)
    return ok(0) if number(call, 3) == 0 else None


def _is_new(epoll: Socket, fd: int, socket: Socket) -> bool:
    """Report whether something has happened since events were told last: data have come."""
    connection = socket.connection
    come = (0, 0, "")
    if connection is not None:
        space = connection.out.buffer.events if connection.opened_ns else 0
        come = (connection.data_segs_in, connection.errors.come + space, connection.state)
    fresh = epoll.seen.get(fd) != come
    epoll.seen[fd] = come
    return fresh


def _told(call: Call, events: int) -> Result:
    expected = call.args[1]
    if isinstance(expected, dict) and expected.get("events", ANY) is not ANY:
        _compare(call, [expected["events"]], [events])
    return ok(1)
