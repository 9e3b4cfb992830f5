"""A path whose queue is the kernel's own: packets are forwarded through a network namespace that is
a router, and read behind its queueing discipline.

The line behind it is ours again, so that what a token bucket lets go together leaves one after the
other. Queue and drops are what the kernel counts; which packets it has dropped shows by those of
the same flow that come out behind them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from ccsim.linux import netns
from ccsim.linux.bottleneck import Bottleneck
from ccsim.linux.packets import TO_QUEUE, FlowDelays
from ccsim.linux.traffic_control import Traffic
from ccsim.net.fifo import DATA_BYTES_MIN
from ccsim.net.loss import BernoulliLoss
from ccsim.net.qdisc.kinds import kind_of

__all__ = ["KernelQueue", "make_router", "qdisc_of"]

INTO, OUT_OF = "path1", "path2"
SENDERS, RECEIVER = "10.77.0.0", "10.78.0.0"
NEVER_FULL = 1 << 30  # the line's own queue, which is not one


class KernelQueue(Bottleneck):
    """Packets on their way; it is used as `Bottleneck` is, and `passed` takes what comes out of the
    kernel's queue.

    ``devices`` are the router's: what goes in is written to the first, what comes out is read from
    the second.
    """

    def __init__(
        self,
        path: Mapping[str, Any],
        ways: Sequence[FlowDelays],
        interval_ns: int,
        traffic: Traffic,
        devices: tuple[int, int],
    ) -> None:
        line = {**path, "loss_probability": 0.0, "buffer_packets": NEVER_FULL}
        super().__init__({**line, "ecn_mark_packets": None, "ecn_mark_ns": None}, ways, interval_ns)
        self.devices = devices
        self._traffic = traffic
        self._late_drops = kind_of(qdisc_of(path)[0]).decides == "service"
        probability = path["loss_probability"]
        self._loss = BernoulliLoss(probability, path["loss_seed"]) if probability else None
        self._losses = 0
        self._gone: list[deque[tuple[bytes, int, int]]] = [deque() for _ in ways]

    def passed(self, t_ns: int, flow: int, packet: bytes) -> None:
        """Take a packet that has come out of the kernel's queue."""
        gone, name = self._gone[flow], _name(packet)
        if any(name == one[0] for one in gone):
            while (one := gone.popleft())[0] != name:
                self.drops.append((t_ns if self._late_drops else one[1], flow, 0))
            if packet[1] & 3 == 3 and one[2] != 3:
                self.marks.append((t_ns, flow))
        super()._arrive(t_ns, flow, packet)

    def next_ns(self) -> int | None:
        """See `Bottleneck`; the kernel is asked for its queue on the grid of samples."""
        sample, after = len(self.samples) * self.interval_ns, super().next_ns()
        return sample if after is None else min(sample, after)

    def due(self, now_ns: int) -> list[tuple[int, int, int, bytes]]:
        """See `Bottleneck`."""
        self.sample_until(now_ns)
        return super().due(now_ns)

    def sample_until(self, t_ns: int) -> None:
        """Take the samples up to and including ``t_ns``, as the kernel's queue is now."""
        at = len(self.samples) * self.interval_ns
        if at > t_ns:
            return
        waiting, drops = self._traffic.read()
        while at <= t_ns:
            self._leave(at)
            inside = waiting + len(self._inside)
            self.samples.append((at, inside, drops, self._losses, self._departed_bytes))
            at += self.interval_ns

    def report(self) -> dict[str, Any]:
        """See `Bottleneck`; drops in order of time, though some were found out later."""
        self.drops.sort()
        return super().report()

    def _arrive(self, t_ns: int, flow: int, packet: bytes) -> None:
        """Let a packet reach the queue: the kernel has it, unless it is lost at random."""
        if self._loss is not None and len(packet) > DATA_BYTES_MIN and self._loss.draw():
            self._losses += 1
            self.drops.append((t_ns, flow, 1))
            return
        self._gone[flow].append((_name(packet), t_ns, packet[1] & 3))
        self._push(t_ns, TO_QUEUE, flow, packet)


def qdisc_of(path: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the kernel's kind of a path's queue, and its parameters."""
    chosen = path["qdisc"]
    if chosen == "fifo":
        return "pfifo", {"limit": path["buffer_packets"]}
    return chosen["kind"], chosen["values"]


def make_router(path: Mapping[str, Any], mtu: int) -> tuple[Traffic, tuple[int, int]]:
    """Move this process into a namespace that forwards from one device to another, behind which the
    path's queue is; return that, and the devices. OSError says what a kernel lacks."""
    netns.enter_new_network()
    devices = netns.make_tun(INTO), netns.make_tun(OUT_OF)
    for name, network in ((INTO, SENDERS), (OUT_OF, RECEIVER)):
        netns.write_sysctl(f"net.ipv6.conf.{name}.disable_ipv6", "1")
        netns.set_link(name, mtu=mtu, one_packet=False)
        netns.add_route(name, network, 16, {})
    netns.write_sysctl("net.ipv4.ip_forward", "1")
    kind, values = qdisc_of(path)
    return Traffic(OUT_OF, path["rate_bps"], mtu, kind, values), devices


def _name(packet: bytes) -> bytes:
    """Return what tells a packet from others of its flow: its identification, and the segment's
    place (the TTL, checksums and marks change on the way)."""
    return packet[4:6] + packet[24:28]
