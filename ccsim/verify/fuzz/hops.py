"""What a random scenario may have on its way: queueing disciplines, several hops forth and back,
impairments, traces, and changes.

Drawn after everything else. Parameters are small beside the scenarios, so that limits, drops and
timers come often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ccsim.net.qdisc.kinds import kind_of
from ccsim.net.qdisc.parameters import parse
from ccsim.verify.fuzz.draw import Draw

__all__ = ["add_hops", "buffer_text", "hops_text", "queue_text", "resolved_hops"]

Scenario = dict[str, Any]
Time = Callable[[int, int], int]
QDISCS = (
    "{kind: pfifo, limit: 9 packets}",
    "{kind: bfifo, limit: 30000 B}",
    "{kind: pfifo_head_drop, limit: 6 packets}",
    "{kind: codel, limit: 40 packets, target: 500 us, interval: 5 ms, ecn: true}",
    "{kind: codel}",
    "{kind: fq_codel, flows: 4, limit: 40 packets, target: 500 us, interval: 5 ms}",
    "{kind: fq_codel}",
    "{kind: pie, limit: 60 packets, target: 1 ms, tupdate: 2 ms, ecn: true}",
    "{kind: pie}",
    "{kind: dualpi2}",
    "{kind: dualpi2, limit: 30 packets, target: 1 ms, tupdate: 2 ms}",
    "{kind: sfq, limit: 20 packets, depth: 8, flows: 16, divisor: 16}",
    "{kind: fq, limit: 40 packets, flow_limit: 20 packets}",
    "{kind: tbf, rate: 2 Mbit/s, burst: 9000 B, limit: 40000 B}",
    "{kind: police, rate: 2 Mbit/s, burst: 15000 B}",
    "{kind: cake}",
    "{kind: cake, bandwidth: 2 Mbit/s, ack_filter: ack-filter, memlimit: 200000 B}",
    "{kind: netem, delay: 3 ms, jitter: 2 ms, limit: 200 packets}",
)
IMPAIRMENTS = (
    "{delay: 1 ms, jitter: 500 us}",
    "{duplicate: 2 %}",
    "{loss: 1 %}",
    "{delay: 2 ms, reorder: 90 %, gap: 5}",
)
CHANGES = ("rate", "rate", "delay", "outage", "walk", "lasts")


def add_hops(draw: Draw, scenario: Scenario, time: Time) -> None:
    """Add hops and changes to a scenario; ``time`` draws a time within bounds [ns]."""
    names = _several(draw, scenario, time) if draw.pick((True, False)) else _one(draw, scenario)
    changes = [_change(draw, scenario, name, time) for name in names if draw.pick((True, False))]
    if changes:
        scenario["changes"] = changes


def _one(draw: Draw, scenario: Scenario) -> list[str]:
    path = scenario["path"]
    marks = path.get("ecn_mark_packets") is not None or path.get("ecn_mark_ns") is not None
    path["qdisc"] = "fifo" if marks else draw.pick(QDISCS)
    if draw.pick((True, False, False)):
        path["netem"] = draw.pick(IMPAIRMENTS)
    return ["bottleneck"]


def _several(draw: Draw, scenario: Scenario, time: Time) -> list[str]:
    """Draw a row, a way back that queues, or two ways over hops in a circle."""
    names = ["h0", "h1", "h2", "h3"]
    scenario["hops"] = {name: _hop(draw, scenario["path"], time) for name in names}
    ways: Sequence[tuple[list[str], list[str]]] = draw.pick(
        (
            [(["h0", "h1", "h2"], []), (["h1"], [])],
            [(["h0"], ["h3"]), (["h1", "h0"], ["h3", "h2"])],
            [(["h0", "h1"], ["h2", "h3"]), (["h2", "h3"], ["h0", "h1"])],
        )
    )
    scenario["routes"] = {f"r{k}": {"out": out, "back": back} for k, (out, back) in enumerate(ways)}
    for flow in (*scenario["flows"], *(load["flow"] for load in scenario.get("workloads", ()))):
        out, back = ways[0] if (flow_route := draw.pick(("r0", "r1"))) == "r0" else ways[1]
        flow["route"] = flow_route
        least = sum(scenario["hops"][name]["delay_ns"] for name in (*out, *(back or out)))
        flow["rtt_ns"] = max(flow["rtt_ns"], least + 2 * flow["access_delay_ns"])
    return names


def _hop(draw: Draw, path: Scenario, time: Time) -> Scenario:
    rate_bps = max(path["rate_bps"] * draw.pick((70, 100, 100, 150, 300)) // 100, 1000)
    delay_ns = draw.pick((0, path["rtt_ns"] // 4, time(0, path["rtt_ns"] // 2 + 1)))
    return {
        "rate_bps": rate_bps,
        "delay_ns": delay_ns,
        "buffer_packets": path["buffer_packets"],
        "qdisc": draw.pick(("fifo", *QDISCS)),
        "loss_probability": draw.pick((0.0, 0.0, 0.01)),
        "netem": draw.pick(("", "", "", *IMPAIRMENTS)),
    }


def _change(draw: Draw, scenario: Scenario, name: str, time: Time) -> Scenario:
    end_ns, path = scenario["duration_ns"], scenario["path"]
    change: Scenario = {"hop": name, "at_ns": time(0, end_ns)}
    slower = max(path["rate_bps"] // draw.pick((2, 3, 5)), 1000)
    kind = draw.pick(CHANGES)
    if kind == "delay" and "hops" in scenario:
        change["delay_ns"] = time(0, path["rtt_ns"] + 1)
    elif kind == "outage":
        change["outage_ns"] = time(1, end_ns // 10 + 2)
    elif kind == "lasts":
        change |= {"rate_bps": slower, "for_ns": end_ns // 50 + 1, "every_ns": end_ns // 8 + 2}
    elif kind == "walk":
        rate = scenario.get("hops", {}).get(name, path)["rate_bps"]
        change |= {"rate_bps": rate, "step": rate // 10 + 1, "step_every_ns": end_ns // 20 + 1}
        change |= {"low": rate // 2, "high": 2 * rate}
    else:
        change["rate_bps"] = draw.pick((slower, 2 * path["rate_bps"]))
    return change


def resolved_hops(scenario: Mapping[str, Any]) -> Scenario:
    """Return what a drawn scenario says of its way, resolved: qdiscs are drawn as text."""
    found: Scenario = {"path": _resolved(scenario["path"])}
    if "hops" in scenario:
        found["hops"] = {name: _resolved(hop) for name, hop in scenario["hops"].items()}
        found["routes"] = scenario["routes"]
    if "changes" in scenario:
        found["changes"] = scenario["changes"]
    return found


def _resolved(queue: Mapping[str, Any]) -> Scenario:
    made = dict(queue)
    if str(made.get("qdisc", "")).startswith("{"):
        made["qdisc"] = _parsed(made["qdisc"])
    if made.get("netem"):
        made["netem"] = _parsed(f"{{kind: netem, {made['netem'][1:]}")["values"]
    else:
        made.pop("netem", None)
    return made


def _parsed(text: str) -> Scenario:
    """Return a qdisc of this module's spelling, of which YAML's is not needed here."""
    words: dict[str, Any] = {}
    for part in text.strip("{}").split(", "):
        name, _, value = part.partition(": ")
        words[name] = {"true": True}.get(value, int(value) if value.isdigit() else value)
    kind = words.pop("kind")
    values = parse(kind, kind_of(kind).PARAMETERS, words)
    return {"kind": kind, "values": values}


def buffer_text(queue: Mapping[str, Any]) -> str:
    """Return the buffer of a FIFO; other qdiscs have limits of their own."""
    own = queue.get("qdisc", "fifo") != "fifo"
    return "" if own else f", buffer: {queue['buffer_packets']} packets"


def queue_text(queue: Mapping[str, Any]) -> str:
    """Return the keys of a path's or hop's queue, to be appended to others."""
    text = f", qdisc: {queue['qdisc']}" if str(queue.get("qdisc", "")).startswith("{") else ""
    return text + (f", netem: {queue['netem']}" if queue.get("netem") else "")


def hops_text(scenario: Mapping[str, Any]) -> list[str]:
    """Return the lines of a scenario's hops, routes and changes."""
    lines = []
    if "hops" in scenario:
        lines.append("hops:")
        for name, hop in scenario["hops"].items():
            lines.append(
                f"  {name}: {{rate: {hop['rate_bps']} bit/s, delay: {hop['delay_ns']} ns"
                f"{buffer_text(hop)}, loss: {hop['loss_probability']}{queue_text(hop)}}}"
            )
        lines.append("routes:")
        for name, route in scenario["routes"].items():
            ways = (f"{way}: [{', '.join(route[way])}]" for way in ("out", "back"))
            lines.append(f"  {name}: {{{', '.join(ways)}}}")
    if scenario.get("changes"):
        several = "hops" in scenario
        lines += ["changes:", *(f"  - {{{_text(c, several)}}}" for c in scenario["changes"])]
    return lines


def _text(change: Mapping[str, Any], several: bool) -> str:
    parts = [f"at: {change['at_ns']} ns"] + ([f"hop: {change['hop']}"] if several else [])
    if change.get("step"):
        parts.append(
            f"walk: {{step: {change['step']} bit/s, every: {change['step_every_ns']} ns, "
            f"min: {change['low']} bit/s, max: {change['high']} bit/s}}"
        )
    elif "rate_bps" in change:
        parts.append(f"rate: {change['rate_bps']} bit/s")
    parts += [f"{n}: {change[f'{n}_ns']} ns" for n in ("delay", "outage") if f"{n}_ns" in change]
    parts += [f"lasts: {change['for_ns']} ns"] if "for_ns" in change else []
    parts += [f"every: {change['every_ns']} ns"] if "every_ns" in change else []
    return ", ".join(parts)
