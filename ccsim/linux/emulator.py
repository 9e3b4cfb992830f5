"""The process that is the path: it reads packets from TUN devices and writes them to others."""

from __future__ import annotations

import array
import gc
import os
import select
import time
from collections.abc import Mapping
from typing import Any

from ccsim.linux.bottleneck import Bottleneck, Way
from ccsim.net.loss import BernoulliLoss

__all__ = ["FIRST_PORT", "Emulator"]

FIRST_PORT = 40_001
"""A connection's port at its receiver's end is this plus the number of its flow."""
PACKET_BYTES = 65_536
BURST = 64  # packets that are read before what is due is written
STALL_NS = 500_000
"""A delivery that late is a stall of the machine."""
PRIORITY = 50  # of SCHED_FIFO
IPPROTO_TCP = 6
SYN, RST = 0x02, 0x04


class Emulator:
    """Carries packets between the senders' devices and the receivers' until a run is over."""

    def __init__(self, plan: Mapping[str, Any], senders: list[int], receiver: int) -> None:
        self.senders, self.receiver = senders, receiver
        ways = [_way(plan["path"], flow) for flow in plan["flows"]]
        self.bottleneck = Bottleneck(plan["path"], ways, plan["interval_ns"])
        self.namespace = [flow["namespace"] for flow in plan["flows"]]
        self.lateness = array.array("q")  # of each delivery [ns]
        self.stalls: list[tuple[int, int]] = []  # when, how late [ns]
        self.refused = 0  # packets that a device did not take
        self.foreign = 0  # packets that belong to no flow

    def run(self, t0_ns: int, until_ns: int) -> None:
        """Carry packets from ``t0_ns`` of the monotonic clock on, until ``until_ns`` later."""
        gc.disable()  # nothing here makes cycles, and a collection would be a stall
        poll = [*self.senders, self.receiver]
        now = time.monotonic_ns() - t0_ns
        while now < until_ns:
            self._deliver(now, t0_ns)
            after = self.bottleneck.next_ns()
            wait_ns = until_ns - now if after is None else min(after, until_ns) - now
            wait = max(wait_ns, 0) / 1e9
            for fd in select.select(poll, (), (), wait)[0]:
                self._read(fd, t0_ns)
            now = time.monotonic_ns() - t0_ns
        self._deliver(until_ns, t0_ns)
        self.bottleneck.sample_until(until_ns)

    def report(self) -> dict[str, Any]:
        """Return what was observed, as JSON values."""
        path = self.bottleneck
        return {
            "samples": path.samples,
            "drops": path.drops,
            "marks": path.marks,
            "packets": len(self.lateness),
            "lateness_us": _percentiles(self.lateness),
            "stalls_us": [(t // 1000, late // 1000) for t, late in self.stalls],
            "refused": self.refused,
            "foreign": self.foreign,
        }

    def _deliver(self, now_ns: int, t0_ns: int) -> None:
        for t, to_receiver, flow, packet in self.bottleneck.due(now_ns):
            fd = self.receiver if to_receiver else self.senders[self.namespace[flow]]
            try:
                os.write(fd, packet)
            except OSError:
                self.refused += 1
            late = time.monotonic_ns() - t0_ns - t
            self.lateness.append(late)
            if late > STALL_NS and (not self.stalls or t - self.stalls[-1][0] > 2 * STALL_NS):
                self.stalls.append((t, late))

    def _read(self, fd: int, t0_ns: int) -> None:
        """Take what waits in a device; each packet's time is that of its reading."""
        for _ in range(BURST):
            try:
                packet = os.read(fd, PACKET_BYTES)
            except BlockingIOError:
                return
            now = time.monotonic_ns() - t0_ns
            found = self._flow_of(packet)
            if found is None:
                self.foreign += 1
            elif fd == self.receiver:
                self.bottleneck.back(now, found[0], packet, spared=found[1])
            else:
                self.bottleneck.forward(now, found[0], packet)

    def _flow_of(self, packet: bytes) -> tuple[int, bool] | None:
        """Return a packet's flow, and whether it opens or ends a connection; None if it is not
        ours, as the kernel's own IPv6 solicitations are not."""
        if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != IPPROTO_TCP:
            return None
        at = (packet[0] & 15) * 4
        flags = packet[at + 13]
        for port in (packet[at] << 8 | packet[at + 1], packet[at + 2] << 8 | packet[at + 3]):
            if 0 <= port - FIRST_PORT < len(self.namespace):
                return port - FIRST_PORT, bool(flags & (SYN | RST))
        return None


def be_prompt() -> bool:
    """Ask for real-time priority; return whether it was granted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True


def _way(path: Mapping[str, Any], flow: Mapping[str, Any]) -> Way:
    probability = path["ack_loss_probability"]
    loss = BernoulliLoss(probability, flow["ack_loss_seed"]) if probability else None
    return Way(flow["delays_ns"], loss, path["ack_aggregation_ns"])


def _percentiles(lateness: array.array[int]) -> dict[str, float]:
    """Return what share of deliveries was how late [us]."""
    values = sorted(lateness)
    if not values:
        return {}
    last = len(values) - 1
    at = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {key: values[min(int(share * len(values)), last)] / 1000 for key, share in at.items()}
