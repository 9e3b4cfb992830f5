"""A picture that does not fit on the disk is told as such, in whichever format."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ccsim.plot.canvas import RunFigure

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("kind", ["png", "pdf", "svg", "pgf"])
def test_a_full_disk_is_an_oserror_and_no_defect(kind: str) -> None:
    figure = RunFigure()
    figure.add_subplot().plot([1, 2])
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        figure.savefig(FULL, format=kind)


@pytest.mark.parametrize("kind", ["png", "pdf", "svg", "pgf"])
def test_a_file_of_a_picture_is_what_is_written_to_a_stream(kind: str, tmp_path: Path) -> None:
    figure = RunFigure()
    figure.add_subplot().plot([1, 2])
    file = tmp_path / f"picture.{kind}"
    figure.savefig(file, **({"format": kind} if kind == "pgf" else {}))
    begins = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml", "pgf": b"%"}
    assert file.read_bytes().startswith(begins[kind])
