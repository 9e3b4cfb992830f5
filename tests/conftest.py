"""Every simulation of the tests runs paranoid: invariants are checked after each window, hook."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _always_paranoid() -> Iterator[None]:
    from ccsim.sim.world import World

    World.always_paranoid = True
    yield
    World.always_paranoid = False
