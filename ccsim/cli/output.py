"""Metrics as aligned plain text: units in the headers, numbers to the right."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsim.cli.swaps import swap_text
from ccsim.cli.workloads import comparison_table, workload_tables

__all__ = ["comparison_text", "print_json", "print_paths", "run_text", "table"]

NONE = "–"
ROWS = 40
"""So many rows of flows are printed."""

Row = Mapping[str, Any]
Format = Callable[[Any], str]


def writes_unicode() -> bool:
    """Report whether standard output takes any character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")


def print_json(value: Any) -> None:
    """Print one document."""
    print(json.dumps(value, indent=2, ensure_ascii=not writes_unicode()))


def print_paths(paths: Iterable[Path]) -> None:
    """Print the files that were written, one a line."""
    for path in paths:
        print(path)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text as columns two blanks apart; those of numbers are aligned right."""
    columns = list(zip(headers, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [bool(rows) and all(map(_numeric, column[1:])) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in (headers, *rows)
    ]
    return "\n".join(lines)


def run_text(name: str, metrics: Row) -> str:
    """Return the tables of a run: flows and links by phase, then what each swap cost."""
    parts = [
        f"{name}: {metrics['duration_s']:g} s simulated",
        _cut(*_flow_table(metrics["flows"])) if metrics["flows"] else "",
        _links(metrics),
        *(_cut(*one) for one in workload_tables(metrics, _number)),
        *(swap_text(swap, _number, table) for swap in metrics["swaps"]),
        *(f"swap {index}: its trigger did not fire" for index in metrics.get("untriggered", ())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def comparison_text(labels: Sequence[str], metrics: Sequence[Row]) -> str:
    """Return the flows of several runs, and what their workloads carried, below one another."""
    named = list(zip(labels, metrics, strict=True))
    rows = [(label, row) for label, one in named for row in one["flows"]]
    headers, cells = _flow_table([row for _, row in rows])
    labelled = [[label, *line] for (label, _), line in zip(rows, cells, strict=True)]
    parts = [_cut(["run", *headers], labelled)] if rows else []
    if any(one.get("completions") for one in metrics):
        parts.append(_cut(*comparison_table(named, _number)))
    return "\n\n".join(parts) + "\n"


_FLOW_HEADERS = [
    "flow",
    "from (s)",
    "to (s)",
    "served by",
    "goodput (Mbit/s)",
    "RTT mean (ms)",
    "p50 (ms)",
    "p99 (ms)",
    "lost (packets)",
    "resent (packets)",
]


def _flow_cells(row: Row) -> list[str]:
    return [
        row["flow"],
        _number(row["from_s"], 3, short=True),
        _number(row["to_s"], 3, short=True),
        row["implementation"],
        _number(row["goodput_bps"], 3, scale=1e-6),
        _number(row["rtt_mean_ms"], 1),
        _number(row["rtt_p50_ms"], 1),
        _number(row["rtt_p99_ms"], 1),
        str(row["losses"]),
        str(row["retransmissions"]),
    ]


def _flow_table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells of flows; marks where there are any."""
    headers, cells = list(_FLOW_HEADERS), [_flow_cells(row) for row in rows]
    if any(row["marks"] for row in rows):
        headers.append("marked (packets)")
        cells = [[*line, str(row["marks"])] for line, row in zip(cells, rows, strict=True)]
    return headers, cells


def _links(metrics: Row) -> str:
    headers = [
        "link",
        "from (s)",
        "to (s)",
        "used (%)",
        "mean queue (packets)",
        "drops (packets)",
        "random losses (packets)",
        "Jain index",
    ]
    jain = {row["phase"]: row["jain_index"] for row in metrics["fairness"]}
    rows = [
        [
            row["link"],
            _number(row["from_s"], 3, short=True),
            _number(row["to_s"], 3, short=True),
            _number(row["utilisation"], 2, scale=100),
            _number(row["queue_mean_packets"], 1),
            str(row["drops"]),
            str(row["random_losses"]),
            _number(jain[row["phase"]], 3),
        ]
        for row in metrics["links"]
    ]
    if any(row["marks"] for row in metrics["links"]):
        headers.insert(-1, "marks (packets)")
        for cells, row in zip(rows, metrics["links"], strict=True):
            cells.insert(-1, str(row["marks"]))
    return _cut(headers, rows)


def _cut(headers: Sequence[str], rows: list[list[str]]) -> str:
    text = table(headers, rows[:ROWS])
    hidden = len(rows) - ROWS
    return f"{text}\n… and {hidden} rows more, all in metrics.json" if hidden > 0 else text


def _number(value: Any, digits: int, scale: float = 1, short: bool = False) -> str:
    """Return a number with so many decimals; ``> x`` if it is censored, a dash if there is none."""
    if value is None:
        return NONE
    if isinstance(value, Mapping):
        return f"> {value['at_least_s'] * scale:.{digits}f}"
    text = f"{value * scale:.{digits}f}"
    return text.rstrip("0").rstrip(".") if short and "." in text else text


def _numeric(cell: str) -> bool:
    return cell == NONE or cell.lstrip("> -").replace(".", "", 1).isdigit() or " → " in cell
