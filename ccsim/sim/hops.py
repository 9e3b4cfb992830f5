"""The hops of a resolved scenario: what its path, or its hops and routes, become on a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccsim.net.delay_process import DelayProcess
from ccsim.net.delivery_trace import parse_trace, preset
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
from ccsim.sim.delivering import FlowPath
from ccsim.sim.hop_changes import delay_pieces, make_line, qdisc_changes
from ccsim.sim.hop_engine import Route
from ccsim.sim.sampler import METER_NS
from ccsim.sim.streams import stream_seed
from ccsim.spill import Spill

__all__ = ["BOTTLENECK", "DescribedHop", "Hops", "make_hops", "needs_hops"]

BOTTLENECK = "bottleneck"
"""The name of the one hop that a path stands for."""
STATES: Mapping[str, tuple[str, ...]] = {
    "pie": ("prob",),
    "red": (),
    "dualpi2": ("prob", "packets_in_c", "packets_in_l"),
}
"""What qdiscs show of their state in a trace."""
LEAST_BITS = 8 * ACK_BYTES


@dataclass(frozen=True, slots=True)
class DescribedHop:
    """A hop, what the scenario says of it, and netem's stage in front of it, if there is one."""

    name: str
    spec: Mapping[str, Any]
    hop: Hop
    stage: Hop | None


class Hops:
    """The network of a run, and by which of its hops flows go."""

    def __init__(
        self,
        described: Sequence[DescribedHop],
        routes: Mapping[str, Any],
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
        self._delays = {one.name: one.spec.get("delay_ns", 0) for one in described}

    def route(self, spec: Mapping[str, Any]) -> Route:
        """Return by which hops a flow goes, forth and back."""
        names = self._routes[spec.get("route", "")]
        out, back = (self._flat(names[way]) for way in ("out", "back"))
        return out, back

    def _flat(self, names: Sequence[str]) -> tuple[int, ...]:
        return tuple(number for name in names for number in self._numbers[name])

    def path(self, spec: Mapping[str, Any]) -> FlowPath:
        """Return the delays of a flow beside those of its hops: its RTT less theirs, split as on a
        path. Where no hops lead back, ACKs take as long as hops take forth."""
        names = self._routes[spec.get("route", "")]
        forth = sum(self._delays[name] for name in names["out"])
        back = sum(self._delays[name] for name in names["back"])
        mirrored = forth if self._mirrored and not names["back"] else 0
        access = spec["access_delay_ns"]
        rest = max(spec["rtt_ns"] - forth - back - mirrored, access)
        out = max(rest // 2 - access, 0)
        return FlowPath(access, out, rest - access - out + mirrored, forth + back)

    def drops_since(self, t_ns: int) -> Iterator[tuple[int, int, int]]:
        """Yield (time, flow, reason) of the drops from ``t_ns`` on, and perhaps some before."""
        for hop in self.network.hops:
            if hop.log is not None:
                yield from hop.log.drops_since(t_ns)


def needs_hops(scenario: Mapping[str, Any]) -> bool:
    """Tell whether the path is more than a FIFO behind a constant line, which `Link` is."""
    path = scenario["path"]
    more = path.get("netem") or path.get("trace") or path["qdisc"] != "fifo"
    return bool(more or scenario.get("hops") or scenario.get("changes"))


def make_hops(scenario: Mapping[str, Any], spill: Spill) -> Hops:
    """Return the hops of a scenario."""
    specs = scenario.get("hops") or {BOTTLENECK: scenario["path"]}
    described = [_describe(name, spec, scenario, spill) for name, spec in specs.items()]
    routes = scenario.get("routes") or {"": {"out": [BOTTLENECK], "back": []}}
    routes = {"": next(iter(routes.values())), **routes}
    mirrored = bool(scenario.get("hops"))
    return Hops(described, routes, scenario["duration_ns"], mirrored=mirrored)


def _describe(
    name: str, spec: Mapping[str, Any], scenario: Mapping[str, Any], spill: Spill
) -> DescribedHop:
    hop, stage = _make_hop(name, spec, scenario, spill), None
    if spec.get("netem"):
        qdisc = _create(f"{name}/impairments", "netem", spec["netem"], scenario)
        none = DelayProcess([(0, 0)])
        stage = Hop(qdisc, NoLine(), none, LEAST_BITS, log=_log(scenario, spill))
    return DescribedHop(name, spec, hop, stage)


def _make_hop(name: str, spec: Mapping[str, Any], scenario: Mapping[str, Any], spill: Spill) -> Hop:
    qdisc = _make_qdisc(name, spec, scenario)
    loss = None
    if spec["loss_probability"]:
        stream = "loss" if name == BOTTLENECK else f"loss/{name}"
        seed = stream_seed(scenario["seed"], stream)
        loss = BernoulliLoss(spec["loss_probability"], seed)
    options: dict[str, Any] = {
        "least_bits": LEAST_BITS,
        "loss": loss,
        "changes": qdisc_changes(name, scenario),
        "log": _log(scenario, spill, STATES.get(qdisc.kind, ())),
    }
    delay = DelayProcess(delay_pieces(name, spec, scenario))
    hop: Hop
    if spec.get("trace"):
        hop = TraceHop(qdisc, _trace(spec["trace"]), delay, **options)
    else:
        hop = Hop(qdisc, make_line(name, spec, scenario), delay, **options)
    if isinstance(qdisc, LineFifo):
        qdisc.hop = hop
    return hop


def _log(scenario: Mapping[str, Any], spill: Spill, states: tuple[str, ...] = ()) -> HopLog:
    interval_ns = scenario["record"]["interval_ns"]
    meter_ns = 0 if interval_ns == METER_NS else METER_NS
    return HopLog(interval_ns, meter_ns, spill, states)


def _trace(spec: Mapping[str, Any]) -> Any:
    """Return the trace that a resolved scenario holds or names."""
    if spec.get("preset"):
        return preset(spec["preset"])
    return parse_trace(spec["text"], spec["name"])


def _make_qdisc(name: str, spec: Mapping[str, Any], scenario: Mapping[str, Any]) -> Qdisc:
    chosen = spec["qdisc"]
    kind = chosen if isinstance(chosen, str) else chosen["kind"]
    if kind == "fifo":
        return LineFifo(
            spec["buffer_packets"],
            mark_packets=spec["ecn_mark_packets"],
            mark_ns=spec["ecn_mark_ns"],
        )
    return _create(f"{name}/{kind}", kind, chosen["values"], scenario)


def _create(
    stream: str, kind: str, values: Mapping[str, Any], scenario: Mapping[str, Any]
) -> Qdisc:
    draws = Draws.stream(scenario["seed"], stream)
    mtu = scenario["tcp"]["mss_bytes"] + HEADER_BYTES
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return create_raw(kind, given, BOOT_NS, draws, hz=scenario["kernel"]["hz"], mtu=mtu)
