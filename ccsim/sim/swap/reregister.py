"""The way before links: unregister, wait, register under the same name.

In between the name is missing: a connection that asks for it gets ENOENT and keeps its namespace's
default, and so does ``setsockopt``. Running connections keep what they have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ccsim.catalog import labelled
from ccsim.kernel import KernelError

if TYPE_CHECKING:
    from ccsim.sim.swap.mechanisms import Carried, Process

__all__ = ["reregister"]


def reregister(carried: Carried) -> Process:
    """Let the link's name go, and come back for another map ``gap_ns`` later."""
    world, swap = carried.world, carried.swap
    registry, link = world.registry, swap.link
    old = labelled(*registry.behind(link))
    carried.describe(old, carried.to)
    registry.unregister(link)
    carried.log("unregister", carried.t_ns, link=link, **{"from": old})
    t = carried.t_ns + swap.gap_ns
    if t >= world.end_ns:
        return
    if t > world.env.now:
        yield world.engine.instant(t)
    world.tick()
    errno = 0
    try:
        registry.register(link, carried.target)
    except KernelError as error:
        errno = error.errno or 0
    carried.describe(old, carried.to, errno)
    carried.log("swap", t, link=link, **{"from": old}, to=carried.to, errno=errno)
