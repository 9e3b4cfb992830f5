"""Registers as variables of Python, or as what they would be assigned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ccsim.bpf.area import Atom
from ccsim.bpf.known import KnownState, Value, transfer
from ccsim.bpf.lowering import Expression, literal
from ccsim.bpf.translate import Function, Translation

if TYPE_CHECKING:
    pass

__all__ = ["RegisterWriter", "Uses"]


LONGEST = 400  # of an expression: Python nests only so many parentheses


@dataclass(slots=True)
class Uses:
    """What a block does with registers: how often each definition is used in it, what it uses from
    before, and its last definitions."""

    counts: dict[int, int] = field(default_factory=dict)  # by the slot that defines
    exposed: set[int] = field(default_factory=set)
    last: dict[int, int] = field(default_factory=dict)


class RegisterWriter:
    """Keeps track of registers while a block is lowered to lines: a value that is used once is
    written where it is used. While ``counting`` it only takes notes."""

    def __init__(
        self,
        translation: Translation,
        function: Function,
        *,
        counting: bool,
        area: tuple[Atom, ...] = (),
        frame: tuple[Atom, ...] = (),
    ) -> None:
        self.translation = translation
        self.function = function
        self.counting = counting
        self.area = area
        self.frame = frame
        self.state = KnownState([None] * 11)
        self.uses = Uses()
        self.dead: set[int] = set()
        self.live_out: frozenset[int] = frozenset()
        self.pending: dict[int, Expression] = {}
        self.lines: list[str] = []
        self.temporaries = 0
        self.touches_area = False
        self.has_budget = False

    # --- what is known, registers ---

    def _step(self, at: int) -> None:
        """Let what is known follow the instruction."""
        translation, function = self.translation, self.function
        transfer(
            translation.program,
            self.state,
            at,
            partial(translation.called, function),
            translation.loaded,
        )

    def _use(self, register: int) -> Expression:
        """Return a register's value as an expression."""
        value = self.state.registers[register]
        if value is not None and value.known is not None:
            return literal(value.known)
        if self.counting:
            if register in self.uses.last:
                self.uses.counts[self.uses.last[register]] += 1
            else:
                self.uses.exposed.add(register)
            return Expression("")
        if register in self.pending:
            return self.pending.pop(register)
        return Expression(f"r{register}", frozenset({f"r{register}"}))

    def _define(self, register: int, at: int, known: Value | None, result: Expression) -> None:
        """Let a register be the result of the instruction at a slot."""
        if self.counting:
            self.uses.last[register] = at
            self.uses.counts[at] = 0
            return
        if known is not None and known.known is not None:
            result = literal(known.known)
        self.pending.pop(register, None)
        kept = self.uses.last.get(register) == at and register in self.live_out
        if not kept and self.uses.counts.get(at, 0) <= 1 and len(result.text) <= LONGEST:
            if self.uses.counts.get(at, 0):
                self.pending[register] = result
            return
        self._assign(register, result)

    def _assign(self, register: int, result: Expression) -> None:
        name = f"r{register}"
        self._settle(lambda e: name in e.reads)
        self.lines.append(f"{name} = {result.text}")

    def _settle(self, affected: Callable[[Expression], bool]) -> None:
        """Evaluate what is still to be evaluated and would otherwise come out differently."""
        for register, expression in list(self.pending.items()):
            if affected(expression):
                self.pending[register] = self._temporary(expression)

    def _temporary(self, expression: Expression) -> Expression:
        if self.counting:
            return Expression("")
        self.temporaries += 1
        name = f"t{self.temporaries}"
        self.lines.append(f"{name} = {expression.text}")
        return Expression(name, frozenset({name}))

    def _disturb(self, kinds: frozenset[str]) -> None:
        """Memory of these kinds is about to change."""
        self._settle(lambda e: bool(e.memory & kinds) or ("any" in e.memory))

    def _emit(self, line: str) -> None:
        if not self.counting:
            self.lines.append(line)
