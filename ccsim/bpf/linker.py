"""Programs of an object, made whole: relocated, and with the subprograms that they call behind
them (libbpf's ``bpf_object__relocate``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ccsim.bpf import instructions as isa
from ccsim.bpf.btf import Btf
from ccsim.bpf.btf_ext import BtfExt, CoreRelocation, SourceLine
from ccsim.bpf.core import Answer, CoreError, resolve
from ccsim.bpf.elf import STT_FUNC, STT_SECTION, ElfFile, Relocation, Section, Symbol
from ccsim.bpf.errors import (
    LIBBPF_ERRNO_RELOC,
    LOAD,
    OPEN,
    BpfObjectError,
    MalformedError,
)
from ccsim.bpf.externs import Extern
from ccsim.bpf.instructions import SLOT, Instruction, InstructionError
from ccsim.kernel.errors import E2BIG, EOPNOTSUPP, ERANGE

__all__ = ["LinkedCode", "Linker", "SectionFunction", "functions_of"]

POISON = 195896080  # 0xbad2310: the call that libbpf puts in the place of what must not run
MAX_SLOTS = 1_000_000
_LOADS = frozenset({isa.LDX, isa.ST, isa.STX})
_SIZE_CODES = {size: code for code, size in isa.SIZES.items()}


@dataclass(frozen=True)
class SectionFunction:
    """A function of the object as it stands in its section; ``start`` counts slots."""

    name: str
    section: Section
    start: int
    code: list[Instruction]

    @property
    def end(self) -> int:
        """The first instruction behind it."""
        return self.start + len(self.code)


@dataclass
class LinkedCode:
    """A program made whole. Everything is by slot; ``poison`` says why a slot must not run.

    starts: slot at which each function begins, by its name; kernel_functions: what CALL with
    CALL_KFUNC calls, in the order of its immediates.
    """

    instructions: list[Instruction] = field(default_factory=list)
    lines: dict[int, SourceLine] = field(default_factory=dict)
    poison: dict[int, str] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    kernel_functions: list[str] = field(default_factory=list)


def functions_of(elf: ElfFile) -> dict[tuple[int, int], SectionFunction]:
    """Return the functions of all sections of code, by (section, start).

    Raises BpfObjectError (stage open) for one that leaves its section.
    """
    found: dict[tuple[int, int], SectionFunction] = {}
    for symbol in elf.symbols:
        if symbol.type != STT_FUNC or not 0 < symbol.section < len(elf.sections):
            continue
        section = elf.sections[symbol.section]
        if section.type != 1 or not section.executable:
            continue
        if symbol.value % SLOT or symbol.size % SLOT or not symbol.size:
            raise MalformedError(
                f"sec '{section.name}': program '{symbol.name}' has no whole slots"
            )
        if symbol.value + symbol.size > section.size:
            raise MalformedError(
                f"sec '{section.name}': program '{symbol.name}' crosses section boundary"
            )
        if symbol.bind == 0 and section.name != ".text":
            raise BpfObjectError(
                OPEN,
                EOPNOTSUPP,
                f"sec '{section.name}': program '{symbol.name}' is static and not supported",
            )
        data = section.data[symbol.value : symbol.value + symbol.size]
        try:
            code = isa.decode(data)
        except InstructionError as error:
            raise MalformedError(f"program '{symbol.name}': {error}") from error
        start = symbol.value // SLOT
        found[section.index, start] = SectionFunction(symbol.name, section, start, code)
    return dict(sorted(found.items()))


class Linker:
    """Makes programs whole. ``places`` tells the map at (section, offset)."""

    def __init__(
        self,
        elf: ElfFile,
        btf: Btf,
        ext: BtfExt,
        kernel: Btf,
        functions: Mapping[tuple[int, int], SectionFunction],
    ) -> None:
        self._elf, self._btf, self._ext, self._kernel = elf, btf, ext, kernel
        self._functions = functions
        self.places: dict[tuple[int, int], int] = {}
        self.data_sections: dict[int, int] = {}
        self.kconfig: tuple[int, Mapping[str, int]] = (0, {})
        self.externs: dict[str, Extern] = {}
        self.resolved: dict[str, int] = {}
        self._relocations: dict[int, dict[int, Relocation]] = {}
        self._core: dict[str, dict[int, tuple[int, CoreRelocation]]] = {}
        self._text = next((s.index for s in elf.sections if s.name == ".text"), 0)
        self._answers: dict[tuple[int, str, int], Answer] = {}

    def link(self, main: SectionFunction) -> LinkedCode:
        """Return a program made whole. Raises BpfObjectError for what libbpf cannot relocate."""
        code = LinkedCode()
        self._append(code, main)
        return code

    def _append(self, code: LinkedCode, main: SectionFunction) -> None:
        """Append a function, then what it calls, depth first as libbpf does."""
        pending = [self._place(code, main)]
        while pending:
            function, base, slot = pending[-1]
            if slot == len(function.code):
                pending.pop()
                continue
            pending[-1] = (function, base, slot + 1)
            it = code.instructions[base + slot]
            if it.opcode == isa.CALL_OPCODE and it.src == isa.CALL_LOCAL:
                kind = "call"
            elif it.opcode == isa.LD_IMM64 and it.src == isa.PSEUDO_FUNC:
                kind = "address"
            else:
                continue
            callee = self._callee(function, slot, it, kind)
            if callee.name not in code.starts:
                pending.append(self._place(code, callee))
            start = code.starts[callee.name]
            imm = start - (base + slot) - 1 if kind == "call" else start
            code.instructions[base + slot] = replace(it, imm=imm)

    def _place(
        self, code: LinkedCode, function: SectionFunction
    ) -> tuple[SectionFunction, int, int]:
        base = len(code.instructions)
        if base + len(function.code) > MAX_SLOTS:
            raise BpfObjectError(
                LOAD, E2BIG, f"prog '{function.name}': more than {MAX_SLOTS} slots"
            )
        code.starts[function.name] = base
        code.instructions += function.code
        lines = self._ext.lines.get(function.section.name, {})
        for slot in range(len(function.code)):
            line = lines.get((function.start + slot) * SLOT)
            if line is not None:
                code.lines[base + slot] = line
        self._relocate_core(code, function, base)
        self._relocate(code, function, base)
        return function, base, 0

    def _callee(
        self, function: SectionFunction, slot: int, it: Instruction, kind: str
    ) -> SectionFunction:
        """Return the subprogram that an instruction refers to (``bpf_object__reloc_code``)."""
        relocation = self._of(function.section).get((function.start + slot) * SLOT)
        section = self._text
        if relocation is not None:
            symbol = self._elf.symbols[relocation.symbol]
            section = symbol.section
            if kind == "call":
                start = symbol.value // SLOT + it.imm + 1
            else:
                start = (symbol.value + it.imm) // SLOT
        elif kind == "call":
            section = function.section.index
            start = function.start + slot + 1 + it.imm
        else:
            raise _unrelocated(function, slot, "a function's address without a relocation")
        found = self._functions.get((section, start))
        if found is None or section != self._text:
            raise _unrelocated(function, slot, "a sub-program that is not in .text")
        return found

    def _of(self, section: Section) -> dict[int, Relocation]:
        """Return a section's relocations by offset."""
        if section.index not in self._relocations:
            rows = self._elf.relocations.get(section.index, ())
            self._relocations[section.index] = {row.offset: row for row in rows}
        return self._relocations[section.index]

    def _relocate(self, code: LinkedCode, function: SectionFunction, base: int) -> None:
        rows = self._of(function.section)
        for slot in range(len(function.code)):
            row = rows.get((function.start + slot) * SLOT)
            if row is not None:
                self._relocate_one(code, function, base, slot, self._elf.symbols[row.symbol])

    def _relocate_one(
        self, code: LinkedCode, function: SectionFunction, base: int, slot: int, symbol: Symbol
    ) -> None:
        """Put what a symbol stands for into one instruction (``bpf_program__record_reloc``)."""
        at = base + slot
        it = code.instructions[at]
        if it.opcode == isa.CALL_OPCODE:
            if not symbol.section:
                code.instructions[at] = self._kernel_call(code, function, at, symbol)
            elif it.src != isa.CALL_LOCAL:
                raise _unrelocated(function, slot, "a relocated call that is none of a function")
            return
        if it.opcode != isa.LD_IMM64:
            raise _unrelocated(function, slot, f"invalid insn code {it.opcode:#x}")
        if not symbol.section:
            code.instructions[at] = self._extern_address(function, slot, it, symbol)
            return
        if self._is_code(symbol):
            code.instructions[at] = replace(it, src=isa.PSEUDO_FUNC)
            return
        number = self.places.get((symbol.section, symbol.value))
        if number is not None:
            code.instructions[at] = replace(it, src=isa.PSEUDO_MAP_FD, imm=number)
            return
        number = self.data_sections.get(symbol.section)
        if number is None:
            raise _unrelocated(function, slot, f"symbol '{symbol.name}' is in no map or variables")
        offset = symbol.value + it.imm & 0xFFFFFFFF
        code.instructions[at] = replace(it, src=isa.PSEUDO_MAP_VALUE, imm=offset << 32 | number)

    def _is_code(self, symbol: Symbol) -> bool:
        if symbol.type not in (STT_FUNC, STT_SECTION) or symbol.section >= len(self._elf.sections):
            return False
        return self._elf.sections[symbol.section].executable

    def _kernel_call(
        self, code: LinkedCode, function: SectionFunction, at: int, symbol: Symbol
    ) -> Instruction:
        extern = self.externs.get(symbol.name)
        if extern is None or not extern.function:
            raise _unrelocated(function, at, f"call of '{symbol.name}', which is no function")
        if not self.resolved.get(extern.name):
            code.poison[at] = f"kfunc '{extern.name}' is referenced but wasn't resolved"
            return Instruction(isa.CALL_OPCODE, imm=POISON)
        if extern.name not in code.kernel_functions:
            code.kernel_functions.append(extern.name)
        number = code.kernel_functions.index(extern.name)
        return Instruction(isa.CALL_OPCODE, src=isa.CALL_KFUNC, imm=number)

    def _extern_address(
        self, function: SectionFunction, slot: int, it: Instruction, symbol: Symbol
    ) -> Instruction:
        extern = self.externs.get(symbol.name)
        number, variables = self.kconfig
        if extern is None:
            raise _unrelocated(function, slot, f"extern '{symbol.name}' is unknown")
        if extern.name in variables:
            imm = variables[extern.name] << 32 | number
            return replace(it, src=isa.PSEUDO_MAP_VALUE, imm=imm)
        found = self.resolved.get(extern.name, 0)
        return replace(it, src=isa.PSEUDO_BTF_ID if found else isa.PSEUDO_NONE, imm=found)

    def _relocate_core(self, code: LinkedCode, function: SectionFunction, base: int) -> None:
        """Answer the CO-RE relocations of one function."""
        name = function.section.name
        if name not in self._core:
            rows = self._ext.relocations.get(name, ())
            self._core[name] = {row.offset: (n, row) for n, row in enumerate(rows)}
        rows_at = self._core[name]
        for slot in range(len(function.code)):
            number, row = rows_at.get((function.start + slot) * SLOT, (0, None))
            if row is None:
                continue
            try:
                answer = self._answer(row)
                self._patch(code, base + slot, answer, number)
            except CoreError as error:
                place = f"prog '{function.name}': relo #{number}"
                raise CoreError(f"{place}: {error.message}", error.number) from error

    def _answer(self, row: CoreRelocation) -> Answer:
        key = (row.type, row.path, row.kind)
        if key not in self._answers:
            self._answers[key] = resolve(self._btf, row, self._kernel)
        return self._answers[key]

    def _patch(self, code: LinkedCode, at: int, answer: Answer, number: int) -> None:
        """Put one answer into its instruction (``bpf_core_patch_insn``)."""
        it = code.instructions[at]
        value = answer.value
        if it.cls in _LOADS and not answer.resizable:
            value = None
        if value is None:
            code.poison[at] = f"failed to resolve CO-RE relocation {answer.what}"
            code.instructions[at] = Instruction(isa.CALL_OPCODE, imm=POISON + number)
            if it.opcode == isa.LD_IMM64:
                code.instructions[at + 1] = code.instructions[at]
                code.poison[at + 1] = code.poison[at]
            return
        if it.cls in (isa.ALU, isa.ALU64) and not it.by_register:
            _check_original(answer, it.imm)
            value = (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
            code.instructions[at] = replace(it, imm=value)
        elif it.cls in _LOADS:
            _check_original(answer, it.offset)
            if value > 0x7FFF:
                raise CoreError(f"insn (LDX/ST/STX) value too big: {value}", ERANGE)
            code.instructions[at] = _resized(replace(it, offset=value), answer)
        elif it.opcode == isa.LD_IMM64 and not it.src:
            _check_original(answer, it.imm)
            code.instructions[at] = replace(it, imm=value & 0xFFFFFFFFFFFFFFFF)
        else:
            raise CoreError(f"trying to relocate unrecognized insn, code:{it.opcode:#x}")


def _check_original(answer: Answer, found: int) -> None:
    if answer.original is not None and (answer.original ^ found) & 0xFFFFFFFF:
        raise CoreError(f"unexpected insn value: got {found}, exp {answer.original}")


def _resized(it: Instruction, answer: Answer) -> Instruction:
    """Return a load or store of the width that the member has on this kernel."""
    if not answer.size or answer.size == answer.original_size:
        return it
    if it.size != answer.original_size or answer.size not in _SIZE_CODES:
        raise CoreError(f"unexpected mem size: got {it.size}, exp {answer.original_size}")
    return replace(it, opcode=it.opcode & ~0x18 | _SIZE_CODES[answer.size])


def _unrelocated(function: SectionFunction, slot: int, message: str) -> BpfObjectError:
    return BpfObjectError(
        OPEN, LIBBPF_ERRNO_RELOC, f"prog '{function.name}': insn #{slot}: {message}"
    )
