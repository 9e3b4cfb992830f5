"""Input without an end, or with nothing in it: told in one line, soon."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.cli.shell import Shell, ShellError
from ccsim.kernel import Kernel

ZERO = Path("/dev/zero")
Output = pytest.CaptureFixture[str]
pytestmark = pytest.mark.skipif(not ZERO.exists(), reason="there is no /dev/zero")


@pytest.mark.parametrize(
    ("verb", "suffix", "told"),
    [
        (["check"], "yaml", "expected at most 256 KiB of YAML, got more"),
        (["check"], "py", "expected at most 1024 KiB, got more"),
        (["run"], "yaml", "expected at most 256 KiB of YAML, got more"),
        (["kernel"], "txt", "expected at most 1024 KiB, got more"),
        (["verify", "kernel"], "json", "expected at most 64 MiB, got more"),
    ],
)
def test_a_file_without_an_end_is_told(
    tmp_path: Path, verb: list[str], suffix: str, told: str, capsys: Output
) -> None:
    link = tmp_path / f"zero.{suffix}"
    link.symlink_to(ZERO)
    assert main([*verb, str(link)]) in (1, 2)
    said = capsys.readouterr()
    assert told in said.out + said.err


def script(folder: Path, text: str, capsys: Output) -> tuple[int, str]:
    (folder / "s.txt").write_text(text, encoding="utf-8")
    status = main(["kernel", str(folder / "s.txt")])
    return status, capsys.readouterr().err


def test_a_name_with_a_nul_is_no_file(tmp_path: Path, capsys: Output) -> None:
    status, said = script(tmp_path, "open re\0no\n", capsys)
    assert (status, said.count("\n")) == (1, 1)
    assert "cannot be read: embedded null byte" in said


def test_a_device_is_no_algorithm(tmp_path: Path, capsys: Output) -> None:
    status, said = script(tmp_path, "open /dev/zero\n", capsys)
    assert (status, said.count("\n")) == (1, 1)
    assert "/dev/zero: expected at most 1024 KiB, got more" in said


@pytest.mark.parametrize("acks", ["1000001", "9" * 20, "9" * 5000, "-1", "1e3", "²", "٣"])
def test_no_more_acknowledgements_are_sent_than_one_waits_for(acks: str) -> None:
    shell = Shell(Kernel())
    with pytest.raises(ShellError, match="expected a number of acknowledgements up to 1000000"):
        shell.execute(f"send a {acks}")


def test_a_hook_that_fails_in_the_shell_is_told_with_its_line(
    tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom ccsim.kernel import TCP_RENO\n"
        "def cong_avoid(sk, ack, acked):\n    1 / 0\n"
        'mine = replace(TCP_RENO, name="mine", cong_avoid=cong_avoid)\n',
        encoding="utf-8",
    )
    commands = f"open {tmp_path / 'mine.py'}\nload mine\nattach mine\n"
    commands += "socket a\nsetsockopt a mine\nconnect a\nsend a\n"
    status, said = script(tmp_path, commands, capsys)
    assert status == 1
    assert f"{tmp_path / 'mine.py'}:4: ZeroDivisionError: division by zero" in said


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", gzip.compress(b"", mtime=0), gzip.compress(b"\n", mtime=0)],
    ids=["empty", "blank", "empty archive", "blank archive"],
)
def test_a_recording_of_nothing_agrees_with_nothing(
    tmp_path: Path, content: bytes, capsys: Output
) -> None:
    name = "k.jsonl.gz" if content[:2] == b"\x1f\x8b" else "k.jsonl"
    (tmp_path / name).write_bytes(content)
    assert main(["verify", "kernel", str(tmp_path / name)]) == 2
    assert "expected lines of name and steps, got none" in capsys.readouterr().err


def test_a_damaged_archive_is_no_recording(tmp_path: Path, capsys: Output) -> None:
    archive = bytearray(gzip.compress(b'{"name": "a", "steps": []}\n' * 50))
    archive[len(archive) // 2] ^= 0xFF
    (tmp_path / "k.jsonl.gz").write_bytes(archive)
    assert main(["verify", "kernel", str(tmp_path / "k.jsonl.gz")]) == 2
    assert "k.jsonl.gz: " in capsys.readouterr().err


def test_recorded_calls_of_an_algorithm_must_be_some(tmp_path: Path, capsys: Output) -> None:
    header = {"format": "cc-vectors 1", "algorithm": "reno", "kind": "x", "calls": 0}
    (tmp_path / "v.jsonl").write_text(json.dumps(header) + "\n", encoding="utf-8")
    assert main(["verify", "algorithm", "reno", str(tmp_path / "v.jsonl")]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("what", ["episode", "trace"])
@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"name": "x", "script": ""}'])
def test_a_recording_of_another_shape_is_told(
    tmp_path: Path, what: str, text: str, capsys: Output
) -> None:
    (tmp_path / "e.json").write_text(text, encoding="utf-8")
    assert main(["verify", what, str(tmp_path / "e.json")]) == 2
    assert "e.json: expected a recorded" in capsys.readouterr().err


@pytest.mark.parametrize("bug", ["os._exit(0)", "sys.exit(0)", "raise SystemExit"])
def test_an_algorithm_file_that_ends_the_process_has_a_finding(
    tmp_path: Path, bug: str, capsys: Output
) -> None:
    (tmp_path / "l.py").write_text(f"import os, sys\n{bug}\n", encoding="utf-8")
    assert main(["check", str(tmp_path / "l.py")]) == 1
    assert "l.py:2: executing the file raised SystemExit" in capsys.readouterr().out
