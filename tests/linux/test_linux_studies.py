"""Studies whose runs this machine's kernel carries out: seeds are repetitions, never copies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ccsim.cli.entry import main
from ccsim.errors import CcsimError, ScenarioError
from ccsim.experiment.study.plan import plan_study
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.sweep import run_study
from ccsim.linux.host import missing_for
from ccsim.linux.run import LinuxError

MISSING = missing_for(["reno", "cubic"])
needs_kernel = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))
TEXT = """\
name: live
backend: linux
seeds: 2
base:
  duration: 1 s
  path: {rate: 10 Mbit/s, rtt: 10 ms, buffer: 1 BDP}
  kernel: {default: reno}
  flows: [{name: a, congestion: reno}]
  swaps: [{at: 500 ms, via: setsockopt, flows: [a], to: cubic}]
"""


def study(folder: Path, text: str = TEXT) -> Path:
    file = folder / "live.yaml"
    file.write_text(text)
    return file


def test_runs_on_a_kernel_have_names_of_their_own_and_none_repeats_another(tmp_path: Path) -> None:
    here = plan_study(read_study(study(tmp_path)))
    there = plan_study(read_study(study(tmp_path, TEXT.replace("backend: linux\n", ""))))
    assert [run.run_id for run in here.runs] == [f"{run.run_id}.linux" for run in there.runs]
    assert all(run.twin_a.endswith(".linux") for run in here.runs)
    assert [run.random for run in here.runs] == [True, True]
    assert [run.random for run in there.runs] == [False, False]


def test_another_backend_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refused:
        read_study(study(tmp_path, TEXT.replace("backend: linux", "backend: bsd")))
    words = "live.yaml:2:10: backend: expected 'simulator' or 'linux', got \"bsd\""
    assert words in str(refused.value)


def test_what_a_kernel_cannot_do_is_said_before_the_first_run(tmp_path: Path) -> None:
    text = TEXT.replace("to: cubic", "to: cubic, state: cold")
    with pytest.raises(LinuxError, match=r"swaps\.0\.state: a kernel knows one policy"):
        run_study(read_study(study(tmp_path, text)), out=tmp_path / "r")
    assert not list((tmp_path / "r").glob("live/runs*"))


def test_a_cluster_is_not_this_machine(tmp_path: Path) -> None:
    with pytest.raises(CcsimError, match="this machine, not a cluster"):
        run_study(
            read_study(study(tmp_path)),
            out=tmp_path / "r",
            pool_of=lambda folder: pytest.fail("it started"),
        )


@needs_kernel
def test_a_study_on_a_kernel_has_the_tables_of_a_simulated_one(tmp_path: Path, capsys: Any) -> None:
    file, out = study(tmp_path), tmp_path / "r"
    assert main(["sweep", str(file), "--out", str(out), "--json", "--workers", "2"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["runs"], outcome["repeats"], outcome["failed"]) == (2, 0, 0)
    table = f"'{outcome['path']}/runs.parquet'"
    found = duckdb.sql(f"SELECT seed, old, new, late_p99_us, disturbed FROM {table}")
    assert found is not None
    rows = found.fetchall()
    assert [row[:3] for row in sorted(rows)] == [(1, "reno", "cubic"), (2, "reno", "cubic")]
    assert all(late > 0 and disturbed in (True, False) for *_, late, disturbed in rows)
    manifest = json.loads((Path(outcome["path"]) / "manifest.json").read_text())
    assert manifest["backend"] == "linux"
    assert main(["sweep", str(file), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 0
