"""Swaps as written to those that run: times, repetitions, triggers, and the flows that they
reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from ccsim import spec
from ccsim.scenario import swap_spec
from ccsim.scenario.document import Location
from ccsim.scenario.spec import ScenarioSpec
from ccsim.scenario.target_spec import CongestionSpec, MapSpec
from ccsim.spec.limits import Parameter
from ccsim.units import NS_PER_MS, format_time

__all__ = ["SwapResolver"]

MAX_REPETITIONS = 10_000
GUARD_LEAST_NS = 20 * NS_PER_MS  # a guard looks every 10 ms
MIN_DELAY_NS = NS_PER_MS  # of a trigger on a path without delay: windows are no longer than it


class Complain(Protocol):
    """Notes what does not fit, at a place of the document."""

    def __call__(self, location: Location, message: str, *, at_key: bool = False) -> None: ...


class SwapResolver:
    """Resolves a scenario's swaps one by one; ``flows`` are all of the scenario's, ``params``
    checks the parameters at a place."""

    def __init__(
        self,
        written: ScenarioSpec,
        complain: Complain,
        params: Callable[[Location, CongestionSpec | MapSpec], dict[str, Parameter]],
        flows: Sequence[spec.Flow],
    ) -> None:
        self.written = written
        self.complain = complain
        self.params = params
        self.flows = flows

    def swaps(self, i: int, entry: swap_spec.SwapSpec) -> Iterator[spec.Swap]:
        """Resolve entry ``i``, which stands for several if it is repeated."""
        key = "at" if entry.when is None else "when"
        if entry.start >= self.written.duration:
            got = format_time(entry.start)
            self.complain(("swaps", i, key), f"{self.before_end()}, got {got}")
        to_params = self.params(("swaps", i, "to"), entry.to)
        for at_ns in self.times(i, entry):
            yield spec.Swap(
                at_ns=at_ns,
                via=entry.via,
                to=entry.to.name,
                to_params=to_params,
                trigger=self.trigger(entry.when),
                **self.details(i, entry, at_ns),
            )

    def before_end(self) -> str:
        """What a time has to be that lies before the end of the run."""
        return f"expected a time before the end of the run at {format_time(self.written.duration)}"

    def times(self, i: int, entry: swap_spec.SwapSpec) -> range:
        """Return when it acts: once, or from ``at`` on at intervals until ``until`` or the end."""
        start, every = entry.start, entry.every
        if every is None:
            return range(start, start + 1)
        last = self.written.duration - 1 if entry.until is None else entry.until
        if last < start:
            message = f"expected a time from {format_time(start)} on, got {format_time(last)}"
            self.complain(("swaps", i, "until"), message)
        elif last >= self.written.duration:
            self.complain(("swaps", i, "until"), f"{self.before_end()}, got {format_time(last)}")
        times = range(start, last + 1, every)
        if len(times) > MAX_REPETITIONS:
            message = f"expected at most {MAX_REPETITIONS} repetitions, got {len(times)}"
            self.complain(("swaps", i, "every"), message)
        return times[:MAX_REPETITIONS]

    def trigger(self, when: swap_spec.WhenSpec | None) -> spec.Trigger | None:
        """Resolve what starts a swap; None if it starts at a time."""
        if when is None:
            return None
        rtt_ns = next((flow.rtt_ns for flow in self.flows if flow.name == when.flow), 0)
        return spec.Trigger(
            flow=when.flow,
            state=when.state or "",
            cwnd_above=when.cwnd_above or 0,
            loss=when.loss or 0,
            acked_bytes=when.acked or 0,
            delay_ns=when.delay or max(rtt_ns, MIN_DELAY_NS),
        )

    def details(self, i: int, entry: swap_spec.SwapSpec, at_ns: int) -> dict[str, Any]:
        """Return what belongs to the entry's mechanism."""
        if isinstance(entry, swap_spec.SysctlSpec):
            return {"netns": entry.netns}
        if isinstance(entry, swap_spec.LinkUpdateSpec):
            return {"link": entry.link}
        if isinstance(entry, swap_spec.ReregisterSpec):
            self.check_end(i, "gap", at_ns, entry.gap, "the name back")
            return {"link": entry.link, "gap_ns": entry.gap}
        reached = {"flows": self.reached(i, entry, at_ns), "state": entry.state}
        if isinstance(entry, swap_spec.SetsockoptSpec):
            return {**reached, "listeners": entry.listeners or ()}
        if isinstance(entry, swap_spec.SweepSpec):
            self.check_cohort(i, entry, reached["flows"])
            return {**reached, **self.sweep(i, entry, at_ns, len(reached["flows"]))}
        return {**reached, **self.staged(i, entry, at_ns)}

    def check_end(self, i: int, key: str, at_ns: int, length_ns: int, what: str) -> None:
        """Check that what begins at ``at_ns`` is over before the run is; the time of a triggered
        one is not known.
        """
        end_ns = at_ns + length_ns
        timed = self.written.swaps[i].when is None
        if timed and at_ns < self.written.duration <= end_ns:
            message = f"{self.before_end()}, got {what} at {format_time(end_ns)}"
            self.complain(("swaps", i, key), message)

    def check_cohort(self, i: int, entry: swap_spec.SweepSpec, flows: Sequence[str]) -> None:
        """Check that a cohort is no share of connections whose number is not known."""
        loads = [load.name for load in self.written.workloads if load.name in flows]
        if loads and entry.cohort is not None and not entry.cohort.flows:
            message = f"expected a number of flows, since {loads[0]!r} is a workload, got a share"
            self.complain(("swaps", i, "cohort"), message)

    def sweep(self, i: int, entry: swap_spec.SweepSpec, at_ns: int, flows: int) -> dict[str, Any]:
        """Resolve how a sweep goes, over a time or by cohorts, and hold it against the end."""
        over_ns = entry.over or 0
        if entry.cohort is None:
            if at_ns < self.written.duration <= at_ns + over_ns and entry.when is None:
                until = format_time(at_ns + over_ns)
                message = f"{self.before_end()}, got a sweep until {until}"
                self.complain(("swaps", i, "over"), message)
            return {"over_ns": over_ns}
        size, pause_ns = max(entry.cohort.size(flows), 1), entry.pause or 0
        last = max(-(-flows // size) - 1, 0)
        self.check_end(i, "pause", at_ns, pause_ns * last, "the last cohort")
        return {"cohort": size, "pause_ns": pause_ns}

    def staged(self, i: int, entry: swap_spec.StagedSpec, at_ns: int) -> dict[str, Any]:
        """Resolve the steps of a roll-out and its guard."""
        self.check_end(i, "pause", at_ns, entry.pause * (len(entry.steps) - 1), "the last step")
        return {
            "link": entry.link,
            "steps_ppm": entry.steps,
            "pause_ns": entry.pause,
            "guard": self.guard(i, entry, at_ns),
        }

    def guard(self, i: int, entry: swap_spec.StagedSpec, at_ns: int) -> spec.Guard | None:
        """Resolve what rolls a roll-out back; None if nothing does."""
        guard = entry.guard
        if guard is None:
            return None
        where = ("swaps", i, "guard")
        is_time = guard.metric == "stall"
        threshold = guard.threshold.time_ns if is_time else guard.threshold.share_ppm
        if threshold is None:
            kind = 'a time such as "500 ms"' if is_time else 'a share such as "20 %"'
            self.complain((*where, "threshold"), f"expected {kind} for {guard.metric!r}")
        if guard.window < GUARD_LEAST_NS:
            message = f"expected at least {format_time(GUARD_LEAST_NS)}"
            self.complain((*where, "window"), f"{message}, got {format_time(guard.window)}")
        if entry.when is None and guard.window > at_ns:
            message = f"expected at most the time before the swap, {format_time(at_ns)}"
            self.complain((*where, "window"), f"{message}, got {format_time(guard.window)}")
        if self.written.record.flows in ("none", "aggregate"):
            kept = self.written.record.flows
            message = f"a guard reads the samples of flows: expected record.flows: all, got {kept}"
            self.complain(where, message)
        return spec.Guard(metric=guard.metric, threshold=threshold or 0, window_ns=guard.window)

    def reached(
        self,
        i: int,
        entry: swap_spec.SetsockoptSpec | swap_spec.SweepSpec | swap_spec.StagedSpec,
        at_ns: int,
    ) -> tuple[str, ...]:
        """Return the flows that a swap reaches; "all" means those that run, as far as is known."""
        if entry.flows is None:
            return ()
        if entry.when is not None:
            return entry.flows or tuple(flow.name for flow in self.flows)
        at, where = format_time(at_ns), ("swaps", i, "flows")
        idle = {flow.name: _idle(flow, at_ns) for flow in self.flows}
        if entry.flows:
            for name in entry.flows:
                if idle.get(name):
                    self.complain(where, f"flow {name!r} {idle[name]}; the swap is at {at}")
            return entry.flows
        running = tuple(name for name, reason in idle.items() if not reason)
        if not running:
            self.complain(where, f"no flow runs at {at}, when the swap is due")
        return running


def _idle(flow: spec.Flow, at_ns: int) -> str:
    """Say why a flow cannot be swapped at a time; empty if it can.

    A flow that starts at that very time has no socket yet when the swap comes.
    """
    if flow.start_ns >= at_ns:
        return f"has not started; it starts at {format_time(flow.start_ns)}"
    if flow.stop_ns is not None and flow.stop_ns <= at_ns:
        return f"has ended; it stops at {format_time(flow.stop_ns)}"
    return ""
