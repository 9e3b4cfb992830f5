"""The hops of a scenario: what its path, or its hops and routes, become on a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccsim.net.delay_process import DelayProcess
from ccsim.net.delivery_trace import DeliveryTrace, parse_trace, preset
from ccsim.net.hop import Hop, NoLine
from ccsim.net.hop_log import HopLog
from ccsim.net.line_fifo import LineFifo
from ccsim.net.link import ACK_BYTES, HEADER_BYTES
from ccsim.net.loss import BernoulliLoss
from ccsim.net.network import Network
from ccsim.net.qdisc.base import BOOT_NS, Qdisc
from ccsim.net.qdisc.draws import Draws
from ccsim.net.qdisc.kinds import create_raw
from ccsim.net.trace_hop import TraceHop
from ccsim.net.train_hop import TrainHop
from ccsim.sim.flow.path import FlowPath
from ccsim.sim.hop_changes import as_tuples, delay_pieces, make_line, qdisc_changes
from ccsim.sim.sampler import METER_NS
from ccsim.sim.streams import stream_seed
from ccsim.spec import Flow, Scenario
from ccsim.spec import Hop as HopSpec
from ccsim.spec import Path as PathSpec
from ccsim.spec import Route as RouteSpec
from ccsim.spec import Trace as TraceSpec
from ccsim.spill import Spill

__all__ = ["BOTTLENECK", "DescribedHop", "Hops", "Route", "make_hops", "needs_hops"]

Route = tuple[tuple[int, ...], tuple[int, ...]]  # the numbers of the hops forth, and back

BOTTLENECK = "bottleneck"
"""The name of the one hop that a path stands for."""
LEAST_BITS = 8 * ACK_BYTES


@dataclass(frozen=True, slots=True)
class DescribedHop:
    """A hop, what the scenario says of it, and netem's stage in front of it, if there is one."""

    name: str
    spec: HopSpec | PathSpec
    hop: Hop
    stage: Hop | None


class Hops:
    """The network of a run, and by which of its hops flows go."""

    def __init__(
        self,
        described: Sequence[DescribedHop],
        routes: Mapping[str, RouteSpec],
        end_ns: int,
        *,
        mirrored: bool,
    ) -> None:
        self.described = described
        hops: list[Hop] = []
        numbers: dict[str, tuple[int, ...]] = {}
        for one in described:
            both = [one.hop] if one.stage is None else [one.stage, one.hop]
            numbers[one.name] = tuple(range(len(hops), len(hops) + len(both)))
            hops += both
        self.network = Network(hops, end_ns)
        self._numbers = numbers
        self._routes = routes
        self._mirrored = mirrored
        self._delays = {one.name: one.spec.delay_ns for one in described}

    def route(self, spec: Flow) -> Route:
        """Return by which hops a flow goes, forth and back."""
        names = self._routes[spec.route]
        return self._flat(names.out), self._flat(names.back)

    def _flat(self, names: Sequence[str]) -> tuple[int, ...]:
        return tuple(number for name in names for number in self._numbers[name])

    def path(self, spec: Flow) -> FlowPath:
        """Return the delays of a flow beside those of its hops: its RTT less theirs, split as on a
        path. Where no hops lead back, ACKs take as long as hops take forth."""
        names = self._routes[spec.route]
        forth = sum(self._delays[name] for name in names.out)
        back = sum(self._delays[name] for name in names.back)
        mirrored = forth if self._mirrored and not names.back else 0
        access = spec.access_delay_ns
        rest = max(spec.rtt_ns - forth - back - mirrored, access)
        out = max(rest // 2 - access, 0)
        return FlowPath(access, out, rest - access - out + mirrored, forth + back)

    def drops_since(self, t_ns: int) -> Iterator[tuple[int, int, int]]:
        """Yield (time, flow, reason) of the drops from ``t_ns`` on, and perhaps some before."""
        for hop in self.network.hops:
            if hop.log is not None:
                yield from hop.log.drops_since(t_ns)


def needs_hops(scenario: Scenario) -> bool:
    """Report whether the path is more than a FIFO behind a constant line, which `Link` is."""
    path = scenario.path
    more = path.netem or path.trace or path.qdisc != "fifo"
    return bool(more or scenario.hops or scenario.changes or scenario.traffic)


def make_hops(scenario: Scenario, spill: Spill, *, vector: bool = True) -> Hops:
    """Return the hops of a scenario; ``vector`` lets packets pass as rows where they can."""
    specs: Mapping[str, HopSpec | PathSpec] = scenario.hops or {BOTTLENECK: scenario.path}
    described = [_describe(name, spec, scenario, spill, vector) for name, spec in specs.items()]
    routes = scenario.routes or {"": RouteSpec(out=(BOTTLENECK,))}
    routes = {"": next(iter(routes.values())), **routes}
    return Hops(described, routes, scenario.duration_ns, mirrored=bool(scenario.hops))


def _describe(
    name: str, spec: HopSpec | PathSpec, scenario: Scenario, spill: Spill, vector: bool
) -> DescribedHop:
    hop, stage = _make_hop(name, spec, scenario, spill, vector), None
    if spec.netem:
        qdisc = _create(f"{name}/impairments", "netem", spec.netem, scenario)
        none = DelayProcess([(0, 0)])
        stage = Hop(qdisc, NoLine(), none, LEAST_BITS, log=_log(scenario, spill))
    return DescribedHop(name, spec, hop, stage)


def _make_hop(
    name: str, spec: HopSpec | PathSpec, scenario: Scenario, spill: Spill, vector: bool
) -> Hop:
    qdisc = _make_qdisc(name, spec, scenario)
    loss = None
    if spec.loss_probability:
        stream = "loss" if name == BOTTLENECK else f"loss/{name}"
        seed = stream_seed(scenario.seed, stream)
        loss = BernoulliLoss(spec.loss_probability, seed)
    options: dict[str, Any] = {
        "least_bits": LEAST_BITS,
        "loss": loss,
        "changes": qdisc_changes(name, scenario),
        "log": _log(scenario, spill, len(qdisc.GAUGES)),
    }
    delay = DelayProcess(delay_pieces(name, spec, scenario))
    hop: Hop
    if spec.trace is not None:
        hop = TraceHop(qdisc, _trace(spec.trace), delay, **options)
    elif vector and qdisc.TRAINS:
        hop = TrainHop(qdisc, make_line(name, spec, scenario), delay, **options)
    else:
        hop = Hop(qdisc, make_line(name, spec, scenario), delay, **options)
    if isinstance(qdisc, LineFifo):
        qdisc.hop = hop
    return hop


def _log(scenario: Scenario, spill: Spill, gauges: int = 0) -> HopLog:
    interval_ns = scenario.record.interval_ns
    meter_ns = 0 if interval_ns == METER_NS else METER_NS
    return HopLog(interval_ns, meter_ns, spill, gauges)


def _trace(spec: TraceSpec) -> DeliveryTrace:
    """Return the trace that a scenario holds or names."""
    return preset(spec.preset) if spec.preset else parse_trace(spec.text, spec.name)


def _make_qdisc(name: str, spec: HopSpec | PathSpec, scenario: Scenario) -> Qdisc:
    chosen = spec.qdisc
    if isinstance(chosen, str) or chosen.kind == "fifo":
        return LineFifo(
            spec.buffer_packets, mark_packets=spec.ecn_mark_packets, mark_ns=spec.ecn_mark_ns
        )
    return _create(f"{name}/{chosen.kind}", chosen.kind, chosen.values, scenario)


def _create(stream: str, kind: str, values: Mapping[str, Any], scenario: Scenario) -> Qdisc:
    draws = Draws.stream(scenario.seed, stream)
    mtu = scenario.tcp.mss_bytes + HEADER_BYTES
    return create_raw(kind, as_tuples(values), BOOT_NS, draws, hz=scenario.kernel.hz, mtu=mtu)
