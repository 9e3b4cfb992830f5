"""A scenario as a capture suggests it, whose comments say where each number comes from."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ccsim.errors import ResultsError
from ccsim.exchange.errors import opened
from ccsim.exchange.estimate import Estimate, FlowEstimate, Known, estimated
from ccsim.files import write_whole

__all__ = ["scenario_text", "write_scenario"]

OTHER_RTT = 0.05  # so far from the path's it is told
MOST_LISTED = 200
DEFAULT_MSS, DEFAULT_WINDOW = 1448, 10


def write_scenario(capture: Path, folder: Path, name: str | None = None) -> Path:
    """Write the scenario that a capture suggests as NAME.yaml, and return its path.

    Without a name it is called as the capture is. ResultsError for a name that is taken or none,
    or if the file cannot be written; errors of the capture as `estimated` has them.
    """
    name = name or re.sub(r"[^A-Za-z0-9_-]+", "-", capture.name.partition(".")[0]).strip("-_")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", name):
        raise ResultsError(name, "expected a name of letters, digits, - and _")
    target = folder / f"{name}.yaml"
    if target.exists():
        raise ResultsError(str(target), "it is there already; give another name")
    with opened(capture):
        text = scenario_text(estimated(capture), name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(target, text.encode())
    except OSError as error:
        raise ResultsError(str(target), f"cannot write: {error.strerror or error}") from error
    return target


def _comment(what: str, known: Known) -> str:
    return f"  # {what}: {_line(known.how)}; {_line(known.sure)}"


def _line(text: str) -> str:
    """Return a text that stays within a comment."""
    return re.sub(r"[^\x20-\x7e→–µ×]", "?", text)


def _rate(bps: float) -> str:
    """Return a rate to four figures."""
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bps >= size:
            return f"{float(f'{bps / size:.4g}'):.10g} {unit}"
    return f"{max(round(bps), 1)} bit/s"


def _time(seconds: float) -> str:
    """Return a time to four figures, in whole nanoseconds."""
    for unit, size, digits in (("s", 1.0, 9), ("ms", 1e-3, 6), ("us", 1e-6, 3)):
        if seconds >= size:
            return f"{round(float(f'{seconds / size:.4g}'), digits):.10g} {unit}"
    return f"{round(seconds * 1e9)} ns"


def scenario_text(estimate: Estimate, name: str) -> str:
    """Return a scenario as YAML."""
    path = estimate
    buffer = max(round(path.buffer.value), 1)
    file = _line(Path(estimate.file).name)
    lines = [
        f"# Estimated from {file}: numbers to begin with, not the truth.",
        *(f"# {_line(note)}" for note in estimate.notes),
        "",
        f"name: {name}",
        f"description: {json.dumps(f'As {file} suggests.', ensure_ascii=False)}",
        f"duration: {_time(max(estimate.duration_s, 0.01))}",
        "path:",
        _comment("rate", path.rate),
        f"  rate: {_rate(path.rate.value)}",
        _comment("rtt", path.rtt),
        f"  rtt: {_time(path.rtt.value)}",
        _comment("buffer", path.buffer),
        f"  buffer: {buffer} packets",
        _comment("loss", path.loss),
        f"  loss: {path.loss.value:.6f}".rstrip("0").rstrip("."),
        *_tcp(estimate),
        "flows:",
        "  # Packets do not tell the congestion control; cubic is Linux's default.",
        *_flows(estimate),
    ]
    return "\n".join(lines) + "\n"


def _tcp(estimate: Estimate) -> list[str]:
    """Return the hosts' TCP, as far as it is not as usual."""
    lines = []
    if estimate.mss_bytes != DEFAULT_MSS:
        lines += ["  # the largest payload seen", f"  mss: {estimate.mss_bytes} B"]
    if estimate.initial_window != DEFAULT_WINDOW:
        window = estimate.initial_window
        lines += ["  # what left before the first ACK of data", f"  initial_window: {window}"]
    return ["tcp:", *lines] if lines else []


def _flows(estimate: Estimate) -> list[str]:
    shown = estimate.flows[:MOST_LISTED]
    lines = []
    for number, flow in enumerate(shown, start=1):
        lines.append(f"  # {_line(flow.name)}")
        lines.append(f"  - {{{', '.join(_flow(flow, number, estimate.rtt.value))}}}")
    if len(shown) < len(estimate.flows):
        lines.append(f"  # and {len(estimate.flows) - len(shown)} more connections")
    return lines


def _flow(flow: FlowEstimate, number: int, rtt_s: float) -> list[str]:
    parts = [f"name: flow-{number}", "congestion: cubic"]
    if flow.start_s > 0:
        parts.append(f"start: {round(flow.start_s * 1e6)} us")
    if flow.size_bytes is not None:
        parts.append(f"size: {flow.size_bytes} B")
    if abs(flow.base_rtt_s / rtt_s - 1) > OTHER_RTT:
        parts.append(f"rtt: {_time(flow.base_rtt_s)}")
    if flow.ecn:
        parts.append("ecn: true")
    return parts
