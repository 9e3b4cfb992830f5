"""The entry of a run's child processes: ``python -m ccsim.linux.child ROLE PARENT DESCRIPTOR…``.

A child reads one line of JSON, its plan, prepares all, prints ``{"ready": …}``, reads the run's
first instant, runs, and prints its report: one line of JSON each. TUN devices are handed over Unix
sockets, whose descriptors it is told. It ends with its parent, and what it made ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ccsim.linux import netns

__all__ = ["main"]

DEVICE = "path0"
MOST_DESCRIPTORS = 64


def main(role: str, parent: int, *handovers: int) -> int:
    """Play a role of a run: path, senders or receivers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    netns.die_with_parent(parent)
    plan = json.loads(sys.stdin.readline())
    try:
        part = _ROLES[role](plan, *map(_socket, handovers))
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        _say({"error": f"{role}: {what}{error.strerror or error}"})
        return 1
    _say({"ready": role})
    line = sys.stdin.readline()
    if not line:
        return 1
    part.run(int(line), plan["duration_ns"])
    _say(part.report())
    return 0


def _say(value: Any) -> None:
    print(json.dumps(value), flush=True)


def _socket(fd: int) -> socket.socket:
    return socket.socket(fileno=fd)


def _senders(plan: Mapping[str, Any], handover: socket.socket) -> Any:
    from ccsim.linux.receivers import RECEIVER_ADDRESS, sender_address
    from ccsim.linux.senders import Senders, open_home

    home, devices = [], []
    for number, namespace in enumerate(plan["namespaces"]):
        netns.enter_new_network()
        devices.append(_prepare(plan, namespace, sender_address(number), RECEIVER_ADDRESS))
        home.append(open_home())
    _hand_over(handover, devices)
    return Senders(plan, home)


def _receivers(plan: Mapping[str, Any], handover: socket.socket) -> Any:
    from ccsim.linux.receivers import RECEIVER_ADDRESS, Receivers, sender_address

    netns.enter_new_network()
    namespace = {"sysctls": plan["receiver_sysctls"], "metrics": plan["receiver_metrics"]}
    device = _prepare(plan, namespace, RECEIVER_ADDRESS, sender_address(0))
    _hand_over(handover, [device])
    return Receivers(plan)


def _path(plan: Mapping[str, Any], *handovers: socket.socket) -> Any:
    from ccsim.linux.emulator import Emulator, be_prompt

    senders = _take_over(handovers[0], len(plan["namespaces"]))
    (receiver,) = _take_over(handovers[1], 1)
    be_prompt()
    return Emulator(plan, senders, receiver)


_ROLES: Mapping[str, Callable[..., Any]] = {
    "senders": _senders,
    "receivers": _receivers,
    "path": _path,
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
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
