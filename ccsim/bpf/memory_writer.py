"""Lines of Python for what a block computes, reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ccsim.bpf import instructions as isa
from ccsim.bpf.area import Atom
from ccsim.bpf.bindings import pieces, read_expression, write_statement
from ccsim.bpf.known import ANY, Value, add, arithmetic, constant
from ccsim.bpf.lowering import Expression, computed, cut, literal, sign_extended
from ccsim.bpf.maps import ArrayMap
from ccsim.bpf.memory import (
    FRAMES,
    MAP_VALUES,
    STACK_BYTES,
    U32,
    U64,
)
from ccsim.bpf.register_writer import RegisterWriter
from ccsim.bpf.translate import Place

if TYPE_CHECKING:
    pass

__all__ = ["AREA", "EVERYTHING", "NOTHING", "MemoryWriter", "parameters"]

AREA = frozenset({"area"})
NOTHING: frozenset[str] = frozenset()
EVERYTHING = frozenset({"sock", "area", "frame", "map", "any"})
_NAMES = {
    "pkts_acked": ("m",),
    "cong_avoid": ("a1", "a2"),
    "cong_control": ("a1", "a2", "m"),
    "cong_control_2": ("m",),
    "set_state": ("a1",),
    "cwnd_event": ("a1",),
    "in_ack_event": ("a1",),
}
_CUT_ARGUMENTS = {"cong_avoid": (1,), "in_ack_event": (1,), "cong_control": (1,)}


def parameters(member: str) -> tuple[str, ...]:
    """Return the names of a hook's arguments after the socket."""
    return _NAMES.get(member, ())


class MemoryWriter(RegisterWriter):
    """Lowers arithmetic, loads and stores."""

    # --- arithmetic and loads ---

    def _second(self, it: isa.Instruction) -> tuple[Expression, Value]:
        narrow = it.cls in (isa.ALU, isa.JMP32)
        if not it.by_register:
            value = constant(it.imm & U32 if narrow else it.imm)
            return literal(value.known or 0), value
        value = self.state.registers[it.src] or ANY
        if it.cls in (isa.ALU, isa.ALU64) and it.op in (isa.DIV, isa.MOD) and self.counting:
            self._use(it.src)
        return self._use(it.src), value

    def _result(self, it: isa.Instruction) -> Expression:
        """Return what an instruction of classes LD, LDX, ALU or ALU64 computes."""
        if it.opcode == isa.LD_IMM64:
            return Expression("")
        registers = self.state.registers
        if it.cls == isa.LDX:
            return self._loaded(it)
        va = registers[it.dst] or ANY
        if it.op != isa.END:
            vb = registers[it.src] or ANY if it.by_register else constant(it.imm)
            if arithmetic(it, va, vb).known is not None:
                return Expression("")
        a = Expression("") if it.op == isa.MOV else self._use(it.dst)
        if it.op == isa.MOD and it.by_register and self.counting:
            self._use(it.dst)  # which is the result if the divisor is 0
        if it.op in (isa.END, isa.NEG):
            return computed(it, a, va, literal(0), constant(0))
        b, vb = self._second(it)
        return computed(it, a, va, b, vb)

    def _loaded(self, it: isa.Instruction) -> Expression:
        base = self.state.registers[it.src] or ANY
        address = add(base, it.offset)
        result = self._read(address, it.size, it.src, it.offset)
        return sign_extended(result, it.size * 8, 64) if it.mode == isa.MEMSX else result

    def _place(self, address: Value, size: int = 1) -> Place | None:
        if address.known is None:
            return None
        place = self.translation.place(self.function, address.known)
        if place is not None and place.kind == "frame" and place.offset + size > STACK_BYTES:
            return None
        if place is not None and place.kind == "area" and self._is_foreign():
            return None
        return place

    def _is_foreign(self) -> bool:
        """Report whether the private area may be another implementation's by now."""
        return self.state.moved or (self.translation.may_move and not self.function.is_hook)

    def _read(self, address: Value, size: int, base: int, offset: int) -> Expression:
        """Return what lies at an address, which is a register's value and an offset."""
        place = self._place(address, size)
        if place is None:
            return self._read_anywhere(address, size, base, offset)
        at = place.offset
        if place.kind == "argument":
            return self._argument(at)
        if place.kind == "sock":
            return Expression(
                f"({read_expression(pieces('tcp_sock', at, size))})", NOTHING, frozenset({"sock"})
            )
        if place.kind == "sample":
            return Expression(f"({read_expression(pieces(self.translation.struct, at, size))})")
        if place.kind == "area":
            return self._read_area(at, size)
        if place.kind == "frame":
            return self._read_frame(at, size)
        return self._read_map(place, size)

    def _argument(self, at: int) -> Expression:
        member, number = self.translation.member, at // 8
        names = parameters(member)
        if not 1 <= number <= len(names):
            return literal(0)
        name = names[number - 1]
        if number in _CUT_ARGUMENTS.get(member, ()):
            return Expression(f"({name} & {U32})")
        if (member, number) == ("cong_control", 2):
            return Expression(f"({name} & {U64})")
        return Expression(name)

    def _pointer(self, base: int, offset: int) -> Expression:
        pointer = self._use(base)
        if not offset:
            return pointer
        return pointer.within(f"({{0}} {'+' if offset > 0 else '-'} {abs(offset)})")

    def _read_anywhere(self, address: Value, size: int, base: int, offset: int) -> Expression:
        self._note_vague(address)
        pointer = self._pointer(base, offset)
        found = self._array(address)
        if found is not None:
            start = MAP_VALUES + (found << 32)
            result = pointer.within(f"get(b{found}, {{0}} - {start}, {size})")
            return Expression(result.text, result.reads, frozenset({"map"}))
        self.function.needs_call = True
        result = pointer.within(f"call.load({{0}}, {size})")
        return Expression(result.text, result.reads, EVERYTHING)

    def _array(self, address: Value) -> int | None:
        """Return the array in which an address lies; None for another place."""
        index = address.region - (MAP_VALUES >> 32)
        maps = self.translation.runtime.maps
        if 0 <= index < len(maps) and isinstance(maps[index], ArrayMap):
            return index
        return None

    def _note_vague(self, address: Value) -> None:
        """A place in the stack that is not known: all of the frame is memory."""
        frame = (FRAMES >> 32) + self.function.depth
        if address.known is None and address.region in (0, frame):
            self._expose(0, STACK_BYTES)

    def _expose(self, offset: int, size: int) -> None:
        self.function.exposed.update(range(offset, min(offset + size, STACK_BYTES)))

    # --- pieces of area and frame ---

    def _parts(self, atoms: tuple[Atom, ...], at: int, size: int) -> Iterator[tuple[Atom, int]]:
        """Yield the atoms that an access is made of, and their places in it [bits]."""
        for start, width in atoms:
            if at <= start and start + width <= at + size:
                yield (start, width), (start - at) * 8

    def _gather(self, atoms: tuple[Atom, ...], at: int, size: int, prefix: str) -> str:
        terms = [
            f"({prefix}{start} << {place})" if place else f"{prefix}{start}"
            for (start, _), place in self._parts(atoms, at, size)
        ]
        return terms[0] if len(terms) == 1 else f"({' | '.join(terms)})"

    def _scatter(
        self, atoms: tuple[Atom, ...], at: int, size: int, prefix: str, value: Expression
    ) -> None:
        parts = list(self._parts(atoms, at, size))
        if len(parts) == 1:
            self._emit(f"{prefix}{at} = {value.text}")
            return
        number = int(value.text) if value.text.isdigit() else None
        if number is None:
            value = self._temporary(value)
        for (start, width), place in parts:
            mask = (1 << width * 8) - 1
            text = f"{value.text} >> {place} & {mask}"
            self._emit(f"{prefix}{start} = {text if number is None else number >> place & mask}")

    def _read_area(self, at: int, size: int) -> Expression:
        self.touches_area = True
        self.translation.area.add((at, size))
        text = ""
        if not self.counting:
            text = (
                self._gather(self.area, at, size, "p.p") if self.area else f"p.load({at}, {size})"
            )
        return Expression(text, NOTHING, frozenset({"area"}))

    def _read_frame(self, at: int, size: int) -> Expression:
        self.function.frame_cuts.add((at, size))
        if self.counting:
            return Expression("")
        if at in self.function.exposed:
            return Expression(f"get(frame, {at}, {size})", NOTHING, frozenset({"frame"}))
        text = self._gather(self.frame, at, size, "m")
        names = frozenset(f"m{start}" for (start, _), _ in self._parts(self.frame, at, size))
        return Expression(text, names)

    def _read_map(self, place: Place, size: int) -> Expression:
        kinds = frozenset({"map"})
        if place.offset % size:
            return Expression(f"get(b{place.index}, {place.offset}, {size})", NOTHING, kinds)
        return Expression(f"g{place.index}_{size}[{place.offset // size}]", NOTHING, kinds)

    # --- stores ---

    def _store(self, at: int, it: isa.Instruction) -> None:
        address = add(self.state.registers[it.dst] or ANY, it.offset)
        if it.mode == isa.ATOMIC:
            self._atomic(at, it, address)
            return
        bits = it.size * 8
        if it.cls == isa.ST:
            value = literal(it.imm & (1 << bits) - 1)
        else:
            self._note_kept(it.src)
            known = self.state.registers[it.src] or ANY
            value = self._use(it.src)
            if known.known is not None:
                value = literal(known.known & (1 << bits) - 1)
            else:
                value = cut(value, known.bits, bits)
        self._write(address, it.size, it.dst, it.offset, value)
        self._step(at)

    def _note_kept(self, register: int) -> None:
        """An address of the frame that is stored may be used by whoever reads it."""
        value = self.state.registers[register]
        if value is not None and (FRAMES >> 32) + self.function.depth == value.region:
            self._expose(0, STACK_BYTES)

    def _write(self, address: Value, size: int, base: int, offset: int, value: Expression) -> None:
        place = self._place(address, size)
        if place is None:
            self._write_anywhere(address, size, base, offset, value)
        elif place.kind == "area":
            self.touches_area = True
            self.translation.area.add((place.offset, size))
            self._disturb(AREA)
            if self.area:
                self._scatter(self.area, place.offset, size, "p.p", value)
            else:
                self._emit(f"p.store({place.offset}, {size}, {value.text})")
        elif place.kind == "frame":
            self._write_frame(place.offset, size, value)
        elif place.kind == "map" and self.translation.runtime.maps[place.index].memory.writable:
            self._disturb(frozenset({"map"}))
            if place.offset % size:
                self._emit(f"put(b{place.index}, {place.offset}, {size}, {value.text})")
            else:
                at = place.offset // size
                self._emit(f"g{place.index}_{size}[{at}] = {value.text}")
        else:
            self._write_member(place, address, size, value)

    def _write_member(self, place: Place, address: Value, size: int, value: Expression) -> None:
        statement = ""
        if place.kind == "sock":
            statement = write_statement(pieces("tcp_sock", place.offset, size), value.text)
        self._disturb(frozenset({"sock"}))
        if not statement:
            self.function.needs_call = True
            statement = f"call.store({address.known}, {size}, {value.text})"
        self._emit(statement)

    def _write_frame(self, at: int, size: int, value: Expression) -> None:
        self.function.frame_cuts.add((at, size))
        if self.counting:
            return
        if at in self.function.exposed:
            self._disturb(frozenset({"frame"}))
            self._emit(f"put(frame, {at}, {size}, {value.text})")
            return
        names = {f"m{start}" for (start, _), _ in self._parts(self.frame, at, size)}
        self._settle(lambda e: bool(e.reads & names))
        self._scatter(self.frame, at, size, "m", value)

    def _write_anywhere(
        self, address: Value, size: int, base: int, offset: int, value: Expression
    ) -> None:
        self._note_vague(address)
        pointer = self._pointer(base, offset)
        found = self._array(address)
        if found is not None:
            self._disturb(frozenset({"map"}))
            start = MAP_VALUES + (found << 32)
            self._emit(f"put(b{found}, {pointer.text} - {start}, {size}, {value.text})")
            return
        self.function.needs_call = True
        self._disturb(EVERYTHING)
        self._emit(f"call.store({pointer.text}, {size}, {value.text})")

    def _atomic(self, at: int, it: isa.Instruction, address: Value) -> None:
        """Read, compute and write, in that many statements."""
        bits = it.size * 8
        mask = (1 << bits) - 1
        self._disturb(EVERYTHING)
        if it.imm == isa.LOAD_ACQ:
            source = add(self.state.registers[it.src] or ANY, it.offset)
            result = self._temporary(self._read(source, it.size, it.src, it.offset))
            self._step(at)
            self._define(it.dst, at, self.state.registers[it.dst], result)
            return
        known = self.state.registers[it.src] or ANY
        value = self._temporary(cut(self._use(it.src), known.bits, bits))
        if it.imm == isa.STORE_REL:
            self._write(address, it.size, it.dst, it.offset, value)
            self._step(at)
            return
        self._note_kept(it.src)
        if self.counting:
            self._use(it.dst)
        elif address.known is None and it.dst in self.pending:
            self.pending[it.dst] = self._temporary(self.pending[it.dst])
        pending = self.pending.get(it.dst)
        old = self._temporary(self._read(address, it.size, it.dst, it.offset))
        if pending is not None:
            self.pending[it.dst] = pending
        if it.imm == isa.CMPXCHG:
            r0 = self.state.registers[0] or ANY
            wanted = cut(self._use(0), r0.bits, bits)
            new = value.within("({0} if {1} == {2} else {1})", old, wanted)
        elif it.imm == isa.XCHG:
            new = value
        else:
            symbol = {isa.ADD: "+", isa.OR: "|", isa.AND: "&", isa.XOR: "^"}[it.imm & 0xF0]
            new = old.within(f"({{0}} {symbol} {{1}} & {mask})", value)
        self._write(address, it.size, it.dst, it.offset, new)
        self._step(at)
        if it.imm & isa.FETCH:
            target = 0 if it.imm == isa.CMPXCHG else it.src
            self._define(target, at, None, old)
