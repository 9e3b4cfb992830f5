"""Every recorded call of real objects on a real kernel, replayed in every form of execution."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from ccsim.bpf.recording import BpfRecordingError, recordings_in
from ccsim.bpf.replay import replay_recording
from ccsim.bpf.runtime import FORMS
from tests.bpf.bpf_rig import RECORDINGS, runtimes

CALLS = {
    "aimd_reorder": 3502,
    "aimd_timeouts": 2321,
    "aimd_update": 3284,
    "borrow_gso": 2913,
    "borrow_loss": 1126,
    "leaver_leaves": 959,
    "marks_ecn": 5986,
    "probe_rto": 720,
    "rate_steps": 13751,
    "spy_both": 8125,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name.split(".")[0])
def test_no_recorded_call_differs(path: Path, form: str) -> None:
    replayed = replay_recording(path, runtimes, form)
    assert (replayed.first, replayed.differences) == (None, 0)
    assert replayed.calls == CALLS[path.name.split(".")[0]]


def changed(tmp_path: Path, name: str, row: int, change: dict[str, object]) -> Path:
    """Write a copy of a recording, one line of which is another."""
    source = next(path for path in RECORDINGS if path.name.startswith(name))
    lines = lzma.decompress(source.read_bytes()).decode().splitlines()
    lines[row] = json.dumps(json.loads(lines[row]) | change)
    copy = tmp_path / "changed.jsonl"
    copy.write_text("\n".join(lines))
    return copy


@pytest.mark.parametrize(
    ("change", "what", "expected"),
    [
        ({"out": {"snd_cwnd": 12}}, "snd_cwnd", 12),
        ({"globals": {"one": [[32, "02"], [72, "01"], [128, "0b"]]}}, "globals.one", None),
        ({"priv": [[0, "05"]]}, "priv", None),
        ({"calls": [["bpf_tcp_send_ack", 1]]}, "calls", [["bpf_tcp_send_ack", 1]]),
    ],
)
def test_a_changed_line_is_a_difference_in_that_field(
    tmp_path: Path, change: dict[str, object], what: str, expected: object
) -> None:
    path = changed(tmp_path, "aimd_update", 7, change)
    replayed = replay_recording(path, runtimes, "interpreter")
    assert replayed.differences >= 1
    assert replayed.first is not None
    assert (replayed.first.what, replayed.first.call) == (what, 7)
    if expected is not None:
        assert replayed.first.expected == expected


def test_a_returned_value_that_differs_is_told(tmp_path: Path) -> None:
    path = changed(tmp_path, "rate_steps", 4, {"ret": 1})
    first = replay_recording(path, runtimes, "interpreter").first
    assert first is not None
    assert str(first).endswith("call 4, rate_min_tso_segs: ret: expected 1, got 2")


def test_a_truncated_recording_is_an_error(tmp_path: Path) -> None:
    source = next(path for path in RECORDINGS if path.name.startswith("probe"))
    copy = tmp_path / "short.jsonl"
    copy.write_text("\n".join(lzma.decompress(source.read_bytes()).decode().splitlines()[:100]))
    with pytest.raises(BpfRecordingError, match="truncated: expected 720 calls, got 99"):
        replay_recording(copy, runtimes, "interpreter")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("", "expected 'bpfvec-1', got None"), ("{}", "got None"), ("{", "expected a JSON object")],
)
def test_what_is_no_recording_is_told(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "none.jsonl"
    path.write_text(content)
    with pytest.raises(BpfRecordingError, match=sentence):
        replay_recording(path, runtimes, "interpreter")


def test_a_folder_without_recordings_is_told(tmp_path: Path) -> None:
    with pytest.raises(BpfRecordingError, match="expected files named"):
        recordings_in([tmp_path])
