"""A session in the shell of the emulated kernel whose hook hangs in C: it is named, and ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ccsim.jobs.stuck import can_watch

ROOT = Path(__file__).resolve().parents[2]
ALGORITHM = """\
import collections
import itertools
from dataclasses import replace
from ccsim.kernel import TCP_RENO
BEGIN
def cong_avoid(sk, ack, acked):
    LOOP
mine = replace(TCP_RENO, name="mine", cong_avoid=cong_avoid)
"""
SESSION = "open mine.py\nload mine\nattach mine\nconnect a mine\nsend a\nss\n"
LOOP = "collections.deque(itertools.repeat(0), maxlen=0)"
TOLD = "has not returned within 0.3 s of CPU (--hook-timeout)"
pytestmark = pytest.mark.skipif(not can_watch(), reason="needs Linux")


def session(
    folder: Path, loop: str = "pass", begin: str = "", timeout: str = "0.3"
) -> subprocess.Popen[str]:
    """Start a shell whose commands come through a pipe."""
    text = ALGORITHM.replace("LOOP", loop).replace("BEGIN", begin)
    (folder / "mine.py").write_text(text, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "ccsim", "kernel", "--hook-timeout", timeout],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("loop", [LOOP, "sum(itertools.repeat(0))"])
def test_a_hook_that_hangs_in_c_is_named_and_ends_the_session(tmp_path: Path, loop: str) -> None:
    process = session(tmp_path, loop)
    said, told = process.communicate(SESSION, timeout=60)
    assert told == f"mine.py:7: cong_avoid {TOLD}\n"
    assert said.endswith("> connect a mine\n> send a\n")
    assert process.returncode == 1


def test_one_that_hangs_in_python_is_named_with_the_line_of_the_script(tmp_path: Path) -> None:
    process = session(tmp_path, "while True: pass")
    told = process.communicate(SESSION, timeout=60)[1]
    assert (told, process.returncode) == (f"-:5: mine.py:7: cong_avoid {TOLD}\n", 1)


def test_a_file_that_hangs_while_it_is_opened_is_named(tmp_path: Path) -> None:
    process = session(tmp_path, begin=LOOP)
    told = process.communicate(SESSION, timeout=60)[1]
    assert (told, process.returncode) == (f"mine.py:5: <module> {TOLD}\n", 1)


def test_a_session_that_computes_for_long_but_comes_back_goes_on(tmp_path: Path) -> None:
    """Half a second of 10 ms each: longer than one hook may take."""
    process = session(tmp_path, "collections.deque(itertools.repeat(0, 1_000_000), maxlen=0)")
    said, told = process.communicate(SESSION.replace("send a", "send a 60"), timeout=60)
    assert (told, process.returncode) == ("", 0)
    assert "60 ACKs served by mine" in said


def test_who_looks_on_ends_with_the_session_however_that_ends(tmp_path: Path) -> None:
    process = session(tmp_path, LOOP, timeout="60")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(SESSION)
    process.stdin.close()
    process.stdin = None
    while process.stdout.readline() != "> send a\n":
        pass
    process.kill()
    assert process.communicate(timeout=10) == ("", "")  # at whose end nobody has them open
