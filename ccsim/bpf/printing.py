"""Texts with conversions, as ``bpf_trace_printk`` and ``bpf_snprintf`` fill them in
(kernel/bpf/helpers.c)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccsim.bpf.memory import Invocation

__all__ = ["formatted"]

_CONVERSION = re.compile(rb"%([-0 #+]*)(\d*)(hh|h|ll|l|z)?([diuxXpsc%])")


def formatted(call: Invocation, text: bytes, arguments: list[int]) -> bytes:
    """Return a text with its conversions filled in (``bpf_bprintf_prepare``)."""
    values = iter(arguments)

    def convert(found: re.Match[bytes]) -> bytes:
        flags, width, length, kind = found.groups()
        if kind == b"%":
            return b"%"
        value = next(values, 0)
        bits = 64 if length in (b"l", b"ll", b"z") else 32
        if kind == b"s":
            body = call.read_text(value, 64)
        elif kind == b"c":
            body = bytes([value & 0xFF])
        elif kind == b"p":
            body = b"%016x" % value
        else:
            value &= (1 << bits) - 1
            if kind in b"di":
                value = (value ^ 1 << bits - 1) - (1 << bits - 1)
            body = (b"%x" if kind == b"x" else b"%X" if kind == b"X" else b"%d") % value
        pad = b"0" if b"0" in flags and b"-" not in flags else b" "
        size = min(int(width or 0), 64)
        return body.ljust(size) if b"-" in flags else body.rjust(size, pad)

    return _CONVERSION.sub(convert, text)
