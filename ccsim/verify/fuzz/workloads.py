"""Random workloads for random scenarios: a few connections each, of every kind there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ccsim.verify.fuzz.draw import Draw
from ccsim.verify.fuzz.swaps import congestion_text

__all__ = ["draw_workloads", "workload_text"]

Plain = dict[str, Any]
MSS = 1448
MOST = 12  # connections of one workload
TABLES = (
    ((1, 0.3), (MSS, 0.6), (20 * MSS, 1.0)),
    ((MSS, 0.0), (10 * MSS, 0.5), (10 * MSS, 0.5), (60 * MSS, 1.0)),
)


def draw_workloads(
    draw: Draw, duration_ns: int, rtt_ns: int, algorithm: Callable[[], str]
) -> list[Plain]:
    """Return no workload, one or two, as a resolved scenario has them; ``flow`` holds only what is
    drawn."""
    return [
        _workload(draw, f"load-{k + 1}", duration_ns, rtt_ns, algorithm)
        for k in range(draw.pick((0, 0, 1, 1, 2)))
    ]


def _workload(
    draw: Draw, name: str, duration_ns: int, rtt_ns: int, algorithm: Callable[[], str]
) -> Plain:
    part = max(duration_ns // draw.between(2, 12), 1)
    start_ns = draw.pick((0, 0, duration_ns // 3))
    kind = draw.pick(("poisson", "every", "at_once"))
    arrivals = {"kind": kind, "gap_ns": part, "count": 0}
    if kind == "at_once":
        arrivals |= {"gap_ns": 0, "count": draw.between(1, 4)}
    does = draw.pick(("size_bytes", "size_bytes", "on_off", "requests"))
    whole: Plain = {"size_bytes": None, "on_off": None, "requests": None, "life_ns": None}
    whole[does] = _behaviour(draw, does, part, rtt_ns)
    if does != "size_bytes":
        whole["life_ns"] = draw.pick((None, {**_PLAIN, "kind": "exponential", "value": part}))
    return {
        "name": name,
        "arrivals": arrivals,
        **whole,
        "until_ns": draw.pick((duration_ns, max(2 * duration_ns // 3, start_ns + 1))),
        "most": MOST,
        "flow": {
            "name": name,
            "congestion": algorithm(),
            "start_ns": start_ns,
            "rtt_ns": rtt_ns,
            "access_delay_ns": draw.pick((0, 0, rtt_ns // 4)),
        },
    }


_PLAIN: Plain = {"kind": "fixed", "value": 0, "shape": 0.0, "top": 0, "points": []}


def _behaviour(draw: Draw, does: str, part_ns: int, rtt_ns: int) -> Plain:
    if does == "size_bytes":
        return _sizes(draw)
    if does == "on_off":
        rate_bps = draw.between(10, 400) * MSS * 8 * 1_000_000_000 // part_ns
        return {"on_ns": _time(draw, part_ns), "off_ns": _time(draw, rtt_ns), "rate_bps": rate_bps}
    return {
        "think_ns": draw.pick((_PLAIN, _time(draw, rtt_ns))),
        "request_bytes": _sizes(draw),
        "response_bytes": _sizes(draw),
        "count": draw.pick((None, 1, 3)),
    }


def _time(draw: Draw, mean_ns: int) -> Plain:
    return {**_PLAIN, "kind": draw.pick(("fixed", "exponential")), "value": max(mean_ns, 1)}


def _sizes(draw: Draw) -> Plain:
    kind = draw.pick(("fixed", "exponential", "pareto", "table"))
    if kind == "table":
        return {**_PLAIN, "kind": kind, "points": [list(p) for p in draw.pick(TABLES)]}
    if kind == "pareto":
        return {**_PLAIN, "kind": kind, "value": 100, "shape": 1.2, "top": 100 * MSS}
    return {**_PLAIN, "kind": kind, "value": draw.between(1, 40 * MSS)}


# --- as YAML ---


def workload_text(workload: Mapping[str, Any]) -> str:
    """Return a workload as an entry of a scenario's list."""
    flow, arrivals = workload["flow"], workload["arrivals"]
    parts = [f"name: {workload['name']}{congestion_text(flow)}"]
    parts += [f"start: {flow['start_ns']} ns", f"rtt: {flow['rtt_ns']} ns"]
    parts += [f"access_delay: {flow['access_delay_ns']} ns", f"max: {workload['most']}"]
    parts += [f"until: {workload['until_ns']} ns", f"arrivals: {{{_arrivals_text(arrivals)}}}"]
    if workload["size_bytes"]:
        parts.append(f"sizes: {_text(workload['size_bytes'], 'B')}")
    if one := workload["on_off"]:
        on, off = _text(one["on_ns"], "ns"), _text(one["off_ns"], "ns")
        parts.append(f"on_off: {{on: {on}, off: {off}, rate: {one['rate_bps']} bit/s}}")
    if one := workload["requests"]:
        parts.append(f"requests: {{{_requests_text(one)}}}")
    if workload["life_ns"]:
        parts.append(f"life: {_text(workload['life_ns'], 'ns')}")
    return ", ".join(parts)


def _requests_text(requests: Mapping[str, Any]) -> str:
    text = f"think: {_text(requests['think_ns'], 'ns')}"
    text += f", request: {_text(requests['request_bytes'], 'B')}"
    text += f", response: {_text(requests['response_bytes'], 'B')}"
    return text if requests["count"] is None else f"{text}, count: {requests['count']}"


def _arrivals_text(arrivals: Mapping[str, Any]) -> str:
    if arrivals["kind"] == "at_once":
        return f"at_once: {arrivals['count']}"
    if arrivals["kind"] == "every":
        return f"every: {arrivals['gap_ns']} ns"
    return f"poisson: {1e9 / arrivals['gap_ns']!r} /s"


def _text(distribution: Mapping[str, Any], unit: str) -> str:
    kind, value = distribution["kind"], f"{distribution['value']} {unit}"
    if kind == "table":
        points = (f"{{bytes: {size} B, cdf: {share}}}" for size, share in distribution["points"])
        return f"[{', '.join(points)}]"
    if kind == "pareto":
        bounds = f"min: {value}, shape: {distribution['shape']}, max: {distribution['top']} {unit}"
        return f"{{pareto: {{{bounds}}}}}"
    return value if kind == "fixed" else f"{{exponential: {value}}}"
