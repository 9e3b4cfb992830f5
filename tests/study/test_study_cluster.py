"""Studies on a cluster: the same bytes as here, and errors that say what is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ccsim.errors import CcsimError, ScenarioError
from ccsim.experiment.study import cluster as cluster_module
from ccsim.experiment.study.cluster import ClusterPool, cluster_pool, remote, slurm_pool
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.sweep import run_study
from ccsim.scenario import load_scenario
from tests.study.study_rig import TINY, digests, write

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler with two workers, in threads of this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as local:
        yield local


def test_a_cluster_gives_the_bytes_that_this_machine_gives(cluster: Any, tmp_path: Path) -> None:
    study = read_study(write(tmp_path))
    here = run_study(study, out=tmp_path / "here", workers=1)
    pool_of = cluster_pool(cluster.scheduler_address)
    there = run_study(study, out=tmp_path / "there", pool_of=pool_of)
    assert digests(there.path) == digests(here.path)
    assert (there.runs, there.new, there.simulated) == (8, 8, 16)


def test_what_a_cluster_did_is_not_done_again_here(cluster: Any, tmp_path: Path) -> None:
    study = read_study(write(tmp_path))
    run_study(study, out=tmp_path, pool_of=cluster_pool(cluster.scheduler_address))
    assert run_study(study, out=tmp_path, workers=1).simulated == 0


def test_traces_are_kept_on_this_machine_too(cluster: Any, tmp_path: Path) -> None:
    study = read_study(write(tmp_path, TINY.replace("seeds: 2", "seeds: 1\nkeep: traces")))
    here = run_study(study, out=tmp_path / "here", workers=1)
    pool_of = cluster_pool(cluster.scheduler_address)
    there = run_study(study, out=tmp_path / "there", pool_of=pool_of)
    files = [
        {
            str(path.relative_to(outcome.path)): path.read_bytes()
            for path in (outcome.path / "runs").rglob("*.parquet")
        }
        for outcome in (here, there)
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 4 * 3 * 5  # runs, with two twins each, five tables each


def test_a_worker_with_other_code_refuses() -> None:
    resolved = load_scenario("cubic_to_bbr").resolved()
    answer = remote({"resolved": resolved, "save": "x", "code": "0" * 64}, None, None)
    assert "not the one that runs the study" in answer["trouble"]


def test_an_address_without_a_scheduler_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.2)
    with pytest.raises(CcsimError, match=r"no scheduler at 'tcp://127\.0\.0\.1:9'"):
        run_study(
            read_study(write(tmp_path)), out=tmp_path, pool_of=cluster_pool("tcp://127.0.0.1:9")
        )


def test_slurm_without_dask_jobqueue_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(CcsimError, match=r"needs dask-jobqueue.*pip install 'ccsim\[cluster\]'"):
        slurm_pool(tmp_path / "slurm.yaml")


@pytest.fixture
def jobqueue(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Put a stand-in for dask_jobqueue in place, whose jobs are threads; return what it was
    asked."""
    asked: list[Any] = []

    local: Any = distributed.LocalCluster

    class SLURMCluster(local):
        def __init__(self, **options: Any) -> None:
            asked.append(options)
            if "partition" in options:
                raise TypeError("unexpected keyword argument 'partition'")
            super().__init__(n_workers=0, processes=False, dashboard_address=":0")

        def scale(self, jobs: int) -> Any:
            asked.append(jobs)
            return super().scale(jobs)

    module = ModuleType("dask_jobqueue")
    module.SLURMCluster = SLURMCluster  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dask_jobqueue", module)
    return asked


def test_a_slurm_file_says_how_many_jobs_and_what_each_has(
    jobqueue: list[Any], tmp_path: Path
) -> None:
    file = write(tmp_path, "{jobs: 2, queue: short, cores: 1, memory: 2 GB}", "slurm.yaml")
    study = read_study(write(tmp_path, TINY.replace("seeds: 2", "seeds: 1")))
    outcome = run_study(study, out=tmp_path, pool_of=slurm_pool(file))
    assert jobqueue[:2] == [{"queue": "short", "cores": 1, "memory": "2 GB"}, 2]
    assert outcome.runs == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{cores: 1}", "slurm.yaml:1:1: missing key 'memory'"),
        ("jobs: 0\ncores: 1\nmemory: 1 GB", "slurm.yaml:1:7: jobs: expected a number of jobs"),
    ],
)
def test_a_slurm_file_that_is_wrong_is_told_with_its_place(
    text: str, message: str, jobqueue: list[Any], tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError, match=message):
        slurm_pool(write(tmp_path, text, "slurm.yaml"))
    assert jobqueue == []


def test_an_option_that_slurm_does_not_know_is_told(jobqueue: list[Any], tmp_path: Path) -> None:
    file = write(tmp_path, "{cores: 1, memory: 1 GB, partition: x}", "slurm.yaml")
    with pytest.raises(CcsimError, match="SLURMCluster refused it"):
        run_study(read_study(write(tmp_path)), out=tmp_path, pool_of=slurm_pool(file))


@pytest.mark.parametrize(("threads", "ahead"), [(0, 1), (1, 2), (3, 6)])
def test_two_jobs_for_each_thread_of_the_cluster_are_under_way(threads: int, ahead: int) -> None:
    """Two: a thread that is done need not wait for the network. Without a worker one waits."""
    sent: list[Any] = []

    class Future:
        def add_done_callback(self, _: Any) -> None:
            pass

    def submit(*_: Any, **__: Any) -> Future:
        sent.append(Future())
        return sent[-1]

    def cancel(futures: list[Any], force: bool) -> None:
        assert len(futures) == ahead
        assert force

    client = SimpleNamespace(
        status="running", nthreads=lambda: {"w": threads}, submit=submit, cancel=cancel
    )
    jobs = iter(range(100))
    schedule: Any = SimpleNamespace(left=100, next=lambda: next(jobs) + 1, needed={})
    replies = ClusterPool(client).replies(schedule, lambda job: {"job": job}, lambda job: None)
    assert next(replies) is None
    replies.close()
    assert len(sent) == ahead
