"""Recorded transfers: the simulation stays within what is required of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ccsim.errors import RecordingError
from ccsim.verify.trace import load_trace, trace_files
from ccsim.verify.trace_comparison import compare_trace
from ccsim.verify.trace_requirements import is_random, requirement_of
from ccsim.verify.trace_simulation import simulate_trace

TRACES = Path(__file__).parent / "data" / "traces"
FILES = sorted(TRACES.glob("*.json"))
TO_BBR = "swap_cubic_to_bbr_A_10M_40ms_1bdp"


SETTLED = [path for path in FILES if not is_random(load_trace(path))]
RANDOM = [path for path in FILES if is_random(load_trace(path))]


@pytest.mark.parametrize("path", SETTLED, ids=lambda path: path.stem)
def test_a_transfer_is_as_close_to_its_recording_as_required(path: Path) -> None:
    assert compare_trace(load_trace(path)).missed == []


@pytest.mark.slow
@pytest.mark.parametrize("path", RANDOM, ids=lambda path: path.stem)
def test_the_mean_of_eight_seeds_is_as_close_to_its_recording_as_required(path: Path) -> None:
    assert compare_trace(load_trace(path), seeds=8).missed == []


def test_a_swap_to_bbr_is_close_with_a_single_seed() -> None:
    assert compare_trace(load_trace(TRACES / f"{TO_BBR}.json"), seeds=1).missed == []


def test_no_constant_of_the_writer_is_taken_from_these_recordings() -> None:
    """Slow start without HyStart and the writer's PSH decide the very packet that is dropped."""
    outcome = compare_trace(load_trace(TRACES / "swapss_cubic_to_reno_C_20M_100ms_2bdp.json"))
    assert outcome.drops == (502, 502)
    assert outcome.flows[0].aligned < 0.0005


def test_a_swap_among_random_losses_comes_at_the_recorded_packet() -> None:
    """The recording: in Recovery, cwnd 49, ssthresh 45; losses 39 and 128 ms later; 182 drops."""
    trace = load_trace(TRACES / "swaploss_cubic_to_bbr_E_20M_40ms_1bdp_loss0.1pct.json")
    assert (trace.swaps[0].delivered, trace.swaps[0].ca_state) == (9398, 3)
    result = simulate_trace(trace, seed=4)
    at = next(event.t_ns for event in result.events if event.kind == "swap")
    assert abs(at - trace.swaps[0].t_ns) > 20_000_000  # in time it is elsewhere
    link = result.links[0]
    losses = link.drop_t_ns[link.drop_reason == 1] - at
    soon = losses[(losses > 0) & (losses < 200_000_000)]
    assert [round(t / 1e6) for t in soon.tolist()] == pytest.approx([39, 128], abs=3)
    second = (link.drop_t_ns >= at) & (link.drop_t_ns < at + 1_000_000_000)
    assert int(second.sum()) == pytest.approx(182, abs=4)


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
