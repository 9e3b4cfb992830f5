"""From workloads as written to those that run: how their values must agree with the scenario."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

from ccsim import spec
from ccsim.scenario import flow_spec
from ccsim.scenario.document import Location
from ccsim.scenario.hosts import own_tcp, wrong_tcp
from ccsim.scenario.resolve_path import PathResolver
from ccsim.scenario.spec import ScenarioSpec
from ccsim.scenario.target_spec import CongestionSpec
from ccsim.scenario.traffic_spec import OnOffSpec, RequestsSpec
from ccsim.sim.distributions import mean
from ccsim.spec import Arrivals, OnOff, Requests
from ccsim.spec.limits import INIT_NET, MAX_CONNECTIONS
from ccsim.units import NS_PER_S, format_time

__all__ = ["resolve_workloads"]

Complain = Callable[..., None]


def resolve_workloads(
    written: ScenarioSpec,
    flows: tuple[spec.Flow, ...],
    congestion: Callable[[Location, CongestionSpec | None], dict[str, Any]],
    complain: Complain,
    paths: PathResolver,
) -> tuple[spec.Workload, ...]:
    """Return the workloads; ``complain`` is told, with a location, what does not agree."""
    made = tuple(
        _Workload(written, i, entry, complain, paths).resolved(
            congestion(("workloads", i), entry.congestion)
        )
        for i, entry in enumerate(written.workloads)
    )
    _check_names(made, flows, complain)
    return made


def _check_names(
    workloads: tuple[spec.Workload, ...], flows: tuple[spec.Flow, ...], complain: Complain
) -> None:
    """Check that no two workloads or flows could share a name."""
    taken = {flow.name for flow in flows}
    for i, name in enumerate(workload.name for workload in workloads):
        numbered = [
            one for one in taken if one.startswith(f"{name}-") and one[len(name) + 1 :].isdigit()
        ]
        if name in taken:
            complain(("workloads", i, "name"), f"a flow or workload is named {name!r} already")
        elif numbered:
            complain(
                ("workloads", i, "name"),
                f"a flow is named {numbered[0]!r} already, as one of its connections would be",
            )
        taken.add(name)


class _Workload:
    """One workload on its way."""

    def __init__(
        self,
        written: ScenarioSpec,
        index: int,
        entry: flow_spec.WorkloadSpec,
        complain: Complain,
        paths: PathResolver,
    ) -> None:
        self.written = written
        self.index = index
        self.entry = entry
        self._complain = complain
        self.paths = paths

    def complain(self, key: str, message: str, *, at_key: bool = False) -> None:
        self._complain(("workloads", self.index, *key.split(".")), message, at_key=at_key)

    def resolved(self, congestion: dict[str, Any]) -> spec.Workload:
        entry, written = self.entry, self.written
        self.check_span()
        self.check_opening()
        self.check_path()
        until_ns = written.duration if entry.until is None else min(entry.until, written.duration)
        arrivals = self.arrivals()
        self.check_number(arrivals, until_ns - entry.start)
        return spec.Workload(
            name=entry.name,
            arrivals=arrivals,
            size_bytes=entry.sizes,
            on_off=_on_off(entry.on_off),
            requests=_requests(entry.requests),
            life_ns=entry.life,
            until_ns=max(until_ns, 1),
            most=entry.max or MAX_CONNECTIONS,
            flow=spec.Flow(
                name=entry.name,
                **congestion,
                listener=entry.listener or "",
                netns=self.netns(),
                start_ns=entry.start,
                rtt_ns=self.rtt_ns(),
                route=self.paths.route_of(("workloads", self.index), self.entry.route),
                access_delay_ns=entry.access_delay,
                **own_tcp(entry.tcp, written),
            ),
        )

    def arrivals(self) -> Arrivals:
        arrivals = self.entry.arrivals
        if arrivals.at_once is not None:
            return Arrivals(kind="at_once", count=arrivals.at_once)
        if arrivals.every is not None:
            return Arrivals(kind="every", gap_ns=arrivals.every)
        gap_ns = self.load_gap_ns() if arrivals.poisson is None else arrivals.poisson
        return Arrivals(kind="poisson", gap_ns=gap_ns)

    def load_gap_ns(self) -> int:
        """Return the mean gap at which the payload makes its share of the rate, rounded [ns]."""
        load, sizes = self.entry.arrivals.load, self.entry.sizes
        if not load or sizes is None:
            self.complain("arrivals.load", "expected a load above 0")
            return 1
        return max(round(mean(sizes) * 8 * NS_PER_S / (load * self.written.path.rate)), 1)

    def check_number(self, arrivals: Arrivals, span_ns: int) -> None:
        """Check that the number to expect can be simulated, unless it is bounded."""
        if self.entry.max is not None or not arrivals.gap_ns or span_ns <= 0:
            return
        expected = ceil(span_ns / arrivals.gap_ns)
        if expected > MAX_CONNECTIONS // 2:
            message = f"expected at most {MAX_CONNECTIONS // 2} connections, got about {expected}"
            self.complain("arrivals", f"{message}; bound them with max")

    def check_span(self) -> None:
        entry, end_ns = self.entry, self.written.duration
        if entry.start >= end_ns:
            message = f"expected a time before the end of the run at {format_time(end_ns)}"
            self.complain("start", f"{message}, got {format_time(entry.start)}")
        if entry.until is not None and entry.until <= entry.start:
            message = f"expected a time after the start at {format_time(entry.start)}"
            self.complain("until", f"{message}, got {format_time(entry.until)}")

    def check_opening(self) -> None:
        """Check that connections which a listener accepts leave the listener's choices to it."""
        entry = self.entry
        for key in ("congestion", "netns"):
            if entry.listener is not None and getattr(entry, key) is not None:
                inherits = f"a connection accepted by {entry.listener!r} inherits from it"
                self.complain(key, f"expected no {key} beside a listener: {inherits}", at_key=True)

    def check_path(self) -> None:
        if wrong := wrong_tcp(self.entry.tcp, self.written):
            self.complain("tcp" if self.entry.tcp else "name", wrong)
        if self.entry.access_delay > self.rtt_ns():
            message = f"expected a part of the RTT, {format_time(self.rtt_ns())}, got "
            self.complain("access_delay", message + format_time(self.entry.access_delay))

    def rtt_ns(self) -> int:
        return self.paths.rtt_of(("workloads", self.index), self.entry.route, self.entry.rtt)

    def netns(self) -> str:
        """Return the namespace of the sockets, which for accepted ones is the listener's."""
        for listener in self.written.listeners:
            if listener.name == self.entry.listener:
                return listener.netns
        return self.entry.netns or INIT_NET


def _on_off(entry: OnOffSpec | None) -> OnOff | None:
    if entry is None:
        return None
    return OnOff(on_ns=entry.on, off_ns=entry.off, rate_bps=entry.rate)


def _requests(entry: RequestsSpec | None) -> Requests | None:
    if entry is None:
        return None
    return Requests(
        think_ns=entry.think,
        request_bytes=entry.request,
        response_bytes=entry.response,
        count=entry.count,
    )
