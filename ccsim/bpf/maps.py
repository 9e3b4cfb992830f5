"""Maps as programs and users see them: arrays, hashes, storage of sockets, ring buffers
(kernel/bpf/arraymap.c, hashtab.c, bpf_sk_storage.c, ringbuf.c)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ccsim.bpf.mapspec import MapSpec
from ccsim.bpf.memory import MAP_VALUES, Buffer
from ccsim.errors import CcsimError

__all__ = [
    "MAX_MAP_BYTES",
    "ArrayMap",
    "HashMap",
    "MapError",
    "QueueMap",
    "RingBuffer",
    "SockStorage",
    "create_map",
]

MAX_MAP_BYTES = 64 << 20
ENOENT, E2BIG, ENOMEM, EEXIST, EINVAL = 2, 7, 12, 17, 22
NOEXIST, EXIST = 1, 2  # BPF_NOEXIST, BPF_EXIST
NO_PREALLOC = 1  # BPF_F_NO_PREALLOC
RDONLY_PROG = 1 << 7  # BPF_F_RDONLY_PROG
(HASH, ARRAY, PERCPU_HASH, PERCPU_ARRAY, LRU_HASH, LRU_PERCPU_HASH) = (1, 2, 5, 6, 9, 10)
(QUEUE, STACK, SK_STORAGE, RINGBUF) = (22, 23, 24, 27)
TIMER_BYTES = 16  # struct bpf_timer
RING_SLOTS = 64  # reservations that a program may hold at once, and records kept for the reader


class MapError(CcsimError, ValueError):
    """A map that cannot be created; ``errno`` is the kernel's."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(errno, message)
        self.errno = errno
        self.message = message

    def __str__(self) -> str:
        return self.message


def _nothing(address: int) -> None:
    """There is no timer to be let go."""


class _Map:
    """What all maps have: a region of memory in which their values lie."""

    def __init__(self, spec: MapSpec, index: int, size: int) -> None:
        self.name = spec.name
        self.type = spec.type
        self.key_size, self.value_size = spec.key_size, spec.value_size
        self.max_entries = spec.max_entries
        self.stride = -(-spec.value_size // 8) * 8
        self.address = MAP_VALUES + (index << 32)
        if size > MAX_MAP_BYTES:
            raise MapError(
                ENOMEM,
                f"map {spec.name}: expected at most {MAX_MAP_BYTES >> 20} MiB, got {size} bytes",
            )
        self.timer_at = -1  # where a timer lies in values, once there is one
        self.timer_freed: Callable[[int], None] = _nothing
        self.memory = Buffer(
            bytearray(size), writable=not (spec.frozen or spec.flags & RDONLY_PROG)
        )

    def lookup(self, key: bytes) -> int:
        """Return the address of a key's value, 0 without one."""
        return 0

    def update(self, key: bytes, value: bytes, flags: int = 0) -> int:
        """Set a key's value; return 0 or minus an errno."""
        return -EINVAL

    def delete(self, key: bytes) -> int:
        """Remove a key; return 0 or minus an errno."""
        return -EINVAL

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values, in the map's order."""
        return iter(())

    def _value(self, slot: int) -> bytes:
        start = slot * self.stride
        return bytes(self.memory.data[start : start + self.value_size])

    def _write(self, slot: int, value: bytes) -> None:
        """Write a value; a timer in the one before goes, and none begins in the new one."""
        start = slot * self.stride
        self._let_go(slot)
        self.memory.data[start : start + self.value_size] = value
        if self.timer_at >= 0:
            at = start + self.timer_at
            self.memory.data[at : at + TIMER_BYTES] = bytes(TIMER_BYTES)

    def _let_go(self, slot: int) -> None:
        if self.timer_at >= 0:
            self.timer_freed(self.address + slot * self.stride + self.timer_at)


class ArrayMap(_Map):
    """An array, and a section of global variables, which is an array of one value; per-CPU arrays
    are plain ones, as there is one CPU."""

    def __init__(self, spec: MapSpec, index: int) -> None:
        stride = -(-spec.value_size // 8) * 8
        super().__init__(spec, index, stride * spec.max_entries)
        if spec.data is not None:
            self._write(0, spec.data[: spec.value_size])

    def lookup(self, key: bytes) -> int:
        """Return the address of an element, 0 beyond the end."""
        number = int.from_bytes(key[:4], "little")
        return self.address + number * self.stride if number < self.max_entries else 0

    def update(self, key: bytes, value: bytes, flags: int = 0) -> int:
        """Write an element, which is always there."""
        number = int.from_bytes(key[:4], "little")
        if flags & ~7 or flags & 3 == 3:
            return -EINVAL
        if number >= self.max_entries:
            return -E2BIG
        if flags & NOEXIST:
            return -EEXIST
        self._write(number, value)
        return 0

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all elements."""
        for number in range(self.max_entries):
            yield number.to_bytes(4, "little"), self._value(number)


class HashMap(_Map):
    """A hash; least recently used ones drop the key that was looked at longest ago when full."""

    def __init__(self, spec: MapSpec, index: int) -> None:
        super().__init__(spec, index, 0)
        self.lru = spec.type in (LRU_HASH, LRU_PERCPU_HASH)
        self.slots: dict[bytes, int] = {}
        self.free: list[int] = []

    def lookup(self, key: bytes) -> int:
        """Return the address of a key's value, 0 without one."""
        slot = self.slots.get(key)
        if slot is None:
            return 0
        if self.lru:
            self.slots[key] = self.slots.pop(key)
        return self.address + slot * self.stride

    def update(self, key: bytes, value: bytes, flags: int = 0) -> int:
        """Set a key's value; BPF_NOEXIST and BPF_EXIST say what must be."""
        if flags & ~7 or flags & 3 == 3:
            return -EINVAL
        slot = self.slots.get(key)
        if slot is not None and flags & NOEXIST:
            return -EEXIST
        if slot is None and flags & EXIST:
            return -ENOENT
        if slot is None:
            slot = self._take()
            if slot is None:
                return -E2BIG
            self.slots[key] = slot
        self._write(slot, value)
        return 0

    def address_of(self, key: bytes) -> int:
        """Return the address of a key's value, 0 without one; that is no use of it."""
        slot = self.slots.get(key)
        return 0 if slot is None else self.address + slot * self.stride

    def _take(self) -> int | None:
        """Return a free place; None when the map is full."""
        if len(self.slots) >= self.max_entries:
            if not self.lru:
                return None
            self.delete(next(iter(self.slots)))
        if self.free:
            return self.free.pop()
        slot = len(self.slots)
        if (slot + 1) * self.stride > MAX_MAP_BYTES:
            return None
        self.memory.data.extend(bytes(self.stride))
        return slot

    def delete(self, key: bytes) -> int:
        """Remove a key; ENOENT without it."""
        slot = self.slots.pop(key, None)
        if slot is None:
            return -ENOENT
        self._let_go(slot)
        self.free.append(slot)
        return 0

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values, oldest first."""
        for key, slot in list(self.slots.items()):
            yield key, self._value(slot)


class SockStorage(_Map):
    """Storage of sockets: a value for each, which goes with the socket."""

    def __init__(self, spec: MapSpec, index: int) -> None:
        super().__init__(spec, index, 0)
        self.by_id: dict[int, int] = {}
        self.free: list[int] = []

    def of(self, sk: Any, initial: bytes | None) -> int:
        """Return the address of a socket's value; without one, 0, or of a new one that is
        ``initial``."""
        slot = self.by_id.get(id(sk))
        if slot is None:
            if initial is None:
                return 0
            slot = self.free.pop() if self.free else len(self.memory.data) // (self.stride or 8)
            if (slot + 1) * self.stride > MAX_MAP_BYTES:
                return 0
            if slot * self.stride >= len(self.memory.data):
                self.memory.data.extend(bytes(self.stride))
            self.by_id[id(sk)] = slot
            if sk.kernel_data is not None:
                sk.kernel_data.on_close.append(self.forget)
            self._write(slot, initial)
        return self.address + slot * self.stride

    def forget(self, sk: Any) -> int:
        """Remove a socket's value; ENOENT without one."""
        slot = self.by_id.pop(id(sk), None)
        if slot is None:
            return -ENOENT
        self.free.append(slot)
        return 0


class QueueMap(_Map):
    """A queue, or a stack, of values."""

    def __init__(self, spec: MapSpec, index: int) -> None:
        super().__init__(spec, index, 0)
        self.values: list[bytes] = []
        self.newest_first = spec.type == STACK

    def push(self, value: bytes, flags: int) -> int:
        """Append a value; E2BIG when full, unless BPF_EXIST lets the oldest go."""
        if flags & ~EXIST:
            return -EINVAL
        if len(self.values) >= self.max_entries:
            if not flags & EXIST:
                return -E2BIG
            self.values.pop(0)
        self.values.append(value)
        return 0

    def peek(self, *, pop: bool) -> bytes | None:
        """Return the next value, and take it out; None without one."""
        if not self.values:
            return None
        place = -1 if self.newest_first else 0
        return self.values.pop(place) if pop else self.values[place]


class RingBuffer(_Map):
    """A ring buffer, whose reader takes everything at once: ``records`` are what was submitted."""

    def __init__(self, spec: MapSpec, index: int) -> None:
        super().__init__(spec, index, 0)
        self.records: list[bytes] = []
        self.dropped = 0
        self.used = 0
        self.reserved: dict[int, int] = {}  # offsets and sizes of what is not submitted yet

    def reserve(self, size: int) -> int:
        """Return the address of ``size`` bytes to be filled; 0 without room."""
        if not 0 < size <= self.max_entries - self.used - 8:
            self.dropped += 1
            return 0
        if not self.reserved:
            self.memory.data.clear()
        offset = len(self.memory.data)
        self.memory.data.extend(bytes(-(-size // 8) * 8))
        self.reserved[offset] = size
        return self.address + offset

    def finish(self, address: int, *, keep: bool) -> None:
        """Hand over what was reserved, or drop it."""
        offset = address - self.address
        size = self.reserved.pop(offset, 0)
        if keep:
            self.output(bytes(self.memory.data[offset : offset + size]))

    def output(self, record: bytes) -> int:
        """Append a record; EAGAIN without room."""
        room = -(-len(record) // 8) * 8 + 8
        if self.used + room > self.max_entries:
            self.dropped += 1
            return -11
        self.used += room
        self.records.append(record)
        return 0

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the records in order; their numbers are the keys."""
        for number, record in enumerate(self.records):
            yield number.to_bytes(8, "little"), record


_KINDS: dict[int, Callable[[MapSpec, int], _Map]] = {
    HASH: HashMap,
    ARRAY: ArrayMap,
    PERCPU_HASH: HashMap,
    PERCPU_ARRAY: ArrayMap,
    LRU_HASH: HashMap,
    LRU_PERCPU_HASH: HashMap,
    QUEUE: QueueMap,
    STACK: QueueMap,
    SK_STORAGE: SockStorage,
    RINGBUF: RingBuffer,
}
MAP_TYPES = frozenset(_KINDS)


def create_map(spec: MapSpec, index: int) -> _Map:
    """Return a fresh map; MapError EINVAL for a type that is not there, ENOMEM for one too big."""
    kind = _KINDS.get(spec.type)
    if kind is None:
        raise MapError(EINVAL, f"map {spec.name}: type {spec.type} is not supported")
    return kind(spec, index)
