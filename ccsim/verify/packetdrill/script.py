"""A packetdrill script as data: options, set-up, and one event after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ccsim.verify.packetdrill.errors import Place
from ccsim.verify.packetdrill.segment import Segment

__all__ = [
    "ANY",
    "Action",
    "Any_",
    "Call",
    "Code",
    "Command",
    "Event",
    "Name",
    "Packet",
    "Script",
    "Unreachable",
    "When",
]


class Any_:
    """``...``: an argument that does not matter."""

    def __repr__(self) -> str:
        return "..."


ANY = Any_()


class Name(str):
    """A symbol such as ``SOL_TCP``, or several joined by ``|``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class When:
    """When an event is due: ``relative`` to the one before, ``absolute``, or ``any``.

    Between ``start_us`` and ``end_us`` [µs]; they are equal unless a range is given.
    """

    kind: str
    start_us: int = 0
    end_us: int = 0


@dataclass(frozen=True, slots=True)
class Packet:
    """A segment that is injected (``inbound``) or expected."""

    place: Place
    inbound: bool
    segment: Segment


@dataclass(frozen=True, slots=True)
class Unreachable:
    """An ICMP message that is injected: its code, and the sequence number that it quotes."""

    place: Place
    code: str
    seq: int


@dataclass(frozen=True, slots=True)
class Call:
    """A system call: arguments, the result expected (ANY: whatever) and errno, if one is named.

    ``end_us``: when a blocking call returns, counted as the event is [µs]; None: at once.
    """

    place: Place
    name: str
    args: tuple[Any, ...]
    result: Any
    errno: str | None = None
    end_us: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A line for the shell."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A snippet of Python over TCP_INFO."""

    place: Place
    text: str


Action = Packet | Unreachable | Call | Command | Code


@dataclass(frozen=True, slots=True)
class Event:
    """An action and when it is due."""

    when: When
    action: Action


@dataclass
class Script:
    """A parsed script. ``options``: what stands before it, ``--name=value``, by name."""

    file: str
    options: dict[str, tuple[str, Place]] = field(default_factory=dict)
    setup: list[Command] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
