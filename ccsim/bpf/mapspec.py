"""The maps of an object: those it defines in ``.maps``, and one for each section of variables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf, Type
from ccsim.bpf.elf import SHT_NOBITS, STT_OBJECT, ElfFile, Section
from ccsim.bpf.errors import LOAD, OPEN, BpfObjectError, MalformedError
from ccsim.kernel.errors import E2BIG, EINVAL, ENOENT, ENOTSUPP, EOPNOTSUPP

__all__ = ["MAP_TYPES", "MapSpec", "Variable", "check_map", "defined_maps", "variable_maps"]

HASH, ARRAY, PERCPU_HASH, PERCPU_ARRAY = 1, 2, 5, 6
LRU_HASH, LRU_PERCPU_HASH, SK_STORAGE, RINGBUF = 9, 10, 24, 27
MAP_TYPES = {
    HASH: "hash",
    ARRAY: "array",
    PERCPU_HASH: "percpu_hash",
    PERCPU_ARRAY: "percpu_array",
    LRU_HASH: "lru_hash",
    LRU_PERCPU_HASH: "lru_percpu_hash",
    SK_STORAGE: "sk_storage",
    RINGBUF: "ringbuf",
}
"""``enum bpf_map_type``: those that there are here; per-CPU forms have one CPU."""

ARRAYS = frozenset({ARRAY, PERCPU_ARRAY})
HASHES = frozenset({HASH, PERCPU_HASH, LRU_HASH, LRU_PERCPU_HASH})
BPF_F_NO_PREALLOC = 1
BPF_F_RDONLY_PROG = 1 << 7
BPF_F_MMAPABLE = 1 << 10
MAX_MAP_BYTES = 1 << 28
MAX_KEY_BYTES = 512
LAST_MAP_TYPE = 33  # BPF_MAP_TYPE_ARENA
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Variable:
    """A global variable: its place in its section, and its type in the object's BTF."""

    name: str
    offset: int
    size: int
    type: int


@dataclass(frozen=True)
class MapSpec:
    """A map as it is created: numbers as in Linux, sizes in bytes.

    data: for a section of variables (``.data``, ``.bss``, ``.rodata``, ``.kconfig``), which is an
    array of one value, its content at load; None for others. key_type, value_type: in the object's
    BTF, 0 for none. place: (section, offset) where the object defines it.
    """

    name: str
    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    data: bytes | None = None
    variables: dict[str, Variable] = field(default_factory=dict)
    key_type: int = 0
    value_type: int = 0
    place: tuple[int, int] = (0, 0)

    @property
    def frozen(self) -> bool:
        """Whether its value never changes, so that the verifier may rely on it."""
        return self.data is not None and bool(self.flags & BPF_F_RDONLY_PROG)


def defined_maps(elf: ElfFile, btf: Btf) -> Iterator[MapSpec]:
    """Yield the maps of section ``.maps`` (``bpf_object__init_user_btf_maps``).

    Raises BpfObjectError (stage open) for a definition that libbpf does not understand.
    """
    section = elf.section(".maps")
    if elf.section("maps") is not None:
        raise BpfObjectError(
            OPEN, EOPNOTSUPP, "legacy map definitions in 'maps' section are not supported"
        )
    if section is None:
        return
    number = btf.find(".maps", kinds.DATASEC)
    if not number:
        raise BpfObjectError(OPEN, EINVAL, "DATASEC '.maps' not found.")
    places = symbol_places(elf, section)
    for variable, _, _ in btf[number].variables:
        name = btf[variable].name
        if name not in places:
            raise BpfObjectError(OPEN, EINVAL, f"map '{name}': there is no symbol for it")
        spec = _definition(btf, name, btf.plain(btf[variable].type))
        yield replace(spec, place=(section.index, places[name][0]))


def symbol_places(elf: ElfFile, section: Section) -> dict[str, tuple[int, int]]:
    """Return name -> (offset, size) of the variables in a section."""
    found = {}
    for symbol in elf.symbols:
        if symbol.section == section.index and symbol.type == STT_OBJECT:
            if symbol.value + symbol.size > section.size:
                raise MalformedError(f"{symbol.name}: lies beyond the end of {section.name}")
            found[symbol.name] = (symbol.value, symbol.size)
    return found


def _definition(btf: Btf, name: str, it: Type) -> MapSpec:
    """Read a map's definition (``parse_btf_map_def``)."""
    if it.kind != kinds.STRUCT:
        raise BpfObjectError(OPEN, EINVAL, f"map '{name}': unexpected def kind {it.kind}.")
    numbers = {"type": 0, "key_size": 0, "value_size": 0, "max_entries": 0, "map_flags": 0}
    types = {"key": 0, "value": 0}
    for member in it.members:
        if member.name in ("key", "value"):
            pointer = btf.plain(member.type)
            if pointer.kind != kinds.PTR:
                raise BpfObjectError(
                    OPEN, EINVAL, f"map '{name}': attr '{member.name}': expected a pointer"
                )
            types[member.name] = pointer.type
            size = f"{member.name}_size"
            if numbers[size] and numbers[size] != btf.size_of(pointer.type):
                raise BpfObjectError(OPEN, EINVAL, f"map '{name}': conflicting {size}")
            numbers[size] = btf.size_of(pointer.type)
        elif member.name in numbers or member.name in ("numa_node", "map_extra", "pinning"):
            numbers[member.name] = _number(btf, name, member.name, member.type)
        elif member.name == "values":
            raise BpfObjectError(
                OPEN, EOPNOTSUPP, f"map '{name}': maps in maps are not there in ccsim"
            )
        else:
            raise BpfObjectError(OPEN, EOPNOTSUPP, f"map '{name}': unknown field '{member.name}'.")
    if not numbers["type"]:
        raise BpfObjectError(OPEN, EINVAL, f"map '{name}': map type isn't specified.")
    entries = numbers["max_entries"]
    if numbers["type"] == RINGBUF:
        entries = _ring_size(entries)
    return MapSpec(
        name,
        numbers["type"],
        numbers["key_size"],
        numbers["value_size"],
        entries,
        numbers["map_flags"],
        key_type=types["key"],
        value_type=types["value"],
    )


def _ring_size(size: int) -> int:
    """Return the next power of two that is whole pages (``adjust_ringbuf_sz``)."""
    if not size or size >= 1 << 31:
        return size
    return max(PAGE, 1 << (size - 1).bit_length())


def _number(btf: Btf, map: str, field: str, type: int) -> int:
    """Return N of ``__uint(field, N)``, which is declared ``int (*field)[N]``."""
    pointer = btf.plain(type)
    array = btf.plain(pointer.type) if pointer.kind == kinds.PTR else pointer
    if array.kind != kinds.ARRAY:
        raise BpfObjectError(OPEN, EINVAL, f"map '{map}': attr '{field}': expected a number")
    return array.count


def variable_maps(elf: ElfFile, btf: Btf) -> Iterator[MapSpec]:
    """Yield one map for each section of variables (``bpf_object__init_global_data_maps``)."""
    for section in elf.sections:
        stem = "." + section.name.split(".")[1] if section.name.startswith(".") else ""
        if stem not in (".data", ".rodata", ".bss") or section.executable:
            continue
        if section.type not in (1, SHT_NOBITS) or not section.size:
            continue
        flags = BPF_F_MMAPABLE | (BPF_F_RDONLY_PROG if stem == ".rodata" else 0)
        data = section.data if section.type != SHT_NOBITS else bytes(section.size)
        yield MapSpec(
            section.name,
            ARRAY,
            4,
            section.size,
            1,
            flags,
            data=data,
            variables=_variables(elf, btf, section),
            place=(section.index, 0),
        )


def _variables(elf: ElfFile, btf: Btf, section: Section) -> dict[str, Variable]:
    """Return the variables of a section; offsets are the symbols', for clang leaves those in BTF
    at 0.
    """
    number = btf.find(section.name, kinds.DATASEC)
    if not number:
        return {}
    places = symbol_places(elf, section)
    found = {}
    for variable, _, size in btf[number].variables:
        name = btf[variable].name
        offset, _ = places.get(name, (None, 0))
        if offset is None:
            raise BpfObjectError(
                OPEN,
                ENOENT,
                f"failed to find symbol for variable '{name}' in section '{section.name}'",
            )
        if offset + size > section.size:
            raise MalformedError(f"{name}: lies beyond the end of {section.name}")
        found[name] = Variable(name, offset, size, btf[variable].type)
    return found


def check_map(spec: MapSpec) -> None:
    """Check what the kernel checks when a map is created (``map_alloc_check``).

    Raises BpfObjectError (stage load): EINVAL, E2BIG, ENOTSUPP as Linux; EOPNOTSUPP for a type
    that Linux has and ccsim does not.
    """
    if spec.type > LAST_MAP_TYPE:
        raise BpfObjectError(LOAD, EINVAL, f"map '{spec.name}': there is no type {spec.type}")
    if spec.type not in MAP_TYPES:
        raise BpfObjectError(
            LOAD, EOPNOTSUPP, f"map '{spec.name}': maps of type {spec.type} are not there in ccsim"
        )
    number = _map_errno(spec)
    if number:
        raise BpfObjectError(
            LOAD,
            number,
            f"map '{spec.name}': failed to create: {MAP_TYPES[spec.type]} with key_size "
            f"{spec.key_size}, value_size {spec.value_size}, max_entries {spec.max_entries}, "
            f"map_flags {spec.flags:#x}",
        )


def _map_errno(spec: MapSpec) -> int:
    key, value, entries, flags = spec.key_size, spec.value_size, spec.max_entries, spec.flags
    if spec.type == RINGBUF:
        whole = entries >= PAGE and not entries & entries - 1
        return EINVAL if key or value or flags or not whole else 0
    if spec.type == SK_STORAGE:
        good = flags & ~BPF_F_RDONLY_PROG == BPF_F_NO_PREALLOC and not entries and key == 4
        if not (good and value and spec.key_type and spec.value_type):
            return EINVAL
        return E2BIG if value > 0xFFFF - 64 else 0
    if not entries or not value or not key:
        return EINVAL
    if spec.type in ARRAYS:
        if key != 4 or flags & BPF_F_NO_PREALLOC:
            return EINVAL
    elif key > MAX_KEY_BYTES:
        return E2BIG
    elif spec.type in (LRU_HASH, LRU_PERCPU_HASH) and flags & BPF_F_NO_PREALLOC:
        return ENOTSUPP
    if spec.type in (PERCPU_HASH, PERCPU_ARRAY) and value > 1 << 15:
        return E2BIG
    return E2BIG if (key + value) * entries > MAX_MAP_BYTES else 0
