"""ccsim's own kernel BTF: the simulator as one more kernel whose types have Linux's names.

`kernel_btf` is what libbpf relocates against; `leaves` and `member_at` tell what lies where in a
struct.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf, Member, Type
from ccsim.bpf.kernel_types import FUNCTIONS, OLD_CONG_CONTROL, TYPES

__all__ = ["Leaf", "Target", "kernel_btf", "leaves", "member_at"]

_INTS = {
    "unsigned char": ("unsigned char", 1, 0),
    "unsigned short": ("short unsigned int", 2, 0),
    "unsigned int": ("unsigned int", 4, 0),
    "unsigned long": ("long unsigned int", 8, 0),
    "unsigned long long": ("long long unsigned int", 8, 0),
    "char": ("char", 1, kinds.SIGNED),
    "int": ("int", 4, kinds.SIGNED),
    "long": ("long int", 8, kinds.SIGNED),
    "_Bool": ("_Bool", 1, kinds.BOOL),
}
"""Spelling in C: the name that gcc gives it, bytes, encoding."""
_TYPEDEFS = {
    "u8": "unsigned char",
    "u16": "unsigned short",
    "u32": "unsigned int",
    "u64": "unsigned long long",
    "s32": "int",
    "bool": "_Bool",
    "size_t": "unsigned long",
    "__be16": "u16",
    "__be32": "u32",
}
_FUNCTION = re.compile(r"(.+?)\s*(\*?)(\w+)\((.*)\)")
_VARIABLE = re.compile(r"(.+?)\s*(\*?)(\w+)?(?:\[(\d+)\])?(?:\s*:\s*(\d+))?")


@dataclass(frozen=True)
class Target:
    """The kernel that is emulated for objects: its version, tick and configuration.

    ``version`` decides the signature of ``cong_control``: four arguments from 6.10 on, before that
    two.
    """

    version: tuple[int, int, int] = (6, 18, 44)
    hz: int = 250

    @property
    def cong_control_arguments(self) -> int:
        """How many arguments the kernel gives ``cong_control``: 4 since Linux 6.10."""
        return 4 if self.version >= (6, 10, 0) else 2

    @property
    def version_code(self) -> int:
        """What ``LINUX_KERNEL_VERSION`` reads (``KERNEL_VERSION``)."""
        major, minor, patch = self.version
        return major << 16 | minor << 8 | min(patch, 255)

    def kconfig(self) -> dict[str, int | str]:
        """Return the configuration that objects may ask for, tristates as ``y``."""
        return {
            "LINUX_KERNEL_VERSION": self.version_code,
            "LINUX_HAS_BPF_COOKIE": 1,
            "LINUX_HAS_SYSCALL_WRAPPER": 1,
            "CONFIG_HZ": self.hz,
            f"CONFIG_HZ_{self.hz}": "y",
            "CONFIG_64BIT": "y",
            "CONFIG_X86_64": "y",
            "CONFIG_BPF": "y",
            "CONFIG_BPF_SYSCALL": "y",
            "CONFIG_BPF_JIT": "y",
            "CONFIG_NET": "y",
            "CONFIG_INET": "y",
            "CONFIG_TCP_CONG_ADVANCED": "y",
            "CONFIG_TCP_CONG_CUBIC": "y",
            "CONFIG_TCP_CONG_BBR": "y",
            "CONFIG_TCP_CONG_DCTCP": "y",
            "CONFIG_DEFAULT_TCP_CONG": '"cubic"',
        }


@dataclass(frozen=True, slots=True)
class Leaf:
    """One member that is no struct: its dotted path, place and width in bits."""

    path: str
    bit_offset: int
    bit_size: int
    signed: bool


@cache
def kernel_btf(cong_control_arguments: int = 4) -> Btf:
    """Return the kernel's types and functions, with the one or the other ``cong_control``."""
    builder = _Builder()
    text = TYPES
    if cong_control_arguments == 2:
        text = re.sub(r"void cong_control\(.*\)", OLD_CONG_CONTROL, text)
    elif cong_control_arguments != 4:
        raise ValueError(f"cong_control: expected 4 or 2 arguments, got {cong_control_arguments}")
    builder.read(text)
    for line in FUNCTIONS.strip().splitlines():
        builder.function(line)
    return Btf(builder.types)


@cache
def leaves(struct: str) -> tuple[Leaf, ...]:
    """Return the members of a kernel struct, inner structs and arrays of them spread out.

    An array of plain elements is one leaf. Raises KeyError for a struct that is none of ours.
    """
    btf = kernel_btf()
    number = btf.find(struct, kinds.STRUCT)
    if not number:
        raise KeyError(struct)
    return tuple(_leaves(btf, number, "", 0))


def _leaves(btf: Btf, number: int, path: str, base: int) -> Iterator[Leaf]:
    it = btf.plain(number)
    if it.kind == kinds.ARRAY and btf.plain(it.type).kind in kinds.COMPOSITES:
        for index in range(it.count):
            offset = base + index * 8 * btf.size_of(it.type)
            yield from _leaves(btf, it.type, f"{path}[{index}]", offset)
        return
    for member in it.members:
        name = f"{path}.{member.name}" if path else member.name
        inner = btf.plain(member.type)
        element = btf.plain(inner.type) if inner.kind == kinds.ARRAY else inner
        if element.kind in kinds.COMPOSITES:
            yield from _leaves(btf, member.type, name, base + member.bit_offset)
            continue
        bits = member.bits or 8 * btf.size_of(member.type)
        yield Leaf(name, base + member.bit_offset, bits, element.signed)


@cache
def member_at(struct: str, offset: int, size: int) -> Leaf | None:
    """Return the member in which an access of ``size`` bytes at ``offset`` lies; None for none.

    An access that covers several members (bit-fields in one byte) gives the first of them.
    """
    start, end = 8 * offset, 8 * (offset + size)
    for leaf in leaves(struct):
        if leaf.bit_offset < end and start < leaf.bit_offset + leaf.bit_size:
            return leaf
    return None


class _Builder:
    """Turns declarations into numbered types."""

    def __init__(self) -> None:
        self.types = [Type(kinds.VOID)]
        self._numbers: dict[str, int] = {"void": 0}

    def read(self, text: str) -> None:
        """Read structs and enumerations; a line that is not indented opens one."""
        for block in re.split(r"\n(?=\S)", text.strip()):
            head, *lines = block.split("\n")
            kind, name, *size = head.split()
            number = self.number(f"{kind} {name}")
            if kind == "enum":
                self.types[number] = self._enumeration(name, " ".join(lines).split())
                continue
            members = tuple(self._member(line.strip()) for line in lines)
            shown = "" if name.startswith(".") else name
            self.types[number] = Type(kinds.STRUCT, shown, size=int(size[0]), members=members)

    def _enumeration(self, name: str, words: list[str]) -> Type:
        values = []
        for index, word in enumerate(words):
            value, _, number = word.partition("=")
            values.append((value, int(number) if number else index))
        return Type(kinds.ENUM, name, size=4, values=tuple(values))

    def _member(self, line: str) -> Member:
        place, declaration = line.split(" ", 1)
        offset, _, bit = place.partition(".")
        at = 8 * int(offset) + int(bit or 0)
        if "(" in declaration:
            name, prototype = self._prototype(declaration)
            return Member(name, self._add(Type(kinds.PTR, type=prototype)), at)
        name, number, bits = self._variable(declaration)
        return Member(name, number, at, bits)

    def function(self, line: str) -> None:
        """Add a kernel function."""
        name, prototype = self._prototype(line)
        self._add(Type(kinds.FUNC, name, type=prototype))

    def _prototype(self, declaration: str) -> tuple[str, int]:
        match = _FUNCTION.fullmatch(declaration)
        assert match, declaration
        returned, star, name, inside = match.groups()
        params = [] if inside == "void" else [self._variable(p)[:2] for p in inside.split(", ")]
        result = self.number(f"{returned} *" if star else returned)
        return name, self._add(Type(kinds.FUNC_PROTO, type=result, params=tuple(params)))

    def _variable(self, declaration: str) -> tuple[str, int, int]:
        """Return name, type and width of a bit-field."""
        match = _VARIABLE.fullmatch(declaration)
        assert match, declaration
        base, star, name, count, bits = match.groups()
        number = self.number(f"{base} *" if star else base)
        if count:
            number = self._add(Type(kinds.ARRAY, type=number, count=int(count)))
        return name, number, int(bits or 0)

    def number(self, spelling: str) -> int:
        """Return the number of a type by its spelling in C, making it where it is new."""
        if spelling not in self._numbers:
            self._numbers[spelling] = self._add(Type(kinds.VOID))
            self.types[self._numbers[spelling]] = self._make(spelling)
        return self._numbers[spelling]

    def _make(self, spelling: str) -> Type:
        if spelling.endswith(" *"):
            return Type(kinds.PTR, type=self.number(spelling[:-2]))
        if spelling.startswith("const "):
            return Type(kinds.CONST, type=self.number(spelling[6:]))
        if spelling.startswith(("struct ", "enum ")):
            return Type(kinds.FWD, spelling.split(" ")[1])  # until its declaration is read
        if spelling in _TYPEDEFS:
            return Type(kinds.TYPEDEF, spelling, type=self.number(_TYPEDEFS[spelling]))
        name, size, encoding = _INTS[spelling]
        signed = bool(encoding & kinds.SIGNED)
        return Type(kinds.INT, name, size=size, encoding=encoding, signed=signed)

    def _add(self, it: Type) -> int:
        self.types.append(it)
        return len(self.types) - 1
