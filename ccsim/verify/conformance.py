"""Replays of sequences that were recorded on a real kernel: every field of every step is
compared.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from ccsim.errors import RecordingError
from ccsim.files import from_json, read_bounded
from ccsim.verify.conformance_driver import OPERATIONS, RecordingDriver, Step

__all__ = ["ReplayResult", "replay_file", "replay_paths", "replay_steps"]

MAX_BYTES = 64 << 20
"""A recording is no larger than this; a device may have no end."""


@dataclass(frozen=True)
class ReplayResult:
    """How one recorded sequence compares: ``field`` is the first that differs at ``step`` (from
    0).
    """

    name: str
    agrees: bool
    steps: int
    step: int | None = None
    op: str = ""
    field: str = ""
    expected: Any = None
    got: Any = None


def replay_file(path: str | Path, profile: str = "linux") -> list[ReplayResult]:
    """Replay one recording (``.json``) or a bundle of them (``.jsonl``, ``.jsonl.gz``)."""
    return [replay_steps(steps, profile, name) for name, steps in _read(Path(path))]


def replay_paths(paths: list[str | Path], profile: str = "linux") -> Iterator[ReplayResult]:
    """Replay files and all recordings in folders, in the order of their names.

    Raises RecordingError for a path that does not exist, a folder without recordings, or a file
    that holds none.
    """
    for path in map(Path, paths):
        files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        if not files:
            raise RecordingError(f"{path}: expected recordings (*.json), got a folder without any")
        for file in files:
            yield from replay_file(file, profile)


def replay_steps(steps: list[Step], profile: str = "linux", name: str = "") -> ReplayResult:
    """Replay one sequence on a fresh kernel and report the first difference."""
    driver = RecordingDriver(profile)
    for number, step in enumerate(steps):
        try:
            got = driver.step(step["op"], step["args"])
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise RecordingError(
                f"{name}: step {number}: {step['op']} {step['args']}: {error!r}"
            ) from error
        for field, expected, actual in _differences(step["expect"], got):
            return ReplayResult(
                name, False, len(steps), number, step["op"], field, expected, actual
            )
    return ReplayResult(name, True, len(steps))


def _differences(expect: Step, got: Step) -> Iterator[tuple[str, Any, Any]]:
    """Yield the fields that differ, those of ``obs`` one by one."""
    for field, expected in expect.items():
        if field != "obs" and got.get(field) != expected:
            yield field, expected, got.get(field)
    for field, expected in expect["obs"].items():
        if got["obs"].get(field) != expected:
            yield field, expected, got["obs"].get(field)


def _read(path: Path) -> Iterator[tuple[str, list[Step]]]:
    """Yield the sequences of a file with their names; RecordingError if there is none."""
    try:
        data = read_bounded(path, MAX_BYTES)
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=BytesIO(data)) as stream:
                data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise RecordingError(f"{path}: expected at most {MAX_BYTES >> 20} MiB, got more")
        text = data.decode()
        if ".jsonl" in path.suffixes:
            lines = [line for line in text.splitlines() if line.strip()]
            if not lines:
                raise RecordingError(f"{path}: expected lines of name and steps, got none")
            for line in lines:
                bundled = from_json(line)
                yield bundled["name"], _check(path, bundled["steps"])
        else:
            yield str(path), _check(path, from_json(text))
    except RecordingError:
        raise
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: not a recording in JSON: {error}") from error
    except (KeyError, TypeError) as error:
        raise RecordingError(f"{path}: expected lines of name and steps, got {error!r}") from error


def _check(path: Path, steps: Any) -> list[Step]:
    """Check the shape: a list of {op, args, expect}, where expect holds errno and obs."""
    if not isinstance(steps, list) or not steps:
        raise RecordingError(f"{path}: expected a list of steps, got {type(steps).__name__}")
    for number, step in enumerate(steps):
        if (
            not isinstance(step, dict)
            or not {"op", "args", "expect"} <= set(step)
            or not isinstance(step["expect"], dict)
            or not {"errno", "obs"} <= set(step["expect"])
        ):
            raise RecordingError(
                f"{path}: step {number}: expected op, args and expect with errno and obs"
            )
        if step["op"] not in OPERATIONS:
            raise RecordingError(f"{path}: step {number}: there is no operation {step['op']!r}")
    return steps
