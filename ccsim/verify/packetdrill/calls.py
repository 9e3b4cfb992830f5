"""System calls of a script on the emulated host, with Linux's errno.

Each call is tried: it returns a result, or None while it blocks. What exists in Linux and is not
modelled here is refused (`CannotExpress`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ccsim.units import NS_PER_US
from ccsim.verify.packetdrill.ancillary import check_control, inq_message, messages_of
from ccsim.verify.packetdrill.call_args import (
    is_null,
    message_of,
    socket_of,
    take_error,
    vector_size,
)
from ccsim.verify.packetdrill.connection import Connection
from ccsim.verify.packetdrill.errors import CannotExpress
from ccsim.verify.packetdrill.fastopen import EVERY_LISTENER, SERVER
from ccsim.verify.packetdrill.machine import Machine, Socket
from ccsim.verify.packetdrill.polling import epoll_ctl, epoll_wait, poll
from ccsim.verify.packetdrill.script import Call, Name
from ccsim.verify.packetdrill.send_calls import send, sendfile, sendmsg, write, writev
from ccsim.verify.packetdrill.sockopts import getsockopt, setsockopt
from ccsim.verify.packetdrill.values import Result, fail, number, ok, symbols

__all__ = ["CALLS", "check_call"]

RECV_FLAGS = {"0", "MSG_DONTWAIT", "MSG_PEEK", "MSG_TRUNC", "MSG_WAITALL"}


@dataclass(frozen=True)
class Verb:
    """A system call: what does it, and how many arguments it takes at the least."""

    act: Callable[[Machine, Call], Result | None]
    least: int


def check_call(call: Call) -> None:
    """Refuse a call that is not modelled."""
    verb = CALLS.get(call.name)
    if verb is None:
        raise CannotExpress(call.place, f"the system call {call.name} is not modelled")
    if len(call.args) < verb.least:
        raise CannotExpress(call.place, f"{call.name} with {len(call.args)} arguments")


def _new_fd(machine: Machine, call: Call, socket: Socket) -> Result:
    """Give a new descriptor the number that the script has for it."""
    if isinstance(call.result, int) and call.result >= 0:
        fd = call.result
    else:
        fd = max(machine.fds, default=2) + 1
    machine.fds[fd] = socket
    return ok(fd)


def _open_socket(machine: Machine, call: Call) -> Result:
    kinds = symbols(call.args[1])
    protocol = symbols(call.args[2])
    if "SOCK_STREAM" not in kinds or not protocol <= {"IPPROTO_TCP", "0"}:
        raise CannotExpress(call.place, "only TCP sockets are modelled")
    if isinstance(call.args[0], Name) and call.args[0] not in ("AF_INET", "PF_INET"):
        raise CannotExpress(call.place, f"the family {call.args[0]} is not modelled")
    return _new_fd(machine, call, Socket(nonblocking="SOCK_NONBLOCK" in kinds))


def _bind(machine: Machine, call: Call) -> Result:
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    if socket.bound:
        return fail("EINVAL")
    socket.bound = True
    return ok(0)


def _listen(machine: Machine, call: Call) -> Result:
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    if socket.connection is not None:
        return fail("EINVAL")
    socket.listening = machine.listens_anew = True
    bits = machine.settings.number("tcp_fastopen")
    if bits & SERVER and bits & EVERY_LISTENER and not socket.fastopen_queue:
        socket.fastopen_queue = number(call, 1) if len(call.args) > 1 else 1
    return ok(0)


def _accept(machine: Machine, call: Call) -> Result | None:
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    if not socket.listening:
        return fail("EINVAL")
    connection = machine.accept()
    if connection is None:
        return fail("EAGAIN") if socket.nonblocking else None
    flags = symbols(call.args[3]) if len(call.args) > 3 else set()
    child = Socket(options=connection.options, connection=connection)
    child.nonblocking = "SOCK_NONBLOCK" in flags
    return _new_fd(machine, call, child)


def _connect(machine: Machine, call: Call) -> Result | None:
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    connection = socket.connection
    if str(call.args[1]) == "AF_UNSPEC":
        return _disconnect(machine, socket)
    if connection is None:
        connection = socket.connection = Connection(machine.world, socket.options)
        connection.accepted = True
        machine.begin(connection)
        if socket.options.fastopen_connect and connection.may_defer():
            connection.state = "SYN_SENT"
            return ok(0)
        if socket.options.fastopen_connect:
            connection.connect_fast(machine.now_ns, 0)
        else:
            connection.connect(machine.now_ns)
        return fail("EINPROGRESS") if socket.nonblocking else None
    if connection.error is not None:
        return take_error(connection)
    if connection.deferred:
        return fail("EISCONN")
    if connection.state == "SYN_SENT":
        return fail("EALREADY") if socket.nonblocking else None
    if socket.told or not connection.established:
        return fail("EISCONN")
    socket.told = True
    return ok(0)


def _disconnect(machine: Machine, socket: Socket) -> Result:
    """Let a socket be as if it had never been connected (``tcp_disconnect``)."""
    connection = socket.connection
    if connection is not None and (connection.established or connection.half_open):
        connection.reset(machine.now_ns)
    elif connection is not None:
        connection.abort(None)
    socket.connection, socket.told, socket.left = None, False, None
    socket.listening = False
    return ok(0)


def _receive(machine: Machine, call: Call, most: int, flags: set[str]) -> Result | None:
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    unknown = flags - RECV_FLAGS
    if unknown:
        raise CannotExpress(call.place, f"{min(unknown)} is not modelled")
    connection = socket.connection
    if connection is None:
        return fail("ENOTCONN")
    if connection.opened_ns and connection.inbox.unread:
        if is_null(call) and "MSG_TRUNC" not in flags:
            return fail("EFAULT")
        return _hand_over(machine, connection, call, most, flags)
    if connection.error is not None:
        return take_error(connection)
    done = connection.shut_read or connection.state == "CLOSE"
    if done or (connection.opened_ns and connection.inbox.finished):
        return ok(0)
    waits = not (socket.nonblocking or "MSG_DONTWAIT" in flags)
    return None if waits else fail("EAGAIN")


def _hand_over(
    machine: Machine, connection: Connection, call: Call, most: int, flags: set[str]
) -> Result | None:
    """Hand over what there is; a blocking read is content with less than it asks for."""
    all_of_it = "MSG_WAITALL" in flags and connection.inbox.unread < most
    if all_of_it and not connection.inbox.finished:
        return None
    return ok(connection.read(machine.now_ns, most, peek="MSG_PEEK" in flags))


def _read(machine: Machine, call: Call) -> Result | None:
    return _receive(machine, call, number(call, 2), set())


def _recv_flags(machine: Machine, call: Call) -> Result | None:
    flags = symbols(call.args[3]) if len(call.args) > 3 else set()
    return _receive(machine, call, number(call, 2), flags)


def _recvmsg(machine: Machine, call: Call) -> Result | None:
    message = message_of(call)
    flags = symbols(call.args[2]) if len(call.args) > 2 else set()
    size = vector_size(call, message.get("msg_iov", []))
    if "MSG_ERRQUEUE" in flags:
        return _receive_error(machine, call)
    result = _receive(machine, call, size, flags)
    if result is not None and result.value >= 0:
        _check_control(machine, call)
    return result


def _check_control(machine: Machine, call: Call) -> None:
    """Compare the ancillary data of a `recvmsg` that has brought data."""
    socket = machine.fds[number(call, 0)]
    connection = socket.connection
    assert connection is not None
    got = inq_message(connection.inbox.left) if socket.options.inq else []
    check_control(call, got, machine.settings.tolerance_us * NS_PER_US)


def _receive_error(machine: Machine, call: Call) -> Result:
    """Take a notice off the error queue (``inet_recv_error``)."""
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    connection = socket.connection
    if connection is None or not connection.errors.notices:
        return fail("EAGAIN")
    got = messages_of(connection.errors.notices.popleft(), machine.start_ns)
    check_control(call, got, machine.settings.tolerance_us * NS_PER_US)
    return ok(0)


def _shutdown(machine: Machine, call: Call) -> Result:
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    connection = socket.connection
    if connection is None or not (connection.established or connection.half_open):
        return fail("ENOTCONN")
    how = str(call.args[1])
    if how in ("SHUT_RD", "SHUT_RDWR", "0", "2"):
        connection.shut_read = True
    if how in ("SHUT_WR", "SHUT_RDWR", "1", "2"):
        connection.shut_write(machine.now_ns)
    return ok(0)


def _close(machine: Machine, call: Call) -> Result:
    socket = machine.fds.pop(number(call, 0), None)
    if socket is None:
        return fail("EBADF")
    if socket.listening:
        for connection in machine.connections:
            if connection.waits:
                connection.reset(machine.now_ns)
    elif socket.connection is not None:
        socket.connection.close(machine.now_ns)
    return ok(0)


def _fcntl(machine: Machine, call: Call) -> Result:
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    command = str(call.args[1])
    if command == "F_GETFL":
        return ok(0x802 if socket.nonblocking else 2)
    if command != "F_SETFL" or len(call.args) < 3:
        raise CannotExpress(call.place, f"fcntl {command} is not modelled")
    socket.nonblocking = "O_NONBLOCK" in symbols(call.args[2])
    return ok(0)


def _ioctl(machine: Machine, call: Call) -> Result:
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    request, connection = str(call.args[1]), socket.connection
    if socket.listening:
        return fail("EINVAL")
    if connection is None or not connection.opened_ns:
        return ok(0, 0)
    if request in ("SIOCINQ", "FIONREAD"):
        inbox = connection.inbox
        return ok(0, inbox.unread or int(inbox.finished and inbox.read_seq < inbox.fin))
    queue = connection.out.queue
    if request in ("SIOCOUTQ", "TIOCOUTQ"):
        return ok(0, queue.write_seq - connection.out.una)
    if request == "SIOCOUTQNSD":
        return ok(0, queue.write_seq - queue.start(connection.sk.nxt))
    raise CannotExpress(call.place, f"ioctl {request} is not modelled")


def _epoll_create(machine: Machine, call: Call) -> Result:
    return _new_fd(machine, call, Socket("epoll"))


def _open(machine: Machine, call: Call) -> Result:
    """Open a file: none is looked at, `sendfile` says how much it has."""
    return _new_fd(machine, call, Socket("file"))


CALLS: dict[str, Verb] = {
    "socket": Verb(_open_socket, 3),
    "bind": Verb(_bind, 1),
    "listen": Verb(_listen, 1),
    "accept": Verb(_accept, 1),
    "accept4": Verb(_accept, 4),
    "connect": Verb(_connect, 1),
    "write": Verb(write, 3),
    "writev": Verb(writev, 2),
    "send": Verb(send, 3),
    "sendto": Verb(send, 3),
    "sendmsg": Verb(sendmsg, 2),
    "sendfile": Verb(sendfile, 4),
    "read": Verb(_read, 3),
    "recv": Verb(_recv_flags, 3),
    "recvfrom": Verb(_recv_flags, 3),
    "recvmsg": Verb(_recvmsg, 2),
    "shutdown": Verb(_shutdown, 2),
    "close": Verb(_close, 1),
    "fcntl": Verb(_fcntl, 2),
    "ioctl": Verb(_ioctl, 2),
    "setsockopt": Verb(setsockopt, 4),
    "getsockopt": Verb(getsockopt, 4),
    "poll": Verb(poll, 3),
    "epoll_create": Verb(_epoll_create, 0),
    "epoll_create1": Verb(_epoll_create, 0),
    "epoll_ctl": Verb(epoll_ctl, 4),
    "epoll_wait": Verb(epoll_wait, 4),
    "open": Verb(_open, 1),
}
