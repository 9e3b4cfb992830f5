"""Input without an end, or with nothing in it: told in one line, soon."""

from __future__ import annotations

import gzip
import json
import os
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


SCENARIO = """\
name: s
duration: 1 s
path: {rate: 5 Mbit/s, rtt: 20 ms}
flows: [{name: a, congestion: cubic}]
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "pipe:1:1: expected a mapping"),
        (SCENARIO + "objects: [pipe]\n", "objects.0: pipe: expected a table of operations"),
        (SCENARIO.replace("rate: 5 Mbit/s", "trace: pipe"), "path.trace: pipe: expected 1 to"),
    ],
)
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(
    tmp_path: Path, text: str, told: str, capsys: Output
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    assert main(["check", str(tmp_path / ("s.yaml" if text else "pipe"))]) == 2
    assert told in capsys.readouterr().err


def bomb() -> bytes:
    """Return 80 MiB of a line without an end, compressed to 80 KiB."""
    return gzip.compress(bytes(80 << 20), 6)


@pytest.mark.parametrize("subject", [["kernel"], ["qdisc"], ["bpf"], ["algorithm", "cubic"]])
@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl.gz", bomb(), "expected "),
        ("a.jsonl", b"[" * 100_000, "nested too deeply"),
        ("a.jsonl", b"9" * 5000, "4300 digits"),
        ("a.jsonl", b"\xff\xfe", "utf-8"),
        ("a.jsonl", b"{}\n\0", ""),
    ],
    ids=["bomb", "nested", "digits", "no text", "NUL"],
)
def test_a_recording_that_would_take_all_memory_or_all_patience_is_told_in_a_line(
    tmp_path: Path, subject: list[str], name: str, content: bytes, told: str, capsys: Output
) -> None:
    (tmp_path / name).write_bytes(content)
    assert main(["verify", *subject, str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(str(tmp_path / name))
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("subject", ["qdisc", "bpf"])
def test_a_line_without_an_end_is_told(tmp_path: Path, subject: str, capsys: Output) -> None:
    (tmp_path / "zero.jsonl").symlink_to(ZERO)
    assert main(["verify", subject, str(tmp_path / "zero.jsonl")]) == 2
    assert "expected lines of at most 16 MiB, got a longer one" in capsys.readouterr().err


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
