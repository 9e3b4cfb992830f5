"""Tables of delay distributions for netem: inverse cumulative distributions with mean 0 and
standard deviation 1, in 4096 steps of 1/8192.

They have the shape of those that iproute2 makes and the same scale, but are computed from the
closed forms at the middle of each step, so single entries may differ by a few units.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

from ccsim.net.qdisc.netem_random import DIST_SCALE

__all__ = ["DISTRIBUTIONS", "distribution"]

ENTRIES = 4096
MOST = 32_767
PARETO_SHAPE = 3.0  # mean 3/2, variance 3/4 at scale 1
NORMAL_PART = 0.75  # of paretonormal, the rest is Pareto's


def _normal(u: float) -> float:
    return NormalDist().inv_cdf(u)


def _pareto(u: float) -> float:
    return float(((1.0 - u) ** (-1.0 / PARETO_SHAPE) - 1.5) / 0.75**0.5)


def _paretonormal(u: float) -> float:
    return (1.0 - NORMAL_PART) * _normal(u) + NORMAL_PART * _pareto(u)


_INVERSES: dict[str, Callable[[float], float]] = {
    "normal": _normal,
    "pareto": _pareto,
    "paretonormal": _paretonormal,
}
DISTRIBUTIONS = ("uniform", *_INVERSES)
"""The names of the distributions; uniform has no table."""


@lru_cache
def distribution(name: str) -> tuple[int, ...]:
    """Return the table of a distribution; () for uniform. ValueError for another name."""
    if name not in DISTRIBUTIONS:
        raise ValueError(f"expected one of {', '.join(DISTRIBUTIONS)}, got {name!r}")
    if name == "uniform":
        return ()
    inverse = _INVERSES[name]
    values = (round(DIST_SCALE * inverse((k + 0.5) / ENTRIES)) for k in range(ENTRIES))
    return tuple(max(-MOST, min(MOST, value)) for value in values)
