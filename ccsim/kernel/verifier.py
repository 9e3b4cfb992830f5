"""What can be refused before a function runs: names, members, arguments, helpers
(``net/ipv4/bpf_tcp_ca.c``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ccsim.catalog import algorithms_dir
from ccsim.compiled import PACKAGE
from ccsim.kernel.accesses import accesses, reached
from ccsim.kernel.errors import EACCES, EINVAL, ENOTSUPP, KernelError
from ccsim.kernel.fields import ACK_SAMPLE, RATE_SAMPLE, SOCKET, WRITABLE, advice
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

ON_SOCKET = {*SOCKET, "random", "kernel_data", "tcp_enter_cwr", "tcp_send_ack"}
WRITABLE_HERE = {*WRITABLE.split(), "ca", "ca_ops"}
"""Here the private area is an object, which may be another; and a table may give way to another of
its file, as DCTCP's does without ECN: a BPF program would call ``bpf_setsockopt`` for that."""

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
    member, something that cannot be called with the member's arguments, a field of the socket that
    is not kept, or a ``release`` that sets or reads socket options (``bpf_tcp_ca_get_func_proto``:
    what is going away must not allocate anew); EACCES for a write to a field that is not writable.
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
    reachable = reached(func)
    if member == "release":
        _check_release(reachable)
    _check_fields(member, func, reachable)


def check_arguments(member: str, func: Callable[..., Any], arguments: Sequence[str]) -> None:
    """Check that something can be called with that many arguments by position; EINVAL if not."""
    wanted = ", ".join(arguments)
    if not callable(func):
        raise KernelError(EINVAL, f"{member}: expected a function of ({wanted}), got {func!r}")
    try:
        inspect.signature(func).bind(*arguments)
    except TypeError as error:
        raise KernelError(EINVAL, f"{member}: expected a function of ({wanted}): {error}") from None
    except ValueError:
        return  # a function of C that does not tell its arguments


def _check_release(reachable: Collection[Any]) -> None:
    """EINVAL when the function or one that it calls uses a socket option helper."""
    for helper in (bpf_setsockopt, bpf_getsockopt):
        if helper in reachable:
            raise KernelError(
                EINVAL, f"release: program of this type cannot use helper {helper.__name__}"
            )


def _check_fields(member: str, func: Callable[..., Any], reachable: Collection[Any]) -> None:
    """EINVAL for a field that is not kept, EACCES for a write to one that is not writable, in the
    function or in one that it calls with the same argument (``bpf_tcp_ca_btf_struct_access``).

    The shipped files are modules, which are not checked.
    """
    known = _known(member, func)
    for here in sorted(reachable, key=lambda one: getattr(one, "__name__", "")):
        if _is_shipped(here):
            continue
        for access in accesses(here, known):
            place = f"{member}: line {access.line}: {access.of}.{access.name}"
            if access.name not in known[access.of]:
                raise KernelError(EINVAL, f"{place}: {advice(access.name)}")
            if access.writes and access.name not in WRITABLE_HERE:
                raise KernelError(EACCES, f"{place}: hooks write {WRITABLE} and nothing else")


def _known(member: str, func: Callable[..., Any]) -> dict[str, Collection[str]]:
    """Return by the name of a hook's parameter which fields its argument has."""
    names = list(MEMBERS[member])
    with suppress(TypeError, ValueError):
        own = list(inspect.signature(func).parameters)
        names = own[: len(names)] + names[len(own) :]
    known: dict[str, Collection[str]] = {"sk": ON_SOCKET, names[0]: ON_SOCKET}
    if member == "cong_control" and names[3] != "args":
        known[names[3]] = RATE_SAMPLE
    elif member == "pkts_acked":
        known[names[1]] = ACK_SAMPLE
    return known


def _is_shipped(func: Any) -> bool:
    """Report whether a function stands in a file of ccsim's."""
    code = getattr(func, "__code__", None)
    file = Path(getattr(code, "co_filename", ""))
    return any(folder in file.parents for folder in (PACKAGE, algorithms_dir()))
