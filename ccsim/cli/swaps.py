"""What one swap cost as a table: everybody in the swap's window, then flow by flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ccsim.cli.layout import NONE, table
from ccsim.cli.screen import PLAIN, Screen
from ccsim.experiment.swap_figures import OWN, WINDOW, Figure, jump, told_of

__all__ = ["swap_text"]

FLOWS_BESIDE = 6
"""How many flows fit side by side; the others are in metrics.json."""

Row = Mapping[str, Any]
Number = Callable[..., str]


def swap_text(swap: Row, number: Number, screen: Screen = PLAIN) -> str:
    """Return what one swap cost: a column of all flows together, then one for each flow that it
    reached, then for the others."""
    title = f"swap {swap['index']} at {swap['t_s']:g} s: {swap['label']}"
    if "neighbours" not in swap:
        return f"{screen.filled(f'{title}: failed')}\n{_red(swap['error'], screen)}"
    lines = [screen.styled(line, "bold") for line in screen.filled(title).split("\n")]
    if swap.get("outcome"):
        when = "" if swap["outcome_s"] is None else f" at {swap['outcome_s']:g} s"
        lines.append(screen.filled(f"roll-out{when}: {swap['outcome']}"))
    if swap["errno"]:
        lines.append(_red(f"failed in part, {swap['error']}", screen))
    if not swap["reached"]:
        lines.append("no running flow was changed")
    lines += _costs(swap, number, screen)
    return "\n".join([*lines, *map(screen.filled, _around(swap, number))])


def _red(text: str, screen: Screen) -> str:
    return "\n".join(screen.styled(line, "red") for line in screen.filled(text).split("\n"))


def _costs(swap: Row, number: Number, screen: Screen) -> list[str]:
    told = told_of(swap)
    if not told:
        return []
    columns = told[: FLOWS_BESIDE + (told[0] is swap["total"])]
    headers = [
        "all"
        if column is swap["total"]
        else f"{column['flow']}{'' if 'at_s' in column else ' (beside)'}"
        for column in columns
    ]
    rows = []
    for figure in (*WINDOW, *OWN):
        if figure.optional and not swap["total"][figure.name]:
            continue
        cells = [
            _jump(row) if figure.name == "cwnd" else _cell(row, figure, number) for row in columns
        ]
        if any(cell != NONE for cell in cells):
            rows.append([f"{'  ' * figure.part}{figure.label}", *cells])
    drop = [name for name in reversed(headers) if name != headers[0]]
    costs = table(["disruption", *headers], rows, screen, drop, firm="disruption")
    lines = [screen.filled(_window(swap)), costs]
    hidden = len(told) - len(columns)
    return [*lines, f"… and {hidden} flows more, all in metrics.json"] if hidden > 0 else lines


def _window(swap: Row) -> str:
    """Return what is looked at, from when until when."""
    total = swap["total"]
    others = [str(index) for index in total["swaps"] if index != swap["index"]]
    with_others = f", together with swap {', '.join(others)}" if others else ""
    return f"from {total['from_s']:g} to {total['to_s']:g} s{with_others}:"


def _cell(row: Row, figure: Figure, number: Number) -> str:
    return number(row.get(figure.name), figure.digits, figure.scale)


def _jump(row: Row) -> str:
    found = jump(row)
    return NONE if found is None else f"{found[0]} → {found[1]}"


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
