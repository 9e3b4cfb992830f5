"""A scenario as a running world: kernel, link, flows and their SimPy processes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, ClassVar, NoReturn

import numpy as np
import simpy
from numpy.typing import NDArray

from ccsim.net.fifo import Fifo
from ccsim.net.link import HEADER_BYTES, Link
from ccsim.net.loss import BernoulliLoss
from ccsim.net.marking import make_marker
from ccsim.net.network import Network
from ccsim.sim.blame import BLAMABLE, blame
from ccsim.sim.completions import completions
from ccsim.sim.cross_traffic import Datagrams
from ccsim.sim.engine import Engine
from ccsim.sim.flow.flow import Flow
from ccsim.sim.flow.path import FlowPath
from ccsim.sim.hop_engine import HopEngine
from ccsim.sim.hop_trace import hop_trace
from ccsim.sim.hops import Hops, make_hops, needs_hops
from ccsim.sim.implementation_sums import Groups
from ccsim.sim.in_turn import advance_in_turn
from ccsim.sim.invariants import Watchman, check_world
from ccsim.sim.lateness import LateHosts
from ccsim.sim.link_trace import link_trace, marks_of
from ccsim.sim.recorder import METER_COLUMNS, TRACED, EventLog
from ccsim.sim.registry import Registry
from ccsim.sim.sampler import METER_NS
from ccsim.sim.streams import FlowRandom, random_parts, stream_seed
from ccsim.sim.swap.mechanisms import start_swaps
from ccsim.sim.swap.triggers import Reactions
from ccsim.sim.traces import Event, Flows, FlowTrace, LinkTrace, SimResult, SwapRecord
from ccsim.sim.workloads import PlannedFlow, planned_flows
from ccsim.spec import Flow as FlowSpec
from ccsim.spec import Hosts, Scenario
from ccsim.spill import Spill, release
from ccsim.tcp.refusal import Tally

__all__ = ["World"]

Process = Generator[simpy.Event, Any, None]
Column = NDArray[np.int64]
Columns = dict[str, Column]


class World:
    """Everything that a run consists of, built from a scenario.

    ``paranoid`` has invariants checked throughout; ``always_paranoid`` has it for every world.
    ``spill`` keeps the traces. ``explain_trains`` has counted which ACKs go as trains, and why the
    others do not. ``flow_class`` is what its flows are.
    """

    always_paranoid: ClassVar[bool] = False
    flow_class: type[Flow] = Flow

    def __init__(
        self,
        scenario: Scenario,
        *,
        lookahead_ns: int | None = None,
        vector: bool = True,
        progress: Callable[[int], None] | None = None,
        paranoid: bool = False,
        spill: Spill | None = None,
        explain_trains: bool = False,
    ) -> None:
        self.scenario = scenario
        self.tally = Tally() if explain_trains else None
        self.spill = spill or Spill()
        self.vector = vector
        self.end_ns = scenario.duration_ns
        self.events = EventLog()
        self.swaps: list[SwapRecord] = []
        self.reactions = Reactions(self)
        paranoid = paranoid or self.always_paranoid
        self.registry = Registry(scenario, Watchman().guarded if paranoid else None)
        self.env = simpy.Environment(initial_time=0)
        self.link: Link | None = None
        self.hops: Hops | None = None
        check = partial(check_world, self) if paranoid else None
        self.engine = self._make_engine(lookahead_ns=lookahead_ns, progress=progress, check=check)
        self.engine.turns = self.take_turns
        self.late = LateHosts(scenario.hosts or Hosts(), scenario.seed)
        record = scenario.record
        self.grouped = bool(scenario.workloads) or record.flows != "all"
        self.groups = (
            Groups(record.interval_ns, self.end_ns)
            if self.grouped and record.flows != "none"
            else None
        )
        self.randoms: list[FlowRandom] = []
        made = planned_flows(scenario)
        self.flows = [self._make_flow(k, planned) for k, planned in enumerate(made)]
        self._add_traffic()
        self._by_name = {flow.spec.name: flow for flow in self.flows}

    def _add_traffic(self) -> None:
        """Put the cross traffic on its way, which comes after the flows at one instant."""
        engine, hops = self.engine, self.hops
        if not isinstance(engine, HopEngine) or hops is None:
            return
        for k, one in enumerate(self.scenario.traffic):
            way = hops.route(one.flow), hops.path(one.flow)
            made = (len(self.flows) + k, hops.network, way, self.scenario.seed, self.end_ns)
            engine.traffic.append(Datagrams(one, *made))

    def _make_engine(self, **options: Any) -> Engine:
        """Return the engine over the link, or over hops if the path is more than that."""
        if needs_hops(self.scenario):
            self.hops = make_hops(self.scenario, self.spill, vector=self.vector)
            full_bytes = self.scenario.tcp.mss_bytes + HEADER_BYTES
            return HopEngine(self.env, self.hops, self.end_ns, full_bytes, **options)
        self.link = self._make_link()
        return Engine(self.env, self.link, self.end_ns, **options)

    @property
    def network(self) -> Network | None:
        """The hops, where there are some instead of the link."""
        return self.hops.network if self.hops is not None else None

    def drops_since(self, t_ns: int) -> Iterator[tuple[int, int, int]]:
        """Yield (time, flow, reason) of the drops from ``t_ns`` on, and perhaps some before."""
        if self.hops is not None:
            return self.hops.drops_since(t_ns)
        assert self.link is not None
        return self.link.drops_since(t_ns)

    def _make_link(self) -> Link:
        path, interval_ns = self.scenario.path, self.scenario.record.interval_ns
        loss = None
        if path.loss_probability > 0:
            loss = BernoulliLoss(path.loss_probability, stream_seed(self.scenario.seed, "loss"))
        fifo = Fifo(path.rate_bps, path.buffer_packets, loss)
        return Link(
            fifo,
            self.scenario.tcp.mss_bytes,
            interval_ns,
            vector=self.vector,
            marker=make_marker(path),
            meter_ns=0 if interval_ns == METER_NS else METER_NS,
            spill=self.spill,
        )

    def _make_flow(self, index: int, planned: PlannedFlow) -> Flow:
        flow = self.flow_class(self, index, planned)
        flow.sending.tally = self.tally
        self.engine.add(flow, planned.spec.start_ns)
        return flow

    def path_of(self, spec: FlowSpec) -> FlowPath:
        """Return the way that a flow's packets and ACKs take."""
        if self.hops is not None:
            return self.hops.path(spec)
        access, rtt = spec.access_delay_ns, spec.rtt_ns
        out = max(rtt // 2 - access, 0)
        return FlowPath(access, out, rtt - access - out)

    def random(self, component: str, index: int) -> FlowRandom:
        """Return the random numbers of one socket's hooks."""
        made = FlowRandom(stream_seed(self.scenario.seed, component, index))
        self.randoms.append(made)
        return made

    def flow(self, name: str) -> Flow:
        """Return the flow of that name."""
        return self._by_name[name]

    def reached(self, names: Sequence[str]) -> list[str]:
        """Return the flows that a swap acts on now: those named, and of each workload named the
        connections that run."""
        found = []
        for name in names:
            if name in self._by_name:
                found.append(name)
            else:
                own = (flow for flow in self.flows if flow.planned.workload == name)
                found += [flow.spec.name for flow in own if flow.running]
        return found

    def tick(self) -> None:
        """Move the kernel's clock to an instant that has come: grace periods end by it."""
        self.registry.kernel.advance(int(self.env.now))

    def take_turns(self, horizon_ns: int) -> None:
        """Let flows on compiled objects do what they do before the horizon, in the order of
        time."""
        if not self.registry.objects or len(self.engine.live) < 2:
            return
        live = [flow for flow in self.engine.live if isinstance(flow, Flow)]
        flows = [flow for flow in live if flow.closed_ns is None and flow.takes_turns]
        if len(flows) < 2:
            return
        try:
            advance_in_turn(flows, horizon_ns)
        except BLAMABLE as error:
            self.raise_blamed(error)

    def border(self, t_ns: int) -> None:
        """Let every flow that lives note its exact counts before ``t_ns``, an instant that has come
        for all of them, which that of a trigger that acts on its own flow at once has not."""
        for flow in self.flows:
            if flow.begun and flow.closed_ns is None:
                flow.recorder.border(flow.sk, t_ns)

    def log(self, kind: str, flow: Flow | None, t_ns: int, detail: dict[str, Any]) -> None:
        """Write an event down."""
        index = -1 if flow is None else flow.index
        name = "" if flow is None else flow.spec.name
        self.events.add(t_ns, index, Event(t_ns, kind, name, detail))

    def raise_blamed(self, error: BaseException) -> NoReturn:
        """Raise an AlgorithmError if the error arose in a loaded algorithm file, else the error
        itself."""
        blamed = blame(error, self.registry.files)
        if blamed is error:
            raise error
        raise blamed from error

    def run(self) -> None:
        """Start all processes and let the world run to its end."""
        start_swaps(self)
        for flow in self.flows:
            if flow.spec.start_ns == 0:  # before a swap of that instant; later ones: after it
                flow.start()
            if flow.spec.stop_ns is not None and flow.spec.stop_ns < self.end_ns:
                self.env.process(flow.stop_at(flow.spec.stop_ns))
        self.engine.start()
        self.env.run(until=self.end_ns + 1)
        try:
            for live in self.registry.objects.values():
                live.runtime.come_to(self.end_ns - 1)
        except BLAMABLE as error:
            self.raise_blamed(error)

    def result(self, failed: str = "") -> SimResult:
        """Return what was recorded, up to the end or to where the run failed."""
        end = self.end_ns if not failed else int(self.env.now)
        if not failed:
            self.border(end)
        for flow in self.flows:
            flow.recorder.catch_up(flow.sk, min(end, self.end_ns) + 1)
            flow.socket.settle()
            flow.recorder.finish(flow.sk)
            flow.recorder.forget_after(end)
        if self.link is not None:
            self.link.transmit([], end + 1)
        if isinstance(self.engine, HopEngine):
            self.engine.settle()
        for index in sorted(self.reactions.waiting):
            self.log("trigger", None, end, {"swap": index, "fired": False})
        if self.registry.objects:
            objects = {name: it.values() for name, it in self.registry.objects.items()}
            self.log("objects", None, end, objects)
        marked = {flow.index: flow.marked_ns() for flow in self.flows}
        flows = self._flow_traces(marked)
        marks = marks_of({index: times for index, times in marked.items() if len(times)}, end)
        links = self._link_traces(end, marks)
        self.spill.close()
        return SimResult(
            duration_ns=end,
            flows=Flows(flows),
            links=links,
            events=self.events.sorted_events(end),
            swaps=tuple(sorted(self.swaps, key=lambda swap: (swap.t_ns, swap.index))),
            failed=failed,
            groups=self.groups.traces(end) if self.groups else (),
            rtts=self.groups.rtts(end) if self.groups else (),
            crowds=self.groups.crowds(end) if self.groups else (),
            completions=completions(self, end) if self.scenario.workloads else None,
            traffic=tuple(one.trace(end) for one in getattr(self.engine, "traffic", ())),
            drew=self._drew(),
            trains=self.tally.rows() if self.tally is not None else (),
        )

    def _link_traces(self, end: int, marks: Mapping[str, Column]) -> tuple[LinkTrace, ...]:
        """Return what was recorded of the link, or of every hop."""
        if self.link is not None:
            return (link_trace("bottleneck", self.link, end, self.spill, marks),)
        assert self.hops is not None
        return tuple(hop_trace(one, end, self.spill) for one in self.hops.described)

    def _drew(self) -> tuple[str, ...]:
        """Return what was drawn from the seed."""
        hooks = any(one.drawn for one in self.randoms)
        return (*random_parts(self.scenario), *(("algorithms",) if hooks else ()))

    def _flow_traces(self, marked: Mapping[int, Column]) -> tuple[FlowTrace, ...]:
        """Return the traces of all flows, whose columns lie one after the other in those of one
        table."""
        recorders = [flow.recorder for flow in self.flows]
        columns, parts = self._in_parts(TRACED, [len(one.packed) for one in recorders])
        metered, metered_parts = self._in_parts(METER_COLUMNS, [len(r.metered) for r in recorders])
        traces = tuple(
            flow.trace(part, metered_part, marked[flow.index], self.end_ns)
            for flow, part, metered_part in zip(self.flows, parts, metered_parts, strict=True)
        )
        release(*columns.values(), *metered.values())
        return traces

    def _in_parts(
        self, names: tuple[str, ...], lengths: list[int]
    ) -> tuple[Columns, list[Columns]]:
        """Return columns of that many rows in all, and their parts of those lengths."""
        ends = list(accumulate(lengths, initial=0))
        columns = self.spill.columns(names, ends[-1])
        parts = [{name: column[i:k] for name, column in columns.items()} for i, k in pairwise(ends)]
        return columns, parts
