"""What the self-tests share: transfers of 10 MiB over a simulated path, and acts in their midst.

The path carries a window of 10 packets each 2 ms: an implementation that only counts never changes
its window, so a transfer of 10 MiB, which is 7242 packets, takes 725 round trips, 1.45 s.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import simpy

from ccsim.kernel import BpfLink, Kernel, Map, Object
from ccsim.scenario import parse_scenario
from ccsim.sim.traces import FlowTrace, SimResult
from ccsim.sim.world import World

__all__ = [
    "OBJECTS",
    "PACKETS",
    "act_at",
    "bss",
    "kernel_of",
    "link_of",
    "loaded",
    "trace",
    "world",
]

OBJECTS = Path(__file__).parent / "objects"
PACKETS = 7242  # 10 MiB in packets of 1448 bytes, the last one short

BASE = """\
duration: 12 s
path: {rate: 1 Gbit/s, rtt: 2 ms}
twins: false
"""


def world(more: str, base: str = BASE) -> World:
    """Return the world of a scenario whose object files are those of these tests."""
    scenario = parse_scenario(base + more, "selftest.yaml", OBJECTS)
    return World(scenario, paranoid=True)


def act_at(world: World, t_s: float, act: Callable[[], object]) -> None:
    """Let something happen in the midst of a run, at an instant [s]."""
    t_ns = int(t_s * 1e9)

    def process() -> Generator[simpy.Event, Any, None]:
        yield world.engine.instant(t_ns)
        act()

    world.env.process(process())


def kernel_of(world: World) -> Kernel:
    """Return the kernel that the run's sockets live in."""
    return world.registry.kernel


def link_of(world: World, name: str = "tcp_ca_update") -> BpfLink:
    """Return a link of the scenario."""
    return world.registry.links[name]


def loaded(world: World, file: str) -> dict[str, Map]:
    """Open an object file beside the scenario's own, load it into the run's kernel."""
    obj = Object.open(OBJECTS / file)
    obj.load(kernel_of(world))
    return obj.maps


def bss(world: World, flow: str) -> dict[str, Any]:
    """Return the global variables of the object that serves a flow, or served it last."""
    ops = world.flow(flow).sk.ca_ops
    hook: Any = ops.cong_control or ops.cong_avoid
    found: dict[str, Any] = inspect.unwrap(hook).__globals__["bss"]
    return found


def trace(result: SimResult, name: str) -> FlowTrace:
    """Return the trace of a flow."""
    return next(flow for flow in result.flows if flow.name == name)
