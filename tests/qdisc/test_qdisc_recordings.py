"""Every call of every recorded qdisc, every field of its state, and every timer's instant."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.verify.mahimahi_recordings import replay_link
from ccsim.verify.qdisc import replay
from ccsim.verify.qdisc_files import read_recordings

DATA = Path(__file__).parent / "data"
CALLS = {  # of all recordings of a file
    "cake": 32_370,
    "codel": 32_100,
    "dualpi2": 31_400,
    "fifo": 1_500,
    "fq": 22_900,
    "fq_codel": 26_400,
    "links": 21_802,
    "netem": 26_300,
    "pie": 52_200,
    "police": 6_400,
    "red": 28_600,
    "sfq": 17_100,
    "tbf": 11_800,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_every_recorded_call_agrees_in_every_field(name: str) -> None:
    recordings = read_recordings(DATA / f"{name}.jsonl.xz")
    outcomes = [replay_link(found) if found.is_link else replay(found) for found in recordings]
    assert [f"{o.name}: {o.first}" for o in outcomes if o.differences] == []
    assert sum(outcome.calls for outcome in outcomes) == CALLS[name]


def test_each_file_of_recordings_is_replayed() -> None:
    assert sorted(path.name for path in DATA.iterdir()) == [f"{name}.jsonl.xz" for name in CALLS]
