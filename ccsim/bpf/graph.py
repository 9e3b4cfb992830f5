"""The control flow of one function of a program: basic blocks, what dominates them, where paths
meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ccsim.bpf import instructions as isa

__all__ = ["BasicBlock", "Graph", "build_graph", "successors"]


@dataclass(slots=True)
class BasicBlock:
    """Instructions without a jump but the last: slots from ``start`` up to ``end``.

    ``following`` are the first slots of the blocks that come next, the jump's target first.
    """

    start: int
    end: int
    following: tuple[int, ...] = ()
    number: int = 0  # in reverse postorder
    parent: int = -1  # the immediate dominator
    before: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)  # what it dominates immediately
    is_loop: bool = False
    merges: bool = False  # reached by several forward edges


@dataclass(frozen=True)
class Graph:
    """The blocks of a function by their first slots; ``order`` is reverse postorder."""

    blocks: dict[int, BasicBlock]
    order: list[int]
    reducible: bool


def successors(program: Sequence[isa.Instruction], at: int) -> tuple[int, ...]:
    """Return the slots that may come after the one at ``at``; a jump's target comes first."""
    it = program[at]
    if it.opcode == isa.LD_IMM64:
        return (at + 2,)
    if it.cls not in (isa.JMP, isa.JMP32) or it.op == isa.CALL:
        return (at + 1,)
    if it.op == isa.EXIT:
        return ()
    if it.op == isa.JA:
        return (at + 1 + (it.imm if it.cls == isa.JMP32 else it.offset),)
    target = at + 1 + it.offset
    return (target,) if target == at + 1 else (target, at + 1)


def build_graph(
    program: Sequence[isa.Instruction], entry: int, decided: Mapping[int, int] | None = None
) -> Graph:
    """Return the graph of the function that begins at slot ``entry``; ``decided`` are jumps whose
    outcome is known, and where they lead."""
    blocks = _blocks(program, entry, decided or {})
    order = _reverse_postorder(blocks, entry)
    for number, start in enumerate(order):
        blocks[start].number = number
    for start in order:
        for target in blocks[start].following:
            blocks[target].before.append(start)
    _dominate(blocks, order)
    return Graph(blocks, order, _classify(blocks, order))


def _blocks(
    program: Sequence[isa.Instruction], entry: int, decided: Mapping[int, int]
) -> dict[int, BasicBlock]:
    """Cut what can be reached at the targets of jumps."""
    reached: dict[int, tuple[int, ...]] = {}
    leaders, waiting = {entry}, [entry]
    while waiting:
        at = waiting.pop()
        if at in reached:
            continue
        following = (decided[at],) if at in decided else successors(program, at)
        reached[at] = following
        waiting += following
        it = program[at]
        is_jump = it.cls in (isa.JMP, isa.JMP32) and it.op not in (isa.CALL, isa.EXIT)
        if is_jump:
            leaders.update(following)
    blocks = {}
    for start in leaders:
        at = start
        while True:
            following = reached[at]
            if len(following) != 1 or following[0] in leaders:
                break
            at = following[0]
        blocks[start] = BasicBlock(start, at + 1, following)
    return blocks


def _reverse_postorder(blocks: dict[int, BasicBlock], entry: int) -> list[int]:
    """Return the blocks so that each comes before what it leads to, but for loops."""
    order: list[int] = []
    seen = {entry}
    stack = [(entry, iter(blocks[entry].following))]
    while stack:
        start, rest = stack[-1]
        for target in rest:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(blocks[target].following)))
                break
        else:
            order.append(start)
            stack.pop()
    return order[::-1]


def _dominate(blocks: dict[int, BasicBlock], order: list[int]) -> None:
    """Find immediate dominators (K. D. Cooper, T. J. Harvey, K. Kennedy: "A simple, fast dominance
    algorithm")."""
    blocks[order[0]].parent = order[0]
    changed = True
    while changed:
        changed = False
        for start in order[1:]:
            parent = -1
            for other in blocks[start].before:
                if blocks[other].parent >= 0:
                    parent = other if parent < 0 else _common(blocks, parent, other)
            if parent != blocks[start].parent:
                blocks[start].parent, changed = parent, True
    for start in order[1:]:
        blocks[blocks[start].parent].children.append(start)


def _common(blocks: dict[int, BasicBlock], a: int, b: int) -> int:
    while a != b:
        while blocks[a].number > blocks[b].number:
            a = blocks[a].parent
        while blocks[b].number > blocks[a].number:
            b = blocks[b].parent
    return a


def _classify(blocks: dict[int, BasicBlock], order: list[int]) -> bool:
    """Mark loops and merges; report whether each loop is entered at its head alone."""
    reducible = True
    for start in order:
        block = blocks[start]
        forward = 0
        for other in block.before:
            if blocks[other].number < block.number:
                forward += 1
                continue
            block.is_loop = True
            at = other
            while at != start and blocks[at].parent != at:
                at = blocks[at].parent
            reducible = reducible and at == start
        block.merges = forward > 1
    return reducible
