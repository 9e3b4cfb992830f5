"""Tables of a run's workloads: who served how many connections, and how long things took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["COMPLETIONS_DROP", "comparison_table", "workload_tables"]

COMPLETIONS_DROP = ("p95 (s)", "mean (s)", "slowdown p50", "unfinished", "p99", "p50 (s)")
"""What goes first where the screen is narrow."""

Row = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]
Number = Callable[..., str]
_RUNS = {"run": "run", "twin_a": "A-twin", "twin_b": "B-twin"}


def workload_tables(metrics: Row, number: Number) -> list[Table]:
    """Return headers and rows of the tables that a run with workloads has; none for others.

    ``number`` formats a value with that many decimals and a ``scale``.
    """
    found = []
    if rows := metrics.get("implementations"):
        found.append(_groups(rows, number))
    if rows := metrics.get("completions"):
        found.append((_COMPLETION_HEADERS, [_completion_cells(row, number) for row in _told(rows)]))
    return found


def comparison_table(runs: Sequence[tuple[str, Row]], number: Number) -> Table:
    """Return what the workloads of several runs carried, of all sizes, by implementation."""
    headers = ["run", *_COMPLETION_HEADERS]
    keep = [k for k, name in enumerate(headers) if name not in ("of", "sizes")]
    rows = [
        [label, *_completion_cells(row, number)]
        for label, metrics in runs
        for row in metrics.get("completions", ())
        if row["of"] == "run" and row["phase"] is None and row["sizes"] == "all"
    ]
    return [headers[k] for k in keep], [[row[k] for k in keep] for row in rows]


def _told(rows: Sequence[Row]) -> list[Row]:
    """Leave out the phases, and of the twins all but the sums."""
    return [
        row
        for row in rows
        if row["phase"] is None
        and (row["of"] == "run" or (row["implementation"] == "all" or _alone(row, rows)))
        and (row["of"] == "run" or row["sizes"] == "all")
    ]


def _alone(row: Row, rows: Sequence[Row]) -> bool:
    """Report whether one implementation served all of a workload, so that there is no row "all"."""
    return not any(
        other["implementation"] == "all"
        and other["phase"] is None
        and (other["of"], other["workload"]) == (row["of"], row["workload"])
        for other in rows
    )


def _groups(rows: Sequence[Row], number: Number) -> Table:
    """Return who served how many connections; marks where there are any."""
    headers, cells = list(_GROUP_HEADERS), [_group_cells(row, number) for row in rows]
    if any(row["marks"] for row in rows):
        headers.append("marked (packets)")
        cells = [[*line, str(row["marks"])] for line, row in zip(cells, rows, strict=True)]
    return headers, cells


_GROUP_HEADERS = [
    "served by",
    "from (s)",
    "to (s)",
    "connections mean",
    "most",
    "goodput (Mbit/s)",
    "RTT mean (ms)",
    "lost (packets)",
    "resent (packets)",
]


def _group_cells(row: Row, number: Number) -> list[str]:
    return [
        row["implementation"],
        number(row["from_s"], 3, short=True),
        number(row["to_s"], 3, short=True),
        number(row["connections_mean"], 1),
        str(row["connections_max"]),
        number(row["goodput_bps"], 3, scale=1e-6),
        number(row["rtt_mean_ms"], 1),
        str(row["losses"]),
        str(row["retransmissions"]),
    ]


_COMPLETION_HEADERS = [
    "workload",
    "of",
    "served by",
    "sizes",
    "completed",
    "unfinished",
    "mean (s)",
    "p50 (s)",
    "p95 (s)",
    "p99 (s)",
    "slowdown p50",
    "p99",
]


def _completion_cells(row: Row, number: Number) -> list[str]:
    return [
        row["workload"],
        _RUNS[row["of"]],
        row["implementation"],
        row["sizes"],
        str(row["completed"]),
        str(row["unfinished"]),
        *(number(row[f"{name}_s"], 3) for name in ("mean", "p50", "p95", "p99")),
        number(row["p50_slowdown"], 2),
        number(row["p99_slowdown"], 2),
    ]
