"""The system call bpf(2), as far as struct_ops objects need it (include/uapi/linux/bpf.h)."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Sequence

__all__ = [
    "create_link",
    "create_map",
    "freeze_map",
    "load_btf",
    "load_program",
    "look_up",
    "update_element",
    "update_link",
]

NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}
"""The number of bpf(2) by machine."""
MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, PROG_LOAD, MAP_FREEZE = 0, 1, 2, 5, 22
BTF_LOAD, LINK_CREATE, LINK_UPDATE = 18, 28, 29
PROG_TYPE_STRUCT_OPS = 27
ATTACH_STRUCT_OPS = 44
BPF_F_REPLACE = 4
LOG_BYTES = 1 << 20
FUNCTION_BYTES = 8  # of a row of func_info
ATTRIBUTE_BYTES = 144

_libc = ctypes.CDLL(None, use_errno=True)


class BpfCallError(OSError):
    """A bpf(2) that failed; ``log`` is what the verifier said."""

    def __init__(self, number: int, what: str, log: str = "") -> None:
        super().__init__(number, os.strerror(number), what)
        self.log = log


def create_map(
    kind: int,
    key: int,
    value: int,
    entries: int,
    *,
    flags: int = 0,
    name: str = "",
    btf: int = 0,
    key_type: int = 0,
    value_type: int = 0,
    kernel_type: int = 0,
) -> int:
    """Create a map and return its descriptor; its types are numbers in ``btf``, and
    ``kernel_type``, of a struct_ops map, is one in the kernel's."""
    numbers = (kind, key, value, entries, flags, 0, 0)
    types = (btf, key_type, value_type, kernel_type)
    attributes = struct.pack("=7I16s5I", *numbers, name.encode()[:15], 0, *types)
    return _call(MAP_CREATE, attributes, f"create map {name}")


def load_btf(data: bytes) -> int:
    """Load types and return their descriptor; BpfCallError has the kernel's last words."""
    buffer = ctypes.create_string_buffer(data, len(data))
    for log_bytes in (0, LOG_BYTES):
        log = ctypes.create_string_buffer(max(log_bytes, 1))
        place = ctypes.addressof(log) if log_bytes else 0
        sizes = (len(data), log_bytes, int(log_bytes > 0))
        attributes = struct.pack("=QQIII", ctypes.addressof(buffer), place, *sizes)
        try:
            return _call(BTF_LOAD, attributes, "load BTF")
        except BpfCallError as error:
            if log_bytes:
                raise BpfCallError(error.errno or 0, "load BTF", _tail(log)) from error
    raise AssertionError("unreachable: the second try returns or raises")


def update_element(fd: int, key: bytes, value: bytes) -> None:
    """Write an element of a map."""
    key_buffer = ctypes.create_string_buffer(key, len(key))
    value_buffer = ctypes.create_string_buffer(value, len(value))
    places = (ctypes.addressof(key_buffer), ctypes.addressof(value_buffer))
    _call(MAP_UPDATE, struct.pack("=IIQQQ", fd, 0, *places, 0), "update an element")


def look_up(fd: int, key: bytes, size: int) -> bytes:
    """Return an element of a map."""
    key_buffer = ctypes.create_string_buffer(key, len(key))
    value_buffer = ctypes.create_string_buffer(size)
    places = (ctypes.addressof(key_buffer), ctypes.addressof(value_buffer))
    _call(MAP_LOOKUP, struct.pack("=IIQQQ", fd, 0, *places, 0), "look up an element")
    return value_buffer.raw


def freeze_map(fd: int) -> None:
    """Let user space write a map no more, so that the verifier may rely on its values."""
    _call(MAP_FREEZE, struct.pack("=I", fd), "freeze a map")


def load_program(
    instructions: bytes,
    license: str,
    *,
    name: str,
    operations: int,
    member: int,
    btf: int,
    functions: Sequence[tuple[int, int]],
) -> int:
    """Load a struct_ops program and return its descriptor.

    ``operations`` is the type of the table in the kernel's BTF, ``member`` the number of the member
    that the program is for; ``functions`` are (slot, type in ``btf``), in order of slots.
    BpfCallError has the verifier's log.
    """
    rows = b"".join(struct.pack("=II", *row) for row in functions)
    told = ctypes.create_string_buffer(rows, len(rows))
    infos = (btf, FUNCTION_BYTES, ctypes.addressof(told), len(functions))
    code = ctypes.create_string_buffer(instructions, len(instructions))
    text = ctypes.create_string_buffer(license.encode() + b"\0")
    for log_bytes in (0, LOG_BYTES):  # a log that is not needed costs more than the program
        log = ctypes.create_string_buffer(max(log_bytes, 1))
        attributes = struct.pack(
            "=IIQQIIQII16sIIIIQIIQII",
            *(PROG_TYPE_STRUCT_OPS, len(instructions) // 8, ctypes.addressof(code)),
            *(ctypes.addressof(text), int(log_bytes > 0), log_bytes),
            ctypes.addressof(log) if log_bytes else 0,
            *(0, 0, name.encode()[:15], 0, member, *infos, 0, 0, 0, operations),
        )
        try:
            return _call(PROG_LOAD, attributes, f"load program {name}")
        except BpfCallError as error:
            if log_bytes:
                raise BpfCallError(error.errno or 0, f"load program {name}", _tail(log)) from error
    raise AssertionError("unreachable: the second try returns or raises")


def create_link(map_fd: int) -> int:
    """Register a struct_ops map under its name; the link's descriptor keeps it so."""
    attributes = struct.pack("=IIII", map_fd, 0, ATTACH_STRUCT_OPS, 0)
    return _call(LINK_CREATE, attributes, "create a link")


def update_link(link: int, new_map: int, old_map: int | None = None) -> None:
    """Replace the map of a link (``BPF_LINK_UPDATE``), only if it is ``old_map`` where that is
    given (BPF_F_REPLACE)."""
    flags = 0 if old_map is None else BPF_F_REPLACE
    _call(LINK_UPDATE, struct.pack("=IIII", link, new_map, flags, old_map or 0), "update a link")


def _call(command: int, attributes: bytes, what: str) -> int:
    buffer = ctypes.create_string_buffer(attributes.ljust(ATTRIBUTE_BYTES, b"\0"), ATTRIBUTE_BYTES)
    number = NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(f"{what}: the number of bpf(2) on {platform.machine()} is not known here")
    result = int(_libc.syscall(number, command, buffer, ATTRIBUTE_BYTES))
    if result < 0:
        raise BpfCallError(ctypes.get_errno(), what)
    return result


def _tail(log: ctypes.Array[ctypes.c_char]) -> str:
    """Return the verifier's last words."""
    lines = log.value.decode("utf-8", "replace").strip().splitlines()
    told = [line for line in lines if not line.startswith(("processed ", "verification time"))]
    return told[-1] if told else ""
