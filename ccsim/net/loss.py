"""Random loss: one SplitMix64 stream a link, one draw a data packet, in order of arrival."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BernoulliLoss"]

GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


class BernoulliLoss:
    """Loses each data packet with a fixed probability (Steele, Lea, Flood 2014, SplitMix64).

    The k-th draw is a function of the seed and k alone, so it does not matter how a run is cut, and
    a twin loses the k-th packet as the run itself does.
    """

    def __init__(self, probability: float, seed: int) -> None:
        self.threshold = int(probability * (1 << 53))
        self.state = seed & MASK

    def draw(self) -> bool:
        """Report whether the next packet is lost."""
        self.state = z = (self.state + GOLDEN) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) >> 11 < self.threshold

    def draw_many(self, n: int) -> NDArray[np.bool_]:
        """Return the next ``n`` draws."""
        steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN)
        z = steps + np.uint64(self.state)
        self.state = (self.state + n * GOLDEN) & MASK
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = (z ^ (z >> np.uint64(31))) >> np.uint64(11)
        return z < np.uint64(self.threshold)
