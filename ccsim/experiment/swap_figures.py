"""The figures reported of a swap, in order: those of its window, then those from each flow's own
swap on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["OWN", "WINDOW", "Figure", "jump", "told_of"]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its label with the unit, its key in a row, decimals, what to multiply it by.

    ``part`` marks one that says more of the figure above it; ``optional`` one that is left out
    where there is none of it; ``short`` is its label as a heading.
    """

    label: str
    name: str
    digits: int
    scale: float = 1.0
    part: bool = False
    optional: bool = False
    short: str = ""


WINDOW = (
    Figure("goodput deficit to A-twin (MB)", "deficit_bytes", 3, 1e-6, short="deficit (MB)"),
    Figure("in seconds of A-twin goodput (s)", "deficit_s", 3, part=True, short="deficit (s)"),
    Figure("at its greatest (MB)", "deficit_peak_bytes", 3, 1e-6, part=True, short="at most (MB)"),
    Figure("drops (packets)", "drops", 0),
    Figure("more than A-twin (packets)", "extra_drops", 0, part=True, short="more than A"),
    Figure("marks (packets)", "marks", 0, optional=True),
    Figure("RTOs", "rtos", 0),
    Figure("p99 RTT (ms)", "rtt_p99_ms", 1),
    Figure("more than A-twin (ms)", "extra_rtt_p99_ms", 1, part=True, short="more than A"),
    Figure("longest stall (s)", "longest_stall_s", 2),
)
"""Of everybody, over the window of the swap."""
OWN = (
    Figure("swapped at (s)", "at_s", 3),
    Figure("worst 200 ms (% of 2 s before)", "dip_worst_ratio", 1, 100),
    Figure("back above 95 % of A-twin (s)", "dip_recovery_s", 1),
    Figure("within 10 % of B-twin (s)", "time_to_b_twin_s", 1),
    Figure("cwnd (packets)", "cwnd", 0),
    Figure("queueing more than A-twin (ms)", "queue_excess_ms", 2),
    Figure("drops in second after (packets)", "drops_in_second_after", 0),
)
"""Of flows that the swap reached, from the instant on at which it did."""


def told_of(swap: Row) -> list[Row]:
    """Return the rows of a swap: all flows together, if there are several, then those reached, then
    those beside."""
    total, flows, beside = swap["total"], swap["flows"], swap["beside"]
    if not total:
        return []
    several = len(flows) + len(beside) > 1 or not flows
    return [*([total] if several else []), *flows, *beside]


def jump(row: Row) -> tuple[int, int] | None:
    """Return cwnd before and after [packets]; None where the swap did not reach."""
    if row.get("cwnd_before_packets") is None:
        return None
    return row["cwnd_before_packets"], row["cwnd_after_packets"]
