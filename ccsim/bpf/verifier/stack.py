"""Reads and writes of a frame's stack (``check_stack_read``, ``check_stack_write``)."""

from __future__ import annotations

from ccsim.bpf.verifier import values as v
from ccsim.bpf.verifier.arithmetic import truncate
from ccsim.bpf.verifier.bounds import U64, UNKNOWN, describe_bits, unsigned_below
from ccsim.bpf.verifier.pointers import BPF_MAX_VAR_OFF
from ccsim.bpf.verifier.refusal import Refusal
from ccsim.bpf.verifier.state import Frame
from ccsim.bpf.verifier.values import NULL, Reg, Slot, scalar
from ccsim.kernel.errors import EACCES, EINVAL

__all__ = ["STACK_BYTES", "check_range", "read", "write", "write_any"]

STACK_BYTES = 512
_EMPTY = Slot(bytes(8))
_SPILLED = bytes([v.SPILL] * 8)


def check_range(reg: Reg, off: int, size: int, number: int, what: str) -> tuple[int, int]:
    """Return the first and the last offset at which an access may begin.

    Raises Refusal for one that may leave the stack; ``what`` is ``read from``, ``write to`` or
    ``indirect access to``.
    """
    bounds = reg.bounds
    if bounds.const:
        low = high = reg.off + off + v_signed(bounds.value)
    else:
        if bounds.smax >= BPF_MAX_VAR_OFF or bounds.smin <= -BPF_MAX_VAR_OFF:
            raise Refusal(EACCES, f"invalid unbounded variable-offset {what} stack R{number}")
        low, high = reg.off + off + bounds.smin, reg.off + off + bounds.smax
    if low < -STACK_BYTES or low > -1:
        errno = EACCES
    elif high + size > 0:
        errno = EINVAL
    else:
        return low, high
    if bounds.const:
        raise Refusal(errno, f"invalid {what} stack R{number} off={low} size={size}")
    raise Refusal(
        errno,
        f"invalid variable-offset {what} stack R{number} var_off={describe_bits(bounds)} "
        f"off={reg.off + off} size={size}",
    )


def v_signed(value: int) -> int:
    """Return 64 bits as a signed number."""
    return (value & U64 ^ 1 << 63) - (1 << 63)


def read(frame: Frame, low: int, high: int, size: int) -> Reg:
    """Return what a read of ``size`` bytes at an offset (or at any in a range) may give."""
    if low != high:
        zero = all(_byte(frame, at) == v.NAUGHT for at in range(low, high + size))
        return NULL if zero else scalar(unsigned_below(8 * size) if size < 8 else UNKNOWN)
    number, first = low >> 3, low & 7
    slot = frame.stack.get(number, _EMPTY)
    reg = slot.reg
    if reg is not None and slot.bytes[first] == v.SPILL:
        if size == 8 and slot.bytes == _SPILLED:
            return reg
        if reg.kind != v.SCALAR:
            raise Refusal(EACCES, "invalid size of register fill")
        spilled = slot.bytes.count(v.SPILL)
        if first == 0 and size <= spilled:
            bounds = truncate(reg.bounds, size)
            return reg._replace(bounds=bounds) if bounds == reg.bounds else scalar(bounds)
    zero = all(_is_zero(frame, at) for at in range(low, low + size))
    if zero:
        return NULL
    return scalar(unsigned_below(8 * size) if size < 8 else UNKNOWN)


def _byte(frame: Frame, at: int) -> int:
    slot = frame.stack.get(at >> 3)
    return slot.bytes[at & 7] if slot else v.INVALID


def _is_zero(frame: Frame, at: int) -> bool:
    slot = frame.stack.get(at >> 3)
    if slot is None:
        return False
    if slot.bytes[at & 7] == v.NAUGHT:
        return True
    reg = slot.reg
    return (
        slot.bytes[at & 7] == v.SPILL
        and reg is not None
        and reg.kind == v.SCALAR
        and reg.bounds.const
        and not reg.bounds.value
    )


def write(frame: Frame, at: int, size: int, reg: Reg) -> None:
    """Write a register's low bytes; what begins at a slot is remembered."""
    number, first = at >> 3, at & 7
    if reg.kind != v.SCALAR and size != 8:
        raise Refusal(EACCES, "invalid size of register spill")
    if first == 0 and size == 8:
        frame.stack[number] = Slot(_SPILLED, reg)
        return
    if first == 0:
        _write_part(frame, number, size, reg)
        return
    zero = reg.bounds.const and not reg.bounds.value
    _mark(frame, at, size, v.NAUGHT if zero else v.MISC)


def _write_part(frame: Frame, number: int, size: int, reg: Reg) -> None:
    """Spill the low bytes of a number to the beginning of a slot."""
    fits = reg.bounds.umax < 1 << 8 * size
    old = frame.stack.get(number, _EMPTY)
    rest = _plain(old)[size:]
    kept = reg if fits else reg._replace(id=0, delta=None)
    frame.stack[number] = Slot(bytes([v.SPILL] * size) + rest, kept)


def _plain(slot: Slot) -> bytes:
    """Return a slot's bytes when what was spilled there is forgotten."""
    if slot.reg is None:
        return slot.bytes
    zero = slot.reg.kind == v.SCALAR and slot.reg.bounds.const and not slot.reg.bounds.value
    return bytes((v.NAUGHT if zero else v.MISC) if b == v.SPILL else b for b in slot.bytes)


def _mark(frame: Frame, at: int, size: int, kind: int) -> None:
    """Mark bytes, in as many slots as they lie."""
    end = at + size
    while at < end:
        number, first = at >> 3, at & 7
        last = min(8, first + end - at)
        old = _plain(frame.stack.get(number, _EMPTY))
        new = old[:first] + bytes([kind] * (last - first)) + old[last:]
        frame.stack[number] = Slot(new)
        at += last - first


def write_any(frame: Frame, low: int, high: int, size: int) -> None:
    """Write something unknown to any place in a range."""
    for at in range(low, high + size):
        slot = frame.stack.get(at >> 3, _EMPTY)
        if slot.bytes[at & 7] != v.MISC or slot.reg is not None:
            _mark(frame, at, 1, v.MISC)
