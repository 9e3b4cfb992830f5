"""Lines of a script that are packets: what is injected (``<``) and what is expected (``>``)."""

from __future__ import annotations

from ccsim.verify.packetdrill.errors import CannotExpress, PktError, Place
from ccsim.verify.packetdrill.script import Packet, Unreachable
from ccsim.verify.packetdrill.segment import Option, Segment
from ccsim.verify.packetdrill.words import Words

__all__ = ["UNREACHABLE", "packet"]

LETTERS = frozenset("SFRPUEW")
ECN = {"noecn", "ect0", "ect1", "ect01", "ce"}
OTHER_PROTOCOLS = {
    "udp": "UDP", "udplite": "UDP-Lite", "icmp": "ICMP that is expected", "sctp": "SCTP",
    "GREv0": "GRE", "gre": "GRE", "mpls": "MPLS", "psp": "PSP",
}  # fmt: skip
NUMBERED = {"mss": "mss", "wscale": "wscale"}
BARE = {"nop", "eol", "sackOK"}
COOKIES = {"FO", "FOEXP"}
# What ICMP says, and the errno that a connection which is not open yet ends with.
UNREACHABLE = {
    "net_unreachable": "ENETUNREACH", "host_unreachable": "EHOSTUNREACH",
    "protocol_unreachable": "ENOPROTOOPT", "port_unreachable": "ECONNREFUSED",
    "source_route_failed": "EOPNOTSUPP", "net_unknown": "ENETUNREACH", "host_unknown": "EHOSTDOWN",
    "source_host_isolated": "ENONET", "net_prohibited": "ENETUNREACH",
    "host_prohibited": "EHOSTUNREACH", "net_unreachable_for_tos": "ENETUNREACH",
    "host_unreachable_for_tos": "EHOSTUNREACH", "packet_filtered": "EHOSTUNREACH",
    "precedence_violation": "EHOSTUNREACH", "precedence_cutoff": "EHOSTUNREACH",
}  # fmt: skip
HEX_DIGITS = set("0123456789abcdefABCDEF")
OTHER_OPTIONS = {
    "md5": "TCP-MD5",
    "ECN": "AccECN",
    "mptcp": "Multipath TCP",
}
SEQ_END = 1 << 31


def packet(words: Words) -> Packet | Unreachable:
    """Parse a packet; CannotExpress for what is neither a plain TCP segment nor an ICMP message
    that something is unreachable."""
    sign = words.next()
    place = sign.place
    if words.now.text == "icmp" and sign.text == "<":
        return _unreachable(words)
    ecn = _ip_info(words)
    _plain_tcp(words)
    flags = _flags(words)
    seq, length = _range(words)
    ack = words.number("the number of an ACK") if words.take("ack") else 0
    window = words.number("a window") if words.take("win") else None
    if words.take("urg"):
        raise CannotExpress(place, "urgent data are not modelled")
    options = _options(words, place)
    return Packet(place, sign.text == "<", Segment(flags, seq, length, ack, window, options, ecn))


def _unreachable(words: Words) -> Unreachable:
    """Take ``icmp unreachable host_unreachable [1:1001(1000)]``."""
    place = words.next().place
    kind = words.next().text
    code = words.next().text if words.now.kind == "word" else ""
    if kind != "unreachable" or code not in UNREACHABLE | {"": ""}:
        raise CannotExpress(place, f"ICMP {kind} {code}".rstrip() + " is not modelled")
    seq = 0
    if words.take("["):
        seq, _ = _range(words)
        words.expect("]")
    return Unreachable(place, code or "net_unreachable", seq)


def _ip_info(words: Words) -> str | None:
    """Take ``[ect0]`` and the like; return the ECN field."""
    closing = {"[": "]", "(": ")"}.get(words.now.text)
    if closing is None:
        return None
    place = words.next().place
    word = words.next()
    if word.text not in ECN:
        raise CannotExpress(
            place, f"of IP's fields only the ECN bits are modelled, not {word.text}"
        )
    words.expect(closing)
    return word.text


def _plain_tcp(words: Words) -> None:
    word = words.now
    if word.text in OTHER_PROTOCOLS:
        raise CannotExpress(word.place, f"{OTHER_PROTOCOLS[word.text]} is not modelled")
    if word.text in ("ipv4", "ipv6", "encap"):
        raise CannotExpress(word.place, "encapsulation is not modelled")
    if word.kind == "integer" and words.following.text == ">":
        raise CannotExpress(word.place, "ports are not modelled: there is one peer")


def _flags(words: Words) -> frozenset[str]:
    word = words.next()
    text = word.text
    if text in (".", "-"):
        return frozenset(text) - {"-"}
    if word.kind == "float":
        raise CannotExpress(word.place, "AccECN is not modelled")
    if word.kind != "word" or not set(text) <= LETTERS | {"A"}:
        raise PktError(word.place, f"expected TCP flags such as 'P.', got {text!r}")
    if "A" in text:
        raise CannotExpress(word.place, "AccECN is not modelled")
    if words.now.kind == "float" and words.now.glued:
        raise CannotExpress(word.place, "AccECN is not modelled")
    return frozenset(text + "." if words.take(".") else text)


def _range(words: Words) -> tuple[int, int]:
    """Take ``seq:end(length)``."""
    place = words.now.place
    seq = words.number("a sequence number")
    words.expect(":")
    end = words.number("the end of the segment")
    words.expect("(")
    length = words.number("its length")
    words.expect(")")
    if seq + length != end:
        raise PktError(place, f"expected {seq}:{seq + length}({length}), got {seq}:{end}({length})")
    if not 0 <= seq <= end < SEQ_END:
        raise CannotExpress(place, "sequence numbers that wrap around are not modelled")
    return seq, length


def _options(words: Words, place: Place) -> tuple[Option, ...] | None:
    if not words.take("<"):
        return ()
    if words.take("..."):
        words.expect(">")
        return None
    options = [_option(words, place)]
    while words.take(","):
        options.append(_option(words, place))
    words.expect(">")
    return tuple(options)


def _option(words: Words, place: Place) -> Option:
    word = words.next()
    name = word.text
    if name in BARE:
        return name, ()
    if name in NUMBERED:
        return name, (words.number(f"the value of {name}"),)
    if name == "TS":
        words.expect("val")
        val = words.number("a timestamp")
        words.expect("ecr")
        return name, (val, words.number("the timestamp that is echoed"))
    if name == "sack":
        return name, _blocks(words)
    if name in COOKIES:
        return name, _cookie(words)
    if name in OTHER_OPTIONS or word.kind == "word":
        raise CannotExpress(place, f"the option {OTHER_OPTIONS.get(name, name)} is not modelled")
    raise PktError(word.place, f"expected a TCP option such as mss, got {name!r}")


def _cookie(words: Words) -> tuple[int, ...]:
    """Take the digits of a cookie, if there are any, as bytes."""
    if words.now.kind not in ("word", "integer"):
        return ()
    word = words.next()
    if len(word.text) % 2 or not set(word.text) <= HEX_DIGITS:
        raise PktError(word.place, f"expected the bytes of a cookie in hex, got {word.text!r}")
    return tuple(bytes.fromhex(word.text))


def _blocks(words: Words) -> tuple[int, ...]:
    numbers: list[int] = []
    while not numbers or words.now.kind == "integer":
        numbers.append(words.number("the start of a SACK block"))
        words.expect(":")
        numbers.append(words.number("the end of a SACK block"))
    return tuple(numbers)
