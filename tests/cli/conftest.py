"""A folder to work in, and a simulator that answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ccsim
import ccsim.sim
from ccsim.sim.traces import SimResult
from ccsim.spec import Scenario
from tests.experiment.conftest import TEXT, answer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with one scenario."""
    (tmp_path / "dip.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator that answers at once, and says something on stdout as an algorithm might."""

    def simulate(scenario: Scenario, **_: Any) -> SimResult:
        print("an algorithm prints")
        return answer(scenario)

    monkeypatch.setattr(ccsim.sim, "simulate", simulate, raising=False)
