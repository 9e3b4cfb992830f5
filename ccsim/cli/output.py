"""Metrics as aligned plain text: units in the headers, numbers to the right."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsim.cli.layout import NONE, table
from ccsim.cli.screen import PLAIN, Screen
from ccsim.cli.swaps import swap_text
from ccsim.cli.workloads import COMPLETIONS_DROP, comparison_table, workload_tables

__all__ = ["comparison_text", "how_done", "print_json", "print_paths", "printable", "run_text"]

ROWS = 40
"""How many rows of flows are printed."""

Row = Mapping[str, Any]
Format = Callable[[Any], str]


def writes_unicode() -> bool:
    """Report whether standard output takes any character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")


def printable(text: str) -> str:
    """Return a text of others without what a terminal would act on."""
    return "".join(mark if mark.isprintable() else "?" for mark in text)


def print_json(value: Any) -> None:
    """Print one document."""
    print(json.dumps(value, indent=2, ensure_ascii=not writes_unicode()))


def print_paths(paths: Iterable[Path]) -> None:
    """Print the files that were written, one a line."""
    for path in paths:
        print(path)


def run_text(name: str, metrics: Row, screen: Screen = PLAIN, *, done: str = "simulated") -> str:
    """Return the tables of a run: flows and links by phase, then what each swap cost; ``done`` says
    how it was carried out."""
    parts = [
        screen.styled(f"{name}: {metrics['duration_s']:g} s {done}", "bold"),
        _flows(metrics, screen) if metrics["flows"] else "",
        _links(metrics, screen),
        _traffic(metrics["traffic"], screen) if metrics.get("traffic") else "",
        *(_cut(*one, screen, COMPLETIONS_DROP) for one in workload_tables(metrics, _number)),
        *(swap_text(swap, _number, screen) for swap in metrics["swaps"]),
        *(f"swap {index}: its trigger did not fire" for index in metrics.get("untriggered", ())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def how_done(manifest: Row) -> str:
    """Return how a run was carried out, as its heading says: it was simulated, or a kernel's."""
    if manifest.get("backend") != "linux":
        return "simulated"
    return f"on Linux {manifest['host']['kernel']}"


def comparison_text(labels: Sequence[str], metrics: Sequence[Row], screen: Screen = PLAIN) -> str:
    """Return the flows of several runs, and what their workloads carried, below one another."""
    named = list(zip(labels, metrics, strict=True))
    rows = [(label, row) for label, one in named for row in one["flows"]]
    headers, cells = _flow_table([row for _, row in rows])
    labelled = [[label, *line] for (label, _), line in zip(rows, cells, strict=True)]
    parts = [_cut(["run", *headers], labelled, screen, _FLOW_DROP)] if rows else []
    if any(one.get("completions") for one in metrics):
        parts.append(_cut(*comparison_table(named, _number), screen, COMPLETIONS_DROP))
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


_FLOW_DROP = ("p50 (ms)", "lost (packets)", "p99 (ms)", "marked (packets)", "RTT mean (ms)")
"""What goes first where the screen is narrow."""
MANY = 4
"""From that many flows on there is a line with their total."""


def _flows(metrics: Row, screen: Screen) -> str:
    headers, cells = _flow_table(metrics["flows"])
    names = {row["flow"] for row in metrics["flows"]}
    totals = list(_totals(metrics, len(names))) if len(names) >= MANY else []
    if totals and "marked (packets)" in headers:
        totals = [[*line, marks] for line, marks in zip(totals, _marks(metrics), strict=True)]
    return _cut(headers, cells, screen, _FLOW_DROP, totals)


def _totals(metrics: Row, count: int) -> Iterator[list[str]]:
    """Yield a line for all flows in each phase: what they carried, lost and sent again."""
    for phase in metrics["phases"]:
        rows = [row for row in metrics["flows"] if row["phase"] == phase["phase"]]
        length_s = phase["to_s"] - phase["from_s"]
        bits = sum((row["goodput_bps"] or 0) * (row["to_s"] - row["from_s"]) for row in rows)
        yield [
            f"all {count}",
            _number(phase["from_s"], 3, short=True),
            _number(phase["to_s"], 3, short=True),
            "",
            _number(bits / length_s if length_s else None, 3, scale=1e-6),
            *[NONE] * 3,
            str(sum(row["losses"] for row in rows)),
            str(sum(row["retransmissions"] for row in rows)),
        ]


def _marks(metrics: Row) -> list[str]:
    return [
        str(sum(row["marks"] for row in metrics["flows"] if row["phase"] == phase["phase"]))
        for phase in metrics["phases"]
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


def _links(metrics: Row, screen: Screen) -> str:
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
    if any("sojourn_mean_ms" in row for row in metrics["links"]):
        headers[5:5] = ["waited (ms)", "p99 (ms)"]
        for cells, row in zip(rows, metrics["links"], strict=True):
            both = (row.get("sojourn_mean_ms"), row.get("sojourn_p99_ms"))
            cells[5:5] = [_number(value, 2) for value in both]
    if any(row["marks"] for row in metrics["links"]):
        headers.insert(-1, "marks (packets)")
        for cells, row in zip(rows, metrics["links"], strict=True):
            cells.insert(-1, str(row["marks"]))
    return _cut(headers, rows, screen, ("random losses (packets)", "Jain index"))


def _traffic(rows: Sequence[Row], screen: Screen) -> str:
    """Return a line for each source of cross traffic: of a probe the RTTs, else the way there."""
    headers = ["traffic", "kind", "sent", "arrived", "dropped", "rate (Mbit/s)"]
    headers += ["p50 (ms)", "p95 (ms)", "p99 (ms)", "max (ms)"]
    lines = [
        [
            row["name"],
            row["kind"],
            *(str(row[f"packets_{what}"]) for what in ("sent", "arrived", "dropped")),
            _number(row["rate_bps"], 3, scale=1e-6),
            *(_number(row[f"{which}_ms"], 2) for which in ("p50", "p95", "p99", "max")),
        ]
        for row in rows
    ]
    return _cut(headers, lines, screen, ("p95 (ms)", "kind"))


def _cut(
    headers: Sequence[str],
    rows: list[list[str]],
    screen: Screen,
    drop: Sequence[str] = (),
    totals: Sequence[list[str]] = (),
) -> str:
    text = table(headers, [*rows[:ROWS], *totals], screen, drop)
    hidden = len(rows) - ROWS
    return f"{text}\n… and {hidden} rows more, all in metrics.json" if hidden > 0 else text


def _number(value: Any, digits: int, scale: float = 1, short: bool = False) -> str:
    """Return a number with that many decimals; ``> x`` if censored, a dash if there is none."""
    if value is None:
        return NONE
    if isinstance(value, Mapping):
        return f"> {value['at_least_s'] * scale:.{digits}f}"
    text = f"{value * scale:.{digits}f}"
    return text.rstrip("0").rstrip(".") if short and "." in text else text
