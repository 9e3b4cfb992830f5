"""Runs that are exported and imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.experiment.run import run_scenario
from ccsim.experiment.stored import StoredRun
from ccsim.scenario import parse_scenario

SWAP = """\
name: swap
duration: 6 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
tcp: {delayed_ack: false}
flows: [{name: bulk, congestion: cubic}]
swaps: [{at: 4 s, via: setsockopt, flows: [bulk], to: reno}]
twins: false
"""
MARKED = """\
name: marked
duration: 3 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 2 BDP, ecn: {mark_above: 20 packets}}
tcp: {ecn: true}
flows:
  - {name: old, congestion: reno, size: 800100 B}
  - {name: new, congestion: dctcp, start: 100 ms, size: 600 KB}
twins: false
"""


def stored(text: str, folder: Path) -> StoredRun:
    """Run a scenario, and return it as it is stored."""
    return run_scenario(parse_scenario(text, "s.yaml"), twins=False, out=folder, jobs=1)


@pytest.fixture(scope="session")
def swap(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A flow that loses packets, and is swapped."""
    return stored(SWAP, tmp_path_factory.mktemp("swap"))


@pytest.fixture(scope="session")
def marked(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """Two flows whose packets are marked instead of dropped, one of which ends."""
    return stored(MARKED, tmp_path_factory.mktemp("marked"))
