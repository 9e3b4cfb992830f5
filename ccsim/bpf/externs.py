"""What an object takes from the kernel: constants of its configuration and its functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf
from ccsim.bpf.core_match import types_compatible
from ccsim.bpf.elf import STB_WEAK, ElfFile
from ccsim.bpf.errors import LOAD, OPEN, BpfObjectError
from ccsim.bpf.mapspec import ARRAY, BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, MapSpec, Variable
from ccsim.kernel.errors import EINVAL, ENOENT, EOPNOTSUPP, ERANGE, ESRCH

__all__ = ["Extern", "collect_externs", "kconfig_map", "resolve_function"]

KCONFIG = ".kconfig"
KSYMS = ".ksyms"
_TRISTATE = {"n": 0, "y": 1, "m": 2}  # enum libbpf_tristate


@dataclass(frozen=True, slots=True)
class Extern:
    """An undefined symbol. function: of the kernel; else a variable, in ``.kconfig`` or
    ``.ksyms``.
    """

    name: str
    section: str
    type: int
    weak: bool
    function: bool


def collect_externs(elf: ElfFile, btf: Btf) -> dict[str, Extern]:
    """Return the object's externs by name (``bpf_object__collect_externs``).

    Raises BpfObjectError (stage open) for one without a type, or that is neither configuration nor
    kernel symbol.
    """
    homes = {}
    for it in btf.types:
        if it.kind == kinds.DATASEC:
            homes.update({variable: it.name for variable, _, _ in it.variables})
    found = {}
    for symbol in elf.symbols[1:]:
        if symbol.section or not symbol.name or symbol.name in found:
            continue
        number = btf.find(symbol.name, kinds.FUNC, kinds.VAR)
        if not number:
            raise BpfObjectError(OPEN, ENOENT, f"failed to find BTF for extern '{symbol.name}'")
        home = homes.get(number, KSYMS)
        if home not in (KCONFIG, KSYMS):
            raise BpfObjectError(OPEN, EOPNOTSUPP, f"unrecognized extern section '{home}'")
        it = btf[number]
        weak = symbol.bind == STB_WEAK
        found[symbol.name] = Extern(symbol.name, home, it.type, weak, it.kind == kinds.FUNC)
    return found


def kconfig_map(externs: Mapping[str, Extern], btf: Btf, known: Mapping[str, int | str]) -> MapSpec:
    """Return the map of the configuration's constants, widest first as libbpf lays them out.

    Raises BpfObjectError (stage load): ESRCH for a strong one that the kernel does not have, EINVAL
    or ERANGE for one of another type.
    """
    wanted = [e for e in externs.values() if e.section == KCONFIG]
    wanted.sort(key=lambda e: (-btf.align_of(e.type), -btf.size_of(e.type), e.name))
    data, variables = bytearray(), {}
    for extern in wanted:
        align, size = btf.align_of(extern.type), btf.size_of(extern.type)
        data += bytes(-len(data) % align)
        variables[extern.name] = Variable(extern.name, len(data), size, extern.type)
        data += _constant(extern, btf, size, known)
    flags = BPF_F_MMAPABLE | BPF_F_RDONLY_PROG
    return MapSpec(KCONFIG, ARRAY, 4, len(data), 1, flags, data=bytes(data), variables=variables)


def _constant(extern: Extern, btf: Btf, size: int, known: Mapping[str, int | str]) -> bytes:
    value = known.get(extern.name)
    it = btf.plain(extern.type)
    text = it.kind == kinds.ARRAY and btf.size_of(it.type) == 1
    if size > 1 << 12 or not (text or it.kind in (kinds.INT, kinds.ENUM)):
        raise BpfObjectError(
            OPEN, EOPNOTSUPP, f"extern (kcfg) '{extern.name}': type is unsupported"
        )
    if value is None:
        if not extern.weak:
            raise BpfObjectError(LOAD, ESRCH, f"extern '{extern.name}' (strong): not resolved")
        return bytes(size)
    if isinstance(value, str) and value.startswith('"'):
        if not text:
            raise _unfit(extern, value)
        return value.strip('"').encode()[: size - 1].ljust(size, b"\0")
    number = _number(extern, it, value)
    bits = 8 * size - (1 if it.signed else 0)
    if not 0 <= number < 1 << bits:
        raise BpfObjectError(
            LOAD, ERANGE, f"extern (kcfg) '{extern.name}': value '{number}' doesn't fit"
        )
    return number.to_bytes(size, "little")


def _number(extern: Extern, it: kinds.Type, value: int | str) -> int:
    """Return a constant as a number; ``y`` suits booleans, tristates and characters alone."""
    if isinstance(value, int):
        if it.kind != kinds.INT or it.encoding & kinds.BOOL:
            raise _unfit(extern, value)
        return value
    if it.kind == kinds.ENUM and it.name == "libbpf_tristate":
        return _TRISTATE[value]
    if it.encoding & kinds.BOOL and value != "m":
        return int(value == "y")
    if it.kind == kinds.INT and it.size == 1:
        return ord(value)
    raise _unfit(extern, value)


def _unfit(extern: Extern, value: object) -> BpfObjectError:
    return BpfObjectError(
        LOAD, EINVAL, f"extern (kcfg) '{extern.name}': its type does not suit the value '{value}'"
    )


def resolve_function(extern: Extern, btf: Btf, kernel: Btf) -> int:
    """Return the number of a kernel function in the kernel's BTF; 0 for a weak one that is missing.

    Raises BpfObjectError (stage load): EINVAL for a strong one that is missing, or for another
    prototype.
    """
    number = kernel.find(extern.name, kinds.FUNC)
    if not number:
        if extern.weak:
            return 0
        raise BpfObjectError(
            LOAD,
            EINVAL,
            f"extern (func ksym) '{extern.name}': not found in kernel or module BTFs",
        )
    prototype = kernel[number].type
    if not types_compatible(btf, extern.type, kernel, prototype):
        raise BpfObjectError(
            LOAD,
            EINVAL,
            f"extern (func ksym) '{extern.name}': func_proto [{extern.type}] incompatible with "
            f"vmlinux [{prototype}]",
        )
    return number
