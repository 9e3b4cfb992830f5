"""Every simulation of the tests runs paranoid: invariants are checked after each window, hook.

The tests run the Python sources; with CCSIM_TEST_COMPILED=1 they run what ``ccsim compile`` made of
them, but for those marked ``pure``, which reach into functions that are machine code then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest

COMPILED = bool(os.environ.get("CCSIM_TEST_COMPILED"))
if not COMPILED:
    os.environ["CCSIM_PURE"] = "1"


hypothesis.settings.register_profile("ccsim", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("ccsim")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test sources under the name of machine code."""
    from ccsim.compiled import use

    if COMPILED and not use():
        raise pytest.UsageError("CCSIM_TEST_COMPILED is set: run `ccsim compile` first")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Python functions where there are none."""
    skip = pytest.mark.skip(reason="reaches into functions that are machine code here")
    for item in items:
        if COMPILED and item.get_closest_marker("pure"):
            item.add_marker(skip)


@pytest.fixture(autouse=COMPILED)
def _stays_compiled() -> Iterator[None]:
    """`ccsim check` does without machine code from then on; the tests after it do not."""
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders


@pytest.fixture(autouse=True, scope="session")
def _always_paranoid() -> Iterator[None]:
    from ccsim.sim.world import World

    World.always_paranoid = True
    yield
    World.always_paranoid = False
