"""Tables of workloads: who served how many connections, and how long what they carried took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ccsim.report.sortable_tables import Column, number, word

__all__ = ["COMPLETIONS", "IMPLEMENTATIONS", "completion_rows"]

Row = Mapping[str, Any]
_RUNS = {"run": "run", "twin_a": "A-twin", "twin_b": "B-twin"}
IMPLEMENTATIONS = (
    word("served by", "implementation"),
    number("from (s)", "from_s", 3),
    number("to (s)", "to_s", 3),
    number("connections (mean)", "connections_mean", 1),
    number("at most", "connections_max", 0),
    number("goodput (Mbit/s)", "goodput_bps", 3, 1e-6),
    number("RTT mean (ms)", "rtt_mean_ms", 1),
    number("lost (packets)", "losses", 0),
    number("resent (packets)", "retransmissions", 0),
    number("marked (packets)", "marks", 0),
)
COMPLETIONS = (
    word("workload", "workload"),
    Column("of", lambda row: _RUNS[row["of"]]),
    word("served by", "implementation"),
    word("sizes", "sizes"),
    number("completed", "completed", 0),
    number("unfinished", "unfinished", 0),
    number("mean (s)", "mean_s", 3),
    number("p50 (s)", "p50_s", 3),
    number("p95 (s)", "p95_s", 3),
    number("p99 (s)", "p99_s", 3),
    number("slowdown p50", "p50_slowdown", 2),
    number("p99", "p99_slowdown", 2),
)


def completion_rows(metrics: Row) -> list[Row]:
    """Return the rows that are told: of the run by implementation and size, of twins the sums."""
    rows = [row for row in metrics.get("completions") or () if row["phase"] is None]
    return [row for row in rows if row["of"] == "run" or _is_sum(row, rows)]


def _is_sum(row: Row, rows: Sequence[Row]) -> bool:
    """Report whether a row is of all sizes, and of all implementations or the only one."""
    if row["sizes"] != "all":
        return False
    beside = [one for one in rows if all(one[k] == row[k] for k in ("of", "workload"))]
    alone = not any(one["implementation"] == "all" for one in beside)
    return row["implementation"] == "all" or alone
