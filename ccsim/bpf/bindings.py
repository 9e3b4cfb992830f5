"""Which attribute of the simulator each member of the kernel's structures is, with Linux's widths
and encodings (include/linux/tcp.h, include/net/inet_connection_sock.h, include/net/tcp.h).

Members bear the names that programs use, without the structures that ``tcp_sock`` begins with:
``snd_cwnd``, ``skc_state``, ``icsk_ack.pending``, ``rtt_min.s[0].v``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ccsim.bpf.kernel_btf import Leaf, leaves
from ccsim.bpf.kernel_state import LAYOUTS
from ccsim.bpf.memory import AREA_BYTES, Memory, PrivateArea
from ccsim.kernel.fields import ACK_SAMPLE, RATE_SAMPLE, SOCKET, Field

__all__ = [
    "AREA",
    "Member",
    "Piece",
    "SampleRegion",
    "SockRegion",
    "area_offset",
    "members_of",
    "pieces",
    "read_expression",
    "write_statement",
]

AREA = "icsk_ca_priv"
_PREFIXES = ("inet_conn.", "icsk_inet.", "sk.", "__sk_common.", "rx_opt.")
_EXACT = frozenset(
    {
        *("snd_cwnd", "snd_cwnd_clamp", "snd_ssthresh", "prior_cwnd", "prior_ssthresh"),
        *("packets_out", "sacked_out", "lost_out", "retrans_out", "max_packets_out"),
        *("srtt_us", "mss_cache", "delivered_mstamp", "tcp_mstamp", "tcp_clock_cache"),
        *("tcp_wstamp_ns", "ecn_flags", "rtt_min.s[0].v", "sk_pacing_rate", "sk_pacing_status"),
        *("sk_max_pacing_rate", "icsk_ca_state", "skc_state", "icsk_ack.pending"),
        *("pkts_acked", "acked_sacked", "prior_in_flight", "prior_mstamp"),
    }
)
"""Members whose attribute is never wider than they are, and never negative."""


@dataclass(frozen=True, slots=True)
class Member:
    """How a member is read and written, as Python over the socket ``s`` or the sample ``m``.

    ``read`` yields the member's unsigned number; ``write``, with ``{v}`` for the value, is an
    assignment, and empty where a program may not write. ``attribute`` is empty where the host works
    it out (`ccsim.kernel.sock.Sock.member`).
    """

    name: str
    read: str
    write: str = ""
    attribute: str = ""


def short_name(path: str) -> str:
    """Return a member's name without the structures that ``tcp_sock`` begins with."""
    for prefix in _PREFIXES:
        path = path.removeprefix(prefix)
    return path


def _fields_of(struct: str) -> dict[str, Field]:
    """Return what the simulator keeps of a structure, by the members' short names."""
    kept = {"tcp_sock": SOCKET, "ack_sample": ACK_SAMPLE, "rate_sample": RATE_SAMPLE}[struct]
    return {short_name(field.linux): field for field in kept.values()}


def _member(struct: str, name: str, bits: int) -> Member:
    """Return the binding of a member of so many bits."""
    field = _fields_of(struct).get(name)
    mask = (1 << bits) - 1
    if field is None:
        return Member(name, f"(s.member({name!r}) & {mask})")
    source = f"{'s' if struct == 'tcp_sock' else 'm'}.{field.name}"
    read = source if name in _EXACT else f"({source} & {mask})"
    return Member(name, read, f"{source} = {{v}}" if field.writable else "", field.name)


@cache
def members_of(struct: str) -> dict[str, Member]:
    """Return the members of ``tcp_sock``, ``ack_sample`` or ``rate_sample`` by name."""
    return {member.name: member for _, member in _placed(struct)}


@cache
def _placed(struct: str) -> tuple[tuple[Leaf, Member], ...]:
    """Return the members of a structure with their places, in order."""
    return tuple(
        (leaf, _member(struct, name, leaf.bit_size))
        for leaf in leaves(struct)
        if (name := short_name(leaf.path)) != AREA
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """What an access and a member have in common: ``bits`` of the member from its bit ``start``,
    which are the access's from bit ``place`` on."""

    member: Member
    width: int  # bits of the member
    start: int
    place: int
    bits: int


@cache
def area_offset() -> int:
    """Return where ``icsk_ca_priv`` begins in ``struct tcp_sock`` [bytes]."""
    return (
        next(leaf for leaf in leaves("tcp_sock") if short_name(leaf.path) == AREA).bit_offset // 8
    )


@cache
def pieces(struct: str, offset: int, size: int) -> tuple[Piece, ...]:
    """Return what an access of ``size`` bytes at ``offset`` touches; what lies between members is
    nobody's, and reads as 0."""
    begin, end = offset * 8, (offset + size) * 8
    found = []
    for leaf, member in _placed(struct):
        first, last = max(begin, leaf.bit_offset), min(end, leaf.bit_offset + leaf.bit_size)
        if first < last:
            start = first - leaf.bit_offset
            found.append(Piece(member, leaf.bit_size, start, first - begin, last - first))
    return tuple(found)


def read_expression(parts: tuple[Piece, ...]) -> str:
    """Return the expression that an access reads."""
    terms = []
    for part in parts:
        term = part.member.read
        if part.start:
            term = f"({term} >> {part.start})"
        if part.bits < part.width - part.start:
            term = f"({term} & {(1 << part.bits) - 1})"
        terms.append(f"({term} << {part.place})" if part.place else term)
    return " | ".join(terms) or "0"


def write_statement(parts: tuple[Piece, ...], value: str) -> str:
    """Return the statement that writes a value, of the access's width, into a member; empty where a
    program may not write."""
    if len(parts) != 1 or not parts[0].member.write or parts[0].place:
        return ""
    part = parts[0]
    if part.bits < part.width:
        mask = (1 << part.bits) - 1 << part.start
        value = f"({part.member.read} & ~{mask} | {value} << {part.start})"
    return part.member.write.format(v=value)


@cache
def _getter(struct: str, offset: int, size: int) -> Callable[[Any], int]:
    """Return the function that reads an access; its text is this module's own."""
    expression = read_expression(pieces(struct, offset, size))
    variable = "s" if struct == "tcp_sock" else "m"
    return eval(f"lambda {variable}: {expression}")


@cache
def _setter(struct: str, offset: int, size: int) -> Callable[[Any, int], None] | None:
    statement = write_statement(pieces(struct, offset, size), "v")
    if not statement:
        return None
    namespace: dict[str, Any] = {}
    exec(f"def setter(s, v):\n    {statement}", namespace)
    return namespace["setter"]


@cache
def struct_bytes(struct: str) -> int:
    """Return the size of a structure, as far as it has members [bytes]."""
    return max(-(-(leaf.bit_offset + leaf.bit_size) // 8) for leaf in leaves(struct))


class SampleRegion:
    """``struct ack_sample`` or ``struct rate_sample``, which programs only read."""

    __slots__ = ("sample", "struct")

    def __init__(self, struct: str, sample: Any) -> None:
        self.struct = struct
        self.sample = sample

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""
        if offset + size > struct_bytes(self.struct) + 8:
            raise IndexError(f"{size} bytes at {offset} of struct {self.struct}")
        return _getter(self.struct, offset, size)(self.sample)

    def store(self, offset: int, size: int, value: int) -> None:
        """Refuse: a sample is not the program's."""
        raise IndexError(f"struct {self.struct} cannot be written")


_SOCK_READS: dict[int, Callable[[Any], int]] = {}
"""Functions that read members of the socket, by offset and size."""


class SockRegion:
    """``struct tcp_sock`` with its private area."""

    __slots__ = ("sk",)

    def __init__(self, sk: Any) -> None:
        self.sk = sk

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""
        getter = _SOCK_READS.get(offset << 4 | size)
        if getter is not None:
            return getter(self.sk)
        start = offset - _AREA_START
        if 0 <= start <= AREA_BYTES - size and type(self.sk.ca) is PrivateArea:
            return self.sk.ca.load(start, size)
        area, start = area_of(self.sk, offset, size)
        if area is not None:
            return area.load(start, size)
        getter = _SOCK_READS[offset << 4 | size] = _getter("tcp_sock", offset, size)
        return getter(self.sk)

    def store(self, offset: int, size: int, value: int) -> None:
        """Write a member that programs may write, or the private area."""
        area, start = area_of(self.sk, offset, size)
        if area is not None:
            area.store(start, size, value)
            return
        setter = _setter("tcp_sock", offset, size)
        if setter is None:
            raise IndexError(f"{size} bytes at {offset} of struct tcp_sock cannot be written")
        setter(self.sk, value & (1 << size * 8) - 1)


_AREA_START = area_offset()


class _ForeignArea:
    """The private area of an algorithm that is no object's, which a program sees after it has moved
    the socket there: the bytes that the kernel's own algorithms keep; nothing of any other."""

    __slots__ = ("layout", "sk")

    def __init__(self, sk: Any) -> None:
        self.sk = sk
        self.layout = LAYOUTS.get(sk.ca_ops.name)

    def _number(self) -> int:
        return self.layout.encode(self.sk.ca, 0) if self.layout is not None else 0

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""
        return self._number() >> 8 * offset & (1 << 8 * size) - 1

    def store(self, offset: int, size: int, value: int) -> None:
        """Write the low bytes of a number to an offset."""
        if self.layout is None:
            return
        mask = (1 << 8 * size) - 1 << 8 * offset
        number = self._number() & ~mask | value << 8 * offset & mask
        self.sk.ca = self.layout.decode(number, self.sk.ca_ops, self.sk)


def area_of(sk: Any, offset: int, size: int) -> tuple[Memory | None, int]:
    """Return the private area and the place in it that an access of the socket means; None for
    another member. IndexError for bytes beyond the socket."""
    start = offset - area_offset()
    if 0 <= start <= AREA_BYTES - size:
        area = sk.ca
        return (area if isinstance(area, PrivateArea) else _ForeignArea(sk)), start
    if offset + size > struct_bytes("tcp_sock") + 8:
        raise IndexError(f"{size} bytes at {offset} of struct tcp_sock")
    return None, 0
