"""The process that is the path: it reads packets from TUN devices and writes them to others."""

from __future__ import annotations

import array
import gc
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ccsim.linux.bottleneck import Bottleneck
from ccsim.linux.packets import TO_RECEIVER, TO_SENDER, FlowDelays, flow_of
from ccsim.linux.waiting import Waiter
from ccsim.net.loss import BernoulliLoss

if TYPE_CHECKING:
    from ccsim.linux.kernel_queue import KernelQueue

__all__ = ["Emulator", "be_prompt"]

PACKET_BYTES = 65_536
BURST = 64  # packets that are read before what is due is written
STALL_NS = 500_000
"""A delivery that late is a stall of the machine."""
NOTHING_YET_NS = 1_000_000  # before the start nobody sends
PRIORITY = 50  # of SCHED_FIFO


class Emulator:
    """Carries packets between the senders' devices and the receivers' until a run is over."""

    def __init__(
        self,
        plan: Mapping[str, Any],
        senders: list[int],
        receiver: int,
        *,
        prompt: bool = False,
    ) -> None:
        self.senders, self.receiver = senders, receiver
        self.prompt = prompt
        self.kernels = _make_kernel_queue(plan)
        self.path: EmulatedPath = self.kernels or _make_path(plan)
        self.queue: Sequence[int] = self.kernels.devices if self.kernels else ()
        self.namespace = [flow["namespace"] for flow in plan["flows"]]
        self.lateness = array.array("q")  # of each delivery [ns]
        self.stalls: list[tuple[int, int]] = []  # when, how late [ns]
        self.refused = 0  # packets that a device did not take
        self.foreign = 0  # packets that belong to no flow

    def run(self, t0_ns: int, until_ns: int) -> None:
        """Carry packets from ``t0_ns`` of the monotonic clock on, until ``until_ns`` later."""
        gc.disable()  # nothing here makes cycles, and a collection would be a stall
        waiter = Waiter([*self.senders, self.receiver, *self.queue[1:]], prompt=self.prompt)
        waiter.learn(t0_ns - NOTHING_YET_NS)
        now = time.monotonic_ns() - t0_ns
        while now < until_ns:
            self._deliver(now, t0_ns)
            after = self.path.next_ns()
            due = until_ns if after is None else min(after, until_ns)
            ready, came = waiter.wait(t0_ns + due)
            for fd in ready:
                self._read(fd, t0_ns, came - t0_ns)
            now = time.monotonic_ns() - t0_ns
        self._deliver(until_ns, t0_ns)
        self.path.finish(until_ns)

    def report(self) -> dict[str, Any]:
        """Return what was observed, as JSON values."""
        return {
            **self.path.report(),
            "packets": len(self.lateness),
            "lateness_us": _percentiles(self.lateness),
            "stalls_us": [(t // 1000, late // 1000) for t, late in self.stalls],
            "refused": self.refused,
            "foreign": self.foreign,
            "prompt": self.prompt,
        }

    def _deliver(self, now_ns: int, t0_ns: int) -> None:
        for t, to, flow, packet in self.path.due(now_ns):
            if to == TO_RECEIVER:
                fd = self.receiver
            else:
                fd = self.senders[self.namespace[flow]] if to == TO_SENDER else self.queue[0]
            try:
                os.write(fd, packet)
            except OSError:
                self.refused += 1
            late = time.monotonic_ns() - t0_ns - t
            self.lateness.append(late)
            if late > STALL_NS and (not self.stalls or t - self.stalls[-1][0] > 2 * STALL_NS):
                self.stalls.append((t, late))

    def _read(self, fd: int, t0_ns: int, now: int) -> None:
        """Take what waits in a device: the first came at ``now``, of others the time is that of
        their reading."""
        for k in range(BURST):
            try:
                packet = os.read(fd, PACKET_BYTES)
            except BlockingIOError:
                return
            if k:
                now = time.monotonic_ns() - t0_ns
            found = flow_of(packet, len(self.namespace))
            if found is None:
                self.foreign += 1
            elif fd == self.receiver:
                self.path.back(now, found[0], packet, spared=found[1])
            elif self.kernels is not None and fd in self.queue:
                self.kernels.passed(now, found[0], packet)
            else:
                self.path.forward(now, found[0], packet)


def be_prompt() -> bool:
    """Ask for real-time priority; return whether it was granted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True


class EmulatedPath(Protocol):
    """Packets on their way: those that were read are taken, those whose time has come returned."""

    def forward(self, t_ns: int, flow: int, packet: bytes) -> None:
        """Take a packet of a sender."""

    def back(self, t_ns: int, flow: int, packet: bytes, *, spared: bool) -> None:
        """Take a packet of a receiver; see `ccsim.linux.packets.FlowDelays.leaves_ns`."""

    def due(self, now_ns: int) -> list[tuple[int, int, int, bytes]]:
        """Return (time, where to, flow, packet) of what arrives by ``now_ns``, in order of time."""

    def next_ns(self) -> int | None:
        """Return when the next thing happens; None if nothing is under way."""

    def finish(self, t_ns: int) -> None:
        """Let all be decided that happens up to the end."""

    def report(self) -> dict[str, Any]:
        """Return what was observed, as JSON values."""


def _make_path(plan: Mapping[str, Any]) -> EmulatedPath:
    """Return the path of a plan: its hops, or a FIFO behind a constant line."""
    ways = _ways(plan)
    if plan["hops"] is None:
        return Bottleneck(plan["path"], ways, plan["interval_ns"])
    from ccsim.linux.hop_path import HopPath
    from ccsim.spec import Scenario

    return HopPath(Scenario.from_resolved(plan["hops"]), ways)


def _make_kernel_queue(plan: Mapping[str, Any]) -> KernelQueue | None:
    """Return the path whose queue is the kernel's own, if the plan asks for it."""
    if not plan["kernel_queue"]:
        return None
    from ccsim.linux.kernel_queue import KernelQueue, make_router

    traffic, devices = make_router(plan["path"], plan["mtu"])
    return KernelQueue(plan["path"], _ways(plan), plan["interval_ns"], traffic, devices)


def _ways(plan: Mapping[str, Any]) -> list[FlowDelays]:
    return [_way(plan["path"], flow) for flow in plan["flows"]]


def _way(path: Mapping[str, Any], flow: Mapping[str, Any]) -> FlowDelays:
    probability = path["ack_loss_probability"]
    loss = BernoulliLoss(probability, flow["ack_loss_seed"]) if probability else None
    return FlowDelays(flow["delays_ns"], loss, path["ack_aggregation_ns"])


def _percentiles(lateness: array.array[int]) -> dict[str, float]:
    """Return what share of deliveries was how late [us]."""
    values = sorted(lateness)
    if not values:
        return {}
    last = len(values) - 1
    at = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {key: values[min(int(share * len(values)), last)] / 1000 for key, share in at.items()}
