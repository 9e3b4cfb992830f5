"""Scripted connections recorded on a real kernel come out of the sender packet by packet."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.verify.episode import load_episode
from ccsim.verify.episode_comparison import replay_episode

EPISODES = Path(__file__).parents[1] / "verify" / "data" / "episodes"
FILES = sorted(EPISODES.glob("*.json"))


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
    outcome = replay_episode(load_episode(EPISODES / f"{name}.json"))
    assert outcome.replay.sk.counters[counter] == times
