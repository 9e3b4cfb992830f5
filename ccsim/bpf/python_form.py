"""Programs as functions of Python: translated, compiled, and given what they call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from ccsim.bpf.area import Atom, atoms_of
from ccsim.bpf.helpers import HELPERS, helper
from ccsim.bpf.interpreter import BACK_JUMPS
from ccsim.bpf.kernel_functions import (
    MODULE_FUNCTIONS,
    NAMES,
    NO_WINDOW,
    direct,
    kernel_function,
)
from ccsim.bpf.layout import source_of
from ccsim.bpf.maps import ArrayMap
from ccsim.bpf.memory import BpfFault, Buffer
from ccsim.bpf.operations import divided, remainder
from ccsim.bpf.translate import Translation, Untranslatable
from ccsim.bpf.writer import scan
from ccsim.kernel import kfuncs

if TYPE_CHECKING:
    from ccsim.bpf.runtime import Runtime

__all__ = ["PythonForm"]

Key = tuple[str, str]  # program and member


class PythonForm:
    """The translations of an object's programs, which share the pieces of the private area.

    ``atoms`` are those pieces; empty where it stays bytes, as it does where the kernel's own
    algorithms share it.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._translations: dict[Key, Translation] = {}
        self.reasons: dict[Key, str] = {}
        shared = untranslated = False
        for name, code in runtime.codes.items():
            shared = shared or bool(MODULE_FUNCTIONS.intersection(code.kfuncs))
            for member in runtime.members_of(name):
                try:
                    self._translations[name, member] = Translation(runtime, code, member, scan)
                except Untranslatable as reason:
                    self.reasons[name, member] = str(reason)
                    untranslated = True
        accesses = {at for one in self._translations.values() for at in one.area}
        typed = accesses and not shared and not untranslated
        self.atoms: tuple[Atom, ...] = atoms_of(accesses) if typed else ()

    def function(self, program: str, member: str) -> Callable[..., int] | None:
        """Return a program as a function; None for one that only the interpreter can run."""
        translation = self._translations.get((program, member))
        if translation is None:
            return None
        source = self.source(program, member)
        if source is None:
            return None
        namespace = self._namespace(translation)
        try:
            code = compile(source, f"<bpf {len(self._translations)}>", "exec")
        except (SyntaxError, RecursionError, MemoryError) as error:  # too large for Python
            self.reasons[program, member] = str(error)
            return None
        exec(code, namespace)
        callbacks = {slot: namespace[f"c{slot}"] for slot in translation.callbacks}
        namespace["callbacks"] = callbacks
        hook: Callable[..., int] = namespace[translation.hook.name]
        return self._placed(program, hook) if _may_fault(source) else hook

    def source(self, program: str, member: str) -> str | None:
        """Return the Python text of a program; None where only the interpreter can run it."""
        try:
            return source_of(self._translations[program, member], self.atoms)
        except Untranslatable as reason:
            self.reasons[program, member] = str(reason)
            return None

    def _placed(self, program: str, hook: Callable[..., int]) -> Callable[..., int]:
        """Let what a program does wrong bear its name."""

        def placed(*arguments: Any) -> int:
            try:
                return hook(*arguments)
            except BpfFault as fault:
                text = str(fault)
                if text.startswith("program "):
                    raise
                raise BpfFault(f"program {program}: {text}") from fault

        return placed

    def _namespace(self, translation: Translation) -> dict[str, Any]:
        """Return what a program's text refers to."""
        runtime, member = self.runtime, translation.member
        host = runtime.host
        names: dict[str, Any] = {
            "__builtins__": {"bytearray": bytearray},
            "begin": lambda s, *given: runtime.invocation(s, member, given, translation.code),
            "get": get,
            "put": put,
            "sdiv": divided,
            "smod": remainder,
            "swapped": swapped,
            "getattr": getattr,
            "ktime_ns": host.ktime_ns,
            "jiffies64": host.jiffies64,
            "random": host.random,
            "tcp_reno_ssthresh": kfuncs.tcp_reno_ssthresh,
            "tcp_reno_undo_cwnd": kfuncs.tcp_reno_undo_cwnd,
            "tcp_reno_cong_avoid": kfuncs.tcp_reno_cong_avoid,
            "tcp_slow_start": kfuncs.tcp_slow_start,
            **{f"h{number}": helper(number)[1] for number in HELPERS},
            **_with_a_name(translation.code.name),
        }
        for number, name in enumerate(translation.code.kfuncs):
            if name in NAMES:
                names[f"k{number}"] = kernel_function(name)
            if name in MODULE_FUNCTIONS:
                names[f"d{number}"] = direct(name)[1]
        for index, found in enumerate(runtime.maps):
            if isinstance(found, ArrayMap):
                names[f"b{index}"] = found.memory
                names |= _views(index, memoryview(found.memory.data))
        return names


def _views(index: int, view: memoryview) -> dict[str, memoryview]:
    """Return a map's memory as numbers of each size."""
    views = {1: view.cast("B"), 2: view.cast("H"), 4: view.cast("I"), 8: view.cast("Q")}
    return {f"g{index}_{size}": numbers for size, numbers in views.items()}


def _may_fault(source: str) -> bool:
    """Report whether a text calls what does not know which program it serves."""
    return any(word in source for word in ("call.", "get(", "put(", "(call,"))


def _with_a_name(program: str) -> dict[str, Any]:
    """Return what a text calls that knows itself which program went wrong."""

    def endless() -> NoReturn:
        raise BpfFault(
            f"program {program}: the loop does not end: it has gone round {BACK_JUMPS} times"
        )

    def avoid(sk: Any, w: int, acked: int) -> None:
        if w == 0:
            raise BpfFault(f"program {program}: {NO_WINDOW}")
        kfuncs.tcp_cong_avoid_ai(sk, w, acked)

    return {"endless": endless, "tcp_cong_avoid_ai": avoid}


def swapped(value: int, size: int) -> int:
    """Return a number with its bytes in the other order."""
    return int.from_bytes(value.to_bytes(size, "little"), "big")


def get(memory: Buffer | bytearray, offset: int, size: int) -> int:
    """Return the number at an offset of a map's memory or of a frame; BpfFault outside."""
    data = memory if isinstance(memory, bytearray) else memory.data
    if not 0 <= offset <= len(data) - size:
        raise BpfFault(f"invalid read of {size} bytes at {offset} of {len(data)}")
    return int.from_bytes(data[offset : offset + size], "little")


def put(memory: Buffer | bytearray, offset: int, size: int, value: int) -> None:
    """Write a number to an offset of a map's memory or of a frame; BpfFault outside."""
    data = memory if isinstance(memory, bytearray) else memory.data
    writable = isinstance(memory, bytearray) or memory.writable
    if not writable or not 0 <= offset <= len(data) - size:
        raise BpfFault(f"invalid write of {size} bytes at {offset} of {len(data)}")
    data[offset : offset + size] = (value & (1 << size * 8) - 1).to_bytes(size, "little")
