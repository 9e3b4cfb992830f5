"""One instruction, carried out on what is known (the body of ``do_check``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ccsim.bpf import instructions as isa
from ccsim.bpf.instructions import Instruction
from ccsim.bpf.verifier import access, calls, pointers
from ccsim.bpf.verifier import values as v
from ccsim.bpf.verifier.arithmetic import add, byte_swap, negate, sign_extend, zero_extend
from ccsim.bpf.verifier.bounds import U32, U64, Bounds, known
from ccsim.bpf.verifier.branches import OPPOSITE, refine, taken
from ccsim.bpf.verifier.refusal import Refusal
from ccsim.bpf.verifier.state import State
from ccsim.bpf.verifier.values import ANYTHING, NOTHING, NULL, Reg, Slot, constant, scalar
from ccsim.kernel.errors import EACCES, EINVAL

if TYPE_CHECKING:
    from ccsim.bpf.verifier.check import Checker

__all__ = ["step"]

_NEVER_NULL = frozenset({v.MAP_VALUE, v.MAP_KEY, v.STRUCT, v.MEM, v.MAP})


def step(env: Checker, state: State, slot: int) -> int:
    """Carry out one instruction; return the next slot, -1 at the path's end."""
    it = env.program[slot]
    return _STEPS[it.cls](env, state, slot, it)


def _read(state: State, number: int) -> Reg:
    reg = state.frame.regs[number]
    if reg.kind == v.UNSET:
        raise Refusal(EACCES, f"R{number} !read_ok")
    return reg


def _set(state: State, number: int, reg: Reg) -> None:
    if number == isa.R10:
        raise Refusal(EACCES, "frame pointer is read only")
    state.frame.regs[number] = reg


# --- arithmetic ---


def _alu(env: Checker, state: State, slot: int, it: Instruction) -> int:
    wide = it.cls == isa.ALU64
    if it.op == isa.MOV:
        _set(state, it.dst, _moved(env, state, it, wide))
    elif it.op in (isa.NEG, isa.END):
        reg = _read(state, it.dst)
        if reg.kind != v.SCALAR:
            _set(state, it.dst, ANYTHING)
        elif it.op == isa.NEG:
            _set(state, it.dst, scalar(negate(wide, reg.bounds)))
        else:
            _set(state, it.dst, scalar(byte_swap(reg.bounds, it.imm, wide or it.by_register)))
    else:
        _set(state, it.dst, _combined(env, state, it, wide))
    return slot + 1


def _moved(env: Checker, state: State, it: Instruction, wide: bool) -> Reg:
    if not it.by_register:
        return constant(it.imm if wide else it.imm & U32)
    reg = _read(state, it.src)
    if it.offset:
        if reg.kind != v.SCALAR:
            return ANYTHING if wide else scalar(zero_extend(ANYTHING.bounds))
        bounds = sign_extend(reg.bounds, it.offset)
        if bounds == reg.bounds and wide:
            return _linked(env, state, it.src, reg)
        return scalar(bounds if wide else zero_extend(bounds))
    if wide:
        return _linked(env, state, it.src, reg) if reg.kind == v.SCALAR else reg
    if reg.kind != v.SCALAR:
        return scalar(zero_extend(ANYTHING.bounds))
    if reg.bounds.umax <= U32:
        return _linked(env, state, it.src, reg)
    return scalar(zero_extend(reg.bounds))


def _linked(env: Checker, state: State, number: int, reg: Reg) -> Reg:
    """Return a copy of a number that stays equal to it (``assign_scalar_id_before_mov``)."""
    if reg.bounds.const:
        return reg
    if not reg.id or reg.delta is not None:
        reg = reg._replace(id=env.new_id(), delta=None)
        state.frame.regs[number] = reg
    return reg


def _combined(env: Checker, state: State, it: Instruction, wide: bool) -> Reg:
    a = _read(state, it.dst)
    b = _read(state, it.src) if it.by_register else constant(it.imm)
    if a.kind == v.SCALAR and b.kind == v.SCALAR:
        found = pointers.operate(it.op, wide, a, b, it.offset)
        if it.op == isa.ADD and wide and not it.by_register and a.id and a.delta is None:
            return found._replace(id=a.id, delta=it.imm)
        return found
    found = pointers.combine(it.op, wide, it.dst, a, b, it.src)
    number = it.dst if a.kind == v.SCALAR else it.src
    if found.kind != v.SCALAR and it.by_register:
        env.matters(number)
    return found


# --- memory ---


def _wide_load(env: Checker, state: State, slot: int, it: Instruction) -> int:
    if slot in env.poison:
        raise Refusal(EINVAL, f"<invalid CO-RE relocation>\n{env.poison[slot]}")
    _set(state, it.dst, _address(env, it))
    return slot + 2


def _address(env: Checker, it: Instruction) -> Reg:
    number, offset = it.imm & U32, it.imm >> 32
    if it.src == isa.PSEUDO_MAP_FD:
        env.used_maps.add(env.maps[number].name)
        return Reg(v.MAP, where=number)
    if it.src == isa.PSEUDO_MAP_VALUE:
        spec = env.maps[number]
        if offset >= spec.value_size:
            raise Refusal(
                EINVAL,
                f"invalid access to map value pointer, value_size={spec.value_size} off={offset}",
            )
        env.used_maps.add(spec.name)
        return Reg(v.MAP_VALUE, off=offset, where=number)
    if it.src == isa.PSEUDO_FUNC:
        return Reg(v.FUNC, where=it.imm)
    if it.src == isa.PSEUDO_BTF_ID:
        return Reg(v.MEM, where=0)
    return constant(it.imm)


def _load(env: Checker, state: State, slot: int, it: Instruction) -> int:
    size = it.size
    found = access.load(env, state, it.src, it.offset, size)
    if it.mode == isa.MEMSX:
        if found.kind != v.SCALAR:
            raise Refusal(EACCES, f"R{it.src} sign-extending load of a pointer")
        found = scalar(sign_extend(found.bounds, 8 * size))
    if found.kind == v.SCALAR and found.id and found.delta is None and size < 8:
        found = found._replace(id=0)
    _set(state, it.dst, found)
    return slot + 1


def _store(env: Checker, state: State, slot: int, it: Instruction) -> int:
    value = constant(it.imm)
    if it.cls == isa.STX:
        value = _read(state, it.src)
        if it.mode == isa.ATOMIC:
            return _atomic(env, state, slot, it, value)
        if value.kind == v.SCALAR and state.frame.regs[it.dst].kind == v.STACK:
            value = _linked(env, state, it.src, value)
    access.store(env, state, it.dst, it.offset, it.size, value)
    return slot + 1


def _atomic(env: Checker, state: State, slot: int, it: Instruction, value: Reg) -> int:
    """Load, operate and store in one (``check_atomic``)."""
    size = it.size
    if it.imm == isa.LOAD_ACQ:
        _set(state, it.dst, access.load(env, state, it.src, it.offset, size))
        return slot + 1
    reg = _read(state, it.dst)
    if reg.kind == v.CTX:
        raise Refusal(
            EACCES, f"BPF_ATOMIC stores into R{it.dst} {v.describe_reg(reg)} is not allowed"
        )
    if it.imm == isa.STORE_REL:
        access.store(env, state, it.dst, it.offset, size, value)
        return slot + 1
    if it.imm == isa.CMPXCHG:
        _read(state, 0)
    found = access.load(env, state, it.dst, it.offset, size)
    bounds = ANYTHING.bounds if size == 8 else zero_extend(ANYTHING.bounds)
    access.store(env, state, it.dst, it.offset, size, scalar(bounds))
    if it.imm & isa.FETCH:
        result = scalar(bounds) if found.kind == v.SCALAR else ANYTHING
        _set(state, 0 if it.imm == isa.CMPXCHG else it.src, result)
    return slot + 1


# --- jumps ---


def _jump(env: Checker, state: State, slot: int, it: Instruction) -> int:
    if it.op == isa.CALL:
        return _call(env, state, slot, it)
    if it.op == isa.EXIT:
        return _exit(env, state)
    if it.op == isa.JA:
        return slot + 1 + (it.imm if it.cls == isa.JMP32 else it.offset)
    if it.op == isa.JCOND:
        other = state.copy()
        other.jumps += 1
        env.widen(other, slot, skip=True)
        env.push(slot + 1, other)
        return slot + 1 + it.offset
    return _conditional(env, state, slot, it)


def _conditional(env: Checker, state: State, slot: int, it: Instruction) -> int:
    wide = it.cls == isa.JMP
    a = _read(state, it.dst)
    b = _read(state, it.src) if it.by_register else constant(it.imm)
    target = slot + 1 + it.offset
    if a.kind == v.SCALAR and b.kind == v.SCALAR:
        way = taken(it.op, wide, a.bounds, b.bounds)
    else:
        way = _pointer_way(it.op, a, b)
    if way is not None:
        env.matters(it.dst)
        if it.by_register:
            env.matters(it.src)
        return target if way else slot + 1
    other = state.copy()
    if a.kind == v.SCALAR and b.kind == v.SCALAR:
        if not (it.by_register and it.dst == it.src):
            _learn(other, it, wide, it.op)
            _learn(state, it, wide, OPPOSITE[it.op])
    elif wide and it.op in (isa.JEQ, isa.JNE):
        _learn_null(state, other, it, a, b)
    env.push(target, other)
    return slot + 1


def _pointer_way(op: int, a: Reg, b: Reg) -> bool | None:
    """A pointer that is checked, or never null, is not zero."""
    if a.kind == v.SCALAR:
        a, b = b, a
    if b.kind != v.SCALAR or not b.bounds.const or b.bounds.value:
        return None
    if a.kind not in _NEVER_NULL or a.maybe_null or op not in (isa.JEQ, isa.JNE):
        return None
    return op == isa.JNE


def _learn(state: State, it: Instruction, wide: bool, op: int) -> None:
    """Narrow both numbers of a comparison, and all that equal them."""
    regs = state.frame.regs
    a = regs[it.dst]
    if not it.by_register:
        bounds = known(it.imm if wide else it.imm & U32)
        _narrow(state, it.dst, refine(op, wide, a.bounds, bounds)[0])
        return
    first, second = refine(op, wide, a.bounds, regs[it.src].bounds)
    _narrow(state, it.dst, first)
    _narrow(state, it.src, second)


def _narrow(state: State, number: int, bounds: Bounds) -> None:
    regs = state.frame.regs
    reg = regs[number]
    if bounds == reg.bounds:
        return
    regs[number] = new = reg._replace(bounds=bounds)
    if reg.id:
        _spread(state, new)


def _spread(state: State, source: Reg) -> None:
    """Give all numbers that equal one, or differ by a constant, its range
    (``sync_linked_regs``).
    """
    for frame in state.frames:
        regs = frame.regs
        for number, reg in enumerate(regs):
            if reg.id == source.id and reg.kind == v.SCALAR and reg is not source:
                regs[number] = _follow(reg, source)
        for number, slot in frame.stack.items():
            reg = slot.reg or NOTHING
            if reg.id == source.id and reg.kind == v.SCALAR:
                frame.stack[number] = Slot(slot.bytes, _follow(reg, source))


def _follow(reg: Reg, source: Reg) -> Reg:
    if reg.delta == source.delta:
        return reg._replace(bounds=source.bounds)
    away = (reg.delta or 0) - (source.delta or 0)
    return reg._replace(bounds=add(source.bounds, known(away & U64)))


def _learn_null(state: State, other: State, it: Instruction, a: Reg, b: Reg) -> None:
    """A comparison with null tells which way a pointer is null, and which not."""
    pointer = a if b.kind == v.SCALAR else b
    number = b if pointer is a else a
    if not pointer.maybe_null:
        return
    if number.kind != v.SCALAR or not number.bounds.const or number.bounds.value:
        if not number.maybe_null and number.kind in _NEVER_NULL and number.kind == pointer.kind:
            _mark(other if it.op == isa.JEQ else state, pointer.id, null=False)
        return
    _mark(other, pointer.id, null=it.op == isa.JEQ)
    _mark(state, pointer.id, null=it.op == isa.JNE)


def _mark(state: State, id: int, *, null: bool) -> None:
    """Make all pointers of an id null, or usable (``mark_ptr_or_null_regs``)."""

    def marked(reg: Reg) -> Reg:
        if reg.id != id or not reg.maybe_null:
            return reg
        return NULL if null else reg._replace(maybe_null=False)

    if null:
        state.refs.pop(id, None)
    for frame in state.frames:
        frame.regs = [marked(reg) for reg in frame.regs]
        for number, slot in frame.stack.items():
            if slot.reg is not None:
                frame.stack[number] = Slot(slot.bytes, marked(slot.reg))


# --- calls ---


def _call(env: Checker, state: State, slot: int, it: Instruction) -> int:
    if slot in env.poison:
        what = "kfunc call" if "kfunc" in env.poison[slot] else "CO-RE relocation"
        raise Refusal(EINVAL, f"<invalid {what}>\n{env.poison[slot]}")
    regs = state.frame.regs
    if it.src == isa.CALL_LOCAL:
        if state.lock:
            raise Refusal(EINVAL, "function calls are not allowed while holding a lock")
        frame = env.enter(state, slot + 1 + it.imm)
        frame.regs[1:6] = regs[1:6]
        regs[:6] = [NOTHING] * 6
        return frame.start
    if it.src == isa.CALL_KFUNC:
        calls.call_kernel(env, state, it)
        return slot + 1
    env.call_arguments = tuple(regs[:6])
    calls.call_helper(env, state, it)
    return slot + 1


def _exit(env: Checker, state: State) -> int:
    if len(state.frames) > 1:
        frame = state.frames[-1]
        if frame.callback:
            return env.back(state)
        result = frame.regs[0]
        if result.kind == v.STACK:
            raise Refusal(EINVAL, "cannot return stack pointer to the caller")
        state.frames.pop()
        state.frame.regs[0] = result
        return frame.callsite + 1
    if state.lock:
        raise Refusal(
            EINVAL,
            "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region",
        )
    kept = state.frame.regs[0].ref  # may be handed back to the kernel
    leaked = [(ref, slot) for ref, slot in state.refs.items() if ref != kept]
    if leaked:
        ref, slot = leaked[0]
        env.note(f"Unreleased reference id={ref} alloc_insn={slot}")
        raise Refusal(EINVAL, "BPF_EXIT instruction in main prog would lead to reference leak")
    if state.frame.callback:
        env.check_timer_end(state.frame.regs[0])
    elif env.returns:
        _read(state, 0)
    return -1


_STEPS = {
    isa.ALU: _alu,
    isa.ALU64: _alu,
    isa.LD: _wide_load,
    isa.LDX: _load,
    isa.ST: _store,
    isa.STX: _store,
    isa.JMP: _jump,
    isa.JMP32: _jump,
}
