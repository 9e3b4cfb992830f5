"""What a workload consists of, as the simulator reads it: arrivals, sizes, silences; frozen."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ccsim.units import MAX_RATE_BPS, MAX_SIZE_BYTES, MAX_TIME_NS

__all__ = ["MAX_CONNECTIONS", "Arrivals", "Distribution", "OnOff", "Requests"]

MAX_CONNECTIONS = 100_000  # of all workloads of a scenario
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[int, Field(ge=0, le=MAX_SIZE_BYTES)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Distribution(_Frozen):
    """A distribution of times [ns] or sizes [bytes]; see `ccsim.sim.draws`.

    ``value`` is the number itself (fixed), the mean (exponential) or the least number (pareto);
    ``shape`` and ``top`` bound a Pareto distribution; ``points`` are a table's numbers, each with
    the share of draws that are at most that.
    """

    kind: Literal["fixed", "exponential", "pareto", "table"]
    value: Amount = 0
    shape: float = Field(default=0.0, ge=0, le=100)
    top: Amount = 0
    points: tuple[tuple[Amount, Share], ...] = ()


class Arrivals(_Frozen):
    """When connections arrive: with gaps of ``gap_ns`` (poisson: exponential ones of that mean;
    every: fixed ones), or ``count`` of them at once."""

    kind: Literal["poisson", "every", "at_once"]
    gap_ns: int = Field(default=0, ge=0, le=MAX_TIME_NS)
    count: int = Field(default=0, ge=0, le=MAX_CONNECTIONS)


class OnOff(_Frozen):
    """An application that writes ``rate_bps`` of payload for a time, and then nothing for a
    time."""

    on_ns: Distribution
    off_ns: Distribution
    rate_bps: int = Field(ge=1, le=MAX_RATE_BPS)


class Requests(_Frozen):
    """A client that asks, reads the whole response, thinks, and asks again, at most ``count`` times
    (None: without end)."""

    think_ns: Distribution
    request_bytes: Distribution
    response_bytes: Distribution
    count: int | None = Field(default=None, ge=1, le=MAX_CONNECTIONS)
