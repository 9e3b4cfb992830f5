"""What a run was, in sentences: who shared what path for how long, and what workloads came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ccsim.plot.units import rate_unit, time_text
from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import count, decimal, listed

__all__ = ["setting_words", "workload_sentences"]

Row = Mapping[str, Any]
NAMED = 6
"""Up to that many flows and workloads are named with their RTTs."""


def setting_words(scenario: Row, metrics: Row, connections: Mapping[str, int]) -> list[Any]:
    """Return a sentence about a run: flows, workloads, their RTTs, the path, its use.

    ``connections`` counts those of each workload.
    """
    path = scenario["path"]
    unit = rate_unit(path["rate_bps"])
    many = len(scenario["flows"]) + sum(connections.values())
    verb = "had" if many == 1 else "shared"
    words: list[Any] = [
        f"{_who(scenario, connections)} {verb} {path['rate_bps'] / unit.size:g} {unit.name} with "
        f"{_rtts(scenario)} and a buffer of {count(path['buffer_packets'], 'packet')}{_marks(path)}"
        f" for {metrics['duration_s']:g} s (seed {scenario['seed']}). "
    ]
    used = _weighted(metrics["links"], "utilisation")
    if used is not None:
        words += ["The link was used to ", tag("strong", f"{decimal(used, 1, 100)} %"), "; "]
    lost = sum(row["drops"] + row["random_losses"] for row in metrics["links"])
    return [*words, f"{count(lost, 'packet was', 'packets were')} dropped or lost."]


def _who(scenario: Row, connections: Mapping[str, int]) -> str:
    """Return ``One flow``, ``3 flows and 1 connection of the workload video``."""
    parts = [count(len(scenario["flows"]), "flow")] if scenario["flows"] else []
    parts += [
        f"{count(connections.get(one['name'], 0), 'connection')} of the workload {one['name']}"
        for one in scenario.get("workloads") or ()
    ]
    text = listed(parts, NAMED) or "no flow"
    if text.startswith("1 flow"):
        text = f"one{text[1:]}"
    return f"{text[0].upper()}{text[1:]}"


def _rtts(scenario: Row) -> str:
    """Return ``a base RTT of 20 ms``; of several, each with its flows, or their range."""
    own = [(flow["name"], flow.get("rtt_ns")) for flow in scenario["flows"]]
    own += [(one["name"], one["flow"].get("rtt_ns")) for one in scenario.get("workloads") or ()]
    base = scenario["path"]["rtt_ns"]
    rtts = {name: rtt or base for name, rtt in own} or {"": base}
    values = sorted(set(rtts.values()))
    if len(values) == 1:
        return f"a base RTT of {time_text(values[0])}"
    if len(rtts) > NAMED:
        return f"base RTTs from {time_text(values[0])} to {time_text(values[-1])}"
    return f"base RTTs of {listed([f'{time_text(t)} ({n})' for n, t in rtts.items()], NAMED)}"


def _marks(path: Row) -> str:
    if path.get("ecn_mark_packets") is not None:
        return f" that marks above {count(path['ecn_mark_packets'], 'packet')}"
    return f" that marks above {time_text(path['ecn_mark_ns'])}" if path.get("ecn_mark_ns") else ""


def _weighted(rows: Sequence[Row], key: str) -> float | None:
    """Return the mean over phases of a link's metric, weighted by their length."""
    known = [row for row in rows if row[key] is not None]
    spans = [row["to_s"] - row["from_s"] for row in known]
    if not sum(spans):
        return None
    return sum(row[key] * span for row, span in zip(known, spans, strict=True)) / sum(spans)


def workload_sentences(metrics: Row) -> Iterator[Markup]:
    """Yield a paragraph for each workload: how many were done, how long it took, how much slower
    than alone, and the same in the A-twin."""
    rows = [row for row in metrics.get("completions") or () if row["sizes"] == "all"]
    rows = [row for row in rows if row["phase"] is None]
    for name in dict.fromkeys(row["workload"] for row in rows):
        sums = {
            of: _sum([row for row in rows if (row["workload"], row["of"]) == (name, of)])
            for of in ("run", "twin_a")
        }
        if sums["run"]:
            yield tag("p", *_carried(name, sums["run"], sums["twin_a"]))


def _sum(rows: Sequence[Row]) -> Row | None:
    """Return the row of all implementations, or of the one that there is."""
    whole = [row for row in rows if row["implementation"] == "all"]
    return next(iter([*whole, *rows]), None)


def _carried(name: str, row: Row, twin: Row | None) -> list[Any]:
    """Tell what one workload came to."""
    left = f", {row['unfinished']:,} not by the end" if row["unfinished"] else ""
    words: list[Any] = [
        f"Of the workload {name}, ",
        tag("strong", f"{count(row['completed'], 'transfer was', 'transfers were')} completed"),
        f"{left}",
    ]
    if not row["completed"]:
        return [*words, "."]
    words += [
        f", in {decimal(row['p50_s'], 3)} s (median; p99 {decimal(row['p99_s'], 3)} s), ",
        tag("strong", f"{decimal(row['p50_slowdown'], 2)} times"),
        f" as long as alone on an idle path (p99 {decimal(row['p99_slowdown'], 2)} times)",
    ]
    if twin and twin["completed"]:
        words.append(
            f"; in the A-twin {decimal(twin['p50_slowdown'], 2)} times "
            f"(p99 {decimal(twin['p99_slowdown'], 2)})"
        )
    return [*words, "."]
