"""Every simulation of the tests runs paranoid: invariants are checked after each window, hook."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ["CCSIM_PURE"] = "1"  # what the developer has compiled is tested in tests/compiled alone


@pytest.fixture(autouse=True, scope="session")
def _always_paranoid() -> Iterator[None]:
    from ccsim.sim.world import World

    World.always_paranoid = True
    yield
    World.always_paranoid = False
