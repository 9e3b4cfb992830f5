"""What is filled in of a path before it is validated: presets, the mean rates of traces, and the
path that several hops add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ccsim.errors import Problem
from ccsim.files import read_bounded
from ccsim.net.delivery_trace import PRESETS as TRACES
from ccsim.net.delivery_trace import DeliveryTrace, TraceError, parse_trace, preset
from ccsim.scenario.document import Document, Location
from ccsim.scenario.path_presets import PRESETS
from ccsim.spec import Trace
from ccsim.units import parse_rate_bps, parse_time_ns

__all__ = ["complete_path"]

MAX_TRACE_BYTES = 16 << 20
Traces = dict[str, Trace]


def complete_path(document: Document, folder: Path) -> tuple[Traces, list[Problem]]:
    """Fill in what presets, traces and hops say of the path; return the traces by the names that
    the document gives them, and what is wrong about those."""
    traces: Traces = {}
    problems: list[Problem] = []
    if not isinstance(document.data, dict):
        return traces, problems
    _fill_preset(document.data.get("path"))
    for location, spec in _with_traces(document.data):
        try:
            name = spec["trace"]
            traces[name], trace = _read(name, folder)
            spec.setdefault("rate", f"{trace.mean_rate_bps()} bit/s")
        except (OSError, ValueError) as error:
            spec.setdefault("rate", "1 Mbit/s")
            problems.append(document.problem((*location, "trace"), _why(spec["trace"], error)))
    if "hops" in document.data and "path" not in document.data:
        document.data["path"] = _sum(document)
    return traces, problems


def _fill_preset(path: Any) -> None:
    if not isinstance(path, dict):
        return
    chosen = path.get("preset")
    found = PRESETS.get(chosen) if isinstance(chosen, str) else None
    if found is None:
        if "preset" in path:  # the model reports it, and not what it would have given
            path.setdefault("rate", "1 Mbit/s")
            path.setdefault("rtt", "1 ms")
        return
    own_line = "rate" in path
    for key, value in found.items():
        if not (key == "trace" and own_line):
            path.setdefault(key, value)


def _with_traces(data: Mapping[str, Any]) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Yield the path and the hops that have a trace."""
    path, hops = data.get("path"), data.get("hops")
    if isinstance(path, dict) and isinstance(path.get("trace"), str):
        yield ("path",), path
    for name, hop in hops.items() if isinstance(hops, dict) else ():
        if isinstance(hop, dict) and isinstance(hop.get("trace"), str):
            yield ("hops", name), hop


def _read(name: str, folder: Path) -> tuple[Trace, DeliveryTrace]:
    if name in TRACES:
        return Trace(preset=name), preset(name)
    content = read_bounded(folder / name, MAX_TRACE_BYTES)
    if len(content) > MAX_TRACE_BYTES:
        raise TraceError(f"expected at most {MAX_TRACE_BYTES >> 20} MiB, got more")
    text = content.decode("ascii", errors="replace")
    return Trace(name=Path(name).name, text=text), parse_trace(text, Path(name).name)


def _why(name: str, error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        known = ", ".join(TRACES)
        return f"cannot read {name}: {error.strerror or error}; the presets are {known}"
    return str(error)


def _sum(document: Document) -> dict[str, Any]:
    """Return the path that the first route is: its slowest line, and the delays of its hops; what
    is wrong about them the models report."""
    out, back = _first_route(document)
    hops = [document.get("hops", name) for name in (*out, *(back or out))]
    rates, delays = [1], [0]
    for hop in hops:
        try:
            delays.append(parse_time_ns(hop.get("delay", "0 s")))
            rates.append(parse_rate_bps(hop.get("rate")))
        except (AttributeError, ValueError):
            continue
    slowest = min(rates[1 : len(out) + 1], default=1_000_000)
    return {"rate": f"{slowest} bit/s", "rtt": f"{sum(delays)} ns"}


def _first_route(document: Document) -> tuple[list[str], list[str]]:
    routes = document.get("routes")
    first = next(iter(routes.values()), None) if isinstance(routes, dict) and routes else None
    ways = []
    for way in ("out", "back"):
        names = first.get(way) if isinstance(first, dict) else None
        ways.append([n for n in names if isinstance(n, str)] if isinstance(names, list) else [])
    return ways[0], ways[1]
