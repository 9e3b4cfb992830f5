"""Arithmetic with pointers (``adjust_ptr_min_max_vals``)."""

from __future__ import annotations

from ccsim.bpf import instructions as isa
from ccsim.bpf.verifier import values as v
from ccsim.bpf.verifier.arithmetic import add, alu, subtract
from ccsim.bpf.verifier.bounds import S64_MIN, s64
from ccsim.bpf.verifier.refusal import Refusal
from ccsim.bpf.verifier.values import ANYTHING, Reg, describe_reg
from ccsim.kernel.errors import EACCES, EINVAL

__all__ = ["BPF_MAX_VAR_OFF", "combine"]

BPF_MAX_VAR_OFF = 1 << 29
_MOVABLE = frozenset({v.CTX, v.MAP_VALUE, v.MAP_KEY, v.STACK, v.STRUCT, v.MEM, v.FUNC})
_SIGNS = {
    isa.ADD: "+=",
    isa.SUB: "-=",
    isa.MUL: "*=",
    isa.DIV: "/=",
    isa.OR: "|=",
    isa.AND: "&=",
    isa.LSH: "<<=",
    isa.RSH: ">>=",
    isa.MOD: "%=",
    isa.XOR: "^=",
    isa.ARSH: "s>>=",
}
_BITWISE = frozenset({isa.AND, isa.OR, isa.XOR})


def combine(op: int, wide: bool, number: int, a: Reg, b: Reg, other: int) -> Reg:
    """Return ``a op b`` where one of them is a pointer; the result goes to register ``number``.

    Raises Refusal for what may not be done with a pointer.
    """
    if a.kind != v.SCALAR and b.kind != v.SCALAR:
        if op == isa.SUB:
            return ANYTHING
        raise Refusal(EACCES, f"R{number} pointer {_SIGNS[op]} pointer prohibited")
    pointer, offset = (a, b) if a.kind != v.SCALAR else (b, a)
    at = number if a.kind != v.SCALAR else other
    if not wide:
        if op == isa.SUB:
            return ANYTHING
        raise Refusal(EACCES, f"R{number} 32-bit pointer arithmetic prohibited")
    _check_pointer(pointer, offset, op, at)
    _check_offset(pointer, offset)
    if op == isa.ADD:
        found = _moved(pointer, offset, 1)
    elif op == isa.SUB:
        if pointer is b:
            raise Refusal(EACCES, f"R{number} tried to subtract pointer from scalar")
        if pointer.kind == v.STACK:
            raise Refusal(EACCES, f"R{number} subtraction from stack pointer prohibited")
        found = _moved(pointer, offset, -1)
    elif op in _BITWISE:
        raise Refusal(EACCES, f"R{number} bitwise operator {_SIGNS[op]} on pointer prohibited")
    else:
        raise Refusal(EACCES, f"R{number} pointer arithmetic with {_SIGNS[op]} operator prohibited")
    _check_offset(pointer, found)
    return found


def _check_pointer(pointer: Reg, offset: Reg, op: int, number: int) -> None:
    name = describe_reg(pointer)
    if pointer.maybe_null:
        raise Refusal(
            EACCES, f"R{number} pointer arithmetic on {name} prohibited, null-check it first"
        )
    nothing = offset.bounds.const and not offset.bounds.value and op == isa.ADD
    if pointer.kind not in _MOVABLE and not nothing:
        raise Refusal(EACCES, f"R{number} pointer arithmetic on {name} prohibited")


def _check_offset(pointer: Reg, offset: Reg) -> None:
    """Refuse offsets so large that sums of them could overflow (``check_reg_sane_offset``)."""
    name, bounds = describe_reg(pointer), offset.bounds
    if bounds.const:
        value = s64(bounds.value)
        if not -BPF_MAX_VAR_OFF < value < BPF_MAX_VAR_OFF:
            raise Refusal(EINVAL, f"math between {name} pointer and {value} is not allowed")
    if not -BPF_MAX_VAR_OFF < offset.off < BPF_MAX_VAR_OFF:
        raise Refusal(EINVAL, f"{name} pointer offset {offset.off} is not allowed")
    if bounds.smin == S64_MIN:
        raise Refusal(
            EINVAL,
            f"math between {name} pointer and register with unbounded min value is not allowed",
        )
    if not -BPF_MAX_VAR_OFF < bounds.smin < BPF_MAX_VAR_OFF:
        raise Refusal(EINVAL, f"value {bounds.smin} makes {name} pointer be out of bounds")


def _moved(pointer: Reg, offset: Reg, sign: int) -> Reg:
    bounds = offset.bounds
    if bounds.const:
        return pointer._replace(off=pointer.off + sign * s64(bounds.value))
    if sign > 0:
        return pointer._replace(bounds=add(pointer.bounds, bounds), delta=None)
    return pointer._replace(bounds=subtract(pointer.bounds, bounds))


def operate(op: int, wide: bool, a: Reg, b: Reg, offset: int) -> Reg:
    """Return ``a op b`` for two numbers."""
    return Reg(v.SCALAR, alu(op, wide, a.bounds, b.bounds, offset))
