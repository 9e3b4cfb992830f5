"""Recorded transfers: the simulation stays within what is required of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ccsim.verify.episode import RecordingError
from ccsim.verify.metrics import compare_trace
from ccsim.verify.requirements import requirement_of
from ccsim.verify.trace import load_trace, trace_files

TRACES = Path(__file__).parent / "data" / "traces"


@pytest.mark.parametrize("path", sorted(TRACES.glob("*.json")), ids=lambda path: path.stem)
def test_a_transfer_is_as_close_to_its_recording_as_required(path: Path) -> None:
    outcome = compare_trace(load_trace(path), seeds=8)
    assert outcome.missed == []


def test_random_losses_of_a_recording_are_drawn_again_one_by_one() -> None:
    path = TRACES / "single_reno_E_20M_40ms_1bdp_loss0.1pct.json"
    assert compare_trace(load_trace(path)).losses == (30, 30)


def test_the_kind_of_run_decides_what_is_required() -> None:
    kinds = {path.stem: requirement_of(load_trace(path)).kind for path in TRACES.glob("*.json")}
    assert kinds["single_reno_E_20M_40ms_1bdp_loss0.1pct"] == "reno with random loss"
    assert kinds["swap_bbr_to_reno_A_10M_40ms_1bdp"] == "swap with bbr"
    assert kinds["single_cubic_A_10M_40ms_1bdp"] == "reno, cubic"


def test_a_recording_is_found_by_any_of_its_files() -> None:
    stem = str(TRACES / "single_reno_A_10M_40ms_1bdp")
    assert list(trace_files([f"{stem}.snd.csv.gz"])) == list(trace_files([f"{stem}.json"]))


def test_a_recording_without_samples_is_refused(tmp_path: Path) -> None:
    shutil.copy(TRACES / "single_reno_A_10M_40ms_1bdp.json", tmp_path)
    with pytest.raises(RecordingError, match="expected a recorded transfer"):
        load_trace(tmp_path / "single_reno_A_10M_40ms_1bdp.json")


def test_another_buffer_is_too_far_from_the_recording() -> None:
    trace = load_trace(TRACES / "single_reno_A_10M_40ms_1bdp.json")
    trace.meta["buffer_pkts"] += 1
    assert any("aligned" in text for text in compare_trace(trace).missed)
