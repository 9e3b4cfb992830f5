"""Calls: of helpers, of the kernel's functions, and back (``check_helper_call``,
``check_kfunc_call``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ccsim.bpf import btf as kinds
from ccsim.bpf.instructions import Instruction
from ccsim.bpf.kernel_btf import kernel_btf
from ccsim.bpf.mapspec import HASHES, RINGBUF, SK_STORAGE
from ccsim.bpf.verifier import values as v
from ccsim.bpf.verifier.access import check_memory
from ccsim.bpf.verifier.bounds import UNKNOWN, s64, signed_of, sync, unsigned_below
from ccsim.bpf.verifier.helper_names import HELPER_NAMES, helper_name
from ccsim.bpf.verifier.helpers import (
    FOR_EACH,
    HELPERS,
    LINUX_ONLY,
    LOOP,
    NOT_IN_RELEASE,
    SK_STORAGE_GET,
    TIMER_INIT,
    TIMER_SET_CALLBACK,
    Helper,
)
from ccsim.bpf.verifier.refusal import Refusal
from ccsim.bpf.verifier.state import State
from ccsim.bpf.verifier.values import ANYTHING, NOTHING, Reg, describe_reg, scalar
from ccsim.kernel.errors import EACCES, EINVAL, EOPNOTSUPP

if TYPE_CHECKING:
    from ccsim.bpf.verifier.check import Checker

__all__ = ["call_helper", "call_kernel"]

MAX_SIZE = 1 << 29
_NUMBERS = {
    5: UNKNOWN,
    7: unsigned_below(32),
    8: unsigned_below(32),
    118: UNKNOWN,
    125: UNKNOWN,
    134: UNKNOWN,
    160: UNKNOWN,
}
"""Results that are not ``int`` or ``long`` errors. The others are ``s64`` and unknown."""
_COMPATIBLE = {
    1: HASHES | {2, 6},
    2: HASHES | {2, 6},
    3: HASHES | {2, 6},
    107: frozenset({SK_STORAGE}),
    108: frozenset({SK_STORAGE}),
    130: frozenset({RINGBUF}),
    131: frozenset({RINGBUF}),
    134: frozenset({RINGBUF}),
    164: HASHES | {2, 6},
    195: frozenset({5, 6, 10}),
}


def call_helper(env: Checker, state: State, it: Instruction) -> list[int]:
    """Check a helper call and give R0 its result; return the slots of callbacks to be tried."""
    helper = _helper(env, it.imm)
    if state.lock and it.imm != 94:
        raise Refusal(EINVAL, "function calls are not allowed while holding a lock")
    regs = state.frame.regs
    found = _Arguments(env, state, it.imm)
    for index, kind in enumerate(helper.arguments, 1):
        found.check(index, kind)
    env.helpers.add(HELPER_NAMES[it.imm])
    callbacks = [found.callback] if found.callback is not None else []
    for number in range(6):
        regs[number] = NOTHING
    regs[0] = _result(env, helper, it.imm, found)
    if it.imm in (132, 133):
        _release(state, found.ref)
    return callbacks


def _helper(env: Checker, number: int) -> Helper:
    if number not in HELPER_NAMES:
        raise Refusal(EINVAL, f"invalid func {helper_name(number)}")
    helper = HELPERS.get(number)
    allowed = helper is not None or number in LINUX_ONLY
    if not allowed or (number in NOT_IN_RELEASE and env.member == "release"):
        raise Refusal(EINVAL, f"program of this type cannot use helper {helper_name(number)}")
    if helper is None:
        raise Refusal(
            EOPNOTSUPP, f"Linux allows {helper_name(number)} here, but ccsim does not have it"
        )
    return helper


class _Arguments:
    """Checks the arguments of one call, and keeps what the result depends on."""

    def __init__(self, env: Checker, state: State, number: int) -> None:
        self.env, self.state, self.number = env, state, number
        self.map = -1
        self.memory = 0
        self.out = False
        self.bytes = 0
        self.ref = 0
        self.loops = UNKNOWN
        self.callback: int | None = None
        self.context = NOTHING

    def check(self, index: int, kind: str) -> None:
        reg = self.state.frame.regs[index]
        if reg.kind == v.UNSET:
            raise Refusal(EACCES, f"R{index} !read_ok")
        plain = kind.rstrip("?")
        null = reg.kind == v.SCALAR and reg.bounds.const and not reg.bounds.value
        if kind.endswith("?") and null:
            self.memory = -index if plain in ("mem", "out") else 0
            return
        getattr(self, f"_{plain}")(index, reg)

    def _expect(self, index: int, reg: Reg, kind: int, expected: str) -> None:
        if reg.kind != kind or reg.maybe_null:
            raise Refusal(EACCES, f"R{index} type={describe_reg(reg)} expected={expected}")

    def _any(self, index: int, reg: Reg) -> None:
        if self.number == LOOP and index == 1:
            if reg.kind != v.SCALAR:
                raise Refusal(EACCES, f"R1 type={describe_reg(reg)} expected=scalar")
            self.loops = reg.bounds
            self.env.matters(1)

    def _map(self, index: int, reg: Reg) -> None:
        self._expect(index, reg, v.MAP, "map_ptr")
        if self.number == TIMER_INIT and self.map != int(reg.where):
            raise Refusal(
                EINVAL,
                "timer pointer in R1 map_uid=0 doesn't match map pointer in R2 map_uid=0",
            )
        self.map = int(reg.where)
        spec = self.env.maps[self.map]
        if spec.type not in _COMPATIBLE.get(self.number, (spec.type,)):
            raise Refusal(
                EINVAL, f"cannot pass map_type {spec.type} into func {helper_name(self.number)}"
            )
        self.env.used_maps.add(spec.name)

    def _key(self, index: int, reg: Reg) -> None:
        self._check_plain(index, reg)
        size = self.env.maps[self.map].key_size
        check_memory(self.env, self.state, index, size, write=False)

    def _value(self, index: int, reg: Reg) -> None:
        self._check_plain(index, reg)
        size = self.env.maps[self.map].value_size
        check_memory(self.env, self.state, index, size, write=False)

    def _mem(self, index: int, reg: Reg) -> None:
        self.memory, self.out = index, False

    def _check_plain(self, index: int, reg: Reg) -> None:
        """A struct of the kernel suits only what is declared to be read."""
        if reg.kind == v.STRUCT:
            raise Refusal(
                EACCES,
                f"{HELPER_NAMES[self.number]}() may write into memory pointed by R{index} "
                "type=trusted_ptr_",
            )

    def _out(self, index: int, reg: Reg) -> None:
        self._check_plain(index, reg)
        self.memory, self.out = index, True

    def _size(self, index: int, reg: Reg) -> None:
        self._sized(index, reg, zero=False)

    def _size0(self, index: int, reg: Reg) -> None:
        self._sized(index, reg, zero=True)

    def _sized(self, index: int, reg: Reg, *, zero: bool) -> None:
        """Check the memory before a size, for the greatest it may be (``check_mem_size_reg``)."""
        if reg.kind != v.SCALAR:
            raise Refusal(EACCES, f"R{index} type={describe_reg(reg)} expected=scalar")
        self.env.matters(index)
        bounds = reg.bounds
        if bounds.smin < 0:
            raise Refusal(
                EACCES,
                f"R{index} min value is negative, either use unsigned or 'var &= const'",
            )
        if bounds.umin == 0 and not zero:
            raise Refusal(EACCES, f"R{index} invalid zero-sized read: u64=[0,{bounds.umax}]")
        if bounds.umax >= MAX_SIZE:
            raise Refusal(
                EACCES,
                f"R{index} unbounded memory access, use 'var &= const' or 'if (var < const)'",
            )
        if self.memory < 0:
            if bounds.umax:
                raise Refusal(EACCES, f"R{-self.memory} type=scalar expected=fp")
            return
        check_memory(self.env, self.state, self.memory, bounds.umax, write=self.out, zero=zero)

    def _sock(self, index: int, reg: Reg) -> None:
        self._expect(index, reg, v.STRUCT, "sock_common, sock, tcp_sock, ptr_, trusted_ptr_")
        if reg.where not in _SOCKETS or reg.off:
            raise Refusal(EACCES, f"R{index} is of type {reg.where} but tcp_sock is expected")

    def _func(self, index: int, reg: Reg) -> None:
        self._expect(index, reg, v.FUNC, "func")
        self.callback = int(reg.where)

    def _stack(self, index: int, reg: Reg) -> None:
        null = reg.kind == v.SCALAR and reg.bounds.const and not reg.bounds.value
        if reg.kind != v.STACK and not null:
            raise Refusal(EACCES, f"R{index} type={describe_reg(reg)} expected=fp")
        self.context = reg

    def _lock(self, index: int, reg: Reg) -> None:
        self._expect(index, reg, v.MAP_VALUE, "map_value")
        places = [start for name, start, _ in self.env.special(reg.where) if "lock" in name]
        if reg.off not in places or not reg.bounds.const:
            raise Refusal(EINVAL, f"map value has no bpf_spin_lock at off {reg.off}")
        if self.number == 93:
            if self.state.lock:
                raise Refusal(EINVAL, "Locking two bpf_spin_locks are not allowed")
            self.state.lock = reg.id or -1 - int(reg.where)
        elif self.state.lock != (reg.id or -1 - int(reg.where)):
            raise Refusal(EINVAL, "bpf_spin_unlock of different lock")
        else:
            self.state.lock = 0

    def _timer(self, index: int, reg: Reg) -> None:
        """A timer is where its map's values have it (``process_timer_func``)."""
        self._expect(index, reg, v.MAP_VALUE, "map_value")
        if not reg.bounds.const:
            raise Refusal(
                EINVAL,
                f"R{index} doesn't have constant offset. "
                "bpf_timer has to be at the constant offset",
            )
        self.map = int(reg.where)
        places = [at for name, at, _ in self.env.special(self.map) if name == "bpf_timer"]
        if not places:
            raise Refusal(EINVAL, f"map '{self.env.maps[self.map].name}' has no valid bpf_timer")
        at = reg.off + s64(reg.bounds.value)
        if at != places[0]:
            raise Refusal(
                EINVAL, f"off {at} doesn't point to 'struct bpf_timer' that is at {places[0]}"
            )

    def _ring(self, index: int, reg: Reg) -> None:
        self._expect(index, reg, v.MEM, "ringbuf_mem")
        if not reg.ref or reg.off:
            raise Refusal(EINVAL, f"R{index} must be referenced when passed to release function")
        self.ref = reg.ref

    def _bytes(self, index: int, reg: Reg) -> None:
        if reg.kind != v.SCALAR or not reg.bounds.const:
            raise Refusal(EACCES, f"R{index} is not a known constant")
        self.env.matters(index)
        self.bytes = reg.bounds.value

    def _long(self, index: int, reg: Reg) -> None:
        self._check_plain(index, reg)
        check_memory(self.env, self.state, index, 8, write=True)

    def _str(self, index: int, reg: Reg) -> None:
        spec = self.env.maps[reg.where] if reg.kind == v.MAP_VALUE else None
        if spec is None or not spec.frozen or spec.data is None:
            raise Refusal(EACCES, f"R{index} does not point to a readonly map'")
        at = reg.off + reg.bounds.value
        if not reg.bounds.const or not 0 <= at < len(spec.data):
            raise Refusal(EACCES, f"R{index} is not a constant address'")
        if 0 not in spec.data[at:]:
            raise Refusal(EINVAL, "string is not zero-terminated")


_SOCKETS = ("tcp_sock", "inet_connection_sock", "inet_sock", "sock", "sock_common")


def _result(env: Checker, helper: Helper, number: int, found: _Arguments) -> Reg:
    if helper.result == "nothing":
        return NOTHING
    if helper.result == "value":
        return Reg(
            v.MAP_VALUE,
            where=found.map,
            id=env.new_id(),
            maybe_null=True,
            storage=number == SK_STORAGE_GET,
        )
    if helper.result == "ring":
        ref = env.new_id()
        found.state.refs[ref] = env.slot
        return Reg(v.MEM, where=found.bytes, id=ref, maybe_null=True, ref=ref)
    if number in (LOOP, FOR_EACH):
        env.loop(found.state, number, found.callback or 0, found.loops, found.context, found.map)
    if number == TIMER_SET_CALLBACK:
        env.later(found.callback or 0, found.map)
    return scalar(_NUMBERS.get(number, UNKNOWN))


def _release(state: State, ref: int) -> None:
    """Forget a reservation and all pointers to it."""
    state.refs.pop(ref, None)
    for frame in state.frames:
        frame.regs = [ANYTHING if reg.ref == ref else reg for reg in frame.regs]
        for number, slot in frame.stack.items():
            if slot.reg is not None and slot.reg.ref == ref:
                frame.stack[number] = v.Slot(bytes([v.MISC] * 8))


def call_kernel(env: Checker, state: State, it: Instruction) -> str:
    """Check a call of a kernel function and give R0 its result; return the function's name."""
    name = env.kfuncs[it.imm]
    btf = kernel_btf()
    prototype = btf[btf[btf.find(name, kinds.FUNC)].type]
    env.kernel_functions.add(name)
    if state.lock:
        raise Refusal(EINVAL, "function calls are not allowed while holding a lock")
    for index, (_, type) in enumerate(prototype.params):
        _check_parameter(env, state, name, index, btf.plain(type))
    regs = state.frame.regs
    iterator = regs[1]
    for number in range(6):
        regs[number] = NOTHING
    if prototype.type:
        it_type = btf.plain(prototype.type)
        if it_type.kind == kinds.INT:
            bits = 8 * it_type.size
            regs[0] = scalar(signed_of(bits) if it_type.signed else unsigned_below(bits))
            if it_type.signed and bits == 32:
                regs[0] = scalar(sync(unsigned_below(32)))
    if name.startswith("bpf_iter_num_"):
        env.iterate(state, name, iterator)
    return name


def _check_parameter(env: Checker, state: State, name: str, index: int, type: kinds.Type) -> None:
    number = index + 1
    reg = state.frame.regs[number]
    if reg.kind == v.UNSET:
        raise Refusal(EACCES, f"R{number} !read_ok")
    if type.kind != kinds.PTR:
        if reg.kind != v.SCALAR:
            raise Refusal(EINVAL, f"R{number} is not a scalar")
        return
    struct = kernel_btf().plain(type.type).name
    if struct == "bpf_iter_num":
        if reg.kind != v.STACK or not reg.bounds.const or reg.off % 8:
            raise Refusal(EINVAL, f"arg#{index} expected pointer to an iterator on stack")
        return
    if reg.maybe_null:
        raise Refusal(EACCES, f"Possibly NULL pointer passed to trusted arg{index}")
    if reg.kind != v.STRUCT:
        raise Refusal(
            EINVAL,
            f"arg#{index} pointer type STRUCT {struct} must point to scalar, or struct with scalar",
        )
    if reg.off or not reg.bounds.const or reg.bounds.value or not _suits(struct, str(reg.where)):
        raise Refusal(
            EINVAL,
            f"kernel function {name} args#{index} expected pointer to STRUCT {struct} but "
            f"R{number} has a pointer to STRUCT {reg.where}",
        )


def _suits(wanted: str, has: str) -> bool:
    """Return whether a struct begins with the one that is wanted."""
    if wanted == has:
        return True
    return has in _SOCKETS and wanted in _SOCKETS[_SOCKETS.index(has) :]
