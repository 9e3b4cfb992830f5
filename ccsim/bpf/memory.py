"""What a BPF program can address: regions of bytes and of socket members, and an invocation's view
of them (kernel/bpf/core.c, net/ipv4/bpf_tcp_ca.c).

An address is a number of 64 bits: the region's number in the upper half, an offset in the lower;
0 is NULL. So pointers may be kept on the stack, in maps and in the private area like any number,
and every access is checked against the region that it falls into.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ccsim.errors import CcsimError

if TYPE_CHECKING:
    from ccsim.bpf.runtime import Code, Runtime

__all__ = [
    "ACK_SAMPLE",
    "AREA_BYTES",
    "CTX",
    "FRAMES",
    "FUNCTIONS",
    "MAP_HANDLES",
    "MAP_VALUES",
    "MAX_FRAMES",
    "NUMBERS",
    "RATE_SAMPLE",
    "SOCK",
    "STACK_BYTES",
    "U32",
    "U64",
    "Arguments",
    "BpfFault",
    "Buffer",
    "Invocation",
    "Memory",
    "PrivateArea",
]

U32 = (1 << 32) - 1
U64 = (1 << 64) - 1
NUMBERS = {size: struct.Struct(kind) for size, kind in ((1, "<B"), (2, "<H"), (4, "<I"), (8, "<Q"))}
"""How a number of that many bytes lies in memory."""
AREA_BYTES = 104  # icsk_ca_priv
STACK_BYTES = 512  # of one frame
MAX_FRAMES = 8

# The numbers of the regions, in the upper half of an address.
CTX = 1 << 32  # the program's arguments, 64 bits each
SOCK = 2 << 32  # struct tcp_sock
ACK_SAMPLE = 3 << 32
RATE_SAMPLE = 4 << 32
MAP_HANDLES = 6 << 32  # what a helper takes as a map: its index; nothing can be read there
FUNCTIONS = 7 << 32  # what a helper takes as a callback: its first slot
FRAMES = 8 << 32  # the stack: one region for each of up to eight frames
SCRATCH = 32  # keys that callbacks are shown
MAP_VALUES = 64 << 32  # one region for the values of each map
ROUNDS = 1 << 24
"""Twice BPF_MAX_LOOPS. Linux knows no such bound: loops in loops may stop a processor for days."""


class BpfFault(CcsimError, RuntimeError):
    """A program did what no verified program does; the message names it and its instruction."""


class Memory(Protocol):
    """A region: integers of 1, 2, 4 or 8 bytes, little-endian, at offsets within it.

    Both raise IndexError for bytes that are not the region's.
    """

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""

    def store(self, offset: int, size: int, value: int) -> None:
        """Write the low bytes of a number to an offset."""


class Buffer:
    """A region of plain bytes."""

    __slots__ = ("data", "writable")

    def __init__(self, data: bytearray, *, writable: bool = True) -> None:
        self.data = data
        self.writable = writable

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""
        try:
            return NUMBERS[size].unpack_from(self.data, offset)[0]
        except struct.error:
            raise IndexError(f"{size} bytes at {offset} of {len(self.data)}") from None

    def store(self, offset: int, size: int, value: int) -> None:
        """Write the low bytes of a number to an offset."""
        end = offset + size
        if end > len(self.data) or not self.writable:
            raise IndexError(f"{size} bytes at {offset} of {len(self.data)} cannot be written")
        NUMBERS[size].pack_into(self.data, offset, value & (1 << size * 8) - 1)


class Arguments:
    """The arguments of a program, 64 bits each, which it only reads."""

    __slots__ = ("words",)

    def __init__(self, words: list[int]) -> None:
        self.words = words

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""
        words = self.words
        if size == 8 and not offset & 7:
            return words[offset >> 3]
        if offset + size > 8 * len(words):
            raise IndexError(f"{size} bytes at {offset} of {8 * len(words)}")
        whole = sum(word << 64 * at for at, word in enumerate(words))
        return whole >> 8 * offset & (1 << 8 * size) - 1

    def store(self, offset: int, size: int, value: int) -> None:
        """Refuse: arguments are not the program's to change."""
        raise IndexError(f"{size} bytes at {offset} of the arguments cannot be written")


class PrivateArea(Buffer):
    """``icsk_ca_priv``: 104 bytes of a socket, zero when an implementation is bound to it.

    ``state`` is what a kernel's own algorithm keeps there while its functions are called
    (`ccsim.bpf.kernel_state`), and ``layout`` tells how that lies in the area; while the bytes are
    ``stale`` they follow it as soon as somebody looks. ``seen`` is the layout's, from one change to
    the next.
    """

    __slots__ = ("layout", "seen", "stale", "state")

    def __init__(self) -> None:
        super().__init__(bytearray(AREA_BYTES))
        self.state: Any = None
        self.layout: Any = None
        self.seen = 0
        self.stale = False

    def bytes(self) -> bytearray:
        """Return the area's bytes as they are now."""
        if self.stale:
            number = self.layout.encode(self.state, int.from_bytes(self.data, "little"))
            self.data[:] = number.to_bytes(AREA_BYTES, "little")
            self.stale = False
        return self.data

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""
        if self.stale:
            self.bytes()
        try:
            return NUMBERS[size].unpack_from(self.data, offset)[0]
        except struct.error:
            raise IndexError(f"{size} bytes at {offset} of {AREA_BYTES}") from None

    def store(self, offset: int, size: int, value: int) -> None:
        """Write the low bytes of a number to an offset; an algorithm's state is read anew."""
        if self.state is not None:
            self.bytes()
            self.state = None
        Buffer.store(self, offset, size, value)

    def __copy__(self) -> PrivateArea:
        other = PrivateArea()
        other.data[:] = self.bytes()
        return other


class Invocation:
    """One call of a program (``code``) on a socket: its arguments (``words``), frames and what it
    may reach.

    ``call`` runs a function of the program, given its first slot and arguments, in the form in
    which the program itself is run; ``depth`` is the number of frames in use; ``may_goto`` says how
    often a frame may still go round by that instruction, once it has; ``rounds`` are those of
    all loops by it, ``bpf_loop`` and numbers' iterators.
    """

    __slots__ = (
        *("back_jumps", "call", "code", "depth", "may_goto", "regions", "rounds", "runtime", "sk"),
        "words",
    )

    def __init__(
        self,
        runtime: Runtime,
        code: Code | None,
        sk: Any,
        words: list[int],
        regions: dict[int, Memory],
    ) -> None:
        self.runtime = runtime
        self.code = code
        self.sk = sk
        self.words = words
        self.regions = regions
        self.depth = 0
        self.back_jumps = 0
        self.rounds = 0
        self.may_goto: dict[int, int] = {}
        self.call: Callable[..., int] = _no_code

    def go_round(self) -> None:
        """Count a round of a loop that has a bound of its own, which means little within another
        loop; BpfFault if there were too many."""
        self.rounds += 1
        if self.rounds > ROUNDS:
            raise BpfFault(f"the loops of one call have gone round {ROUNDS} times")

    def load(self, address: int, size: int) -> int:
        """Return the unsigned number at an address; BpfFault where there is none."""
        region = self.regions.get(address >> 32)
        if region is None:
            raise BpfFault(f"invalid read of {size} bytes at {_place(address)}")
        try:
            return region.load(address & U32, size)
        except IndexError as error:
            raise BpfFault(f"invalid read at {_place(address)}: {error}") from error

    def store(self, address: int, size: int, value: int) -> None:
        """Write the low bytes of a number to an address; BpfFault where that cannot be."""
        region = self.regions.get(address >> 32)
        if region is None:
            raise BpfFault(f"invalid write of {size} bytes at {_place(address)}")
        try:
            region.store(address & U32, size, value)
        except IndexError as error:
            raise BpfFault(f"invalid write at {_place(address)}: {error}") from error

    def read(self, address: int, size: int) -> bytes:
        """Return the bytes at an address."""
        region = self.regions.get(address >> 32)
        offset = address & U32
        if type(region) is Buffer and offset + size <= len(region.data):
            return bytes(region.data[offset : offset + size])
        return bytes(self.load(address + i, 1) for i in range(size))

    def write(self, address: int, data: bytes) -> None:
        """Write bytes to an address."""
        for i, byte in enumerate(data):
            self.store(address + i, 1, byte)

    def show(self, depth: int, frame: bytearray) -> None:
        """Let a frame of the stack be memory."""
        self.regions[(FRAMES >> 32) + depth] = Buffer(frame)

    @contextmanager
    def scratch(self, size: int) -> Iterator[tuple[int, bytearray]]:
        """Lend memory for what a callback is shown: its address and bytes."""
        number = SCRATCH + len([n for n in self.regions if SCRATCH <= n < SCRATCH + 16])
        data = bytearray(size)
        self.regions[number] = Buffer(data)
        try:
            yield number << 32, data
        finally:
            del self.regions[number]

    def read_text(self, address: int, size: int) -> bytes:
        """Return the bytes at an address up to a NUL, at most ``size``; nothing behind is read."""
        found = bytearray()
        while len(found) < size and (byte := self.load(address + len(found), 1)):
            found.append(byte)
        return bytes(found)


def _place(address: int) -> str:
    """Name an address for people."""
    if not address:
        return "NULL"
    number, offset = address >> 32, address & U32
    name = _NAMES.get(number, "")
    if FRAMES <= address < FRAMES + (MAX_FRAMES << 32):
        name = "stack"
    if address >= MAP_VALUES:
        name = f"the values of map {number - (MAP_VALUES >> 32)}"
    return f"{name}+{offset}" if name else f"{address:#x}"


_NAMES = {
    CTX >> 32: "the arguments",
    SOCK >> 32: "struct tcp_sock",
    ACK_SAMPLE >> 32: "struct ack_sample",
    RATE_SAMPLE >> 32: "struct rate_sample",
    MAP_HANDLES >> 32: "a map",
    FUNCTIONS >> 32: "a function",
}


def _no_code(slot: int, *args: int) -> int:
    raise BpfFault(f"nothing to call at instruction {slot}")
