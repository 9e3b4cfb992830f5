"""Late hosts of a random scenario, as resolved and as written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ccsim.verify.fuzz.draw import Draw

__all__ = ["add_lateness", "lateness_text"]

Scenario = dict[str, Any]


def add_lateness(draw: Draw, scenario: Scenario, time: Callable[[int, int], int]) -> None:
    """Let one or both ends be late, up to a round trip and often; ``time`` draws a time within
    bounds [ns]."""
    rtt_ns = max(scenario["path"]["rtt_ns"], 10)
    late = {
        "delay_ns": draw.pick((None, *_times(time, rtt_ns // 4))),
        "stalls": draw.pick((None, *_stalls(draw, scenario, time, rtt_ns))),
    }
    if late == {"delay_ns": None, "stalls": None}:
        late["delay_ns"] = _drawn("fixed", rtt_ns // 10)
    ends = draw.pick((("sender", "receiver"), ("sender", "receiver"), ("sender",), ("receiver",)))
    scenario["hosts"] = dict.fromkeys(ends, late)
    if draw.pick((True, False, False)):
        for flow in scenario["flows"]:
            flow["hosts"] = ["one", draw.pick(("one", "other"))]


def _drawn(kind: str, value: int) -> Scenario:
    return {"kind": kind, "value": value}


def _times(time: Callable[[int, int], int], most_ns: int) -> tuple[Scenario, Scenario]:
    most_ns = min(max(most_ns, 2), 500_000_000)
    return _drawn("fixed", time(1, most_ns)), _drawn("exponential", time(1, most_ns))


def _stalls(
    draw: Draw, scenario: Scenario, time: Callable[[int, int], int], rtt_ns: int
) -> tuple[Scenario, Scenario]:
    gap_ns = max(scenario["duration_ns"] // draw.pick((5, 20, 100)), 1_000_000)
    p99_ns = time(1, max(rtt_ns // 50, 2))
    return (
        {"gap_ns": gap_ns, "length_ns": draw.pick(_times(time, rtt_ns))},
        {"p99_ns": p99_ns, "p999_ns": 10 * p99_ns, "max_ns": 40 * p99_ns},
    )


def lateness_text(scenario: Mapping[str, Any]) -> list[str]:
    """Return the line of a scenario's hosts, if it has one."""
    hosts = scenario.get("hosts")
    if not hosts:
        return []
    ends = (f"{end}: {{lateness: {_text(late)}}}" for end, late in hosts.items())
    return [f"hosts: {{{', '.join(ends)}}}"]


def _text(late: Mapping[str, Any]) -> str:
    parts = []
    if late["delay_ns"]:
        parts.append(f"delay: {_time_text(late['delay_ns'])}")
    stalls = late["stalls"]
    if stalls and "gap_ns" in stalls:
        rate = 1e9 / stalls["gap_ns"]
        parts.append(f"stalls: {{rate: {rate!r} /s, length: {_time_text(stalls['length_ns'])}}}")
    elif stalls:
        told = ", ".join(f"{key.removesuffix('_ns')}: {ns} ns" for key, ns in stalls.items())
        parts.append(f"stalls: {{{told}}}")
    return f"{{{', '.join(parts)}}}"


def _time_text(drawn: Mapping[str, Any]) -> str:
    text = f"{drawn['value']} ns"
    return f"{{exponential: {text}}}" if drawn["kind"] == "exponential" else text
