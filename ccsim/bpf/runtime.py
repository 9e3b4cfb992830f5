"""A loaded object at work: its maps and global variables, and its programs as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ccsim.bpf import instructions as isa
from ccsim.bpf.area import area_class
from ccsim.bpf.bindings import SampleRegion, SockRegion
from ccsim.bpf.helpers import HELPERS, TIMER_START, Host, helper
from ccsim.bpf.interpreter import interpreted
from ccsim.bpf.kernel_functions import kernel_function
from ccsim.bpf.maps import RingBuffer, create_map
from ccsim.bpf.memory import (
    ACK_SAMPLE,
    CTX,
    MAP_VALUES,
    RATE_SAMPLE,
    SOCK,
    U32,
    U64,
    Arguments,
    BpfFault,
    Invocation,
    Memory,
    PrivateArea,
)
from ccsim.bpf.printing import formatted
from ccsim.bpf.python_form import PythonForm
from ccsim.bpf.timers import Timers
from ccsim.compiled import in_use

if TYPE_CHECKING:
    from ccsim.bpf.object import LoadedObject, Program

__all__ = ["FORMS", "Code", "Runtime"]

FORMS: tuple[str, ...] = ("interpreter", "python", *(("machine",) if in_use() else ()))
"""Ways of running a program, with one meaning: ``machine`` is there where ccsim is compiled."""

TRACE_LINES = 10_000  # that a run keeps
_SAMPLES = {
    "pkts_acked": ("ack_sample", ACK_SAMPLE),
    "cong_control": ("rate_sample", RATE_SAMPLE),
    "cong_control_2": ("rate_sample", RATE_SAMPLE),
}
_MASKS = {  # of arguments after the socket
    "cong_control": (U32, U64),
    "cong_avoid": (U32, U32),
    "set_state": (U32,),
    "cwnd_event": (U32,),
    "in_ack_event": (U32,),
}
_SOCK, _CTX = SOCK >> 32, CTX >> 32


@dataclass(frozen=True)
class Code:
    """One program: its instructions, relocated; the kernel functions that it calls, by number; the
    source lines of its instructions."""

    name: str
    instructions: Sequence[isa.Instruction]
    kfuncs: tuple[str, ...] = ()
    lines: Mapping[int, str] = field(default_factory=dict)

    def callee(self, it: isa.Instruction) -> Callable[..., int]:
        """Return the helper or kernel function that an instruction calls."""
        if it.src == isa.CALL_KFUNC:
            return kernel_function(self.kfuncs[it.imm])
        if it.imm not in HELPERS:
            return _unreachable
        return helper(it.imm)[1]

    def placed(self, fault: BpfFault, at: int) -> BpfFault:
        """Return a fault whose message says where in the program it happened."""
        text = str(fault)
        if text.startswith("program "):  # an inner function's, or another program's
            return fault
        line = self.lines.get(at) or next(
            (self.lines[i] for i in range(at, -1, -1) if i in self.lines), ""
        )
        return BpfFault(f"program {self.name}, instruction {at}{line and f' ({line})'}: {text}")


def _unreachable(call: Invocation, *registers: int) -> int:
    raise BpfFault("an instruction that was not to be reached")


def _starts_timer(code: Code) -> bool:
    return any(
        it.opcode == isa.CALL_OPCODE and it.src == isa.CALL_HELPER and it.imm == TIMER_START
        for it in code.instructions
    )


def code_of(program: Program) -> Code:
    """Return a loaded program's code."""
    lines = {slot: f"{line.file}:{line.line}" for slot, line in program.lines.items()}
    return Code(program.name, program.instructions, program.kfuncs, lines)


class Runtime:
    """The maps and programs of one object in one kernel.

    host: whom helpers ask about the world; form: how programs are run, see `FORMS`.
    """

    def __init__(
        self, loaded: LoadedObject, host: Host | None = None, form: str | None = None
    ) -> None:
        self.name = loaded.name
        self.loaded = loaded
        self.host = host or Host()
        self.form = form or FORMS[-1]
        self.maps: list[Any] = [create_map(spec, index) for index, spec in enumerate(loaded.maps)]
        self.codes = {
            name: code_of(program)
            for name, program in loaded.programs.items()
            if program.member is not None
        }
        self.base: dict[int, Memory] = {
            (MAP_VALUES >> 32) + index: map.memory for index, map in enumerate(self.maps)
        }
        self.timers = Timers(self) if any(map(_starts_timer, self.codes.values())) else None
        self.trace: list[str] = []
        self._functions: dict[tuple[str, str], Callable[..., int]] = {}

    def function(self, program: str, member: str) -> Callable[..., int]:
        """Return a program as the function that serves a member of ``tcp_congestion_ops``: it takes
        the socket and the hook's arguments, and returns r0."""
        key = (program, member)
        if key not in self._functions:
            make = {"python": self.translated, "machine": self.in_machine_code}
            function = make.get(self.form, self.interpreted)(program, member)
            self._functions[key] = self._after_timers(function) if self.timers else function
        return self._functions[key]

    def _after_timers(self, function: Callable[..., int]) -> Callable[..., int]:
        """Return a program that runs after the timers that are due by then."""
        timers = self.timers
        assert timers is not None

        def hook(sk: Any, *arguments: Any) -> int:
            if timers.next_ns <= sk.tcp_clock_cache:
                timers.come_to(sk.tcp_clock_cache)
            return function(sk, *arguments)

        return hook

    def come_to(self, t_ns: int) -> None:
        """Let timers fire that are due by a time."""
        if self.timers is not None:
            self.timers.come_to(t_ns)

    @property
    def area(self) -> type[PrivateArea]:
        """The class of the private areas that this object's programs work on."""
        atoms = self.python.atoms if self.form == "python" else ()
        return area_class(atoms) if atoms else PrivateArea

    def members_of(self, program: str) -> set[str]:
        """Return the members that a program serves, as `function` calls them."""
        member = self.loaded.programs[program].member or ""
        target = getattr(self.loaded, "target", None)
        old = target is not None and target.cong_control_arguments == 2
        return {"cong_control_2" if old and member == "cong_control" else member}

    @cached_property
    def python(self) -> PythonForm:
        """The programs translated to Python."""
        return PythonForm(self)

    def translated(self, program: str, member: str) -> Callable[..., int]:
        """Return a program as a function of Python; what cannot be translated is interpreted."""
        return self.python.function(program, member) or self.interpreted(program, member)

    def in_machine_code(self, program: str, member: str) -> Callable[..., int]:
        """Return a program as a function that machine code interprets."""
        from ccsim.bpf.machine import Machine

        return Machine(self, self.codes[program], member).hook()

    def invocation(
        self, sk: Any, member: str, arguments: tuple[Any, ...], code: Code | None = None
    ) -> Invocation:
        """Return the invocation of a program as a member, with what it may reach."""
        words = [SOCK, *arguments]
        regions = {**self.base, _SOCK: SockRegion(sk), _CTX: Arguments(words)}
        if member in _SAMPLES:
            kind, place = _SAMPLES[member]
            regions[place >> 32] = SampleRegion(kind, arguments[-1])
            words[-1] = place
        if member in _MASKS:
            for number, mask in enumerate(_MASKS[member], 1):
                words[number] &= mask
        return Invocation(self, code, sk, words, regions)

    def map_named(self, name: str) -> Any:
        """Return a map; KeyError without one of that name."""
        for found in self.maps:
            if found.name == name:
                return found
        raise KeyError(name)

    def ring_at(self, address: int) -> RingBuffer:
        """Return the ring buffer in whose memory an address lies."""
        number = (address >> 32) - (MAP_VALUES >> 32)
        if 0 <= number < len(self.maps) and isinstance(self.maps[number], RingBuffer):
            return self.maps[number]
        raise BpfFault(f"expected what bpf_ringbuf_reserve returned, got {address:#x}")

    def trace_line(self, call: Invocation, text: bytes, arguments: list[int]) -> int:
        """Keep a line for the trace; return its length."""
        line = formatted(call, text, arguments)
        if len(self.trace) < TRACE_LINES:
            self.trace.append(line.decode("utf-8", "replace").rstrip("\n"))
        return len(line)

    def interpreted(self, program: str, member: str) -> Callable[..., int]:
        """Return a program as the function that serves a member of ``tcp_congestion_ops``, run by
        the interpreter."""
        code = self.codes[program]
        run = interpreted(self, code)
        calls = any(it.src in (isa.CALL_LOCAL, isa.PSEUDO_FUNC) for it in code.instructions)

        def hook(sk: Any, *arguments: Any) -> int:
            invocation = self.invocation(sk, member, arguments, code)
            if calls:
                invocation.call = partial(run, invocation)
            return run(invocation, 0, CTX)

        return hook
