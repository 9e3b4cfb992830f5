"""``ccsim verify qdisc``: what it prints, its exit status, and recordings that are none."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccsim.cli import main

Output = pytest.CaptureFixture[str]
Recording = Callable[..., Path]
HEADER: dict[str, Any] = {
    "format": "qdisc-vectors/1",
    "qdisc": "fifo",
    "variant": "pfifo",
    "kind": "small",
    "HZ": 1000,
    "psched_mtu": 1514,
    "t0": 0,
    "params": {"limit": 1},
    "initial_state": {"qlen": 0, "backlog": 0, "limit": 1, "drops": 0},
}
CALLS: list[dict[str, Any]] = [
    {"t": 0, "op": "enq", "id": 1, "len": 100, "st": {"qlen": 1, "backlog": 100}},
    {"t": 5, "op": "enq", "id": 2, "len": 60, "ret": 1, "drop": [2], "st": {"drops": 1}},
    {"t": 9, "op": "deq", "id": 1, "st": {"qlen": 0, "backlog": 0}},
    {"t": 9, "op": "deq"},
]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Return a function that writes the small recording with some rows changed."""

    def write(
        changed: dict[int, dict[str, Any]] | None = None, name: str = "small.jsonl.gz"
    ) -> Path:
        rows = [{**row, **(changed or {}).get(k, {})} for k, row in enumerate([HEADER, *CALLS])]
        path = tmp_path / name
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
        return path

    return write


def test_a_recording_that_agrees_is_said_in_one_line(recording: Recording, capsys: Output) -> None:
    assert main(["verify", "qdisc", str(recording())]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "fifo/small: 4 calls agree",
        "1 of 1 recordings agree; 0 of 4 calls differ",
    ]


def test_a_folder_is_searched_for_recordings_of_qdiscs_alone(
    recording: Recording, capsys: Output
) -> None:
    folder = recording().parent
    (folder / "other.jsonl").write_text('{"format": "something else"}\n')
    (folder / "inner").mkdir()
    recording(name="inner/second.jsonl.gz")
    assert main(["verify", "qdisc", "--quiet", str(folder)]) == 0
    assert capsys.readouterr().out == "2 of 2 recordings agree; 0 of 8 calls differ\n"


def test_the_first_difference_is_said_in_full(recording: Recording, capsys: Output) -> None:
    path = recording({2: {"ret": 2}, 3: {"id": 7, "st": {"qlen": 3, "backlog": 0}}})
    assert main(["verify", "qdisc", str(path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "fifo/small: 4 calls, 3 differ",  # the last one since qlen stays 3 as recorded
        f"    first: {path}, line 3, t 5 ns, enq (id 2, len 60, ret 2, drop [2])",
        "      ret: recorded 2, here 1",
        "0 of 1 recordings agree; 3 of 4 calls differ",
    ]


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        (0, {"format": "x"}, ':1: expected format qdisc-vectors/1 or mmlink-vectors/1, got "x"'),
        (0, {"params": 3}, ":1: params: expected a mapping, got 3"),
        (0, {"HZ": "fast"}, ":1: HZ: expected a whole number"),
        (0, {"variant": "pfifi"}, 'got "pfifi"; did you mean "pfifo"?'),
        (0, {"params": {"limits": 3}}, 'expected one of its parameters (limit), got "limits"'),
        (0, {"params": {"limit": -1}}, "pfifo: limit: expected 0 to 4294967295 packets, got -1"),
        (
            2,
            {"op": "steal"},
            ":3: expected a recorded call, got expected enq, deq, timer or change",
        ),
        (2, {"len": "long"}, ':3: len: expected a whole number, got "long"'),
        (2, {"len": 0}, ":3: len: expected 1 to 2147483648, got 0"),
        (2, {"ecn": 4}, ":3: ecn: expected 0 to 3, got 4"),
        (2, {"rand": 3}, ":3: rand: expected a list, got 3"),
        (2, {"tcp": {"f": 1}}, ":3: expected a recorded call, got no 'ack'"),
    ],
)
def test_what_is_no_recording_is_an_error_with_its_place(
    row: int, change: dict[str, Any], message: str, recording: Recording, capsys: Output
) -> None:
    assert main(["verify", "qdisc", str(recording({row: change}))]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jsonl", "", "expected a header, got an empty file"),
        ("call.jsonl", '{"t": 0, "op": "deq"}\n', ":1: expected a header, got a call"),
        ("list.jsonl", "[1]\n", ":1: expected an object, got a list"),
        ("text.jsonl", "hello\n", ":1: expected JSON, got Expecting value"),
        ("plain.jsonl.gz", "{}\n", "expected recorded calls of a qdisc, got Not a gzipped file"),
        ("calls.csv", "{}\n", 'expected .jsonl.gz, .jsonl.xz, .jsonl, got "calls.csv"'),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(
    name: str, content: str, message: str, tmp_path: Path, capsys: Output
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert main(["verify", "qdisc", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_a_place_without_recordings_is_an_error(tmp_path: Path, capsys: Output) -> None:
    assert main(["verify", "qdisc", str(tmp_path / "none")]) == 2
    assert "got nothing there" in capsys.readouterr().err
    assert main(["verify", "qdisc", str(tmp_path)]) == 2
    assert "got a folder without" in capsys.readouterr().err


def test_recordings_of_mahimahis_link_are_replayed_but_for_its_own_aqms(
    tmp_path: Path, capsys: Output
) -> None:
    header: dict[str, Any] = {
        "format": "mmlink-vectors/1",
        "trace": "inline",
        "trace_ms": [2],
        "queue": "infinite",
        "args": "",
        "repeat": True,
        "end_ms": 9,
        "opportunities_used": 4,
    }
    calls: list[dict[str, Any]] = [
        {"id": 1, "t_ms": 2, "size": 1504, "out_ms": 4},
        {"drops_at_ms": []},
    ]
    rows = [header, *calls, {**header, "queue": "codel"}, *calls]
    rows += [{**header, "opportunities_used": 5}, {**calls[0], "out_ms": 6}, calls[1]]
    path = tmp_path / "links.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["verify", "qdisc", str(path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "link/inline, infinite: 1 calls agree",
        "link/inline, codel: not replayed, mahimahi's own AQMs are not modelled",
        "link/inline, infinite: 1 calls, 2 differ",
        f"    first: {path}, line 8 (id 1, t_ms 2, size 1504, out_ms 6)",
        "      out_ms: recorded 6, here 4",
        "1 of 2 recordings agree; 2 of 2 calls differ",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trace_ms": [0]}, "expected a trace whose last line is more than 0"),
        ({"queue": "red"}, "expected a queue (infinite, droptail, drophead), got 'red'"),
        ({"repeat": 1}, ":1: repeat: expected true or false, got 1"),
        ({"end_ms": None}, ":1: end_ms: expected a whole number, got null"),
    ],
)
def test_a_recording_of_a_link_that_cannot_be_read_is_an_error(
    change: dict[str, Any], message: str, tmp_path: Path, capsys: Output
) -> None:
    header: dict[str, Any] = {
        "format": "mmlink-vectors/1",
        "trace": "inline",
        "trace_ms": [2],
        "queue": "infinite",
        "args": "",
        "repeat": True,
        "end_ms": 9,
        "opportunities_used": 4,
        **change,
    }
    rows: list[dict[str, Any]] = [header, {"drops_at_ms": []}]
    path = tmp_path / "link.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["verify", "qdisc", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_a_recording_that_cannot_be_replayed_does_not_keep_others_from_it(
    recording: Recording, capsys: Output
) -> None:
    folder = recording(name="a.jsonl.gz").parent
    recording({0: {"params": {"limits": 1}}}, name="b.jsonl.gz")
    recording(name="c.jsonl.gz")
    assert main(["verify", "qdisc", "--quiet", str(folder)]) == 2
    seen = capsys.readouterr()
    assert seen.out == "2 of 3 recordings agree; 0 of 8 calls differ\n"
    assert f"{folder / 'b.jsonl.gz'}:1: " in seen.err
