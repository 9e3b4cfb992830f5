"""Where random scenarios take their choices from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

__all__ = ["Draw", "RandomDraw"]

T = TypeVar("T")


class Draw(Protocol):
    """A source of choices: a seed, or hypothesis, which shrinks them."""

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high]."""

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""


class RandomDraw:
    """Choices from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high]."""
        return self._random.randint(low, high)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return self._random.choice(options)
