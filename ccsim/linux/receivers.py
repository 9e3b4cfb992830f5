"""The receivers' host: it accepts what the senders open, opens what their listeners accept, and
reads."""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from functools import partial
from typing import Any

from ccsim.linux.applications import Client, Writer
from ccsim.linux.loop import Loop
from ccsim.linux.packets import FIRST_PORT

__all__ = ["LISTENER_PORT", "RECEIVER_ADDRESS", "Receivers", "sender_address"]

RECEIVER_ADDRESS = "10.78.0.1"
LISTENER_PORT = 20_001
"""A listener of the senders' host listens at this plus its number."""
TCP_WINDOW_CLAMP = 10


def sender_address(namespace: int) -> str:
    """Return the address of the senders' namespace of that number."""
    return f"10.77.{namespace}.1"


class _Reader(Writer):
    """Reads and throws away, and closes when the peer does."""

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.read = 0

    def take(self, size: int) -> None:
        self.read += size


class Receivers:
    """All receiving ends of a run."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.flows: list[dict[str, Any]] = plan["flows"]
        self.read = [0] * len(self.flows)
        self.loop: Loop
        self._listening = [self._listen(flow) for flow in self.flows if flow["listener"] is None]

    def run(self, t0_ns: int, until_ns: int) -> None:
        """Serve until ``until_ns`` after ``t0_ns``."""
        self.loop = Loop(t0_ns)
        for number, sock in self._listening:
            self.loop.watch(sock.fileno(), select.EPOLLIN, self._accepting(number, sock))
        for number, flow in enumerate(self.flows):
            if flow["listener"] is not None:
                self.loop.at(flow["start_ns"], partial(self._connect, number))
        self.loop.run(until_ns)

    def report(self) -> dict[str, Any]:
        """Return what was observed, as JSON values."""
        return {}

    def _listen(self, flow: Mapping[str, Any]) -> tuple[int, socket.socket]:
        number = flow["number"]
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _limit_window(sock, flow)
        sock.bind((RECEIVER_ADDRESS, FIRST_PORT + number))
        sock.listen(8)
        return number, sock

    def _accepting(self, number: int, listening: socket.socket) -> Any:
        def accept(t_ns: int, events: int) -> None:
            sock, _ = listening.accept()
            self.loop.forget(listening.fileno())
            listening.close()
            self._serve(number, sock, t_ns)

        return accept

    def _connect(self, number: int, t_ns: int) -> None:
        """Open a connection that a listener of the senders' host accepts."""
        flow = self.flows[number]
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _limit_window(sock, flow)
        sock.bind((RECEIVER_ADDRESS, FIRST_PORT + number))
        sock.connect_ex((sender_address(flow["namespace"]), LISTENER_PORT + flow["listener"]))

        def connected(t_ns: int, events: int) -> None:
            self.loop.forget(sock.fileno())
            self._serve(number, sock, t_ns)

        self.loop.watch(sock.fileno(), select.EPOLLOUT, connected)

    def _serve(self, number: int, sock: socket.socket, t_ns: int) -> None:
        flow = self.flows[number]
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        asks = flow["talk"] is not None and "rate_bps" not in flow["talk"]
        end: Writer
        if asks:
            end = Client(flow, self.loop, sock, lambda _: end.close())
        else:
            end = _Reader(self.loop, sock, lambda _: end.close())
        end.begin(t_ns)


def _limit_window(sock: socket.socket, flow: Mapping[str, Any]) -> None:
    if flow["rwnd_bytes"] is not None:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_WINDOW_CLAMP, flow["rwnd_bytes"])
