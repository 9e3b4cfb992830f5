"""Recordings of every call of real BPF congestion controls on a real kernel (format bpfvec-1).

A recording is JSON lines, compressed with gzip or xz: a header, then one line a call with what the
kernel changed on the socket before it, its arguments, what helpers answered, and all that the
program changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ccsim.errors import CcsimError
from ccsim.files import json_lines

__all__ = ["BpfRecordingError", "Line", "read_recording", "recordings_in"]

FORMAT = "bpfvec-1"
SUFFIXES = (".jsonl.gz", ".jsonl.xz", ".jsonl")
Line = dict[str, Any]


class BpfRecordingError(CcsimError, ValueError):
    """A file that is no complete bpfvec-1 recording."""


def recordings_in(paths: list[str | Path]) -> list[Path]:
    """Return the recordings that ``paths`` name, folders searched in depth, in order."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise BpfRecordingError(f"{path}: expected a recording or a folder, got nothing")
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.name.endswith(SUFFIXES))
        if not inside:
            raise BpfRecordingError(f"{path}: expected files named *{', *'.join(SUFFIXES)}")
        found += inside
    return found


def read_recording(path: Path) -> tuple[Line, Iterator[Line]]:
    """Return a recording's header and its calls; BpfRecordingError if it is none."""
    lines = json_lines(path, BpfRecordingError)
    header = next(lines, None)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        got = header.get("format") if isinstance(header, dict) else header
        raise BpfRecordingError(f"{path}:1: format: expected {FORMAT!r}, got {got!r}")
    missing = {"objects", "tables", "calls", "HZ"} - set(header)
    if missing:
        raise BpfRecordingError(f"{path}:1: expected {', '.join(sorted(missing))}")
    return header, lines
