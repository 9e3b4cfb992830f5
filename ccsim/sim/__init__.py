"""The simulated world: SimPy processes for flows, links and swaps on an integer-nanosecond
clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ccsim.errors import AlgorithmError

if TYPE_CHECKING:
    from ccsim.sim.traces import SimResult
    from ccsim.spill import Spill

__all__ = ["simulate"]


def simulate(
    scenario: Mapping[str, Any],
    *,
    lookahead_ns: int | None = None,
    vector: bool = True,
    progress: Callable[[int], None] | None = None,
    paranoid: bool = False,
    spill: Spill | None = None,
) -> SimResult:
    """Run a resolved scenario (`ccsim.scenario.Scenario.resolved`) and return what was recorded.

    ``lookahead_ns`` cuts the engine's windows shorter and ``vector=False`` switches its closed
    forms off; neither changes a byte of the result. ``progress`` is told the simulated time [ns]
    now and then. ``paranoid`` checks invariants after every window. ``spill`` keeps
    long traces out of memory; ResultsError if it cannot. An algorithm that raises ends
    the run: the result holds what was recorded up to then and says why in ``failed``. Loads
    algorithm files, which runs their code.
    """
    from ccsim.sim.world import World

    world = World(
        scenario,
        lookahead_ns=lookahead_ns,
        vector=vector,
        progress=progress,
        paranoid=paranoid,
        spill=spill,
    )
    try:
        world.run()
    except AlgorithmError as error:
        return world.result(failed=str(error))
    return world.result()
