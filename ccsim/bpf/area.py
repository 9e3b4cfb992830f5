"""The private area as attributes, for programs translated to Python: each piece of it that programs
read or write by itself is one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from ccsim.bpf.memory import AREA_BYTES, PrivateArea

__all__ = ["Atom", "area_class", "atoms_of"]

Atom = tuple[int, int]  # offset and size [bytes]


def atoms_of(accesses: Iterable[Atom]) -> tuple[Atom, ...]:
    """Return the pieces of the area such that each access is a few whole ones."""
    cuts = {0, AREA_BYTES}
    for offset, size in accesses:
        cuts |= {offset, offset + size}
    return tuple((start, end - start) for start, end in pairwise(sorted(cuts)))


class _TypedArea(PrivateArea):
    """An area whose bytes are attributes ``p0``, ``p4``, …"""

    __slots__ = ()
    atoms: tuple[Atom, ...] = ()

    def __init__(self) -> None:
        for offset, _ in self.atoms:
            setattr(self, f"p{offset}", 0)
        self.state = self.layout = None
        self.stale = False

    def bytes(self) -> bytearray:
        """Return the area's bytes as they are now."""
        data = bytearray()
        for offset, size in self.atoms:
            data += getattr(self, f"p{offset}").to_bytes(size, "little")
        return data

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""
        return int.from_bytes(self.bytes()[offset : offset + size], "little")

    def store(self, offset: int, size: int, value: int) -> None:
        """Write the low bytes of a number to an offset."""
        data = self.bytes()
        data[offset : offset + size] = (value & (1 << size * 8) - 1).to_bytes(size, "little")
        for start, width in self.atoms:
            setattr(self, f"p{start}", int.from_bytes(data[start : start + width], "little"))

    def __copy__(self) -> _TypedArea:
        other = type(self)()
        for offset, _ in self.atoms:
            setattr(other, f"p{offset}", getattr(self, f"p{offset}"))
        return other


@cache
def area_class(atoms: tuple[Atom, ...]) -> type[PrivateArea]:
    """Return the class of an area in these pieces."""
    slots = tuple(f"p{offset}" for offset, _ in atoms)
    return type("Area", (_TypedArea,), {"__slots__": slots, "atoms": atoms})
