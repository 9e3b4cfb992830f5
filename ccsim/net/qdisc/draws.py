"""The random numbers of one queueing discipline: a stream of SplitMix64 (Steele and others, 2014).

A stream belongs to one hop and one purpose and is drawn in the order of the calls, so that neither
the cut of a run into windows nor another hop changes what a qdisc draws. Narrower numbers are the
top bits of the same 64.
"""

from __future__ import annotations

import hashlib

__all__ = ["Draws"]

_U64 = 0xFFFF_FFFF_FFFF_FFFF
_U32 = 0xFFFF_FFFF
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_FIRST = 0xBF58_476D_1CE4_E5B9
_SECOND = 0x94D0_49BB_1331_11EB


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
        self.state = z = _sum(self.state, _GOLDEN)
        z = _product(z ^ (z >> 30), _FIRST)
        z = _product(z ^ (z >> 27), _SECOND)
        return z ^ (z >> 31)

    def u32(self) -> int:
        """Return 32 random bits."""
        return self.u64() >> 32

    def u16(self) -> int:
        """Return 16 random bits."""
        return self.u64() >> 48


def _sum(a: int, b: int) -> int:
    """Add modulo 2^64, in 64 bits."""
    room = _U64 - b
    return a - room - 1 if a > room else a + b


def _product(a: int, b: int) -> int:
    """Multiply modulo 2^64, in 64 bits: by halves of 32."""
    a_high, a_low = a >> 32, a & _U32
    b_high, b_low = b >> 32, b & _U32
    low = a_low * b_low
    high = (a_high * b_low & _U32) + (a_low * b_high & _U32) + (low >> 32) & _U32
    return high << 32 | low & _U32
