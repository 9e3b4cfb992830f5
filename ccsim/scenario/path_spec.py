"""What lies between senders and receivers as people write it: the path, or hops and routes, and
what changes on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, StrictStr, WithJsonSchema, model_validator

from ccsim.net.qdisc import KINDS, Draws, create
from ccsim.net.qdisc.base import BOOT_NS
from ccsim.net.qdisc.kinds import kind_of
from ccsim.net.qdisc.parameters import parse
from ccsim.scenario import names
from ccsim.scenario import quantities as q
from ccsim.scenario.keys import Spec, key
from ccsim.scenario.vocabulary import did_you_mean, listed
from ccsim.spec import Qdisc
from ccsim.units import show

__all__ = ["ChangeSpec", "EcnSpec", "HopSpec", "PathSpec", "RouteSpec", "WalkSpec"]


def _parse_qdisc(value: object) -> Qdisc | str:
    """Return "fifo", or a qdisc with the parameters given; ValueError says what is wrong."""
    if value == "fifo" or value == {"kind": "fifo"}:
        return "fifo"
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        raise ValueError(f"expected a qdisc such as codel or {{kind: codel, …}}, got {show(value)}")
    kind, given = value["kind"], {k: v for k, v in value.items() if k != "kind"}
    if kind not in KINDS:
        known = ("fifo", *KINDS)
        near = did_you_mean(kind, known) or f"; expected {listed(known)}"
        raise ValueError(f"no qdisc {kind!r}{near}")
    create(kind, given, BOOT_NS, Draws(0))  # what does not agree shows when it is made
    return Qdisc(kind=kind, values=_lists(parse(kind, kind_of(kind).PARAMETERS, given)))


def _lists(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON has them."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _parse_netem(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected netem's parameters such as {{delay: 1 ms}}, got {show(value)}")
    create("netem", value, BOOT_NS, Draws(0))
    return _lists(parse("netem", kind_of("netem").PARAMETERS, value))


_KINDS = ["fifo", *KINDS]
_QDISC = {
    "anyOf": [
        {"type": "string", "enum": _KINDS},
        {
            "type": "object",
            "properties": {"kind": {"type": "string", "enum": _KINDS}},
            "required": ["kind"],
        },
    ]
}
QdiscEntry = Annotated[Qdisc | str, PlainValidator(_parse_qdisc), WithJsonSchema(_QDISC)]
Netem = Annotated[
    dict[str, Any],
    PlainValidator(_parse_netem),
    WithJsonSchema({"type": "object", "examples": [{"delay": "1 ms", "jitter": "200 us"}]}),
]
Parameters = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]


class EcnSpec(Spec):
    """Marking of ECN-capable packets instead of drops."""

    mark_above: q.Threshold = key(
        'Mark what finds more than this in the queue, such as "30 packets", "5 ms" or "0.2 BDP".'
    )


class PathSpec(Spec):
    """The bottleneck that all flows share."""

    rate: q.Rate = key('Rate of the bottleneck link, such as "100 Mbit/s".')
    rtt: q.Time = key('Base RTT without queueing, such as "40 ms".')
    buffer: q.BufferSize = key("Queue limit in BDP, packets or bytes.", "1 BDP")
    qdisc: QdiscEntry = key("Queueing discipline, with tc's parameters if any.", "fifo")
    qdisc_of: Literal["ccsim", "kernel"] = key(
        "Whose code the queue is in runs on a kernel: kernel is that kernel's own.", "ccsim"
    )
    loss: q.Probability = key("Random loss per packet, before the queue.", 0)
    ack_loss: q.Probability = key("Random loss per ACK, on the way back.", 0)
    ack_aggregation: q.Time = key("ACKs set out at multiples of this time; 0 s: at once.", "0 s")
    ecn: EcnSpec | None = key("Marking at a threshold; without: no marks.", None)
    netem: Netem | None = key("Jitter, loss models, reordering, duplicates before the queue.", None)
    trace: StrictStr | None = key("Opportunities to send: a file as mahimahi's, or a preset.", None)
    preset: names.PathPreset | None = key("What is not given is as in this kind of path.", None)


class HopSpec(Spec):
    """One directed hop."""

    rate: q.Rate = key('Rate of the line, such as "100 Mbit/s".')
    delay: q.Time = key("How long packets take behind the line.", "0 s")
    buffer: q.BufferSize = key("Queue limit in packets, bytes or BDP of its first route.", "1 BDP")
    qdisc: QdiscEntry = key("Queueing discipline, with tc's parameters if any.", "fifo")
    loss: q.Probability = key("Random loss per packet, before the queue.", 0)
    ecn: EcnSpec | None = key("Marking at a threshold; without: no marks.", None)
    netem: Netem | None = key("Jitter, loss models, reordering, duplicates before the queue.", None)
    trace: StrictStr | None = key("Opportunities to send: a file as mahimahi's, or a preset.", None)


class RouteSpec(Spec):
    """The hops that flows pass."""

    out: tuple[StrictStr, ...] = key("Hops from the sender to the receiver, in order.")
    back: tuple[StrictStr, ...] = key(
        "Hops that ACKs pass; without: as much delay, and no queue.", ()
    )


class WalkSpec(Spec):
    """A rate that wanders."""

    step: q.Rate = key("The most that it rises or falls at once.")
    every: q.PositiveTime = key("The time between steps.")
    min: q.Rate = key("The least.")
    max: q.Rate = key("The most.")


class ChangeSpec(Spec):
    """What becomes of the path, or of one of several hops, at a time."""

    at: q.Time = key("When.")
    hop: StrictStr | None = key("Which hop; without hops: the path.", None)
    rate: q.Rate | None = key("Its rate from then on.", None)
    delay: q.Time | None = key("Its delay from then on.", None)
    rtt: q.Time | None = key("The path's base RTT from then on.", None)
    buffer: q.BufferSize | None = key("Its queue's limit.", None)
    qdisc: Parameters | None = key("Parameters of its qdisc, such as {target: 15 ms}.", None)
    outage: q.PositiveTime | None = key("It is silent for this long.", None)
    walk: WalkSpec | None = key("Its rate wanders from then on.", None)
    lasts: q.PositiveTime | None = key("A rate or delay holds only for this long.", None)
    every: q.PositiveTime | None = key("It happens again and again, so far apart.", None)

    @model_validator(mode="after")
    def _one_thing(self) -> ChangeSpec:
        things = ("rate", "delay", "rtt", "buffer", "qdisc", "outage", "walk")
        given = [name for name in things if getattr(self, name) is not None]
        if len(given) != 1:
            got = listed(given) if given else "none"
            raise ValueError(f"expected one of {listed(things)}, got {got}")
        if self.lasts is not None and given[0] not in ("rate", "delay", "rtt"):
            raise ValueError(f"expected 'lasts' beside a rate or delay, got it beside {given[0]}")
        if self.lasts is not None and self.every is not None and self.lasts >= self.every:
            raise ValueError("expected a change that lasts shorter than the time between two")
        if self.walk is not None and self.every is not None:
            raise ValueError("expected no 'every' beside a walk: its own says how often it steps")
        return self
