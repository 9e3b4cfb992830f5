"""The quick study: one connection for what to start from and when, a small fleet for how.

Every way is run with the same seeds, which draw when connections start (and so where in its
sawtooth or cycle the old implementation is) and how late the hosts are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ccsim.errors import CcsimError
from ccsim.experiment.advice.asked import Asked
from ccsim.scenario.write import scenario_text
from ccsim.units import NS_PER_S

__all__ = ["BLIND", "NAMED", "SEEDS", "AdvicePlan", "plan_of"]

SEEDS = 12
"""Enough for a signed-rank test to tell six policies by three metrics from the default."""
MAX_SEEDS = 1000
BLIND = "linux"
"""The way that others are held against: a setsockopt at a blind instant, as the kernel does it."""
POLICIES = ("cold", "keep_cwnd", "rate", "model", "safe_retreat", "pacing_ramp")
NAMED = {
    "state": ("linux", *POLICIES),
    "when": ("linux", "in Recovery", "near the top", "in ProbeRTT"),
    "via": ("all at once", "over a while", "staged", "link_update", "reregister"),
}
"""The ways that answer each question; the first of each is the one that others are held against."""
PACKET_BITS = 1514 * 8
FLEET = "asked"
"""The name that the fleet's connections choose."""
GAP_S = 0.1
"""How long a name is missing while it is registered anew; one connection opens meanwhile."""
PACKETS = 100_000
"""About how many packets a run has, where the path's RTT allows."""
CONNECTIONS = 3
SHORT = 8
"""Connections that live throughout, and short ones that begin in the time of the window."""


@dataclass(frozen=True, slots=True)
class AdvicePlan:
    """The study as a document, and its times [s]: when the swap is due, how long it is watched."""

    name: str
    document: dict[str, Any]
    at_s: float
    window_s: float

    def text(self) -> str:
        """Return it as the YAML that `ccsim sweep` takes."""
        return scenario_text(self.document, ["What `ccsim advise` asks: see docs/advice.md."])


def plan_of(question: Asked, name: str, seeds: int = SEEDS) -> AdvicePlan:
    """Return the study that answers a question, to be called ``name``; CcsimError for too many
    seeds."""
    if not 1 <= seeds <= MAX_SEEDS:
        raise CcsimError(f"advise: expected 1 to {MAX_SEEDS} seeds, got {seeds}")
    times = _times(question)
    ways = dict(_ways(question, times))
    document = {
        "name": name,
        "description": "What a swap costs here, and which policy, moment and mechanism is best.",
        "base": {
            "duration": _seconds(times.at_s + times.window_s),
            "hosts": {"lateness": "quiet"},
            **question.around.keys,
            **({"objects": question.objects} if question.objects else {}),
            "flows": [],
        },
        "design": {"grid": {"way": {"keys": ["links", "flows", "swaps"], "values": ways}}},
        "jitter": {"flows.0.start": ["0 s", _seconds(times.start_s)]},
        "seeds": seeds,
    }
    return AdvicePlan(name, document, times.at_s, times.window_s)


@dataclass(frozen=True, slots=True)
class _Times:
    """When the last start may be, when the swap is due, and how long it is watched [s]."""

    start_s: float
    at_s: float
    window_s: float


def _times(question: Asked) -> _Times:
    """Return times that suit the path: ten seconds each where that is not too many packets, and
    enough round trips in any case."""
    path = question.scenario.path
    rtt_s = path.rtt_ns / NS_PER_S
    whole_s = PACKETS * PACKET_BITS / path.rate_bps
    at_s = max(min(10.0, whole_s / 2), 40 * rtt_s, 1.0)
    window_s = max(min(10.0, whole_s / 2), 25 * rtt_s, 1.0)
    return _Times(round(at_s * 0.4, 3), round(at_s, 3), round(window_s, 3))


def _ways(question: Asked, times: _Times) -> Iterator[tuple[str, list[Any]]]:
    """Yield each way by its name: links, flows, swaps."""
    links, others = question.around.links, question.around.flows
    flow = [{"name": "bulk", "congestion": question.old.as_name}]
    for name, more in _alone(question, times):
        swap = {"via": "setsockopt", "flows": ["bulk"], "to": question.new.as_name, **more}
        yield name, [links, [*flow, *others], [swap]]
    links = {**links, FLEET: question.old.as_map}
    for name, swaps in _fleet_swaps(question, times):
        yield name, [links, [*_fleet(question, times), *others], swaps]


def _alone(question: Asked, times: _Times) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what differs where one connection is swapped: the policy, then the moment."""
    at = {"at": _seconds(times.at_s)}
    yield BLIND, at
    for policy in POLICIES:
        yield policy, {**at, "state": policy}
    after = _seconds(times.at_s * 0.7)
    yield "in Recovery", _when(state="Recovery", after=after)
    path = question.scenario.path
    room = path.rate_bps * path.rtt_ns // NS_PER_S // PACKET_BITS + path.buffer_packets
    yield "near the top", _when(cwnd_above=max(room * 9 // 10, 1), after=after)
    if question.old.phases:
        yield "in ProbeRTT", _when(state="ProbeRTT", after=after)


def _when(**trigger: Any) -> dict[str, Any]:
    return {"when": {"flow": "bulk", **trigger}}


def _fleet(question: Asked, times: _Times) -> list[dict[str, Any]]:
    """Return connections that live throughout, and short ones: some before the swap is due, and
    some after."""
    every_s = times.window_s / SHORT
    bytes_s = question.scenario.path.rate_bps // 8 / (2 * CONNECTIONS)
    short = {
        "congestion": FLEET,
        "count": SHORT,
        "start_every": _seconds(every_s),
        "size": f"{max(bytes_s * every_s, 1000):.0f} B",
    }
    before_s = times.at_s - SHORT * every_s / 2
    return [
        {"name": "long", "congestion": FLEET, "count": CONNECTIONS},
        {"name": "early", **short, "count": SHORT // 2, "start": _seconds(before_s)},
        {"name": "late", **short, "start": _seconds(times.at_s + GAP_S / 2)},
    ]


def _fleet_swaps(question: Asked, times: _Times) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    at = {"at": _seconds(times.at_s)}
    to = {"link": FLEET, "to": question.new.as_map}
    update = {**at, "via": "link_update", **to}
    running = {**at, "via": "sweep", "flows": ["long", "early"], "to": FLEET}
    yield "all at once", [update, running]
    yield "over a while", [update, {**running, "over": _seconds(0.3 * times.window_s)}]
    pause = _seconds(0.15 * times.window_s)
    steps = ["10 %", "50 %", "100 %"]
    yield "staged", [{**at, "via": "staged", **to, "steps": steps, "pause": pause}]
    yield "link_update", [update]
    yield "reregister", [{**at, "via": "reregister", **to, "gap": _seconds(GAP_S)}]


def _seconds(seconds: float) -> str:
    return f"{round(seconds * 1000)} ms"
