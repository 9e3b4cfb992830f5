"""Random streams: one a component, all from the scenario's seed, so that twins differ by the swap
alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from ccsim.spec import Distribution, Scenario, Traffic, Workload

__all__ = ["FlowRandom", "random_parts", "stream_seed"]

_DRAWN = ("poisson", "exponential", "pareto", "table")
"""Kinds of arrivals and distributions whose numbers hang on what is drawn."""
_DRAWING = ("cake", "dualpi2", "netem", "pie", "red", "sfq")
"""Qdiscs that may draw."""


def stream_seed(seed: int, component: str, index: int = 0) -> int:
    """Return the 64-bit seed of one component's stream."""
    key = (zlib.crc32(component.encode()), index)
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0])


class FlowRandom:
    """What ``get_random_u32`` and kin return to one socket's hooks; ``drawn`` once any has."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self.drawn = False

    def u32(self) -> int:
        """Return a uniform integer in [0, 2**32)."""
        self.drawn = True
        return int(self._generator.integers(1 << 32))

    def u32_below(self, bound: int) -> int:
        """Return a uniform integer in [0, bound)."""
        self.drawn = True
        return int(self._generator.integers(bound))

    def u8(self) -> int:
        """Return a uniform integer in [0, 256)."""
        self.drawn = True
        return int(self._generator.integers(256))


def random_parts(scenario: Scenario) -> tuple[str, ...]:
    """Return what a scenario draws from its seed whatever its algorithms do: losses, a qdisc that
    may draw, and the workloads of which a number is no fixed one."""
    path = scenario.path
    found = ["loss"] if path.loss_probability else []
    found += ["loss of ACKs"] if path.ack_loss_probability else []
    found += ["lateness of hosts"] if scenario.hosts else []
    kind = path.qdisc if isinstance(path.qdisc, str) else path.qdisc.kind
    found += [f"qdisc {kind}"] if kind in _DRAWING else []
    drawn = (load for load in scenario.workloads if any(kind in _DRAWN for kind in _kinds(load)))
    found += [f"workload {load.name}" for load in drawn]
    return (*found, *(f"traffic {t.flow.name}" for t in scenario.traffic if _is_drawn(t)))


def _is_drawn(traffic: Traffic) -> bool:
    times = (traffic.on_ns, traffic.off_ns)
    return traffic.kind == "poisson" or any(t is not None and t.kind in _DRAWN for t in times)


def _kinds(load: Workload) -> Iterator[str]:
    """Yield of which kinds a workload's arrivals and distributions are."""
    yield load.arrivals.kind
    talk = load.on_off or load.requests
    parts = () if talk is None else (getattr(talk, part.name) for part in fields(talk))
    for value in (load.size_bytes, load.life_ns, *parts):
        if isinstance(value, Distribution):
            yield value.kind
