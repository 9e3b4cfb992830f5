"""Algorithms of one's own that are wrong: who raised, in which line, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ccsim
import ccsim.sim
from ccsim.cli import main
from tests.cli.cli_rig import Output

MY_CC = """\
from ccsim.kernel import TcpCongestionOps


def ssthresh(sk):
    return max(sk.snd_cwnd // 2, 2)


def cong_avoid(sk, ack, acked):
    if sk.tcp_mstamp > 1_000_000:
        sk.snd_cwnd = 1 // 0


def undo_cwnd(sk):
    return sk.snd_cwnd


my_cc = TcpCongestionOps(
    name="my_cc", ssthresh=ssthresh, cong_avoid=cong_avoid, undo_cwnd=undo_cwnd
)
"""
MINE = """\
duration: 2 s
path: {rate: 2 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
objects: [my_cc.py]
flows: [{name: bulk, congestion: my_cc}]
"""


def test_an_algorithm_that_raises_mid_run_is_named_with_its_line_and_its_traces_kept(
    capsys: Output, folder: Path
) -> None:
    (folder / "my_cc.py").write_text(MY_CC)
    (folder / "mine.yaml").write_text(MINE)
    assert main(["run", "mine.yaml", "--no-plot"]) == 1
    assert "my_cc.py:10: ZeroDivisionError" in capsys.readouterr().err
    (place,) = (folder / "results" / "mine").iterdir()
    assert place.name.endswith(".failed")
    assert json.loads((place / "manifest.json").read_text())["status"] == "failed"
    # a second at 2 Mbit/s is at most 250,000 bytes, and the run ended in the second second
    assert 0 < ccsim.load_run(place).flows["bulk"].delivered_bytes[-1] < 260_000


HOOKS = MY_CC.split("my_cc = ", maxsplit=1)[0]  # 16 lines


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            'TcpCongestionOps(name="x", ssthresh=lambda: 2, cong_avoid=cong_avoid, '
            "undo_cwnd=undo_cwnd)",
            "EINVAL: ssthresh: expected a function of (sk)",
        ),
        (
            'TcpCongestionOps(name="reno", ssthresh=ssthresh, cong_avoid=cong_avoid, '
            "undo_cwnd=undo_cwnd)",
            "EEXIST: ",
        ),
    ],
    ids=["a signature", "a free name"],
)
def test_a_table_that_the_kernel_refuses_ends_with_2_and_is_named_with_its_line(
    table: str, said: str, capsys: Output, folder: Path
) -> None:
    (folder / "my_cc.py").write_text(f"{HOOKS}mine = {table}\n")
    (folder / "mine.yaml").write_text(MINE.replace("congestion: my_cc", "congestion: cubic"))
    assert main(["run", "mine.yaml", "--no-plot"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{folder / 'my_cc.py'}:17: {said}")
    assert len(err.splitlines()) == 1
    assert list((folder / "results").iterdir()) == []


@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            'TcpCongestionOps(name="x", ssthresh=ssthresh, cong_avoid=cong_avoid)',
            "EINVAL: x: required operation missing: undo_cwnd is not implemented",
        ),
        ('TcpCongestionOps(name="x")', "EINVAL: x: required operation missing: ssthresh, "),
    ],
    ids=["one operation", "all operations"],
)
def test_a_missing_operation_is_found_before_anything_runs(
    table: str, said: str, verb: str, capsys: Output, folder: Path
) -> None:
    (folder / "my_cc.py").write_text(f"{HOOKS}mine = {table}\n")
    (folder / "mine.yaml").write_text(MINE.replace("congestion: my_cc", "congestion: cubic"))
    assert main([verb, "mine.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"mine.yaml:3:11: objects.0: my_cc.py:17: {said}")
    assert len(err.splitlines()) == 1
    assert not (folder / "results").exists()


ZERO = """\
from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_ssthresh, tcp_reno_undo_cwnd

def cong_avoid(sk, ack, acked):
    sk.snd_cwnd = 20
    sk.ca_ops.undo_cwnd(sk)  # with nothing to undo

zero = TcpCongestionOps(
    name="zero", ssthresh=tcp_reno_ssthresh, undo_cwnd=tcp_reno_undo_cwnd, cong_avoid=cong_avoid
)
"""


def test_paranoid_ends_a_run_that_violates_an_invariant_and_keeps_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr("ccsim.sim.world.World.always_paranoid", False)
    (folder / "zero.py").write_text(ZERO)
    scenario = "duration: 1 s\npath: {rate: 20 Mbit/s, rtt: 40 ms}\nobjects: [zero.py]\n"
    (folder / "zero.yaml").write_text(scenario + "flows: [{name: a, congestion: zero}]\n")
    assert main(["run", "zero.yaml", "--no-plot"]) == 0
    capsys.readouterr()
    assert main(["run", "zero.yaml", "--no-plot", "--paranoid", "--out", "other"]) == 1
    said = capsys.readouterr()
    message = "invariant violated: zero: an undo crosses a swap: it has reduced nothing since init"
    assert (said.out, said.err.splitlines()[-1]) == ("", message)
    assert not list((folder / "other").glob("*/*"))
