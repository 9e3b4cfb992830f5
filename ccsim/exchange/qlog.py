"""A run as qlog, in JSON text sequences (draft-ietf-quic-qlog-main-schema, RFC 7464).

One trace: what the senders see. An event's ``group_id`` is its flow. There is no event schema for
TCP; ``tcp`` is one of ours, which calls things as QUIC's does where they are the same. Times are
milliseconds since the run began; swaps are markers of a simulation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ccsim import __version__
from ccsim.exchange.capture import Selection, check_named, swap_comments
from ccsim.exchange.resimulate import scenario_of, simulated_again, stored_result
from ccsim.exchange.segment import ACK, CWR, ECE, FIN, PSH, SYN, Sight
from ccsim.experiment.stored import StoredRun
from ccsim.files import written_whole
from ccsim.net.link import HEADER_BYTES
from ccsim.sim.traces import CA_STATE_NAMES, Event, FlowTrace, SimResult
from ccsim.sim.workloads import planned_flows

__all__ = ["TCP_EVENTS", "write_qlog"]

RECORD_SEPARATOR = b"\x1e"
TCP_EVENTS = "urn:x-ccsim:qlog:events:tcp"
"""The schema of events whose names begin with ``tcp:``."""
SIMULATION_EVENTS = "urn:ietf:params:qlog:events:simulation"
FLAGS = {"syn": SYN, "ack": ACK, "psh": PSH, "fin": FIN, "ece": ECE, "cwr": CWR}
ECN = ("not-ect", "ect1", "ect0", "ce")
INFINITE = 0x7FFF_FFFF
SKIPPED = ("swap", "objects")
"""Kinds of events of a run that are told otherwise, or are of no connection."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class _Timed:
    """A record, in the order in which records are written."""

    t_ns: int
    place: int
    record: Record


def _event(t_ns: int, name: str, data: Mapping[str, Any], flow: str = "") -> Record:
    group = {"group_id": flow} if flow else {}
    return {"time": t_ns / 1e6, "name": name, "data": data, **group}


def _metrics(flow: FlowTrace) -> Iterator[tuple[int, Record]]:
    """Yield what has changed from sample to sample."""
    known: Record = {}
    mss = flow.mss_bytes
    columns = [flow.t_ns, flow.snd_cwnd, flow.ssthresh, flow.srtt_us]
    columns += [flow.in_flight, flow.pacing_rate_bps]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for t, cwnd, ssthresh, srtt_us, in_flight, pacing_bps in rows:
        now: Record = {
            "congestion_window": cwnd * mss,
            "packets_in_flight": in_flight,
            "bytes_in_flight": in_flight * mss,
        }
        if srtt_us:
            now["smoothed_rtt"] = srtt_us / 1000
        if ssthresh < INFINITE:
            now["ssthresh"] = ssthresh * mss
        if pacing_bps >= 0:
            now["pacing_rate"] = pacing_bps
        changed = {key: value for key, value in now.items() if known.get(key) != value}
        known = now
        if changed:
            yield t, _event(t, "tcp:recovery_metrics_updated", changed, flow.name)


def _happened(event: Event) -> Record:
    """Return what the run has logged of a connection."""
    if event.kind == "ca_state":
        old, new = (CA_STATE_NAMES[event.detail[key]] for key in ("from", "to"))
        data: Record = {"old": old.lower(), "new": new.lower()}
        return _event(event.t_ns, "tcp:congestion_state_updated", data, event.flow)
    return _event(event.t_ns, f"tcp:{event.kind}", event.detail, event.flow)


def _records(result: SimResult, wanted: Selection) -> list[_Timed]:
    """Return all records but those of packets, in order of time."""
    found: list[tuple[int, Record]] = []
    for flow in result.flows:
        if wanted.names(flow.name, flow.workload):
            found += _metrics(flow)
    workloads = {flow.name: flow.workload for flow in result.flows}
    found += [
        (event.t_ns, _happened(event))
        for event in result.events
        if event.kind not in SKIPPED
        and (not event.flow or wanted.names(event.flow, workloads.get(event.flow, "")))
    ]
    for t, flow_name, text in swap_comments(result.events):
        data = {"type": "swap", "message": text}
        found.append((t, _event(t, "simulation:marker", data, flow_name)))
    timed = [_Timed(t, place, record) for place, (t, record) in enumerate(found)]
    return sorted(one for one in timed if wanted.from_ns <= one.t_ns < wanted.to_ns)


class _Log:
    """Writes records, those of packets as they come and the others in between."""

    def __init__(self, stream: BinaryIO, run: StoredRun, twin: str, wanted: Selection) -> None:
        self._stream = stream
        self._wanted = wanted
        scenario = scenario_of(run, twin)
        self._flows = planned_flows(scenario)
        check_named(wanted.flows, self._flows, run)
        self._others = _records(stored_result(run, twin), wanted)
        self._at = 0
        self._write(self._head(run, twin))
        details = {"scenario": run.name, "seed": scenario.seed, "run": run.run_id}
        about = {"name": run.name, "details": details}
        self._write(_event(0, "simulation:scenario", about))

    def _head(self, run: StoredRun, twin: str) -> Record:
        listening = {bool(one.spec.listener) for one in self._flows}
        kinds = {frozenset({False}): "client", frozenset({True}): "server"}
        clock = {"clock_type": "monotonic", "epoch": "unknown"}
        return {
            "file_schema": "urn:ietf:params:qlog:file:sequential",
            "serialization_format": "application/qlog+json-seq",
            "title": run.name if twin == "none" else f"{run.name}, twin {twin}",
            "description": f"simulated by ccsim {__version__}, run {run.run_id}",
            "trace": {
                "common_fields": {"time_format": "relative_to_epoch", "reference_time": clock},
                "vantage_point": {
                    "name": "the ends that send data",
                    "type": kinds.get(frozenset(listening), "unknown"),
                },
                "event_schemas": [SIMULATION_EVENTS, TCP_EVENTS],
            },
        }

    def take(self, sight: Sight) -> None:
        """Write a packet that a sender sees, if it is wanted."""
        flow = self._flows[sight.segment.flow]
        if self._wanted.takes(sight, flow):
            self.others_before(sight.t_ns + 1)
            name = "tcp:packet_sent" if sight.leaves else "tcp:packet_received"
            self._write(_event(sight.t_ns, name, _packet(sight), flow.spec.name))

    def others_before(self, t_ns: int) -> None:
        """Write what happened before ``t_ns`` beside packets."""
        while self._at < len(self._others) and self._others[self._at].t_ns < t_ns:
            self._write(self._others[self._at].record)
            self._at += 1

    def _write(self, record: Record) -> None:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._stream.write(RECORD_SEPARATOR + text.encode() + b"\n")


def _packet(sight: Sight) -> Record:
    """Return a packet's header as the host sees it: sequence numbers are relative."""
    one = sight.segment
    header: Record = {"sequence_number": one.seq}
    if one.ack is not None:
        header["acknowledgement_number"] = one.ack
    header["flags"] = [name for name, bit in FLAGS.items() if one.flags & bit]
    header["timestamp"] = [one.ts_val, one.ts_ecr]
    if one.blocks:
        header["sack"] = [list(block) for block in one.blocks]
    option_bytes = 4 + 8 * len(one.blocks) if one.blocks else 0
    length = one.length + HEADER_BYTES + (8 if one.flags & SYN else option_bytes)
    data: Record = {"header": header, "raw": {"length": length, "payload_length": one.length}}
    if one.ecn:
        data["ecn"] = ECN[one.ecn]
    if one.again:
        data["is_retransmission"] = True
    return data


def write_qlog(
    run: StoredRun,
    target: Path,
    *,
    twin: str = "none",
    wanted: Selection = Selection(),  # noqa: B008
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write a run, or a twin of it, as qlog; return its size [bytes].

    ResultsError as `simulated_again` says; OSError if ``target`` cannot be written.
    """

    def write(aside: Path) -> None:
        with aside.open("wb") as stream:
            log = _Log(stream, run, twin, wanted)
            simulated_again(run, log.take, twin=twin, progress=progress)
            log.others_before(wanted.to_ns)
            sizes.append(stream.tell())

    sizes: list[int] = []
    written_whole(target, write)
    return sizes[-1]
