"""Connections that come and go: when, how large, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ccsim.spec.flow import Flow
from ccsim.spec.limits import (
    MAX_CONNECTIONS,
    Name,
    NonNegativeNs,
    PositiveNs,
    Probability,
    Rate,
    Within,
)
from ccsim.units import MAX_SIZE_BYTES

__all__ = ["Arrivals", "Distribution", "OnOff", "Requests", "Workload"]

Amount = Annotated[int, Within(0, MAX_SIZE_BYTES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A distribution of times [ns] or sizes [bytes].

    ``value`` is the number itself (fixed), the mean (exponential) or the least number (pareto);
    ``shape`` and ``top`` are the exponent and the greatest number of a bounded Pareto distribution;
    ``points`` are a table's numbers, each with the share of draws that are at most that.
    """

    kind: Literal["fixed", "exponential", "pareto", "table"]
    value: Amount = 0
    shape: Annotated[float, Within(0, 100)] = 0.0
    top: Amount = 0
    points: tuple[tuple[Amount, Probability], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """When connections arrive: with gaps of ``gap_ns`` (poisson: exponential ones of that mean;
    every: fixed ones), or ``count`` of them at once."""

    kind: Literal["poisson", "every", "at_once"]
    gap_ns: NonNegativeNs = 0
    count: Annotated[int, Within(0, MAX_CONNECTIONS)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OnOff:
    """An application that writes ``rate_bps`` of payload for a time, and then nothing for a
    time."""

    on_ns: Distribution
    off_ns: Distribution
    rate_bps: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """A client that asks, reads the whole response, thinks, and asks again, at most ``count`` times
    (None: without end)."""

    think_ns: Distribution
    request_bytes: Distribution
    response_bytes: Distribution
    count: Annotated[int, Within(1, MAX_CONNECTIONS)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Connections that come and go: ``flow`` is what each of them is but for its name (this one,
    a hyphen and its number), its start and its size.

    They arrive from ``flow.start_ns`` on and before ``until_ns``, at most ``most`` of them, and do
    one of three things: carry ``size_bytes`` and close, or write now and then (``on_off``), or
    answer ``requests``; the latter two for ``life_ns`` (None: to the end of the run).
    """

    name: Name
    arrivals: Arrivals
    size_bytes: Distribution | None = None
    on_off: OnOff | None = None
    requests: Requests | None = None
    life_ns: Distribution | None = None
    until_ns: PositiveNs
    most: Annotated[int, Within(1)]
    flow: Flow
