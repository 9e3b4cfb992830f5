"""A staged roll-out: a link update, then growing fractions of the running flows, under a guard.

New connections get the new implementation from the link update on. Running ones follow step by
step. The guard looks at those moved so far at the end of every window of its own, from the first
step until one pause after the last. When it trips, the link goes back to the old map and every
flow that was moved goes back to the name that it ran before, with the same state policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ccsim.catalog import labelled
from ccsim.kernel import KernelError
from ccsim.sim.swap.guard import Verdict, check_guard

if TYPE_CHECKING:
    from ccsim.sim.registry import Target
    from ccsim.sim.swap.mechanisms import Carried, Process

__all__ = ["staged"]

PPM = 1_000_000


def staged(carried: Carried) -> Process | None:
    """Update the link, and let the running flows follow; roll all of it back if the guard trips."""
    old = carried.world.registry.behind(carried.swap.link)
    errno = _update(carried, carried.target, carried.t_ns)
    carried.describe(labelled(*old), carried.to, errno)
    return None if errno else _Rollout(carried, old).steps()


def _update(carried: Carried, to: Target, t_ns: int) -> int:
    """Put a map behind the link; return the errno."""
    registry, link = carried.world.registry, carried.swap.link
    old, errno = labelled(*registry.behind(link)), 0
    try:
        registry.update_link(link, to)
    except KernelError as error:
        errno = error.errno or 0
    carried.log("swap", t_ns, link=link, **{"from": old}, to=labelled(*to), errno=errno)
    return errno


class _Rollout:
    """One roll-out under way: ``moved`` are the flows that run the new implementation for it, and
    the names that they ran before."""

    def __init__(self, carried: Carried, old: Target) -> None:
        self.carried = carried
        self.old = old
        world = carried.world
        self.flows = [name for name in carried.swap.flows if world.flow(name).running]
        self.reached = 0
        self.moved: dict[str, str] = {}

    def steps(self) -> Process:
        """Move on at each step and check at the end of each window, the check first."""
        world = self.carried.world
        for t, share_ppm in self._schedule():
            if t >= world.end_ns:
                return
            if t > world.env.now:
                yield world.engine.instant(t)
            world.tick()
            if share_ppm:
                self._move(t, share_ppm)
            elif (verdict := self._check(t)) is not None:
                self._roll_back(t, verdict)
                return
        self.carried.log("rollout", t, outcome="complete", flows=len(self.moved))
        self.carried.update(outcome="complete")

    def _schedule(self) -> Iterator[tuple[int, int]]:
        """Yield instants [ns] with the share to reach there [ppm], or 0 for a check."""
        swap, t0 = self.carried.swap, self.carried.t_ns
        pause, guard = swap.pause_ns, swap.guard
        shares = swap.steps_ppm
        steps = {t0 + k * pause: share for k, share in enumerate(shares)}
        end = t0 + len(shares) * pause
        window = guard.window_ns if guard else end - t0
        checks = {*range(t0 + window, end, window), end}
        for t in sorted({*steps, *checks}):
            if t in checks:
                yield t, 0
            if t in steps:
                yield t, steps[t]

    def _move(self, t_ns: int, share_ppm: int) -> None:
        """Move flows, in the scenario's order, until the share is reached."""
        carried = self.carried
        count = -(-len(self.flows) * share_ppm // PPM)
        for name in self.flows[self.reached : count]:
            flow = carried.world.flow(name)
            if flow.running:
                before = flow.sk.ca_ops.name
                done = carried.change(name, t_ns, to=carried.swap.link, step_ppm=share_ppm)
                if done.is_done:
                    self.moved[name] = before
        self.reached = max(self.reached, count)
        carried.describe(labelled(*self.old), carried.to, carried.record.errno)

    def _check(self, t_ns: int) -> Verdict | None:
        """Return the guard's verdict if it trips."""
        carried, guard = self.carried, self.carried.swap.guard
        if guard is None:
            return None
        flows = [carried.world.flow(name) for name in self.moved]
        verdict = check_guard(carried.world, guard, flows, carried.t_ns, t_ns)
        if verdict is None:
            return None
        carried.log("guard", t_ns, **verdict.detail())
        return verdict if verdict.trips else None

    def _roll_back(self, t_ns: int, verdict: Verdict) -> None:
        """Return the link and every flow that was moved."""
        carried = self.carried
        carried.log("rollback", t_ns, **verdict.detail(), flows=len(self.moved))
        errno = _update(carried, self.old, t_ns)
        for name, to in self.moved.items():
            if carried.world.flow(name).running:
                carried.change(name, t_ns, to=to, rollback=True)
        carried.describe(labelled(*self.old), carried.to, carried.record.errno or errno)
        carried.update(outcome=f"rolled back: {verdict.text()}", outcome_ns=t_ns)
