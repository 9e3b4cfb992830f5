"""Swaps while traffic runs: each mechanism is a process that waits for its instant and then
acts."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import simpy

from ccsim.kernel import TCP_CONGESTION, KernelError
from ccsim.kernel.errors import EBADF
from ccsim.sim.traces import SwapRecord

if TYPE_CHECKING:
    from ccsim.sim.world import LiveFlow, World

__all__ = ["swap_processes"]

Process = Generator[simpy.Event, Any, None]
Change = tuple[str, str, str, int]
"""Name of the flow or listener, its old and new implementation, and the errno."""


def swap_processes(world: World) -> Iterator[Process]:
    """Return a process for each swap of the scenario that falls into the run."""
    mechanisms = {
        "link_update": _link_update,
        "setsockopt": _setsockopt,
        "sweep": _sweep,
        "sysctl": _sysctl,
    }
    for index, swap in enumerate(world.scenario["swaps"]):
        if swap["at_ns"] < world.end_ns:
            yield mechanisms[swap["via"]](world, index, swap)


def _link_update(world: World, index: int, swap: Mapping[str, Any]) -> Process:
    """``BPF_LINK_UPDATE``: the name means another implementation, for connections that choose it
    from now on."""
    yield world.engine.instant(swap["at_ns"])
    world.tick()
    link = swap["link"]
    old = world.registry.link_map(link)
    errno = 0
    try:
        world.registry.update_link(link, swap["to"])
    except KernelError as error:
        errno = error.errno or 0
    _record(world, index, swap, swap["at_ns"], old, swap["to"], (), errno)
    detail = {"via": "link_update", "link": link, "from": old, "to": swap["to"], "errno": errno}
    world.log("swap", None, swap["at_ns"], detail)


def _sysctl(world: World, index: int, swap: Mapping[str, Any]) -> Process:
    """``net.ipv4.tcp_congestion_control``: what new sockets of a namespace start with."""
    yield world.engine.instant(swap["at_ns"])
    world.tick()
    registry = world.registry
    netns = registry.netns(swap["netns"])
    old = netns.tcp_congestion_control.map_name
    errno = 0
    try:
        registry.kernel.set_default(swap["to"], netns)
    except KernelError as error:
        errno = error.errno or 0
    new = swap["to"] if errno else netns.tcp_congestion_control.map_name
    _record(world, index, swap, swap["at_ns"], old, new, (), errno)
    detail = {"via": "sysctl", "netns": swap["netns"], "from": old, "to": new, "errno": errno}
    world.log("swap", None, swap["at_ns"], detail)


def _setsockopt(world: World, index: int, swap: Mapping[str, Any]) -> Process:
    """``TCP_CONGESTION`` on each of the named flows, then listeners."""
    yield world.engine.instant(swap["at_ns"])
    world.tick()
    changes = [_change(world, world.flow(name), swap, swap["at_ns"]) for name in swap["flows"]]
    listeners = [_change_listener(world, name, swap) for name in swap["listeners"]]
    _record_changes(world, index, swap, changes, listeners)


def _sweep(world: World, index: int, swap: Mapping[str, Any]) -> Process:
    """``TCP_CONGESTION`` on one running flow after another, evenly over ``over_ns``, in the order
    of the scenario."""
    flows = [world.flow(name) for name in swap["flows"]]
    last = max(len(flows) - 1, 1)
    changes = []
    for k, flow in enumerate(flows):
        t = swap["at_ns"] + swap["over_ns"] * k // last
        if t >= world.end_ns:
            break
        if t > world.env.now:
            yield world.engine.instant(t)
        world.tick()
        if flow.running:
            changes.append(_change(world, flow, swap, t))
    _record_changes(world, index, swap, changes)


def _change_listener(world: World, name: str, swap: Mapping[str, Any]) -> Change:
    """Set the option on a listener; what it accepted before stays as it is."""
    registry = world.registry
    sk = registry.listeners[name]
    old = registry.kernel.would_accept(sk).map_name
    errno = 0
    try:
        registry.kernel.setsockopt(sk, TCP_CONGESTION, swap["to"])
    except KernelError as error:
        errno = error.errno or 0
    new = swap["to"] if errno else registry.kernel.would_accept(sk).map_name
    detail = {"via": swap["via"], "listener": name, "from": old, "to": new, "errno": errno}
    world.log("swap", None, swap["at_ns"], detail)
    return name, old, new, errno


def _change(world: World, flow: LiveFlow, swap: Mapping[str, Any], t_ns: int) -> Change:
    """Set the option on one flow; return the flow's name, the old and new implementation, and the
    errno."""
    sk = flow.sk
    name = flow.spec["name"]
    if not flow.running:
        world.log("swap", flow, t_ns, {"via": swap["via"], "to": swap["to"], "errno": EBADF})
        return name, "", swap["to"], EBADF
    old = world.implementation(flow)
    before = {"snd_cwnd": sk.snd_cwnd, "ssthresh": sk.snd_ssthresh, "pacing_rate": sk.pacing_rate}
    sk.set_clock(t_ns)
    errno = 0
    try:
        world.registry.kernel.setsockopt(sk, TCP_CONGESTION, swap["to"])
    except KernelError as error:
        errno = error.errno or 0
    except Exception as error:
        raise world.blame(error) from error
    flow.recorder.implementation_changed()
    new = world.implementation(flow)
    after = {"snd_cwnd": sk.snd_cwnd, "ssthresh": sk.snd_ssthresh, "pacing_rate": sk.pacing_rate}
    detail = {
        "via": swap["via"],
        "from": old,
        "to": new,
        "before": before,
        "after": after,
        "errno": errno,
    }
    world.log("swap", flow, t_ns, detail)
    return name, old, new, errno


def _record_changes(
    world: World,
    index: int,
    swap: Mapping[str, Any],
    changes: Sequence[Change],
    listeners: Sequence[Change] = (),
) -> None:
    every = (*changes, *listeners)
    old = " + ".join(dict.fromkeys(change[1] for change in every if change[1])) or "none"
    new = next((change[2] for change in every if not change[3]), swap["to"])
    errno = next((change[3] for change in every if change[3]), 0)
    flows = tuple(change[0] for change in changes if not change[3] and change[1] != change[2])
    _record(world, index, swap, swap["at_ns"], old, new, flows, errno)


def _record(
    world: World,
    index: int,
    swap: Mapping[str, Any],
    t_ns: int,
    old: str,
    new: str,
    flows: tuple[str, ...],
    errno: int,
) -> None:
    via = swap["via"]
    label = f"{old} → {new}, {via}"
    world.swaps.append(SwapRecord(index, t_ns, via, label, old, new, flows, errno))
