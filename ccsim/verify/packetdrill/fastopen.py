"""TCP Fast Open: cookies, who may ask for one, and what a client remembers of a server (RFC 7413,
``tcp_fastopen.c``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from ccsim.verify.packetdrill.segment import Option, Segment

__all__ = [
    "CLIENT", "CLIENT_WITHOUT_COOKIE", "EVERY_LISTENER", "SERVER", "SERVER_WITHOUT_COOKIE",
    "Cookie", "CookieCache", "cookie_for", "cookie_option", "cookie_within", "key_of",
]  # fmt: skip

# Bits of the sysctl tcp_fastopen.
CLIENT, SERVER, CLIENT_WITHOUT_COOKIE = 0x1, 0x2, 0x4
SERVER_WITHOUT_COOKIE, EVERY_LISTENER = 0x200, 0x400
COOKIE_LEAST, COOKIE_MOST = 4, 16  # bytes
KEY = re.compile(r"[0-9a-fA-F]{1,8}(-[0-9a-fA-F]{1,8}){3}")
WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie, empty if one is asked for; ``experimental``: in the option that came before RFC
    7413."""

    value: bytes = b""
    experimental: bool = False


@dataclass
class CookieCache:
    """What a client remembers of the one server (``tcp_metrics_block``).

    ``mss``: what it has announced [bytes], 0: nothing; ``tried``: 1 if the next request takes the
    experimental option, 2 once that was in vain.
    """

    mss: int = 0
    cookie: Cookie = Cookie()
    tried: int = 0

    def forget(self) -> None:
        """Flush it."""
        self.mss, self.cookie, self.tried = 0, Cookie(), 0

    def request(self) -> Cookie:
        """Return the cookie to be sent, or the request for one (``tcp_fastopen_cache_get``)."""
        if not self.cookie.value and self.tried == 1:
            return Cookie(experimental=True)
        return self.cookie

    def learn(self, mss: int, cookie: Cookie | None, tried: int) -> None:
        """Take what a SYN-ACK says (``tcp_fastopen_cache_set``)."""
        self.mss = mss
        if cookie is not None and cookie.value:
            self.cookie = cookie
        elif tried > self.tried and not self.cookie.value:
            self.tried = tried


def cookie_within(segment: Segment) -> Cookie | None:
    """Return the cookie, or the request for one, that a SYN bears; None for none or one of a
    length that does not exist (``tcp_parse_fastopen_option``)."""
    for name in ("FO", "FOEXP"):
        numbers = segment.option(name)
        if numbers is None:
            continue
        size = len(numbers)
        if size == 0 or (COOKIE_LEAST <= size <= COOKIE_MOST and size % 2 == 0):
            return Cookie(bytes(numbers), name == "FOEXP")
    return None


def cookie_option(cookie: Cookie) -> list[Option]:
    """Return the option with its padding."""
    size = (4 if cookie.experimental else 2) + len(cookie.value)
    name = "FOEXP" if cookie.experimental else "FO"
    padding: list[Option] = [("nop", ()), ("nop", ())] if size % 4 else []
    return [(name, tuple(cookie.value)), *padding]


def key_of(text: str) -> bytes | None:
    """Return a key written as the sysctl has it, ``1-2-3-4``; None if it is none."""
    if not KEY.fullmatch(text):
        return None
    return b"".join(int(part, 16).to_bytes(4, "little") for part in text.split("-"))


def cookie_for(key: bytes, client: str, server: str) -> bytes:
    """Return a client's cookie: SipHash of both addresses under the server's key."""
    addresses = IPv4Address(client).packed + IPv4Address(server).packed
    return _siphash(addresses, key).to_bytes(8, "little")


def _siphash(text: bytes, key: bytes) -> int:
    """SipHash-2-4 (Aumasson and Bernstein, 2012) of whole words."""
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    state = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261,
             k1 ^ 0x7465646279746573]  # fmt: skip
    words = [int.from_bytes(text[i : i + 8], "little") for i in range(0, len(text), 8)]
    for word in (*words, len(text) << 56):
        state[3] ^= word
        _sip_rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _sip_rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_rounds(state: list[int], rounds: int) -> None:
    a, b, c, d = state
    for _ in range(rounds):
        a, c = (a + b) & WORD, (c + d) & WORD
        b, d = _rotated(b, 13) ^ a, _rotated(d, 16) ^ c
        a = _rotated(a, 32)
        c, a = (c + b) & WORD, (a + d) & WORD
        b, d = _rotated(b, 17) ^ c, _rotated(d, 21) ^ a
        c = _rotated(c, 32)
    state[:] = a, b, c, d


def _rotated(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (64 - bits))) & WORD
