"""A network namespace without a name, and in it a TUN device, by system calls (namespaces(7),
netlink(7), rtnetlink(7), Linux's Documentation/networking/tuntap.rst)."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "NLMSG_ERROR",
    "NLM_F_ACK",
    "NLM_F_REQUEST",
    "add_route",
    "attribute",
    "attributes",
    "die_with_parent",
    "enter",
    "enter_new_network",
    "make_tun",
    "read_sysctl",
    "set_address",
    "set_link",
    "write_sysctl",
]

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_TIMERSLACK = 29
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE = 16, 20, 24
NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_CREATE = 0x1, 0x4, 0x100, 0x400
NLMSG_ERROR = 2
NLA_TYPE_MASK = 0x3FFF
IFLA_MTU, IFLA_TXQLEN, IFLA_GSO_MAX_SEGS = 4, 13, 40
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_DST, RTA_OIF, RTA_METRICS = 1, 4, 8
RTAX_LOCK, RTAX_INITCWND, RTAX_RTO_MIN, RTAX_QUICKACK = 1, 11, 13, 15
IFF_UP = 1
QUEUE_PACKETS = 10_000  # of a TUN device: what waits there has not reached the path yet

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent ends, however that ends."""
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    _libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)  # wake at the nanosecond asked for, not 50 us later
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def enter_new_network() -> None:
    """Move this thread into a network namespace of its own: as root directly, else in a user
    namespace of its own in which it is root.

    OSError as unshare(2) if that is forbidden. The process must have one thread.
    """
    if not _unshare(CLONE_NEWNET):
        return
    number = _unshare(CLONE_NEWUSER | CLONE_NEWNET)
    if number:
        raise OSError(number, os.strerror(number), "unshare")


def _unshare(flags: int) -> int:
    """Call unshare(2); return its errno, 0 if it worked."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(flags):
        return ctypes.get_errno()
    if flags & CLONE_NEWUSER:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    return 0


def enter(namespace: int) -> None:
    """Move this thread into the network namespace that a descriptor stands for (setns(2))."""
    if _libc.setns(namespace, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


def make_tun(name: str) -> int:
    """Make a TUN device of that name in this namespace; return its descriptor, which does not
    block."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        request = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(fd, TUNSETIFF, request)
    except OSError:
        os.close(fd)
        raise
    return fd


def write_sysctl(name: str, value: str) -> None:
    """Write a sysctl of this network namespace; OSError names it."""
    path = "/proc/sys/" + name.replace(".", "/")
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(value)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{name} = {value}") from error


def read_sysctl(name: str) -> str:
    """Return a sysctl of this network namespace."""
    return Path("/proc/sys/" + name.replace(".", "/")).read_text(encoding="utf-8").strip()


def set_link(name: str, *, mtu: int, one_packet: bool) -> None:
    """Bring a device up; ``one_packet`` lets a segment be one packet, as in the simulator."""
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, socket.if_nametoindex(name), IFF_UP, IFF_UP)
    body += _number(IFLA_MTU, mtu) + _number(IFLA_TXQLEN, QUEUE_PACKETS)
    if one_packet:
        body += _number(IFLA_GSO_MAX_SEGS, 1)
    _ask(RTM_NEWLINK, 0, body, f"set up {name}")


def set_address(name: str, address: str, prefix: int) -> None:
    """Give a device an IPv4 address."""
    index = socket.if_nametoindex(name)
    packed = socket.inet_aton(address)
    body = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, 0, index)
    body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    _ask(RTM_NEWADDR, NLM_F_CREATE, body, f"give {name} {address}")


def add_route(name: str, network: str, prefix: int, metrics: dict[str, int]) -> None:
    """Route a network through a device; ``metrics`` has ``initcwnd`` [packets], ``rto_min`` [ms]
    and ``quickack`` [0 or 1], those that are wanted."""
    known = {"initcwnd": RTAX_INITCWND, "rto_min": RTAX_RTO_MIN, "quickack": RTAX_QUICKACK}
    inner = b"".join(_number(known[key], value) for key, value in metrics.items())
    if "rto_min" in metrics:
        inner += _number(RTAX_LOCK, 1 << RTAX_RTO_MIN)
    head = (socket.AF_INET, prefix, 0, 0, 254, 4, 253, 1, 0)  # main table, static, link, unicast
    body = struct.pack("=BBBBBBBBI", *head) + attribute(RTA_DST, socket.inet_aton(network))
    body += _number(RTA_OIF, socket.if_nametoindex(name)) + attribute(RTA_METRICS, inner)
    _ask(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body, f"route {network}/{prefix}")


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute of a message."""
    padding = -len(value) % 4
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(padding)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the attributes of a message: kind and value."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if not 4 <= length <= len(data):
            raise OSError(errno.EPROTO, "an attribute of rtnetlink that ends beyond it")
        yield kind & NLA_TYPE_MASK, data[4:length]
        data = data[-(-length // 4) * 4 :]


def _ask(kind: int, flags: int, body: bytes, what: str) -> None:
    """Send a request to rtnetlink and take its answer; OSError says what was wanted."""
    flags |= NLM_F_REQUEST | NLM_F_ACK
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        answer = netlink.recv(4096)
    number, answer_kind = -struct.unpack_from("=i", answer, 16)[0], answer[4]
    if answer_kind != NLMSG_ERROR:
        raise OSError(errno.EPROTO, "unexpected answer of rtnetlink", what)
    if number:
        raise OSError(number, os.strerror(number), what)
