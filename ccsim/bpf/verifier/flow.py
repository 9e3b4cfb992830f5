"""What a program's instructions alone tell: whether each is one, where control goes, which
registers are read later (``check_cfg``, ``compute_live_registers``)."""

from __future__ import annotations

from ccsim.bpf import instructions as isa
from ccsim.bpf.instructions import SECOND, Instruction
from ccsim.bpf.verifier.helpers import HELPERS
from ccsim.bpf.verifier.refusal import Refusal
from ccsim.kernel.errors import EINVAL

__all__ = ["Flow"]

ARGUMENTS = 0b111110  # R1 to R5
CLOBBERED = 0b111111  # R0 to R5
_ALU_OPS = frozenset(range(isa.ADD, isa.END + 1, 0x10))
_JUMPS = frozenset(range(isa.JA, isa.JCOND + 1, 0x10)) - {isa.CALL, isa.EXIT, isa.JA, isa.JCOND}
_ATOMICS = frozenset({isa.ADD, isa.OR, isa.AND, isa.XOR})
_ATOMICS |= {op | isa.FETCH for op in _ATOMICS} | {isa.XCHG, isa.CMPXCHG}


class Flow:
    """Control and data flow of one program.

    starts: slots at which functions begin; function: of each slot the start of its function;
    next: successors of each slot within its function; live: bit set of the registers read from a
    slot on; need: of registers and stack slots whose values matter for what was decided, by slot.
    """

    def __init__(self, program: list[Instruction]) -> None:
        self.program = program
        self._check_instructions()
        self.starts = self._find_functions()
        self.function = self._assign()
        self.next = [self._successors(slot) for slot in range(len(program))]
        self._check_reachable()
        self.before: list[list[int]] = [[] for _ in program]
        for slot, following in enumerate(self.next):
            for target in following:
                self.before[target].append(slot)
        self.calls: dict[int, list[int]] = {}
        self.exits: dict[int, list[int]] = {}
        self._find_calls()
        self.live = self._liveness()
        self.need = [0] * len(program)
        self.need_slots = 0
        self.loads: dict[int, int] = {}

    def _check_instructions(self) -> None:
        if not self.program:
            raise Refusal(EINVAL, "the program is empty", 0)
        slots = iter(range(len(self.program)))
        for slot in slots:
            it = self.program[slot]
            if it.dst > 10 or it.src > 10:
                raise Refusal(EINVAL, f"R{max(it.dst, it.src)} is invalid", slot)
            message = _CHECKS[it.cls](it)
            if message:
                raise Refusal(EINVAL, message, slot)
            if it.opcode == isa.LD_IMM64 and next(slots, None) is None:
                raise Refusal(EINVAL, "invalid bpf_ld_imm64 insn", slot)

    def _find_functions(self) -> list[int]:
        found = {0}
        for slot in range(len(self.program)):
            found.update(self._called(slot))
        for start in found:
            if not 0 <= start < len(self.program):
                raise Refusal(EINVAL, f"call to invalid destination {start}", 0)
        return sorted(found)

    def _assign(self) -> list[int]:
        """Return the function of each slot; jumps must stay in it, and it must not run out."""
        found = []
        for start, end in zip(self.starts, [*self.starts[1:], len(self.program)], strict=True):
            found += [start] * (end - start)
            last = self.program[end - 1]
            closes = last.cls in (isa.JMP, isa.JMP32) and last.op in (isa.JA, isa.EXIT)
            if not closes:
                raise Refusal(EINVAL, "last insn is not an exit or jmp", end - 1)
        return found

    def _successors(self, slot: int) -> tuple[int, ...]:
        it = self.program[slot]
        if it is SECOND or it.opcode == 0:
            return ()
        if it.opcode == isa.LD_IMM64:
            return (slot + 2,)
        if it.cls not in (isa.JMP, isa.JMP32) or it.op == isa.CALL:
            return (slot + 1,)
        if it.op == isa.EXIT:
            return ()
        target = slot + 1 + (it.imm if it.opcode == isa.JMP32 | isa.JA else it.offset)
        if not 0 <= target < len(self.program) or self.function[target] != self.function[slot]:
            raise Refusal(EINVAL, f"jump out of range from insn {slot} to {target}", slot)
        if self.program[target].opcode == 0:
            raise Refusal(EINVAL, f"jump into the middle of ldimm64 insn {target}", slot)
        if it.op == isa.JA:
            return (target,)
        return (slot + 1, target)

    def _check_reachable(self) -> None:
        """Refuse what no path reaches; which paths are possible is not asked here."""
        seen = {0}
        work = [0]
        while work:
            slot = work.pop()
            for target in (*self.next[slot], *self._called(slot)):
                if target not in seen:
                    seen.add(target)
                    work.append(target)
        for slot, it in enumerate(self.program):
            if slot not in seen and it.opcode:
                raise Refusal(EINVAL, f"unreachable insn {slot}", slot)
            if it.cls not in (isa.JMP, isa.JMP32) and slot + 1 == len(self.program) and it.opcode:
                raise Refusal(EINVAL, "last insn is not an exit or jmp", slot)

    def _called(self, slot: int) -> tuple[int, ...]:
        """Return the function that an instruction calls, or whose address it takes."""
        it = self.program[slot]
        if it.opcode == isa.CALL_OPCODE and it.src == isa.CALL_LOCAL:
            return (slot + 1 + it.imm,)
        return (it.imm,) if it.opcode == isa.LD_IMM64 and it.src == isa.PSEUDO_FUNC else ()

    def _find_calls(self) -> None:
        for slot, it in enumerate(self.program):
            if it.opcode == isa.CALL_OPCODE and it.src == isa.CALL_LOCAL:
                self.calls.setdefault(slot + 1 + it.imm, []).append(slot)
            elif it.opcode == isa.EXIT_OPCODE:
                self.exits.setdefault(self.function[slot], []).append(slot)

    def _liveness(self) -> list[int]:
        effects = [_effects(it) for it in self.program]
        live = [0] * len(self.program)
        work = list(range(len(self.program)))
        while work:
            slot = work.pop()
            after = 0
            for target in self.next[slot]:
                after |= live[target]
            reads, writes = effects[slot]
            found = after & ~writes | reads
            if found != live[slot]:
                live[slot] = found
                work += self.before[slot]
        return live

    def mark(self, slot: int, bits: int) -> None:
        """Note that values matter at a slot, and so do those that they come from
        (``mark_chain_precision``).
        """
        work = [(slot, bits)]
        while work:
            at, wanted = work.pop()
            wanted &= ~self.need[at]
            if not wanted:
                continue
            self.need[at] |= wanted
            for before in self.before[at]:
                work += self._sources(before, wanted)
            for call in self.calls.get(at, ()):
                work.append((call, wanted & ARGUMENTS))

    def _sources(self, slot: int, wanted: int) -> list[tuple[int, int]]:
        """Return where what is wanted behind an instruction comes from: (slot, bits)."""
        it = self.program[slot]
        dst, cls = 1 << it.dst, it.cls
        if cls in (isa.ALU, isa.ALU64):
            if not wanted & dst:
                return [(slot, wanted)]
            keeps = 0 if it.op == isa.MOV else dst
            source = 1 << it.src if it.by_register and it.op != isa.END else 0
            return [(slot, wanted & ~dst | keeps | source & ~(1 << 10))]
        if cls == isa.LDX or it.opcode == isa.LD_IMM64:
            more = self.loads.get(slot, 0) if wanted & dst else 0
            return [(slot, wanted & ~dst | more)]
        if cls == isa.STX or cls == isa.ST:
            return [(slot, self._before_store(it, wanted))]
        if it.opcode != isa.CALL_OPCODE:
            return [(slot, wanted)]
        found = [(slot, wanted & ~CLOBBERED)]
        if it.src == isa.CALL_LOCAL and wanted & 1:
            found += [(exit, 1) for exit in self.exits.get(slot + 1 + it.imm, ())]
        return found

    def _before_store(self, it: Instruction, wanted: int) -> int:
        if it.mode == isa.ATOMIC:
            fetched = 1 if it.imm == isa.CMPXCHG else 1 << it.src
            return wanted & ~fetched if it.imm & isa.FETCH else wanted
        if it.dst != isa.R10 or not -512 <= it.offset < 0:
            return wanted
        place = 1 << 10 - (it.offset // 8)
        if not wanted & place:
            return wanted
        if it.size == 8:
            wanted &= ~place
        return wanted | (1 << it.src & 0x3FF if it.cls == isa.STX else 0)


def _effects(it: Instruction) -> tuple[int, int]:
    """Return which registers an instruction reads and which it writes."""
    dst, src, cls = 1 << it.dst, 1 << it.src, it.cls
    if cls in (isa.ALU, isa.ALU64):
        reads = 0 if it.op == isa.MOV else dst
        return reads | (src if it.by_register and it.op != isa.END else 0), dst
    if cls == isa.LDX:
        return src, dst
    if cls == isa.LD:
        return 0, dst if it.opcode else 0
    if cls == isa.ST:
        return dst, 0
    if cls == isa.STX:
        if it.mode != isa.ATOMIC or not it.imm & isa.FETCH:
            return dst | src, 0
        return (dst | src | 1, 1) if it.imm == isa.CMPXCHG else (dst | src, src)
    if it.op == isa.CALL:
        helper = HELPERS.get(it.imm) if it.src == isa.CALL_HELPER else None
        arguments = (1 << len(helper.arguments)) - 1 << 1 if helper else ARGUMENTS
        return arguments, CLOBBERED
    if it.op == isa.EXIT:
        return 1, 0
    if it.op in (isa.JA, isa.JCOND):
        return 0, 0
    return dst | (src if it.by_register else 0), 0


def _check_alu(it: Instruction) -> str:
    if it.op not in _ALU_OPS:
        return f"unknown opcode {it.opcode:02x}"
    if it.op == isa.END:
        swaps = it.cls == isa.ALU64
        good = not it.offset and not it.src and it.imm in (16, 32, 64)
        return "" if good and not (swaps and it.by_register) else "BPF_END uses reserved fields"
    if it.op == isa.NEG:
        bad = it.by_register or it.src or it.offset or it.imm
        return "BPF_NEG uses reserved fields" if bad else ""
    if it.op == isa.MOV:
        good = it.offset in ((0, 8, 16, 32) if it.cls == isa.ALU64 else (0, 8, 16))
        if it.by_register:
            return "" if good and not it.imm else "BPF_MOV uses reserved fields"
        return "BPF_MOV uses reserved fields" if it.src or it.offset else ""
    signed = it.op in (isa.DIV, isa.MOD)
    if it.offset and not (signed and it.offset == 1):
        return "BPF_ALU uses reserved fields"
    if it.by_register:
        return "BPF_ALU uses reserved fields" if it.imm else ""
    if it.src:
        return "BPF_ALU uses reserved fields"
    if signed and not it.imm:
        return "div by zero"
    bits = 64 if it.cls == isa.ALU64 else 32
    if it.op in (isa.LSH, isa.RSH, isa.ARSH) and not 0 <= it.imm < bits:
        return f"invalid shift {it.imm}"
    return "R10 is read only" if it.dst == isa.R10 else ""


def _check_load(it: Instruction) -> str:
    if it.mode not in (isa.MEM, isa.MEMSX) or it.imm:
        return "BPF_LDX uses reserved fields"
    return f"unknown opcode {it.opcode:02x}" if it.mode == isa.MEMSX and it.size == 8 else ""


def _check_store(it: Instruction) -> str:
    if it.mode == isa.MEM and it.cls == isa.ST:
        return "BPF_ST uses reserved fields" if it.src else ""
    if it.mode == isa.MEM:
        return "BPF_STX uses reserved fields" if it.imm else ""
    if it.mode != isa.ATOMIC or it.cls == isa.ST:
        return f"unknown opcode {it.opcode:02x}"
    if it.imm in (isa.LOAD_ACQ, isa.STORE_REL):
        return ""
    if it.imm not in _ATOMICS:
        return f"BPF_ATOMIC uses invalid atomic opcode {it.imm:02x}"
    return "" if it.size in (4, 8) else "invalid atomic operand size"


def _check_jump(it: Instruction) -> str:
    if it.cls == isa.JMP and it.op == isa.CALL:
        if it.by_register:
            return f"unknown opcode {it.opcode:02x}"
        bad = it.dst or it.src > isa.CALL_KFUNC or (it.offset and it.src != isa.CALL_KFUNC)
        return "BPF_CALL uses reserved fields" if bad else ""
    if it.cls == isa.JMP and it.op == isa.EXIT:
        bad = it.by_register or it.imm or it.src or it.dst or it.offset
        return "BPF_EXIT uses reserved fields" if bad else ""
    if it.op == isa.JA:
        reserved = it.imm if it.cls == isa.JMP else it.offset
        bad = it.by_register or it.src or it.dst or reserved
        return "BPF_JA uses reserved fields" if bad else ""
    if it.cls == isa.JMP and it.op == isa.JCOND:
        bad = it.by_register or it.src or it.dst or it.imm
        return "invalid may_goto imm" if bad else ""
    if it.op not in _JUMPS:
        return f"unknown opcode {it.opcode:02x}"
    bad = it.imm if it.by_register else it.src
    return "BPF_JMP/JMP32 uses reserved fields" if bad else ""


def _check_wide(it: Instruction) -> str:
    if it.opcode != isa.LD_IMM64:
        return f"unknown opcode {it.opcode:02x}"
    if it.offset or it.src > isa.PSEUDO_FUNC:
        return "unrecognized bpf_ld_imm64 insn"
    return ""


_CHECKS = {
    isa.ALU: _check_alu,
    isa.ALU64: _check_alu,
    isa.LDX: _check_load,
    isa.ST: _check_store,
    isa.STX: _check_store,
    isa.JMP: _check_jump,
    isa.JMP32: _check_jump,
    isa.LD: _check_wide,
}
