"""Whole transfers of all algorithms that take trains: vector paths on, off, in cut windows."""

from __future__ import annotations

import re

import pytest

from ccsim.catalog import algorithms_dir
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.sim.sim_rig import MS, resolved

NAMES = sorted(
    path.stem
    for path in algorithms_dir().glob("*.py")
    if re.search(r"^    train=\w+,$", path.read_text(encoding="utf-8"), re.MULTILINE)
)
BULK = """\
duration: 4 s
path: {{rate: 12 Mbit/s, rtt: 20 ms, buffer: 1 BDP, loss: {loss}}}
flows:
  - {{congestion: {name}}}
  - {{congestion: {name}, start: 1500 ms, size: 1 MB, rtt: 50 ms}}
swaps:
  - {{at: 3 s, via: setsockopt, flows: [flow-1], to: reno}}
  - {{at: 3300 ms, via: setsockopt, flows: [flow-1], to: {name}}}
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_transfer_by_trains_is_that_ack_by_ack(name: str) -> None:
    scenario = resolved(BULK.format(name=name, loss="0 %"))
    assert check(Example(scenario, (7 * MS,)), scenario) == ""


@pytest.mark.parametrize("name", NAMES)
def test_so_it_is_with_losses_now_and_then(name: str) -> None:
    scenario = resolved(BULK.format(name=name, loss="0.05 %"))
    assert check(Example(scenario, ()), scenario) == ""
