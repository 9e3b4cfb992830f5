"""Random loss: one SplitMix64 stream a link, one draw a data packet, in order of arrival."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.ints import Ints, as_ints

__all__ = ["BernoulliLoss"]

GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
DRAWS_AHEAD = 1024  # made together where packets are drawn one by one


class BernoulliLoss:
    """Loses each data packet with a fixed probability (Steele, Lea, Flood 2014, SplitMix64).

    The k-th draw is a function of the seed and k alone, so it does not matter how a run is cut, and
    a twin loses the k-th packet as the run itself does.
    """

    def __init__(self, probability: float, seed: int) -> None:
        self.threshold = int(probability * (1 << 53))
        self._reached = seed & MASK  # the stream's state behind the numbers that are ahead
        self._ahead = Ints()  # numbers of 53 bits
        self._at = 0  # how many of them have been drawn

    @property
    def state(self) -> int:
        """The stream's state: the seed, and the golden ratio times the number drawn."""
        return (self._reached - (len(self._ahead) - self._at) * GOLDEN) & MASK

    def draw(self) -> bool:
        """Report whether the next packet is lost."""
        if self._at == len(self._ahead):
            self._ahead, self._at = as_ints(self._generate(DRAWS_AHEAD)), 0
        number = self._ahead.cells[self._at]
        self._at += 1
        return number < self.threshold

    def draws(self, n: int) -> list[bool]:
        """Return the next ``n`` draws, of packets that are looked at one by one."""
        if len(self._ahead) - self._at < n:
            more = self._generate(max(n, DRAWS_AHEAD))
            self._ahead, self._at = as_ints(self._ahead[self._at :] + more.tolist()), 0
        start, self._at = self._at, self._at + n
        threshold = self.threshold
        return [number < threshold for number in self._ahead[start : self._at]]

    def draw_many(self, n: int) -> NDArray[np.bool_]:
        """Return the next ``n`` draws as a column."""
        ahead = self._ahead[self._at : self._at + n]
        self._at += len(ahead)
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
