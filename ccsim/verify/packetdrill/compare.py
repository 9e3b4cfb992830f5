"""What left compared with what a script expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ccsim.units import NS_PER_US
from ccsim.verify.packetdrill.errors import CannotExpress, Differs
from ccsim.verify.packetdrill.machine import Machine
from ccsim.verify.packetdrill.script import Packet
from ccsim.verify.packetdrill.segment import Option, Segment
from ccsim.verify.packetdrill.settings import Settings

__all__ = ["check_segment", "gather"]


def gather(
    machine: Machine, packet: Packet, limit: int, retry: Callable[[], None]
) -> tuple[int, Segment]:
    """Take what left first, put together with what follows it until it is as long as expected, as
    packetdrill does; the flags are the last one's, but for CWR, which is the first one's.
    """
    at, segment = machine.wire.popleft()
    while segment.length and segment.length < packet.segment.length:
        while not machine.wire and machine.step(limit):
            retry()
        if (
            not machine.wire
            or machine.wire[0][1].seq != segment.end
            or not machine.wire[0][1].length
        ):
            break
        at, more = machine.wire.popleft()
        cwr = segment.flags & {"W"}
        segment = replace(
            more,
            seq=segment.seq,
            length=segment.length + more.length,
            flags=more.flags - {"W"} | cwr,
        )
    return at, segment


def check_segment(
    machine: Machine, packet: Packet, segment: Segment, settings: Settings, since_start_ns: int
) -> None:
    """Compare a segment with what is expected; Differs if it is another one."""
    expected = packet.segment
    got = _as_scripted(machine, expected, segment)
    same = (
        _same_flags(expected.flags, got)
        and (expected.seq, expected.length) == (got.seq, got.length)
        and ("." not in expected.flags or expected.ack == got.ack)
        and _same_ecn(expected.ecn, got.ecn)
    )
    if same and expected.options is not None:
        tolerance = max(
            settings.tolerance_us * NS_PER_US,
            round(settings.tolerance_percent / 100 * since_start_ns),
        )
        same = _same_options(expected.options, got.options, settings.ts_tick_us, tolerance)
    if not same:
        raise Differs(packet.place, f"expected {expected}, got {_told_like(expected, got)}")
    _check_window(packet, got)


def _same_flags(expected: frozenset[str], got: Segment) -> bool:
    """Compare flags; PSH that a burst bears since Linux 5.4 is not asked for."""
    return expected == got.flags or (got.burst and expected == got.flags - {"P"})


def _told_like(expected: Segment, got: Segment) -> Segment:
    """Leave out what the script does not ask for."""
    return replace(
        got,
        window=got.window if expected.window is not None else None,
        options=got.options if expected.options is not None else None,
        ecn=got.ecn if expected.ecn is not None else None,
    )


def _check_window(packet: Packet, got: Segment) -> None:
    wanted = packet.segment.window
    if wanted is None:
        return
    if got.window is None:
        raise CannotExpress(packet.place, "the window that the receiver advertises is not modelled")
    if wanted != got.window:
        raise Differs(packet.place, f"expected win {wanted}, got win {got.window}")


def _same_ecn(expected: str | None, got: str | None) -> bool:
    if expected is None:
        return True
    return expected == (got or "noecn") or (expected == "ect01" and got in ("ect0", "ect1"))


def _same_options(
    expected: tuple[Option, ...], got: tuple[Option, ...] | None, tick_us: int, tolerance_ns: int
) -> bool:
    """Compare options in their order; timestamps only where a script says how they tick."""
    if got is None or [kind for kind, _ in expected] != [kind for kind, _ in got]:
        return got is None
    for (kind, wanted), (_, there) in zip(expected, got, strict=True):
        if kind == "TS":
            apart_ns = abs(wanted[0] - there[0]) * tick_us * NS_PER_US
            if tick_us and apart_ns > tolerance_ns:
                return False
        elif wanted != there:
            return False
    return True


def _as_scripted(machine: Machine, expected: Segment, segment: Segment) -> Segment:
    """Return a segment with its timestamp as the script counts, and note which that is."""
    stamp, wanted = segment.option("TS"), expected.option("TS")
    if stamp is None:
        return segment
    if wanted is not None:
        machine.stamps[wanted[0]] = stamp[0]
        if machine.stamp_shift is None:
            machine.stamp_shift = wanted[0] - stamp[0]
    shift = machine.stamp_shift or 0
    options = tuple(
        ("TS", (stamp[0] + shift, stamp[1])) if kind == "TS" else (kind, numbers)
        for kind, numbers in segment.options or ()
    )
    return replace(segment, options=options)
