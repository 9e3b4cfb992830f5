"""Metrics as aligned plain text: units in the headers, numbers to the right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsim.cli.workloads import comparison_table, workload_tables

__all__ = ["comparison_text", "print_json", "print_paths", "run_text", "table"]

NONE = "–"
FLOWS_BESIDE = 6
"""So many flows' disruptions fit beside one another; the others are in metrics.json."""
ROWS = 40
"""So many rows of flows are printed."""

Row = Mapping[str, Any]
Format = Callable[[Any], str]


def print_json(value: Any) -> None:
    """Print one document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


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
        _flows(metrics["flows"]) if metrics["flows"] else "",
        _links(metrics),
        *(_cut(*one) for one in workload_tables(metrics, _number)),
        *(_swap(swap) for swap in metrics["swaps"]),
        *(f"swap {index}: its trigger did not fire" for index in metrics.get("untriggered", ())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def comparison_text(labels: Sequence[str], metrics: Sequence[Row]) -> str:
    """Return the flows of several runs, and what their workloads carried, below one another."""
    named = list(zip(labels, metrics, strict=True))
    rows = [[label, *_flow_cells(row)] for label, one in named for row in one["flows"]]
    parts = [_cut(["run", *_FLOW_HEADERS], rows)] if rows else []
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


def _flows(rows: Sequence[Row]) -> str:
    return _cut(_FLOW_HEADERS, [_flow_cells(row) for row in rows])


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
    return _cut(headers, rows)


def _cut(headers: Sequence[str], rows: list[list[str]]) -> str:
    text = table(headers, rows[:ROWS])
    hidden = len(rows) - ROWS
    return f"{text}\n… and {hidden} rows more, all in metrics.json" if hidden > 0 else text


# --- swaps --------------------------------------------------------------------------------------


def _swap(swap: Row) -> str:
    """Return what one swap cost, one column a flow."""
    title = f"swap {swap['index']} at {swap['t_s']:g} s: {swap['label']}"
    if "neighbours" not in swap:
        return f"{title}: failed\n{swap['error']}"
    flows = swap["flows"][:FLOWS_BESIDE]
    hidden = len(swap["flows"]) - len(flows)
    lines = [title]
    if swap.get("outcome"):
        when = "" if swap["outcome_s"] is None else f" at {swap['outcome_s']:g} s"
        lines.append(f"roll-out{when}: {swap['outcome']}")
    if swap["errno"]:
        lines.append(f"failed in part, {swap['error']}")
    if flows:
        rows = [[label, *(show(flow) for flow in flows)] for label, show in _DISRUPTION]
        lines.append(table(["disruption", *(flow["flow"] for flow in flows)], rows))
    if hidden:
        lines.append(f"… and {hidden} flows more, all in metrics.json")
    if not flows:
        lines.append("no running flow was changed")
    return "\n".join([*lines, *_around(swap)])


def _around(swap: Row) -> list[str]:
    """Return what a swap did beside the flows that it reached."""
    lines = []
    if beside := swap.get("neighbours"):
        lines.append(
            f"neighbours: {beside['flows']} lost {_number(beside['harm'], 1, 100)} % of their"
            f" goodput in the {beside['window_s']:g} s after; the worst, {beside['worst_flow']},"
            f" {_number(beside['worst_harm'], 1, 100)} %"
        )
    if held := swap.get("connections"):
        lines.append(
            f"connections: {held['old_at_update']} kept {swap['old']}, {held['new_since']} started"
            f" on {swap['new']}, {held['old_since']} on {swap['old']} all the same;"
            f" last on {swap['old']} gone after"
            f" {_number(held['last_old_closed_s'], 3)} s"
        )
        if fallbacks := held.get("fallbacks"):
            lines.append(f"{fallbacks} asked for the name while it was missing, and fell back")
    return lines


def _field(name: str, digits: int = 3, scale: float = 1) -> Callable[[Row], str]:
    return lambda row: _number(row[name], digits, scale)


def _jump(row: Row) -> str:
    before, after = row["cwnd_before_packets"], row["cwnd_after_packets"]
    return NONE if before is None else f"{before} → {after}"


_DISRUPTION: list[tuple[str, Callable[[Row], str]]] = [
    ("at (s)", _field("at_s")),
    ("window (s)", _field("window_s", 1)),
    ("goodput deficit to A-twin (MB)", _field("deficit_bytes", 3, 1e-6)),
    ("  in seconds of A-twin goodput (s)", _field("deficit_s")),
    ("  at its greatest (MB)", _field("deficit_peak_bytes", 3, 1e-6)),
    ("worst 200 ms (% of 2 s before)", _field("dip_worst_ratio", 1, 100)),
    ("back above 95 % of A-twin (s)", _field("dip_recovery_s", 1)),
    ("within 10 % of B-twin (s)", _field("time_to_b_twin_s", 1)),
    ("cwnd (packets)", _jump),
    ("queueing more than A-twin (ms)", _field("queue_excess_ms", 2)),
    ("drops in second after (packets)", _field("drops_in_second_after", 0)),
    ("  more than A-twin (packets)", _field("extra_drops", 0)),
    ("RTOs", _field("rtos", 0)),
    ("p99 RTT (ms)", _field("rtt_p99_ms", 1)),
    ("longest stall (s)", _field("longest_stall_s", 2)),
]


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
