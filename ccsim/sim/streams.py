"""Random streams: one a component, all from the scenario's seed, so that twins differ by the swap
alone."""

from __future__ import annotations

import zlib

import numpy as np

__all__ = ["FlowRandom", "stream_seed"]


def stream_seed(seed: int, component: str, index: int = 0) -> int:
    """Return the 64-bit seed of one component's stream."""
    key = (zlib.crc32(component.encode()), index)
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0])


class FlowRandom:
    """What ``get_random_u32`` and kin return to one socket's hooks."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def u32(self) -> int:
        """Return a uniform integer in [0, 2**32)."""
        return int(self._generator.integers(1 << 32))

    def u32_below(self, bound: int) -> int:
        """Return a uniform integer in [0, bound)."""
        return int(self._generator.integers(bound))

    def u8(self) -> int:
        """Return a uniform integer in [0, 256)."""
        return int(self._generator.integers(256))
