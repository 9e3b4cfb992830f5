"""From cross traffic as written to what runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ccsim import spec
from ccsim.scenario.resolve_path import PathResolver
from ccsim.scenario.spec import ScenarioSpec
from ccsim.units import NS_PER_S, format_time

__all__ = ["resolve_traffic"]

MOST_PACKETS = 5_000_000  # of one source
Complain = Callable[..., None]


def resolve_traffic(
    written: ScenarioSpec, taken: set[str], complain: Complain, paths: PathResolver
) -> tuple[spec.Traffic, ...]:
    """Return the cross traffic; ``complain`` is told what does not agree, such as a name that is
    among those ``taken``."""
    made = []
    for i, entry in enumerate(written.traffic):
        place = ("traffic", i)
        if entry.name in taken:
            message = f"a flow, workload or traffic is named {entry.name!r} already"
            complain((*place, "name"), message)
        taken.add(entry.name)
        if entry.start >= written.duration:
            end, got = format_time(written.duration), format_time(entry.start)
            message = f"expected a time before the end of the run at {end}, got {got}"
            complain((*place, "start"), message)
        flow = spec.Flow(
            name=entry.name,
            start_ns=entry.start,
            stop_ns=entry.stop,
            rtt_ns=paths.rtt_of(place, entry.route, entry.rtt),
            route=paths.route_of(place, entry.route),
            hosts=entry.hosts,
        )
        one = spec.Traffic(flow=flow, **entry.fields())
        _check_number(one, written.duration, partial(complain, place))
        made.append(one)
    return tuple(made)


def _check_number(one: spec.Traffic, duration_ns: int, complain: Callable[[str], None]) -> None:
    gap_ns = one.every_ns or 8 * one.size_bytes * NS_PER_S / (one.rate_bps or 1)
    packets = len(one.packets) or round(duration_ns / gap_ns)
    if packets > MOST_PACKETS:
        complain(f"expected at most {MOST_PACKETS} packets, got about {packets}")
