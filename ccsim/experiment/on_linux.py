"""Runs on this machine's kernel instead of the simulator: the run, then its twins, in real time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ccsim.linux.run import Measured, check_possible, run_on_linux
from ccsim.sim.traces import SimResult
from ccsim.spec import Scenario

__all__ = ["OnLinux", "check_all", "quietest"]


class OnLinux:
    """One repetition of a scenario on a kernel.

    ``repetition`` counts from 1 and is part of the run's name: a kernel never does the same twice.
    A run in which the machine was late by more than `ccsim.linux.run` allows is repeated up to
    ``retry`` times; the one with the smallest lateness counts.
    """

    def __init__(self, repetition: int = 1, retry: int = 0) -> None:
        self.repetition = repetition
        self.retry = retry
        self.measured: list[Measured] = []

    def name(self, run_id: str) -> str:
        """Return the run's name: that of the simulated one, the backend and the repetition."""
        return f"{run_id}.linux.{self.repetition}"

    def run_all(
        self, scenarios: Sequence[Scenario], progress: Callable[[float], None] | None
    ) -> list[SimResult | None]:
        """Run one scenario after another."""
        total_ns = sum(scenario.duration_ns for scenario in scenarios)
        done_ns = 0
        for scenario in scenarios:

            def tell(passed_ns: int, before_ns: int = done_ns) -> None:
                if progress is not None:
                    progress(min((before_ns + passed_ns) / total_ns, 1.0))

            self.measured.append(quietest(scenario, self.retry, tell))
            done_ns += scenario.duration_ns
        return [one.result for one in self.measured]

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says: the kernel, the machine, and how late the path was."""
        return {
            "backend": "linux",
            "repetition": self.repetition,
            "host": self.measured[0].host,
            "offloads": "TSO and GSO" if self.measured[0].plan["tso"] else "none",
            "real_time_priority": bool(self.measured[0].reports["path"]["prompt"]),
            "lateness_us": [one.lateness for one in self.measured],
            "disturbed": any(one.lateness["disturbed"] for one in self.measured),
        }


def quietest(scenario: Scenario, retry: int, tell: Callable[[int], None] | None) -> Measured:
    """Run a scenario, and up to ``retry`` times again while the machine disturbs it; of runs that
    are all disturbed the one with the smallest lateness counts."""
    best = run_on_linux(scenario, tell)
    for _ in range(retry):
        if not best.lateness["disturbed"]:
            break
        best = min(best, run_on_linux(scenario, tell), key=lambda one: one.lateness["p99"])
    return best


def check_all(scenarios: Iterable[Scenario]) -> None:
    """Raise LinuxError that says what of some scenarios this machine's kernel cannot do."""
    for scenario in scenarios:
        check_possible(scenario)
