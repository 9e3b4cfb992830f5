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
from ccsim.bpf.memory import AREA_BYTES, NUMBERS, PrivateArea
from ccsim.kernel.fields import ACK_SAMPLE, RATE_SAMPLE, SOCKET, Field

__all__ = [
    "AREA",
    "BoundMember",
    "Piece",
    "SampleRegion",
    "SockRegion",
    "area_offset",
    "members_of",
    "pieces",
    "read_expression",
    "sock_reader",
    "sock_writer",
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
class BoundMember:
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


def _member(struct: str, name: str, bits: int) -> BoundMember:
    """Return the binding of a member of that many bits."""
    field = _fields_of(struct).get(name)
    mask = (1 << bits) - 1
    if field is None:
        return BoundMember(name, f"(s.member({name!r}) & {mask})")
    source = f"{'s' if struct == 'tcp_sock' else 'm'}.{field.name}"
    read = source if name in _EXACT else f"({source} & {mask})"
    return BoundMember(name, read, f"{source} = {{v}}" if field.writable else "", field.name)


@cache
def members_of(struct: str) -> dict[str, BoundMember]:
    """Return the members of ``tcp_sock``, ``ack_sample`` or ``rate_sample`` by name."""
    return {member.name: member for _, member in _placed(struct)}


@cache
def _placed(struct: str) -> tuple[tuple[Leaf, BoundMember], ...]:
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

    member: BoundMember
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
    """Return the function that reads an access; its text is this module's own. It takes what holds
    the socket as ``sk``, or the sample as ``sample``."""
    expression = read_expression(pieces(struct, offset, size))
    owner = "s = owner.sk" if struct == "tcp_sock" else "m = owner.sample"
    namespace: dict[str, Any] = {}
    exec(f"def getter(owner):\n    {owner}\n    return {expression}", namespace)
    return namespace["getter"]


@cache
def _setter(struct: str, offset: int, size: int) -> Callable[[Any, int], None] | None:
    statement = write_statement(pieces(struct, offset, size), "v")
    if not statement:
        return None
    namespace: dict[str, Any] = {}
    exec(f"def setter(s, v):\n    v &= {(1 << 8 * size) - 1}\n    {statement}", namespace)
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
        return _getter(self.struct, offset, size)(self)

    def store(self, offset: int, size: int, value: int) -> None:
        """Refuse: a sample is not the program's."""
        raise IndexError(f"struct {self.struct} cannot be written")


_SOCK_READS: dict[int, Callable[[Any], int]] = {}
"""Functions that read what lies in a socket, by offset and size."""


def sock_reader(offset: int, size: int) -> Callable[[Any], int]:
    """Return the function that reads that many bytes at an offset of an owner's ``sk``."""
    key = offset << 4 | size
    if key not in _SOCK_READS:
        start = offset - area_offset()
        inside = 0 <= start <= AREA_BYTES - size
        if not inside and offset + size > struct_bytes("tcp_sock") + 8:
            raise IndexError(f"{size} bytes at {offset} of struct tcp_sock")
        _SOCK_READS[key] = (
            _area_reader(start, size) if inside else _getter("tcp_sock", offset, size)
        )
    return _SOCK_READS[key]


def _area_reader(start: int, size: int) -> Callable[[Any], int]:
    unpack = NUMBERS[size].unpack_from

    def read(owner: Any) -> int:
        area = owner.sk.ca
        if type(area) is PrivateArea and not area.stale:
            return unpack(area.data, start)[0]
        return (area if isinstance(area, PrivateArea) else _ForeignArea(owner.sk)).load(start, size)

    return read


_SOCK_WRITES: dict[int, Callable[[Any, int], None]] = {}
"""Functions that write what lies in a socket, by offset and size."""


def sock_writer(offset: int, size: int) -> Callable[[Any, int], None]:
    """Return the function that writes that many low bytes of a number to an offset of a socket."""
    key = offset << 4 | size
    if key not in _SOCK_WRITES:
        start = offset - area_offset()
        if 0 <= start <= AREA_BYTES - size:
            _SOCK_WRITES[key] = _area_writer(start, size)
        else:
            setter = _setter("tcp_sock", offset, size)
            if setter is None:
                raise IndexError(f"{size} bytes at {offset} of struct tcp_sock cannot be written")
            _SOCK_WRITES[key] = setter
    return _SOCK_WRITES[key]


def _area_writer(start: int, size: int) -> Callable[[Any, int], None]:
    pack, mask = NUMBERS[size].pack_into, (1 << 8 * size) - 1

    def write(sk: Any, value: int) -> None:
        area = sk.ca
        if type(area) is PrivateArea and area.state is None:
            pack(area.data, start, value & mask)
        else:
            (area if isinstance(area, PrivateArea) else _ForeignArea(sk)).store(start, size, value)

    return write


class SockRegion:
    """``struct tcp_sock`` with its private area."""

    __slots__ = ("sk",)

    def __init__(self, sk: Any) -> None:
        self.sk = sk

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""
        return sock_reader(offset, size)(self)

    def store(self, offset: int, size: int, value: int) -> None:
        """Write a member that programs may write, or the private area."""
        sock_writer(offset, size)(self.sk, value)


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
