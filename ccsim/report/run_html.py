"""The page of one run: summary, traces with the twins overlaid, tables, scenario, how to repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsim.experiment.store import SCENARIO
from ccsim.experiment.stored import StoredRun
from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import decimal
from ccsim.report.page import page, section
from ccsim.report.prose import run_sentences
from ccsim.report.reproduce import manifest_section, reproduce_run, scenario_section
from ccsim.report.sortable_tables import Column, number, table, word
from ccsim.report.swap_table import swap_tables
from ccsim.report.topology import topology_section
from ccsim.report.traces import traces_of
from ccsim.report.workload_tables import COMPLETIONS, IMPLEMENTATIONS, completion_rows

__all__ = ["run_page"]

Row = Mapping[str, Any]
MAX_ROWS = 400
"""Rows of a table on the page: all of them are in metrics.json."""


def run_page(run: StoredRun) -> str:
    """Return the HTML page of a stored run."""
    sections = [
        _header(run),
        section("summary", "Summary", *_sentences(run)),
        *([hops] if (hops := topology_section(run.scenario)) else []),
        _traces(run),
        section("tables", "Tables", *_tables(run.metrics)),
        scenario_section(run.name, _given(run.path), run.scenario),
        reproduce_run(run, _given(run.path)),
        manifest_section(run.manifest),
        tag("footer", f"Written by ccsim {run.manifest['versions']['ccsim']}."),
    ]
    return page(run.name, sections, traces_of(run) if _drawable(run) else None)


def _sentences(run: StoredRun) -> list[Markup]:
    connections = Counter(flow.workload for flow in run.result.flows if flow.workload)
    return run_sentences(run.scenario, run.metrics, run.failed, connections)


def _drawable(run: StoredRun) -> bool:
    sampled = any(len(flow.t_ns) for flow in run.result.flows)
    return sampled or any(len(group.t_ns) for group in run.result.groups)


def _header(run: StoredRun) -> Markup:
    names = ("summary", "traces", "tables", "scenario", "reproduce", "manifest")
    started = str(run.manifest.get("started") or "").replace("T", " ").replace("+00:00", " UTC")
    host = run.manifest.get("host") or {}
    kernel = f"on Linux {host['kernel']}" if run.manifest.get("backend") == "linux" else ""
    told = [f"run {run.run_id}", f"seed {run.manifest['seed']}", kernel, started]
    return tag(
        "header",
        tag("h1", run.name),
        tag("p", run.scenario.get("description") or None),
        tag("p", " · ".join(part for part in told if part), class_="facts"),
        tag("nav", *(tag("a", name.capitalize(), href=f"#{name}") for name in names)),
    )


def _traces(run: StoredRun) -> Markup:
    if not _drawable(run):
        return section("traces", "Traces", tag("p", "The run ended before its first sample."))
    needs = Markup("<noscript><p>The traces are drawn by this page's own script.</p></noscript>")
    return section("traces", "Traces", needs, tag("div", id="panels"))


def _given(folder: Path) -> str:
    """Return the scenario as it was given; empty if the run came from no file."""
    try:
        return (folder / SCENARIO).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


# --- tables -----------------------------------------------------------------------------------


def _tables(metrics: Row) -> list[Markup]:
    found = swap_tables(metrics["swaps"])
    if metrics["flows"]:
        found += _titled("Flows, phase by phase", FLOWS, metrics["flows"])
    if rows := metrics.get("implementations"):
        found += _titled("Who served, phase by phase", IMPLEMENTATIONS, rows)
    if completions := completion_rows(metrics):
        title = "How long transfers took; slowdown: times as long as alone on an idle path"
        found += _titled(title, COMPLETIONS, completions)
    jain = {row["phase"]: row["jain_index"] for row in metrics["fairness"]}
    links = [{**row, "jain_index": jain.get(row["phase"])} for row in metrics["links"]]
    waited = any("sojourn_mean_ms" in row for row in links)
    columns = (*LINKS[:-4], *WAITED, *LINKS[-4:]) if waited else LINKS
    found += _titled("Links, phase by phase", columns, links)
    held = [
        row for name, values in metrics.get("objects", {}).items() for row in _held(name, values)
    ]
    return found + (_titled("What objects held at the end", OBJECTS, held) if held else [])


def _held(name: str, values: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row for each variable of an object, those of structures one by one, and each key of
    its maps."""
    rows = [
        {"object": name, "where": f".{section}", "what": what, "value": str(value)}
        for section in ("bss", "data")
        for variable, whole in values.get(section, {}).items()
        for what, value in _parts(variable, whole)
    ]
    return rows + [
        {"object": name, "where": map_name, "what": key, "value": value}
        for map_name, items in values.get("maps", {}).items()
        for key, value in items
    ]


def _parts(name: str, value: object) -> list[tuple[str, object]]:
    """Return a variable's plain parts with their names."""
    if isinstance(value, Mapping):
        return [part for key, item in value.items() for part in _parts(f"{name}.{key}", item)]
    return [(name, value)]


def _titled(title: str, columns: Sequence[Column], rows: Sequence[Row]) -> list[Markup]:
    hidden = len(rows) - MAX_ROWS
    caption = f"The first {MAX_ROWS} of {len(rows)}; all are in metrics.json." if hidden > 0 else ""
    return [tag("h3", title), table(columns, rows[:MAX_ROWS], caption)]


OBJECTS = (
    word("object", "object"),
    word("section or map", "where"),
    word("variable or key", "what"),
    word("value", "value"),
)
SPAN = (number("from (s)", "from_s", 3), number("to (s)", "to_s", 3))
FLOWS = (
    word("flow", "flow"),
    *SPAN,
    word("served by", "implementation"),
    number("goodput (Mbit/s)", "goodput_bps", 3, 1e-6),
    number("RTT mean (ms)", "rtt_mean_ms", 1),
    number("p50 (ms)", "rtt_p50_ms", 1),
    number("p99 (ms)", "rtt_p99_ms", 1),
    number("lost (packets)", "losses", 0),
    number("resent (packets)", "retransmissions", 0),
    number("marked (packets)", "marks", 0),
)
WAITED = (number("waited (ms)", "sojourn_mean_ms"), number("p99 (ms)", "sojourn_p99_ms"))
"""How long packets waited in the queues of hops."""
LINKS = (
    word("link", "link"),
    *SPAN,
    Column(
        "used (%)", lambda row: decimal(row["utilisation"], 2, 100), lambda row: row["utilisation"]
    ),
    number("mean queue (packets)", "queue_mean_packets", 1),
    number("drops (packets)", "drops", 0),
    number("random losses (packets)", "random_losses", 0),
    number("marks (packets)", "marks", 0),
    number("Jain index", "jain_index", 3),
)
