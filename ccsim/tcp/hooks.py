"""How a sender calls the hooks of its algorithm.

In Python it calls what stands in the table. `hooks.pyx` is the form of machine code: hooks of a
compiled algorithm are called as functions of C, so what they are told becomes no objects.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccsim.tcp.sock import TcpSock

__all__ = ["hooks_of"]

hooks_of: Callable[[TcpSock], Any] = attrgetter("ca_ops")
"""The hooks of a socket's algorithm, as they are at this moment."""
