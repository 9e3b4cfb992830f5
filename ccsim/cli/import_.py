"""The verb ``import``: what a capture, or a log of a socket, says of its connections."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_verb
from ccsim.cli.layout import NONE, table
from ccsim.cli.output import print_json, print_paths, printable
from ccsim.cli.screen import add_wide, screen_of
from ccsim.cli.streams import say

if TYPE_CHECKING:
    from ccsim.exchange.measured import Imported, Measured

__all__ = ["add_parser"]

ROWS = 40
HEADERS = [
    *("connection", "start (s)", "end (s)", "congestion", "goodput (Mbit/s)", "RTT least (ms)"),
    *("RTT mean (ms)", "RTT p99 (ms)", "in flight (packets)", "cwnd (packets)", "resent (packets)"),
]
DROP = ("end (s)", "RTT p99 (ms)", "cwnd (packets)", "in flight (packets)", "start (s)")


def add_parser(verbs: Any) -> None:
    """Add ``import`` to the command line's verbs."""
    text = "read a capture, or a log of ss, tcp_probe, bpftrace or iperf3"
    verb = add_verb(verbs, "import", text, import_verb, "ccsim import capture.pcapng --out .")
    verb.add_argument("file", metavar="FILE", help="pcapng, pcap, ss -ti, CSV, iperf3 --json")
    verb.add_argument("--out", metavar="DIR", help="write the samples as CSV into this folder")
    verb.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_wide(verb)


def import_verb(args: argparse.Namespace) -> int:
    """Print what a file says of its connections, and write their samples if asked."""
    from ccsim.exchange.reading import imported

    found = imported(Path(args.file))
    if args.json:
        print_json(_plain(found))
    else:
        print(_text(found, args))
    for note in found.notes:
        say(f"note: {printable(note)}")
    if args.out:
        from ccsim.exchange.csv_out import write_csv

        print_paths([write_csv(found, Path(args.out))])
    return 0


def _facts(one: Measured) -> dict[str, Any]:
    """Return what a row tells; None for what the file does not."""
    import numpy as np

    rtt = one.column("rtt_ms")
    least = one.facts.get("least RTT (ms)", None if rtt is None else float(np.nanmin(rtt)))
    flight, cwnd = one.column("in_flight_packets"), one.column("cwnd_packets")
    again = one.column("retransmissions")
    return {
        "connection": one.name,
        "start_s": one.start_s,
        "end_s": one.end_s,
        "congestion": one.congestion or None,
        "goodput_bps": one.goodput_bps if one.bytes_delivered else None,
        "rtt_least_ms": least,
        "rtt_mean_ms": None if rtt is None else float(np.nanmean(rtt)),
        "rtt_p99_ms": None if rtt is None else float(np.nanquantile(rtt, 0.99)),
        "in_flight_most_packets": None if flight is None else float(np.nanmax(flight)),
        "cwnd_most_packets": None if cwnd is None else float(np.nanmax(cwnd)),
        "retransmissions": None if again is None else int(np.nanmax(again)),
    }


def _plain(found: Imported) -> dict[str, Any]:
    rows = [{**_facts(one), "facts": dict(one.facts)} for one in found.connections]
    return {"file": found.file, "kind": found.kind, "notes": list(found.notes), "connections": rows}


def _text(found: Imported, args: argparse.Namespace) -> str:
    screen = screen_of(args)
    rows = [_cells(_facts(one)) for one in found.connections[:ROWS]]
    text = table(HEADERS, rows, screen, DROP, firm="connection")
    left = len(found.connections) - len(rows)
    return f"{text}\nand {left} more; --json tells them" if left > 0 else text


def _cells(facts: dict[str, Any]) -> list[str]:
    scaled = {**facts}
    if facts["goodput_bps"] is not None:
        scaled["goodput_bps"] = facts["goodput_bps"] / 1e6
    return [_cell(value) for value in scaled.values()]


def _cell(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, float):
        return f"{value:.3f}" if value < 1000 else f"{value:.0f}"
    return printable(value) if isinstance(value, str) else str(value)
