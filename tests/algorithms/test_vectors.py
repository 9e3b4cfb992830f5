"""Every call recorded from Linux's reno, cubic and bbr agrees, and what differs is found."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccsim.cli import main
from ccsim.verify.cc_vectors import VectorError, load_algorithm, replay, vector_files

DATA = Path(__file__).parent / "data" / "linux"
CALLS = {"reno": 24_530, "cubic": 31_152, "bbr": 30_753}
FILES = {"reno": 19, "cubic": 23, "bbr": 22}
Edit = Callable[[list[dict[str, Any]]], object]


def altered(tmp_path: Path, edit: Edit, source: str = "reno/small") -> Path:
    """Return a copy of a recording with its lines (0: the header) changed."""
    with lzma.open(DATA / f"{source}.jsonl.xz", "rt") as file:
        lines = [json.loads(line) for line in file]
    edit(lines)
    path = tmp_path / "altered.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines)
    return path


@pytest.mark.parametrize("name", CALLS)
def test_every_recorded_call_agrees(name: str) -> None:
    ops = load_algorithm(name)
    results = [replay(path, ops) for path in vector_files([DATA / name])]
    assert [str(result.difference) for result in results if result.difference] == []
    assert len(results) == FILES[name]
    assert sum(result.agreed for result in results) == CALLS[name]


@pytest.mark.parametrize(
    ("field", "value"), [("cwnd", 12), ("cwnd_cnt", 3), ("ssthresh", 9), ("prior_cwnd", 1)]
)
def test_a_planted_difference_is_reported_with_its_place(
    tmp_path: Path, field: str, value: int
) -> None:
    path = altered(tmp_path, lambda lines: lines[2]["out"].update({field: value}))
    result = replay(path, load_algorithm("reno"))
    assert result.difference is not None
    got = {"cwnd": 11, "cwnd_cnt": 0, "ssthresh": 0x7FFFFFFF, "prior_cwnd": 0}[field]
    assert str(result.difference) == (
        f"{path}: call 2, cong_avoid: {field}: expected {value}, got {got}"
    )
    assert result.agreed == 1


def test_a_wrong_return_value_is_a_difference(tmp_path: Path) -> None:
    def edit(lines: list[dict[str, Any]]) -> None:
        line = next(line for line in lines if line.get("op") == "ssthresh")
        line["out"]["ret"] += 1

    difference = replay(altered(tmp_path, edit), load_algorithm("reno")).difference
    assert difference is not None
    assert (difference.op, difference.field) == ("ssthresh", "ret")


@pytest.mark.parametrize(
    ("edit", "expected", "got"),
    [
        (lambda line: line.pop("rand"), "no more draws", ["u32_below", 7]),
        (lambda line: line["rand"][0].__setitem__(1, 8), ["u32_below", 8], ["u32_below", 7]),
        (lambda line: line["rand"].append(["u8", 0, 1]), [["u8", 0, 1]], "draws left over"),
    ],
    ids=["missing", "another bound", "left over"],
)
def test_each_random_draw_must_be_the_recorded_one(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], expected: object, got: object
) -> None:
    path = altered(
        tmp_path, lambda lines: edit(next(line for line in lines if "rand" in line)), "bbr/clean"
    )
    difference = replay(path, load_algorithm("bbr")).difference
    assert difference is not None
    assert (difference.field, difference.expected, difference.got) == ("rand", expected, got)


def test_the_diagnostics_record_is_compared_too(tmp_path: Path) -> None:
    path = altered(tmp_path, lambda lines: lines[1]["info"].update(pacing_gain=739), "bbr/clean")
    difference = replay(path, load_algorithm("bbr")).difference
    assert difference is not None
    assert (difference.field, difference.expected, difference.got) == ("info.pacing_gain", 739, 0)


def test_module_parameters_of_the_recording_are_used(tmp_path: Path) -> None:
    path = altered(
        tmp_path, lambda lines: lines[0]["module_params"].update(beta=512), "cubic/clean"
    )
    difference = replay(path, load_algorithm("cubic")).difference
    assert difference is not None
    assert difference.op == "ssthresh"


def test_a_hook_that_raises_is_a_difference(tmp_path: Path) -> None:
    port = tmp_path / "broken.py"
    port.write_text(
        "from ccsim.kernel.ops import TcpCongestionOps\n"
        "def cong_avoid(sk, ack, acked):\n    raise ZeroDivisionError('by zero')\n"
        "broken = TcpCongestionOps(name='broken', cong_avoid=cong_avoid)\n"
    )
    result = replay(DATA / "reno" / "small.jsonl.xz", load_algorithm(str(port)))
    assert "exception: expected none, got ZeroDivisionError: by zero" in str(result.difference)


def test_a_recording_cut_off_between_two_calls_is_an_error(tmp_path: Path) -> None:
    path = altered(tmp_path, lambda lines: lines.pop())
    with pytest.raises(VectorError, match=r"truncated: expected \d+ calls, got \d+"):
        replay(path, load_algorithm("reno"))


def test_a_file_cut_off_anywhere_is_an_error(tmp_path: Path) -> None:
    whole = (DATA / "reno" / "small.jsonl.xz").read_bytes()
    path = tmp_path / "cut.jsonl.xz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VectorError, match="cannot be read after line"):
        replay(path, load_algorithm("reno"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: format: expected 'ccvec-1', got None"),
        ('{"format": "ccvec-2"}\n', "line 1: format: expected 'ccvec-1', got 'ccvec-2'"),
        ("cwnd\n", ":1: expected a JSON object"),
    ],
)
def test_a_file_that_is_no_recording_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(text)
    with pytest.raises(VectorError, match=message):
        replay(path, load_algorithm("reno"))


def test_a_call_that_lacks_its_clock_is_an_error(tmp_path: Path) -> None:
    path = altered(tmp_path, lambda lines: lines[3].pop("t_us"))
    with pytest.raises(VectorError, match="call 3: malformed: KeyError\\('t_us'\\)"):
        replay(path, load_algorithm("reno"))


def test_an_unknown_algorithm_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(VectorError, match=r"no algorithm 'cubik': .* did you mean 'cubic'\?"):
        load_algorithm("cubik")


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VectorError, match=r"expected files named \*\.jsonl\.gz"):
        vector_files([tmp_path])
    with pytest.raises(VectorError, match="got nothing"):
        vector_files([tmp_path / "none"])


def test_verify_prints_what_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "algorithm", "reno", str(DATA / "reno" / "small.jsonl.xz")]) == 0
    assert capsys.readouterr().out == "reno: 1 of 1 files agree, 1000 of 1000 calls\n"


def test_verify_prints_the_first_difference_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = altered(tmp_path, lambda lines: lines[2]["out"].update(cwnd=12))
    assert main(["verify", "algorithm", "reno", str(path)]) == 1
    assert capsys.readouterr().out == (
        f"{path}: call 2, cong_avoid: cwnd: expected 12, got 11\n"
        "reno: 0 of 1 files agree, 1 of 1000 calls\n"
    )


def test_verify_of_nothing_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "algorithm", "reno", "/nowhere"]) == 2
    assert "/nowhere: expected a vector file" in capsys.readouterr().err
