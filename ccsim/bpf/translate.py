"""Programs as Python functions over typed fields: ``r1 + 0x5a4`` becomes ``s.snd_cwnd``.

Functions are analysed first (`ccsim.bpf.known`): an access whose place is known is an attribute of
the socket, of the sample or of the private area, a local variable, or an element of a view of a
map's memory. All others go through `ccsim.bpf.memory.Invocation`, as in the interpreter. Generated
text holds nothing of the object's but numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ccsim.bpf import instructions as isa
from ccsim.bpf.area import Atom
from ccsim.bpf.bindings import area_offset, pieces
from ccsim.bpf.graph import Graph, build_graph
from ccsim.bpf.known import (
    ANY,
    KnownState,
    Value,
    analyse,
    constant,
    decide,
    region_of,
    scalar,
    transfer,
)
from ccsim.bpf.maps import ArrayMap
from ccsim.bpf.memory import (
    ACK_SAMPLE,
    AREA_BYTES,
    CTX,
    FRAMES,
    MAP_VALUES,
    MAX_FRAMES,
    RATE_SAMPLE,
    SOCK,
    U32,
)

if TYPE_CHECKING:
    from ccsim.bpf.runtime import Code, Runtime

__all__ = ["ARGUMENTS", "Function", "Place", "Translation", "Untranslatable"]

ARGUMENTS: dict[str, tuple[int, ...]] = {
    "cong_avoid": (32, 32),
    "set_state": (8,),
    "cwnd_event": (32,),
    "in_ack_event": (32,),
    "pkts_acked": (0,),
    "cong_control": (32, 64, 0),
    "cong_control_2": (0,),
}
"""Bits of a hook's arguments after the socket; 0 for a sample."""
LOOP, FOR_EACH = 181, 164
LOOKUP, SETSOCKOPT = 1, 49
READS_MEMORY = {1: (2,), 2: (2, 3), 3: (2,), 107: (3,)}  # registers with a map's key and value
_NARROW = {7: 32, 8: 32}  # bits of what helpers return
CLOCKS = (5, 7, 118, 125, 208)  # helpers that take the socket alone


class Untranslatable(Exception):
    """A function that only the interpreter can run; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a known address lies: ``kind`` is ``area``, ``sock``, ``sample``, ``argument``,
    ``frame`` or ``map``; ``offset`` counts from the kind's own beginning."""

    kind: str
    offset: int
    index: int = 0  # of the map, or of the frame


@dataclass
class Function:
    """One function of a program for one set of arguments of which something is known."""

    name: str
    slot: int
    depth: int
    arguments: tuple[Value | None, ...]
    graph: Graph
    states: dict[int, KnownState] = field(default_factory=dict)
    calls: dict[int, Function] = field(default_factory=dict)  # by the slot of the call
    exposed: set[int] = field(default_factory=set)  # bytes of the frame that others may see
    frame_cuts: set[tuple[int, int]] = field(default_factory=set)
    needs_call: bool = False
    is_hook: bool = False


class Translation:
    """Analyses one program as one member, and the functions that it calls.

    ``scan`` takes note of what a function, once analysed, does with area, frame and invocation.
    """

    def __init__(
        self,
        runtime: Runtime,
        code: Code,
        member: str,
        scan: Callable[[Translation, Function], None],
    ) -> None:
        self.runtime = runtime
        self.code = code
        self.member = member
        self.program = code.instructions
        self._scan = scan
        self.functions: dict[tuple[Any, ...], Function] = {}
        self.callbacks: dict[int, Function] = {}
        self._callback_values: dict[int, tuple[Value | None, ...]] = {}
        self.area: set[Atom] = set()
        self.uses_generic_area = False
        self._waiting: list[Function] = []
        self.hook = self._function(0, 0, (constant(CTX),))
        self.hook.is_hook = True
        self._work()
        self._spread_needs()

    def _work(self) -> None:
        while self._waiting:
            function = self._waiting.pop()
            self._analyse(function)
            decided: dict[int, int] = {}
            while more := self._decided(function):  # what is cut off may make more known
                decided |= more
                function.graph = build_graph(self.program, function.slot, decided)
                self._analyse(function)
        for function in self.functions.values():
            self._scan(self, function)
            _close(function)

    def _analyse(self, function: Function) -> None:
        function.calls.clear()
        function.states = analyse(
            self.program,
            function.graph,
            function.arguments,
            function.depth,
            partial(self.called, function),
            self.loaded,
        )

    def _decided(self, function: Function) -> dict[int, int]:
        """Return the jumps of which only one way is ever taken, and where that leads."""
        found = {}
        for start, state in function.states.items():
            block, after = function.graph.blocks[start], state.copy()
            if len(block.following) < 2:
                continue
            at = start
            while at < block.end:
                transfer(self.program, after, at, partial(self.called, function), self.loaded)
                at += 2 if self.program[at].opcode == isa.LD_IMM64 else 1
            following = decide(self.program, block, after)
            if len(following) == 1:
                found[block.end - 1] = following[0]
        return found

    def _spread_needs(self) -> None:
        """Who calls a function that needs the invocation needs it, too."""
        changed = True
        while changed:
            changed = False
            for function in self.functions.values():
                if not function.needs_call and any(
                    callee.needs_call for callee in function.calls.values()
                ):
                    function.needs_call = changed = True

    def _function(self, slot: int, depth: int, arguments: tuple[Value | None, ...]) -> Function:
        key = (slot, depth, arguments)
        if key not in self.functions:
            if depth >= MAX_FRAMES or len(self.functions) > 64:
                raise Untranslatable("too many functions")
            graph = build_graph(self.program, slot)
            if not graph.reducible:
                raise Untranslatable("a loop that is entered in two places")
            found = Function(f"f{len(self.functions)}", slot, depth, arguments, graph)
            self.functions[key] = found
            self._waiting.append(found)
        return self.functions[key]

    # --- what analysis asks ---

    def place(self, function: Function, address: int) -> Place | None:
        """Return where a known address lies; None where it is not the function's to know."""
        region = region_of(address)
        offset = address & U32
        if region == SOCK >> 32:
            inside = offset - area_offset()
            is_area = 0 <= inside < AREA_BYTES
            return Place("area", inside) if is_area else Place("sock", offset)
        if region == CTX >> 32:
            return Place("argument", offset)
        if region in (ACK_SAMPLE >> 32, RATE_SAMPLE >> 32):
            return Place("sample", offset)
        if region == (FRAMES >> 32) + function.depth:
            return Place("frame", offset, function.depth)
        index = region - (MAP_VALUES >> 32)
        if 0 <= index < len(self.runtime.maps):
            found = self.runtime.maps[index]
            if isinstance(found, ArrayMap) and offset < len(found.memory.data):
                return Place("map", offset, index)
        return None

    def loaded(self, state: KnownState, size: int, offset: int, address: Value) -> Value:
        """Return what is known of a number that is read."""
        if address.known is None:
            return scalar(size * 8)
        region, at = region_of(address.known), address.known & U32
        if region == CTX >> 32:
            return self._argument(at, size)
        if region == SOCK >> 32 and not 0 <= at - area_offset() < AREA_BYTES:
            return scalar(_bits(pieces("tcp_sock", at, size)))
        if region in (ACK_SAMPLE >> 32, RATE_SAMPLE >> 32):
            return scalar(_bits(pieces(self.struct, at, size)))
        index = region - (MAP_VALUES >> 32)
        if 0 <= index < len(self.runtime.maps):
            memory = self.runtime.maps[index].memory
            if not memory.writable and at + size <= len(memory.data):
                return constant(memory.load(at, size))
        return scalar(size * 8)

    @property
    def struct(self) -> str:
        """The sample that the member gets."""
        return "ack_sample" if self.member == "pkts_acked" else "rate_sample"

    def _argument(self, at: int, size: int) -> Value:
        number, rest = divmod(at, 8)
        if rest == 0 and size == 8 and number == 0:
            return constant(SOCK)
        bits = ARGUMENTS.get(self.member, ())
        if rest or not 1 <= number <= len(bits):
            return scalar(size * 8)
        wide = bits[number - 1]
        if not wide and size == 8:
            return constant(ACK_SAMPLE if self.member == "pkts_acked" else RATE_SAMPLE)
        return scalar(min(wide or 64, size * 8))

    def called(self, function: Function, state: KnownState, at: int, it: isa.Instruction) -> Value:
        """Take note of a call; return what is known of its result."""
        registers = state.registers
        if it.src == isa.CALL_LOCAL:
            known = tuple(self._passed(value) for value in registers[1:6])
            callee = self._function(at + 1 + it.imm, function.depth + 1, known)
            function.calls[at] = callee
            self._forget_stack(state)
            state.moved = state.moved or self.may_move
            return ANY
        if it.src == isa.CALL_HELPER and it.imm in (LOOP, FOR_EACH):
            self._note_callback(function, state, it)
        if it.src == isa.CALL_HELPER and it.imm == SETSOCKOPT:
            state.moved = True
        if it.src == isa.CALL_HELPER and it.imm not in CLOCKS:
            self._forget_stack(state)
        if it.src == isa.CALL_HELPER and it.imm == LOOKUP:
            handle = registers[1]
            if handle is not None and handle.known is not None:
                return Value(64, None, (MAP_VALUES >> 32) + (handle.known & U32))
        return scalar(_NARROW.get(it.imm, 64)) if it.src == isa.CALL_HELPER else ANY

    @property
    def may_move(self) -> bool:
        """Whether anything in the program may move the socket away."""
        return any(
            it.opcode == isa.CALL_OPCODE and it.src == isa.CALL_HELPER and it.imm == SETSOCKOPT
            for it in self.program
        )

    def _passed(self, value: Value | None) -> Value | None:
        """Return what a callee is specialised for: addresses, not numbers."""
        if value is None or value.known is None:
            return None if value is None else Value(64, None, value.region)
        return value if value.region else ANY

    def _forget_stack(self, state: KnownState) -> None:
        """Forget what is kept in parts of the stack whose address is known to a callee."""
        given = [v.known for v in state.registers[1:6] if v is not None and v.known is not None]
        frames = [a for a in given if FRAMES <= a < FRAMES + (MAX_FRAMES << 32)]
        vague = any(
            v is not None and v.known is None and v.region and v.region < (MAP_VALUES >> 32)
            for v in state.registers[1:6]
        )
        if vague:
            state.stack.clear()
        elif frames:
            lowest = min(frames)
            state.stack = {a: v for a, v in state.stack.items() if a + 8 <= lowest}

    def _note_callback(self, function: Function, state: KnownState, it: isa.Instruction) -> None:
        registers = state.registers
        target = registers[2]
        if target is None or target.known is None:
            raise Untranslatable("a callback that is not known")
        context = self._passed(registers[3]) or ANY
        if it.imm == LOOP:
            given: tuple[Value | None, ...] = (scalar(32), context, None, None, None)
        else:
            handle = registers[1] or ANY
            value = Value(64, None, (MAP_VALUES >> 32) + ((handle.known or 0) & U32))
            given = (handle, ANY, value, context, None)
        slot = target.known & U32
        before = self._callback_values.get(slot, given)
        if before != given:
            given = tuple(
                a if a == b else (None if a is None or b is None else ANY)
                for a, b in zip(before, given, strict=True)
            )
        self._callback_values[slot] = given
        self.callbacks[slot] = self._function(slot, function.depth + 1, given)
        function.needs_call = True


def _close(function: Function) -> None:
    """Let an access of which others see a byte be seen whole."""
    before = -1
    while before != len(function.exposed):
        before = len(function.exposed)
        for start, size in function.frame_cuts:
            whole = range(start, start + size)
            if not function.exposed.isdisjoint(whole):
                function.exposed.update(whole)


def _bits(parts: tuple[Any, ...]) -> int:
    return max((part.place + part.bits for part in parts), default=1)
