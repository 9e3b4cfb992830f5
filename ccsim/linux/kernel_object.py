"""A BPF object in the machine's own kernel: relocated against its BTF, its maps and programs made
by bpf(2), its tables as struct_ops maps that a link can hold.

What libbpf does, by the project's own loader: `ccsim.bpf.object` with the kernel's types instead of
ccsim's. The verifier is the kernel's.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ccsim.bpf import btf as kinds
from ccsim.bpf import instructions as isa
from ccsim.bpf.btf import Btf
from ccsim.bpf.btf_index import IndexedBtf
from ccsim.bpf.btf_write import for_kernel, write_btf
from ccsim.bpf.instructions import Instruction
from ccsim.bpf.kernel_btf import Target
from ccsim.bpf.linker import LinkedCode
from ccsim.bpf.mapspec import MapSpec
from ccsim.bpf.object import open_object
from ccsim.bpf.values import decode_value
from ccsim.linux import bpf_calls

__all__ = ["KernelObject", "running_target"]

VMLINUX = Path("/sys/kernel/btf/vmlinux")
OPERATIONS = "tcp_congestion_ops"
VALUE = f"bpf_struct_ops_{OPERATIONS}"
MAP_STRUCT_OPS = 26
BPF_F_LINK = 1 << 13
NAME_BYTES = 16  # TCP_CA_NAME_MAX
FIRST = bytes(4)  # the key of the one element


@cache
def vmlinux() -> Btf:
    """Return the types of the kernel that runs."""
    return IndexedBtf(VMLINUX.read_bytes())


def running_target(hz: int) -> Target:
    """Return what objects are told of the kernel that runs."""
    release = os.uname().release.split("-")[0].split(".")
    numbers = [int(part) for part in release if part.isdigit()][:3]
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return Target((major, minor, patch), hz or Target().hz)


class KernelObject:
    """An object that the kernel has: maps and programs by descriptor; they go with the process.

    Raises BpfObjectError for what cannot be relocated, OSError for what the kernel refuses, with
    the verifier's last line.
    """

    def __init__(self, path: str, settings: Mapping[str, Any], hz: int) -> None:
        opened = open_object(path)
        for name, value in settings.items():
            opened.set(name, value)
        self.name = opened.name
        self.btf, self.license = opened.btf, opened.license
        self.kernel = vmlinux()
        linked = opened.link(self.kernel, running_target(hz))
        self.tables = linked.tables
        self.maps = linked.maps
        hidden = {symbol.name for symbol in opened.elf.symbols if symbol.hidden}
        self._btf_fd = self._load_btf(write_btf(for_kernel(self.btf, linked.maps, hidden)))
        self.descriptors = [self._make_map(spec) for spec in linked.maps]
        members = self._members()
        self.programs = {
            name: self._load(name, code, members[linked.members[name]][0])
            for name, code in linked.codes.items()
            if name in linked.members
        }

    def make_table(self, name: str, registered: str) -> int:
        """Return a struct_ops map for one of the tables, to be registered as ``registered``."""
        table, members = self.tables[name], self._members()
        value_type = self.kernel.find(VALUE, kinds.STRUCT)
        value = bytearray(self.kernel[value_type].size)
        start = next(m.bit_offset // 8 for m in self.kernel[value_type].members if m.name == "data")
        fields: list[tuple[str, bytes]] = [
            (member, struct.pack("=Q", self.programs[program]))
            for member, program in table.programs.items()
        ]
        fields += [("name", registered.encode()[: NAME_BYTES - 1].ljust(NAME_BYTES, b"\0"))]
        fields += [("flags", struct.pack("=I", table.flags))] if table.flags else []
        for member, content in fields:
            at = start + members[member][1]
            value[at : at + len(content)] = content
        made = bpf_calls.create_map(
            *(MAP_STRUCT_OPS, 4, len(value), 1),
            flags=BPF_F_LINK,
            name=name,
            kernel_type=value_type,
            btf=self._btf_fd,
        )
        bpf_calls.update_element(made, FIRST, bytes(value))
        return made

    def variables(self) -> dict[str, Any]:
        """Return the variables of ``.bss`` and ``.data`` as they are now, by section."""
        found: dict[str, Any] = {}
        for spec, fd in zip(self.maps, self.descriptors, strict=True):
            if spec.data is None or spec.name not in (".bss", ".data"):
                continue
            data = bpf_calls.look_up(fd, FIRST, spec.value_size)
            for one in spec.variables.values():
                part = data[one.offset : one.offset + one.size]
                section = found.setdefault(spec.name.lstrip("."), {})
                section[one.name] = decode_value(self.btf, one.type, part)
        return found

    def _members(self) -> dict[str, tuple[int, int]]:
        """Return the number and the offset of each member of the kernel's table."""
        it = self.kernel[self.kernel.find(OPERATIONS, kinds.STRUCT)]
        return {m.name: (k, m.bit_offset // 8) for k, m in enumerate(it.members)}

    def _load_btf(self, data: bytes) -> int:
        try:
            return bpf_calls.load_btf(data)
        except bpf_calls.BpfCallError as error:
            raise self._refused("its types (BTF)", error) from error

    def _load(self, name: str, code: LinkedCode, member: int) -> int:
        operations = self.kernel.find(OPERATIONS, kinds.STRUCT)
        content = isa.encode([self._real(it, k, code) for k, it in enumerate(code.instructions)])
        functions = [(at, self.btf.find(it, kinds.FUNC)) for it, at in code.starts.items()]
        try:
            return bpf_calls.load_program(
                content,
                self.license,
                name=name,
                operations=operations,
                member=member,
                btf=self._btf_fd,
                functions=sorted(functions),
            )
        except bpf_calls.BpfCallError as error:
            raise self._refused(name, error) from error

    def _refused(self, what: str, error: bpf_calls.BpfCallError) -> OSError:
        """Return the kernel's refusal with the verifier's last line."""
        text = f"{self.name}: {what}: {error.log or error.filename}"
        return OSError(error.errno, os.strerror(error.errno or 0), text)

    def _make_map(self, spec: MapSpec) -> int:
        """Create a map, with its content if it is a section of variables."""
        value_type = spec.value_type
        if spec.variables and spec.name != ".kconfig":
            value_type = self.btf.find(spec.name, kinds.DATASEC)
        made = bpf_calls.create_map(
            *(spec.type, spec.key_size, spec.value_size, spec.max_entries),
            flags=spec.flags,
            name=spec.name.lstrip("."),
            btf=self._btf_fd if value_type else 0,
            key_type=spec.key_type,
            value_type=value_type,
        )
        if spec.data is not None and any(spec.data):
            bpf_calls.update_element(made, FIRST, spec.data)
        if spec.frozen:
            bpf_calls.freeze_map(made)
        return made

    def _real(self, it: Instruction, slot: int, code: LinkedCode) -> Instruction:
        """Return an instruction with the kernel's descriptors and numbers instead of ours."""
        if it.opcode == isa.LD_IMM64 and it.src == isa.PSEUDO_MAP_FD:
            return _with_imm(it, self.descriptors[it.imm])
        if it.opcode == isa.LD_IMM64 and it.src == isa.PSEUDO_MAP_VALUE:
            number = it.imm & 0xFFFFFFFF
            return _with_imm(it, it.imm >> 32 << 32 | self.descriptors[number])
        if it.opcode == isa.LD_IMM64 and it.src == isa.PSEUDO_FUNC:
            return _with_imm(it, it.imm - slot - 1 & 0xFFFFFFFF)
        if it.opcode == isa.CALL_OPCODE and it.src == isa.CALL_KFUNC:
            name = code.kernel_functions[it.imm]
            return _with_imm(it, self.kernel.find(name, kinds.FUNC))
        return it


def _with_imm(it: Instruction, imm: int) -> Instruction:
    return Instruction(it.opcode, it.dst, it.src, it.offset, imm)
