"""The columns of a study's tables, and a metrics document as their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ccsim.experiment.study.beside import MARKS, VALUES
from ccsim.experiment.study.folder import Result
from ccsim.experiment.swap_window import FIGURES

__all__ = ["COMMON", "HEADLINES", "TABLES", "rows_of"]

Row = dict[str, Any]
_NUMBERS = "DOUBLE"
_CENSORED = {
    "dip_length_s": "dip_length_censored",
    "dip_recovery_s": "dip_recovery_censored",
    "time_to_b_twin_s": "time_to_b_twin_censored",
    "last_old_closed_s": "last_old_closed_censored",
}
COMMON = {
    "seed": "BIGINT",
    "run_id": "VARCHAR",
    "status": "VARCHAR",
    "error": "VARCHAR",
}
"""What every table has after study, point and the columns that vary."""
_SWAP = {
    "swap": "BIGINT",
    "swap_t_s": _NUMBERS,
    "via": "VARCHAR",
    "old": "VARCHAR",
    "new": "VARCHAR",
    "errno": "BIGINT",
    "swap_error": "VARCHAR",
    "flow": "VARCHAR",
    "at_s": _NUMBERS,
    "window_s": _NUMBERS,
    "state": "VARCHAR",
    "trigger": "VARCHAR",
    "outcome": "VARCHAR",
    "outcome_s": _NUMBERS,
}
HEADLINES = {name: f"total_{name}" for name in FIGURES}
"""The column that has a figure of all flows of the bottleneck together."""
_COST = [
    *FIGURES,
    "dip_worst_ratio",
    "dip_depth",
    "dip_length_s",
    "dip_recovery_s",
    "time_to_b_twin_s",
    "cwnd_before_packets",
    "cwnd_after_packets",
    "cwnd_jump_packets",
    "queue_excess_ms",
]
_SAID = ("via", "state", "trigger", "outcome", "outcome_s", "old", "new", "errno")
_BESIDE = ["neighbours", "neighbours_harm", "neighbours_worst_harm"]
_CONNECTIONS = ["old_at_update", "new_since", "old_since", "fallbacks", "last_old_closed_s"]
_TWINS = [f"{name}{mark}{unit}" for name, unit in VALUES for mark in MARKS]


def _metric_columns() -> dict[str, str]:
    columns: dict[str, str] = {}
    for name in (*HEADLINES.values(), *_COST, *_TWINS, *_BESIDE, *_CONNECTIONS):
        columns[name] = _NUMBERS
        if name in _CENSORED:
            columns[_CENSORED[name]] = "BOOLEAN"
    return columns


TABLES: Mapping[str, Mapping[str, str]] = {
    "runs": {**_SWAP, **_metric_columns()},
    "flows": {
        "flow": "VARCHAR",
        "phase": "BIGINT",
        "from_s": _NUMBERS,
        "to_s": _NUMBERS,
        "implementation": "VARCHAR",
        "goodput_bps": _NUMBERS,
        "rtt_mean_ms": _NUMBERS,
        "rtt_p50_ms": _NUMBERS,
        "rtt_p99_ms": _NUMBERS,
        "losses": "BIGINT",
        "retransmissions": "BIGINT",
        "marks": "BIGINT",
    },
    "links": {
        "link": "VARCHAR",
        "phase": "BIGINT",
        "from_s": _NUMBERS,
        "to_s": _NUMBERS,
        "utilisation": _NUMBERS,
        "queue_mean_packets": _NUMBERS,
        "drops": "BIGINT",
        "random_losses": "BIGINT",
        "marks": "BIGINT",
        "jain_index": _NUMBERS,
    },
    "totals": {
        "flow": "VARCHAR",
        "congestion": "VARCHAR",
        "completion_time_s": _NUMBERS,
        "delivered_bytes": "BIGINT",
        "packets_sent": "BIGINT",
        "packets_delivered": "BIGINT",
        "packets_dropped": "BIGINT",
        "retransmissions": "BIGINT",
        "rtos": "BIGINT",
    },
}
"""Each table's own columns and the database's types."""


def rows_of(table: str, result: Result) -> Iterator[Row]:
    """Yield a run's rows of one table; numbers that metrics measure beyond the columns are kept
    in ``runs``."""
    metrics = result["metrics"] or {}
    if table == "runs":
        rows = [row for swap in metrics.get("swaps", ()) for row in _swap_rows(swap)] or [{}]
        whole = {**_lateness(metrics), **_completions(metrics)}
        yield from ({**row, **whole} for row in rows)
    elif table == "links":
        jain = {row["phase"]: row["jain_index"] for row in metrics.get("fairness", ())}
        for row in metrics.get("links", ()):
            yield {**row, "jain_index": jain.get(row["phase"])}
    else:
        yield from metrics.get(table, ())


def _swap_rows(swap: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a row for each flow that a swap reached; one without a flow if it reached none."""
    total = swap.get("total") or {}
    common: Row = {
        "swap": swap["index"],
        "swap_t_s": swap["t_s"],
        "swap_error": swap["error"],
        "at_s": swap["t_s"],
        "window_s": total.get("window_s"),
        **{column: total.get(name) for name, column in HEADLINES.items()},
        **{name: swap.get(name) for name in _SAID},
        **_neighbours(swap.get("neighbours")),
        **_plain(swap.get("connections") or {}),
    }
    for flow in swap["flows"] or [{}]:
        yield {**common, **_plain(flow)}


def _lateness(metrics: Mapping[str, Any]) -> Row:
    """Return how well the machine kept time, of a run on a kernel."""
    late = metrics.get("lateness_us")
    if late is None:
        return {}
    return {"disturbed": late["disturbed"], "late_p99_us": late.get("p99")}


def _completions(metrics: Mapping[str, Any]) -> Row:
    """Return of each workload mean and 99th percentile of the completion times since the first
    swap, and the A-twin's."""
    found: Row = {}
    marks = {"run": "", "twin_a": "_a"}
    for row in metrics.get("completions", ()):
        everybody = row["implementation"] == row["sizes"] == "all"
        if everybody and row["phase"] == 1 and row["of"] in marks:
            name = f"{row['workload']}_{{}}{marks[row['of']]}_s"
            found |= {name.format(what): row[f"{what}_s"] for what in ("mean", "p99")}
    return found


def _neighbours(beside: Mapping[str, Any] | None) -> Row:
    if not beside:
        return {}
    return {
        "neighbours": beside["flows"],
        "neighbours_harm": beside["harm"],
        "neighbours_worst_harm": beside["worst_harm"],
    }


def _plain(values: Mapping[str, Any]) -> Row:
    """Return numbers, texts and truths; what is censored becomes its bound and a flag."""
    row: Row = {}
    for name, value in values.items():
        flag = _CENSORED.get(name)
        censored = isinstance(value, Mapping) and value.get("censored") is True
        if censored:
            row[flag or f"{name.removesuffix('_s')}_censored"] = True
            row[name] = value["at_least_s"]
        elif not isinstance(value, Mapping | list):
            row[name] = value
            if flag and value is not None:
                row[flag] = False
    return row
