"""The page of a run with workloads: who came, what they carried, how long it took."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsim
from ccsim.experiment.measure import measure
from ccsim.experiment.stored import StoredRun
from ccsim.report.prose import run_sentences
from ccsim.report.run_html import run_page
from ccsim.report.traces import traces_of
from ccsim.report.workload_tables import completion_rows
from ccsim.sim.traces import Flows
from tests.plot import plot_runs as rig
from tests.plot.test_plot_workloads import fleet

WEB = """\
name: web
duration: 3 s
path: {rate: 20 Mbit/s, rtt: 20 ms}
links: {fleet: cubic}
workloads:
  - {name: web, arrivals: {poisson: 10 /s}, sizes: 30 kB, congestion: fleet, max: 20}
swaps:
  - {at: 1 s, via: link_update, link: fleet, to: reno}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    folder = tmp_path_factory.mktemp("web")
    file = folder / "web.yaml"
    file.write_text(WEB)
    found: StoredRun = ccsim.run(file, out=folder / "results", jobs=1)
    return found


def said(scenario: dict[str, Any], connections: dict[str, int]) -> str:
    metrics = measure(fleet())
    return html.unescape(
        re.sub(r"<[^>]+>", "", str(run_sentences(scenario, metrics, "", connections)[0]))
    )


def scenario(flows: list[dict[str, Any]], *workloads: dict[str, Any]) -> dict[str, Any]:
    path = {"rate_bps": 50_000_000, "rtt_ns": 20 * rig.MS, "buffer_packets": 300}
    return {"path": path, "flows": flows, "workloads": list(workloads), "seed": 1}


def test_prose_names_the_flows_own_rtts_and_counts_connections() -> None:
    flows = [{"name": n, "rtt_ns": ms * rig.MS} for n, ms in (("near", 10), ("far", 160))]
    video = {"name": "video", "flow": {"rtt_ns": None}}
    assert said(scenario(flows, video), {"video": 1}).startswith(
        "2 flows and 1 connection of the workload video shared 50 Mbit/s with base RTTs of 10 ms "
        "(near), 160 ms (far) and 20 ms (video) and a buffer of 300 packets for 30 s"
    )


@pytest.mark.parametrize(
    ("flows", "connections", "begins"),
    [
        (1, 0, "One flow had 50 Mbit/s with a base RTT of 20 ms"),
        (2, 0, "2 flows shared 50 Mbit/s"),
        (0, 5, "5 connections of the workload w shared 50 Mbit/s"),
        (0, 1, "1 connection of the workload w had 50 Mbit/s"),
    ],
)
def test_who_was_there_is_counted(flows: int, connections: int, begins: str) -> None:
    named = [{"name": f"f-{k}", "rtt_ns": None} for k in range(flows)]
    workloads = [{"name": "w", "flow": {"rtt_ns": None}}] if connections else []
    assert said(scenario(named, *workloads), {"w": connections}).startswith(begins)


def test_many_rtts_are_told_as_a_range_and_marks_with_their_threshold() -> None:
    flows = [{"name": f"f-{k}", "rtt_ns": (10 + k) * rig.MS} for k in range(9)]
    given = scenario(flows)
    given["path"]["ecn_mark_ns"] = 5 * rig.MS
    text = said(given, {})
    assert "base RTTs from 10 ms to 18 ms" in text
    assert "a buffer of 300 packets that marks above 5 ms" in text


def test_lines_are_by_implementation_and_each_completion_is_a_dot() -> None:
    found = traces_of(rig.Run(fleet(), rig.scenario("roll")))
    assert [panel["id"] for panel in found["panels"]] == [
        *("throughput", "connections", "slowdown", "queue")
    ]
    labels = [entry["label"] for entry in found["legend"]]
    assert labels[:3] == ["cubic (4 connections)", "bbr (1 connection)", "cubic → bbr"]
    slowdown = found["panels"][2]
    dots = {one["name"]: np.cumsum(one["values"]) * one["size"] for one in slowdown["series"]}
    assert {name: values.tolist() for name, values in dots.items()} == {
        "cubic": [5.0, 11.0, 11.0],
        "cubic → bbr": [23.0],
    }
    assert all(one["dots"] for one in slowdown["series"])


def test_flows_beside_a_workload_keep_their_lines() -> None:
    beside = rig.flow(301, "bulk", throughput_bps=10_000_000)
    shifted = replace(fleet().completions, flow=fleet().completions.flow + 1)  # type: ignore[type-var,union-attr]
    result = replace(fleet(), flows=Flows((beside, *fleet().flows)), completions=shifted)
    found = traces_of(rig.Run(result, rig.scenario("roll")))
    assert [panel["id"] for panel in found["panels"]] == [
        *("throughput", "cwnd", "rtt", "connections", "slowdown", "queue")
    ]
    assert found["legend"][0]["label"] == "bulk (cubic)"


def test_the_page_of_a_workload_has_its_completions_and_says_nothing_false(run: StoredRun) -> None:
    text = run_page(run)
    assert "no flow" not in text
    assert "ended before its first sample" not in text
    assert re.search(r"1\d transfers were completed|20 transfers were completed", text)
    assert "How long transfers took" in text
    assert "Who served, phase by phase" in text
    assert "Flows, phase by phase" not in text
    assert "connections of the workload web shared" in text


def test_of_the_twins_the_table_has_the_sums_alone(run: StoredRun) -> None:
    rows = completion_rows(run.metrics)
    assert {row["of"] for row in rows} == {"run", "twin_a", "twin_b"}
    assert all(row["sizes"] == "all" for row in rows if row["of"] != "run")
    assert all(row["phase"] is None for row in rows)
    assert sum(row["of"] == "twin_a" for row in rows) == 1
