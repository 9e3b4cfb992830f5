"""The shell: sessions as text, what each command refuses, and the two verbs."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pytest

from ccsim.cli import kernel, verify_kernel
from ccsim.cli.shell import COMMANDS, Shell, ShellError
from ccsim.errors import CcsimError
from ccsim.kernel import Kernel, KernelError, ObjectFileError, errno_name

RENO = """from dataclasses import replace
from ccsim.kernel import TCP_RENO
mine = replace(TCP_RENO, name="mine")
"""
PACED = """from ccsim.kernel import TCP_RENO, TcpCongestionOps
def acked(sk, sample):
    sk.snd_ssthresh = max(sample.rtt_us, 2)
def control(sk, ack, flag, rs):
    sk.pacing_rate = sk.mss_cache * rs.delivered * 1_000_000 // rs.interval_us
    sk.snd_cwnd = 20 + sk.random.u32_below(1) + 0 * sk.random.u8() + 0 * sk.random.u32()
paced = TcpCongestionOps(name="mine", ssthresh=TCP_RENO.ssthresh, undo_cwnd=TCP_RENO.undo_cwnd,
    cong_control=control, pkts_acked=acked)
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "one.py").write_text(RENO)
    (tmp_path / "two.py").write_text(PACED)
    return Shell(Kernel(), lambda name: tmp_path / f"{name}.py")


def run(shell: Shell, script: str) -> list[str]:
    return [said for line in script.splitlines() if (said := shell.execute(line))]


def test_a_session_shows_a_link_update_reaching_new_connections_only(shell):
    said = run(
        shell,
        """
        # comments and empty lines say nothing

        open one
        open two
        load one
        load two
        attach mine L
        connect a mine
        update L paced
        connect b mine
        send a 15
        send b
        ss
        links
        maps
        setsockopt a mine
        ss
        """,
    )
    assert said == [
        "object one: maps mine (mine)",
        "object two: maps paced (mine)",
        "loaded mine",
        "loaded paced",
        "link L to mine",
        "15 ACKs served by mine, cwnd 25",
        "10 ACKs served by paced, cwnd 20",
        "State  Socket  Congestion  Served by  Window   ACKs\n"
        "ESTAB  a       mine        mine       cwnd:25  acks:15\n"
        "ESTAB  b       mine        paced      cwnd:20  acks:10",
        "id  link  map    held by\n1:  L     paced  1",
        "id  map    kind  state  refcnt  name\n"
        "1:  mine   link  READY  1       mine\n"
        "2:  paced  link  READY  2       mine",
        "State  Socket  Congestion  Served by  Window   ACKs\n"
        "ESTAB  a       mine        paced      cwnd:25  acks:15\n"
        "ESTAB  b       mine        paced      cwnd:20  acks:10",
    ]


def test_the_old_way_has_a_gap_and_a_line_that_must_fail_says_how(shell):
    said = run(
        shell,
        """
        open one
        open one again:
        flags one.mine none
        flags again.mine none
        load one
        load again
        register one.mine
        reregister one.mine again.mine
        unregister again.mine
        !connect a mine
        bpftool struct_ops list
        bpftool map show
        """,
    )
    assert said[4:] == [
        "in the gap: reno\nafterwards: reno mine",
        "ENOENT: no congestion control 'mine' is registered",
        "1: mine            tcp_congestion_ops\n2: mine            tcp_congestion_ops",
        "1: struct_ops  name mine  flags 0x0\n2: struct_ops  name mine  flags 0x0",
    ]
    assert shell.sockets == {}


def test_pins_listeners_namespaces_and_sysctls(shell):
    said = run(
        shell,
        """
        open one mine=cc
        load one
        attach mine
        pin mine cc_link
        fds
        bpftool link list
        listen srv cc
        close one
        destroy mine
        get cc_link L
        unpin cc_link
        detach L
        bpftool link list
        links
        accept srv c1
        netns add blue
        socket c2 blue
        sysctl net.ipv4.tcp_congestion_control blue
        sysctl net.ipv4.tcp_available_congestion_control
        !sysctl net.ipv4.tcp_congestion_control=cc
        sysctl net.ipv4.tcp_congestion_control=reno
        !sysctl net.ipv4.tcp_available_congestion_control=x
        !sysctl net.ipv4.ip_forward
        rcu
        ss
        close c2
        netns del blue
        bpftool prog list
        """,
    )
    assert said[3].splitlines()[-1].split() == ["/sys/fs/bpf/cc_link", "link", "1"]
    assert said[4:6] == ["1: struct_ops  map 1", "1: struct_ops  detached"]
    assert said[6].splitlines()[-1].split() == ["1:", "L", "detached", "1"]
    assert said[7:11] == [
        "net.ipv4.tcp_congestion_control = reno",
        "net.ipv4.tcp_available_congestion_control = reno",
        "ENOENT: no congestion control 'cc' is registered",
        "net.ipv4.tcp_congestion_control = reno",
    ]
    assert [text.startswith("ENOENT: sysctl: there is no") for text in said[11:13]] == [True, True]
    assert said[13].splitlines()[1:] == [
        "LISTEN  srv     cc          mine       cwnd:10  acks:0",
        "ESTAB   c1      cc          mine       cwnd:10  acks:0",
        "UNCONN  c2      reno        reno       cwnd:10  acks:0",
    ]
    assert said[14] == (
        "1: struct_ops  name tcp_reno_ssthre  tcp_congestion_ops.ssthresh\n"
        "2: struct_ops  name tcp_reno_undo_c  tcp_congestion_ops.undo_cwnd\n"
        "3: struct_ops  name tcp_reno_cong_a  tcp_congestion_ops.cong_avoid"
    )


def test_arrays_show_among_the_maps_of_bpftool(shell):
    shell.kernel.bpf(0, {"map_type": 2, "map_name": "arr"})
    assert shell.execute("bpftool map list") == "1: array  name arr  flags 0x0"


def test_help_lists_every_command_with_its_use(shell):
    lines = shell.execute("help").splitlines()
    assert len(lines) == len(COMMANDS) == 32
    assert shell.execute("help pin") == (
        "pin LINK PATH                     "
        "pin a link in the BPF file system, where it outlives its descriptor"
    )
    shell.execute("quit")
    assert shell.done


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("reboot", "reboot: there is no such command"),
        ("help reboot", "no such command"),
        ("load", "expected load OBJECT, got 0 arguments"),
        ("quit now", "expected quit"),
        ("load nothing", "no object of this name"),
        ("attach nothing", "expected the name of one map, got 0"),
        ("update L one", "there is no link of this name"),
        ("flags mine maybe", "expected link or none"),
        ("send a lots", "expected a number of acknowledgements up to 1000000, got 'lots'"),
        ("netns move x", "expected add or del"),
        ("bpftool cgroup list", "expected struct_ops|map|link|prog list"),
        ("open 'one", "No closing quotation"),
        ("!ss", "ss: expected to fail, but succeeded"),
        ("!", "there is no such command"),
    ],
)
def test_a_line_that_is_no_command_says_what_was_expected(shell, line, words):
    shell.execute("open one")
    with pytest.raises(ShellError) as caught:
        shell.execute(line)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("line", "errno"),
    [
        ("open one", "EEXIST"),
        ("attach mine", "EEXIST"),
        ("socket a", "EEXIST"),
        ("accept srv a", "EEXIST"),
        ("accept a b", "EINVAL"),
        ("setsockopt z mine", "EBADF"),
        ("setsockopt a nothing", "ENOENT"),
        ("connect b nothing", "ENOENT"),
        ("listen a", "EINVAL"),
        ("send srv", "ENOTCONN"),
        ("socket b red", "ENOENT"),
        ("close z", "EBADF"),
        ("unpin x", "ENOENT"),
        ("netns add init", "EEXIST"),
    ],
)
def test_a_command_that_fails_says_linuxs_errno(shell, line, errno):
    run(shell, "open one\nload one\nattach mine\nconnect a mine\nlisten srv")
    with pytest.raises(KernelError) as caught:
        shell.execute(line)
    assert errno_name(caught.value.number) == errno
    assert set(shell.sockets) == {"a", "srv"}


def test_a_link_that_was_freed_makes_room_for_its_name(shell):
    run(shell, "open one\nload one\nattach mine\ndestroy mine\nattach mine")
    assert shell.kernel.available() == ["reno", "mine"]


def test_files_that_cannot_be_opened_are_reported(shell):
    with pytest.raises(ObjectFileError, match=r"absent\.py: cannot be read"):
        shell.execute("open absent")
    with pytest.raises(ObjectFileError, match="expected a map of mine, got 'yours'"):
        shell.execute("open one yours=x")


# --- the verbs ---


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers()
    kernel.add_parser(verbs)
    subjects = verbs.add_parser("verify").add_subparsers()
    verify_kernel.add_parser(subjects)
    args = parser.parse_args(words)
    status: int = args.func(args)
    return status


BUNDLE = str(Path(__file__).parents[1] / "kernel" / "data" / "conformance.jsonl.gz")


def test_verify_counts_what_agrees(capsys):
    assert command("verify", "kernel", BUNDLE) == 0
    assert capsys.readouterr().out == ("131 of 131 sequences agree (2877 steps, profile linux)\n")


def test_verify_prints_the_first_difference_and_exits_with_1(tmp_path, capsys):
    obs = {"avail": "reno bbr cubic", "default": "cubic", "maps": {}, "links": {}, "conns": {}}
    steps = [{"op": "unpin", "args": ["P1"], "expect": {"errno": "ENOENT", "obs": obs}}]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(steps))
    assert command("verify", "kernel", str(path), "--profile", "v2") == 1
    assert capsys.readouterr().out == (
        f'{path}: step 0: unpin: default: expected "cubic", got "reno"\n'
        "0 of 1 sequences agree (1 steps, profile v2)\n"
    )
    with pytest.raises(CcsimError, match="cannot be read"):
        command("verify", "kernel", str(tmp_path / "absent.json"))


def test_a_script_is_echoed_and_ends_at_the_first_unexpected_error(tmp_path, capsys):
    script = tmp_path / "script"
    script.write_text("\n# two\nconnect a\n!connect a\nconnect a nothing_here\nss\n")
    assert command("kernel", str(script)) == 1
    said = capsys.readouterr()
    assert said.out == (
        "> # two\n> connect a\n> !connect a\n"
        "EISCONN: connect: the socket is connected or listens\n> connect a nothing_here\n"
    )
    assert said.err == f"{script}:5: ENOENT: no congestion control 'nothing_here' is registered\n"
    with pytest.raises(CcsimError, match="cannot be read"):
        command("kernel", str(tmp_path / "absent"))


def test_shipped_algorithms_are_opened_and_autoloaded_by_name(tmp_path, capsys):
    script = tmp_path / "script"
    script.write_text("open cubic cubic=cc\nload cubic\nattach cubic\nconnect a bbr\nquit\nss\n")
    assert command("kernel", str(script), "--profile", "v2") == 0
    assert "object cubic: maps cubic (cc)" in capsys.readouterr().out


class Terminal(io.StringIO):
    """Standard input that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_an_interactive_session_goes_on_after_errors(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("reboot\nsysctl net.ipv4.tcp_congestion_control\n"))
    assert command("kernel") == 0
    said = capsys.readouterr().out
    assert "reboot: there is no such command" in said
    assert "net.ipv4.tcp_congestion_control = reno" in said
    monkeypatch.setattr("sys.stdin", Terminal("rcu\nquit\nreboot\n"))
    assert command("kernel", "-") == 0
    assert "reboot" not in capsys.readouterr().out


def test_a_script_may_come_through_a_pipe(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("rcu\n"))
    assert command("kernel") == 0
    assert capsys.readouterr().out == "> rcu\n"
