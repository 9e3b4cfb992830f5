"""Recordings of scripted connections that were changed, or are not all there, are told from whole
ones; that those come out packet by packet is tested in ``tests/tcp/test_tcp_episodes.py``."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from ccsim.errors import RecordingError
from ccsim.verify.episode import episode_files, load_episode
from ccsim.verify.episode_comparison import replay_episode
from ccsim.verify.episode_script import ScriptError, parse_script

EPISODES = Path(__file__).parent / "data" / "episodes"
FILES = sorted(EPISODES.glob("*.json"))


def recorded(name: str) -> Path:
    return EPISODES / f"{name}.json"


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


@pytest.mark.parametrize(("event", "state"), [("", "0"), ("A1", "7"), ("A1", "-1")])
def test_an_event_or_state_that_tcp_does_not_have_is_refused(
    tmp_path: Path, event: str, state: str
) -> None:
    source = recorded("loss1_reno_A")
    for file in source.parent.glob("loss1_reno_A.*"):
        shutil.copy(file, tmp_path)
    info = tmp_path / "loss1_reno_A.info.csv.gz"
    rows = gzip.decompress(info.read_bytes()).decode().splitlines()
    first = next(k for k, row in enumerate(rows) if row.split(",")[1] == "A1")
    cells = rows[first].split(",")
    cells[1:3] = event, state
    rows[first] = ",".join(cells)
    info.write_bytes(gzip.compress("\n".join(rows).encode(), 1))
    with pytest.raises(RecordingError, match="in state"):
        load_episode(tmp_path / "loss1_reno_A.json")


@pytest.mark.parametrize(
    "line", ["D 1-99999999999 drop", "A 1000001 drop", "O 1-100000 1-100000 drop"]
)
def test_an_action_upon_endlessly_many_packets_is_refused(line: str) -> None:
    with pytest.raises(ScriptError, match="line 1: expected an action such as"):
        parse_script([line])


def test_the_last_packet_that_an_action_may_name_is_the_millionth() -> None:
    assert [*parse_script(["D 1000000 drop"]).data] == [1_000_000]
