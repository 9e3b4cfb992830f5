"""Random loss: one SplitMix64 stream a link, one draw a data packet, in order of arrival."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BernoulliLoss"]

GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
DRAWS_AHEAD = 256  # made together where packets are drawn one by one


class BernoulliLoss:
    """Loses each data packet with a fixed probability (Steele, Lea, Flood 2014, SplitMix64).

    The k-th draw is a function of the seed and k alone, so it does not matter how a run is cut, and
    a twin loses the k-th packet as the run itself does.
    """

    def __init__(self, probability: float, seed: int) -> None:
        self.threshold = int(probability * (1 << 53))
        self._reached = seed & MASK  # the stream's state behind the numbers that are ahead
        self._ahead: list[int] = []  # the next numbers of 53 bits, the last of them first

    @property
    def state(self) -> int:
        """The stream's state: the seed, and so many times the golden ratio as were drawn."""
        return (self._reached - len(self._ahead) * GOLDEN) & MASK

    def draw(self) -> bool:
        """Report whether the next packet is lost."""
        if not self._ahead:
            self._ahead = self._generate(DRAWS_AHEAD)[::-1].tolist()
        return self._ahead.pop() < self.threshold

    def draw_many(self, n: int) -> NDArray[np.bool_]:
        """Return the next ``n`` draws."""
        ahead = self._ahead[: -n - 1 : -1]
        del self._ahead[len(self._ahead) - len(ahead) :]
        drawn = np.array(ahead, dtype=np.uint64), self._generate(n - len(ahead))
        return np.concatenate(drawn) < np.uint64(self.threshold)

    def _generate(self, n: int) -> NDArray[np.uint64]:
        """Return the next ``n`` numbers of 53 bits."""
        steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN)
        z = steps + np.uint64(self._reached)
        self._reached = (self._reached + n * GOLDEN) & MASK
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))) >> np.uint64(11)
