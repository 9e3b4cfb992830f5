"""A part of a study that is not what was written is told, and its runs are computed anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ccsim.errors import ResultsError
from ccsim.experiment.integrity import check_study
from ccsim.experiment.study.folder import StudyFolder
from ccsim.experiment.study.sweep import _Session
from tests.study.study_rig import TINY, ccsim, digests, log, write

SMALL = TINY.replace("[2 Mbit/s, 5 Mbit/s]", "[2 Mbit/s]").replace("seeds: 2", "seeds: 1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with a study that was stopped before its end: it has a part a run."""
    folder = tmp_path_factory.mktemp("whole")
    write(folder, SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(_Session, "complete", _stopped)
        from ccsim.experiment.study.read import read_study
        from ccsim.experiment.study.sweep import run_study

        with pytest.raises(KeyboardInterrupt):
            run_study(read_study(folder / "tiny.yaml"), out=folder / "results", workers=1)
    return folder


def _stopped(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path / "results" / "tiny"


def parts(study: Path) -> list[Path]:
    return sorted((study / "parts").glob("*.parquet"))


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def test_each_part_has_a_seal_and_is_read(study: Path) -> None:
    assert len(parts(study)) == 2
    assert [part.with_suffix(".sha256").exists() for part in parts(study)] == [True, True]
    assert len(check_study(study)[1]["runs"]) == 2


@pytest.mark.parametrize("place", [4, 100, -5])
def test_a_flipped_bit_is_told_and_the_run_computed_anew(study: Path, place: int) -> None:
    """In the data, where DuckDB would not notice it, and in what it would fail at."""
    damaged = parts(study)[0]
    flip(damaged, place)
    with pytest.raises(ResultsError, match=f"study is damaged: parts/{damaged.name}: its SHA-256"):
        check_study(study)
    status, out, err = ccsim(study.parents[1], "sweep", "tiny.yaml", "--workers", "1")
    assert status == 0, err
    assert "2 runs, of which 1 were there" in out
    assert "1 file of finished runs had changed: those runs were computed anew" in out
    assert [x["part"] for x in log(study) if x["event"] == "damaged"] == [damaged.name]


def test_the_bytes_are_those_of_a_study_that_nobody_damaged(study: Path) -> None:
    folder = study.parents[1]
    for part in parts(study):
        part.write_bytes(part.read_bytes()[:-9])
    assert ccsim(folder, "sweep", "tiny.yaml", "--workers", "1")[0] == 0
    assert ccsim(folder, "sweep", "tiny.yaml", "--workers", "1", "--out", "again")[0] == 0
    assert digests(study) == digests(folder / "again" / "tiny")


def test_a_damaged_seal_is_as_bad_as_a_damaged_part(study: Path) -> None:
    seal = parts(study)[1].with_suffix(".sha256")
    seal.write_bytes(b"\xff" + seal.read_bytes()[1:])
    assert StudyFolder(study).drop_broken() == 1
    assert len(parts(study)) == 1


def test_a_part_of_an_earlier_version_has_no_seal_and_stays(study: Path) -> None:
    for part in parts(study):
        part.with_suffix(".sha256").unlink()
    assert StudyFolder(study).drop_broken() == 0
    assert len(StudyFolder(study).done()) == 2


def test_parts_that_become_one_leave_no_seal_behind(study: Path) -> None:
    folder = StudyFolder(study)
    folder.compact()
    (part,) = parts(study)
    assert part.name.startswith("part-00000-")
    assert [seal.stem for seal in (study / "parts").glob("*.sha256")] == [part.stem]
    part.unlink()
    with folder.locked():
        assert list((study / "parts").glob("*")) == []
