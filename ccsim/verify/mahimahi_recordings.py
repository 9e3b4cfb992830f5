"""Recordings of mahimahi's link, replayed: when each packet leaves, and what is dropped when."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ccsim.net.delivery_trace import DeliveryTrace, TraceError, preset
from ccsim.net.qdisc.base import Packet
from ccsim.net.qdisc.draws import Draws
from ccsim.net.qdisc.kinds import create_raw
from ccsim.net.qdisc.parameters import QdiscError
from ccsim.net.trace_link import TraceLink
from ccsim.units import NS_PER_MS
from ccsim.verify.qdisc import CallDifference, Replay
from ccsim.verify.qdisc_files import QdiscRecording, recording_error

__all__ = ["is_modelled", "replay_link"]

KINDS = {"infinite": "mm_droptail", "droptail": "mm_droptail", "drophead": "mm_drophead"}
_TRACE = re.compile(r"([\w.]+)(?:, lines up to (\d{1,9}) ms)?", re.ASCII)
_LIMIT = re.compile(r"(packets|bytes)=(\d{1,12})", re.ASCII)


def is_modelled(recording: QdiscRecording) -> bool:
    """Report whether the recording's queue is one that is modelled; mahimahi's own CoDel and PIE,
    which are not Linux's, are not."""
    return recording.header["queue"] not in ("codel", "pie")


def replay_link(recording: QdiscRecording) -> Replay:
    """Replay one recording; RecordingError if it cannot be read."""
    outcome = Replay(recording.name, recording.kind)
    try:
        _compare(recording, outcome)
    except (QdiscError, TraceError, KeyError, TypeError, ValueError) as error:
        raise recording_error(recording, outcome.calls, error) from error
    return outcome


def _compare(recording: QdiscRecording, outcome: Replay) -> None:
    header = recording.header
    link = TraceLink(_trace(header), _queue(header))
    left: dict[int, int] = {}
    drops: Counter[int] = Counter()
    *arrivals, last = recording.calls
    for row in arrivals:
        outcome.calls += 1
        link.arrive(Packet(row["id"], row["size"]), row["t_ms"] * NS_PER_MS)
        drops[row["t_ms"]] += len(link.qdisc.dropped)
        link.qdisc.dropped.clear()
    end_ms = header["end_ms"]
    link.advance(end_ms * NS_PER_MS)
    left.update((packet.number, at // NS_PER_MS) for at, packet in link.departures)
    for number, row in enumerate(arrivals, recording.line + 1):
        there, here = row.get("out_ms"), left.get(row["id"])
        if there != here:
            outcome.differs(CallDifference(number, row, {"out_ms": (there, here)}))
    here_all = _whole(link, drops, end_ms)
    there_all = {
        "drops_at_ms": [list(pair) for pair in last["drops_at_ms"]],
        "opportunities_used": header["opportunities_used"],
    }
    fields = {k: (there_all[k], v) for k, v in here_all.items() if there_all[k] != v}
    if fields:
        outcome.differs(CallDifference(recording.line + len(recording.calls), {}, fields))


def _whole(link: TraceLink, drops: Counter[int], end_ms: int) -> dict[str, Any]:
    """Return what is recorded of the whole: drops by instant, opportunities up to the end."""
    return {
        "drops_at_ms": [[t, count] for t, count in sorted(drops.items()) if count],
        "opportunities_used": link.trace.first_after(end_ms),
    }


def _trace(header: dict[str, Any]) -> DeliveryTrace:
    """Return the trace that stands in the header, or the shipped one that it names."""
    repeat = bool(header["repeat"])
    if "trace_ms" in header:
        return DeliveryTrace(tuple(header["trace_ms"]), repeat)
    match = _TRACE.fullmatch(header["trace"])
    if match is None:
        raise TraceError(f"expected a trace's name, got {header['trace']!r}")
    return preset(match[1], repeat=repeat, until_ms=int(match[2]) if match[2] else None)


def _queue(header: dict[str, Any]) -> Any:
    kind = KINDS.get(header["queue"])
    if kind is None:
        raise QdiscError(f"expected a queue ({', '.join(KINDS)}), got {header['queue']!r}")
    limits = {name: int(value) for name, value in _LIMIT.findall(header["args"])}
    return create_raw(kind, limits, 0, Draws(0))
