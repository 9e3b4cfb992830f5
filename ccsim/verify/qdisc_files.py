"""Files of recorded calls of queueing disciplines: found, read, and checked for their form."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.errors import RecordingError
from ccsim.files import from_json, text_lines
from ccsim.units import show

__all__ = ["QdiscRecording", "qdisc_recordings", "read_recordings", "recording_error"]

CALLS, LINK = "qdisc-vectors/1", "mmlink-vectors/1"
_OPENERS: dict[str, Callable[..., Any]] = {
    ".jsonl.gz": gzip.open,
    ".jsonl.xz": lzma.open,
    ".jsonl": open,
}


@dataclass(frozen=True, slots=True)
class QdiscRecording:
    """One recording: its name, the file, the line of its header, the header and the calls."""

    name: str
    path: Path
    line: int
    header: dict[str, Any]
    calls: list[dict[str, Any]]

    @property
    def kind(self) -> str:
        """The qdisc's kind, by tc's name."""
        return str(self.header.get("variant") or self.header.get("qdisc"))

    @property
    def is_link(self) -> bool:
        """Whether this is a recording of mahimahi's link, not of a qdisc's calls."""
        return bool(self.header["format"] == LINK)


def recording_error(recording: QdiscRecording, calls: int, error: Exception) -> RecordingError:
    """Return the error of a call that cannot be made, with its place."""
    line = recording.line + calls
    what = f"no {error}" if isinstance(error, KeyError) else str(error)
    return RecordingError(f"{recording.path}:{line}: expected a recorded call, got {what}")


def qdisc_recordings(paths: Iterable[str]) -> Iterator[QdiscRecording]:
    """Read the recordings among files and folders; RecordingError if there is nothing."""
    for text in paths:
        path = Path(text)
        files = sorted(_inside(path)) if path.is_dir() else [path]
        if not path.exists() or not files:
            raise RecordingError(
                f"{text}: expected a recording NAME.jsonl.gz or a folder of them, "
                + ("got a folder without" if path.exists() else "got nothing there")
            )
        for file in files:
            yield from read_recordings(file)


def _inside(folder: Path) -> Iterator[Path]:
    """Return the recordings of qdiscs below a folder; other JSON lines may lie beside them."""
    for path in folder.rglob("*.jsonl*"):
        if _suffix(path) and _begins_well(path):
            yield path


def _suffix(path: Path) -> str:
    return next((suffix for suffix in _OPENERS if path.name.endswith(suffix)), "")


def _begins_well(path: Path) -> bool:
    with _OPENERS[_suffix(path)](path, "rt", encoding="utf-8") as file:
        head = file.read(4096)
    return CALLS in head or LINK in head


def read_recordings(path: Path) -> Iterator[QdiscRecording]:
    """Read a file, which may hold several recordings one after another."""
    suffix = _suffix(path)
    if not suffix:
        raise RecordingError(f"{path}: expected {', '.join(_OPENERS)}, got {show(path.name)}")
    found: QdiscRecording | None = None
    try:
        for number, text in enumerate(text_lines(path), 1):
            row = _row(path, number, text)
            if "format" in row:
                if found is not None:
                    yield found
                found = _begin(path, number, row, suffix)
            elif found is None:
                raise RecordingError(f"{path}:{number}: expected a header, got a call")
            else:
                _check(f"{path}:{number}", row, found)
                found.calls.append(row)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: expected recorded calls of a qdisc, got {error}") from error
    if found is None:
        raise RecordingError(f"{path}: expected a header, got an empty file")
    yield found


def _row(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        row = from_json(text)
    except ValueError as error:
        raise RecordingError(f"{path}:{number}: expected JSON, got {error}") from error
    if not isinstance(row, dict):
        raise RecordingError(f"{path}:{number}: expected an object, got {show(row)}")
    return row


def _begin(path: Path, number: int, header: dict[str, Any], suffix: str) -> QdiscRecording:
    """Begin a recording with its header."""
    if header["format"] not in _HEADERS:
        raise RecordingError(
            f"{path}:{number}: expected format {' or '.join(_HEADERS)}, "
            f"got {show(header['format'])}"
        )
    for key, kind in _HEADERS[header["format"]].items():
        value = header.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise RecordingError(
                f"{path}:{number}: {key}: expected {_WHAT[kind]}, got {show(value)}"
            )
    stem = path.name.removesuffix(suffix)
    if header["format"] == CALLS:
        name = f"{header['qdisc']}/{header.get('kind', stem)}"
    else:
        name = f"link/{header['trace']}, {header['queue']} {header['args']}".strip()
    return QdiscRecording(name, path, number, header, [])


def _check(place: str, call: dict[str, Any], recording: QdiscRecording) -> None:
    """Check the types of a call's fields; RecordingError if one is not what it must be."""
    required: tuple[str, ...] = ("t", "id", "len") if call.get("op") == "enq" else ("t",)
    if recording.is_link:
        required = ("id", "t_ms", "size") if "drops_at_ms" not in call else ()
    for key in required:
        if key not in call:
            raise RecordingError(f"{place}: expected a call with {key}, got none")
    for key, value in call.items():
        kind = _CALL.get(key, int)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise RecordingError(f"{place}: {key}: expected {_WHAT[kind]}, got {show(value)}")
        least, most = _RANGES.get(key, (0, _U64))
        if isinstance(value, int) and not least <= value <= most:
            raise RecordingError(f"{place}: {key}: expected {least} to {most}, got {value}")


_U64 = (1 << 64) - 1
_CALL: dict[str, type] = {
    "op": str,
    "rand": list,
    "drop": list,
    "st": dict,
    "params": dict,
    "tcp": dict,
    "drops_at_ms": list,
}
"""The types of a call's fields that are not whole numbers."""
_RANGES = {"ecn": (0, 3), "dscp": (0, 63), "len": (1, 1 << 31), "hash": (0, (1 << 32) - 1)}
_HEADERS: dict[str, dict[str, type]] = {
    CALLS: {
        "qdisc": str,
        "params": dict,
        "initial_state": dict,
        "t0": int,
        "HZ": int,
        "psched_mtu": int,
    },
    LINK: {
        "trace": str,
        "queue": str,
        "args": str,
        "repeat": bool,
        "end_ms": int,
        "opportunities_used": int,
    },
}
_WHAT = {
    bool: "true or false",
    str: "a text",
    dict: "a mapping",
    int: "a whole number",
    list: "a list",
}
