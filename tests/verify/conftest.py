"""Recordings of a real kernel (Linux 6.18) that the tests of this folder replay."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"
EPISODES = DATA / "episodes"
TRACES = DATA / "traces"
