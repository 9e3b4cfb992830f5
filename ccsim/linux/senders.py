"""The senders' host: sockets with their congestion control, what they send, what is swapped, and
what ``TCP_INFO`` says of them all the while."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ccsim.linux import netns, tcp_info
from ccsim.linux.applications import make_writer
from ccsim.linux.connection import (
    SAMPLED,
    LinuxConnection,
    congestion_of,
    set_congestion,
    unacknowledged,
)
from ccsim.linux.loop import Loop
from ccsim.linux.packets import FIRST_PORT
from ccsim.linux.receivers import LISTENER_PORT, RECEIVER_ADDRESS, sender_address
from ccsim.linux.registered import Registered
from ccsim.linux.rollouts import Rollouts

__all__ = ["Senders"]

DEFAULT_CONGESTION = "net.ipv4.tcp_congestion_control"
POLL_NS = 1_000_000  # how often a trigger looks, and the end of a response is looked for
CA_STATES = ("Open", "Disorder", "CWR", "Recovery", "Loss")


class Senders:
    """All sending ends of a run, in their namespaces; ``home`` are descriptors of these."""

    def __init__(self, plan: Mapping[str, Any], home: list[int]) -> None:
        self.plan = plan
        self.home = home
        self.connections = [LinuxConnection(spec) for spec in plan["flows"]]
        self.events: list[tuple[int, str, str, dict[str, Any]]] = []
        self.sample_late_ns = 0
        self._bordered: set[int] = set()  # swaps whose first action has come
        self.loop: Loop
        self.registered = Registered(plan)
        self.rollouts = Rollouts(self)
        self.defaults = [self._set_default(k) for k in range(len(home))]
        self.inherited: list[str] = []  # which implementation each listener hands on
        self.listeners = [self._listen(k, spec) for k, spec in enumerate(plan["listeners"])]

    def run(self, t0_ns: int, until_ns: int) -> None:
        """Open, write, swap and sample until ``until_ns`` after ``t0_ns``."""
        self.loop = loop = Loop(t0_ns)
        for number, sock in enumerate(self.listeners):
            loop.watch(sock.fileno(), select.EPOLLIN, partial(self._accept, number))
        for connection in self.connections:
            spec = connection.spec
            if spec["listener"] is None:
                loop.at(spec["start_ns"], partial(self._open, connection))
            if spec["stop_ns"] is not None:
                loop.at(spec["stop_ns"], partial(self._stop, connection))
        for action in self.plan["actions"]:
            loop.at(action["t_ns"], partial(self._act, action))
        loop.at(0, self._sample)
        loop.run(until_ns)
        self._sample(until_ns)
        for one in self.connections:
            if one.running:
                one.border(until_ns)

    def report(self) -> dict[str, Any]:
        """Return what was observed, as JSON values."""
        return {
            "flows": [
                {
                    "congestion": one.congestion,
                    "names": one.names,
                    "served": one.served,
                    "samples": one.samples,
                    "ended_ns": one.ended_ns,
                    "last": one.last,
                    "marks": one.marks,
                    "borders": one.borders,
                    "responses": one.responses,
                }
                for one in self.connections
            ],
            "events": self.events,
            "sample_late_ns": self.sample_late_ns,
            "objects": self.registered.report(),
        }

    # --- sockets ---

    def _set_default(self, namespace: int) -> str | None:
        """Make a namespace's default what it should be; return what its sockets must choose
        themselves, where the kernel does not let it be the default: a restricted one may be that in
        the initial namespace alone (``tcp_set_default_congestion_control``)."""
        netns.enter(self.home[namespace])
        wanted = str(self.plan["namespaces"][namespace]["default"])
        try:
            netns.write_sysctl(DEFAULT_CONGESTION, wanted)
        except PermissionError:
            return wanted
        return None

    def _listen(self, number: int, spec: Mapping[str, Any]) -> socket.socket:
        sock = self._socket(spec["namespace"])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        chosen = spec["congestion"] or self.defaults[spec["namespace"]]
        if chosen is not None:
            self._choose(sock, chosen)
        self.inherited.append(self._meaning(sock))
        sock.bind((sender_address(spec["namespace"]), LISTENER_PORT + number))
        sock.listen(1024)
        return sock

    def _socket(self, namespace: int) -> socket.socket:
        """Return a socket of a namespace, which it keeps."""
        netns.enter(self.home[namespace])
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _open(self, one: LinuxConnection, t_ns: int) -> None:
        spec = one.spec
        sock = one.sock = self._socket(spec["namespace"])
        self._prepare(sock, spec)
        wanted = spec["congestion"] or self.defaults[spec["namespace"]]
        number = self._choose(sock, wanted) if wanted is not None else 0
        one.congestion = self._name(sock) if number or wanted is None else wanted
        if number:
            about = {"wanted": wanted, "got": one.congestion, "errno": number}
            self.log(t_ns, "fallback", one, about)
        self.log(t_ns, "start", one, {"congestion": one.congestion})
        one.note(t_ns, self._meaning(sock))
        sock.connect_ex((RECEIVER_ADDRESS, FIRST_PORT + spec["number"]))
        self.loop.watch(
            sock.fileno(), select.EPOLLOUT, lambda t, events: self._connected(t, one, events)
        )

    def _prepare(self, sock: socket.socket, spec: Mapping[str, Any]) -> None:
        if spec["sndbuf_bytes"] is not None:  # the kernel doubles it, for its own structures
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, spec["sndbuf_bytes"])

    def _connected(self, t_ns: int, one: LinuxConnection, events: int) -> None:
        assert one.sock is not None
        self.loop.forget(one.sock.fileno())
        failed = one.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            self.log(t_ns, "refused", one, {"errno": failed})
            self._close(t_ns, one)
            return
        self._begin(t_ns, one)

    def _accept(self, number: int, t_ns: int, events: int) -> None:
        sock, (_, port) = self.listeners[number].accept()
        one = self.connections[port - FIRST_PORT]
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.sock = sock
        self._prepare(sock, one.spec)
        wanted = one.spec["congestion"]
        chose = wanted is not None and not self._choose(sock, wanted)
        one.note(t_ns, self._meaning(sock) if chose else self.inherited[number])
        one.congestion = self._name(sock)
        self.log(t_ns, "accept", one, {"congestion": one.congestion})
        self._begin(t_ns, one)

    def _begin(self, t_ns: int, one: LinuxConnection) -> None:
        assert one.sock is not None
        one.connected = True
        one.writer = make_writer(
            one.spec,
            self.loop,
            one.sock,
            lambda t: self._close(t, one),
            lambda t, size: self._responding(t, one, size),
        )
        one.writer.begin(t_ns)

    def _stop(self, one: LinuxConnection, t_ns: int) -> None:
        if one.writer is not None and one.running:
            one.writer.stop()

    def _close(self, t_ns: int, one: LinuxConnection) -> None:
        """Note the end of a connection whose peer has read all and closed."""
        if not one.running:
            return
        self._look(one)
        one.border(t_ns)
        one.ended_ns = t_ns
        self.log(t_ns, "end", one, {})
        if one.writer is not None:
            one.writer.close()
        elif one.sock is not None:
            self.loop.forget(one.sock.fileno())
            one.sock.close()

    def _responding(self, t_ns: int, one: LinuxConnection, size: int) -> None:
        row = [t_ns, -1, size]
        one.responses.append(row)

        def look(t: int) -> None:
            if not one.running or one.sock is None:
                return
            if unacknowledged(one.sock):
                self.loop.at(t + POLL_NS, look)
            else:
                row[1] = t

        self.loop.at(t_ns + POLL_NS, look)

    # --- what is seen ---

    def _sample(self, t_ns: int) -> None:
        """Take a sample of every connection, as of a point of the grid."""
        self.sample_late_ns = max(self.sample_late_ns, self.loop.now() - t_ns)
        for one in self.connections:
            if one.running:
                self._look(one)
                row = [one.last[name] for name in SAMPLED if name in one.last]
                one.samples.append([t_ns, one.served[-1][1], *row])
        following = t_ns + self.plan["interval_ns"]
        if following < self.plan["duration_ns"]:
            self.loop.at(following, self._sample)

    def _look_at_all(self, t_ns: int, swap: int) -> None:
        """Note the counts of all connections at the first action of a swap."""
        if swap in self._bordered:
            return
        self._bordered.add(swap)
        for one in self.connections:
            if one.running:
                self._look(one)
                one.border(t_ns)

    def _look(self, one: LinuxConnection) -> None:
        assert one.sock is not None
        try:
            one.last = tcp_info.read(one.sock)
        except OSError:  # the connection was reset
            return

    def log(
        self, t_ns: int, kind: str, one: LinuxConnection | None, detail: dict[str, Any]
    ) -> None:
        """Write an event down."""
        self.events.append((t_ns, kind, one.spec["name"] if one else "", detail))

    # --- swaps ---

    def _act(self, action: Mapping[str, Any], t_ns: int) -> None:
        if action["swap"] in self.rollouts.over:
            return
        if action["when"] is not None:
            self._await(action, t_ns)
        else:
            _ACTS[action["do"]](self, self.loop.now(), action)

    def _setsockopt(self, t_ns: int, action: Mapping[str, Any]) -> None:
        about = {"via": action["via"], "state": "linux", "swap": action["swap"]}
        for number in action["flows"]:
            one = self.connections[number]
            if one.running:
                before = self._name(one.sock) if one.sock is not None else ""
                if not self.change(one, action["to"], about):
                    self.rollouts.moved(action["swap"], number, before)
            elif not action["running_only"]:
                detail = {**about, "to": action["to"], "errno": errno.EBADF}
                self.log(t_ns, "swap", one, detail)
        for number in action["listeners"]:
            sock, spec = self.listeners[number], self.plan["listeners"][number]
            old = self.inherited[number]
            failed = self._choose(sock, action["to"])
            new = action["to"] if failed else self._meaning(sock)
            self.inherited[number] = old if failed else new
            detail = {**about, "listener": spec["name"], "from": old, "to": new, "errno": failed}
            self.log(t_ns, "swap", None, detail)

    def change(self, one: LinuxConnection, to: str, about: dict[str, Any]) -> int:
        """Set TCP_CONGESTION, and look at the socket just before and just after; return the
        errno."""
        assert one.sock is not None
        old = one.serving
        t_ns = self.loop.now()
        self._look_at_all(t_ns, about["swap"])
        self._look(one)
        one.border(t_ns)
        before = _windows(one.last)
        one.marks.append((t_ns, "swap_pre", old, one.last))
        failed = self._choose(one.sock, to)
        took_ns = self.loop.now() - t_ns
        self._look(one)
        new = to if failed else self._meaning(one.sock)
        if not failed:
            one.note(t_ns, new)
        one.marks.append((t_ns, "swap_post", new, one.last))
        detail = {**about, "from": old, "to": new, "before": before, "after": _windows(one.last)}
        self.log(t_ns, "swap", one, {**detail, "errno": failed, "took_ns": took_ns})
        return failed

    def _sysctl(self, t_ns: int, action: Mapping[str, Any]) -> None:
        netns.enter(self.home[action["namespace"]])
        failed = 0
        self._look_at_all(t_ns, action["swap"])
        old = self.defaults[action["namespace"]] or netns.read_sysctl(DEFAULT_CONGESTION)
        try:
            netns.write_sysctl(DEFAULT_CONGESTION, action["to"])
            self.defaults[action["namespace"]] = None
        except OSError as error:
            failed = error.errno or errno.EIO
        detail = {"via": "sysctl", "netns": action["netns"], "from": old, "to": action["to"]}
        self.log(t_ns, "swap", None, {**detail, "errno": failed, "swap": action["swap"]})

    def link_update(self, t_ns: int, action: Mapping[str, Any], *, wait: bool = False) -> None:
        """Update a link in a thread of its own: the call waits for a grace period; and ``wait`` for
        the call."""
        link, to = action["link"], action["to"]
        self._look_at_all(t_ns, action["swap"])
        old = self.registered.meaning(link)
        self.rollouts.began(action["swap"], old)
        detail = {"via": action["via"], "swap": action["swap"], "link": link, "from": old, "to": to}
        row = {**detail, "errno": 0, "took_ns": 0}
        self.log(t_ns, "swap", None, row)

        def update() -> None:
            try:
                self.registered.update(link, to)
            except OSError as error:
                row["errno"] = error.errno or errno.EIO
            row["took_ns"] = self.loop.now() - t_ns

        thread = threading.Thread(target=update)
        thread.start()
        if wait:
            thread.join()

    def _unregister(self, t_ns: int, action: Mapping[str, Any]) -> None:
        link = action["link"]
        about = {"via": action["via"], "swap": action["swap"], "link": link}
        self.log(t_ns, "unregister", None, {**about, "from": self.registered.meaning(link)})
        self.registered.unregister(link)

    def _register(self, t_ns: int, action: Mapping[str, Any]) -> None:
        link, to, failed = action["link"], action["to"], 0
        detail = {"via": action["via"], "swap": action["swap"], "link": link}
        old = self.registered.meaning(link)
        try:
            self.registered.register(link, to)
        except OSError as error:
            failed = error.errno or errno.EIO
        self.log(t_ns, "swap", None, {**detail, "from": old, "to": to, "errno": failed})

    def _choose(self, sock: socket.socket, name: str) -> int:
        """Choose a congestion control by the scenario's name; return the errno, 0 if it worked."""
        return set_congestion(sock, self.registered.kernel_name(name))

    def _name(self, sock: socket.socket) -> str:
        """Return the scenario's name of what a socket has chosen."""
        return self.registered.our_name(congestion_of(sock))

    def _meaning(self, sock: socket.socket) -> str:
        """Return which implementation a socket that has just chosen is served by."""
        return self.registered.meaning(self._name(sock))

    def _await(self, action: Mapping[str, Any], t_ns: int) -> None:
        """Look every millisecond for what a trigger waits for."""
        one = self.connections[action["when"]["flow"]]
        if one.running and one.connected:
            self._look(one)
            if _holds(action["when"], one):
                now = self.loop.now()
                about = {"swap": action["swap"], "when": action["when"]["text"], "acts_ns": now}
                self.log(now, "trigger", one, about)
                self._act({**action, "when": None}, now)
                return
        self.loop.at(t_ns + POLL_NS, partial(self._await, action))


_ACTS: Mapping[str, Callable[[Senders, int, Mapping[str, Any]], None]] = {
    "setsockopt": Senders._setsockopt,
    "sysctl": Senders._sysctl,
    "link_update": Senders.link_update,
    "check": lambda senders, t_ns, action: senders.rollouts.check(t_ns, action),
    "unregister": Senders._unregister,
    "register": Senders._register,
}
"""What a step of a swap does."""


def _holds(when: Mapping[str, Any], one: LinuxConnection) -> bool:
    """Report whether ``TCP_INFO`` shows what a trigger waits for."""
    info = one.last
    if when["state"] == "slow-start":
        return info["snd_cwnd"] < info["snd_ssthresh"]
    if when["state"] == "app-limited":
        return bool(info["app_limited"] & 1)
    if when["state"]:
        return CA_STATES[info["ca_state"]] == when["state"]
    if when["acked_bytes"]:
        return info["bytes_acked"] > when["acked_bytes"]  # the SYN counts as one
    return info["snd_cwnd"] > when["cwnd_above"]


def _windows(info: Mapping[str, int]) -> dict[str, int]:
    return {
        "snd_cwnd": info["snd_cwnd"],
        "ssthresh": info["snd_ssthresh"],
        "pacing_rate": info["pacing_rate"],
    }


def open_home() -> int:
    """Return a descriptor of the namespace in which this process is."""
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
