"""What a random scenario may have beside rate, delay and loss: marks, a bad way back, applications
and buffers.

Drawn after everything else and in a third of all scenarios, so that the others stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ccsim.units import NS_PER_S
from ccsim.verify.fuzz.draw import Draw

__all__ = ["add_features", "flow_text", "path_text"]

Plain = dict[str, Any]
MSS_BYTES = 1448


def add_features(draw: Draw, scenario: Plain, time: Callable[[int, int], int]) -> None:
    """Add features to some scenarios; ``time`` draws a time within bounds [ns]."""
    if draw.pick((True, False, True)):
        return
    path = scenario["path"]
    _mark(draw, path, time)
    path["ack_loss_probability"] = draw.pick((0.0, 0.0, 0.01, 0.3))
    path["ack_aggregation_ns"] = draw.pick((0, 0, time(1, max(path["rtt_ns"], 2))))
    for flow in scenario["flows"]:
        _hosts(draw, flow, scenario, time)
    scenario["tcp"]["tso"] = draw.pick((False, True))
    for swap in scenario["swaps"]:
        if swap["via"] != "link_update" and draw.pick((True, False, False)):
            swap["to"] = "dctcp"


def _mark(draw: Draw, path: Plain, time: Callable[[int, int], int]) -> None:
    kind = draw.pick(("", "packets", "time"))
    if kind == "packets":
        path["ecn_mark_packets"] = draw.between(0, path["buffer_packets"] - 1)
    elif kind == "time":
        path["ecn_mark_ns"] = draw.pick((0, time(0, max(path["rtt_ns"], 1))))


def _hosts(draw: Draw, flow: Plain, scenario: Plain, time: Callable[[int, int], int]) -> None:
    """Give one flow an application, buffers and ECN."""
    rtt_ns = max(flow["rtt_ns"], 2)
    flow["ecn"] = draw.pick((None, True, True, False))
    if draw.pick((True, False, False, False)):
        flow["congestion"] = "dctcp"
    merged = draw.pick((1, 1, 2, 8))
    window = draw.pick((None, None, MSS_BYTES * draw.between(1, 200)))
    wait_ns = time(0, rtt_ns) if merged > 1 else 0
    flow["receiver"] = {"rwnd_bytes": window, "gro_packets": merged, "gro_ns": wait_ns}
    flow["sndbuf_bytes"] = draw.pick((None, None, MSS_BYTES * draw.between(1, 200)))
    flow["source"] = draw.pick((None, None, _source(draw, scenario, rtt_ns, time)))


def _source(draw: Draw, scenario: Plain, rtt_ns: int, time: Callable[[int, int], int]) -> Plain:
    """Draw an application that writes below or above what the link carries, some hundred times."""
    duration_ns = scenario["duration_ns"]
    write = draw.pick((MSS_BYTES, draw.between(1, 3 * MSS_BYTES), draw.between(1, 64 * MSS_BYTES)))
    if draw.pick((True, False)):
        least_ns = duration_ns // 500
        every_ns = time(max(least_ns, 1), max(2 * rtt_ns, least_ns + 1))
        return {"write_bytes": write, "rate_bps": None, "every_ns": every_ns}
    rate_bps = scenario["path"]["rate_bps"] * draw.between(5, 200) // 100
    most_bps = write * 8 * 500 * NS_PER_S // duration_ns
    return {"write_bytes": write, "rate_bps": max(min(rate_bps, most_bps), 1), "every_ns": None}


def path_text(path: Mapping[str, Any]) -> str:
    """Return the keys of a path's features, to be appended to others."""
    text = ""
    if path.get("ecn_mark_packets") is not None:
        text += f", ecn: {{mark_above: {path['ecn_mark_packets']} packets}}"
    if path.get("ecn_mark_ns") is not None:
        text += f", ecn: {{mark_above: {path['ecn_mark_ns']} ns}}"
    if path.get("ack_loss_probability"):
        text += f", ack_loss: {path['ack_loss_probability']}"
    if path.get("ack_aggregation_ns"):
        text += f", ack_aggregation: {path['ack_aggregation_ns']} ns"
    return text


def flow_text(flow: Mapping[str, Any]) -> str:
    """Return the keys of a flow's features, to be appended to others."""
    text = ""
    if flow.get("ecn") is not None:
        text += f", ecn: {str(flow['ecn']).lower()}"
    if flow.get("sndbuf_bytes") is not None:
        text += f", sndbuf: {flow['sndbuf_bytes']} B"
    return text + _receiver_text(flow.get("receiver")) + _source_text(flow.get("source"))


def _receiver_text(receiver: Mapping[str, Any] | None) -> str:
    keys = []
    if receiver is not None and receiver["rwnd_bytes"] is not None:
        keys.append(f"rwnd: {receiver['rwnd_bytes']} B")
    if receiver is not None and receiver["gro_packets"] > 1:
        keys.append(f"gro: {receiver['gro_packets']}, gro_time: {receiver['gro_ns']} ns")
    return f", receiver: {{{', '.join(keys)}}}" if keys else ""


def _source_text(source: Mapping[str, Any] | None) -> str:
    if source is None:
        return ""
    write = f"write: {source['write_bytes']} B"
    if source["rate_bps"] is not None:
        return f", source: {{rate: {source['rate_bps']} bit/s, {write}}}"
    return f", source: {{{write}, every: {source['every_ns']} ns}}"
