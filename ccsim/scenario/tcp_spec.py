"""The hosts' TCP as people write it, of all or of one end: windows, timers, and Linux's sysctls by
their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    PlainValidator,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ccsim import spec
from ccsim.scenario import quantities as q
from ccsim.scenario.keys import Spec, key
from ccsim.spec.limits import MAX_MIN_RTT_WLEN_S
from ccsim.units import NS_PER_S, format_time, show

__all__ = ["HostTcpSpec", "TcpSpec"]


def _switch(*on: int) -> tuple[PlainValidator, WithJsonSchema]:
    """Return the annotations of a sysctl that is on with one of some numbers and off with 0."""

    def parse(value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, int) and value in (0, *on):
            return value != 0
        words = " or ".join(map(str, on))
        raise ValueError(f"expected true, false, 0 or {words}, got {show(value)}")

    schema = {"anyOf": [{"type": "boolean"}, {"enum": [0, *on]}]}
    return PlainValidator(parse), WithJsonSchema(schema)


ECN: Mapping[int, bool | str] = {0: "off", 1: True, 2: False, 3: "accecn"}


def _parse_ecn(value: object) -> bool | str:
    if value == "accecn":
        return "accecn"
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in ECN:
        return ECN[value]
    raise ValueError(f"expected true, false, accecn, or 0 to 3, got {show(value)}")


_ECN = {"anyOf": [{"type": "boolean"}, {"enum": ["accecn", *ECN]}]}
Ecn = Annotated[bool | Literal["accecn", "off"], PlainValidator(_parse_ecn), WithJsonSchema(_ECN)]
Switch = Annotated[bool, *_switch(1)]
EarlyRetrans = Annotated[bool, *_switch(3, 4)]
Frto = Annotated[bool, *_switch(1, 2)]


class HostTcpSpec(Spec):
    """The TCP of some hosts: what is not said is as under ``tcp``."""

    initial_window: q.PositivePackets = key("Initial cwnd in packets (initcwnd).", 10)
    quickacks: q.PacketCount = key("Packets acknowledged one by one before delayed ACKs.", 1465)
    min_rto: q.PositiveTime = key("The shortest RTO.", "200 ms")
    delayed_ack: StrictBool = key("Acknowledge every other packet.", True)
    tso: StrictBool = key("Paced data leaves in bursts (segmentation offload).", False)
    ecn: Ecn = key(
        "ECN is asked for (1), agreed to (2), neither (0); accecn (3): Accurate ECN is.", False
    )
    pacing: Literal["internal", "fq"] = key(
        "Who paces: sockets that need it by themselves, or fq all of them.", "internal"
    )
    slow_start_after_idle: Switch = key("Restart the window after silence.", True)
    sack: Switch = key("Selective acknowledgements.", True)
    dsack: Switch = key("Duplicates are reported.", True)
    timestamps: Switch = key("The timestamps option.", True)
    early_retrans: EarlyRetrans = key("Tail loss probes (3 and 4; 0: none).", True)
    frto: Frto = key("F-RTO after a timeout (1 and 2; 0: none).", True)
    recovery: Literal[1, 3, 5, 7] = key(
        "RACK (1), with a static window (2), without a threshold of duplicates (4): their sum.", 1
    )
    min_rtt_wlen: q.Time = key("Over which the least RTT is taken, in whole seconds.", "300 s")
    reordering: StrictInt = key("Duplicates that mean a loss, at first.", 3, ge=1, le=300)
    max_reordering: StrictInt = key("And at most.", 300, ge=1, le=300)
    pacing_ss_ratio: StrictInt = key("Pacing in slow start [% of cwnd / srtt].", 200, ge=1, le=1000)
    pacing_ca_ratio: StrictInt = key("And after it.", 120, ge=1, le=1000)
    notsent_lowat: q.PositiveSize | None = key(
        "What is written and has not been sent is no more than that; without: no limit.", None
    )

    @field_validator("min_rtt_wlen")
    @classmethod
    def _whole_seconds(cls, value: int) -> int:
        if value % NS_PER_S or value > MAX_MIN_RTT_WLEN_S * NS_PER_S:
            got = format_time(value)
            raise ValueError(f"expected whole seconds, at most {MAX_MIN_RTT_WLEN_S} s, got {got}")
        return value

    def disagrees(self) -> str:
        """Return what of it does not agree; empty if all does."""
        if self.reordering <= self.max_reordering:
            return ""
        expected = f"expected a reordering of at most max_reordering, {self.max_reordering}"
        return f"{expected}, got {self.reordering}"


class TcpSpec(HostTcpSpec):
    """The hosts' TCP."""

    mss: q.SegmentSize = key("Payload of a packet.", "1448 B")

    @model_validator(mode="after")
    def _reordering_fits(self) -> TcpSpec:
        if wrong := self.disagrees():
            raise ValueError(wrong)
        return self

    def but(self, *own: HostTcpSpec | None) -> TcpSpec:
        """Return it with what some hosts say instead, the last of them first."""
        said = {
            name: getattr(one, name) for one in own if one for name in sorted(one.model_fields_set)
        }
        return self.model_copy(update=said)

    def resolved(self) -> spec.Tcp:
        """Return it resolved."""
        sysctls = spec.Sysctls(
            slow_start_after_idle=self.slow_start_after_idle,
            sack=self.sack,
            dsack=self.dsack,
            timestamps=self.timestamps,
            early_retrans=self.early_retrans,
            frto=self.frto,
            recovery=self.recovery,
            min_rtt_wlen_s=self.min_rtt_wlen // NS_PER_S,
            reordering=self.reordering,
            max_reordering=self.max_reordering,
            pacing_ss_ratio=self.pacing_ss_ratio,
            pacing_ca_ratio=self.pacing_ca_ratio,
            notsent_lowat_bytes=self.notsent_lowat or 0,
            pacing=self.pacing,
        )
        return spec.Tcp(
            initial_window=self.initial_window,
            mss_bytes=self.mss,
            quickack_packets=self.quickacks,
            min_rto_ns=self.min_rto,
            delayed_ack=self.delayed_ack,
            ecn=self.ecn,
            tso=self.tso,
            sysctls=None if sysctls == spec.Sysctls() else sysctls,
        )
