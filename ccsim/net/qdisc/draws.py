"""The random numbers of one queueing discipline: a stream of SplitMix64 (Steele and others, 2014).

A stream belongs to one hop and one purpose and is drawn in the order of the calls, so that neither
the cut of a run into windows nor another hop changes what a qdisc draws. Narrower numbers are the
top bits of the same 64.
"""

from __future__ import annotations

import hashlib

__all__ = ["Draws"]

_U64 = 0xFFFF_FFFF_FFFF_FFFF
_GOLDEN = 0x9E37_79B9_7F4A_7C15


class Draws:
    """A source of 16, 32 and 64 random bits; ``state`` is the whole of it."""

    __slots__ = ("state",)

    def __init__(self, seed: int) -> None:
        self.state = seed & _U64

    @classmethod
    def stream(cls, seed: int, name: str) -> Draws:
        """Return the stream called ``name``, such as ``core/pie``, of a run's seed."""
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        return cls(int.from_bytes(digest[:8], "big"))

    def u64(self) -> int:
        """Return 64 random bits."""
        self.state = z = (self.state + _GOLDEN) & _U64
        z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & _U64
        z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & _U64
        return z ^ (z >> 31)

    def u32(self) -> int:
        """Return 32 random bits."""
        return self.u64() >> 32

    def u16(self) -> int:
        """Return 16 random bits."""
        return self.u64() >> 48
