"""System calls of a script that send: how much is taken, what blocks, what goes with a SYN."""

from __future__ import annotations

from ccsim.verify.packetdrill.call_args import (
    flags_of,
    is_null,
    message_of,
    socket_of,
    take_error,
    vector_size,
)
from ccsim.verify.packetdrill.connection import Connection
from ccsim.verify.packetdrill.errors import CannotExpress
from ccsim.verify.packetdrill.fastopen import CLIENT
from ccsim.verify.packetdrill.machine import Machine, Socket
from ccsim.verify.packetdrill.script import Call
from ccsim.verify.packetdrill.values import Result, fail, number, ok

__all__ = ["send", "sendfile", "sendmsg", "write", "writev"]

SEND_FLAGS = {"0", "MSG_MORE", "MSG_EOR", "MSG_DONTWAIT", "MSG_NOSIGNAL", "MSG_FASTOPEN",
              "MSG_ZEROCOPY"}  # fmt: skip
FRAGMENTS_MOST = 17  # MAX_SKB_FRAGS


def _send(machine: Machine, call: Call, size: int, flags: set[str]) -> Result | None:
    socket = socket_of(machine, call)
    if socket is None:
        return fail("EBADF")
    unknown = flags - SEND_FLAGS
    if unknown:
        raise CannotExpress(call.place, f"{min(unknown)} is not modelled")
    connection = socket.connection
    waits = not (socket.nonblocking or "MSG_DONTWAIT" in flags)
    if socket.left is not None and connection is not None:
        return _go_on(machine, socket, connection, size)
    if "MSG_FASTOPEN" in flags or (connection is not None and connection.deferred):
        return _send_fast(machine, call, socket, size, flags)
    if connection is None:
        return fail("EPIPE")
    if connection.error is not None:
        return take_error(connection)
    if connection.state in ("SYN_SENT", "SYN_RECV") and not connection.half_open:
        connection.write_pending = waits
        return None if waits else fail("EAGAIN")
    if connection.state not in ("ESTABLISHED", "CLOSE_WAIT", "SYN_RECV"):
        return fail("EPIPE")
    if size and is_null(call):
        return fail("EFAULT")
    if size:
        lent = "MSG_ZEROCOPY" in flags and socket.options.zerocopy
        taken = connection.write(
            machine.now_ns, size, more="MSG_MORE" in flags, eor="MSG_EOR" in flags, copied=not lent
        )
        if taken < size and waits:
            socket.left = size - taken
            return None
        return ok(taken) if taken else fail("EAGAIN")
    return ok(size)


def _send_fast(
    machine: Machine, call: Call, socket: Socket, size: int, flags: set[str]
) -> Result | None:
    """Connect with data in the SYN (``tcp_sendmsg_fastopen``)."""
    unspecified = len(call.args) > 4 and str(call.args[4]) == "AF_UNSPEC"
    if not machine.settings.number("tcp_fastopen") & CLIENT or unspecified:
        return fail("EOPNOTSUPP")
    connection = socket.connection
    if connection is None:
        connection = socket.connection = Connection(machine.world, socket.options)
        connection.accepted = True
        machine.begin(connection)
    elif connection.error is not None:
        return take_error(connection)
    elif connection.state == "SYN_SENT" and not connection.deferred:
        return fail("EALREADY")
    elif not connection.deferred:
        if socket.told:
            return fail("EISCONN")
        socket.told = True
        return _send(machine, call, size, flags - {"MSG_FASTOPEN"})
    if size and is_null(call):
        connection.abort(None)
        return fail("EFAULT")
    sent = connection.connect_fast(machine.now_ns, size)
    if sent and "MSG_ZEROCOPY" in flags and socket.options.zerocopy:
        connection.errors.send_without_copy(1 + sent)
    if not (socket.nonblocking or "MSG_DONTWAIT" in flags):
        socket.left = size - sent
        connection.write_pending = socket.left > 0
        return None
    return ok(sent) if sent else fail("EINPROGRESS")


def _go_on(machine: Machine, socket: Socket, connection: Connection, size: int) -> Result | None:
    """Go on with a call that has waited for its SYN to be answered, or for space."""
    assert socket.left is not None
    if connection.state == "SYN_SENT":
        return None
    connection.write_pending = False
    if connection.error is not None:
        socket.left = None
        return take_error(connection)
    if connection.state == "CLOSE":
        socket.left = None
        return fail("EPIPE")
    socket.told = True
    if socket.left and connection.out.is_writable():
        socket.left -= connection.write(machine.now_ns, socket.left, more=False, eor=False)
    if socket.left:
        return None
    socket.left = None
    return ok(size)


def write(machine: Machine, call: Call) -> Result | None:
    """Carry out ``write``."""
    return _send(machine, call, number(call, 2), set())


def writev(machine: Machine, call: Call) -> Result | None:
    """Carry out ``writev``."""
    return _send(machine, call, vector_size(call, call.args[1]), set())


def send(machine: Machine, call: Call) -> Result | None:
    """Carry out ``send`` or ``sendto``."""
    flags = flags_of(call, 3)
    return _send(machine, call, number(call, 2), flags)


def sendmsg(machine: Machine, call: Call) -> Result | None:
    """Carry out ``sendmsg``."""
    message = message_of(call)
    flags = flags_of(call, 2)
    vector = message.get("msg_iov", [])
    size = vector_size(call, vector)
    if "MSG_ZEROCOPY" in flags and len(vector) > FRAGMENTS_MOST:
        raise CannotExpress(call.place, "the fragments of an skb are not modelled")
    if "msg_control" in message:
        raise CannotExpress(call.place, "ancillary data of sendmsg are not modelled")
    return _send(machine, call, size, flags)


def sendfile(machine: Machine, call: Call) -> Result | None:
    """Carry out ``sendfile``."""
    return _send(machine, call, number(call, 3), set())
