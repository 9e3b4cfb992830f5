"""Algorithm files under torture: shipped ones pass, and each planted fault is found where it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ccsim.catalog import algorithms_dir
from ccsim.kernel import load_tables
from ccsim.kernel.ops import CaState
from ccsim.verify.torture import AlgorithmReport, Finding, check_algorithm
from ccsim.verify.torture import rig as rigs
from ccsim.verify.torture.episodes import EPISODES
from ccsim.verify.torture.probe import Probe
from ccsim.verify.torture.report import RULES
from ccsim.verify.torture.shared import shared_parts
from tests.verify.torture_rig import GOOD, LINES, line, only

SHIPPED = sorted(path.stem for path in algorithms_dir().glob("[!_]*.py"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_algorithm_passes(name: str) -> None:
    report = check_algorithm(algorithms_dir() / f"{name}.py")
    assert report.ok, report.text()
    assert report.episodes == len(EPISODES) + 3
    assert report.calls > 1000


def test_the_file_that_faults_are_planted_in_is_good(check: Callable[..., AlgorithmReport]) -> None:
    report = check()
    assert report.ok, report.text()
    assert report.algorithms == ["good"]


COUNTS = "    sk.snd_cwnd_cnt += acked"
GROWS = "        sk.snd_cwnd += 1"
FALLS = "    return max(sk.snd_cwnd // 2, 2)"
INIT = "    sk.ca.losses = 0"
PLANTED = {
    "cwnd of 0": ("cwnd", "cong_avoid", (GROWS, "        sk.snd_cwnd = 0")),
    "cwnd below 0": ("cwnd", "init", (INIT, "    sk.snd_cwnd -= 100")),
    "cwnd of 2**32": ("cwnd", "cong_avoid", (GROWS, "        sk.snd_cwnd = 1 << 32")),
    "a count below 0": ("cwnd", "cong_avoid", (GROWS, "        sk.snd_cwnd_cnt = -1")),
    "undo to 0": ("cwnd", "undo_cwnd", ("max(sk.snd_cwnd, sk.prior_cwnd)", "0")),
    "ssthresh of 1": ("ssthresh", "ssthresh", (FALLS, "    return 1")),
    "ssthresh of 2**32": ("ssthresh", "ssthresh", (FALLS, "    return 1 << 32")),
    "ssthresh written as 0": ("ssthresh", "init", (INIT, "    sk.snd_ssthresh = 0")),
    "pacing of 0": ("pacing", "init", (INIT, "    sk.pacing_rate = 0")),
    "a fraction of a packet": ("integer", "cong_avoid", ("snd_cwnd += 1", "snd_cwnd += 0.5")),
    "half a window": ("integer", "ssthresh", (FALLS, "    return max(sk.snd_cwnd / 2, 2)")),
    "no result": ("integer", "ssthresh", (FALLS, "    pass")),
    "a truth value": ("integer", "undo_cwnd", ("max(sk.snd_cwnd, sk.prior_cwnd)", "True")),
    "a pacing rate of NaN": ("integer", "init", (INIT, "    sk.pacing_rate = float('nan')")),
    "the host's RTT": ("host", "cong_avoid", (GROWS, "        setattr(sk, 'srtt_us', 0)")),
    "the host's state": (
        "host",
        "set_state",
        ("    pass", "    setattr(sk, 'ca_state', new_state)"),
    ),
    "a field of the host": ("load", "cong_avoid", (GROWS, "        sk.srtt_us = 0")),
    "a field that is not kept": ("load", "init", (INIT, "    sk.ca.losses = sk.rate_delivered")),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_found_in_its_hook(
    planted: str, check: Callable[..., AlgorithmReport]
) -> None:
    rule, hook, replacement = PLANTED[planted]
    found = only(check(replacement))
    assert (found.rule, found.hook) == (rule, hook)
    definition = next(text for text in LINES if text.startswith(f"def {hook}("))
    assert found.place.endswith(f"good.py:{line(definition)}")


RAISING = {
    "an ACK of nothing": (COUNTS, "    sk.snd_cwnd_cnt += acked // acked"),
    "an ACK of 10,000": (COUNTS, "    sk.snd_cwnd_cnt += [*range(9000)][acked]"),
    "a swap in the middle of a life": (INIT, "    assert sk.snd_cwnd == 10"),
    "a state it does not expect": ("    pass", "    assert new_state != 4"),
    "no RTT sample": ("[sample.rtt_us]", "[1 // (sample.rtt_us + 1)]"),
}


@pytest.mark.parametrize("planted", RAISING)
def test_what_a_hook_raises_is_told_with_the_authors_line(
    planted: str, check: Callable[..., AlgorithmReport]
) -> None:
    old, new = RAISING[planted]
    found = only(check((old, new)))
    assert found.rule == "exception"
    whole = next(text for text in LINES if old in text)
    assert found.place.endswith(f"good.py:{line(whole)}")
    assert "Error" in found.message


def test_the_exception_of_a_helper_is_told_where_the_helper_raised_it(
    check: Callable[..., AlgorithmReport],
) -> None:
    helper = "def half(w):\n    return w // (w - w)\n\n\ndef init(sk):"
    found = only(check(("def init(sk):", helper), (FALLS, "    return half(sk.snd_cwnd)")))
    assert found.message == "ZeroDivisionError: integer division or modulo by zero"
    assert found.place.endswith(f"good.py:{line('def init(sk):') + 1}")
    assert found.hook == "ssthresh"


def test_a_sender_that_paces_a_byte_a_second_stalls(check: Callable[..., AlgorithmReport]) -> None:
    slow = "def cong_control(sk, ack, flag, rs):\n    sk.pacing_rate, sk.pacing_status = 1, 1\n\n\n"
    report = check(
        ("    cong_avoid=cong_avoid,", "    cong_control=cong_control,"),
        ("def set_state", slow + "def set_state"),
    )
    found = only(report)
    assert found.rule == "pacing"
    assert "the sender stalls" in found.message


def test_a_list_that_two_sockets_share_is_found(check: Callable[..., AlgorithmReport]) -> None:
    found = only(
        check(
            ("field(default_factory=list)", "field(default_factory=lambda: SHARED)"),
            ("SEEN = {}", "SHARED = []"),
        )
    )
    assert (found.rule, found.episode) == ("shared", "two sockets")
    assert "sk.ca.rtts" in found.message


def test_a_private_area_that_is_one_object_for_all_is_found(
    check: Callable[..., AlgorithmReport],
) -> None:
    found = only(
        check(
            ("    private=Private,", "    private=lambda: ONE,"),
            ("good = Tcp", "ONE = Private()\ngood = Tcp"),
        )
    )
    assert found.rule == "shared"


def test_state_at_module_level_is_found_by_what_it_does(
    check: Callable[..., AlgorithmReport],
) -> None:
    counts = "    SEEN['acks'] = SEEN.get('acks', 0) + 1\n    if SEEN['acks'] % 7 == 0:"
    found = only(check(("    if sk.snd_cwnd_cnt >= sk.snd_cwnd:", counts)))
    assert found.rule == "shared"
    assert "state outside sk.ca" in found.message
    assert found.place.endswith(f"good.py:{line('good = TcpCongestionOps(') + 1}")


@pytest.mark.parametrize(
    ("module", "draw"), [("random", "random.random() < 0.5"), ("time", "time.time_ns() % 2")]
)
def test_a_clock_or_dice_of_its_own_are_found(
    module: str, draw: str, check: Callable[..., AlgorithmReport]
) -> None:
    found = only(
        check(
            ("SEEN = {}", f"import {module}"),
            ("    if sk.snd_cwnd_cnt >= sk.snd_cwnd:", f"    if {draw}:"),
        )
    )
    assert found.rule == "determinism"


HAUNT = (
    ("    sk.ca.losses = 0", "    SEEN[id(sk)] = sk"),
    ("    sk.snd_cwnd_cnt += acked", "    sk.snd_cwnd_cnt += acked\n    HAUNTING"),
)


def test_a_hook_that_writes_to_a_socket_that_it_was_released_from_is_found(
    check: Callable[..., AlgorithmReport],
) -> None:
    body = (
        "for other in SEEN.values():\n        if other is not sk:\n            other.snd_cwnd += 1"
    )
    old, new = HAUNT[1]
    report = check(HAUNT[0], (old, new.replace("HAUNTING", body)))
    rules = {finding.rule for finding in report.findings}
    assert rules <= {"shared", "release"}
    assert rules


def test_a_hook_called_after_release_is_found(check: Callable[..., AlgorithmReport]) -> None:
    body = "for other, ops in SEEN.values():\n        ops.set_state(other, 0)"
    old, new = HAUNT[1]
    found = only(
        check(
            (HAUNT[0][0], "    SEEN[id(sk)] = sk, sk.ca_ops"), (old, new.replace("HAUNTING", body))
        )
    )
    assert (found.rule, found.message, found.hook) == (
        "release",
        "called after release",
        "set_state",
    )


TRAIN = ("    private=Private,", "    private=Private,\n    train=train,")
TAKES = "def train(sk, acks):\n    return reno_train(sk, acks)\n\n\ngood = Tcp"


def test_a_train_hook_that_grows_otherwise_is_found(check: Callable[..., AlgorithmReport]) -> None:
    found = only(check(TRAIN, ("good = Tcp", TAKES)))
    assert (found.rule, found.hook) == ("train", "train")
    assert found.place.endswith(f"good.py:{line('good = TcpCongestionOps(')}")


SACKS = ("    private=Private,", "    private=Private,\n    sack_train=sack_train,")
LATEST = "def sack_train(sk, rtt_us):\n    sk.ca.rtts[:] = [int(rtt_us[-1])]\n    return True\n\n\n"


def test_a_sack_train_hook_that_does_what_pkts_acked_does_is_good(
    check: Callable[..., AlgorithmReport],
) -> None:
    report = check(SACKS, ("good = Tcp", LATEST + "good = Tcp"))
    assert report.ok, report.text()
    assert report.trains


def test_a_sack_train_hook_that_forgets_samples_is_found(
    check: Callable[..., AlgorithmReport],
) -> None:
    forgets = LATEST.replace("rtt_us[-1]", "rtt_us.min()")
    found = only(check(SACKS, ("good = Tcp", forgets + "good = Tcp")))
    assert (found.rule, found.hook) == ("train", "sack_train")


def test_a_train_hook_that_forgets_the_private_area_is_found(
    check: Callable[..., AlgorithmReport],
) -> None:
    grown = (
        "    from ccsim.kernel.kfuncs import tcp_reno_cong_avoid as grow\n    grow(sk, ack, acked)"
    )
    body = GOOD[GOOD.index("    sk.snd_cwnd_cnt += acked") : GOOD.index("def set_state")]
    found = only(check(TRAIN, ("good = Tcp", TAKES), (body.rstrip(), grown)))
    assert found.rule == "train"
    assert "sk.ca after the train" in found.message


def test_a_finding_is_one_line_that_says_all() -> None:
    found = Finding(
        "cwnd",
        "a.py:7",
        "snd_cwnd: expected at least 1, got 0",
        "mine",
        "",
        "cong_avoid",
        "a loss burst",
        0.42,
    )
    assert str(found) == (
        "a.py:7: mine: cong_avoid: snd_cwnd: expected at least 1, got 0 (in: a loss burst, 0.420 s)"
    )


def test_what_an_algorithm_prints_is_not_in_the_way(
    check: Callable[..., AlgorithmReport], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(("SEEN = {}", "print('loaded')")).ok
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("state", list(CaState), ids=lambda state: state.name)
@pytest.mark.parametrize("way", ["in", "out"])
def test_swaps_happen_in_the_state_that_they_are_named_for(
    state: CaState, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    swap = rigs.Bench.swap

    def noting(self: rigs.Bench, connection: rigs.TortureConnection, congestion: str) -> None:
        seen.append(connection.sk.ca_state)
        swap(self, connection, congestion)

    monkeypatch.setattr(rigs.Bench, "swap", noting)
    name = state.name.title() if state != CaState.CWR else "CWR"
    (episode,) = (e for n, e in EPISODES.items() if n.startswith(f"swapped {way} in {name}"))
    ops = load_tables(algorithms_dir() / "reno.py")["reno"]
    episode(Probe(ops, AlgorithmReport(""), ""))
    assert seen[0] == state
    assert len(seen) == 1 + (way == "out")


def test_things_in_two_private_areas_are_shared_only_if_they_can_change() -> None:
    rtts: list[int] = []
    assert shared_parts({"a": (1, rtts)}, {"b": rtts}) == "['a'][1]"
    assert shared_parts({"a": (1, 2)}, {"a": (1, 2)}) is None
    assert shared_parts([rtts.copy()], [rtts.copy()]) is None
    assert shared_parts(None, None) is None


def test_a_file_of_state_policies_alone_has_nothing_to_torture(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from ccsim.kernel.policy import StatePolicy\n\n\n"
        'class Mine(StatePolicy):\n    name = "mine"\n'
    )
    report = check_algorithm(tmp_path / "mine.py")
    assert report.ok, report.text()
    assert report.algorithms == []


def test_the_rules_of_the_documentation_are_those_that_are_checked() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "writing_algorithms.md").read_text()
    table = page.split("| rule | what has to hold |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(RULES)


def test_a_finding_under_no_rule_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="rule: expected one of load, "):
        AlgorithmReport("x").add(Finding("beauty", "x:1", "ugly"))


@pytest.mark.pure
def test_a_hook_that_does_not_return_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccsim.verify.torture.check.HOOK_TIMEOUT_S", 0.3)
    file = tmp_path / "endless.py"
    file.write_text(
        "from dataclasses import replace\n"
        "from ccsim.kernel import TCP_RENO\n"
        "def cong_avoid(sk, ack, acked):\n"
        "    while True: pass\n"
        'mine = replace(TCP_RENO, name="mine", cong_avoid=cong_avoid)\n'
    )
    report = check_algorithm(file)
    (finding,) = report.findings
    assert finding.place == f"{file}:4"
    assert "has not returned within 0.3 s of CPU" in finding.message
