"""A whole run, and its twins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar

from ccsim.catalog import labelled
from ccsim.errors import Problem, ScenarioError
from ccsim.notebook import html_table, plural
from ccsim.spec.flow import Flow, Listener
from ccsim.spec.hosts import Hosts
from ccsim.spec.kernel import KernelSpec, LinkSpec, Namespace, Sysctl
from ccsim.spec.limits import MAX_SEED, Name, PositiveNs, Within
from ccsim.spec.path import Hop, HopChange, Path, Route
from ccsim.spec.plain import SPARSE, NotPlain, from_plain, to_plain
from ccsim.spec.swap import Chosen, Swap
from ccsim.spec.tcp import Tcp
from ccsim.spec.traffic import Traffic
from ccsim.spec.workload import Workload
from ccsim.units import format_rate, format_time

__all__ = ["Record", "Scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How often traces are sampled, and of what: every flow, none, those named (flows or
    workloads), or instead of flows the sums over those that one implementation serves
    ("aggregate").
    """

    interval_ns: PositiveNs = 10_000_000
    flows: Literal["all", "none", "aggregate"] | tuple[Name, ...] = "all"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Scenario:
    """One run, complete: the same scenario and version of ccsim give the same bytes of output.

    ``objects`` are absolute paths of algorithm files and ``objects_sha256`` what they held when the
    scenario was loaded. ``sysctls`` are written before the run, once the namespaces have their
    defaults, and may fail: twin B has them where the run has swaps. With ``hops`` and ``routes``,
    of which the first is that of flows that name none, ``path`` sums the first up. ``hosts`` says
    how late they are (None: never). ``source`` is the file that the scenario was read from, or
    empty.
    """

    name: Name
    description: str = ""
    duration_ns: PositiveNs
    seed: Annotated[int, Within(0, MAX_SEED)] = 1
    path: Path
    flows: tuple[Flow, ...]
    workloads: tuple[Workload, ...] = ()
    listeners: tuple[Listener, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    objects: tuple[str, ...] = ()
    objects_sha256: tuple[str, ...] = ()
    objects_set: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: tuple[LinkSpec, ...] = ()
    swaps: tuple[Swap, ...] = ()
    record: Record = Record()
    kernel: KernelSpec = field(default_factory=KernelSpec)
    tcp: Tcp = field(default_factory=Tcp)
    twins: bool = True
    hops: dict[str, Hop] = field(default_factory=dict, metadata=SPARSE)
    routes: dict[str, Route] = field(default_factory=dict, metadata=SPARSE)
    changes: tuple[HopChange, ...] = field(default=(), metadata=SPARSE)
    hosts: Hosts | None = field(default=None, metadata=SPARSE)
    traffic: tuple[Traffic, ...] = field(default=(), metadata=SPARSE)
    source: str = field(default="", metadata={"stored": False})

    def __post_init__(self) -> None:
        if not self.flows and not self.workloads:
            raise ValueError("expected at least one flow or workload")

    def __repr__(self) -> str:
        parts = [format_time(self.duration_ns)]
        parts += [plural(len(self.flows), "flow")] if self.flows else []
        parts += [plural(len(self.workloads), "workload")] if self.workloads else []
        parts += [plural(len(self.swaps), "swap"), f"seed {self.seed}"]
        path = f"{format_rate(self.path.rate_bps)}, {format_time(self.path.rtt_ns)}"
        return f"<Scenario {self.name}: {', '.join(parts)}; {path}>"

    def _repr_html_(self) -> str:
        """Return the flows and the swaps, as a notebook shows them."""
        flows = [
            (
                f.name,
                labelled(f.congestion, f.congestion_params) or f.listener or "default",
                format_time(f.start_ns),
            )
            for f in self.flows
        ]
        swaps = [
            (format_time(s.at_ns), s.via, labelled(s.to, s.to_params), " ".join(s.flows) or s.link)
            for s in self.swaps
        ]
        shown = html_table(repr(self), ["flow", "congestion", "start"], flows)
        return shown + (html_table("swaps", ["at", "via", "to", "of"], swaps) if swaps else "")

    def resolved(self) -> dict[str, Any]:
        """Return all of it as plain JSON values; `from_resolved` reads it back."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    def identity(self) -> dict[str, Any]:
        """Return `resolved` without what cannot change a result: for hashing.

        Left out are the description and the folders of the object files, whose contents count by
        their SHA-256.
        """
        plain = self.resolved()
        del plain["description"]
        plain["objects"] = [PurePath(file).name for file in self.objects]
        plain["objects_set"] = {PurePath(f).name: made for f, made in self.objects_set.items()}
        return plain

    @classmethod
    def from_resolved(cls, plain: Mapping[str, Any]) -> Scenario:
        """Return the scenario that `resolved` gave; ScenarioError for anything else."""
        try:
            return from_plain(cls, plain)
        except NotPlain as error:
            problem = Problem("resolved scenario", 0, 0, error.path, str(error))
            raise ScenarioError(problem) from error

    def replace_swaps(self, swaps: Sequence[Swap]) -> Scenario:
        """Return the scenario with other swaps."""
        return replace(self, swaps=tuple(swaps))

    def without_swaps(self) -> Scenario:
        """Return twin A: the same run, never swapped."""
        return self.replace_swaps(())

    def with_b_twin(self) -> Scenario:
        """Return twin B: what the swaps end in runs from the start, and nothing is swapped.

        A flow, workload or listener that a setsockopt or sweep reaches starts on the last such
        swap's ``to`` (of a staged one: its link), with the parameters that go with it and not those
        it had; a link that is updated or registered anew starts on the last such map; what swaps
        write to sysctls is
        written before the run, in their order. A triggered swap counts from when it is looked
        for.
        """
        swaps = sorted(self.swaps, key=lambda swap: swap.at_ns)
        flow_to = {name: swap.chosen for swap in swaps for name in swap.flows}
        listener_to = {name: swap.chosen for swap in swaps for name in swap.listeners}
        link_to = {swap.link: swap for swap in swaps if swap.link}
        return replace(
            self,
            swaps=(),
            flows=tuple(_started_on(flow, flow_to.get(flow.name)) for flow in self.flows),
            workloads=tuple(
                replace(load, flow=_started_on(load.flow, flow_to.get(load.name)))
                for load in self.workloads
            ),
            listeners=tuple(
                _started_on(each, listener_to.get(each.name)) for each in self.listeners
            ),
            links=tuple(
                _behind(link, link_to[link.name]) if link.name in link_to else link
                for link in self.links
            ),
            sysctls=tuple(
                Sysctl(netns=s.netns, to=s.to, to_params=s.to_params)
                for s in swaps
                if s.via == "sysctl"
            ),
        )


_Started = TypeVar("_Started", Flow, Listener)


def _started_on(socket: _Started, chosen: Chosen | None) -> _Started:
    """Return a flow or listener with another implementation; its parameters belonged to the old
    one.
    """
    if chosen is None:
        return socket
    congestion, params = chosen
    return replace(socket, congestion=congestion, congestion_params=params)


def _behind(link: LinkSpec, swap: Swap) -> LinkSpec:
    """Return a link with the map that a swap puts behind it."""
    return replace(link, map=swap.to, params=swap.to_params)
