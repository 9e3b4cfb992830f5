"""What the system calls of a script share: the socket that they are about, messages, flags."""

from __future__ import annotations

from typing import Any

from ccsim.verify.packetdrill.connection import Connection
from ccsim.verify.packetdrill.errors import CannotExpress
from ccsim.verify.packetdrill.machine import Machine, Socket
from ccsim.verify.packetdrill.script import Call, Name
from ccsim.verify.packetdrill.values import SIZE_MOST, Result, fail, number, symbols

__all__ = ["flags_of", "is_null", "message_of", "socket_of", "take_error", "vector_size"]

FLAG_NUMBERS = {str(0x20000000): "MSG_FASTOPEN", str(0x4000000): "MSG_ZEROCOPY"}


def socket_of(machine: Machine, call: Call) -> Socket | None:
    """Return what the descriptor stands for that is a call's first argument."""
    return machine.fds.get(number(call, 0))


def take_error(connection: Connection) -> Result:
    """Fail with a connection's error, which is told once."""
    error, connection.error = connection.error, None
    return fail(error or "EPIPE")


def message_of(call: Call) -> dict[str, Any]:
    """Return the ``msghdr`` of a call."""
    message = call.args[1]
    if not isinstance(message, dict):
        raise CannotExpress(call.place, f"{call.name} without a message")
    return message


def vector_size(call: Call, vector: Any) -> int:
    """Return how many bytes an ``iovec`` has."""
    entries = vector if isinstance(vector, list) else [None]
    sizes = [entry[-1] if isinstance(entry, list) and entry else None for entry in entries]
    whole = sum(size for size in sizes if isinstance(size, int))
    if not all(isinstance(size, int) and size >= 0 for size in sizes) or whole > SIZE_MOST:
        raise CannotExpress(call.place, "expected a vector of {..., size}")
    return whole


def is_null(call: Call) -> bool:
    """Tell whether a call's buffer is NULL."""
    return isinstance(call.args[1], Name) and call.args[1] == "NULL"


def flags_of(call: Call, at: int) -> set[str]:
    """Return the flags of a call by name."""
    found = symbols(call.args[at]) if len(call.args) > at else set()
    return {FLAG_NUMBERS.get(flag, flag) for flag in found}
