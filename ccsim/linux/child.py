"""The processes of a run: ``python -m ccsim.linux.child PARENT DESCRIPTOR…``, a socket for each
role.

It imports what all need, once, and becomes three processes by fork(2). Each reads one line of JSON
from its socket, its plan, prepares all, answers ``{"ready": …}``, reads the run's first instant,
runs, and writes its report: one line of JSON each. TUN devices are handed over Unix sockets. Each
ends with its parent, and what it made ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ccsim.ending import exit_process
from ccsim.errors import CcsimError
from ccsim.linux import netns
from ccsim.linux.emulator import Emulator, be_prompt
from ccsim.linux.receivers import RECEIVER_ADDRESS, Receivers, sender_address
from ccsim.linux.senders import Senders, open_home

__all__ = ["ROLES", "main"]

ROLES = ("path", "senders", "receivers")
DEVICE = "path0"
MOST_DESCRIPTORS = 64


def main(parent: int, *descriptors: int) -> int:
    """Be the parent of the three, which end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # our own parent decides
    netns.die_with_parent(parent)
    host = os.getpid()
    sockets = [socket.socket(fileno=fd) for fd in descriptors]
    handovers = {role: socket.socketpair() for role in ROLES if role != "path"}
    ours = {role: [pair[0]] for role, pair in handovers.items()}
    ours["path"] = [pair[1] for pair in handovers.values()]
    children = []
    everything = [*sockets, *(end for pair in handovers.values() for end in pair)]
    for role, sock in zip(ROLES, sockets, strict=True):
        child = os.fork()
        if not child:
            _live(host, role, sock, ours[role], everything)
        children.append(child)
    for one in everything:
        one.close()
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def _live(
    host: int,
    role: str,
    sock: socket.socket,
    handovers: Sequence[socket.socket],
    all_of_them: Sequence[socket.socket],
) -> None:
    """Be one of the three, and end; what is the others' is closed here, so that they see an end."""
    status = 1
    try:
        netns.die_with_parent(host)
        for one in all_of_them:
            if one is not sock and one not in handovers:
                one.close()
        status = _play(role, sock, handovers)
    except BaseException:
        traceback.print_exc()
    finally:
        exit_process(status)


def _play(role: str, sock: socket.socket, handovers: Sequence[socket.socket]) -> int:
    """Play a role of a run: path, senders or receivers; return the exit status."""
    with sock.makefile("rw", encoding="utf-8") as talk:

        def say(value: Any) -> None:
            talk.write(json.dumps(value) + "\n")
            talk.flush()

        plan = json.loads(talk.readline())
        try:
            part = _PARTS[role](plan, *handovers)
        except (OSError, CcsimError) as error:
            say({"error": f"{role}: {_reason(error)}"})
            return 1
        say({"ready": role})
        line = talk.readline()
        if not line:
            return 1
        part.run(int(line), plan["duration_ns"])
        say(part.report())
    return 0


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _senders(plan: Mapping[str, Any], handover: socket.socket) -> Any:
    home, devices = [], []
    for number, namespace in enumerate(plan["namespaces"]):
        netns.enter_new_network()
        devices.append(_prepare(plan, namespace, sender_address(number), RECEIVER_ADDRESS))
        home.append(open_home())
    _hand_over(handover, devices)
    return Senders(plan, home)


def _receivers(plan: Mapping[str, Any], handover: socket.socket) -> Any:
    netns.enter_new_network()
    namespace = {"sysctls": plan["receiver_sysctls"], "metrics": plan["receiver_metrics"]}
    device = _prepare(plan, namespace, RECEIVER_ADDRESS, sender_address(0))
    _hand_over(handover, [device])
    return Receivers(plan)


def _path(plan: Mapping[str, Any], *handovers: socket.socket) -> Any:
    senders = _take_over(handovers[0], len(plan["namespaces"]))
    (receiver,) = _take_over(handovers[1], 1)
    return Emulator(plan, senders, receiver, prompt=be_prompt())


_PARTS: Mapping[str, Callable[..., Any]] = {
    "path": _path,
    "senders": _senders,
    "receivers": _receivers,
}


def _prepare(plan: Mapping[str, Any], namespace: Mapping[str, Any], own: str, other: str) -> int:
    """Furnish the namespace in which this process is; return its device."""
    for name, value in namespace["sysctls"].items():
        netns.write_sysctl(name, value)
    device = netns.make_tun(DEVICE)
    netns.set_link(DEVICE, mtu=plan["mtu"], one_packet=not plan["tso"])
    netns.set_address(DEVICE, own, 32)
    network = ".".join([*other.split(".")[:2], "0", "0"])
    netns.add_route(DEVICE, network, 16, namespace["metrics"])
    return device


def _hand_over(handover: socket.socket, devices: list[int]) -> None:
    with handover:
        socket.send_fds(handover, [b"devices"], devices)


def _take_over(handover: socket.socket, count: int) -> list[int]:
    with handover:
        _, devices, _, _ = socket.recv_fds(handover, 16, MOST_DESCRIPTORS)
    if len(devices) != count:
        raise OSError(0, f"expected {count} devices, got {len(devices)}")
    return [_keep(fd) for fd in devices]


def _keep(fd: int) -> int:
    os.set_blocking(fd, False)
    return fd


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
