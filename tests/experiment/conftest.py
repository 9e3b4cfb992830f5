"""A scenario, and a simulator that answers at once with hand-made traces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ccsim.sim
from ccsim.scenario import Scenario, load_scenario, parse_scenario
from ccsim.sim.traces import SimResult
from tests.experiment.synthetic import event, flow, link, result, swap

TEXT = """\
name: dip
duration: 30 s
path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: bulk, congestion: cubic}
swaps:
  - {at: 20 s, via: setsockopt, flows: [bulk], to: bbr}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """A scenario with one swap, from a file."""
    file = tmp_path / "dip.yaml"
    file.write_text(TEXT)
    return load_scenario(file)


@pytest.fixture
def control() -> Scenario:
    """The same without a swap, from no file."""
    return parse_scenario(TEXT.split("swaps:", maxsplit=1)[0], "control.yaml")


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[Scenario]:
    """Replace the simulator; return the list of what it was asked to simulate."""
    asked: list[Scenario] = []

    def simulate(scenario: Scenario, progress: Any = None, **_: Any) -> SimResult:
        asked.append(scenario)
        if progress:
            progress(15_000_000_000)
        return answer(scenario)

    monkeypatch.setattr(ccsim.sim, "simulate", simulate, raising=False)
    return asked


def answer(scenario: Scenario, failed: str = "") -> SimResult:
    """Return a dip of a second for a scenario that swaps, a steady flow for one that does not."""
    swaps = bool(scenario.swaps)
    mbit = ((20.0, 100.0), (21.0, 50.0), (30.0, 100.0)) if swaps else ((30.0, 100.0),)
    names = ("cubic", "bbr") if swaps else (scenario.flows[0].congestion,)
    served = flow(
        mbit=mbit,
        duration_s=30,
        implementations=names,
        implementation=((19.99, 0), (30, int(swaps))),
    )
    return result(
        served,
        links=[link(duration_s=30, drops=[(20.5, 0)] if swaps else [])],
        events=[event(20, "swap", old="cubic", new="bbr")] if swaps else [],
        swaps=[swap()] if swaps else [],
        duration_s=30,
        failed=failed,
    )
