"""JSON values as CBOR (RFC 8949), for checkers of CDDL that read nothing else."""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["to_cbor"]


def to_cbor(value: Any) -> bytes:
    """Return a JSON value as CBOR; a float is one of 64 bits."""
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(to_cbor, value))
    pairs = b"".join(to_cbor(key) + to_cbor(one) for key, one in value.items())
    return _head(5, len(value)) + pairs


def _head(major: int, number: int) -> bytes:
    return bytes((major << 5 | 27,)) + number.to_bytes(8, "big")
