"""Swaps while traffic runs: each waits for its instant or trigger, and then its mechanism acts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import simpy

from ccsim.catalog import labelled
from ccsim.kernel import KernelError
from ccsim.sim.swap.set_congestion import Change, change_flow, change_listener
from ccsim.sim.swap.triggers import arm, trigger_text
from ccsim.sim.traces import SwapRecord
from ccsim.spec import Swap

if TYPE_CHECKING:
    from ccsim.sim.registry import Target
    from ccsim.sim.world import World

__all__ = ["Carried", "Process", "carry_out", "start_swaps", "sweep_steps"]

Process = Generator[simpy.Event, Any, None]


def start_swaps(world: World) -> None:
    """Start a process for each swap of the scenario that falls into the run."""
    for index, swap in enumerate(world.scenario.swaps):
        if swap.at_ns < world.end_ns:
            world.env.process(_wait(world, index, swap))


def _wait(world: World, index: int, swap: Swap) -> Process:
    """Wait for the swap's time; from then on a trigger is looked for, if it has one."""
    yield world.engine.instant(swap.at_ns)
    if swap.trigger is not None:
        arm(world, index, swap, swap.trigger, carry_out)
        return
    world.tick()
    world.border(swap.at_ns)
    steps = carry_out(world, index, swap, swap.at_ns)
    if steps is not None:
        yield from steps


def carry_out(world: World, index: int, swap: Swap, t_ns: int) -> Process | None:
    """Let a swap's mechanism act now, at ``t_ns``; return what of it comes later, if anything."""
    from ccsim.sim.swap.reregister import reregister
    from ccsim.sim.swap.staged import staged

    mechanisms: dict[str, Callable[[Carried], Process | None]] = {
        "link_update": _link_update,
        "setsockopt": _setsockopt,
        "sweep": _sweep,
        "sysctl": _sysctl,
        "reregister": reregister,
        "staged": staged,
    }
    swap = replace(swap, flows=tuple(world.reached(swap.flows)))
    return mechanisms[swap.via](Carried(world, index, swap, t_ns))


class Carried:
    """One swap as it is carried out from ``t_ns`` on; its record among the world's grows with it.

    ``old`` and ``new`` name implementations; those of changed flows are gathered. ``to`` is what
    lists call the swap's target; ``target`` is that as a map and its parameters.
    """

    def __init__(self, world: World, index: int, swap: Swap, t_ns: int) -> None:
        self.world = world
        self.index = index
        self.swap = swap
        self.t_ns = t_ns
        self.trigger = trigger_text(swap.trigger)
        self._changes: list[Change] = []
        self._slot = len(world.swaps)
        self.to = labelled(swap.to, swap.to_params)
        record = SwapRecord(index, t_ns, swap.via, "", "none", self.to, (), 0, swap.state)
        world.swaps.append(replace(record, trigger=self.trigger))
        self.describe("none", self.to)

    @property
    def target(self) -> Target:
        """The map that a link gets, and the parameters that it is opened with."""
        return self.swap.to, self.swap.to_params

    @property
    def registered(self) -> str:
        """The name that sockets and sysctls get."""
        return self.world.registry.registered(*self.target)

    @property
    def record(self) -> SwapRecord:
        """What is known of the swap so far."""
        return self.world.swaps[self._slot]

    def update(self, **fields: Any) -> None:
        """Change fields of the record."""
        self.world.swaps[self._slot] = replace(self.record, **fields)

    def describe(self, old: str, new: str, errno: int = 0) -> None:
        """Say what the swap replaced by what; mechanism and policy go into the label."""
        parts = [f"{old} → {new}", self.swap.via]
        parts += [self.swap.state] * (self.swap.state != "linux")
        parts += [self.trigger] * bool(self.trigger)
        self.update(old=old, new=new, errno=errno, label=", ".join(parts))

    def change(self, name: str, t_ns: int, to: str = "", **more: Any) -> Change:
        """Set ``TCP_CONGESTION`` on a flow at ``t_ns``, to another name than the swap's if told."""
        more["swap"] = self.index
        done = change_flow(self.world, name, self.swap, t_ns, to, **more)
        self.gather([done])
        return done

    def gather(self, changes: list[Change], *, flows: bool = True) -> None:
        """Note what became of flows, or listeners."""
        self._changes += changes
        every = self._changes
        old = " + ".join(dict.fromkeys(change.old for change in every if change.old)) or "none"
        new = next((change.new for change in every if not change.errno), self.to)
        self.describe(old, new, next((change.errno for change in every if change.errno), 0))
        if flows:
            done = (change.name for change in changes if change.is_done)
            self.update(flows=tuple(dict.fromkeys((*self.record.flows, *done))))

    def log(self, kind: str, t_ns: int, **detail: Any) -> None:
        """Put an event of no single flow into the run's list."""
        self.world.log(kind, None, t_ns, {"via": self.swap.via, **detail, "swap": self.index})


def _link_update(carried: Carried) -> None:
    """``BPF_LINK_UPDATE``: the name means another implementation, for connections that choose it
    from now on."""
    link, registry = carried.swap.link, carried.world.registry
    old = labelled(*registry.behind(link))
    errno = 0
    try:
        registry.update_link(link, carried.target)
    except KernelError as error:
        errno = error.errno or 0
    carried.describe(old, carried.to, errno)
    carried.log("swap", carried.t_ns, **{"link": link, "from": old}, to=carried.to, errno=errno)


def _sysctl(carried: Carried) -> None:
    """``net.ipv4.tcp_congestion_control``: what new sockets of a namespace start with."""
    swap, registry = carried.swap, carried.world.registry
    netns = registry.netns(swap.netns)
    old = registry.label(netns.tcp_congestion_control)
    errno = 0
    try:
        registry.kernel.set_default(carried.registered, netns)
    except KernelError as error:
        errno = error.errno or 0
    new = carried.to if errno else registry.label(netns.tcp_congestion_control)
    carried.describe(old, new, errno)
    about = {"netns": swap.netns, "from": old, "to": new}
    carried.log("swap", carried.t_ns, **about, errno=errno)


def _setsockopt(carried: Carried) -> None:
    """``TCP_CONGESTION`` on each of the named flows, then listeners."""
    world, swap = carried.world, carried.swap
    for name in swap.flows:
        if swap.trigger is None or len(swap.flows) == 1 or world.flow(name).running:
            carried.change(name, carried.t_ns)
    for name in swap.listeners:
        at = (world, name, carried.registered, swap.via, carried.t_ns)
        carried.gather([change_listener(*at, swap=carried.index)], flows=False)


def _sweep(carried: Carried) -> Process:
    """``TCP_CONGESTION`` on one running flow or cohort after another, in the scenario's order."""
    world = carried.world
    for after_ns, names in sweep_steps(carried.swap):
        t = carried.t_ns + after_ns
        if t >= world.end_ns:
            break
        if t > world.env.now:
            yield world.engine.instant(t)
        world.tick()
        for name in names:
            if world.flow(name).running:
                carried.change(name, t)


def sweep_steps(swap: Swap) -> list[tuple[int, Sequence[str]]]:
    """Return when a sweep comes to whom [ns after its start]: evenly over ``over_ns``, or
    ``cohort`` flows at a time, ``pause_ns`` apart."""
    flows, size = swap.flows, swap.cohort
    if size:
        cohorts = range(0, len(flows), size)
        return [(swap.pause_ns * k, flows[i : i + size]) for k, i in enumerate(cohorts)]
    last = max(len(flows) - 1, 1)
    return [(swap.over_ns * k // last, [name]) for k, name in enumerate(flows)]
