"""An algorithm's mistakes are told as its mistakes: the file, the line, the hook, the field."""

from __future__ import annotations

import gc
import hashlib
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ccsim.errors import AlgorithmError, ScenarioError
from ccsim.kernel.loader import ObjectFileChanged
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.spec import Scenario

SCENARIO = """\
name: mis
duration: 1500 ms
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 0.5 BDP, loss: 0.1 %}
objects: [my_cc.py]
flows:
  - {name: a, congestion: my_cc}
  - {name: b, congestion: reno}
swaps:
  - {at: 500 ms, via: setsockopt, flows: [b], to: my_cc}
"""
ALGORITHM = '''\
"""A congestion control that makes a mistake."""

import os
import sys

from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_slow_start


def ssthresh(sk):
    SSTHRESH
    return tcp_reno_ssthresh(sk)


def undo_cwnd(sk):
    UNDO
    return max(sk.snd_cwnd, sk.prior_cwnd)


def min_tso_segs(sk):
    TSO
    return 2


def cong_avoid(sk, ack, acked):
    BUG
    tcp_reno_cong_avoid(sk, ack, acked)


my_cc = TcpCongestionOps(
    name="my_cc",
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    cong_avoid=cong_avoid,
    min_tso_segs=min_tso_segs,
)
'''
BUG_LINE = ALGORITHM.splitlines().index("    BUG") + 1
U32 = 4294967295


def source(bug: str = "pass", ssthresh: str = "pass", tso: str = "pass") -> str:
    text = ALGORITHM.replace("BUG", bug).replace("SSTHRESH", ssthresh)
    return text.replace("UNDO", "pass").replace("TSO", tso)


def scenario(folder: Path, **bugs: str) -> Scenario:
    (folder / "my_cc.py").write_text(source(**bugs), encoding="utf-8")
    return parse_scenario(SCENARIO, "mis.yaml", folder)


def failure(folder: Path, **bugs: str) -> str:
    """Return why a run of the algorithm with these mistakes failed."""
    return simulate(scenario(folder, **bugs), hook_timeout_s=0.4).failed


def test_without_a_mistake_it_runs(tmp_path: Path) -> None:
    assert failure(tmp_path) == ""


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("snd_cwnd", 1, U32),
        ("snd_ssthresh", 1, 0x7FFFFFFF),
        ("pacing_rate", 1, (1 << 64) - 1),
        ("snd_cwnd_cnt", 0, U32),
        ("app_limited", 0, U32),
        ("pacing_status", 0, 2),
        ("ecn_flags", 0, 255),
    ],
)
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("7.5", "7.5"),
        ("7.0", "7.0"),
        ("float('nan')", "nan"),
        ("float('inf')", "inf"),
        ("'x'", "'x'"),
        ("None", "None"),
        ("-5", "-5"),
        ("2**70", "1180591620717411303424"),
        ("[1]", "[1]"),
        ("10**9999", "a value of the type int"),
    ],
)
def test_what_no_field_can_hold_is_refused_at_the_line_that_writes_it(
    tmp_path: Path, field: str, low: int, high: int, value: str, shown: str
) -> None:
    told = f"cong_avoid left {field} {shown}, expected a whole number from {low} to {high}"
    failed = failure(tmp_path, bug=f"sk.{field} = {value}; return")
    assert failed == f"{tmp_path / 'my_cc.py'}:{BUG_LINE}: {told}"


@pytest.mark.parametrize("field", ["snd_cwnd", "snd_ssthresh", "pacing_rate"])
def test_zero_is_no_window_and_no_rate(tmp_path: Path, field: str) -> None:
    failed = failure(tmp_path, bug=f"sk.{field} = 0")
    assert f":{BUG_LINE}: cong_avoid left {field} 0, expected a whole number from 1 to" in failed


@pytest.mark.parametrize("value", ["1", "True", "numpy.int64(3)", "numpy.uint8(3)"])
def test_whatever_python_counts_with_is_a_whole_number(tmp_path: Path, value: str) -> None:
    assert failure(tmp_path, bug=f"import numpy; sk.snd_cwnd = {value}") == ""


@pytest.mark.pure  # compiled, the function takes whole numbers alone, and says so at once
def test_a_mistake_in_a_function_that_a_hook_calls_is_told_with_its_own_line(
    tmp_path: Path,
) -> None:
    file = tmp_path / "my_cc.py"
    resolved = scenario(tmp_path, bug="tcp_slow_start(sk, 0.5)")
    failed = simulate(resolved).failed
    assert failed.startswith(f"{file}:{BUG_LINE}: cong_avoid left snd_cwnd ")


@pytest.mark.parametrize("value", ["7.5", "None", "0", "-2", "2**31", "'2'"])
def test_what_ssthresh_returns_must_be_a_threshold(tmp_path: Path, value: str) -> None:
    line = ALGORITHM.splitlines().index("def ssthresh(sk):") + 1
    failed = failure(tmp_path, ssthresh=f"return {value}")
    shown = {"2**31": "2147483648"}.get(value, value)
    told = f"ssthresh returned {shown}, expected a whole number from 1 to 2147483647"
    assert failed == f"{tmp_path / 'my_cc.py'}:{line}: {told}"


def test_what_min_tso_segs_returns_must_be_a_number(tmp_path: Path) -> None:
    text = SCENARIO + "tcp: {tso: true}\n"
    (tmp_path / "my_cc.py").write_text(
        source(bug="sk.pacing_status = 1; sk.pacing_rate = 10**7", tso="return 2.0"), "utf-8"
    )
    failed = simulate(parse_scenario(text, "mis.yaml", tmp_path)).failed
    assert "min_tso_segs returned 2.0, expected a whole number from 0 to 4294967295" in failed


@pytest.mark.parametrize(
    ("bug", "told"),
    [
        ("sys.exit(0)", "SystemExit: 0"),
        ("sys.exit()", "SystemExit"),
        ("sys.exit('done')", "SystemExit: done"),
        ("exit(3)", "SystemExit: 3"),
        ("raise SystemExit", "SystemExit"),
        ("os._exit(0)", "SystemExit: os._exit(0)"),
        ("from os import _exit; _exit(7)", "SystemExit: os._exit(7)"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise StopIteration", "StopIteration"),
    ],
)
def test_an_algorithm_cannot_end_the_process(tmp_path: Path, bug: str, told: str) -> None:
    failed = failure(tmp_path, bug=bug)
    assert failed == f"{tmp_path / 'my_cc.py'}:{BUG_LINE}: {told} (in cong_avoid)"


def test_in_a_swap_it_cannot_either(tmp_path: Path) -> None:
    text = source().replace(
        '    name="my_cc",', '    name="my_cc",\n    init=lambda sk: sys.exit(0),'
    )
    (tmp_path / "my_cc.py").write_text(text, encoding="utf-8")
    swap = SCENARIO.replace("congestion: my_cc", "congestion: cubic")
    result = simulate(parse_scenario(swap, "mis.yaml", tmp_path))
    assert "SystemExit: 0" in result.failed
    assert result.duration_ns == 500_000_000


@pytest.mark.parametrize("bug", ["while True: pass", "while True: sk.snd_cwnd = 7"])
def test_a_hook_that_does_not_return_is_ended_and_named(tmp_path: Path, bug: str) -> None:
    failed = failure(tmp_path, bug=bug)
    told = "cong_avoid has not returned within 0.4 s of CPU (--hook-timeout)"
    assert failed == f"{tmp_path / 'my_cc.py'}:{BUG_LINE}: {told}"


def test_a_hook_may_catch_what_ends_it_once_or_twice(tmp_path: Path) -> None:
    bug = "\n".join(
        (
            "for _ in range(2):",
            "        try:",
            "            while True: pass",
            "        except BaseException: pass",
            "    while True: pass",
        )
    )
    failed = failure(tmp_path, bug=bug)
    assert "cong_avoid has not returned within 0.4 s of CPU" in failed


def test_elsewhere_than_on_the_main_thread_it_is_ended_too(tmp_path: Path) -> None:
    resolved = scenario(tmp_path, bug="while True: pass")
    failed: list[str] = []
    run = lambda: failed.append(simulate(resolved, hook_timeout_s=0.4).failed)  # noqa: E731
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert "cong_avoid has not returned within 0.4 s of CPU" in failed[0]


def test_many_calls_that_take_long_together_are_no_hook_that_does_not_return(
    tmp_path: Path,
) -> None:
    """Some 1,000 calls of a millisecond take a second, five times what one may take."""
    busy = "end = __import__('time').thread_time() + 0.001"
    bug = f"{busy}\n    while __import__('time').thread_time() < end: pass"
    assert simulate(scenario(tmp_path, bug=bug), hook_timeout_s=0.2).failed == ""


def test_a_file_that_is_edited_after_it_was_read_is_not_executed(tmp_path: Path) -> None:
    resolved = scenario(tmp_path)
    assert resolved.objects_sha256 == (hashlib.sha256(source().encode()).hexdigest(),)
    (tmp_path / "my_cc.py").write_text(source() + "raise ValueError\n", encoding="utf-8")
    with pytest.raises(ObjectFileChanged, match=r"my_cc\.py: it changed since the scenario was"):
        simulate(resolved)


def test_a_process_that_runs_many_scenarios_keeps_no_module_of_them(tmp_path: Path) -> None:
    resolved = replace(scenario(tmp_path), duration_ns=50_000_000)
    simulate(resolved)
    before = set(sys.modules)
    gc.collect()
    objects = len(gc.get_objects())
    for _ in range(20):
        simulate(resolved)
    gc.collect()
    assert set(sys.modules) == before
    assert len(gc.get_objects()) - objects < 20  # of less than one a run


COMPUTED = """\
from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd

for name in ("one_cc", "two_cc"):
    globals()[name] = TcpCongestionOps(
        name=name,
        ssthresh=tcp_reno_ssthresh,
        cong_avoid=tcp_reno_cong_avoid,
        undo_cwnd=tcp_reno_undo_cwnd,
    )
"""


def of_source(folder: Path, text: str, flow: str = "one_cc", to: str = "two_cc") -> Scenario:
    (folder / "my_cc.py").write_text(text, encoding="utf-8")
    changed = SCENARIO.replace("a, congestion: my_cc", f"a, congestion: {flow}")
    return parse_scenario(changed.replace("to: my_cc", f"to: {to}"), "s", folder)


def test_names_that_only_running_the_file_tells_are_found(tmp_path: Path) -> None:
    assert simulate(of_source(tmp_path, COMPUTED)).failed == ""


def test_a_name_that_such_a_file_lacks_is_no_flow_that_runs_the_default(tmp_path: Path) -> None:
    with pytest.raises(AlgorithmError, match=r"my_cc\.py: expected 'one_c' in the object files"):
        simulate(of_source(tmp_path, COMPUTED, "one_c"))


def test_a_swap_to_a_name_that_such_a_file_lacks_fails_when_it_acts(tmp_path: Path) -> None:
    result = simulate(of_source(tmp_path, COMPUTED, to="tow_cc"))
    assert [swap.errno for swap in result.swaps] == [2]  # ENOENT, as of setsockopt


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "x = 1\n", '"""Words."""\n', "def f(): pass\n"]
)
def test_a_file_that_can_hold_no_table_is_refused_when_the_scenario_is_read(
    tmp_path: Path, text: str
) -> None:
    expected = r"objects\.0: my_cc\.py: expected a table of operations or a state policy, got none"
    with pytest.raises(ScenarioError, match=expected):
        of_source(tmp_path, text)


@pytest.mark.parametrize("text", ["import os\n", "x = len('a')\n", "class A: pass\n"])
def test_a_file_that_holds_no_table_once_it_has_run_is_refused_then(
    tmp_path: Path, text: str
) -> None:
    told = "my_cc.py: expected a table of operations or a state policy, got none"
    with pytest.raises(AlgorithmError, match=told):
        simulate(of_source(tmp_path, text))


def test_a_window_that_no_memory_could_hold_fails_the_run(tmp_path: Path) -> None:
    failed = failure(tmp_path, bug="sk.snd_cwnd = 2**32 - 1; return")
    assert "expected at most 2097152; the flow's receiver (rwnd) or sndbuf bounds it" in failed
    assert failure(tmp_path, bug="sk.snd_cwnd = 2**10; return") == ""
