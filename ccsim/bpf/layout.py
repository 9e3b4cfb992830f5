"""Python text of whole functions, with the control flow of their blocks as ``if`` and ``while``.

Blocks are laid out along the dominator tree (N. Ramsey: "Beyond Relooper", ICFP 2022). A block
where paths meet stands behind the code that leads to it; what leads there from within something
nested leaves a ``while True`` that ends once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ccsim.bpf import instructions as isa
from ccsim.bpf.area import Atom
from ccsim.bpf.interpreter import BACK_JUMPS, MAY_GOTO
from ccsim.bpf.lowering import Expression
from ccsim.bpf.memory_writer import parameters
from ccsim.bpf.register_writer import Uses
from ccsim.bpf.translate import Function, Translation, Untranslatable
from ccsim.bpf.writer import BlockWriter, frame_atoms

if TYPE_CHECKING:
    from ccsim.bpf.graph import BasicBlock

__all__ = ["source_of"]

MAX_LOOPS = 16  # nested; Python allows 20
MAX_DEPTH = 80  # of indentation; Python allows 100
SMALL_TAIL = 8  # instructions of a block that ends a function and is written out several times
INDENT = "    "


@dataclass(slots=True)
class _Jump:
    """The way to a block that is not next."""

    target: int


@dataclass(slots=True)
class _Nest:
    """What may become a ``while True``: a loop, which ``continue`` begins again, or code that
    ``break`` leaves for the block ``after``."""

    loop: int | None
    after: int | None
    body: list[Any]
    falls: bool = False  # control may leave the body at its end
    crossed: set[int] = field(default_factory=set)


Lines = list[Any]  # of text, and of such lists, which are indented


class FunctionWriter:
    """Writes one function."""

    def __init__(
        self, translation: Translation, function: Function, area: tuple[Atom, ...]
    ) -> None:
        self.translation = translation
        self.function = function
        self.blocks = function.graph.blocks
        self.area = area
        self.frame = frame_atoms(function)
        self.crosses = False
        self.writer = self._writer(counting=False)
        self.uses: dict[int, Uses] = {}
        self.dead: set[int] = set()
        self.live_in: dict[int, frozenset[int]] = {}
        self.live_out: dict[int, frozenset[int]] = {}
        self._count()

    def _writer(self, *, counting: bool) -> BlockWriter:
        return BlockWriter(
            self.translation,
            self.function,
            counting=counting,
            area=self.area,
            frame=self.frame,
        )

    # --- what is live ---

    def _count(self) -> None:
        """Find what is used where, and what is computed for nothing."""
        while True:
            counter = self._writer(counting=True)
            counter.dead = self.dead
            for start in self.function.graph.order:
                counter.uses = self.uses[start] = Uses()
                counter.lower(self.blocks[start], self.function.states[start])
            self._find_live()
            dead = {
                at
                for start, uses in self.uses.items()
                for at, count in uses.counts.items()
                if not count and self._is_pure(at) and not self._outlives(start, at)
            }
            if dead <= self.dead:
                return
            self.dead |= dead

    def _is_pure(self, at: int) -> bool:
        it = self.translation.program[at]
        return it.cls in (isa.ALU, isa.ALU64, isa.LDX, isa.LD)

    def _outlives(self, start: int, at: int) -> bool:
        uses = self.uses[start]
        return any(uses.last[r] == at and r in self.live_out[start] for r in uses.last)

    def _find_live(self) -> None:
        order = self.function.graph.order
        self.live_in = dict.fromkeys(order, frozenset())
        self.live_out = dict.fromkeys(order, frozenset())
        changed = True
        while changed:
            changed = False
            for start in reversed(order):
                uses = self.uses[start]
                after = frozenset[int]().union(
                    *(self.live_in[target] for target in self.blocks[start].following)
                )
                before = frozenset(uses.exposed) | (after - set(uses.last))
                if (before, after) != (self.live_in[start], self.live_out[start]):
                    self.live_in[start], self.live_out[start] = before, after
                    changed = True

    # --- layout ---

    def write(self) -> list[str]:
        """Return the lines of the function."""
        entry = self.function.graph.order[0]
        tree, _ = self._tree(entry, None)
        body = self._resolved(tree, [])
        lines: Lines = [self._signature(), [*self._prologue(entry), *body]]
        return list(_indented(lines, 0))

    def _signature(self) -> str:
        names = ["s", *parameters(self.translation.member)]
        if not self.function.is_hook:
            if self.function.needs_call:
                names.append("call")
            names += [
                f"r{i + 1}"
                for i, value in enumerate(self.function.arguments)
                if value is not None and value.known is None
            ]
        return f"def {self.function.name}({', '.join(names)}):"

    def _prologue(self, entry: int) -> list[str]:
        lines = []
        function = self.function
        if function.is_hook and function.needs_call:
            names = ", ".join(("s", *parameters(self.translation.member)))
            lines.append(f"call = begin({names})")
            if self.translation.callbacks:
                given = ", ".join((names, "call", "*x"))
                lines.append(f"call.call = lambda slot, *x: callbacks[slot]({given})")
        if self.writer.touches_area:
            lines.append("p = s.ca")
        if function.exposed:
            lines.append("frame = bytearray(512)")
            if function.needs_call:
                lines.append(f"call.show({function.depth}, frame)")
        if self.writer.has_budget:
            lines.append(f"budget = {MAY_GOTO}")
        if any(block.is_loop for block in self.blocks.values()):
            lines.append("rounds = 0")
        if self.crosses:
            lines.append("go = -1")
        lines += [f"m{at} = 0" for at, size in self.frame if at not in function.exposed]
        state = function.states[entry].registers
        for register in sorted(self.live_in[entry]):
            value = state[register]
            if value is None:
                lines.append(f"r{register} = 0")
            elif value.known is not None:
                lines.append(f"r{register} = {value.known}")
        return lines

    def _tree(self, start: int, fall: int | None) -> tuple[Lines, bool]:
        """Return the code of a block and of all that it dominates, and whether control may leave it
        at its end, from where it comes to the block ``fall``."""
        block = self.blocks[start]
        children = [c for c in block.children if self.blocks[c].merges and not self._is_tail(c)]
        children.sort(key=lambda c: self.blocks[c].number)
        if not block.is_loop:
            return self._within(start, children, fall)
        body, _ = self._within(start, children, start)
        limit = BACK_JUMPS + (MAY_GOTO if self._has_own_limit() else 0)
        head = ["rounds += 1", f"if rounds > {limit + 1}:", ["endless()"]]
        loop = _Nest(start, fall, [*head, *body])
        return [loop], fall is not None and _leads_to(body, fall)

    def _has_own_limit(self) -> bool:
        program = self.translation.program
        kfuncs = self.translation.code.kfuncs
        return any(
            (it.op == isa.JCOND and it.cls == isa.JMP)
            or (it.src == isa.CALL_KFUNC and kfuncs[it.imm] == "bpf_iter_num_next")
            for it in program
            if it.cls == isa.JMP and (it.op == isa.JCOND or it.opcode == isa.CALL_OPCODE)
        )

    def _within(self, start: int, children: list[int], fall: int | None) -> tuple[Lines, bool]:
        if not children:
            return self._node(start, fall)
        last = children[-1]
        body, falls = self._within(start, children[:-1], last)
        rest, rest_falls = self._tree(last, fall)
        return [_Nest(None, last, body, falls), *rest], rest_falls

    def _resolved(self, lines: Lines, around: list[_Nest]) -> Lines:
        """Return lines in which each jump is ``break`` or ``continue``, through what is around."""
        found: Lines = []
        for line in lines:
            if isinstance(line, list):
                found.append(self._resolved(line, around))
            elif isinstance(line, _Jump):
                found += self._leave(line.target, around)
            elif isinstance(line, _Nest):
                found += self._nested(line, around)
            else:
                found.append(line)
        return found

    def _nested(self, nest: _Nest, around: list[_Nest]) -> Lines:
        """Return the code of a loop, or of what is left forwards: plain if nothing leaves it so."""
        if nest.loop is None and not _leads_to(nest.body, nest.after):
            return self._resolved(nest.body, around)
        if len(around) >= MAX_LOOPS:
            raise Untranslatable("too deeply nested")
        body = self._resolved(nest.body, [*around, nest])
        if nest.loop is None and nest.falls:
            body.append("break")
        lines: Lines = ["while True:", body]
        for target in sorted(nest.crossed):
            way = self._leave(target, around)
            lines += [f"if go == {target}:", ["go = -1", *way] if len(way) == 1 else way]
        return lines

    def _leave(self, target: int, around: list[_Nest]) -> Lines:
        """Return the statements that lead to a block which is not next."""
        for distance, nest in enumerate(reversed(around)):
            if target not in (nest.loop, nest.after):
                continue
            word = "continue" if nest.loop == target else "break"
            if not distance:
                return [word]
            self.crosses = True
            for inner in around[-distance:]:
                inner.crossed.add(target)
            return [f"go = {target}", "break"]
        raise Untranslatable(f"no way to block {target}")

    def _node(self, start: int, fall: int | None) -> tuple[Lines, bool]:
        """Return the code of one block, and of the ways out of it."""
        block = self.blocks[start]
        lines, condition = self._lower(block)
        if not block.following:
            return lines, False
        if len(block.following) == 1 or condition is None:  # a decided jump has one way
            way, falls = self._branch(start, block.following[0], fall)
            return lines + way, falls
        taken, taken_falls = self._branch(start, block.following[0], fall)
        other, other_falls = self._branch(start, block.following[1], fall)
        choice, falls = _choice(condition, taken, taken_falls, other, other_falls)
        return lines + choice, falls

    def _lower(self, block: BasicBlock) -> tuple[Lines, Expression | None]:
        self.writer.uses = self.uses[block.start]
        self.writer.dead = self.dead
        self.writer.live_out = self.live_out[block.start]
        lines, condition = self.writer.lower(block, self.function.states[block.start])
        return list(lines), condition

    def _branch(self, source: int, target: int, fall: int | None) -> tuple[Lines, bool]:
        back = self.blocks[target].number <= self.blocks[source].number
        if target == fall:
            return [], True
        if self._is_tail(target):
            return self._node(target, None)
        if back or self.blocks[target].merges:
            return [_Jump(target)], False
        return self._tree(target, fall)

    def _is_tail(self, start: int) -> bool:
        """Report whether a block ends the function and is short enough to be written twice."""
        block = self.blocks[start]
        short = not block.following and block.end - block.start <= SMALL_TAIL
        return short and not block.is_loop


def _leads_to(lines: Lines, target: int | None) -> bool:
    """Report whether a jump to a block is among lines."""
    for line in lines:
        if isinstance(line, _Jump) and line.target == target:
            return True
        inner = line.body if isinstance(line, _Nest) else line
        if isinstance(inner, list) and _leads_to(inner, target):
            return True
    return False


def _choice(
    condition: Expression, taken: Lines, taken_falls: bool, other: Lines, other_falls: bool
) -> tuple[Lines, bool]:
    """Return an ``if``, with the way that does not come back under it."""
    falls = taken_falls or other_falls
    if not taken and not other:
        return [], falls
    if not taken:
        return [f"if not ({condition.text}):", other], falls
    if not other or not taken_falls:
        return [f"if {condition.text}:", taken, *other], falls
    if not other_falls:
        return [f"if not ({condition.text}):", other, *taken], falls
    return [f"if {condition.text}:", taken, "else:", other], falls


def _indented(lines: Lines, depth: int) -> list[str]:
    if depth > MAX_DEPTH:
        raise Untranslatable("too deeply nested")
    found: list[str] = []
    for line in lines:
        if isinstance(line, str):
            found.append(INDENT * depth + line)
        else:
            found += _indented(line or ["pass"], depth + 1)
    return found


def source_of(translation: Translation, area: tuple[Atom, ...]) -> str:
    """Return the text of a program's functions and of the wrappers of its callbacks."""
    lines: list[str] = []
    for function in translation.functions.values():
        if function.states:
            lines += FunctionWriter(translation, function, area).write()
    names = ("s", *parameters(translation.member), "call")
    for slot, function in translation.callbacks.items():
        given = [*names[:-1]]
        if function.needs_call:
            given.append("call")
        given += [
            f"x{i + 1}"
            for i, value in enumerate(function.arguments)
            if value is not None and value.known is None
        ]
        extra = ", ".join(f"x{i}=0" for i in range(1, 6))
        lines.append(f"def c{slot}({', '.join(names)}, {extra}):")
        lines.append(f"{INDENT}return {function.name}({', '.join(given)})")
    return "\n".join(lines) + "\n"
