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
from ccsim.bpf.memory import U32, U64, Memory, PrivateArea

__all__ = [
    "AREA",
    "SAMPLE_STRUCTS",
    "SOCK_MEMBERS",
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


@dataclass(frozen=True, slots=True)
class Member:
    """How a member is read and written, as Python over the socket ``s`` or the sample ``m``.

    ``read`` yields the member's unsigned number; ``write``, with ``{v}`` for the value, is an
    assignment, and empty where a program may not write. ``attribute`` is empty where the host works
    it out.
    """

    name: str
    read: str
    write: str = ""
    attribute: str = ""


def _plain(
    name: str, attribute: str = "", mask: int = 0, *, writable: bool = False, of: str = "s"
) -> Member:
    """Return a member that is an attribute; with ``mask`` where that may be wider, or negative."""
    attribute = attribute or name
    source = f"{of}.{attribute}"
    read = f"({source} & {mask})" if mask else source
    return Member(name, read, f"{source} = {{v}}" if writable else "", attribute)


def _flag(name: str, attribute: str, of: str = "s") -> Member:
    return Member(name, f"(1 if {of}.{attribute} else 0)", "", attribute)


def _sampled(name: str, mask: int = 0) -> Member:
    return _plain(name, mask=mask, of="m")


def _kept(name: str, mask: int = U32, *, writable: bool = False) -> Member:
    """Return a member that the host of the socket works out when somebody asks
    (`ccsim.kernel.sock.Sock.member`)."""
    write = f"s.set_member({name!r}, {{v}})" if writable else ""
    return Member(name, f"(s.member({name!r}) & {mask})", write)


_SOCK = (
    _kept("skc_num", 0xFFFF),
    _kept("skc_dport", 0xFFFF),
    _kept("skc_daddr"),
    _plain("skc_state", "sk_state"),
    _plain("sk_pacing_status", "pacing_status", writable=True),
    _plain("sk_pacing_rate", "pacing_rate", writable=True),
    _plain("sk_max_pacing_rate", "max_pacing_rate"),
    _plain("sk_pacing_shift", "pacing_shift"),
    _plain("sk_gso_max_size", "gso_max_size"),
    _plain("icsk_ca_state", "ca_state"),
    _flag("icsk_ca_initialized", "ca_initialized"),
    _flag("icsk_ca_setsockopt", "ca_setsockopt"),
    _plain("icsk_ack.pending", "ack_pending", writable=True),
    *map(_kept, ("icsk_rto", "icsk_retransmits", "icsk_backoff")),
    _plain("snd_cwnd", writable=True),
    _plain("snd_cwnd_cnt", mask=U32, writable=True),
    _plain("snd_cwnd_clamp"),
    _kept("snd_cwnd_stamp", writable=True),
    _plain("snd_ssthresh", writable=True),
    _plain("prior_cwnd"),
    _plain("prior_ssthresh"),
    _plain("max_packets_out"),
    _flag("is_cwnd_limited", "is_cwnd_limited"),
    _plain("packets_out"),
    _plain("sacked_out"),
    _plain("lost_out"),
    _plain("retrans_out"),
    _plain("snd_una", mask=U32),
    _plain("snd_nxt", mask=U32),
    _plain("rcv_nxt", mask=U32),
    _kept("high_seq"),
    _plain("lsndtime", mask=U32),
    _plain("srtt_us"),
    *map(_kept, ("mdev_us", "rttvar_us")),
    _plain("mss_cache"),
    _kept("advmss", 0xFFFF),
    _plain("app_limited", mask=U32, writable=True),
    _plain("delivered", mask=U32),
    _plain("delivered_ce", mask=U32),
    _plain("lost", mask=U32),
    _plain("delivered_mstamp"),
    _kept("first_tx_mstamp", U64),
    _plain("tcp_mstamp"),
    _plain("tcp_clock_cache"),
    _plain("tcp_wstamp_ns"),
    _plain("ecn_flags", writable=True),
    *map(_kept, ("reordering", "prr_delivered", "prr_out", "undo_marker", "total_retrans")),
    *map(_kept, ("rate_delivered", "rate_interval_us")),
    _kept("bytes_acked", U64),
    _kept("retrans_stamp"),
    _plain("rcv_tsval", mask=U32),
    _plain("rcv_tsecr", mask=U32),
    _plain("rtt_min.s[0].v", "rtt_min_us"),
    *map(_kept, ("rtt_min.s[1].v", "rtt_min.s[2].v")),
    *(_kept(f"rtt_min.s[{i}].t") for i in range(3)),
)
_ACK_SAMPLE = (_sampled("pkts_acked"), _sampled("rtt_us", U32), _sampled("in_flight", U32))
_RATE_SAMPLE = (
    _sampled("prior_mstamp"),
    *(_sampled(name, U32) for name in ("prior_delivered", "prior_delivered_ce")),
    *(_sampled(name, U32) for name in ("delivered", "delivered_ce")),
    _sampled("interval_us", U64),
    Member("snd_interval_us", "(getattr(m, 'snd_interval_us', m.interval_us) & 0xFFFFFFFF)"),
    Member("rcv_interval_us", "(getattr(m, 'rcv_interval_us', m.interval_us) & 0xFFFFFFFF)"),
    Member("last_end_seq", "(getattr(m, 'last_end_seq', 0) & 0xFFFFFFFF)"),
    _sampled("rtt_us", U64),
    _sampled("losses", U32),
    *map(_sampled, ("acked_sacked", "prior_in_flight")),
    *(_flag(name, name, "m") for name in ("is_app_limited", "is_retrans", "is_ack_delayed")),
)
SOCK_MEMBERS = {member.name: member for member in _SOCK}
SAMPLE_STRUCTS = {
    "ack_sample": {member.name: member for member in _ACK_SAMPLE},
    "rate_sample": {member.name: member for member in _RATE_SAMPLE},
}


def members_of(struct: str) -> dict[str, Member]:
    """Return the members of ``tcp_sock``, ``ack_sample`` or ``rate_sample`` by name."""
    return SOCK_MEMBERS if struct == "tcp_sock" else SAMPLE_STRUCTS[struct]


@dataclass(frozen=True, slots=True)
class Piece:
    """What an access and a member have in common: ``bits`` of the member from its bit ``start``,
    which are the access's from bit ``place`` on."""

    member: Member
    width: int  # bits of the member
    start: int
    place: int
    bits: int


def short_name(path: str) -> str:
    """Return a member's name without the structures that ``tcp_sock`` begins with."""
    for prefix in _PREFIXES:
        path = path.removeprefix(prefix)
    return path


@cache
def _placed(struct: str) -> tuple[tuple[Leaf, Member], ...]:
    """Return the members of a structure with their places, in order."""
    known = members_of(struct)
    return tuple(
        (leaf, known[name]) for leaf in leaves(struct) if (name := short_name(leaf.path)) in known
    )


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


class SockRegion:
    """``struct tcp_sock`` with its private area."""

    __slots__ = ("sk",)

    def __init__(self, sk: Any) -> None:
        self.sk = sk

    def load(self, offset: int, size: int) -> int:
        """Return the unsigned number at an offset."""
        area, start = area_of(self.sk, offset, size)
        if area is not None:
            return area.load(start, size)
        return _getter("tcp_sock", offset, size)(self.sk)

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


def area_of(sk: Any, offset: int, size: int) -> tuple[Memory | None, int]:
    """Return the private area and the place in it that an access of the socket means; None for
    another member. IndexError for bytes beyond the socket."""
    start = offset - area_offset()
    if start >= 0 and start + size <= 104:
        area = sk.ca
        if not isinstance(area, PrivateArea):
            raise IndexError("the private area is another implementation's")
        return area, start
    if offset + size > struct_bytes("tcp_sock") + 8:
        raise IndexError(f"{size} bytes at {offset} of struct tcp_sock")
    return None, 0
