"""From the path, or hops and routes, as written to those that run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ccsim import spec
from ccsim.net.qdisc import KINDS
from ccsim.net.qdisc.parameters import QdiscError, parse
from ccsim.scenario.document import Document, Location
from ccsim.scenario.path_spec import ChangeSpec, HopSpec, PathSpec
from ccsim.scenario.spec import ScenarioSpec
from ccsim.scenario.vocabulary import listed
from ccsim.sim.hops import BOTTLENECK
from ccsim.spec.limits import HEADER_BYTES
from ccsim.units import MAX_PACKETS, MAX_TIME_NS, Buffer, format_time

__all__ = ["PathResolver"]

Complain = Callable[..., None]
LIMITS = {"packets": "limit", "bytes": "limit"}
"""The key of the limit that a buffer is, where a qdisc counts in such units."""


class PathResolver:
    """The path of one scenario on its way; ``complain`` is told what does not agree."""

    def __init__(
        self,
        written: ScenarioSpec,
        document: Document,
        traces: Mapping[str, spec.Trace],
        complain: Complain,
    ) -> None:
        self.written = written
        self.document = document
        self.traces = traces
        self.complain = complain
        self.packet_bytes = written.tcp.mss + HEADER_BYTES

    def path(self) -> spec.Path:
        """Return the path."""
        path = self.written.path
        if self.written.hops and ("path",) in self.document.values:
            self.complain(("path",), "expected either a path or hops, got both")
        rtts = [change.rtt for change in self.written.changes if change.rtt is not None]
        delay_ns = path.rtt - min([path.rtt, *rtts]) if rtts else 0
        return spec.Path(
            rtt_ns=path.rtt,
            ack_loss_probability=path.ack_loss,
            ack_aggregation_ns=path.ack_aggregation,
            qdisc_of="kernel" if path.qdisc_of == "kernel" else "",
            delay_ns=delay_ns,
            **self._queue(("path",), path, path.rtt),
        )

    def hops(self) -> dict[str, spec.Hop]:
        """Return the hops."""
        return {
            name: spec.Hop(
                delay_ns=hop.delay, **self._queue(("hops", name), hop, self.written.path.rtt)
            )
            for name, hop in self.written.hops.items()
        }

    def routes(self) -> dict[str, spec.Route]:
        """Return the routes, which visit hops that there are, and each once."""
        hops, routes = self.written.hops, self.written.routes
        if bool(hops) != bool(routes):
            have, lack = ("hops", "routes") if hops else ("routes", "hops")
            self.complain((have,), f"expected {lack} too: flows go by routes over hops")
        for name, route in routes.items():
            if not route.out:
                self.complain(("routes", name, "out"), "expected at least one hop")
            for way in ("out", "back"):
                names = getattr(route, way)
                for hop in names:
                    if hop not in hops:
                        self.complain(("routes", name, way), _unknown(hop, hops))
                if len(set(names)) < len(names):
                    self.complain(("routes", name, way), "expected each hop once")
        return {name: spec.Route(out=route.out, back=route.back) for name, route in routes.items()}

    def route_of(self, location: Location, route: str | None) -> str:
        """Return the route of a flow."""
        if route is not None and route not in self.written.routes:
            known = self.written.routes
            self.complain((*location, "route"), _unknown(route, known, "route"))
        return route or ""

    def rtt_of(self, location: Location, route: str | None, rtt: int | None) -> int:
        """Return a flow's base RTT, which its hops' delays are part of."""
        least = self._delays(route)
        if least is None:
            return self.written.path.rtt if rtt is None else rtt
        if rtt is not None and rtt < least:
            message = f"expected at least the delays of its hops, {least} ns, got {rtt} ns"
            self.complain((*location, "rtt"), message)
        return least if rtt is None else rtt

    def _delays(self, route: str | None) -> int | None:
        """Return the round trip over a route's hops; None without hops."""
        hops, routes = self.written.hops, self.written.routes
        found = routes.get(route) if route else next(iter(routes.values()), None)
        if found is None or not hops:
            return None
        names = (*found.out, *(found.back or found.out))
        return sum(hops[name].delay for name in names if name in hops)

    def changes(self) -> tuple[spec.HopChange, ...]:
        """Return the changes."""
        return tuple(
            self._change(("changes", i), change) for i, change in enumerate(self.written.changes)
        )

    # --- queues ---

    def _queue(self, location: Location, hop: PathSpec | HopSpec, rtt_ns: int) -> dict[str, Any]:
        """Return the fields that a path and a hop share."""
        packets = hop.buffer.packets(hop.rate, rtt_ns, self.packet_bytes)
        qdisc = hop.qdisc
        given = self.document.get(*location, "buffer") is not None
        if isinstance(qdisc, spec.Qdisc) and not given:
            packets = max(packets, 1)
        if not 1 <= packets <= MAX_PACKETS:
            written = self.document.get(*location, "buffer") or "1 BDP"
            expected = (
                f"expected a buffer of 1 to {MAX_PACKETS} packets of {self.packet_bytes} bytes"
            )
            message = f'{expected}, got "{written}", which is {packets}'
            self.complain((*location, "buffer"), message)
            packets = 1
        found: dict[str, Any] = {
            "rate_bps": hop.rate,
            "buffer_packets": packets,
            "qdisc": qdisc,
            "loss_probability": hop.loss,
            "netem": hop.netem or {},
            "trace": self.traces.get(hop.trace) if hop.trace else None,
        }
        if isinstance(qdisc, spec.Qdisc):
            limit = self._limit(location, qdisc, packets, given=given)
            found |= limit
        return found | self._marking(location, hop, packets, rtt_ns)

    def _limit(
        self, location: Location, qdisc: spec.Qdisc, packets: int, *, given: bool
    ) -> dict[str, Any]:
        """Let a buffer that is given be the qdisc's limit; else its limit be the buffer."""
        parameters = {p.name: p for p in KINDS[qdisc.kind].PARAMETERS}
        limit = parameters.get("limit")
        if limit is None or limit.unit not in LIMITS:
            return {}
        each = 1 if limit.unit == "packets" else self.packet_bytes
        if not given:
            own = qdisc.values.get("limit", limit.default)
            return {"buffer_packets": max(own // each, 1)} if isinstance(own, int) else {}
        if "limit" in qdisc.values:
            self.complain((*location, "buffer"), "expected either a buffer or the qdisc's limit")
        return {
            "qdisc": spec.Qdisc(kind=qdisc.kind, values={**qdisc.values, "limit": packets * each})
        }

    def _marking(
        self, location: Location, hop: PathSpec | HopSpec, buffer_packets: int, rtt_ns: int
    ) -> dict[str, int]:
        """Return the field that says what is marked, checked against the buffer."""
        if hop.ecn is None:
            return {}
        if hop.qdisc != "fifo":
            message = "expected a fifo beside ecn: other qdiscs have parameters that mark"
            self.complain((*location, "ecn"), message)
            return {}
        threshold = hop.ecn.mark_above
        if isinstance(threshold, int):
            return {"ecn_mark_ns": threshold}
        packets = threshold.packets(hop.rate, rtt_ns, self.packet_bytes)
        if packets >= buffer_packets:
            expected = f"expected less than the buffer of {buffer_packets} packets"
            self.complain(
                (*location, "ecn", "mark_above"), f"{expected}, got {packets}: none is marked"
            )
        return {"ecn_mark_packets": packets}

    # --- changes ---

    def _change(self, location: Location, change: ChangeSpec) -> spec.HopChange:
        hops = self.written.hops
        if change.at >= self.written.duration:
            end, at = format_time(self.written.duration), format_time(change.at)
            message = f"expected a time before the end of the run at {end}, got {at}"
            self.complain((*location, "at"), message)
        name = change.hop or BOTTLENECK
        if bool(hops) != (change.hop is not None) or (hops and name not in hops):
            missing = f"expected one of {listed(sorted(hops))}, got none"
            unknown = missing if change.hop is None else _unknown(change.hop, hops)
            self.complain((*location, "hop"), unknown)
            return spec.HopChange(hop=BOTTLENECK, at_ns=change.at)
        hop: PathSpec | HopSpec = hops[name] if hops else self.written.path
        if hops and change.rtt is not None:
            self.complain((*location, "rtt"), "expected a delay: a hop has no RTT")
        if hop.trace is not None and (change.rate or change.outage or change.walk):
            self.complain(location, "expected no other rate for a line that a trace drives")
        repeat: dict[str, Any] = {"every_ns": change.every or 0, "for_ns": change.lasts or 0}
        return spec.HopChange(
            hop=name, at_ns=change.at, **repeat, **self._what(location, change, hop)
        )

    def _what(
        self, location: Location, change: ChangeSpec, hop: PathSpec | HopSpec
    ) -> dict[str, Any]:
        """Return the fields that a change sets."""
        if change.rtt is not None:
            least = min(c.rtt for c in self.written.changes if c.rtt is not None)
            return {"delay_ns": change.rtt - min(least, self.written.path.rtt)}
        if change.walk is not None:
            walk = change.walk
            if not walk.min <= hop.rate <= walk.max:
                self.complain((*location, "walk"), "expected min and max about the hop's rate")
            return {
                "rate_bps": min(max(hop.rate, walk.min), max(walk.max, walk.min)),
                "step": min(walk.step, MAX_TIME_NS),
                "step_every_ns": walk.every,
                "low": walk.min,
                "high": max(walk.max, walk.min),
            }
        if change.buffer is not None:
            return {"values": self._new_limit(location, change.buffer, hop)}
        if change.qdisc is not None:
            return {"values": self._parameters(location, change.qdisc, hop)}
        fields = {"rate_bps": change.rate, "delay_ns": change.delay, "outage_ns": change.outage}
        return {name: value for name, value in fields.items() if value is not None}

    def _new_limit(
        self, location: Location, buffer: Buffer, hop: PathSpec | HopSpec
    ) -> dict[str, Any]:
        packets = max(buffer.packets(hop.rate, self.written.path.rtt, self.packet_bytes), 1)
        if not isinstance(hop.qdisc, spec.Qdisc):
            return {"limit": packets}
        parameters = {p.name: p for p in KINDS[hop.qdisc.kind].PARAMETERS}
        limit = parameters.get("limit")
        if limit is None or limit.unit not in LIMITS:
            self.complain((*location, "buffer"), f"expected a qdisc with a limit: {hop.qdisc.kind}")
            return {}
        return {"limit": packets if limit.unit == "packets" else packets * self.packet_bytes}

    def _parameters(
        self, location: Location, given: Mapping[str, Any], hop: PathSpec | HopSpec
    ) -> dict[str, Any]:
        if not isinstance(hop.qdisc, spec.Qdisc):
            self.complain((*location, "qdisc"), "expected a qdisc with parameters, got a fifo")
            return {}
        kind = hop.qdisc.kind
        try:
            values = parse(kind, KINDS[kind].PARAMETERS, given)
        except QdiscError as error:
            self.complain((*location, "qdisc"), str(error))
            return {}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _unknown(name: str, known: Mapping[str, Any], what: str = "hop") -> str:
    expected = f"expected one of {listed(sorted(known))}" if known else f"there are no {what}s"
    return f"no {what} {name!r}; {expected}"
