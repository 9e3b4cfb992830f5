"""A run on a kernel as a recording: the files that `ccsim.verify.trace` reads, so that a run on
one's own kernel is a referee like the project's recordings."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsim.linux.connection import SAMPLED
from ccsim.linux.packets import FIRST_PORT
from ccsim.linux.run import Measured
from ccsim.net.link import HEADER_BYTES
from ccsim.sim.hops import needs_hops
from ccsim.spec import Scenario

__all__ = ["CA_COLUMNS", "why_no_recording", "write_recording"]

CA_COLUMNS: Mapping[str, str] = {
    "ca_state": "ca_state",
    "snd_cwnd": "snd_cwnd",
    "ssthresh": "snd_ssthresh",
    "srtt_us": "rtt",
    "min_rtt_us": "min_rtt",
    "unacked": "unacked",
    "sacked": "sacked",
    "lost": "lost",
    "retrans": "retrans",
    "total_retrans": "total_retrans",
    "bytes_acked": "bytes_acked",
    "pacing_rate_Bps": "pacing_rate",
    "delivered": "delivered",
}
"""A column of the senders' table, and the field of TCP_INFO that it is."""
Plain = Mapping[str, Any]


def why_no_recording(scenario: Scenario) -> str:
    """Return why a scenario cannot be told as a recording; empty if it can.

    The form has bulk transfers over one FIFO, and swaps by setsockopt.
    """
    if scenario.workloads or scenario.listeners or scenario.namespaces:
        return "a recording has flows alone: no workloads, listeners or namespaces"
    bulk = {"stop_ns": None, "size_bytes": None, "source": None, "access_delay_ns": 0}
    for flow in scenario.flows:
        odd = [key for key, usual in bulk.items() if getattr(flow, key) != usual]
        if odd or flow.rtt_ns != scenario.path.rtt_ns:
            return f"a recording has bulk flows of one RTT, unlike {flow.name}"
    if any(swap.via != "setsockopt" or swap.trigger for swap in scenario.swaps):
        return "a recording has swaps by setsockopt at given times"
    if needs_hops(scenario):
        return "a recording has a FIFO behind a constant line"
    if scenario.path.ecn_mark_packets or scenario.path.ecn_mark_ns:
        return "a recording has no marks"
    return ""


def write_recording(folder: Path, name: str, scenario: Scenario, measured: Measured) -> Path:
    """Write ``NAME.json`` and its tables into a folder; return the former.

    ValueError if the scenario cannot be told so; OSError if the folder cannot be written.
    """
    reason = why_no_recording(scenario)
    if reason:
        raise ValueError(f"{name}: {reason}")
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "snd": _sender_rows(scenario, measured),
        "emu": _queue_rows(scenario, measured),
        "drops": _drop_rows(measured),
    }
    for table, rows in tables.items():
        _write_table(folder / f"{name}.{table}.csv.gz", rows)
    text = json.dumps(_description(name, scenario, measured), indent=1, sort_keys=True)
    path = folder / f"{name}.json"
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _description(name: str, scenario: Scenario, measured: Measured) -> dict[str, Any]:
    path, mss = scenario.path, scenario.tcp.mss_bytes
    packet = mss + HEADER_BYTES
    bdp = path.rate_bps * path.rtt_ns / (8e9 * packet)
    numbers = {flow.name: number for number, flow in enumerate(scenario.flows)}
    seen = measured.reports["path"]
    late = seen["lateness_us"]
    return {
        "name": name,
        "rate_bps": path.rate_bps,
        "rtt_ms": path.rtt_ns / 1e6,
        "one_way_delay_ms": path.rtt_ns / 2e6,
        "buffer_pkts": path.buffer_packets,
        "buffer_bdp": round(path.buffer_packets / bdp, 3),
        "loss_prob": path.loss_probability,
        "loss_seed": measured.plan["path"]["loss_seed"],
        "duration_s": scenario.duration_ns / 1e9,
        "flows": [
            {"cc": flow.congestion, "start_s": flow.start_ns / 1e9, "sport": FIRST_PORT + number}
            for number, flow in enumerate(measured.result.flows)
        ],
        "swaps": [
            {"t_s": swap.at_ns / 1e9, "flow": numbers[flow], "to": swap.to}
            for swap in scenario.swaps
            for flow in swap.flows
        ],
        "ip_pkt_bytes": packet,
        "mss": mss,
        **measured.host,
        "emulator": {
            "fwd_lateness_us": late,
            "rev_lateness_us": late,
            "stalls_us": seen["stalls_us"],
            "write_errors": seen["refused"],
        },
        "undisturbed": not measured.lateness["disturbed"],
    }


def _sender_rows(scenario: Scenario, measured: Measured) -> Iterator[Sequence[object]]:
    """Yield the heading and the samples of all flows, with the marks around each swap."""
    yield ["t_ms", "flow", "event", "cc", *CA_COLUMNS]
    fields = [2 + SAMPLED.index(field) for field in CA_COLUMNS.values()]
    rows: list[tuple[int, int, str, str, list[int]]] = []
    for number, flow in enumerate(measured.reports["senders"]["flows"]):
        for row in flow["samples"]:
            rows.append((row[0], number, "", flow["names"][row[1]], [row[k] for k in fields]))
        for t_ns, event, name, info in flow["marks"]:
            rows.append((t_ns, number, event, name, [info[f] for f in CA_COLUMNS.values()]))
    for t_ns, number, event, name, values in sorted(rows, key=lambda row: row[:2]):
        yield [_ms(t_ns), number, event, name, *values]


def _queue_rows(scenario: Scenario, measured: Measured) -> Iterator[Sequence[object]]:
    yield ["t_ms", "qlen", "taildrops", "losses", "out_bytes"]
    for t_ns, queue, drops, losses, departed in measured.reports["path"]["samples"]:
        yield [_ms(t_ns), queue, drops, losses, departed]


def _drop_rows(measured: Measured) -> Iterator[Sequence[object]]:
    yield ["t_us", "flow", "kind"]
    for t_ns, flow, random in measured.reports["path"]["drops"]:
        yield [t_ns // 1000, flow, "L" if random else "T"]


def _ms(t_ns: int) -> str:
    return f"{t_ns / 1e6:.2f}"


def _write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        file.write(text.getvalue().encode("ascii"))
