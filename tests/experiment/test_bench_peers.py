"""Benchmarks beside other simulators: who is there, who takes part in which case, what is told."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ccsim.cli import main
from ccsim.errors import CcsimError
from ccsim.experiment import bench, peers
from ccsim.experiment.bench import find_peers, measure_case, measure_curves, peer_case
from ccsim.experiment.peers import HTSIM, NS3, NSPY, PeerCase, command, run_peer

SMALL = PeerCase(1_000_000, 20_000_000, 10, 0.0, 2_000_000_000, 10_000_000, ("reno",))


def script(folder: Path, body: str) -> list[str]:
    file = folder / "peer.sh"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return [str(file)]


def test_a_case_for_peers_has_the_path_in_integers_and_is_cut_to_the_time_they_get() -> None:
    case = peer_case("reno-loss-0.1%", 5_000_000_000)
    # 100 Mbit/s for 40 ms are 4,000,000 bits: 333.3 packets of 12,000
    assert (case.rate_bps, case.rtt_ns, case.buffer_packets) == (100_000_000, 40_000_000, 333)
    assert (case.loss, case.duration_ns, case.flows) == (0.001, 5_000_000_000, ("reno",))
    assert peer_case("cubic-10G", 10**12).duration_ns == 30_000_000_000


def test_a_peers_answer_is_its_last_word(tmp_path: Path) -> None:
    start = script(tmp_path, """echo flow 7 begins; echo '{"wall_s": 0.5, "packets": 1000}'""")
    assert run_peer(NS3, start, SMALL) == {"wall_s": 0.5, "packets": 1000}


@pytest.mark.parametrize("body", ["echo done", "true"])
def test_a_peer_without_an_answer_is_named(tmp_path: Path, body: str) -> None:
    with pytest.raises(CcsimError, match="bench: ns-3: expected a last line of JSON, got "):
        run_peer(NS3, script(tmp_path, body), SMALL)


def test_a_peer_gets_the_case_as_its_arguments(tmp_path: Path) -> None:
    start = script(tmp_path, 'printf \'{"packets": "%s"}\' "$*"')
    answer = run_peer(NSPY, start, SMALL)
    assert answer == {"packets": "1000000 20000000 10 0.0 2.0 10000000 reno 100000000"}


def test_a_peer_without_the_algorithm_takes_no_part(tmp_path: Path) -> None:
    start = script(tmp_path, "exit 1")
    case = PeerCase(1, 1, 1, 0.0, 1, 1, ("cubic", "bbr"))
    assert run_peer(NSPY, start, case) is None


def test_htsim_runs_its_own_tcp_for_any_algorithm_but_no_random_loss(tmp_path: Path) -> None:
    start = script(tmp_path, """echo '{"wall_s": 0.5, "packets": 1000}'""")
    assert run_peer(HTSIM, start, replace(SMALL, flows=("bbr", "prague"))) is not None
    assert run_peer(HTSIM, start, replace(SMALL, loss=0.01)) is None


def test_workloads_are_no_case_for_peers() -> None:
    assert not HTSIM.takes(peer_case("rollout-1000", 10**12))
    crowd = peer_case("cubic-1000-flows", 10**12)
    assert (len(crowd.flows), crowd.apart_ns) == (1000, 1_000_000)
    assert HTSIM.takes(crowd)


def test_a_folder_that_is_no_checkout_of_htsim_is_refused(tmp_path: Path) -> None:
    if not shutil.which("g++") or not shutil.which("make"):
        pytest.skip("needs g++ and make")
    with pytest.raises(CcsimError, match="expected a checkout of htsim, with sim/"):
        command(HTSIM, tmp_path / "build", tmp_path)
    assert command(HTSIM, tmp_path / "build") is None


def test_what_htsims_make_says_is_told(tmp_path: Path) -> None:
    if not shutil.which("g++") or not shutil.which("make"):
        pytest.skip("needs g++ and make")
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "eventlist.h").touch()
    (tmp_path / "sim" / "Makefile").write_text("libhtsim.a:\n\t@echo 'error: no rule' >&2; false\n")
    with pytest.raises(CcsimError, match="htsim: expected make to build it, got: error: no rule"):
        command(HTSIM, tmp_path / "build", tmp_path)


def test_only_the_peer_that_is_asked_for_takes_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    row = {"wall_s": 2.0, "packets": 1_000_000, "peak_bytes": 5e7}
    monkeypatch.setattr(bench, "_in_a_process", lambda case: row)
    words = ["bench", "cubic-100M", "--runs", "1", "--htsim", "x", "--out", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "htsim is not installed here" in said
    assert "ns-3" not in said


def test_a_peer_that_fails_is_named_with_its_last_line(tmp_path: Path) -> None:
    start = script(tmp_path, "echo first >&2; echo 'out of memory' >&2; exit 3")
    with pytest.raises(CcsimError, match=r"bench: ns-3: expected it to run .*: out of memory$"):
        run_peer(NS3, start, SMALL)


def test_ratios_are_taken_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = iter([1.0, 2.0, 4.0])
    theirs = iter([30.0, 40.0, 160.0])
    monkeypatch.setattr(
        bench,
        "_in_a_process",
        lambda case: {"wall_s": next(ours), "packets": 1_000_000, "peak_bytes": 1e6},
    )
    monkeypatch.setattr(
        bench, "run_peer", lambda *_: {"wall_s": next(theirs), "packets": 1_000_000}
    )
    row = measure_case("cubic-100M", 3, {NS3: ["x"]})
    # 30/1, 40/2 and 160/4: the median of 30, 20 and 40
    assert row["peers"] == {"ns-3": {"us_per_packet": 40.0, "ratio": 30.0}}


def test_a_peer_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    assert find_peers(tmp_path) == ({}, [NS3, NSPY, HTSIM])
    assert not list(tmp_path.iterdir())


def test_a_program_that_does_not_compile_says_what_the_compiler_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    bad = tmp_path / "bad.cc"
    bad.write_text("int main() { return none; }\n")
    with pytest.raises(CcsimError, match=r"bad\.cc: expected .* g\+\+, got: .*none"):
        peers._compile(bad, tmp_path / "bad", [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.cc"]


@pytest.mark.slow
def test_the_same_case_in_ns_3_carries_as_much(tmp_path: Path) -> None:
    start = command(NS3, tmp_path / "build")
    if start is None:
        pytest.skip(f"ns-3 is not installed: {NS3.install}")
    case = PeerCase(10_000_000, 20_000_000, 20, 0.0, 4_000_000_000, 10_000_000, ("cubic",))
    answer = run_peer(NS3, start, case)
    assert answer is not None
    # 4 s of 10 Mbit/s are 3,333 packets of 1,500 bytes
    assert 2_800 < answer["packets"] < 3_600
    assert answer["samples"] == 399


def test_the_verb_keeps_what_it_measured_and_draws_the_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(case: dict[str, Any]) -> dict[str, float]:
        return {"wall_s": 2.0, "packets": 1_000_000, "peak_bytes": 5e7}

    monkeypatch.setattr(bench, "_in_a_process", measured)
    words = ["bench", "cubic-100M", "--runs", "1", "--curves", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "cubic-100M" in capsys.readouterr().out
    (folder,) = (tmp_path / "bench").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["bench.json", "cost.pdf", "cost.png"]
    kept = json.loads((folder / "bench.json").read_text())
    assert kept["cases"][0]["us_per_packet"] == 2.0
    assert {row["axis"] for row in kept["curves"]} == set(bench.CURVES)
    assert kept["machine"]["cores"] >= 1


def test_an_unknown_case_measures_nothing(tmp_path: Path) -> None:
    assert main(["bench", "cubic", "--out", str(tmp_path)]) == 2
    assert not list(tmp_path.iterdir())


def test_a_curve_has_a_row_for_each_algorithm_and_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        bench, "_in_a_process", lambda case: {"wall_s": 1.0, "packets": 500_000, "peak_bytes": 1.0}
    )
    rows = measure_curves(1, lambda row: None, ["flows"])
    assert [(row["algorithm"], row["at"]) for row in rows[:5]] == [
        ("cubic", n) for n in (1, 3, 10, 30, 100)
    ]
    assert {row["us_per_packet"] for row in rows} == {2.0}
