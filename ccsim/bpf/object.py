"""An object as libbpf handles it: opened, its variables set, loaded (``tools/lib/bpf/libbpf.c``).

`open_object` reads and checks the file, `OpenObject.load` relocates it against ccsim's kernel,
verifies its programs and returns what can run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ccsim.bpf.btf import Btf, parse_btf
from ccsim.bpf.btf_ext import BtfExt, SourceLine, parse_btf_ext
from ccsim.bpf.elf import ElfFile, read_elf
from ccsim.bpf.errors import LOAD, OPEN, BpfObjectError, MalformedError
from ccsim.bpf.externs import collect_externs, kconfig_map, resolve_function
from ccsim.bpf.instructions import Instruction
from ccsim.bpf.kernel_btf import Target, kernel_btf
from ccsim.bpf.linker import LinkedCode, Linker, SectionFunction, functions_of
from ccsim.bpf.mapspec import MapSpec, check_map, defined_maps, variable_maps
from ccsim.bpf.tables import RawTable, Table, bind_table, check_member, raw_tables
from ccsim.bpf.values import decode_value, encode_value
from ccsim.bpf.verifier.check import Verdict
from ccsim.bpf.verifier.verify import verify
from ccsim.kernel.errors import EINVAL, ENOENT, ESRCH

__all__ = ["Linked", "LoadedObject", "OpenObject", "Program", "open_object"]

MAX_FILE = 64 << 20  # bytes
GPL_LICENSES = frozenset(
    {"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}
)
"""What the kernel takes for compatible with the GPL (``license_is_gpl_compatible``)."""
_OTHER_TYPES = frozenset(
    {
        *("action", "cgroup", "cgroup_skb", "classifier", "fentry", "fexit"),
        *("flow_dissector", "fmod_ret", "freplace", "iter", "kprobe", "kretprobe"),
        *("ksyscall", "kretsyscall", "lirc_mode2", "lsm", "lsm_cgroup", "lwt_in"),
        *("lwt_out", "lwt_seg6local", "lwt_xmit", "netfilter", "netkit", "perf_event"),
        *("raw_tp", "raw_tracepoint", "sk_lookup", "sk_msg", "sk_reuseport", "sk_skb"),
        *("socket", "sockops", "syscall", "tc", "tcx", "tp", "tp_btf", "tracepoint"),
        *("uprobe", "uretprobe", "usdt", "xdp"),
    }
)
"""Sections of programs that other parts of Linux run; they are loaded and never run here."""


@dataclass(frozen=True)
class Program:
    """A program as the kernel gets it.

    member: of tcp_congestion_ops that it implements, None for a program of another type;
    instructions: relocated, the subprograms that it calls behind it; kfuncs: names of the kernel
    functions that CALL_KFUNC counts; lines: source lines by slot; starts: where functions begin;
    poison: why a slot must not run; verdict: what the verifier found.
    """

    name: str
    section: str
    member: str | None
    instructions: list[Instruction]
    kfuncs: tuple[str, ...] = ()
    lines: dict[int, SourceLine] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    poison: dict[int, str] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=lambda: Verdict(0))


@dataclass(frozen=True)
class LoadedObject:
    """What an object becomes: verified programs, tables by name, maps in the order of their
    numbers.
    """

    name: str
    license: str
    target: Target
    btf: Btf
    programs: dict[str, Program]
    tables: dict[str, Table]
    maps: list[MapSpec]

    def variables(self, section: str, data: bytes) -> dict[str, Any]:
        """Return the variables of ``.bss``, ``.data``, ... as values, from the map's content."""
        spec = next(m for m in self.maps if m.name == section)
        return {
            v.name: decode_value(self.btf, v.type, data[v.offset : v.offset + v.size])
            for v in spec.variables.values()
        }


@dataclass(frozen=True)
class Linked:
    """An object relocated against a kernel: its maps in the order of their numbers, tables by name,
    the member that each program implements, and programs made whole, by name."""

    maps: list[MapSpec]
    tables: dict[str, Table]
    members: dict[str, str]
    codes: dict[str, LinkedCode]


def open_object(source: bytes | str | Path, name: str = "") -> OpenObject:
    """Open an object: a file's path or its bytes (``bpf_object__open``).

    Raises BpfObjectError (stage open) for a file that libbpf would not open, OSError for one that
    cannot be read.
    """
    if isinstance(source, bytes):
        data = source
    else:
        path = Path(source)
        name = name or path.name
        if path.stat().st_size > MAX_FILE:
            raise MalformedError(f"{name}: more than {MAX_FILE >> 20} MiB")
        data = path.read_bytes()
    try:
        return OpenObject(data, name or "object")
    except (IndexError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedError(f"{name}: the file is damaged ({error})") from error


class OpenObject:
    """An object that was opened and is not loaded yet (``struct bpf_object``)."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        self.elf: ElfFile = read_elf(data)
        self.btf, self._ext = self._read_btf()
        self.license = self._read_license()
        self.functions = functions_of(self.elf)
        self.externs = collect_externs(self.elf, self.btf)
        self.maps = [*defined_maps(self.elf, self.btf), *variable_maps(self.elf, self.btf)]
        self.tables: dict[str, RawTable] = {
            raw.name: raw for raw in raw_tables(self.elf, self.btf, self._program_at)
        }
        self._check_tables()

    def _read_btf(self) -> tuple[Btf, BtfExt]:
        section, more = self.elf.section(".BTF"), self.elf.section(".BTF.ext")
        if section is None:
            raise BpfObjectError(
                OPEN, ENOENT, "BTF is required, but is missing or corrupted (compile with -g)"
            )
        btf = parse_btf(section.data)
        return btf, parse_btf_ext(more.data, btf) if more is not None else BtfExt()

    def _read_license(self) -> str:
        section = self.elf.section("license")
        if section is None:
            return ""
        return section.data.split(b"\0")[0].decode("utf-8", "replace")[:63]

    def _program_at(self, section: int, offset: int) -> str | None:
        found = self.functions.get((section, offset // 8))
        if found is None or found.section.name == ".text":
            return None
        return found.name

    def _check_tables(self) -> None:
        """Tables may refer to programs of struct_ops alone."""
        kinds = {f.name: _kind(f) for f in self.programs()}
        for raw in self.tables.values():
            for member, program in raw.programs.items():
                if kinds.get(program) != "struct_ops":
                    raise BpfObjectError(
                        OPEN,
                        EINVAL,
                        f"struct_ops reloc {raw.name}: prog {program} for {member} is not "
                        "struct_ops BPF program",
                    )

    def programs(self) -> Iterator[SectionFunction]:
        """Yield the programs, in the order of the file; subprograms are none."""
        for function in self.functions.values():
            if function.section.name != ".text":
                yield function

    def variables(self) -> dict[str, tuple[str, Any]]:
        """Return the global variables: name -> (section, value at load)."""
        return {
            v.name: (m.name, decode_value(self.btf, v.type, m.data[v.offset : v.offset + v.size]))
            for m in self.maps
            if m.data is not None
            for v in m.variables.values()
        }

    def set(self, name: str, value: Any) -> None:
        """Set a global variable before loading, as a skeleton does (``skel->rodata->x = ...``).

        Raises ValueError for a name that is no variable, and for a value that does not suit its
        type.
        """
        for number, spec in enumerate(self.maps):
            variable = spec.variables.get(name)
            if variable is None or spec.data is None:
                continue
            content = encode_value(self.btf, variable.type, value, name)
            data = bytearray(spec.data)
            data[variable.offset : variable.offset + len(content)] = content
            self.maps[number] = replace(spec, data=bytes(data))
            return
        known = list(self.variables())
        close = difflib.get_close_matches(name, known, 1)
        hint = (
            f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known) or 'none'}"
        )
        raise ValueError(f"{self.name}: there is no variable {name!r}{hint}")

    def load(self, target: Target | None = None) -> LoadedObject:
        """Relocate, verify and load the object (``bpf_object__load``).

        Raises BpfObjectError (stage load) with the kernel's errno and sentence.
        """
        try:
            return self._load(target or Target())
        except (IndexError, KeyError, OverflowError, RecursionError) as error:
            raise MalformedError(f"{self.name}: the file is damaged ({error!r})") from error

    def link(self, kernel: Btf, target: Target) -> Linked:
        """Relocate the object against a kernel's types: ccsim's own, or those of a real one.

        Raises BpfObjectError (stage load) for what that kernel does not have.
        """
        linker = Linker(self.elf, self.btf, self._ext, kernel, self.functions)
        maps = self._resolve_externs(target, kernel, linker)
        tables = self._bind_tables(kernel)
        members = self._members(tables)
        codes = {
            function.name: self._link(linker, function)
            for function in self.programs()
            if self._loads(function, members)
        }
        for spec in maps:
            check_map(spec)
        return Linked(maps, tables, members, codes)

    def _load(self, target: Target) -> LoadedObject:
        linked = self.link(kernel_btf(target.cong_control_arguments), target)
        maps, tables, members, codes = linked.maps, linked.tables, linked.members, linked.codes
        programs = {}
        for function in self.programs():
            if function.name in codes:
                program = self._program(function, codes[function.name], members)
                if program.member is not None:
                    count = target.cong_control_arguments
                    verdict = verify(program, maps, self.btf, arguments=count)
                    program = replace(program, verdict=verdict)
                programs[function.name] = program
        return LoadedObject(self.name, self.license, target, self.btf, programs, tables, maps)

    def _resolve_externs(self, target: Target, kernel: Btf, linker: Linker) -> list[MapSpec]:
        """Resolve externs, tell the linker where things are; return all maps."""
        maps = list(self.maps)
        config = kconfig_map(self.externs, self.btf, target.kconfig())
        if config.variables:
            places = {v.name: v.offset for v in config.variables.values()}
            linker.kconfig = (len(maps), places)
            maps.append(config)
        for extern in self.externs.values():
            if extern.function:
                linker.resolved[extern.name] = resolve_function(extern, self.btf, kernel)
            elif extern.name not in config.variables and not extern.weak:
                raise BpfObjectError(
                    LOAD, ESRCH, f"extern (var ksym) '{extern.name}': not found in kernel BTF"
                )
        linker.externs = self.externs
        for number, spec in enumerate(maps):
            if spec.data is None:
                linker.places[spec.place] = number
            elif spec.place[0]:
                linker.data_sections[spec.place[0]] = number
        return maps

    def _bind_tables(self, kernel: Btf) -> dict[str, Table]:
        """Fit the tables to the kernel; those of optional sections are not made (autocreate)."""
        wanted = [raw for raw in self.tables.values() if not raw.optional]
        return {raw.name: bind_table(raw, self.btf, kernel) for raw in wanted}

    def _members(self, tables: dict[str, Table]) -> dict[str, str]:
        """Return program -> member. EINVAL for a program that two kinds of members use."""
        found: dict[str, str] = {}
        for table in tables.values():
            for member, program in table.programs.items():
                if found.setdefault(program, member) != member:
                    raise BpfObjectError(
                        LOAD,
                        EINVAL,
                        f"struct_ops init_kern {table.name} func ptr {member}: invalid reuse of "
                        f"prog {program}, which serves {found[program]}",
                    )
        return found

    def _loads(self, function: SectionFunction, members: dict[str, str]) -> bool:
        """Return whether a program is loaded: not one that only optional tables refer to."""
        if _kind(function) != "struct_ops":
            return not function.section.name.startswith("?")
        if function.name in members:
            return True
        referred = any(function.name in raw.programs.values() for raw in self.tables.values())
        return not referred and not function.section.name.startswith("?")

    def _link(self, linker: Linker, function: SectionFunction) -> LinkedCode:
        if _kind(function) == "struct_ops":
            return linker.link(function)
        return LinkedCode(function.code)  # of another type: neither relocated nor run

    def _program(
        self, function: SectionFunction, code: LinkedCode, members: dict[str, str]
    ) -> Program:
        """Check one program as the kernel does when it is loaded."""
        name, section, member = function.name, function.section.name, members.get(function.name)
        if _kind(function) not in ("struct_ops", *_OTHER_TYPES):
            raise BpfObjectError(
                LOAD,
                EINVAL,
                f"prog '{name}': missing BPF prog type, check ELF section name '{section}'",
            )
        if _kind(function) == "struct_ops":
            if member is None:
                raise BpfObjectError(
                    LOAD,
                    EINVAL,
                    f"prog '{name}': SEC(\"struct_ops\") program isn't referenced anywhere, did "
                    "you forget to use it?",
                )
            if self.license not in GPL_LICENSES:
                raise BpfObjectError(
                    LOAD,
                    EINVAL,
                    f"prog '{name}': struct ops programs must have a GPL compatible license",
                )
            check_member(member)
        return Program(
            name,
            section,
            member,
            code.instructions,
            tuple(code.kernel_functions),
            code.lines,
            code.starts,
            code.poison,
        )


def _kind(function: SectionFunction) -> str:
    """Return the type of a program: the first word of its section's name."""
    return function.section.name.lstrip("?").split("/")[0].split(".")[0]
