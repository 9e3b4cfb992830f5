"""From the scenario as written to the one that runs: defaults, and how values must agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ccsim import spec
from ccsim.errors import Problem, ScenarioError
from ccsim.scenario import flow_spec
from ccsim.scenario.bounds import check_bounds
from ccsim.scenario.document import Document, Location
from ccsim.scenario.hosts import flow_hosts, own_tcp, wrong_hosts, wrong_tcp
from ccsim.scenario.objects import ObjectFile, flow_names
from ccsim.scenario.resolve_path import PathResolver
from ccsim.scenario.resolve_swaps import SwapResolver
from ccsim.scenario.resolve_traffic import resolve_traffic
from ccsim.scenario.resolve_workloads import resolve_workloads
from ccsim.scenario.spec import ScenarioSpec
from ccsim.scenario.tables import is_restricted, wrong_parameters
from ccsim.scenario.target_spec import CongestionSpec, MapSpec
from ccsim.spec.limits import INIT_NET, Parameter
from ccsim.units import MAX_TIME_NS, format_time

__all__ = ["resolve"]


class _Resolver:
    """One scenario on its way; collects what does not fit together."""

    def __init__(
        self,
        written: ScenarioSpec,
        document: Document,
        files: Sequence[ObjectFile],
        traces: Mapping[str, spec.Trace],
    ) -> None:
        self.written = written
        self.document = document
        self.files = files
        self.problems: list[Problem] = []
        self.paths = PathResolver(written, document, traces, self.complain)

    def complain(self, location: Location, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self.document.problem(location, message, at_key=at_key))

    def congestion(self, location: Location, entry: CongestionSpec | None) -> dict[str, Any]:
        """Return the two fields of what a socket chooses, its parameters checked."""
        if entry is None:
            return {}
        params = self.params((*location, "congestion"), entry)
        return {"congestion": entry.name, "congestion_params": params}

    def params(self, location: Location, entry: CongestionSpec | MapSpec) -> dict[str, Parameter]:
        """Return the parameters of what is chosen at a place, checked."""
        is_map = isinstance(entry, MapSpec)
        known = (self.links, self.files)
        for key, message in wrong_parameters(entry.name, entry.params, *known, is_map=is_map):
            self.complain((*location, key), message, at_key=True)
        return entry.params

    @property
    def links(self) -> dict[str, str]:
        """The map behind each link."""
        return {name: entry.name for name, entry in self.written.links.items()}

    def made_links(self) -> tuple[spec.LinkSpec, ...]:
        return tuple(
            spec.LinkSpec(name=name, map=entry.name, params=self.params(("links", name), entry))
            for name, entry in self.written.links.items()
        )

    def flows(self) -> tuple[spec.Flow, ...]:
        flows: list[spec.Flow] = []
        names: set[str] = set()
        for i, entry in enumerate(self.written.flows):
            self.check_flow(i, entry)
            made = list(self.flows_of(i, entry))
            twice = [flow.name for flow in made if flow.name in names]
            if twice:
                self.complain(("flows", i, "name"), f"another flow is named {twice[0]!r} already")
            names.update(flow.name for flow in made)
            flows += made
        return tuple(flows)

    def listeners(self) -> tuple[spec.Listener, ...]:
        names: set[str] = set()
        made: list[spec.Listener] = []
        for i, entry in enumerate(self.written.listeners):
            if entry.name in names:
                message = f"another listener is named {entry.name!r} already"
                self.complain(("listeners", i, "name"), message)
            names.add(entry.name)
            congestion = self.congestion(("listeners", i), entry.congestion)
            made.append(spec.Listener(name=entry.name, netns=entry.netns, **congestion))
        return tuple(made)

    def namespaces(self) -> tuple[spec.Namespace, ...]:
        links, unrestricted = self.links, {"reno", self.written.kernel.default}
        for name, default in self.written.namespaces.items():
            if default not in unrestricted and is_restricted(default, links, self.files):
                message = (
                    f"{default!r} is restricted (no TCP_CONG_NON_RESTRICTED): only the initial "
                    "namespace may default to it (EPERM)"
                )
                self.complain(("namespaces", name), message)
        return tuple(
            spec.Namespace(name=name, default=default)
            for name, default in self.written.namespaces.items()
        )

    def netns_of(self, entry: flow_spec.FlowSpec) -> str:
        """Return the namespace of a flow's socket, which for an accepted one is the listener's."""
        for listener in self.written.listeners:
            if listener.name == entry.listener:
                return listener.netns
        return entry.netns or INIT_NET

    def flows_of(self, i: int, entry: flow_spec.FlowSpec) -> Iterator[spec.Flow]:
        """Make the flows that one entry stands for."""
        apart_ns = entry.start_every or 0
        names = flow_names(entry.name or f"flow-{i + 1}", entry.count)
        congestion = self.congestion(("flows", i), entry.congestion)
        hosts = flow_hosts(entry, self.written.tcp) | own_tcp(entry.tcp, self.written)
        rtt_ns = self.paths.rtt_of(("flows", i), entry.route, entry.rtt)
        for k, name in enumerate(names):
            yield spec.Flow(
                name=name,
                **congestion,
                listener=entry.listener or "",
                netns=self.netns_of(entry),
                start_ns=min(entry.start + k * apart_ns, MAX_TIME_NS),
                stop_ns=entry.stop,
                size_bytes=entry.size,
                rtt_ns=rtt_ns,
                route=self.paths.route_of(("flows", i), entry.route),
                hosts=entry.hosts,
                access_delay_ns=entry.access_delay,
                **hosts,
            )

    def check_flow(self, i: int, entry: flow_spec.FlowSpec) -> None:
        """Check that a flow starts within the run, ends after it starts, and is opened in one
        way.
        """
        self.check_opening(i, entry)
        for keys, message in wrong_hosts(entry, self.written.tcp):
            self.complain(("flows", i, *keys), message)
        if wrong := wrong_tcp(entry.tcp, self.written):
            self.complain(("flows", i, *(("tcp",) if entry.tcp else ())), wrong)
        if entry.start_every is not None and entry.count is None:
            self.complain(("flows", i, "start_every"), "expected with a count, got no count")
        last_start_ns = entry.start + (entry.start_every or 0) * ((entry.count or 1) - 1)
        if last_start_ns >= self.written.duration:
            key = "start" if entry.start >= self.written.duration else "start_every"
            message = f"{self.before_end()}, got a start at {format_time(last_start_ns)}"
            self.complain(("flows", i, key), message)
        if entry.stop is not None and entry.stop <= last_start_ns:
            start = format_time(last_start_ns)
            message = f"expected a stop after the start at {start}, got {format_time(entry.stop)}"
            self.complain(("flows", i, "stop"), message)
        rtt_ns = self.written.path.rtt if entry.rtt is None else entry.rtt
        if entry.access_delay > rtt_ns:
            message = f"expected a part of the RTT, {format_time(rtt_ns)}, got "
            self.complain(("flows", i, "access_delay"), message + format_time(entry.access_delay))

    def check_opening(self, i: int, entry: flow_spec.FlowSpec) -> None:
        """Check that a flow which a listener accepts leaves the listener's choices to it."""
        if entry.listener is None:
            return
        inherits = f"a connection accepted by {entry.listener!r} inherits from it"
        if entry.congestion is not None:
            message = f"expected no congestion beside a listener: {inherits}"
            self.complain(("flows", i, "congestion"), message, at_key=True)
        if entry.netns is not None:
            message = f"expected no netns beside a listener: {inherits}"
            self.complain(("flows", i, "netns"), message, at_key=True)

    def before_end(self) -> str:
        return f"expected a time before the end of the run at {format_time(self.written.duration)}"

    def swaps(self, flows: Sequence[spec.Flow]) -> tuple[spec.Swap, ...]:
        """Resolve the swaps; ``flows`` are all of the scenario's, and one for each
        workload."""
        made = SwapResolver(self.written, self.complain, self.params, flows)
        return tuple(s for i, entry in enumerate(self.written.swaps) for s in made.swaps(i, entry))


def resolve(
    written: ScenarioSpec,
    document: Document,
    files: Sequence[ObjectFile],
    source: str,
    traces: Mapping[str, spec.Trace],
) -> spec.Scenario:
    """Return the scenario with every unit resolved; ScenarioError lists what does not agree."""
    resolver = _Resolver(written, document, files, traces)
    paths = resolver.paths
    path, hops, routes, changes = paths.path(), paths.hops(), paths.routes(), paths.changes()
    flows, listeners = resolver.flows(), resolver.listeners()
    namespaces, links = resolver.namespaces(), resolver.made_links()
    workloads = resolve_workloads(written, flows, resolver.congestion, resolver.complain, paths)
    swaps = resolver.swaps((*flows, *(workload.flow for workload in workloads)))
    taken = {*(flow.name for flow in flows), *(load.name for load in workloads)}
    traffic = resolve_traffic(written, taken, resolver.complain, paths)
    interval_ns = written.record.interval
    check_bounds(written, flows, workloads, swaps, resolver.complain)
    if resolver.problems:
        raise ScenarioError(*resolver.problems)
    return spec.Scenario(
        name=written.name,
        description=written.description,
        duration_ns=written.duration,
        seed=written.seed,
        path=path,
        flows=flows,
        workloads=workloads,
        listeners=listeners,
        namespaces=namespaces,
        objects=tuple(file.path for file in files),
        objects_sha256=tuple(file.sha256 for file in files),
        objects_set={file.path: dict(file.settings) for file in files if file.settings},
        links=links,
        swaps=swaps,
        record=spec.Record(interval_ns=interval_ns, flows=written.record.flows),
        kernel=spec.KernelSpec(**written.kernel.model_dump()),
        tcp=written.tcp.resolved(),
        twins=written.twins,
        hops=hops,
        routes=routes,
        changes=changes,
        hosts=written.hosts.made(),
        traffic=traffic,
        source=source,
    )
