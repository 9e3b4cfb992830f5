"""Benchmarks: their cases are scenarios, and rows are medians over processes of their own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ccsim.experiment import bench
from ccsim.experiment.bench import (
    CASES,
    measure_case,
    run_bench,
    run_case,
    scenario_of,
    scenario_text,
)
from ccsim.scenario import parse_scenario


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "scenario" not in case])
def test_every_case_is_a_scenario_with_as_many_flows_as_it_says(name: str, tmp_path: Path) -> None:
    resolved = parse_scenario(scenario_text(CASES[name], tmp_path), name).resolved()
    assert [flow["congestion"] for flow in resolved["flows"]] == CASES[name]["congestion"]


def test_a_thousand_flows_all_start_within_a_second(tmp_path: Path) -> None:
    resolved = parse_scenario(scenario_text(CASES["cubic-1000-flows"], tmp_path), "x").resolved()
    assert resolved["flows"][999]["start_ns"] == 999_000_000


@pytest.mark.parametrize(
    ("name", "connections"), [("rollout-1000", 1_000), ("rollout-10000", 10_000)]
)
def test_a_roll_out_has_as_many_connections_as_its_name_says(
    name: str, connections: int, tmp_path: Path
) -> None:
    workloads = scenario_of(CASES[name], tmp_path).workloads
    assert sum(workload.most or 0 for workload in workloads) == connections


def test_a_case_counts_data_packets_and_seconds() -> None:
    row = run_case({"rate": "1 Mbit/s", "congestion": ["reno"], "duration": "6 s"})
    # 1 Mbit/s carries 500 packets of 1500 bytes in 6 s, less a handshake, plus what is dropped
    assert 470 < row["packets"] < 700
    assert 0 < row["wall_s"] < 10
    assert row["peak_bytes"] > 10_000_000


def test_rows_are_medians_and_the_memory_is_the_greatest(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([(3.0, 5e6), (1.0, 7e6), (2.0, 6e6)])

    def run(*_: Any, **__: Any) -> Any:
        wall_s, peak = next(answers)
        row = {"wall_s": wall_s, "packets": 1_000_000, "peak_bytes": peak}
        return subprocess.CompletedProcess([], 0, json.dumps(row).encode())

    monkeypatch.setattr(bench.subprocess, "run", run)
    assert measure_case("cubic-100M", 3) == {
        "case": "cubic-100M",
        "wall_s": 2.0,
        "fastest_s": 1.0,
        "packets": 1_000_000,
        "us_per_packet": 2.0,
        "peak_MB": 7.0,
    }


def test_an_unknown_case_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no case 'cubic'; did you mean 'cubic-1G'\?"):
        run_bench(["cubic"], 1, lambda row: None)


def test_an_unknown_case_is_refused_before_any_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(bench.subprocess, "run", lambda *call, **_: ran.append(call))
    with pytest.raises(ValueError, match="no case 'cubic'"):
        run_bench(["cubic-100M", "cubic"], 1, lambda row: None)
    assert ran == []
