"""The kernel's shell at a terminal: completion, Ctrl-C, history; and what bpftool does in it."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ccsim.catalog import algorithm_files
from ccsim.cli.kernel import _request_module
from ccsim.cli.shell import COMMANDS, Shell, ShellError
from ccsim.cli.shell_session import completions, history_file, interactive
from ccsim.kernel import Kernel, KernelError
from tests.cli.cli_rig import ROOT, Output


@pytest.fixture
def shell() -> Shell:
    """A shell in which cubic is loaded and linked, and bbr is open under its name."""
    made = Shell(
        Kernel(request_module=_request_module),
        lambda name: algorithm_files().get(name, Path(name)),
    )
    for line in (
        "open cubic",
        "load cubic",
        "attach cubic fleet",
        "open bbr bbr=cubic",
        "socket a",
    ):
        made.execute(line)
    return made


# --- completion ---


@pytest.mark.parametrize(
    ("before", "word", "expected"),
    [
        ("", "un", ["unpin", "unregister"]),
        ("", "!un", ["!unpin", "!unregister"]),
        ("update ", "", ["fleet"]),
        ("update fleet ", "", ["bbr", "cubic"]),
        ("update fleet bbr ", "-", ["--old"]),
        ("update fleet bbr --old ", "c", ["cubic"]),
        ("setsockopt ", "", ["a"]),
        ("setsockopt a ", "re", ["reno"]),
        ("open ", "cub", ["cubic"]),
        ("load ", "", ["bbr", "cubic"]),
        ("flags bbr ", "", ["link", "none"]),
        ("socket b ", "", ["init"]),
        ("sysctl ", "net.ipv4.tcp_c", ["net.ipv4.tcp_congestion_control"]),
        ("bpftool ", "", ["link", "map", "prog", "struct_ops"]),
        ("bpftool struct_ops ", "", ["dump", "list", "register", "unregister"]),
        ("bpftool struct_ops dump ", "", ["id", "name"]),
        ("bpftool struct_ops dump name ", "", ["cubic"]),
        ("help ", "reg", ["register"]),
        ("quit ", "", []),
        ("nonsense ", "", []),
    ],
)
def test_what_may_come_next_is_offered(
    before: str, word: str, expected: list[str], shell: Shell
) -> None:
    assert completions(shell, before, word) == expected


def test_a_users_files_and_folders_are_offered_after_open(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    (tmp_path / "mine.txt").touch()
    (tmp_path / "minerals").mkdir()
    assert completions(shell, "open ", "min") == ["mine.py", "minerals/"]
    assert completions(shell, "open ", "nowhere/x") == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_completion_of_any_command_raises_nothing(name: str, shell: Shell) -> None:
    for more in ("", "a ", "a b ", "a b c d e "):
        completions(shell, f"{name} {more}", "")


# --- suggestions ---


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sokcet b", "sokcet: there is no such command; did you mean 'socket'?"),
        ("help regster", "regster: there is no such command; did you mean 'register'?"),
        ("load cubci", "cubci: there is no object of this name; did you mean 'cubic'?"),
        ("detach feet", "feet: there is no link of this name; did you mean 'fleet'?"),
        ("attach bbrr", "bbrr: expected the name of one map, got 0 of them; did you mean 'bbr'?"),
        ("socket b inti", "no network namespace 'inti'; did you mean 'init'?"),
    ],
)
def test_an_unknown_name_gets_the_nearest(line: str, said: str, shell: Shell) -> None:
    with pytest.raises((ShellError, KernelError)) as caught:
        shell.execute(line)
    assert str(caught.value).endswith(said)


# --- update --old ---


def test_update_with_old_replaces_that_map_and_no_other(shell: Shell) -> None:
    shell.execute("load bbr")
    assert "EPERM" in shell.execute("!update fleet bbr --old bbr")
    assert shell.kernel.available() == ["reno", "cubic"]
    shell.execute("update fleet bbr --old cubic")
    assert "bbr" in shell.execute("links")
    assert "EPERM" in shell.execute("!update fleet cubic --old cubic")


@pytest.mark.parametrize(
    "line", ["update fleet bbr --old", "update fleet bbr cubic", "update fleet"]
)
def test_update_with_half_an_option_is_refused(line: str, shell: Shell) -> None:
    shell.execute("load bbr")
    with pytest.raises(ShellError, match="update: expected"):
        shell.execute(line)


# --- bpftool struct_ops ---


def test_register_with_a_folder_pins_the_link_which_outlives_the_tool(shell: Shell) -> None:
    before = shell.kernel.fds.items()
    said = shell.execute("bpftool struct_ops register vegas /sys/fs/bpf")
    assert said == "Registered tcp_congestion_ops vegas map id 2 link id 2"
    assert list(shell.kernel.fds.items()) == list(before)  # the tool has gone
    assert shell.kernel.available() == ["reno", "cubic", "vegas"]
    shell.execute("unpin /sys/fs/bpf/vegas")
    assert shell.kernel.available() == ["reno", "cubic"]


def test_register_without_a_folder_lets_the_name_go_with_the_tool(shell: Shell) -> None:
    said = shell.execute("bpftool struct_ops register vegas")
    assert said.endswith("not pinned: the name went with the tool; give a LINK_DIR")
    assert shell.kernel.available() == ["reno", "cubic"]


def test_a_map_without_a_link_stays_registered_until_unregister(shell: Shell) -> None:
    shell.execute("open vegas")
    shell.execute("flags vegas none")
    said = shell.execute("bpftool struct_ops register vegas")
    assert said == "Registered tcp_congestion_ops vegas id 2"
    assert shell.kernel.available() == ["reno", "cubic", "vegas"]
    said = shell.execute("bpftool struct_ops unregister name vegas")
    assert said == "Unregistered tcp_congestion_ops vegas id 2"
    assert shell.kernel.available() == ["reno", "cubic"]


def test_what_a_link_registered_cannot_be_unregistered_by_its_map(shell: Shell) -> None:
    before = list(shell.kernel.fds.items())
    assert "EOPNOTSUPP" in shell.execute("!bpftool struct_ops unregister name cubic")
    assert list(shell.kernel.fds.items()) == before


def test_a_name_that_is_taken_leaves_nothing_behind(shell: Shell) -> None:
    before = list(shell.kernel.fds.items())
    assert "EEXIST" in shell.execute("!bpftool struct_ops register cubic /sys/fs/bpf")
    assert list(shell.kernel.fds.items()) == before
    assert len(list(shell.kernel.map_ids.living())) == 1


def test_dump_tells_state_references_and_programs(shell: Shell) -> None:
    shell.execute("connect b cubic")
    info, value = json.loads(shell.execute("bpftool struct_ops dump id 1"))
    assert info == {"bpf_map_info": {"type": "struct_ops", "id": 1, "name": "cubic"}}
    (ops,) = value.values()
    assert (ops["refcnt"], ops["state"]) == (2, "BPF_STRUCT_OPS_STATE_READY")  # the link, b
    assert ops["data"]["name"] == "cubic"
    assert ops["data"]["cong_avoid"].startswith("prog ")
    assert ops["data"]["module parameters"]["beta"] == 717


@pytest.mark.parametrize("words", ["name nosuch", "id 99", "id", "cubic", ""])
def test_a_map_that_is_none_is_told_those_there_are(words: str, shell: Shell) -> None:
    said = shell.execute(f"!bpftool struct_ops unregister {words}")
    assert said.startswith("ENOENT: expected id N or name NAME of a struct_ops map")
    assert said.endswith("there: id 1 name cubic")


@pytest.mark.parametrize(
    "line", ["bpftool map dump", "bpftool struct_ops frob", "bpftool struct_ops register"]
)
def test_what_bpftool_has_not_is_refused(line: str, shell: Shell) -> None:
    with pytest.raises(ShellError, match="bpftool"):
        shell.execute(line)


# --- the session ---


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str | type[BaseException]) -> None:
    given: Iterator[str | type[BaseException]] = iter(lines)

    def read(prompt: str) -> str:
        line = next(given, EOFError)
        if isinstance(line, str):
            return line
        raise line

    monkeypatch.setattr("builtins.input", read)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep histories out of the home of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_ctrl_c_drops_the_line_and_the_session_goes_on(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    typed(monkeypatch, KeyboardInterrupt, "maps", "nonsense", KeyboardInterrupt, "quit")
    assert interactive(shell) == 0
    out = capsys.readouterr().out
    assert out.count("interrupted; quit or Ctrl-D leaves") == 2
    assert "cubic" in out
    assert "nonsense: there is no such command" in out


def test_ctrl_c_stops_a_command_and_not_the_session(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def interrupted(self: Shell) -> str:
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "ss", (interrupted, ""))
    typed(monkeypatch, "ss", "quit")
    assert interactive(shell) == 0
    assert "interrupted" in capsys.readouterr().out


def test_a_terminal_edits_completes_survives_ctrl_c_and_keeps_its_history(state: Path) -> None:
    pytest.importorskip("readline")
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ccsim", "kernel"],
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # its terminal: Ctrl-C
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "XDG_STATE_HOME": str(state)},
    )
    os.close(other)
    try:
        told = _read_until(main, "> ")
        os.write(main, b"open cub\t\n")
        told += _read_until(main, "\n> ")  # a line is edited from now on
        os.write(main, b"half a line")
        told += _read_until(main, "half a line")
        told += _interrupted(main)
        os.write(main, b"sokcet\nquit\n")
        told += _read_until(main, "did you mean 'socket'?")
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        os.close(main)
    assert "object cubic" in told
    assert "maps cubic" in told
    assert history_file().read_text().split("\n")[-4:-1] == ["open cubic ", "sokcet", "quit"]


def _interrupted(fd: int) -> str:
    """Press Ctrl-C as a person does, again if nothing comes of it: a signal that comes just before
    Python waits for a key waits with it (CPython's `readline_until_enter_or_signal`)."""
    for _ in range(9):
        os.write(fd, b"\x03")
        with suppress(AssertionError):
            return _read_until(fd, "interrupted", within_s=3)
    raise AssertionError("Ctrl-C was not heard")


def _read_until(fd: int, wanted: str, within_s: float = 30) -> str:
    text, end = "", time.monotonic() + within_s
    while wanted not in text:
        assert time.monotonic() < end, f"expected {wanted!r}, got {text!r}"
        if select.select([fd], [], [], 1)[0]:
            try:
                text += os.read(fd, 4096).decode(errors="replace")
            except OSError as error:  # the other end is closed
                raise AssertionError(f"expected {wanted!r}, got {text!r}") from error
    return text
