"""Hooks that hang in code which does not come back to Python: the process that waits for the
answer names them and ends theirs."""

from __future__ import annotations

import faulthandler
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from ccsim.experiment.run import run_scenario
from ccsim.experiment.stored import load_run
from ccsim.experiment.study.folder import StudyFolder
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.sweep import run_study
from ccsim.jobs.batch import simulate_all
from ccsim.jobs.checking import check_watched
from ccsim.jobs.simulation import Apart, needs_watch
from ccsim.jobs.stuck import Watch, can_watch
from ccsim.jobs.worker import Worker, WorkerDied
from ccsim.scenario import parse_scenario
from tests.experiment.synthetic import equal

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = """\
name: mis
duration: 1500 ms
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 0.5 BDP}
objects: [my_cc.py]
flows: [{name: a, congestion: cubic}, {name: b, congestion: my_cc}]
swaps: [{at: 500 ms, via: setsockopt, flows: [a], to: reno}]
"""
ALGORITHM = """\
import collections
import itertools
import re
import time

import numpy

from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd


def endless():
    LOOP


def cong_avoid(sk, ack, acked):
    tcp_reno_cong_avoid(sk, ack, acked)
    BUG


my_cc = TcpCongestionOps(
    name="my_cc",
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
)
"""
LOOP = "collections.deque(itertools.repeat(0), maxlen=0)"
BUG_LINE = ALGORITHM.splitlines().index("    BUG") + 1
LOOP_LINE = ALGORITHM.splitlines().index("    LOOP") + 1
TOLD = "cong_avoid has not returned within 0.5 s of CPU (--hook-timeout)"
pytestmark = pytest.mark.skipif(not can_watch(), reason="needs Linux")


def scenario(folder: Path, bug: str, loop: str = "pass", name: str = "my_cc.py") -> Any:
    text = ALGORITHM.replace("BUG", bug).replace("LOOP", loop)
    (folder / name).write_text(text, encoding="utf-8")
    return parse_scenario(SCENARIO.replace("my_cc.py", name), "mis.yaml", folder)


@pytest.mark.parametrize(
    "bug", [LOOP, "sum(itertools.repeat(0))", "10**10**9", "max(range(2**62))"]
)
def test_a_hook_that_never_comes_back_to_python_fails_the_run_at_its_line(
    tmp_path: Path, bug: str
) -> None:
    run = run_scenario(scenario(tmp_path, bug), out=tmp_path / "r", jobs=1, hook_timeout_s=0.5)
    assert run.failed == f"{tmp_path / 'my_cc.py'}:{BUG_LINE}: {TOLD}"
    assert run.path.name.endswith(".failed")
    assert load_run(run.path).manifest["status"] == "failed"


def test_the_line_is_the_one_that_hangs_and_the_hook_the_one_that_was_called(
    tmp_path: Path,
) -> None:
    (result,) = simulate_all([scenario(tmp_path, "endless()", LOOP)], hook_timeout_s=0.5)
    assert result is not None
    assert result.failed == f"{tmp_path / 'my_cc.py'}:{LOOP_LINE}: {TOLD}"


def test_a_file_whose_name_is_no_ascii_is_named(tmp_path: Path) -> None:
    given = scenario(tmp_path, LOOP, name="mein_größtes_😀.py")
    (result,) = simulate_all([given], hook_timeout_s=0.5)
    assert result is not None
    assert result.failed == f"{tmp_path / 'mein_größtes_😀.py'}:{BUG_LINE}: {TOLD}"


def test_a_twin_that_hangs_is_named_while_the_run_itself_goes_on(tmp_path: Path) -> None:
    """Three runs, of which the second hangs, in two processes."""
    fine = scenario(tmp_path, "pass")
    (tmp_path / "other").mkdir()
    bad = scenario(tmp_path / "other", LOOP)
    results = simulate_all([fine, bad, fine], jobs=2, hook_timeout_s=0.5)
    assert [result and bool(result.failed) for result in results] == [False, True, False]
    assert equal(results[0], results[2])


def test_a_process_apart_gives_what_this_one_gives(tmp_path: Path) -> None:
    given = scenario(tmp_path, "pass")
    (apart,), (here,) = (simulate_all([given], hook_timeout_s=s) for s in (10.0, None))
    assert apart is not None
    assert equal(apart, here)


def test_after_a_hook_that_hung_the_next_run_gets_a_process_of_its_own(tmp_path: Path) -> None:
    apart = Apart()
    bad = scenario(tmp_path, LOOP)
    assert apart.simulate(bad, hook_timeout_s=0.5).failed.endswith(TOLD)
    fine = scenario(tmp_path, "pass")
    assert apart.simulate(fine, hook_timeout_s=0.5).failed == ""
    apart.close()
    apart.close()


def test_what_the_other_process_raises_is_raised_here(tmp_path: Path) -> None:
    given = scenario(tmp_path, "pass")
    (tmp_path / "my_cc.py").write_text("changed", encoding="utf-8")
    with pytest.raises(ValueError, match="it changed since the scenario was loaded"):
        simulate_all([given])


def test_a_hook_that_comes_back_to_python_is_ended_there_with_what_was_recorded(
    tmp_path: Path,
) -> None:
    given = scenario(tmp_path, "\n    while sk.snd_cwnd > 20: pass")
    (result,) = simulate_all([given], hook_timeout_s=0.5)
    assert result is not None
    assert result.failed.endswith(TOLD)
    assert 0 < result.duration_ns < 1_500_000_000
    assert result.flows["b"].delivered_bytes[-1] > 0


def test_waiting_costs_nothing(tmp_path: Path) -> None:
    """Every call that raises the window to 20 packets waits longer than a hook may compute."""
    given = scenario(tmp_path, "time.sleep(0.4 if sk.snd_cwnd == 20 else 0)")
    begun = time.monotonic()
    (result,) = simulate_all([given], hook_timeout_s=0.3)
    assert result is not None
    assert result.failed == ""
    assert time.monotonic() - begun > 0.4


def test_many_calls_of_c_that_take_long_together_are_no_hook_that_hangs(tmp_path: Path) -> None:
    """Some 1,000 calls of a millisecond and more take twice what one may take."""
    given = scenario(tmp_path, "sum(itertools.repeat(0, 60_000))")
    (result,) = simulate_all([given], hook_timeout_s=0.3)
    assert result is not None
    assert result.failed == ""


def id_of_only_run(results: Path) -> str:
    plan = json.loads((results / "st" / "plan.json").read_text())
    (run,) = plan["runs"]
    return str(run["run_id"])


def test_in_a_study_it_is_a_failed_run_and_no_dead_worker(tmp_path: Path) -> None:
    scenario(tmp_path, LOOP)
    (tmp_path / "mis.yaml").write_text(SCENARIO, encoding="utf-8")
    (tmp_path / "st.yaml").write_text("name: st\nbase: mis.yaml\nseeds: 1\n", encoding="utf-8")
    study = read_study(tmp_path / "st.yaml")
    done = run_study(study, out=tmp_path / "r", workers=2, hook_timeout_s=0.5)
    assert (done.runs, done.failed, done.deaths) == (1, 1, 0)
    (found,) = StudyFolder.of(tmp_path / "r", "st").results([id_of_only_run(tmp_path / "r")])
    assert found[1]["error"] == f"{tmp_path / 'my_cc.py'}:{BUG_LINE}: {TOLD}"


@pytest.mark.parametrize("bug", [LOOP])
def test_check_tells_it_as_a_broken_rule(tmp_path: Path, bug: str) -> None:
    scenario(tmp_path, bug)
    report = check_watched(str(tmp_path / "my_cc.py"), timeout_s=0.5)
    (finding,) = report.findings
    assert (finding.rule, finding.place) == ("exception", f"{tmp_path / 'my_cc.py'}:{BUG_LINE}")
    assert finding.message == TOLD


def test_so_does_a_file_that_hangs_when_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "my_cc.py").write_text(f"import collections, itertools\n{LOOP}\n", encoding="utf-8")
    (finding,) = check_watched(str(tmp_path / "my_cc.py"), timeout_s=0.5).findings
    assert finding.place == f"{tmp_path / 'my_cc.py'}:2"
    assert finding.message.startswith("<module> has not returned within 0.5 s of CPU")


def test_a_check_apart_finds_what_a_check_here_finds(tmp_path: Path) -> None:
    from ccsim.verify.torture import check_algorithm

    scenario(tmp_path, "sk.snd_cwnd = 0")
    path = str(tmp_path / "my_cc.py")
    assert check_watched(path) == check_algorithm(path)
    assert not check_watched(path).ok


def test_the_command_ends_with_1_and_names_the_hook(tmp_path: Path) -> None:
    scenario(tmp_path, LOOP)
    (tmp_path / "mis.yaml").write_text(SCENARIO, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ccsim", "run", "mis.yaml", "--no-plot", "--hook-timeout", "0.5"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("run failed")]
    assert f"my_cc.py:{BUG_LINE}: {TOLD}; its traces up to then: results/mis/" in said[0]
    assert "Traceback" not in done.stderr
    (folder,) = (tmp_path / "results" / "mis").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["failed"].endswith(TOLD)


def test_only_algorithm_files_are_watched(tmp_path: Path) -> None:
    given = scenario(tmp_path, "pass")
    assert needs_watch(given, 10.0)
    assert not needs_watch(given, None)
    assert not needs_watch(replace(given, objects=()), 10.0)
    assert not needs_watch(replace(given, objects=("/x/my_cc.bpf.o",)), 10.0)


# --- the watch alone ---


def dumped(file: str, folder: Path) -> bytes:
    """Return the stack, as `faulthandler` writes it, while code of this file name is executed."""
    with (folder / "stack").open("wb+") as stack:

        def dump() -> None:
            faulthandler.dump_traceback(stack, all_threads=False)

        source = "def inner():\n    dump()\n\n\ndef hook():\n    inner()\n\n\nhook()\n"
        code: CodeType = compile(source, file, "exec")
        exec(code, {"dump": dump})
        return (folder / "stack").read_bytes()


@pytest.mark.parametrize(
    "name",
    ["cc.py", "a b\tc.py", "größe.py", "€ 😀.py", 'quo"te.py', "\x7f.py", "x" * 600, "ü" * 500],
)
def test_places_are_read_from_any_stack(tmp_path: Path, name: str) -> None:
    watch = Watch(1, [f"/somewhere/{name}"], 1.0)
    assert watch._place(dumped(f"/somewhere/{name}", tmp_path)) == (
        f"/somewhere/{name}",
        2,
        "<module>",
    )


def test_a_stack_without_an_algorithm_file_is_nobodys_fault(tmp_path: Path) -> None:
    watch = Watch(1, ["/somewhere/else.py"], 1.0)
    assert watch._place(dumped("/somewhere/cc.py", tmp_path)) is None
    assert watch._place(b"") is None


def test_a_process_that_has_gone_has_computed_nothing_and_died() -> None:
    worker = Worker(lambda: None, fork=True) if threading.active_count() == 1 else None
    if worker is None:
        pytest.skip("needs a process with one thread")
    watch = Watch(worker.pid, ["/x.py"], 0.1)
    with pytest.raises(WorkerDied):
        worker.receive(lambda t_ns: None, watch)
    worker.close()
