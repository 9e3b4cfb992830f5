"""Long runs: their traces go to a file, and nobody who reads them can tell."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ccsim.spill
from ccsim.errors import ResultsError
from ccsim.experiment import load_run, parquet, run_scenario
from ccsim.experiment.stored import StoredRun
from ccsim.jobs import batch, handover
from ccsim.jobs.handover import hand_over, take_over
from ccsim.scenario import Scenario, load_scenario, parse_scenario
from ccsim.sim import simulate
from ccsim.sim.account_tables import without_accounts
from ccsim.sim.result_tables import columns_of, to_tables
from ccsim.sim.traces import Flows
from ccsim.spill import Spill
from tests.experiment.synthetic import equal
from tests.experiment.test_run import contents

ROOT = Path(__file__).resolve().parents[2]
TEXT = """\
name: lossy
duration: 3 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 0.5 BDP, loss: 0.5 %}
flows:
  - {name: bulk, congestion: cubic}
  - {name: rival, congestion: reno, start: 0.5 s}
swaps:
  - {at: 1 s, via: setsockopt, flows: [bulk], to: bbr}
record: {interval: 1 ms}
"""
FAILING = """\
from ccsim.kernel import TcpCongestionOps


def ssthresh(sk):
    raise RuntimeError("a loss was too much")


def cong_avoid(sk, ack, acked):
    sk.snd_cwnd += acked


def undo_cwnd(sk):
    return sk.snd_cwnd


fails = TcpCongestionOps(
    name="fails", ssthresh=ssthresh, cong_avoid=cong_avoid, undo_cwnd=undo_cwnd
)
"""


@pytest.fixture
def lossy(tmp_path: Path) -> Scenario:
    """Two flows that lose packets, sampled every millisecond: 5,500 samples, 480 KB."""
    (tmp_path / "lossy.yaml").write_text(TEXT)
    return load_scenario(tmp_path / "lossy.yaml")


@pytest.mark.parametrize("bound", [0, 5_000, 200_000])
def test_a_result_is_the_same_however_much_of_it_goes_to_a_file(
    lossy: Scenario, tmp_path: Path, bound: int
) -> None:
    spill = Spill(tmp_path, bound)
    assert equal(simulate(lossy, spill=spill), simulate(lossy))
    assert spill.spilled


@pytest.mark.parametrize("vector", [True, False])
def test_windows_may_be_cut_while_samples_go_to_a_file(
    lossy: Scenario, tmp_path: Path, vector: bool
) -> None:
    cut = simulate(lossy, lookahead_ns=3_000_000, vector=vector, spill=Spill(tmp_path, 20_000))
    assert equal(cut, simulate(lossy))


def test_a_failed_run_ends_at_the_same_sample_when_it_had_been_spilled(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(FAILING)
    text = TEXT.split("swaps:", maxsplit=1)[0].replace("cubic", "fails") + "objects: [fails.py]\n"
    scenario = parse_scenario(text + "record: {interval: 1 ms}\n", "f.yaml", tmp_path)
    plain = simulate(scenario)
    assert "a loss was too much" in plain.failed
    assert equal(simulate(scenario, spill=Spill(tmp_path, 0)), plain)


def test_a_guard_sees_samples_and_drops_that_went_to_the_file(tmp_path: Path) -> None:
    text = """\
name: guarded
duration: 10 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 0.5 BDP, loss: 0.5 %}
links: {fleet: cubic}
flows:
  - {name: web, congestion: fleet, count: 4}
swaps:
  - {at: 3 s, via: staged, link: fleet, to: bbr, steps: ['25 %', '50 %', '100 %'], pause: 2 s,
     guard: {metric: drops, threshold: '50 %', window: 1 s}}
"""
    scenario = parse_scenario(text, "guarded.yaml")
    plain = simulate(scenario)
    assert plain.swaps[0].outcome
    assert equal(simulate(scenario, spill=Spill(tmp_path, 0)), plain)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_spilled_run_has_the_same_bytes_in_every_file_but_the_manifest(
    lossy: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    plain = run_scenario(lossy, out=tmp_path / "plain", jobs=1, formats=("png", "pdf"))
    monkeypatch.setattr(ccsim.spill, "SPILL_BYTES", 10_000)
    monkeypatch.setattr(batch, "WORTH_S", -1.0)  # workers for however little
    spilled = run_scenario(lossy, out=tmp_path / "spilled", jobs=jobs, formats=("png", "pdf"))
    assert contents(spilled.path) == contents(plain.path)
    assert sorted(os.listdir(spilled.path.parent)) == [spilled.run_id]


def test_whoever_reads_a_spilled_run_finds_what_was_simulated(
    lossy: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ccsim.spill, "SPILL_BYTES", 10_000)
    monkeypatch.setattr(batch, "WORTH_S", -1.0)
    run = run_scenario(lossy, out=tmp_path, jobs=2)
    stored: StoredRun = load_run(run.path)
    for one, other in ((run, stored), (run.twin_a, stored.twin_a), (run.twin_b, stored.twin_b)):
        assert one is not None
        assert other is not None
        result = one.result if isinstance(one, StoredRun) else one
        found = other.result if isinstance(other, StoredRun) else other
        assert equal(without_accounts(result), found)


@pytest.mark.parametrize("bound", [0, 1 << 30])
@pytest.mark.parametrize("piece", [100, 999, 1000, 2999, 5500])
def test_a_stored_run_reads_the_same_in_pieces(
    lossy: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, bound: int
) -> None:
    run = run_scenario(lossy, twins=False, out=tmp_path, jobs=1)
    monkeypatch.setattr(parquet, "PIECE_ROWS", piece)
    monkeypatch.setattr(ccsim.spill, "SPILL_BYTES", bound)
    assert equal(load_run(run.path).result, without_accounts(run.result))


def test_a_run_in_a_folder_that_cannot_be_written_is_read_into_memory(
    lossy: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_scenario(lossy, twins=False, out=tmp_path, jobs=1)

    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(parquet, "PIECE_ROWS", 1000)
    monkeypatch.setattr(ccsim.spill, "SPILL_BYTES", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert equal(load_run(run.path).result, without_accounts(run.result))


def test_columns_of_one_table_are_handed_on_without_a_copy(lossy: Scenario) -> None:
    result = simulate(lossy)
    stacked = columns_of(result)["flows"]["snd_cwnd"]
    assert np.shares_memory(stacked, result.flows[0].snd_cwnd)
    assert np.shares_memory(stacked, result.flows[1].snd_cwnd)
    assert len(stacked) == len(result.flows[0].t_ns) + len(result.flows[1].t_ns)


def test_columns_that_do_not_follow_one_another_are_copied_in_order(lossy: Scenario) -> None:
    """The same arrays in another order, or with a gap, must not pass for a table."""
    result = simulate(lossy)
    bulk, rival = result.flows
    turned = columns_of(replace(result, flows=Flows((rival, bulk))))["flows"]["t_ns"]
    assert turned.tolist() == [*rival.t_ns.tolist(), *bulk.t_ns.tolist()]
    shorter = replace(bulk, t_ns=bulk.t_ns[:-1])
    gap = columns_of(replace(result, flows=Flows((shorter, rival))))["flows"]["t_ns"]
    assert gap.tolist() == [*bulk.t_ns.tolist()[:-1], *rival.t_ns.tolist()]
    strided = replace(bulk, t_ns=bulk.t_ns[::2])
    every = columns_of(replace(result, flows=Flows((strided,))))["flows"]["t_ns"]
    assert every.tolist() == bulk.t_ns.tolist()[::2]


def test_indices_count_the_flows_and_links(lossy: Scenario) -> None:
    result = simulate(lossy)
    lengths = [len(flow.t_ns) for flow in result.flows]
    assert to_tables(result)["flows"]["flow"].tolist() == [0] * lengths[0] + [1] * lengths[1]


# --- between processes ----------------------------------------------------------------------------


def test_a_long_result_travels_in_a_file_that_is_gone_once_it_is_read(
    lossy: Scenario, tmp_path: Path
) -> None:
    result = simulate(lossy)
    data = hand_over(result, Spill(tmp_path, 10_000))
    assert len(list(tmp_path.glob("result-*"))) == 1
    assert equal(take_over(data), result)
    assert not list(tmp_path.glob("result-*"))


def test_a_short_result_travels_through_the_pipe(lossy: Scenario, tmp_path: Path) -> None:
    result = simulate(lossy)
    for spill in (Spill(tmp_path), Spill(None, 0)):
        assert equal(take_over(hand_over(result, spill)), result)
    assert not list(tmp_path.glob("result-*"))


def test_a_result_whose_file_is_gone_is_an_error_that_names_it(
    lossy: Scenario, tmp_path: Path
) -> None:
    data = hand_over(simulate(lossy), Spill(tmp_path, 0))
    (path,) = tmp_path.glob("result-*")
    path.unlink()
    with pytest.raises(ResultsError, match=f"{path.name}: cannot read a worker's result"):
        take_over(data)


def test_a_file_that_is_too_short_is_no_result(lossy: Scenario, tmp_path: Path) -> None:
    data = hand_over(simulate(lossy), Spill(tmp_path, 0))
    (path,) = tmp_path.glob("result-*")
    os.truncate(path, 800)
    with pytest.raises(ValueError, match="expected"):
        take_over(data)


def test_a_disk_that_fills_while_a_result_is_handed_over_leaves_no_file(
    lossy: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = simulate(lossy)

    def full(*arrays: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(handover, "release", full)
    with pytest.raises(ResultsError, match=r"No space left on device; free space, .*--out DIR"):
        hand_over(result, Spill(tmp_path, 0))
    assert not list(tmp_path.glob("result-*"))


# --- from the shell -------------------------------------------------------------------------------

STARTER = """\
import resource, sys
import ccsim.spill
from ccsim.cli import main

ccsim.spill.SPILL_BYTES = 10_000
if sys.argv[1] != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


def started(folder: Path, most_bytes: int, *arguments: str) -> subprocess.Popen[str]:
    """Start ``ccsim run`` with files of at most so many bytes (0: any)."""
    (folder / "long.yaml").write_text(TEXT)
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(most_bytes), "run", "long.yaml", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def spilled_bytes(pid: int) -> int:
    """Return how much a process holds in files of a run that have no name."""
    found = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if ".tmp-" in os.readlink(fd):
                found += fd.stat().st_size
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes as POSIX does")
def test_no_room_for_the_traces_ends_the_run_with_a_way_out_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    """A limit on file sizes stands for a disk that is full."""
    process = started(tmp_path, 100_000, "--no-plot")
    _, trouble = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "cannot write the traces of a long run there: File too large" in trouble
    assert trouble.startswith("results/lossy/")
    assert "free space" in trouble
    assert "Traceback" not in trouble
    assert not list((tmp_path / "results").rglob("*"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_a_long_run_ends_no_folder_of_it_passes_for_a_result(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = started(tmp_path, 0, "duration=9000 s", "--no-plot", "--jobs", "2")
    parent = tmp_path / "results" / "lossy"
    until = time.monotonic() + 60
    try:
        while not spilled_bytes(process.pid):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    if number == signal.SIGKILL:  # nobody could clear up; but nobody takes what is left for a run
        assert all(path.name.startswith(".tmp-") for path in parent.iterdir())
        assert not list(parent.rglob("manifest.json"))
        (tmp_path / "lossy.yaml").write_text(TEXT)
        run_scenario(load_scenario(tmp_path / "lossy.yaml"), out=tmp_path / "results", jobs=1)
        assert not list(parent.glob(".tmp-*"))
    else:
        assert not parent.exists()
