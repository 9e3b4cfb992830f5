"""Cross traffic as people write it: datagrams at a rate, on and off or from a trace, and probes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator, StrictStr, WithJsonSchema, model_validator

from ccsim.scenario import names
from ccsim.scenario import quantities as q
from ccsim.scenario.keys import Spec, key
from ccsim.scenario.traffic_spec import Times
from ccsim.scenario.vocabulary import listed
from ccsim.spec.traffic import MAX_DATAGRAM_BYTES
from ccsim.units import format_size, parse_size_bytes, parse_time_ns, show

__all__ = ["OnOffTimes", "TrafficSpec"]

Packets = tuple[tuple[int, int], ...]


def _parse_packets(value: object) -> Packets:
    """Return (time, bytes) of packets such as ``[1 ms, 200 B]``, in order of time."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected packets such as [[0 ms, 200 B]], got {show(value)}")
    packets = []
    for row in value:
        if not isinstance(row, list) or len(row) != 2:
            raise ValueError(f"expected a time and a size such as [1 ms, 200 B], got {show(row)}")
        packets.append((parse_time_ns(row[0]), parse_size_bytes(row[1], minimum=1)))
    if packets != sorted(packets, key=lambda packet: packet[0]):
        raise ValueError("expected packets in order of time")
    return tuple(packets)


_ROW = {"type": "array", "prefixItems": [q.TIME_SCHEMA, q.SIZE_SCHEMA], "minItems": 2}
PacketList = Annotated[
    Packets,
    PlainValidator(_parse_packets),
    WithJsonSchema({"type": "array", "minItems": 1, "items": _ROW}),
]


class OnOffTimes(Spec):
    """How long a source sends, and how long it is silent."""

    on: Times = key('How long it sends, such as "1 s" or {exponential: 1 s}.')
    off: Times = key("How long it is silent.")


class TrafficSpec(Spec):
    """Datagrams that nothing slows down, or probes that are answered."""

    name: names.Name = key("Its name.")
    route: StrictStr | None = key("Its route over hops; else the first.", None)
    size: q.PositiveSize | None = key("Bytes of each packet, headers included.", None)
    rate: q.Rate | None = key("At a rate, evenly.", None)
    poisson: q.Rate | None = key("At a rate in the mean, at random.", None)
    on_off: OnOffTimes | None = key("With a rate: now and then.", None)
    packets: PacketList | None = key("A trace: time and size of each packet.", None)
    probe: q.PositiveTime | None = key("The time between packets that are answered: RTTs.", None)
    start: q.Time = key("When it begins.", "0 s")
    stop: q.PositiveTime | None = key("When it ends.", None)
    rtt: q.Time | None = key("Its own base RTT; else the path's.", None)
    hosts: tuple[StrictStr, ...] = key("Names of the hosts that it goes between.", ())

    @model_validator(mode="after")
    def _one_kind(self) -> TrafficSpec:
        kinds = ("rate", "poisson", "packets", "probe")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            got = listed(given) if given else "none"
            raise ValueError(f"expected one of {listed(kinds)}, got {got}")
        if (self.size is None) != (self.packets is not None):
            raise ValueError("expected a size, or packets that have theirs")
        if self.size is not None and self.size > MAX_DATAGRAM_BYTES:
            most = format_size(MAX_DATAGRAM_BYTES)
            raise ValueError(f"expected a size of at most {most}, got {format_size(self.size)}")
        if self.on_off is not None and self.rate is None:
            raise ValueError("expected on_off beside a rate")
        if self.hosts and len(self.hosts) != 2:
            raise ValueError(f"expected two hosts, got {len(self.hosts)}")
        if self.stop is not None and self.stop <= self.start:
            raise ValueError("expected a stop after the start")
        return self

    def fields(self) -> dict[str, Any]:
        """Return the fields of the resolved one that say what it sends."""
        found: dict[str, Any] = {"size_bytes": self.size or 1, "rate_bps": self.rate}
        if self.poisson is not None:
            return {**found, "kind": "poisson", "rate_bps": self.poisson}
        if self.packets is not None:
            return {**found, "kind": "trace", "packets": self.packets}
        if self.probe is not None:
            return {**found, "kind": "probe", "every_ns": self.probe}
        if self.on_off is not None:
            times = {"on_ns": self.on_off.on, "off_ns": self.on_off.off}
            return {**found, "kind": "on_off", **times}
        return {**found, "kind": "constant"}
