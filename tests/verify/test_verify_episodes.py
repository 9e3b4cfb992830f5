"""Scripted connections recorded on a real kernel come out of the replay packet by packet."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from ccsim.verify.compare import replay_episode
from ccsim.verify.episode import RecordingError, episode_files, load_episode

EPISODES = Path(__file__).parent / "data" / "episodes"
FILES = sorted(EPISODES.glob("*.json"))


def recorded(name: str) -> Path:
    return EPISODES / f"{name}.json"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_episode_comes_out_as_the_kernel_recorded_it(path: Path) -> None:
    outcome = replay_episode(load_episode(path))
    assert outcome.in_order == outcome.total == len(outcome.episode.transmissions), outcome.first
    assert not outcome.late, outcome.first
    assert outcome.states_agree
    assert outcome.counters == {}


@pytest.mark.parametrize(
    ("name", "counter", "times"),
    [
        ("windowrto_reno_A", "rtos", 1),
        ("tailrtx_reno_A", "tlps", 1),
        ("tail1notlp_reno_A", "tlps", 0),
        ("tlpcwr_reno_A", "probe_recoveries", 1),
        ("tlpdsack_cubic_A", "probe_recoveries", 0),
        ("spurto_cubic_A", "loss_undos", 1),
        ("spurto_nots_reno_A", "spurious_rtos", 1),
        ("undo60_reno_A", "partial_undos", 1),
        ("undo60_nots_cubic_A", "dsack_undos", 1),
        ("black1500_cubic_A", "rtos", 3),
    ],
)
def test_the_kernel_counted_so_many(name: str, counter: str, times: int) -> None:
    assert replay_episode(load_episode(recorded(name))).replay.sk.counters[counter] == times


def test_a_changed_window_in_the_recording_is_found(tmp_path: Path) -> None:
    for path in EPISODES.glob("loss1_reno_A.*"):
        shutil.copy(path, tmp_path)
    info = tmp_path / "loss1_reno_A.info.csv.gz"
    lines = gzip.decompress(info.read_bytes()).decode().splitlines()
    k = next(k for k, line in enumerate(lines) if line.split(",")[1] == "A5")
    cells = lines[k].split(",")
    cells[3] = str(int(cells[3]) + 1)
    lines[k] = ",".join(cells)
    info.write_bytes(gzip.compress("\n".join(lines).encode()))
    outcome = replay_episode(load_episode(tmp_path / "loss1_reno_A.json"))
    assert outcome.cwnd_agree == outcome.cwnd_total - 1
    assert outcome.first.startswith("after ACK 5 at")


def test_a_loss_that_the_script_leaves_out_is_a_difference(tmp_path: Path) -> None:
    for path in EPISODES.glob("loss1_reno_A.*"):
        shutil.copy(path, tmp_path)
    meta = json.loads((tmp_path / "loss1_reno_A.json").read_text())
    meta["script"] = [line for line in meta["script"] if not line.startswith("O 300")]
    (tmp_path / "loss1_reno_A.json").write_text(json.dumps(meta))
    outcome = replay_episode(load_episode(tmp_path / "loss1_reno_A.json"))
    assert not outcome.agrees
    assert "packet 300.2" in outcome.first or "after ACK" in outcome.first


def test_a_folder_and_a_name_without_suffix_both_name_episodes() -> None:
    assert list(episode_files([str(EPISODES)])) == FILES
    assert list(episode_files([str(EPISODES / "loss1_reno_A")])) == [recorded("loss1_reno_A")]


def test_a_missing_recording_is_refused() -> None:
    with pytest.raises(RecordingError, match="nothing there"):
        list(episode_files([str(EPISODES / "no_such_episode")]))


def test_a_recording_without_its_packets_is_refused(tmp_path: Path) -> None:
    shutil.copy(recorded("loss1_reno_A"), tmp_path)
    with pytest.raises(RecordingError, match=r"loss1_reno_A\.json: expected a recorded episode"):
        load_episode(tmp_path / "loss1_reno_A.json")
