"""What Linux refuses when an algorithm is loaded: names, flags, operations, signatures
(``net/ipv4/bpf_tcp_ca.c``, ``net/ipv4/tcp_cong.c``).

The kernel stops at the first thing; this lists all of them, each with its errno and place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ccsim.kernel import Kernel, KernelError, Object, TcpCongestionOps, errno_name
from ccsim.kernel.errors import EINVAL
from ccsim.kernel.loader import declared_at
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN, TCP_CONG_NON_RESTRICTED
from ccsim.kernel.tcp_cong import tcp_validate_congestion_control
from ccsim.kernel.verifier import MEMBERS, UNSUPPORTED, check_arguments, check_obj_name, check_prog
from ccsim.verify.torture.report import Finding

__all__ = ["load_findings", "place_of"]

BESIDE: dict[str, tuple[str, ...]] = {
    "train": ("sk", "acks"),
    "sack_train": ("sk", "rtt_us"),
    "rtt_floor": ("sk",),
    "private": (),
    "export_model": ("sk",),
    "import_model": ("sk", "model"),
    "phase": ("sk",),
}
"""What a table may hold beside the kernel's operations, and the arguments it is called with."""

CHECK_NAME = "ccsim.check"  # a name that no file's own table can have taken


def load_findings(variable: str, ops: TcpCongestionOps) -> Iterator[Finding]:
    """Yield what keeps a table from being loaded and registered; nothing if it would be."""
    found = list(_refusals(variable, ops))
    yield from found
    if not found:
        yield from _really_load(variable, ops)


def place_of(func: Any, ops: TcpCongestionOps) -> str:
    """Return ``file:line`` of a hook that stands in the algorithm's file, else of its table."""
    table = declared_at(ops)
    file = table.rpartition(":")[0] or table
    code = getattr(inspect.unwrap(func), "__code__", None) if callable(func) else None
    if code is not None and code.co_filename == file:
        return f"{file}:{code.co_firstlineno}"
    return table


def _refusals(variable: str, ops: TcpCongestionOps) -> Iterator[Finding]:
    table = declared_at(ops)
    yield from _refused(ops, table, "", lambda: _check_name(variable, ops))
    yield from _refused(ops, table, "", lambda: _check_flags(ops))
    yield from _refused(ops, table, "", lambda: tcp_validate_congestion_control(ops))
    for member in MEMBERS:
        func = getattr(ops, member)
        if func is not None:
            place = place_of(func, ops)
            yield from _refused(ops, place, member, partial(_check_member, member, func))
    for member, arguments in BESIDE.items():
        func = getattr(ops, member)
        if func is not None:
            place = place_of(func, ops)
            yield from _refused(
                ops, place, member, partial(check_arguments, member, func, arguments)
            )


def _refused(
    ops: TcpCongestionOps, place: str, hook: str, check: Callable[[], None]
) -> Iterator[Finding]:
    try:
        check()
    except KernelError as error:
        message = error.message.removeprefix(f"{ops.name}: ").removeprefix(f"{hook}: ")
        yield Finding("load", place, message, str(ops.name), errno_name(error.number), hook)


def _check_name(variable: str, ops: TcpCongestionOps) -> None:
    if not isinstance(ops.name, str) or not ops.name:
        raise KernelError(EINVAL, f"name: expected a text that is not empty, got {ops.name!r}")
    check_obj_name(ops.name, "congestion control")


def _check_flags(ops: TcpCongestionOps) -> None:
    known = TCP_CONG_NON_RESTRICTED | TCP_CONG_NEEDS_ECN
    if type(ops.flags) is not int or ops.flags & ~known:
        shown = f"{ops.flags:#x}" if isinstance(ops.flags, int) else repr(ops.flags)
        raise KernelError(
            EINVAL,
            "flags: expected TCP_CONG_NON_RESTRICTED (1), TCP_CONG_NEEDS_ECN (2), both or 0, "
            f"got {shown}",
        )


def _check_member(member: str, func: Any) -> None:
    if member in UNSUPPORTED and callable(func):  # a module's: left out when it is loaded as BPF
        check_arguments(member, func, MEMBERS[member])
        return
    check_prog(member, func)


def _really_load(variable: str, ops: TcpCongestionOps) -> Iterator[Finding]:
    """Load and attach the table in an emulated kernel, under a name that is free."""
    renamed = replace(ops, name=CHECK_NAME)
    try:
        obj = Object.open({variable: renamed}, strip_get_info=True)
        kernel = Kernel()
        obj.load(kernel)
        obj.maps[variable].attach_struct_ops()
    except KernelError as error:
        yield Finding("load", declared_at(ops), error.message, ops.name, errno_name(error.number))
