"""The store: whole folders or none, replaced at once, and no name that leads out of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ccsim.errors import ResultsError
from ccsim.experiment.parquet import os_error
from ccsim.experiment.store import (
    explained,
    finish,
    folder_for,
    run_id,
    unfinished_folder,
    write_manifest,
)


def dead_pid() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_finished_folder_takes_its_place_and_nothing_else_stays(tmp_path: Path) -> None:
    final = tmp_path / "s" / "abc"
    with unfinished_folder(final) as folder:
        (folder / "a").write_text("1")
        assert not final.exists()
        finish(folder, final)
    assert names(tmp_path / "s") == ["abc"]
    assert (final / "a").read_text() == "1"


def test_a_finished_run_of_the_same_id_is_replaced(tmp_path: Path) -> None:
    final = tmp_path / "s" / "abc"
    for text in ("old", "new"):
        with unfinished_folder(final) as folder:
            (folder / text).write_text(text)
            finish(folder, final)
    assert names(final) == ["new"]
    assert names(tmp_path / "s") == ["abc"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_what_is_raised_leaves_nothing_half_written(
    tmp_path: Path, error: type[BaseException]
) -> None:
    final = tmp_path / "s" / "abc"
    final.mkdir(parents=True)
    (final / "old").write_text("")

    def interrupted() -> None:
        with unfinished_folder(final) as folder:
            (folder / "half").write_text("")
            raise error

    with pytest.raises(error):
        interrupted()
    assert names(tmp_path / "s") == ["abc"]
    assert names(final) == ["old"]


def test_two_of_the_same_id_at_once_do_not_meet(tmp_path: Path) -> None:
    final = tmp_path / "s" / "abc"
    with unfinished_folder(final) as one, unfinished_folder(final) as other:
        assert one != other
        (one / "a").write_text("one")
        (other / "a").write_text("other")
        finish(one, final)
        finish(other, final)
    assert (final / "a").read_text() == "other"


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    host = socket.gethostname()
    stale = tmp_path / "s" / f".tmp-abc-{host}-{dead_pid()}-0"
    (stale / "plots").mkdir(parents=True)
    living = tmp_path / "s" / f".tmp-abc-{host}-{os.getppid()}-0"
    living.mkdir()
    elsewhere = tmp_path / "s" / f".tmp-abc-not-{host}-{dead_pid()}-0"
    elsewhere.mkdir()
    with unfinished_folder(tmp_path / "s" / "other"):
        pass
    assert names(tmp_path / "s") == sorted([living.name, elsewhere.name])


def test_a_scenarios_folder_that_stays_empty_goes_too(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path / "s" / "abc"):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_folder_that_could_not_be_made_leaves_no_empty_one_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    final, mkdir = tmp_path / "s" / "abc", Path.mkdir

    def interrupted(self: Path, *args: Any, **options: Any) -> None:
        if self.name.startswith(".tmp-"):
            raise error
        mkdir(self, *args, **options)

    monkeypatch.setattr(Path, "mkdir", interrupted)
    raised = ResultsError if error is OSError else error
    with pytest.raises(raised), unfinished_folder(final):
        pass
    assert names(tmp_path) == []


def test_results_that_are_a_link_to_nowhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(tmp_path / "nowhere")
    with (
        pytest.raises(ResultsError, match="cannot write results: File exists"),
        unfinished_folder(tmp_path / "results" / "s" / "abc"),
    ):
        pass


def test_a_run_that_a_killed_process_was_replacing_comes_back(tmp_path: Path) -> None:
    old = tmp_path / "s" / f".old-abc-{socket.gethostname()}-{dead_pid()}-0"
    old.mkdir(parents=True)
    (old / "kept").write_text("")
    with unfinished_folder(tmp_path / "s" / "other"):
        pass
    assert names(tmp_path / "s" / "abc") == ["kept"]


def test_a_folder_below_a_file_is_refused_with_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ResultsError, match="cannot write results: Not a directory; choose another"),
        unfinished_folder(tmp_path / "file" / "s" / "abc"),
    ):
        pass


def test_an_error_of_the_simulation_is_not_taken_for_one_of_the_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match="my_cc"),
        unfinished_folder(tmp_path / "s" / "abc"),
    ):
        raise FileNotFoundError("my_cc.py")


def test_a_full_disk_is_a_results_error(tmp_path: Path) -> None:
    with (
        pytest.raises(ResultsError, match="No space left on device"),
        explained(tmp_path),
    ):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "..", ".", "", "a/b", "\0", "~"])
def test_no_name_leads_out_of_the_results(tmp_path: Path, name: str) -> None:
    folder = folder_for(tmp_path, name, name)
    assert folder.resolve().parent.parent == tmp_path.resolve()
    assert not folder.parent.name.startswith(".")


def test_the_run_id_is_short_stable_and_depends_on_scenario_and_seed() -> None:
    one = run_id({"a": 1, "b": 2}, 1)
    assert len(one) == 12
    assert int(one, 16) >= 0
    assert one == run_id({"b": 2, "a": 1}, 1)
    assert one != run_id({"a": 1, "b": 3}, 1)
    assert one != run_id({"a": 1, "b": 2}, 2)


def test_the_manifest_has_the_hash_of_every_file_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "twin-a").mkdir()
    (tmp_path / "twin-a" / "x").write_bytes(b"abc")
    manifest = write_manifest(tmp_path, status="complete")
    # SHA-256 of "abc", FIPS 180-4's example
    assert manifest["sha256"] == {
        "twin-a/x": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    }
    assert {"ccsim", "python", "numpy", "simpy", "duckdb"} <= set(manifest["versions"])
    assert write_manifest(tmp_path, status="complete") == manifest


def test_what_the_system_said_is_taken_out_of_a_message_that_wraps_it() -> None:
    wrapped = 'IO Error: Async write failed: {"exception_type":"IO","errno":"28"}'
    full = os_error(RuntimeError(wrapped))
    assert (full.errno, full.strerror) == (28, "No space left on device")
    plain = os_error(RuntimeError("IO Error: not a Parquet file"))
    assert (plain.errno, str(plain)) == (None, "IO Error: not a Parquet file")
