"""Outcomes of recordings as rows of Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ccsim.verify.episode_comparison import Comparison

if TYPE_CHECKING:
    from ccsim.verify.trace_comparison import TraceMetrics

__all__ = ["EPISODE_HEAD", "TRACE_HEAD", "episode_row", "trace_rows"]

TRACE_HEAD = (
    "| run | flow | acked bytes % | aligned cwnd % | distribution % | mean srtt % "
    "| drops, recorded / simulated | second after the swap | |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
EPISODE_HEAD = (
    "| episode | kernel repeats | transmissions in order | worst (ms) | states | counters "
    "| first difference |\n|---|---|---|---|---|---|---|"
)


def trace_rows(outcome: TraceMetrics) -> Iterator[str]:
    """Yield a recorded transfer's rows under `TRACE_HEAD`, one for each flow; drops and verdict
    stand in the first."""
    swaps = ", ".join(f"{swap.drops[0]} / {swap.drops[1]:g}" for swap in outcome.swaps)
    first = [f"{outcome.drops[0]} / {outcome.drops[1]:g}", swaps]
    first.append("passes" if outcome.passes else "misses " + "; ".join(outcome.missed))
    for k, flow in enumerate(outcome.flows):
        name = outcome.trace.name if not k else ""
        distances = (
            f"{100 * flow.acked:+.2f}",
            f"{100 * flow.aligned:.2f}",
            f"{100 * flow.distribution:.2f}",
            f"{100 * flow.srtt:+.2f}",
        )
        rest = first if not k else ["", "", ""]
        yield _row(name, outcome.trace.flows[k].congestion, *distances, *rest)


def episode_row(outcome: Comparison) -> str:
    """Return an episode's row under `EPISODE_HEAD`."""
    return _row(
        outcome.episode.name,
        outcome.episode.agreement,
        f"{outcome.in_order}/{outcome.total}",
        f"{outcome.worst_ns / 1e6:.2f}",
        "same" if outcome.states_agree else "differ",
        ", ".join(outcome.counters) or "same",
        outcome.first or "none",
    )


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
