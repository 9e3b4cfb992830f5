"""The hosts of flows as people write them: how late they are, by a preset or by delays and stalls,
and which TCP settings are their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema, model_validator

from ccsim import spec
from ccsim.scenario import quantities as q
from ccsim.scenario.keys import Spec, key
from ccsim.scenario.tcp_spec import HostTcpSpec
from ccsim.scenario.traffic_spec import Gap, Times, parse_points, parse_times
from ccsim.scenario.vocabulary import did_you_mean, listed
from ccsim.sim.stalls import LONGEST_NS
from ccsim.spec import Distribution
from ccsim.units import format_time, parse_time_ns, show

__all__ = ["LATENESS_PRESETS", "WOKEN", "HostSpec", "HostsSpec", "LatenessSpec", "StallsSpec"]

WOKEN = [
    {"time": "0 us", "cdf": 0},
    {"time": "14 us", "cdf": 0.1},
    {"time": "14.575 us", "cdf": 0.325},
    {"time": "15.386 us", "cdf": 0.55},
    {"time": "16.773 us", "cdf": 0.775},
    {"time": "18.605 us", "cdf": 0.91},
    {"time": "23.21 us", "cdf": 0.991},
    {"time": "28 us", "cdf": 1},
]
"""What a host takes that mostly has to be woken: 14 us and a little more, less in a tenth of
cases."""
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "exact": {},
    "quiet": {"delay": WOKEN, "stalls": {"p99": "15 us", "p999": "115 us", "max": "430 us"}},
    "virtual": {"delay": WOKEN, "stalls": {"p99": "33 us", "p999": "1.4 ms", "max": "9 ms"}},
    "busy": {
        "delay": {"exponential": "40 us"},
        "stalls": {"p99": "120 us", "p999": "8 ms", "max": "26 ms"},
    },
}
LATENESS_PRESETS: Mapping[str, str] = {
    "exact": "on time",
    "quiet": "a machine that does little else: tens of microseconds",
    "virtual": "a virtual machine: stalls of milliseconds, some in a second",
    "busy": "a virtual machine among busy ones: longer stalls, longer delays",
}


def _parse_delay(value: object) -> Distribution:
    if isinstance(value, list):
        return parse_points(value, "time", lambda v: parse_time_ns(v), "15 us")
    return parse_times(value)


_POINT = {
    "type": "object",
    "properties": {"time": {"type": "string"}, "cdf": {"type": "number"}},
    "required": ["time", "cdf"],
    "additionalProperties": False,
}
_DELAY = {
    "anyOf": [
        q.TIME_SCHEMA,
        {"type": "object", "minProperties": 1, "maxProperties": 1},
        {"type": "array", "minItems": 2, "items": _POINT},
    ]
}
Delay = Annotated[Distribution, PlainValidator(_parse_delay), WithJsonSchema(_DELAY)]


class StallsSpec(Spec):
    """Times in which a host does nothing: a rate and a length, or quantiles of lateness."""

    rate: Gap | None = key('How many begin in the mean, such as "5 /s".', None)
    length: Times | None = key("How long they last, such as {exponential: 2 ms}.", None)
    p99: q.PositiveTime | None = key("1 % of what falls due is late by more than that.", None)
    p999: q.PositiveTime | None = key("0.1 % of it is.", None)
    max: q.PositiveTime | None = key("None of it is.", None)

    @model_validator(mode="after")
    def _one_way(self) -> StallsSpec:
        drawn = [n for n in ("rate", "length") if getattr(self, n) is not None]
        told = [n for n in ("p99", "p999", "max") if getattr(self, n) is not None]
        if (len(drawn), len(told)) not in ((2, 0), (0, 3)):
            got = listed([*drawn, *told]) if drawn or told else "none"
            raise ValueError(f"expected 'rate' and 'length', or 'p99', 'p999' and 'max', got {got}")
        if self.p99 is not None and self.p999 is not None and self.max is not None:
            _check_quantiles(self.p99, self.p999, self.max)
        return self

    def made(self) -> spec.Stalls:
        """Return them resolved."""
        if self.length is not None:
            return spec.Stalls(gap_ns=self.rate or 0, length_ns=self.length)
        return spec.Stalls(p99_ns=self.p99 or 0, p999_ns=self.p999 or 0, max_ns=self.max or 0)


def _check_quantiles(p99: int, p999: int, longest: int) -> None:
    if not p99 < p999 <= longest:
        given = ", ".join(map(format_time, (p99, p999, longest)))
        raise ValueError(f"expected p99 below p999 and that at most max, got {given}")
    if longest > LONGEST_NS:
        message = f"expected stalls of at most {format_time(LONGEST_NS)}"
        raise ValueError(f"{message}, got a max of {format_time(longest)}")


class LatenessSpec(Spec):
    """How late a host sees to packets, ACKs and timers."""

    delay: Delay | None = key(
        "What each takes: a time, {exponential: 20 us}, or points such as {time: 15 us, cdf: 0.5}.",
        None,
    )
    stalls: StallsSpec | None = key("Times in which it does nothing.", None)

    def made(self) -> spec.Lateness | None:
        """Return it resolved; None if it is none."""
        if self.delay is None and self.stalls is None:
            return None
        stalls = None if self.stalls is None else self.stalls.made()
        return spec.Lateness(delay_ns=self.delay, stalls=stalls)


def _preset(value: object) -> object:
    """Let the name of a preset stand for what it is."""
    if value is None or isinstance(value, LatenessSpec | Mapping):
        return value
    if not isinstance(value, str) or value not in PRESETS:
        near = did_you_mean(value, PRESETS) if isinstance(value, str) else ""
        known = near or f"; expected {listed(PRESETS)}, or a mapping"
        raise ValueError(f"no preset of lateness {show(value)}{known}")
    return PRESETS[value]


_LATENESS = {
    "anyOf": [
        {"type": "string", "enum": list(PRESETS)},
        {
            "type": "object",
            "properties": {"delay": _DELAY, "stalls": {"type": "object"}},
            "additionalProperties": False,
        },
    ],
    "examples": ["quiet", {"stalls": {"rate": "5 /s", "length": {"exponential": "2 ms"}}}],
}
LatenessEntry = Annotated[LatenessSpec | None, BeforeValidator(_preset), WithJsonSchema(_LATENESS)]


class HostSpec(Spec):
    """The hosts at one end of flows."""

    lateness: LatenessEntry = key("How late they are: a preset, or delay and stalls.", None)
    tcp: HostTcpSpec | None = key("What their TCP has otherwise than under tcp.", None)


class HostsSpec(Spec):
    """The hosts of flows: how late they are, and what their TCP has otherwise than all."""

    lateness: LatenessEntry = key("Of all: a preset, or delay and stalls.", None)
    sender: HostSpec | None = key("Of those that send data, instead.", None)
    receiver: HostSpec | None = key("Of those that receive it, instead.", None)

    def tcp_of(self, end: str) -> HostTcpSpec | None:
        """Return what the TCP of "sender" or "receiver" has otherwise than all."""
        host: HostSpec | None = getattr(self, end)
        return None if host is None else host.tcp

    def _lateness_of(self, host: HostSpec | None) -> spec.Lateness | None:
        late = self.lateness if host is None or host.lateness is None else host.lateness
        return None if late is None else late.made()

    def made(self) -> spec.Hosts | None:
        """Return them resolved; None if all are exact."""
        sender, receiver = map(self._lateness_of, (self.sender, self.receiver))
        if sender is None and receiver is None:
            return None
        return spec.Hosts(sender=sender, receiver=receiver)
