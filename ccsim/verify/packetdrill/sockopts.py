"""Socket options of the emulated host."""

from __future__ import annotations

import re
from typing import Any

from ccsim.kernel import TCP_CONGESTION, KernelError
from ccsim.kernel.errors import errno_name
from ccsim.verify.packetdrill.errors import CannotExpress
from ccsim.verify.packetdrill.fastopen import CLIENT
from ccsim.verify.packetdrill.machine import Machine, Socket
from ccsim.verify.packetdrill.script import Call
from ccsim.verify.packetdrill.sndbuf import SOCK_BUFFER_MOST, sndbuf_of
from ccsim.verify.packetdrill.values import Result, fail, number, ok, symbols

__all__ = ["getsockopt", "setsockopt"]

# What may be set and changes nothing that is modelled.
HARMLESS = {
    "SO_REUSEADDR", "SO_REUSEPORT", "SO_PRIORITY", "SO_MARK",
    "IP_TOS", "IP_MTU_DISCOVER", "IP_FREEBIND", "IP_RECVERR", "SO_BINDTODEVICE",
    "SO_DONTROUTE", "IP_TTL", "SO_OOBINLINE",
}  # fmt: skip
MSS_LEAST, MSS_MOST = 88, 32_767
SYN_RETRIES_MOST = 127
STAMPING = {
    f"SOF_TIMESTAMPING_{name}"
    for name in ("TX_SCHED", "TX_SOFTWARE", "TX_ACK", "SOFTWARE", "OPT_ID", "OPT_ID_TCP")
}
KEY_BYTES = 16
MSS_DEFAULT = 536
RCVBUF_LEAST = 2048 + 256  # SOCK_MIN_RCVBUF
NOTSENT_UNLIMITED = 0xFFFFFFFF


def setsockopt(machine: Machine, call: Call) -> Result:
    """Set an option; CannotExpress for one that is not modelled."""
    socket = machine.fds.get(number(call, 0))
    if socket is None:
        return fail("EBADF")
    name, value = str(call.args[2]), _value(call.args[3])
    if name in HARMLESS:
        return ok(0)
    if name == "TCP_CONGESTION":
        return _set_congestion(machine, socket, call, str(value))
    if name == "TCP_FASTOPEN_KEY":
        return _set_fastopen_key(socket, call)
    if name == "SO_LINGER" and isinstance(value, dict):
        socket.options.linger0 = value.get("onoff") == 1 and value.get("linger") == 0
        return ok(0)
    if name == "SO_TIMESTAMPING":
        return _set_stamping(socket, call, symbols(value))
    if not isinstance(value, int):
        raise CannotExpress(call.place, f"{name} with {value!r} is not modelled")
    return _set_number(machine, socket, call, name, value)


def _value(given: Any) -> Any:
    return given[0] if isinstance(given, list) and len(given) == 1 else given


def _set_number(machine: Machine, socket: Socket, call: Call, name: str, value: int) -> Result:
    connection = socket.connection
    live = connection if connection is not None and connection.opened_ns else None
    if name == "TCP_NODELAY":
        socket.options.nodelay = value != 0
        if live is not None:
            live.set_nodelay(machine.now_ns, value != 0)
    elif name == "TCP_CORK":
        socket.options.cork = value != 0
        if live is not None:
            live.set_cork(machine.now_ns, value != 0)
    elif name == "TCP_MAXSEG":
        if not MSS_LEAST <= value <= MSS_MOST:
            return fail("EINVAL")
        socket.options.maxseg = value
    elif name == "SO_ZEROCOPY":
        socket.options.zerocopy = value != 0
    elif name == "TCP_INQ":
        if value not in (0, 1):
            return fail("EINVAL")
        socket.options.inq = value == 1
    elif name == "TCP_USER_TIMEOUT":
        if value < 0:
            return fail("EINVAL")
        socket.options.user_timeout_ms = value
    elif name == "TCP_SYNCNT":
        if not 1 <= value <= SYN_RETRIES_MOST:
            return fail("EINVAL")
        socket.options.syn_retries = value
    elif name in ("TCP_FASTOPEN", "TCP_FASTOPEN_CONNECT"):
        return _set_fastopen(machine, socket, name, value)
    elif name in ("SO_RCVBUF", "SO_RCVBUFFORCE"):
        return _set_rcvbuf(socket, call, name, value)
    elif name in ("SO_SNDBUF", "SO_SNDBUFFORCE"):
        _set_sndbuf(socket, sndbuf_of(value, force=name == "SO_SNDBUFFORCE"))
    elif name == "TCP_NOTSENT_LOWAT":
        socket.options.notsent_lowat = value & NOTSENT_UNLIMITED
        if live is not None:
            live.out.buffer.lowat = socket.options.notsent_lowat
    elif name in ("SO_KEEPALIVE", "TCP_DEFER_ACCEPT") and value == 0:
        return ok(0)
    else:
        raise CannotExpress(call.place, f"the socket option {name} is not modelled")
    return ok(0)


def _set_rcvbuf(socket: Socket, call: Call, name: str, value: int) -> Result:
    connection = socket.connection
    if connection is not None and connection.opened_ns:
        raise CannotExpress(call.place, f"{name} once data may come is not modelled")
    value = value if name.endswith("FORCE") else min(value, SOCK_BUFFER_MOST)
    socket.options.rcvbuf = max(2 * value, RCVBUF_LEAST)
    return ok(0)


def _set_sndbuf(socket: Socket, size: int) -> None:
    socket.options.sndbuf = size
    connection = socket.connection
    if connection is not None and connection.opened_ns:
        connection.out.buffer.size = size
        connection.out.buffer.locked = True


def _sndbuf(machine: Machine, socket: Socket) -> int:
    connection = socket.connection
    if connection is not None and connection.opened_ns:
        return connection.out.buffer.size
    return socket.options.sndbuf or machine.settings.number("tcp_wmem", 1)


def _set_fastopen(machine: Machine, socket: Socket, name: str, value: int) -> Result:
    """Let a listener take data with SYNs, or a client's ``connect`` wait for the first write."""
    if name == "TCP_FASTOPEN":
        socket.fastopen_queue = max(value, 0)
        return ok(0)
    if not 0 <= value <= 1:
        return fail("EINVAL")
    if not machine.settings.number("tcp_fastopen") & CLIENT:
        return fail("EOPNOTSUPP")
    if socket.connection is not None or socket.listening:
        return fail("EINVAL")
    socket.options.fastopen_connect = value == 1
    return ok(0)


def _set_stamping(socket: Socket, call: Call, flags: set[str]) -> Result:
    """Let timestamps of what is sent come to the error queue."""
    connection = socket.connection
    if not flags <= STAMPING or connection is None or not connection.opened_ns:
        raise CannotExpress(call.place, f"SO_TIMESTAMPING with {'|'.join(sorted(flags))}, or here")
    connection.errors.stamping = frozenset(flags)
    queue = connection.out.queue
    whole = "SOF_TIMESTAMPING_OPT_ID_TCP" in flags
    connection.errors.base = queue.write_seq if whole else connection.out.una
    return ok(0)


def _set_fastopen_key(socket: Socket, call: Call) -> Result:
    """Set a key given as text with its bytes as ``\\x``."""
    size = number(call, 4) if len(call.args) > 4 else KEY_BYTES
    if size != KEY_BYTES:
        return fail("EINVAL")
    text = str(call.args[3])
    digits = re.sub(r"\\x([0-9a-fA-F]{2})", r"\1", text)
    if len(digits) != 2 * KEY_BYTES or len(text) != 4 * KEY_BYTES:
        raise CannotExpress(call.place, "TCP_FASTOPEN_KEY: expected 16 bytes written as \\x")
    socket.options.fastopen_key = bytes.fromhex(digits)
    return ok(0)


def _set_congestion(machine: Machine, socket: Socket, call: Call, name: str) -> Result:
    kernel = machine.world.kernel
    if kernel.tcp_cong.find_autoload(name) is None:
        if call.result == 0:
            raise CannotExpress(call.place, f"there is no algorithm {name!r} here")
        return fail("ENOENT")
    connection = socket.connection
    socket.options.congestion = name
    if connection is not None and connection.established:
        try:
            kernel.setsockopt(connection.sk, TCP_CONGESTION, name)
        except KernelError as error:
            return fail(errno_name(error.number))
    return ok(0)


def getsockopt(machine: Machine, call: Call) -> Result:
    """Get an option; CannotExpress for one that is not modelled."""
    socket = machine.fds.get(number(call, 0))
    if socket is None:
        return fail("EBADF")
    name, connection = str(call.args[2]), socket.connection
    if name == "SO_ERROR":
        return ok(0, _take_error(socket))
    if name == "TCP_MAXSEG":
        if connection is not None and connection.opened_ns:
            return ok(0, connection.sk.mss_cache)
        own = None if machine.settings.older else socket.options.maxseg
        return ok(0, own or MSS_DEFAULT)
    if name == "TCP_CONGESTION":
        return ok(0, _congestion(machine, socket))
    flags = {"TCP_NODELAY": socket.options.nodelay, "TCP_CORK": socket.options.cork}
    if name in flags:
        return ok(0, int(flags[name]))
    if name == "TCP_USER_TIMEOUT":
        return ok(0, socket.options.user_timeout_ms)
    if name == "TCP_NOTSENT_LOWAT":
        return ok(0, socket.options.notsent_lowat)
    if name == "SO_RCVBUF" and not (connection is not None and connection.opened_ns):
        return ok(0, socket.options.rcvbuf or machine.settings.number("tcp_rmem", 1))
    if name == "SO_SNDBUF":
        return ok(0, _sndbuf(machine, socket))
    raise CannotExpress(call.place, f"getsockopt of {name} is not modelled")


def _take_error(socket: Socket) -> Any:
    connection = socket.connection
    if connection is None or connection.error is None:
        return 0
    error, connection.error = connection.error, None
    return error


def _congestion(machine: Machine, socket: Socket) -> str:
    connection = socket.connection
    if connection is not None and connection.established:
        return str(machine.world.kernel.getsockopt(connection.sk, TCP_CONGESTION))
    return socket.options.congestion or machine.settings.sysctl["tcp_congestion_control"]
