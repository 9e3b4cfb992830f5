"""What can be refused before a function runs: names, members, arguments, helpers
(``net/ipv4/bpf_tcp_ca.c``).
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ccsim.kernel.errors import EINVAL, ENOTSUPP, KernelError
from ccsim.kernel.kfuncs import bpf_getsockopt, bpf_setsockopt
from ccsim.kernel.ops import TCP_CA_NAME_MAX

__all__ = ["MEMBERS", "UNSUPPORTED", "check_arguments", "check_obj_name", "check_prog"]

MEMBERS: dict[str, tuple[str, ...]] = {
    "ssthresh": ("sk",),
    "undo_cwnd": ("sk",),
    "cong_avoid": ("sk", "ack", "acked"),
    "cong_control": ("sk", "ack", "flag", "rs"),
    "set_state": ("sk", "new_state"),
    "cwnd_event": ("sk", "ev"),
    "in_ack_event": ("sk", "flags"),
    "pkts_acked": ("sk", "sample"),
    "min_tso_segs": ("sk",),
    "sndbuf_expand": ("sk",),
    "get_info": ("sk",),
    "init": ("sk",),
    "release": ("sk",),
}
"""The operations that are programs, with the arguments the kernel calls them with."""

UNSUPPORTED = ("get_info",)  # for BPF; a module may have it
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")


def check_obj_name(name: str, what: str) -> None:
    """Check a name as ``bpf_obj_name_cpy`` does; the empty name passes here.

    Raises KernelError EINVAL for a name of more than 15 bytes or other characters than letters,
    digits, _ and dot.
    """
    if len(name) >= TCP_CA_NAME_MAX:
        raise KernelError(
            EINVAL, f"{what}: name {name!r}: expected at most 15 characters, got {len(name)}"
        )
    strange = sorted(set(name) - _NAME_CHARACTERS)
    if strange:
        raise KernelError(
            EINVAL, f"{what}: name {name!r}: expected letters, digits, '_', '.', got {strange[0]!r}"
        )


def check_prog(member: str, func: Callable[..., Any]) -> None:
    """Check one function for the member it is meant for (``bpf_tcp_ca_check_member`` and the
    verifier).

    Raises KernelError: ENOTSUPP for a member that BPF may not implement; EINVAL for an unknown
    member, something that cannot be called with the member's arguments, or a ``release`` that sets
    or reads socket options (``bpf_tcp_ca_get_func_proto``: what is going away must not allocate
    anew).
    """
    if member not in MEMBERS:
        raise KernelError(EINVAL, f"tcp_congestion_ops has no member {member!r}")
    if member in UNSUPPORTED:
        raise KernelError(
            ENOTSUPP, f"{member}: only modules may implement it, not struct_ops objects"
        )
    if not callable(func):
        raise KernelError(EINVAL, f"{member}: expected a function, got {func!r}")
    check_arguments(member, func, MEMBERS[member])
    if member == "release":
        _check_release(func)


def check_arguments(member: str, func: Callable[..., Any], arguments: Sequence[str]) -> None:
    """Check that something can be called with so many arguments by position; EINVAL if not."""
    wanted = ", ".join(arguments)
    if not callable(func):
        raise KernelError(EINVAL, f"{member}: expected a function of ({wanted}), got {func!r}")
    try:
        inspect.signature(func).bind(*arguments)
    except TypeError as error:
        raise KernelError(EINVAL, f"{member}: expected a function of ({wanted}): {error}") from None
    except ValueError:
        return  # a function of C that does not tell its arguments


def _check_release(func: Callable[..., Any]) -> None:
    """EINVAL when the function or one that it calls uses a socket option helper."""
    for helper in (bpf_setsockopt, bpf_getsockopt):
        if helper in _reached(func):
            raise KernelError(
                EINVAL, f"release: program of this type cannot use helper {helper.__name__}"
            )


def _reached(func: Callable[..., Any]) -> set[Any]:
    """Return the functions that a function can reach through global names and attributes of
    modules.
    """
    found: set[Any] = set()
    todo: list[Any] = [func]
    while todo:
        here = todo.pop()
        if not isinstance(here, FunctionType) or here in found:
            continue
        found.add(here)
        todo.extend(_named(here))
    return found


def _named(func: FunctionType) -> Iterator[Any]:
    """Yield what the names in a function's code stand for."""
    names = set(_names(func.__code__))
    values = [func.__globals__.get(name) for kind, name in names if kind == "LOAD_GLOBAL"]
    yield from values
    for module in values:
        if isinstance(module, ModuleType):
            yield from (
                getattr(module, name, None) for kind, name in names if kind != "LOAD_GLOBAL"
            )
    for cell in func.__closure__ or ():
        with suppress(ValueError):  # a variable that is not bound yet
            yield cell.cell_contents


def _names(code: CodeType) -> Iterator[tuple[str, str]]:
    """Yield the kind and name of each global and attribute that a code object reads."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_ATTR", "LOAD_METHOD"):
            yield instruction.opname, instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
