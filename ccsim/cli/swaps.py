"""What one swap cost as a table: everybody in the swap's window, then flow by flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["swap_text"]

NONE = "–"
FLOWS_BESIDE = 6
"""So many flows fit beside one another; the others are in metrics.json."""

Row = Mapping[str, Any]
Number = Callable[..., str]
Table = Callable[[Sequence[str], Sequence[Sequence[str]]], str]


def swap_text(swap: Row, number: Number, table: Table) -> str:
    """Return what one swap cost: a column of all flows together, then one for each flow that it
    reached, then for the others."""
    title = f"swap {swap['index']} at {swap['t_s']:g} s: {swap['label']}"
    if "neighbours" not in swap:
        return f"{title}: failed\n{swap['error']}"
    lines = [title]
    if swap.get("outcome"):
        when = "" if swap["outcome_s"] is None else f" at {swap['outcome_s']:g} s"
        lines.append(f"roll-out{when}: {swap['outcome']}")
    if swap["errno"]:
        lines.append(f"failed in part, {swap['error']}")
    if not swap["reached"]:
        lines.append("no running flow was changed")
    lines += _costs(swap, number, table)
    return "\n".join([*lines, *_around(swap, number)])


def _costs(swap: Row, number: Number, table: Table) -> list[str]:
    total = swap["total"]
    if not total:
        return []
    told = [*swap["flows"], *swap["beside"]]
    columns = [total, *told[:FLOWS_BESIDE]] if len(told) > 1 or not swap["flows"] else told
    headers = [
        "all" if column is total else f"{column['flow']}{'' if 'at_s' in column else ' (beside)'}"
        for column in columns
    ]
    rows = []
    for label, name, digits, scale in _COSTS:
        if name in OPTIONAL and not total[name]:
            continue
        cells = [
            _jump(row) if name == "cwnd" else _cell(row, name, digits, scale, number)
            for row in columns
        ]
        if any(cell != NONE for cell in cells):
            rows.append([label, *cells])
    lines = [_window(swap), table(["disruption", *headers], rows)]
    hidden = len(told) - FLOWS_BESIDE
    return [*lines, f"… and {hidden} flows more, all in metrics.json"] if hidden > 0 else lines


def _window(swap: Row) -> str:
    """Return what is looked at, from when until when."""
    total = swap["total"]
    others = [str(index) for index in total["swaps"] if index != swap["index"]]
    with_others = f", together with swap {', '.join(others)}" if others else ""
    return f"from {total['from_s']:g} to {total['to_s']:g} s{with_others}:"


def _cell(row: Row, name: str, digits: int, scale: float, number: Number) -> str:
    return number(row.get(name), digits, scale)


def _jump(row: Row) -> str:
    before, after = row.get("cwnd_before_packets"), row.get("cwnd_after_packets")
    return NONE if before is None else f"{before} → {after}"


OPTIONAL = ("marks",)
"""What is told only where there is any."""
_COSTS: list[tuple[str, str, int, float]] = [
    ("goodput deficit to A-twin (MB)", "deficit_bytes", 3, 1e-6),
    ("  in seconds of A-twin goodput (s)", "deficit_s", 3, 1),
    ("  at its greatest (MB)", "deficit_peak_bytes", 3, 1e-6),
    ("drops (packets)", "drops", 0, 1),
    ("  more than A-twin (packets)", "extra_drops", 0, 1),
    ("marks (packets)", "marks", 0, 1),
    ("RTOs", "rtos", 0, 1),
    ("p99 RTT (ms)", "rtt_p99_ms", 1, 1),
    ("  more than A-twin (ms)", "extra_rtt_p99_ms", 1, 1),
    ("longest stall (s)", "longest_stall_s", 2, 1),
    ("swapped at (s)", "at_s", 3, 1),
    ("worst 200 ms (% of 2 s before)", "dip_worst_ratio", 1, 100),
    ("back above 95 % of A-twin (s)", "dip_recovery_s", 1, 1),
    ("within 10 % of B-twin (s)", "time_to_b_twin_s", 1, 1),
    ("cwnd (packets)", "cwnd", 0, 1),
    ("queueing more than A-twin (ms)", "queue_excess_ms", 2, 1),
    ("drops in second after (packets)", "drops_in_second_after", 0, 1),
]


def _around(swap: Row, number: Number) -> list[str]:
    """Return what a swap did beside the flows that it reached."""
    lines = []
    if beside := swap.get("neighbours"):
        lines.append(
            f"neighbours: {beside['flows']} lost {number(beside['harm'], 1, 100)} % of their"
            f" goodput in the {beside['window_s']:g} s after; the worst, {beside['worst_flow']},"
            f" {number(beside['worst_harm'], 1, 100)} %"
        )
    if held := swap.get("connections"):
        lines.append(
            f"connections: {held['old_at_update']} kept {swap['old']}, {held['new_since']} started"
            f" on {swap['new']}, {held['old_since']} on {swap['old']} all the same;"
            f" last on {swap['old']} gone after"
            f" {number(held['last_old_closed_s'], 3)} s"
        )
        if fallbacks := held.get("fallbacks"):
            lines.append(f"{fallbacks} asked for the name while it was missing, and fell back")
    return lines
