"""BTF of which few types are looked at, as the kernel's own with its 100,000: a type is read when
it is asked for (Documentation/bpf/btf.rst)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf, Type
from ccsim.bpf.errors import MalformedError

__all__ = ["IndexedBtf"]

_HEAD = 3  # words of any type: name, kind and count, size or type
_FIXED = {kinds.INT: 1, kinds.ARRAY: 3, kinds.VAR: 1, kinds.DECL_TAG: 1}
"""Words behind them that a kind has once."""
_ROWS = {
    kinds.STRUCT: 3,
    kinds.UNION: 3,
    kinds.DATASEC: 3,
    kinds.ENUM: 2,
    kinds.FUNC_PROTO: 2,
    kinds.ENUM64: 3,
}
"""Words that a kind has for each of its members, values or parameters."""


class IndexedBtf(Btf):
    """What `ccsim.bpf.btf.parse_btf` returns, but quickly: whatever is not within its bounds is a
    MalformedError when its type is asked for."""

    def __init__(self, data: bytes) -> None:
        types, strings = kinds.sections(data)
        words = np.frombuffer(types[: len(types) // 4 * 4], "<u4").tolist()
        places, names = _index(words)
        super().__init__(_Types(types, strings, places), strings)
        self._name_offsets = np.array(names, dtype=np.int64)
        self._found: dict[str, list[int]] = {}

    def named(self, name: str, kinds: Iterable[int] = ()) -> list[int]:
        """Return the numbers of the types of a name, of some kinds or of all."""
        if name not in self._found:
            offsets = list(_offsets(self.strings, name))
            rows = np.flatnonzero(np.isin(self._name_offsets, offsets))
            self._found[name] = [int(row) for row in rows]
        found = self._found[name]
        return [n for n in found if self.types[n].kind in kinds] if kinds else list(found)


def _index(words: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return where each type begins [words], and where its name lies; number 0 is void."""
    kinds_of = len(kinds.KIND_NAMES)
    fixed = [_HEAD + _FIXED.get(kind, 0) for kind in range(kinds_of)]
    rows = [_ROWS.get(kind, 0) for kind in range(kinds_of)]
    places, names, at, end = [0], [0], 0, len(words)
    while at + 1 < end:
        places.append(at)
        names.append(words[at])
        info = words[at + 1]
        kind = info >> 24 & 0x1F
        if not 0 < kind < kinds_of:
            raise MalformedError(f"BTF: there is no kind {kind}")
        at += fixed[kind] + rows[kind] * (info & 0xFFFF)
    if at != end:
        raise MalformedError("BTF: types end in the middle of one")
    return places, names


def _offsets(strings: bytes, name: str) -> Iterator[int]:
    """Yield each place in the strings at which a name may be said to lie: the end of a longer one
    is one, too."""
    wanted = name.encode() + b"\0"
    at = strings.find(wanted) if name else -1
    while at >= 0:
        yield at
        at = strings.find(wanted, at + 1)


class _Types(Sequence[Type]):
    """Types by number, each read once."""

    def __init__(self, types: bytes, strings: bytes, places: Sequence[int]) -> None:
        self._reader = kinds.Reader(types, strings)
        self._places = places
        self._known: dict[int, Type] = {0: Type(kinds.VOID)}

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> Type: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Type]: ...
    def __getitem__(self, number: int | slice) -> Type | Sequence[Type]:
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(len(self)))]
        if number not in self._known:
            self._reader.at = 4 * self._places[number]
            it = self._reader.type()
            kinds.check_references(it, number, len(self))
            self._known[number] = it
        return self._known[number]
