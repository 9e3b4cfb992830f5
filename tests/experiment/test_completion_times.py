"""Completion times and slowdowns of runs written down by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsim.cli.output import comparison_text, run_text
from ccsim.experiment import run_scenario
from ccsim.experiment.completion_times import completion_rows, size_bin
from ccsim.experiment.measure import measure
from ccsim.experiment.stored import StoredRun, export, load_run
from ccsim.jobs.handover import pack, unpack
from ccsim.scenario import parse_scenario
from ccsim.sim.account_tables import without_accounts
from ccsim.sim.implementation_history import history, served_at, serving
from ccsim.sim.result_tables import FLOW_COLUMNS
from ccsim.sim.traces import Completions, Flows, FlowTrace, SimResult
from ccsim.verify.fuzz.equality import difference

S = 1_000_000_000
MS = 1_000_000


def connection(name: str, workload: str, *served: tuple[int, str], end: int | None) -> FlowTrace:
    names = tuple(dict.fromkeys(one for _, one in served))
    columns: dict[str, Any] = dict.fromkeys(FLOW_COLUMNS, ints())
    columns["recorded"] = False
    return FlowTrace(
        name=name,
        congestion=served[0][1],
        start_ns=served[0][0],
        end_ns=end,
        mss_bytes=1448,
        workload=workload,
        implementations=names,
        served=tuple((t, names.index(one)) for t, one in served),
        **columns,
    )


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


@pytest.fixture
def result() -> SimResult:
    """Three connections of "web": 2 s of ideally 1 s on cubic, 3 s of 1 s on cubic until a swap,
    and one that is not done; and one of "api" on bbr: 0.5 s of 0.5 s."""
    flows = (
        connection("web-1", "web", (0, "cubic"), end=2 * S),
        connection("web-2", "web", (1 * S, "cubic"), (3 * S, "bbr"), end=4 * S),
        connection("web-3", "web", (6 * S, "bbr"), end=None),
        connection("api-1", "api", (5 * S, "bbr"), end=None),
    )
    found = Completions(
        flow=ints(0, 1, 2, 3),
        start_ns=ints(0, 1 * S, 6 * S, 5 * S),
        end_ns=ints(2 * S, 4 * S, -1, 5 * S + 500 * MS),
        size_bytes=ints(10_000, 50_000_000, 1_000_000, 10_001),
        ideal_ns=ints(1 * S, 1 * S, 1 * S, 500 * MS),
    )
    return SimResult(10 * S, Flows(flows), (), (), (), completions=found)


def row(rows: list[dict[str, Any]], **key: Any) -> dict[str, Any]:
    found = [one for one in rows if all(one[name] == value for name, value in key.items())]
    assert len(found) == 1, found
    return found[0]


def test_mean_and_quantiles_are_those_of_what_has_completed(result: SimResult) -> None:
    rows = completion_rows(result, [(0, 10 * S)])
    whole = row(rows, workload="web", implementation="all", sizes="all")
    assert (whole["completed"], whole["unfinished"]) == (2, 1)
    assert whole["mean_s"] == 2.5
    assert whole["p50_s"] == 2.5
    assert whole["p95_s"] == pytest.approx(2.95)
    assert whole["p99_slowdown"] == pytest.approx(2.99)
    assert whole["mean_slowdown"] == 2.5
    assert whole["payload_bytes"] == 50_010_000


def test_a_connection_swapped_under_way_counts_for_neither(result: SimResult) -> None:
    rows = completion_rows(result, [(0, 10 * S)])
    assert row(rows, workload="web", implementation="cubic", sizes="all")["mean_s"] == 2.0
    assert row(rows, workload="web", implementation="cubic → bbr", sizes="all")["mean_s"] == 3.0
    alone = row(rows, workload="web", implementation="bbr", sizes="all")
    assert (alone["completed"], alone["unfinished"]) == (0, 1)
    assert np.isnan(alone["p50_s"])


def test_a_workload_that_one_implementation_served_has_no_row_for_all(result: SimResult) -> None:
    names = {
        one["implementation"] for one in completion_rows(result, []) if one["workload"] == "api"
    }
    assert names == {"bbr"}


def test_sizes_fall_into_bins_with_their_upper_bound(result: SimResult) -> None:
    assert [size_bin(n) for n in (1, 10_000, 10_001, 1_000_000, 10_000_001)] == [
        *("up to 10 kB", "up to 10 kB", "10 to 100 kB", "100 kB to 1 MB", "above 10 MB")
    ]
    rows = completion_rows(result, [])
    large = row(rows, workload="web", implementation="all", sizes="above 10 MB")
    assert (large["completed"], large["mean_slowdown"]) == (1, 3.0)
    assert not [one for one in rows if one["sizes"] == "1 to 10 MB"]


def test_phases_count_what_started_in_them(result: SimResult) -> None:
    rows = completion_rows(result, [(0, 1 * S), (1 * S, 10 * S)])
    assert row(rows, workload="web", phase=0)["mean_s"] == 2.0
    assert row(rows, workload="web", phase=1)["completed"] == 1


def test_the_story_of_a_flow_is_read_at_any_time(result: SimResult) -> None:
    story = history(result.flows[1])
    assert story == [(1 * S, "cubic"), (3 * S, "bbr")]
    assert [served_at(story, t * S) for t in (0, 1, 2, 3, 9)] == ["cubic"] * 3 + ["bbr"] * 2
    assert serving(story, 1 * S, 2 * S) == "cubic"
    assert serving(story, 1 * S, 3 * S) == "cubic"
    assert serving(story, 1 * S, 3 * S + 1) == "cubic → bbr"
    assert serving([], 0, 1) == ""


def test_a_result_without_workloads_has_no_rows(result: SimResult) -> None:
    plain = replace(result, completions=None, groups=())
    assert completion_rows(plain, [(0, S)]) == []
    assert not {"completions", "implementations"} & set(measure(plain))


def test_connections_have_no_rows_among_the_flows(result: SimResult) -> None:
    metrics = measure(result)
    assert metrics["flows"] == []
    assert metrics["totals"] == []
    assert len(metrics["completions"]) == len(completion_rows(result, [(0, 10 * S)]))


# --- a run, stored and read back ---

TEXT = """
name: roll
duration: 4 s
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
links: {fleet: cubic}
workloads:
  - {name: web, arrivals: {poisson: 10 /s}, sizes: {exponential: 50 kB}, congestion: fleet}
  - {name: api, arrivals: {at_once: 3}, requests: {response: 5 kB, think: 50 ms}, life: 3 s,
     congestion: fleet}
swaps: [{at: 2 s, via: link_update, link: fleet, to: reno}]
record: {flows: aggregate}
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    out = tmp_path_factory.mktemp("results")
    return run_scenario(parse_scenario(TEXT, "roll.yaml"), out=out, jobs=1, formats=("png",))


def test_a_run_with_workloads_reads_back_as_it_was(stored: StoredRun) -> None:
    again = load_run(stored.path)
    assert difference(without_accounts(stored.result), again.result) == ""
    assert again.twin_a is not None
    assert stored.twin_a is not None
    assert difference(without_accounts(stored.twin_a), again.twin_a) == ""
    assert difference(unpack(pack(stored.result)), stored.result) == ""
    assert (stored.path / "plots" / "run.png").stat().st_size > 10_000


def test_completions_can_be_asked_for_by_their_names(stored: StoredRun) -> None:
    import duckdb

    file = str(stored.path / "completions.parquet")
    rows = duckdb.execute(
        "SELECT workload, implementation, count(*), count(end_ns) FROM read_parquet($file)"
        " GROUP BY ALL ORDER BY ALL",
        {"file": file},
    ).fetchall()
    assert {(workload, name) for workload, name, *_ in rows} == {
        *(("api", "cubic"), ("web", "cubic"), ("web", "reno"))
    }
    found = stored.result.completions
    assert found is not None
    assert sum(n for *_, n, _ in rows) == len(found.flow)
    assert sum(done for *_, done in rows) == int((found.end_ns >= 0).sum())


def test_what_a_link_update_left_behind_is_counted_without_samples(stored: StoredRun) -> None:
    (swap,) = stored.metrics["swaps"]
    held = swap["connections"]
    flows = stored.result.flows
    old = [f for f in flows if f.start_ns < 2 * S and (f.end_ns is None or f.end_ns > 2 * S)]
    assert held["old_at_update"] == len(old) >= 3
    assert held["new_since"] == sum(flow.start_ns >= 2 * S for flow in flows)
    last = max(flow.end_ns or 0 for flow in old)
    assert held["last_old_closed_s"] == pytest.approx((last - 2 * S) / S, abs=1e-6)


def test_the_tables_of_a_run_tell_its_workloads(stored: StoredRun) -> None:
    text = run_text("roll", stored.metrics)
    assert "connections mean" in text
    lines = [line.split() for line in text.splitlines()]
    assert any(line[:3] == ["web", "run", "all"] for line in lines)
    assert any(line[:3] == ["web", "A-twin", "cubic"] for line in lines)
    assert any(line[:3] == ["api", "run", "cubic"] for line in lines)


def test_a_comparison_tells_what_each_run_carried(stored: StoredRun) -> None:
    text = comparison_text(["one", "two"], [stored.metrics, stored.metrics])
    lines = [line.split() for line in text.splitlines()]
    assert [line[:3] for line in lines if line[1:3] == ["web", "all"]] == [
        *(["one", "web", "all"], ["two", "web", "all"])
    ]
    assert lines[0][:3] == ["run", "workload", "served"]


def test_csv_files_hold_workloads_too(stored: StoredRun, tmp_path: Path) -> None:
    names = {path.name for path in export(stored, "csv", tmp_path)}
    assert {"completions.csv", "groups.csv", "flows.csv"} <= names
    head = (tmp_path / "completions.csv").read_text().splitlines()[0]
    assert head == "flow,workload,implementation,start_ns,end_ns,size_bytes,ideal_ns"
