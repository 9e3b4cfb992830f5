"""The script of an episode: what the path does to which packet, what the application writes, when
to swap.

One action a line; packets, ACKs and transmissions are numbered from 1, times are seconds from
``connect``:

- ``D n ACTION``, ``A n ACTION``: the n-th (or n-m th) data packet or ACK emitted;
- ``O i k ACTION``: the k-th transmission of the i-th packet in order of first transmission;
- ``blackout data|ack|both t1 t2``, ``hold data|ack t1 t2``, ``ratechange t bps``;
- ``write t bytes``, ``swap_at t CC``, ``swap_state S n CC``;

where ACTION is ``drop``, ``delay us``, ``dup us`` or ``ce``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

from ccsim.errors import CcsimError
from ccsim.units import NS_PER_S, NS_PER_US

__all__ = ["Action", "EpisodeScript", "ScriptError", "Span", "parse_script"]

NUMBERS_END = 1_000_001  # of packets that an action may name; no recording has a tenth of them


class ScriptError(CcsimError, ValueError):
    """A line of a script that means nothing."""


@dataclass(frozen=True, slots=True)
class Action:
    """What happens to one packet: ``kind`` is drop, delay, dup or ce; ``ns`` the delay [ns]."""

    kind: str
    ns: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time [ns], the end excluded."""

    start_ns: int
    stop_ns: int

    def holds(self, t_ns: int) -> bool:
        """Report whether the stretch holds an instant."""
        return self.start_ns <= t_ns < self.stop_ns


@dataclass
class EpisodeScript:
    """A parsed script: actions by number of data packet, of ACK and of (packet, transmission)."""

    data: dict[int, list[Action]] = field(default_factory=dict)
    acks: dict[int, list[Action]] = field(default_factory=dict)
    transmissions: dict[tuple[int, int], list[Action]] = field(default_factory=dict)
    blackout_data: list[Span] = field(default_factory=list)
    blackout_acks: list[Span] = field(default_factory=list)
    hold_data: list[Span] = field(default_factory=list)
    hold_acks: list[Span] = field(default_factory=list)
    rates: list[tuple[int, int]] = field(default_factory=list)  # (from [ns], bit/s)
    writes: list[tuple[int, int]] = field(default_factory=list)  # (at [ns], bytes)
    swaps_at: list[tuple[int, str]] = field(default_factory=list)  # (at [ns], name)
    swaps_in: list[tuple[int, int, str]] = field(default_factory=list)  # (ca_state, n, name)


def parse_script(lines: Iterable[str], place: str = "script") -> EpisodeScript:
    """Parse the lines of a script; ScriptError for one that means nothing."""
    script = EpisodeScript()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        try:
            _take(script, words)
        except (ValueError, IndexError, KeyError) as error:
            raise ScriptError(
                f"{place}: line {number}: expected an action such as 'O 60 1 drop', got {line!r}"
            ) from error
    for timed in (script.rates, script.writes, script.swaps_at):
        timed.sort(key=lambda item: item[0])
    return script


def _take(script: EpisodeScript, words: list[str]) -> None:
    verb, rest = words[0], words[1:]
    if verb in ("D", "A"):
        actions = script.data if verb == "D" else script.acks
        for number in _numbers(rest[0]):
            actions.setdefault(number, []).append(_action(rest[1:]))
    elif verb == "O":
        numbers, transmissions = _numbers(rest[0]), _numbers(rest[1])
        if len(numbers) * len(transmissions) >= NUMBERS_END:
            raise ValueError(f"{len(numbers)} packets {len(transmissions)} times")
        for key in product(numbers, transmissions):
            script.transmissions.setdefault(key, []).append(_action(rest[2:]))
    elif verb in ("blackout", "hold"):
        span = Span(_ns(rest[1]), _ns(rest[2]))
        for what in ("data", "acks"):
            if rest[0] in (what, what.rstrip("s"), "both"):
                getattr(script, f"{verb}_{what}").append(span)
    elif verb == "swap_state":
        script.swaps_in.append((int(rest[0]), int(rest[1]), rest[2]))
    else:
        _take_timed(script, verb, _ns(rest[0]), rest[1])


def _take_timed(script: EpisodeScript, verb: str, t_ns: int, value: str) -> None:
    if verb == "write":
        script.writes.append((t_ns, int(value)))
    elif verb == "ratechange":
        script.rates.append((t_ns, round(float(value))))
    elif verb == "swap_at":
        script.swaps_at.append((t_ns, value))
    else:
        raise ValueError(verb)


def _action(words: list[str]) -> Action:
    kind = words[0]
    if kind in ("drop", "ce") and len(words) == 1:
        return Action(kind)
    if kind in ("delay", "dup"):
        return Action(kind, round(float(words[1]) * NS_PER_US))
    raise ValueError(kind)


def _numbers(text: str) -> range:
    first, _, last = text.partition("-")
    numbers = range(int(first), int(last or first) + 1)
    if numbers.stop > NUMBERS_END:
        raise ValueError(f"a packet beyond the {NUMBERS_END - 1}th")
    return numbers


def _ns(text: str) -> int:
    return round(float(text) * NS_PER_S)
