"""The simulated world: SimPy processes for flows, links and swaps on an integer-nanosecond
clock."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from ccsim.errors import AlgorithmError

if TYPE_CHECKING:
    from ccsim.sim.traces import SimResult
    from ccsim.sim.world import World
    from ccsim.spec import Scenario
    from ccsim.spill import Spill

__all__ = ["simulate"]

YOUNG_OBJECTS = 100_000  # new ones before the collector looks at them


def simulate(
    scenario: Scenario,
    *,
    lookahead_ns: int | None = None,
    vector: bool = True,
    progress: Callable[[int], None] | None = None,
    paranoid: bool = False,
    spill: Spill | None = None,
    hook_timeout_s: float | None = 10.0,
    make_world: Callable[..., World] | None = None,
    explain_trains: bool = False,
) -> SimResult:
    """Run a scenario and return what was recorded.

    ``lookahead_ns`` cuts the engine's windows shorter and ``vector=False`` switches its closed
    forms off; neither changes a byte of the result. ``progress`` is told the simulated time [ns]
    now and then. ``paranoid`` checks invariants after every window. ``spill`` keeps
    long traces out of memory; ResultsError if it cannot. An algorithm that raises ends
    the run: the result holds what was recorded up to then and says why in ``failed``. Loads
    algorithm files, which runs their code. A hook that takes ``hook_timeout_s`` of CPU in one call
    (None: any time) is ended, and the run with it. ``make_world`` makes another world than `World`.
    ``explain_trains`` counts which ACKs go as trains, and why the others go one by one.
    """
    from ccsim.ending import no_exits
    from ccsim.kernel.loader import unloaded_after
    from ccsim.sim.watchdog import hooks_watched
    from ccsim.sim.world import World

    exits = no_exits() if scenario.objects else nullcontext()
    with unloaded_after(), hooks_watched(hook_timeout_s), exits:
        world = (make_world or World)(
            scenario,
            lookahead_ns=lookahead_ns,
            vector=vector,
            progress=progress,
            paranoid=paranoid,
            spill=spill,
            **({"explain_trains": True} if explain_trains else {}),
        )
        with _patient_collector():
            try:
                world.run()
                failed = ""
            except AlgorithmError as error:
                failed = str(error)
        return world.result(failed)


@contextmanager
def _patient_collector() -> Iterator[None]:
    """Let the garbage collector look seldom: a run keeps many small objects alive and makes hardly
    a cycle, and with many flows a tenth of its time went into looking for them."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
