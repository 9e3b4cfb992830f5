"""A TCP segment as it goes over the wire, and a host's sight of it (RFC 9293, 7323, 2018, 3168)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ACK",
    "AE",
    "CE",
    "CWR",
    "ECE",
    "FIN",
    "PSH",
    "SYN",
    "Segment",
    "Sight",
]

FIN, SYN, PSH, ACK, ECE, CWR, AE = 1, 2, 8, 16, 64, 128, 256
CE = 3


@dataclass(slots=True, eq=False)
class Segment:
    """One segment of flow number ``flow``.

    Sequence numbers are relative: 0 is the SYN's, 1 the first byte's, and they do not wrap.
    ``from_sender``: it comes from the end that sends data. ``length`` payload [bytes]; ``ts_val``,
    ``ts_ecr`` timestamps [ms]; ``blocks`` SACK blocks; ``ecn`` the field that it leaves with;
    ``again``: its bytes have been sent before; ``ident`` counts what its host sends on the flow.
    """

    flow: int
    from_sender: bool
    seq: int
    ack: int | None
    length: int
    flags: int
    ts_val: int
    ts_ecr: int
    ident: int
    blocks: tuple[tuple[int, int], ...] = ()
    ecn: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A segment as one of the two hosts sees it leave or come at ``t_ns``.

    ``at_sender``: the host is the one that sends data. ``ce``: it comes with a CE mark.
    """

    t_ns: int
    at_sender: bool
    segment: Segment
    ce: bool = False

    @property
    def leaves(self) -> bool:
        """Whether the host sends it."""
        return self.at_sender == self.segment.from_sender
