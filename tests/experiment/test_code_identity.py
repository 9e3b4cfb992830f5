"""The code's hash: what changes a run's id and what does not."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path

import pytest

import ccsim
from ccsim.experiment import code_identity as code
from ccsim.experiment.code_identity import code_sha256, files_sha256
from ccsim.experiment.store import run_id

CUBIC = {"flows": [{"congestion": "cubic"}], "objects": []}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three algorithm files that stand for the shipped ones."""
    folder = tmp_path / "algorithms"
    folder.mkdir()
    for name in ("cubic", "reno", "vegas"):
        (folder / f"{name}.py").write_text(name)
    monkeypatch.setattr(code, "algorithms_dir", lambda: folder)
    return folder


def package(folder: Path, text: str = "x = 1\n") -> Path:
    """Return a small package in a folder."""
    (folder / "sub").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "sub" / "a.py").write_text(text)
    return folder


def test_files_are_hashed_by_name_length_and_content(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.py").write_bytes(b"one")
    (tmp_path / "b" / "c.py").write_bytes(b"")
    expected = hashlib.sha256(b"a.py\x003\x00oneb/c.py\x000\x00").hexdigest()
    files = [tmp_path / "b" / "c.py", tmp_path / "a.py"]
    assert files_sha256(tmp_path, files) == expected


def test_a_changed_module_gives_another_hash(tmp_path: Path) -> None:
    one, other = package(tmp_path / "1"), package(tmp_path / "2", "x = 2\n")
    assert code_sha256(CUBIC, one) != code_sha256(CUBIC, other)


def test_a_renamed_module_gives_another_hash(tmp_path: Path) -> None:
    one, other = package(tmp_path / "1"), package(tmp_path / "2")
    (other / "sub" / "a.py").rename(other / "sub" / "b.py")
    assert code_sha256(CUBIC, one) != code_sha256(CUBIC, other)


def test_equal_files_elsewhere_give_the_same_hash(tmp_path: Path) -> None:
    one, other = package(tmp_path / "here"), package(tmp_path / "lib" / "there")
    assert code_sha256(CUBIC, one) == code_sha256(CUBIC, other)


def test_what_a_wheel_and_python_put_into_the_package_does_not_count(tmp_path: Path) -> None:
    one, other = package(tmp_path / "checkout"), package(tmp_path / "wheel")
    for folder in ("__pycache__", "algorithms", "scenarios"):
        (other / folder).mkdir()
        (other / folder / "x.py").write_text("y = 1\n")
    (other / "sub" / "a.pyc").write_text("compiled")
    assert code_sha256(CUBIC, one) == code_sha256(CUBIC, other)


@pytest.mark.parametrize(("edited", "same"), [("cubic", False), ("reno", False), ("vegas", True)])
def test_an_edited_algorithm_counts_where_it_is_used(
    shipped: Path, edited: str, same: bool
) -> None:
    before = run_id(CUBIC, 1)
    (shipped / f"{edited}.py").write_text("edited")
    assert (run_id(CUBIC, 1) == before) is same


def test_with_object_files_every_algorithm_counts(shipped: Path) -> None:
    mine = {**CUBIC, "objects": ["my_cc.py"]}
    before = run_id(mine, 1)
    (shipped / "vegas.py").write_text("edited")
    assert run_id(mine, 1) != before


def test_the_hash_of_the_real_package_is_a_matter_of_milliseconds_and_then_of_none() -> None:
    started = time.process_time()
    first = code_sha256(CUBIC)
    assert time.process_time() - started < 1
    started = time.process_time()
    assert code_sha256(CUBIC) == first
    assert time.process_time() - started < 0.1


def test_a_copy_of_the_real_package_has_its_hash(tmp_path: Path) -> None:
    copy = tmp_path / "ccsim"
    shutil.copytree(Path(ccsim.__file__).parent, copy)
    assert code_sha256(CUBIC, copy) == code_sha256(CUBIC)
