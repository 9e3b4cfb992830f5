"""The kernel's own queueing disciplines on a device, by rtnetlink (``tc qdisc``; the attributes of
``include/uapi/linux/pkt_sched.h``).

A token bucket is the line, and the discipline that is wanted stands below it. The bucket holds a
few packets, so that a kernel that wakes late costs no rate; the reader of the device behind it lets
packets go one after the other again.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any

from ccsim.linux import netns

__all__ = ["KINDS", "Traffic", "bucket_options", "options_of"]

RTM_NEWQDISC, RTM_GETQDISC = 36, 38
NLM_F_ECHO, NLM_F_EXCL, NLM_F_CREATE = 0x8, 0x200, 0x400
TCA_KIND, TCA_OPTIONS, TCA_STATS2 = 1, 2, 7
TCA_STATS_QUEUE = 3
TCA_TBF_PARMS, TCA_TBF_RATE64, TCA_TBF_BURST = 1, 4, 6
TC_H_ROOT = 0xFFFF_FFFF
LINKLAYER_ETHERNET = 1
BUCKET, BELOW, WANTED = 0x1_0000, 0x1_0001, 0xA_0000  # 1:, its class 1:1, and a:
BUCKET_LIMIT = 1 << 20  # of a queue that is replaced at once
BURST_PACKETS = 2
BURST_NS = 500_000
U32 = 0xFFFF_FFFF
PATIENCE_S = 2.0  # with a kernel that does not answer
HEAD_BYTES = 36  # of nlmsghdr and tcmsg
_FIFO = {"limit": 0}
_CODEL = {"target_us": 1, "limit": 2, "interval_us": 3, "ecn": 4}
KINDS: Mapping[str, Mapping[str, int]] = {
    "pfifo": _FIFO,
    "bfifo": _FIFO,
    "pfifo_head_drop": _FIFO,
    "codel": {**_CODEL, "ce_threshold_us": 5},
    "fq_codel": {
        **_CODEL,
        "flows": 5,
        "quantum": 6,
        "ce_threshold_us": 7,
        "drop_batch": 8,
        "memory_limit": 9,
    },
    "pie": {
        "target_us": 1,
        "limit": 2,
        "tupdate_us": 3,
        "alpha": 4,
        "beta": 5,
        "ecn": 6,
        "bytemode": 7,
        "dq_rate_estimator": 8,
    },
    "fq": {
        "limit": 1,
        "flow_limit": 2,
        "quantum": 3,
        "initial_quantum": 4,
        "pacing": 5,
        "refill_delay_us": 9,
        "orphan_mask": 10,
        "low_rate_threshold_Bps": 11,
        "ce_threshold_us": 12,
        "horizon_us": 14,
    },
}
"""The attribute of each parameter, as a kernel takes it; a FIFO has a structure instead."""


class Traffic:
    """The token bucket of a device and the discipline below it, and what that counts."""

    def __init__(
        self, device: str, rate_bps: int, packet_bytes: int, kind: str, values: Mapping[str, Any]
    ) -> None:
        """OSError if the kernel has no such discipline, or refuses its parameters."""
        self._index = socket.if_nametoindex(device)
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._netlink.settimeout(PATIENCE_S)
        bucket = bucket_options(rate_bps, packet_bytes)
        self._add("tbf", TC_H_ROOT, BUCKET, bucket)
        self._add(kind, BELOW, WANTED, options_of(kind, values))

    def read(self) -> tuple[int, int]:
        """Return how many packets wait, and how many have been dropped so far."""
        answer = self._ask(RTM_GETQDISC, NLM_F_ECHO, BELOW, WANTED, b"")
        attributes = dict(netns.attributes(answer[HEAD_BYTES:]))
        queue = dict(netns.attributes(attributes[TCA_STATS2]))[TCA_STATS_QUEUE]
        waiting, _, drops = struct.unpack_from("=III", queue)
        return waiting, drops

    def _add(self, kind: str, parent: int, handle: int, options: bytes) -> None:
        body = netns.attribute(TCA_KIND, kind.encode() + b"\0")
        body += netns.attribute(TCA_OPTIONS, options)
        flags = NLM_F_CREATE | NLM_F_EXCL | netns.NLM_F_ACK
        try:
            self._ask(RTM_NEWQDISC, flags, parent, handle, body)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
                raise OSError(error.errno, error.strerror, f"qdisc {kind}") from error
            mend = f"modprobe sch_{kind} as root, or leave path.qdisc_of out"
            raise OSError(error.errno, f"this kernel has none; {mend}", f"qdisc {kind}") from error

    def _ask(self, what: int, flags: int, parent: int, handle: int, body: bytes) -> bytes:
        """Send a request about a discipline; return the answer."""
        about = struct.pack("=BxHiIII", socket.AF_UNSPEC, 0, self._index, handle, parent, 0) + body
        head = struct.pack("=IHHII", 16 + len(about), what, netns.NLM_F_REQUEST | flags, 1, 0)
        self._netlink.send(head + about)
        answer = self._netlink.recv(1 << 16)
        if struct.unpack_from("=H", answer, 4)[0] == netns.NLMSG_ERROR:
            number = -struct.unpack_from("=i", answer, 16)[0]
            if number:
                raise OSError(number, os.strerror(number))
        return answer


def bucket_options(rate_bps: int, packet_bytes: int) -> bytes:
    """Return the options of ``tbf`` for a rate [bit/s] and packets of that many bytes."""
    rate = rate_bps // 8  # byte/s
    burst = BURST_PACKETS * packet_bytes + rate * BURST_NS // 1_000_000_000
    speed = struct.pack("=BBHhHI", 0, LINKLAYER_ETHERNET, 0, 0, 0, min(rate, U32))
    parameters = speed + bytes(len(speed)) + struct.pack("=III", BUCKET_LIMIT, 0, 0)
    return (
        netns.attribute(TCA_TBF_PARMS, parameters)
        + netns.attribute(TCA_TBF_BURST, struct.pack("=I", burst))
        + netns.attribute(TCA_TBF_RATE64, struct.pack("=Q", rate))
    )


def options_of(kind: str, values: Mapping[str, Any]) -> bytes:
    """Return the options of a discipline with these parameters, which are as a kernel takes them;
    KeyError for one that is not told to a kernel."""
    known = KINDS[kind]
    if known is _FIFO:
        return struct.pack("=I", values["limit"])
    return b"".join(
        netns.attribute(known[key], struct.pack("=I", min(value, U32)))
        for key, value in values.items()
    )
