"""A cluster whose parts die: a study loses no run, no byte and no word."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from ccsim.errors import CcsimError
from ccsim.experiment.study.cluster import ClusterPool, cluster_pool
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.schedule import Schedule
from ccsim.experiment.study.sweep import run_study
from tests.study.cluster_rig import Cluster
from tests.study.study_rig import TINY, command, digests, done, log, planned, write

pytest.importorskip("distributed")
ClosedClientError = import_module("distributed.client").ClosedClientError
LONGER = TINY.replace("600 ms", "6 s").replace("300 ms", "3 s").replace("seeds: 2", "seeds: 3")
LONGER = LONGER.replace("250 ms, 350 ms", "2500 ms, 3500 ms")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    folder = tmp_path / "dask"
    folder.mkdir()
    made = Cluster(folder)
    yield made
    made.close()


def wait_for(study: Path, runs: int) -> None:
    """Wait until so many runs of a study are done."""
    end = time.monotonic() + 100
    while time.monotonic() < end:
        if (study / "log.jsonl").exists() and sum(done(study).values()) >= runs:
            return
        time.sleep(0.05)
    raise TimeoutError(f"no {runs} runs within 100 s")


def test_one_dead_worker_of_two_costs_no_run_and_no_byte(cluster: Cluster, tmp_path: Path) -> None:
    study = read_study(write(tmp_path, LONGER))
    here = run_study(study, out=tmp_path / "here", workers=2)
    sweep = command(tmp_path, "sweep", "tiny.yaml", "--out", "there", "--cluster", cluster.address)
    there = tmp_path / "there" / "tiny"
    for runs in (1, 4):
        wait_for(there, runs)
        cluster.kill(cluster.workers.pop(0))
        cluster.workers.append(cluster.worker())
    _, said = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, said
    assert digests(there) == digests(here.path)
    assert set(done(there)) == set(planned(there))


def test_a_scheduler_that_goes_away_is_one_line_and_what_is_done_stays(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "3s")
    study = read_study(write(tmp_path, LONGER))
    sweep = command(tmp_path, "sweep", "tiny.yaml", "--out", "there", "--cluster", cluster.address)
    there = tmp_path / "there" / "tiny"
    wait_for(there, 2)
    cluster.kill(cluster.scheduler)
    _, said = sweep.communicate(timeout=120)
    assert sweep.returncode == 2, said
    assert said.splitlines() == [said.strip()]
    assert said.startswith("cluster: the scheduler went away (")
    finished = sum(done(there).values())
    assert run_study(study, out=tmp_path / "there", workers=2).new == 12 - finished
    again = run_study(study, out=tmp_path / "here", workers=2)
    assert digests(there) == digests(again.path)
    assert not [line for line in log(there) if line["event"] == "error"]


class Closed:
    """A client that has given up on its scheduler, as dask's are some seconds after that died."""

    status = "closed"

    def cancel(self, *args: object, **options: object) -> None:
        raise ClosedClientError("Client is closed. Can't send its message.")

    submit = cancel


def test_a_client_that_has_closed_is_told_as_a_scheduler_that_went_away() -> None:
    schedule = Schedule([], lambda twin: False)
    schedule.left = 1
    replies = ClusterPool(Closed()).replies(schedule, lambda job: {}, lambda job: None)
    with pytest.raises(CcsimError, match=r"went away \(the client is closed\)"):
        next(replies)


def test_a_client_that_closes_while_work_is_handed_out_is_told_alike() -> None:
    pool = ClusterPool(Closed())
    with pytest.raises(CcsimError, match=r"^cluster: the scheduler went away"):
        pool._send({}, deque())


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "nonsense", "tcp://", "http://127.0.0.1:1", "tcp://:x"]
)
def test_an_address_that_is_none_is_one_line(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccsim.experiment.study.cluster.CONNECT_S", 0.5)
    study = read_study(write(tmp_path))
    with pytest.raises(CcsimError, match=r"^cluster: no scheduler at ") as caught:
        run_study(study, out=tmp_path / "r", pool_of=cluster_pool(address))
    assert "\n" not in str(caught.value)
