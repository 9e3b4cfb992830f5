"""Lines of Python for the jumps and calls of a block, and so for all of it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ccsim.bpf import instructions as isa
from ccsim.bpf.area import Atom
from ccsim.bpf.kernel_functions import MODULE_FUNCTIONS
from ccsim.bpf.known import ANY, KnownState
from ccsim.bpf.lowering import Expression, comparison, cut, literal
from ccsim.bpf.maps import ArrayMap
from ccsim.bpf.memory import (
    ACK_SAMPLE,
    FRAMES,
    RATE_SAMPLE,
    SOCK,
    STACK_BYTES,
    U32,
    U64,
)
from ccsim.bpf.memory_writer import EVERYTHING, NOTHING, MemoryWriter, parameters
from ccsim.bpf.register_writer import Uses
from ccsim.bpf.translate import LOOKUP, READS_MEMORY, SETSOCKOPT, Function, Translation

if TYPE_CHECKING:
    from ccsim.bpf.graph import BasicBlock

__all__ = ["BlockWriter", "frame_atoms", "scan"]

_CLOCKS = {5: "ktime_ns", 125: "ktime_ns", 208: "ktime_ns", 118: "jiffies64"}
_RANDOM = 7
_SIMPLE = {  # kernel functions of the socket and numbers
    "tcp_reno_ssthresh": 0,
    "tcp_reno_undo_cwnd": 0,
    "tcp_reno_cong_avoid": 2,
    "tcp_slow_start": 1,
    "tcp_cong_avoid_ai": 2,
}


class BlockWriter(MemoryWriter):
    """Lowers all instructions of a block."""

    # --- a block ---

    def lower(self, block: BasicBlock, state: KnownState) -> tuple[list[str], Expression | None]:
        """Return the lines of a block, and the condition on which its first successor follows."""
        self.state = state.copy()
        self.lines, self.pending = [], {}
        program = self.translation.program
        at, condition = block.start, None
        while at < block.end:
            it = program[at]
            condition = self._lower(at, it)
            at += 2 if it.opcode == isa.LD_IMM64 else 1
        if not self.counting:
            for register in sorted(self.pending):
                if register in self.live_out:
                    self._assign(register, self.pending.pop(register))
        return self.lines, condition

    def _lower(self, at: int, it: isa.Instruction) -> Expression | None:
        """Lower one instruction; return the condition if it is a conditional jump."""
        if it.cls in (isa.JMP, isa.JMP32) and it.op != isa.CALL:
            return self._jump(it)
        if it.opcode == isa.CALL_OPCODE:
            self._call(at, it)
            return None
        if at in self.dead:
            self._step(at)
            return None
        if it.cls in (isa.ST, isa.STX):
            self._store(at, it)
            return None
        result = self._result(it)
        self._step(at)
        known = self.state.registers[it.dst]
        self._define(it.dst, at, known, result)
        return None

    # --- jumps and calls ---

    def _jump(self, it: isa.Instruction) -> Expression | None:
        if it.op == isa.JA:
            return None
        if it.op == isa.EXIT:
            value = self.state.registers[0]
            result = literal(0) if value is None else self._use(0)
            self._emit(f"return {result.text}")
            return None
        if it.op == isa.JCOND:
            self.has_budget = True
            self._emit("budget -= 1")
            return Expression("budget < 0")
        va = self.state.registers[it.dst] or ANY
        a = self._use(it.dst)
        b, vb = self._second(it)
        return comparison(it, a, va, b, vb)

    def _call(self, at: int, it: isa.Instruction) -> None:
        if it.src == isa.CALL_LOCAL:
            result = self._call_function(at, it)
        elif it.src == isa.CALL_KFUNC:
            result = self._call_kfunc(it)
        else:
            result = self._call_helper(it)
        moves = it.src == isa.CALL_HELPER and it.imm == SETSOCKOPT
        self._step(at)
        if moves:
            self.state.moved = True
        self._define_result(at, result)

    def _define_result(self, at: int, result: Expression) -> None:
        """Let r0 be a call's result; what changes nothing is evaluated where it is used."""
        if self.counting:
            self.uses.last[0] = at
            self.uses.counts[at] = 0
            return
        kept = self.uses.last.get(0) == at and 0 in self.live_out
        unused = not kept and not self.uses.counts.get(at)
        self.pending.pop(0, None)
        if "(" not in result.text or "any" not in result.memory:
            self._define(0, at, self.state.registers[0], result)
        elif unused:
            self.lines.append(result.text)
        else:
            self._assign(0, result)

    def _call_helper(self, it: isa.Instruction) -> Expression:
        if it.imm in _CLOCKS:
            return Expression(f"{_CLOCKS[it.imm]}(s)")
        if it.imm == _RANDOM:
            return Expression("random(s)", NOTHING, frozenset({"any"}))
        if it.imm in (8, 42, 93, 94):
            return literal(0)
        if it.imm == LOOKUP:
            found = self._lookup()
            if found is not None:
                return found
        self._show_helper(it)
        return self._call_generic(f"h{it.imm}")

    def _lookup(self) -> Expression | None:
        """Return the place in an array that a key in this frame, or a known one, means."""
        handle, key = self.state.registers[1] or ANY, self.state.registers[2] or ANY
        maps = self.translation.runtime.maps
        if handle.known is None or key.known is None:
            return None
        found = maps[handle.known & U32] if handle.known & U32 < len(maps) else None
        place = self._place(key)
        if not isinstance(found, ArrayMap) or place is None or place.kind != "frame":
            return None
        spilled = self.state.stack.get(key.known)
        number = self._read(key, 4, 2, 0)
        if spilled is not None and spilled.known is not None:
            number = literal(spilled.known & U32)
        number = self._temporary(number)
        return number.within(
            f"({found.address} + {{0}} * {found.stride} if {{0}} < {found.max_entries} else 0)"
        )

    def _show_helper(self, it: isa.Instruction) -> None:
        """Note which bytes of the frame a helper sees."""
        sizes: dict[int, int] = {}
        handle = self.state.registers[1]
        if it.imm in READS_MEMORY and handle is not None and handle.known is not None:
            found = self.translation.runtime.maps[handle.known & U32]
            for register in READS_MEMORY[it.imm]:
                key = register == 2
                sizes[register] = found.key_size if key else found.value_size
        self._show(sizes)

    def _show(self, sizes: dict[int, int]) -> None:
        frame = (FRAMES >> 32) + self.function.depth
        for register in range(1, 6):
            value = self.state.registers[register]
            if value is None or value.region != frame:
                continue
            if value.known is None or register not in sizes:
                self._expose(0, STACK_BYTES)
            else:
                self._expose(value.known & U32, sizes[register])

    def _call_generic(self, name: str) -> Expression:
        """Call a helper or kernel function with the invocation and five registers."""
        self.function.needs_call = True
        arguments = [
            Expression("0") if self.state.registers[i] is None else self._use(i)
            for i in range(1, 6)
        ]
        self._disturb(EVERYTHING)
        text = ", ".join(argument.text for argument in arguments)
        return Expression(f"({name}(call, {text}) & {U64})", NOTHING, frozenset({"any"}))

    def _call_kfunc(self, it: isa.Instruction) -> Expression:
        name = self.translation.code.kfuncs[it.imm]
        registers = self.state.registers
        first = registers[1]
        on_socket = first is not None and first.known == SOCK
        given: list[Expression] | None = None
        if name in _SIMPLE and on_socket:
            given = [self._narrow(i) for i in range(2, 2 + _SIMPLE[name])]
        elif name in MODULE_FUNCTIONS and on_socket:
            given = self._module_arguments(name)
        if given is None:
            self._show({})
            return self._call_generic(f"k{it.imm}")
        self._disturb(EVERYTHING)
        text = ", ".join(("s", *(argument.text for argument in given)))
        prefix = "d" if name in MODULE_FUNCTIONS else ""
        called = f"{prefix}{it.imm}" if prefix else name
        return Expression(f"({called}({text}) or 0)", NOTHING, frozenset({"any"}))

    def _narrow(self, register: int) -> Expression:
        value = self.state.registers[register] or ANY
        if value.known is not None:
            return literal(value.known & U32)
        return cut(self._use(register), value.bits, 32)

    def _module_arguments(self, name: str) -> list[Expression] | None:
        """Return the arguments of a shipped algorithm's hook; None where a sample is not known to
        be one."""
        registers = self.state.registers
        if name in ("cubictcp_acked", "bbr_main"):
            place, sample = (2, ACK_SAMPLE) if name == "cubictcp_acked" else (4, RATE_SAMPLE)
            value = registers[place]
            if (
                value is None
                or value.known != sample
                or "m" not in parameters(self.translation.member)
            ):
                return None
            if place == 2:
                return [Expression("m")]
            return [
                self._narrow(2),
                self._narrow(3).within("(({0} ^ 2147483648) - 2147483648)"),
                Expression("m"),
            ]
        if name == "cubictcp_cong_avoid":
            return [self._narrow(2), self._narrow(3)]
        if name.endswith(("_state",)):
            return [self._narrow(2).within("({0} & 255)")]
        if name.endswith(("_event", "_alpha")):
            return [self._narrow(2)]
        return []

    def _call_function(self, at: int, it: isa.Instruction) -> Expression:
        callee = self.function.calls.get(at)
        if callee is None:
            return literal(0)
        self._show({})
        given = [
            self._use(i + 1)
            for i, value in enumerate(callee.arguments)
            if value is not None and value.known is None
        ]
        self._disturb(EVERYTHING)
        names = ["s", *parameters(self.translation.member)]
        if callee.needs_call:
            names.append("call")
        text = ", ".join((*names, *(argument.text for argument in given)))
        return Expression(f"{callee.name}({text})", NOTHING, frozenset({"any"}))


def scan(translation: Translation, function: Function) -> None:
    """Take note of what a function does with area, frame and invocation."""
    writer = BlockWriter(translation, function, counting=True)
    for start in function.graph.order:
        writer.uses = Uses()
        writer.lower(function.graph.blocks[start], function.states[start])


def frame_atoms(function: Function) -> tuple[Atom, ...]:
    """Return the pieces of the frame such that each access is a few whole ones."""
    cuts = function.frame_cuts
    edges = sorted({edge for start, size in cuts for edge in (start, start + size)})
    return tuple((a, b - a) for a, b in pairwise(edges))
