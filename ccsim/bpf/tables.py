"""struct_ops maps of an object: tables of operations (libbpf's ``init_struct_ops_maps`` and
``init_kern_struct_ops``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf, Member, Type
from ccsim.bpf.core_match import essential
from ccsim.bpf.elf import ElfFile, Section
from ccsim.bpf.errors import ATTACH, LOAD, OPEN, BpfObjectError, MalformedError
from ccsim.bpf.mapspec import symbol_places
from ccsim.kernel.errors import EINVAL, ENOTSUPP, EOPNOTSUPP, ESRCH

__all__ = ["RawTable", "Table", "bind_table", "raw_tables"]

TCP_CONGESTION_OPS = "tcp_congestion_ops"
_SECTIONS = (".struct_ops", ".struct_ops.link", "?.struct_ops", "?.struct_ops.link")
FindProgram = Callable[[int, int], "str | None"]
"""Program at (section, offset in bytes), or None."""


@dataclass(frozen=True)
class RawTable:
    """A table as the object has it: its type, its bytes, and the programs by member."""

    name: str
    type: int
    link: bool
    optional: bool
    data: bytes
    programs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table as the kernel gets it (``struct tcp_congestion_ops``).

    name: of the struct_ops map; link: of the kind that a link registers; programs: by member;
    cc_name: under which it will be registered; strange: members that must be zero and are not.
    """

    name: str
    link: bool
    programs: dict[str, str]
    cc_name: str
    flags: int
    strange: tuple[str, ...] = ()

    def check_value(self) -> None:
        """Refuse what the kernel refuses when the element is written, beyond name and flags.

        Raises BpfObjectError (stage attach) EINVAL (``bpf_struct_ops_map_update_elem``).
        """
        if self.strange:
            raise BpfObjectError(
                ATTACH,
                EINVAL,
                f"{self.name}: {self.strange[0]}: expected 0, for the kernel sets it",
            )


def raw_tables(elf: ElfFile, btf: Btf, find: FindProgram) -> Iterator[RawTable]:
    """Yield the tables that an object holds. Raises BpfObjectError (stage open)."""
    for section in elf.sections:
        if section.name in _SECTIONS and section.type:
            yield from _tables_of(elf, btf, section, find)


def _tables_of(elf: ElfFile, btf: Btf, section: Section, find: FindProgram) -> Iterator[RawTable]:
    number = btf.find(section.name, kinds.DATASEC)
    if not number:
        raise BpfObjectError(OPEN, EINVAL, f"struct_ops init: DATASEC {section.name} not found")
    places = symbol_places(elf, section)
    for variable, _, _ in btf[number].variables:
        name = btf[variable].name
        type = btf.resolve(btf[variable].type)
        it = btf[type]
        if it.kind != kinds.STRUCT:
            raise BpfObjectError(OPEN, EINVAL, f"struct_ops init: {name} is not a struct")
        if not it.name:
            raise BpfObjectError(
                OPEN, EOPNOTSUPP, f"struct_ops init: anonymous type is not supported for {name}"
            )
        if name not in places:
            raise MalformedError(f"struct_ops init: there is no symbol for {name}")
        offset = places[name][0]
        data = section.data[offset : offset + it.size]
        if len(data) != it.size:
            raise BpfObjectError(OPEN, EINVAL, f"struct_ops init: {name} ends behind its section")
        programs = _programs(elf, btf, section, name, it, offset, find)
        link, optional = section.name.endswith(".link"), section.name.startswith("?")
        yield RawTable(name, type, link, optional, data, programs)


def _programs(
    elf: ElfFile, btf: Btf, section: Section, name: str, it: Type, offset: int, find: FindProgram
) -> dict[str, str]:
    """Return member -> program of one table (``bpf_object__collect_st_ops_relos``)."""
    found = {}
    for relocation in elf.relocations.get(section.index, ()):
        at = relocation.offset - offset
        if not 0 <= at < it.size:
            continue
        member = next((m for m in it.members if m.bit_offset == 8 * at), None)
        if member is None:
            raise BpfObjectError(
                OPEN, EINVAL, f"struct_ops reloc {name}: cannot find member at moff {at}"
            )
        if not _is_function(btf, member):
            raise BpfObjectError(
                OPEN, EINVAL, f"struct_ops reloc {name}: cannot find func ptr {member.name}"
            )
        symbol = elf.symbols[relocation.symbol]
        program = find(symbol.section, symbol.value)
        if program is None:
            raise BpfObjectError(
                OPEN,
                EINVAL,
                f"struct_ops reloc {name}: cannot find prog at shdr_idx {symbol.section} to "
                f"relocate func ptr {member.name}",
            )
        found[member.name] = program
    return found


def _is_function(btf: Btf, member: Member) -> bool:
    it = btf.plain(member.type)
    return it.kind == kinds.PTR and btf.plain(it.type).kind == kinds.FUNC_PROTO


def bind_table(raw: RawTable, btf: Btf, kernel: Btf) -> Table:
    """Fit a table to the kernel's struct, member by name (``bpf_map__init_kern_struct_ops``).

    Raises BpfObjectError (stage load): ESRCH for a struct that the kernel does not have,
    EOPNOTSUPP (libbpf's ENOTSUP) for a member that is set and does not fit.
    """
    name = essential(btf[raw.type].name)
    if name != TCP_CONGESTION_OPS:
        raise BpfObjectError(
            LOAD,
            ESRCH,
            f"struct_ops init_kern: struct bpf_struct_ops_{name} is not found in kernel BTF",
        )
    theirs = kernel[kernel.find(name, kinds.STRUCT)]
    members = {member.name: member for member in theirs.members}
    values: dict[str, bytes] = {}
    programs: dict[str, str] = {}
    for member in btf[raw.type].members:
        size = btf.size_of(member.type)
        content = raw.data[member.bit_offset // 8 : member.bit_offset // 8 + size]
        wanted = members.get(member.name)
        if wanted is None:
            if any(content) or member.name in raw.programs:
                raise _unfit(raw, f"Cannot find member {member.name} in kernel BTF")
            continue
        _check_member(raw, btf, member, kernel, wanted)
        if member.name in raw.programs:
            programs[member.name] = raw.programs[member.name]
        elif any(content):
            values[member.name] = content
    return _table(raw, programs, values)


def _check_member(raw: RawTable, btf: Btf, member: Member, kernel: Btf, wanted: Member) -> None:
    if member.bits or wanted.bits:
        raise _unfit(raw, f"bitfield {member.name} is not supported")
    ours, theirs = btf.plain(member.type), kernel.plain(wanted.type)
    if ours.kind != theirs.kind:
        raise _unfit(
            raw, f"Unmatched member type {member.name} {ours.kind} != {theirs.kind}(kernel)"
        )
    size, expected = btf.size_of(member.type), kernel.size_of(wanted.type)
    if size != expected:
        raise _unfit(raw, f"Error in size of member {member.name}: {size} != {expected}(kernel)")
    if member.name in raw.programs and not _is_function(kernel, wanted):
        raise _unfit(raw, f"kernel member {member.name} is not a func ptr")


def _unfit(raw: RawTable, message: str) -> BpfObjectError:
    return BpfObjectError(LOAD, EOPNOTSUPP, f"struct_ops init_kern {raw.name}: {message}")


def _table(raw: RawTable, programs: dict[str, str], values: dict[str, bytes]) -> Table:
    name = values.pop("name", b"")
    flags = int.from_bytes(values.pop("flags", b""), "little")
    text = name.split(b"\0")[0].decode("latin-1")
    return Table(raw.name, raw.link, programs, text, flags, tuple(sorted(values)))


def check_member(member: str) -> None:
    """Refuse a member that BPF may not implement (``bpf_tcp_ca_check_member``): ENOTSUPP."""
    if member == "get_info":
        raise BpfObjectError(
            LOAD, ENOTSUPP, f"attach to unsupported member {member} of struct tcp_congestion_ops"
        )
