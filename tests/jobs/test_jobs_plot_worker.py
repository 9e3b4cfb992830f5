"""The process that draws: the same bytes as drawing here, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import ccsim.spill
from ccsim.experiment import run_scenario
from ccsim.experiment.stored import StoredRun
from ccsim.jobs.plot_worker import PlotWorker, draw
from ccsim.scenario import parse_scenario

TEXT = """\
name: drawn
duration: 2 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: bulk, congestion: cubic}
swaps:
  - {at: 1 s, via: setsockopt, flows: [bulk], to: reno}
"""
FORMATS = ("png", "pdf")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A run of two seconds without pictures."""
    return run_scenario(
        parse_scenario(TEXT, "drawn.yaml"), out=tmp_path_factory.mktemp("r"), jobs=1
    )


@pytest.fixture
def plots(run: StoredRun) -> Iterator[Path]:
    """The folder of its pictures, empty before and after."""
    folder = run.path / "plots"
    yield folder
    for path in folder.glob("*"):
        path.unlink()


def drawn_here(run: StoredRun, plots: Path) -> dict[str, bytes]:
    draw(run, FORMATS)
    pictures = {path.name: path.read_bytes() for path in plots.iterdir()}
    for path in plots.iterdir():
        path.unlink()
    return pictures


def test_another_process_draws_the_same_bytes(run: StoredRun, plots: Path) -> None:
    expected = drawn_here(run, plots)
    with PlotWorker(FORMATS, 2) as drawing:
        assert drawing.ready
        drawing.begin(run)
        drawing.finish(run)
    assert {path.name: path.read_bytes() for path in plots.iterdir()} == expected
    assert sorted(expected) == ["run.pdf", "run.png"]


@pytest.mark.parametrize("when", ["before it is asked", "after it is asked"])
def test_where_the_process_is_killed_this_one_draws(run: StoredRun, plots: Path, when: str) -> None:
    with PlotWorker(FORMATS, 2) as drawing:
        worker = drawing._worker
        assert worker is not None
        if when == "before it is asked":
            worker.kill()
            worker.close()
        drawing.begin(run)
        worker.kill()
        drawing.finish(run)
    assert sorted(path.name for path in plots.iterdir()) == ["run.pdf", "run.png"]


def test_a_run_too_long_to_be_sent_is_drawn_here(
    run: StoredRun, plots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ccsim.spill, "SPILL_BYTES", 1000)
    with PlotWorker(("png",), 2) as drawing:
        drawing.begin(run)
        assert not list(plots.glob("*"))
        drawing.finish(run)
    assert [path.name for path in plots.iterdir()] == ["run.png"]


@pytest.mark.parametrize(("formats", "jobs"), [((), 2), (FORMATS, 1)])
def test_no_process_is_started_for_no_picture_or_where_only_one_job_may_run(
    run: StoredRun, plots: Path, formats: tuple[str, ...], jobs: int
) -> None:
    with PlotWorker(formats, jobs) as drawing:
        assert not drawing.ready
        drawing.begin(run)
        drawing.finish(run)
    assert len(list(plots.glob("*"))) == len(formats)
