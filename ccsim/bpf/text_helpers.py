"""Helpers for memory and text: reading, comparing, numbers from text, lines for the trace."""

from __future__ import annotations

import re

from ccsim.bpf.helper_table import is_helper
from ccsim.bpf.memory import U32, U64, BpfFault, Invocation
from ccsim.bpf.printing import formatted

EFAULT, EINVAL, ERANGE = 14, 22, 34


@is_helper(113)
def _probe_read_kernel(call: Invocation, target: int, size: int, source: int, *rest: int) -> int:
    size &= U32
    try:
        data = call.read(source, size)
    except BpfFault:
        call.write(target, bytes(size))
        return -EFAULT
    call.write(target, data)
    return 0


@is_helper(115)
def _probe_read_kernel_str(call: Invocation, target: int, size: int, source: int, *r: int) -> int:
    size &= U32
    try:
        text = call.read_text(source, size - 1) + b"\0" if size else b""
    except BpfFault:
        call.write(target, bytes(size))
        return -EFAULT
    call.write(target, text)
    return len(text)


@is_helper(182)
def _strncmp(call: Invocation, one: int, size: int, other: int, *rest: int) -> int:
    a = call.read(one, size & U32).split(b"\0", 1)[0]
    b = call.read_text(other, len(a) + 1)
    return (a > b) - (a < b)


@is_helper(105)
def _strtol(call: Invocation, text: int, size: int, flags: int, result: int, *rest: int) -> int:
    return _number(call, text, size, flags, result, signed=True)


@is_helper(106)
def _strtoul(call: Invocation, text: int, size: int, flags: int, result: int, *rest: int) -> int:
    return _number(call, text, size, flags, result, signed=False)


def _number(
    call: Invocation, text: int, size: int, flags: int, result: int, *, signed: bool
) -> int:
    """Read a number at the beginning of a text; return how many characters it took."""
    if flags not in (0, 8, 10, 16):
        return -EINVAL
    pattern = rb"\s*([-+]?)(0[xX])?([0-9a-fA-F]+)" if flags in (0, 16) else rb"\s*([-+]?)()([0-9]+)"
    found = re.match(pattern, call.read(text, size & U32))
    if found is None or (found[1] == b"-" and not signed):
        return -EINVAL
    base = flags or (16 if found[2] else 8 if found[3][:1] == b"0" and len(found[3]) > 1 else 10)
    try:
        value = int(found[3], base)
    except ValueError:
        return -EINVAL
    value = -value if found[1] == b"-" else value
    low, high = (-(1 << 63), (1 << 63) - 1) if signed else (0, U64)
    if not low <= value <= high:
        return -ERANGE
    call.store(result, 8, value)
    return found.end()


@is_helper(6)
def _trace_printk(call: Invocation, text: int, size: int, *arguments: int) -> int:
    """Format a line for the trace pipe, which a run keeps (`Runtime.trace`)."""
    return call.runtime.trace_line(call, call.read_text(text, size & U32), list(arguments))


@is_helper(177)
def _trace_vprintk(call: Invocation, text: int, size: int, data: int, length: int, *r: int) -> int:
    arguments = [call.load(data + at, 8) for at in range(0, length & U32, 8)]
    return call.runtime.trace_line(call, call.read_text(text, size & U32), arguments)


@is_helper(165)
def _snprintf(call: Invocation, target: int, room: int, text: int, data: int, length: int) -> int:
    arguments = [call.load(data + at, 8) for at in range(0, length & U32, 8)]
    line = formatted(call, call.read_text(text, 256), arguments)
    room &= U32
    if room:
        call.write(target, line[: room - 1] + b"\0")
    return len(line) + 1
