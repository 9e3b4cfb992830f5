"""What a register or a stack slot holds, as far as the verifier knows (``bpf_reg_state``)."""

from __future__ import annotations

from typing import Any, NamedTuple

from ccsim.bpf.verifier.bounds import UNKNOWN, Bounds, describe, known

__all__ = [
    "NOTHING",
    "Reg",
    "Slot",
    "constant",
    "describe_range",
    "describe_reg",
    "scalar",
]

(
    UNSET,
    SCALAR,
    CTX,
    STACK,
    MAP,
    MAP_VALUE,
    STRUCT,
    MEM,
    FUNC,
    MAP_KEY,
) = range(10)
"""Kinds: nothing yet, a number, the context, a frame's stack, a map, a value in a map, a struct of
the kernel, other memory, a callback, a key in a map."""

ZERO = known(0)


class Reg(NamedTuple):
    """What a register holds. Registers never change; states share them.

    bounds: of a number, or of the variable part of a pointer's offset; off: its constant part;
    where: frame of STACK, number of MAP, MAP_VALUE and MAP_KEY, name of STRUCT, bytes of MEM,
    first slot of FUNC; id: registers with the same id are equal (numbers), or null together
    (pointers); delta: how far a number is from its id's, None if it is equal; maybe_null: not
    checked yet; ref: the reservation that must be given back; storage: whether a map's value comes
    from a socket's storage.
    """

    kind: int
    bounds: Bounds = ZERO
    off: int = 0
    where: Any = None
    id: int = 0
    delta: int | None = None
    maybe_null: bool = False
    ref: int = 0
    storage: bool = False


NOTHING = Reg(UNSET)
ANYTHING = Reg(SCALAR, UNKNOWN)
NULL = Reg(SCALAR, ZERO)


def scalar(bounds: Bounds) -> Reg:
    """Return a register that holds a number within bounds."""
    return Reg(SCALAR, bounds)


def constant(value: int) -> Reg:
    """Return a register that holds a known number."""
    return Reg(SCALAR, known(value))


class Slot(NamedTuple):
    """Eight bytes of a stack: what each byte holds, and the register spilled there, if one was."""

    bytes: bytes
    reg: Reg | None = None


INVALID, MISC, NAUGHT, SPILL, ITER = range(5)
"""A byte of a stack: never written, anything, zero, part of a spilled register, of an iterator."""

_NAMES = ("?", "scalar", "ctx", "fp", "map_ptr", "map_value", "ptr_", "mem", "func", "map_key")


def describe_reg(reg: Reg) -> str:
    """Return the type of a register as the kernel's log names it."""
    name = _NAMES[reg.kind]
    if reg.kind == STRUCT:
        name = f"trusted_ptr_{reg.where}"
    return name + ("_or_null" if reg.maybe_null else "")


def describe_range(bounds: Bounds) -> str:
    """Return the range of a number as the log has it of a value that may not be
    (``verbose_invalid_scalar``)."""
    low = f"smin={bounds.smin}" if bounds.smin > -(1 << 63) else ""
    high = f"smax={bounds.smax}" if bounds.smax < (1 << 63) - 1 else ""
    return " ".join(filter(None, (low, high))) or "unknown scalar value"


def describe_value(reg: Reg) -> str:
    """Return a register as the kernel's log shows its state."""
    if reg.kind == SCALAR:
        return describe(reg.bounds)
    return describe_reg(reg) + ("" if not reg.off else f"(off={reg.off})")
