"""Files that somebody prepared: links are followed where a user names them and refused where ccsim
does, devices are written to."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from ccsim.errors import ResultsError
from ccsim.experiment.search.journal import Journal
from ccsim.experiment.study.folder import StudyFolder, is_held
from ccsim.experiment.study.tables import quoted
from ccsim.files import open_here, read_bounded, write_whole, written_whole
from ccsim.report.write import write_page


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_and_nothing_stays_beside(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(b"old and longer")
    write_whole(file, b"new", durable=True)
    assert (file.read_bytes(), names(tmp_path)) == (b"new", ["page.html"])


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(b"old")

    def write(aside: Path) -> None:
        aside.write_bytes(b"half")
        raise ValueError("half-written")

    with pytest.raises(ValueError, match="half-written"):
        written_whole(file, write)
    assert (file.read_bytes(), names(tmp_path)) == (b"old", ["page.html"])


@pytest.mark.parametrize("there", [True, False])
def test_a_link_that_a_user_names_is_written_through(tmp_path: Path, there: bool) -> None:
    (tmp_path / "far").mkdir()
    precious = tmp_path / "far" / "precious"
    if there:
        precious.write_bytes(b"keep")
    (tmp_path / "out.html").symlink_to(precious)
    write_page("new\n", tmp_path / "out.html")
    assert precious.read_bytes() == b"new\n"
    assert (tmp_path / "out.html").is_symlink()
    assert names(tmp_path / "far") == ["precious"]


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_page("page\n", tmp_path / "pipe")
    assert os.read(reader, 100) == b"page\n"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
# --- reading ---


def test_no_more_is_read_than_shows_that_it_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert read_bounded(tmp_path / "a", 10) == b"0123456789"
    assert read_bounded(tmp_path / "a", 3) == b"0123"
    assert read_bounded("/dev/zero", 5) == bytes(6)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_nobody_writes_to_is_empty_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_bounded(tmp_path / "pipe", 100) == b""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_to_its_end_however_slowly_it_comes(tmp_path: Path) -> None:
    ours, theirs = os.pipe()

    def write() -> None:
        for part in (b"ab", b"cd"):
            time.sleep(0.1)
            os.write(theirs, part)
        os.close(theirs)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_bounded(f"/dev/fd/{ours}", 100) == b"abcd"
    writer.join()
    os.close(ours)


@pytest.mark.parametrize(
    ("name", "kind"), [("absent", FileNotFoundError), (".", IsADirectoryError), ("a\0", ValueError)]
)
def test_what_cannot_be_read_is_an_error(tmp_path: Path, name: str, kind: type[Exception]) -> None:
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(kind):
        read_bounded(f"{tmp_path}/{name}", 1)
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) == descriptors


# --- writing ---


def test_a_full_device_is_an_error_and_stays_a_device(tmp_path: Path) -> None:
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(ResultsError, match="cannot write: No space left on device"):
        write_page("page\n", link)
    write_page("page\n", Path("/dev/null"))
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot write: Is a directory"):
        write_page("page\n", tmp_path)


def test_a_link_under_the_name_of_what_is_written_aside_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep")
    (tmp_path / f".tmp-{os.getpid()}-page.html").symlink_to(precious)
    write_whole(tmp_path / "page.html", b"new")
    assert precious.read_bytes() == b"keep"
    assert names(tmp_path) == ["page.html", "precious"]


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    file = tmp_path / "precious"
    file.write_bytes(b"keep")
    return file


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path, precious: Path) -> None:
    folder = StudyFolder(tmp_path / "st")
    folder.path.mkdir()
    (folder.path / ".lock").symlink_to(precious)
    with pytest.raises(ResultsError, match="Too many levels of symbolic links"), folder.locked():
        pass
    assert precious.read_bytes() == b"keep"
    assert not is_held(folder.path)


def test_a_log_that_is_a_link_is_refused(tmp_path: Path, precious: Path) -> None:
    folder = StudyFolder(tmp_path / "st")
    folder.path.mkdir()
    (folder.path / "log.jsonl").symlink_to(precious)
    with pytest.raises(ResultsError, match="Too many levels of symbolic links"):
        folder.log("start")
    assert precious.read_bytes() == b"keep"


def test_a_journal_that_is_a_link_is_refused(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "journal.jsonl").symlink_to(precious)
    with pytest.raises(ResultsError, match="Too many levels of symbolic links"):
        Journal(tmp_path / "journal.jsonl").add([({"x": 1.0}, 2.0)])
    assert precious.read_bytes() == b"keep"


def test_a_part_of_a_study_is_not_written_through_a_link(tmp_path: Path, precious: Path) -> None:
    folder = StudyFolder(tmp_path / "st")
    (folder.path / "parts").mkdir(parents=True)
    (folder.path / "parts" / ".tmp-abc.parquet").symlink_to(precious)
    folder.add("abc", {"status": "complete", "error": None, "metrics": None})
    assert precious.read_bytes() == b"keep"
    assert folder.done() == {"abc"}
    assert quoted('a"b') == '"a""b"'


def test_a_document_of_a_study_is_written_where_it_belongs(tmp_path: Path, precious: Path) -> None:
    folder = StudyFolder(tmp_path / "st")
    folder.path.mkdir()
    folder.write_json("plan.json", {"a": 1})
    assert (folder.path / "plan.json").read_text() == '{\n "a": 1\n}\n'


def test_what_is_opened_here_is_no_link(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "link").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links") as caught:
        open_here(tmp_path / "link", os.O_RDONLY)
    assert caught.value.errno == errno.ELOOP
    os.close(open_here(precious, os.O_RDONLY))
