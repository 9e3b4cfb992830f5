"""A script played against the emulated host: events in time, segments compared, verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.tcp.host import NEVER
from ccsim.units import NS_PER_US
from ccsim.verify.packetdrill.calls import CALLS, check_call
from ccsim.verify.packetdrill.code import check_code, run_code
from ccsim.verify.packetdrill.compare import check_segment, gather
from ccsim.verify.packetdrill.errors import CannotExpress, Differs, PktError, Place
from ccsim.verify.packetdrill.info import INFO_NAMES, tcp_info
from ccsim.verify.packetdrill.machine import START_NS, Machine
from ccsim.verify.packetdrill.packets import UNREACHABLE
from ccsim.verify.packetdrill.parser import inbound_data, parse_script
from ccsim.verify.packetdrill.script import (
    ANY,
    Call,
    Code,
    Command,
    Event,
    Packet,
    Script,
    Unreachable,
    When,
)
from ccsim.verify.packetdrill.settings import Settings, apply_command, settings_of
from ccsim.verify.packetdrill.terms import is_linux
from ccsim.verify.packetdrill.values import Result

__all__ = ["AGREES", "CANNOT", "DIFFERS", "WRONG", "Verdict", "play_file", "play_text"]

AGREES, DIFFERS, CANNOT, WRONG = "agrees", "differs", "cannot be expressed", "is no script"
EVENT_NS = 20_000  # what an event takes in life: no two happen at the same instant
PATIENCE_NS = 2_000_000_000  # how much longer than said an expected packet is waited for
LARGEST_BYTES = 1 << 20
HZ = (1_000, 250)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a script: ``outcome``, and the place and sentence that say why.

    ``events``: how many happened as the script says; ``hz``: ticks a second with which it agrees;
    ``older``: on a host as before Linux 6.5.
    """

    file: str
    outcome: str
    events: int = 0
    place: Place | None = None
    message: str = ""
    hz: int = 0
    older: bool = False


def play_file(path: Path) -> Verdict:
    """Play the script in a file."""
    file, wrong = str(path), ""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            wrong = f"expected a script of {LARGEST_BYTES} bytes at most"
        else:
            return play_text(path.read_text(encoding="utf-8"), file)
    except (OSError, UnicodeDecodeError) as error:
        wrong = f"expected a script, got {error}"
    return Verdict(file, WRONG, 0, Place(file, 1), wrong)


def play_text(text: str, file: str) -> Verdict:
    """Play a script given as text: with a tick of 1 ms, and, if that differs, with one of 4 ms, and
    on a host as before Linux 6.5.

    Scripts do not say how their host's clock ticks, and few say how it repeats SYNs; the first host
    that agrees is meant.
    """
    first = _play(text, file, HZ[0])
    if first.outcome != DIFFERS:
        return first
    others = (_play(text, file, hz, older=older) for older in (False, True) for hz in HZ)
    return next((other for other in others if other.outcome == AGREES), first)


def _play(text: str, file: str, hz: int, *, older: bool = False) -> Verdict:
    done = 0
    try:
        script = parse_script(text, file)
        settings = settings_of(script, hz=hz, older=older)
        _check(script, settings)
        player = Player(script, settings)
        for event in script.events:
            player.play(event)
            done += 1
        player.finish()
    except CannotExpress as error:
        return Verdict(file, CANNOT, done, error.place, error.message)
    except Differs as error:
        return Verdict(file, DIFFERS, done, error.place, error.message)
    except PktError as error:
        return Verdict(file, WRONG, done, error.place, error.message)
    return Verdict(file, AGREES, done, hz=hz, older=older)


def _check(script: Script, settings: Settings) -> None:
    """Refuse what is not modelled before anything is played."""
    known = set(INFO_NAMES)
    for event in script.events:
        action = event.action
        if isinstance(action, Call):
            check_call(action)
        elif isinstance(action, Code):
            check_code(action, known)
        elif isinstance(action, Packet) and not _is_possible(action, settings):
            raise CannotExpress(
                action.place, "a SYN as FreeBSD sends it: its stack is not modelled"
            )


def _is_possible(packet: Packet, settings: Settings) -> bool:
    own_syn = not packet.inbound and "S" in packet.segment.flags
    return not own_syn or is_linux(settings, packet.segment)


@dataclass
class Blocked:
    """A call that has not returned yet, and when it should [ns]."""

    call: Call
    due_ns: int


class Player:
    """Plays the events of a script, each at its time."""

    def __init__(self, script: Script, settings: Settings) -> None:
        self.settings = settings
        self.machine = Machine(settings, inbound_data(script))
        self.names: dict[str, Any] = {}
        self.blocked: Blocked | None = None
        self._last: Event | None = None
        self._last_ns = START_NS  # what the last event's time was by the script

    # --- time ---

    def play(self, event: Event) -> None:
        """Let one event happen."""
        due, end = self._due(event)
        act: dict[type, Callable[[Any, int, int, When], None]] = {
            Packet: self._packet, Unreachable: self._unreachable, Call: self._call,
            Command: self._command, Code: self._code,
        }  # fmt: skip
        act[type(event.action)](event.action, due, end, event.when)
        self._last_ns = due
        self._last = event

    def _due(self, event: Event) -> tuple[int, int]:
        """Return when an event is due, from and to [ns]."""
        when = event.when
        base = START_NS
        if when.kind == "any":
            return self.machine.now_ns, NEVER
        if when.kind == "relative":
            base = self._anchor(_is_inbound(event))
        return base + when.start_us * NS_PER_US, base + when.end_us * NS_PER_US

    def _anchor(self, inbound: bool) -> int:
        """Return what an event's time is relative to: now, or, of two injected packets, the time of
        the first by the script."""
        anchored = inbound and self._last is not None and _is_inbound(self._last)
        return self._last_ns if anchored else self.machine.now_ns

    def _wait(self, until_ns: int) -> None:
        """Let time pass, timers fire and a blocked call return."""
        machine = self.machine
        self._retry()
        while machine.step(until_ns):
            self._retry()
        machine.now_ns = max(machine.now_ns, until_ns)

    # --- events ---

    def _packet(self, packet: Packet, due: int, end: int, when: When) -> None:
        if not packet.inbound:
            self._expect(packet, due, end, when)
            return
        self._wait(due)
        self.machine.now_ns += EVENT_NS
        self.machine.inject(packet.segment, packet.place)
        self._retry()

    def _unreachable(self, message: Unreachable, due: int, end: int, when: When) -> None:
        self._wait(due)
        self.machine.now_ns += EVENT_NS
        connection = self.machine.current
        if connection is not None:
            connection.cannot_be_reached(message.seq, UNREACHABLE[message.code])
        self._retry()

    def _expect(self, packet: Packet, due: int, end: int, when: When) -> None:
        """Compare what has left with what is expected."""
        machine = self.machine
        if self.settings.fair_queueing and packet.segment.length:
            raise CannotExpress(packet.place, "when fq lets a packet go is not modelled")
        limit = (due if end == NEVER else end) + PATIENCE_NS * (30 if when.kind == "any" else 1)
        while not machine.wire and machine.step(limit):
            self._retry()
        if not machine.wire:
            raise Differs(packet.place, f"expected {packet.segment}, got nothing")
        sent_ns, segment = gather(machine, packet, limit, self._retry)
        check_segment(machine, packet, segment, self.settings, sent_ns - START_NS)
        machine.now_ns = max(machine.now_ns, sent_ns)
        if when.kind != "any":
            self._check_time(packet.place, sent_ns, due, end, str(packet.segment))

    def _check_time(self, place: Place, at: int, due: int, end: int, what: str) -> None:
        tolerance = self.settings.tolerance_us * NS_PER_US
        share = self.settings.tolerance_percent / 100 * max(due - self._last_ns, 0)
        tolerance = max(tolerance, round(share))
        if not due - tolerance <= at <= end + tolerance:
            raise Differs(place, f"expected {what} at {_span(due, end)}, got it at {_seconds(at)}")

    def _command(self, command: Command, due: int, end: int, when: When) -> None:
        self._wait(due)
        apply_command(self.settings, command)

    def _code(self, code: Code, due: int, end: int, when: When) -> None:
        self._wait(due)
        run_code(code, tcp_info(self.machine.current, self.machine.now_ns), self.names)

    # --- calls ---

    def _call(self, call: Call, due: int, end: int, when: When) -> None:
        self._wait(due)
        if self.blocked is not None:
            self._must_have_returned(due)
        self.machine.now_ns += EVENT_NS
        base = due - when.start_us * NS_PER_US if when.kind == "relative" else START_NS
        returns = due if call.end_us is None else base + call.end_us * NS_PER_US
        result = CALLS[call.name].act(self.machine, call)
        if result is None:
            self.blocked = Blocked(call, returns)
            if call.end_us is None:
                self._wait(returns + self.settings.tolerance_us * NS_PER_US)
                if self.blocked is not None:
                    raise Differs(call.place, f"expected {call.name} to return at once; it blocks")
        else:
            self._returned(call, result, returns)

    def _must_have_returned(self, due: int) -> None:
        """Give a blocked call until its time to return, before another begins."""
        blocked = self.blocked
        assert blocked is not None
        self._wait(max(due, blocked.due_ns) + self.settings.tolerance_us * NS_PER_US)
        if self.blocked is not None:
            raise Differs(blocked.call.place, f"expected {blocked.call.name} to return, it blocks")

    def _retry(self) -> None:
        """Try a blocked call again."""
        blocked = self.blocked
        if blocked is None:
            return
        result = CALLS[blocked.call.name].act(self.machine, blocked.call)
        if result is not None:
            self.blocked = None
            self._returned(blocked.call, result, blocked.due_ns)

    def _returned(self, call: Call, result: Result, due: int) -> None:
        """Compare what a call returned, and when, with the script."""
        expected = f"{call.result} {call.errno}" if call.errno else str(call.result)
        same = call.result is ANY or call.result == result.value
        same = same and (call.errno is None or _errno(call.errno) == result.errno)
        if not same:
            raise Differs(call.place, f"expected {call.name} to return {expected}, got {result}")
        self._check_out(call, result)
        if call.end_us is not None:
            self._check_time(call.place, self.machine.now_ns, due, due, f"{call.name} to return")

    def _check_out(self, call: Call, result: Result) -> None:
        """Compare what a call has put into an argument, ``[1000]``."""
        if result.out is None:
            return
        place = 3 if call.name == "getsockopt" else 2
        given = call.args[place] if len(call.args) > place else ANY
        value = given[0] if isinstance(given, list) and len(given) == 1 else given
        if value is not ANY and value != result.out:
            raise Differs(call.place, f"expected {value} from {call.name}, got {result.out}")

    def finish(self) -> None:
        """See that a call that is still blocked returns."""
        if self.blocked is not None:
            self._must_have_returned(self.machine.now_ns)


def _errno(name: str) -> str:
    return "EAGAIN" if name == "EWOULDBLOCK" else name


def _is_inbound(event: Event) -> bool:
    action = event.action
    return isinstance(action, Unreachable) or (isinstance(action, Packet) and action.inbound)


def _seconds(at: int) -> str:
    return f"{(at - START_NS) / 1e9:.6f} s"


def _span(due: int, end: int) -> str:
    return _seconds(due) if due == end else f"{(due - START_NS) / 1e9:.6f} to {_seconds(end)}"
