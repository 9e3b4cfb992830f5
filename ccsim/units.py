"""Human units to integers and back: the only place where "100 Mbit/s" and "40 ms" are understood.

All arithmetic is on decimals and fractions, so "0.1 ms" is exactly 100,000 ns. What is not a whole
number of nanoseconds, bytes or bit/s is an error, never rounded; only a buffer given in BDP or
bytes is turned into packets by rounding (see `Buffer.packets`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

__all__ = [
    "MAX_PACKETS",
    "MAX_RATE_BPS",
    "MAX_SIZE_BYTES",
    "MAX_TIME_NS",
    "NS_PER_MS",
    "NS_PER_S",
    "NS_PER_US",
    "RATE_UNITS",
    "SIZE_UNITS",
    "TIME_UNITS",
    "Buffer",
    "format_probability",
    "format_rate",
    "format_size",
    "format_time",
    "parse_buffer",
    "parse_gap_ns",
    "parse_packets",
    "parse_probability",
    "parse_rate_bps",
    "parse_share_ppm",
    "parse_size_bytes",
    "parse_threshold",
    "parse_time_ns",
    "show",
]

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

MAX_TIME_NS = (
    366 * 86_400 * NS_PER_S
)  # a year: far below 2**63, so that sums of times never overflow
MAX_RATE_BPS = 10**13  # 10 Tbit/s
MAX_SIZE_BYTES = 10**15  # 1 PB
MAX_PACKETS = 10**8
_MAX_TEXT = 64  # characters: no quantity needs more, and 10**(10**9) must not be computed

TIME_UNITS: Mapping[str, int] = {
    "ns": 1,
    "us": NS_PER_US,
    "µs": NS_PER_US,
    "μs": NS_PER_US,  # the Greek letter, which some keyboards give for the micro sign
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "sec": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}
"""Nanoseconds in each unit of time."""

_DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}

RATE_UNITS: Mapping[str, int] = {
    **{f"{prefix}bit/s": factor for prefix, factor in _DECIMAL.items()},
    **{f"{prefix}bps": factor for prefix, factor in _DECIMAL.items()},
    **{f"{prefix}B/s": 8 * factor for prefix, factor in {**_DECIMAL, **_BINARY}.items()},
}
"""bit/s in each unit of rate; ``b`` is a bit, ``B`` a byte."""

SIZE_UNITS: Mapping[str, int] = {
    **{f"{prefix}B": factor for prefix, factor in {**_DECIMAL, **_BINARY}.items()},
    "KB": 1000,
    "byte": 1,
    "bytes": 1,
}
"""Bytes in each unit of size."""

_BUFFER_UNITS = ("BDP", "packets", "packet", *SIZE_UNITS)
_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(\D*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of quantity: what it is called in errors, an example, and its units."""

    what: str
    example: str
    units: Mapping[str, int]
    fixes: tuple[str, str]


_TIME = _Kind("a time", "40 ms", TIME_UNITS, ("ms", "s"))
_RATE = _Kind("a rate", "100 Mbit/s", RATE_UNITS, ("Mbit/s", "Gbit/s"))
_SIZE = _Kind("a size", "64 KiB", SIZE_UNITS, ("B", "KiB"))
_BUFFER = _Kind("a buffer", "1.5 BDP", dict.fromkeys(_BUFFER_UNITS, 1), ("packets", "BDP"))
_THRESHOLD = _Kind(
    "a threshold",
    "30 packets",
    dict.fromkeys((*_BUFFER_UNITS, *TIME_UNITS), 1),
    ("packets", "ms"),
)


def show(value: object) -> str:
    """Return a value as YAML spells it, shortened: for "got …" in errors."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}[str(value)]
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"


def parse_time_ns(value: object, *, minimum: int = 0) -> int:
    """Return a time such as "40 ms" in whole nanoseconds; ValueError says how to write it."""
    return _whole(value, _TIME, "nanoseconds", minimum, MAX_TIME_NS, format_time)


def parse_rate_bps(value: object, *, minimum: int = 1) -> int:
    """Return a rate such as "100 Mbit/s" or "10 MB/s" in whole bit/s."""
    return _whole(value, _RATE, "bit/s", minimum, MAX_RATE_BPS, format_rate)


def parse_size_bytes(value: object, *, minimum: int = 0) -> int:
    """Return a size such as "64 KiB" or "10 MB" in whole bytes."""
    return _whole(value, _SIZE, "bytes", minimum, MAX_SIZE_BYTES, format_size)


def parse_packets(value: object, *, minimum: int = 0) -> int:
    """Return a count of packets: 10 or "10 packets"; a count needs no unit."""
    if isinstance(value, str):
        amount, unit = _split(value, 'expected a number of packets such as "10 packets"')
        if unit not in ("", "packet", "packets") or amount.denominator != 1:
            raise ValueError(
                f'expected a number of packets such as "10 packets", got {show(value)}'
            )
        value = int(amount)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number of packets such as 10, got {show(value)}")
    if not minimum <= value <= MAX_PACKETS:
        raise ValueError(f"expected {minimum} to {MAX_PACKETS} packets, got {value}")
    return value


def parse_gap_ns(value: object) -> int:
    """Return the mean gap between events of a frequency such as "20 /s", to the nearest
    nanosecond."""
    expected = 'expected a frequency such as "20 /s"'
    if not isinstance(value, str):
        raise ValueError(f"{expected}, got {show(value)}")
    amount, unit = _split(value, expected)
    per = unit.removeprefix("/").strip()
    if not unit.startswith("/") or per not in ("s", "min", "h"):
        raise ValueError(f"{expected}, got {show(value)}; known units: /s, /min, /h")
    if amount <= 0:
        raise ValueError(f"{expected} above 0, got {show(value)}")
    gap_ns = round(TIME_UNITS[per] / amount)
    if not 1 <= gap_ns <= MAX_TIME_NS:
        raise ValueError(f"{expected}, from one a year to 10^9 a second, got {show(value)}")
    return gap_ns


def parse_probability(value: object) -> float:
    """Return a probability from "0.1 %" or 0.001: the double nearest to the exact value, 0 to 1."""
    expected = 'expected a probability such as "0.1 %" or 0.001'
    amount = _part(value, expected)
    if not 0 <= amount <= 1:
        raise ValueError(f"expected a probability from 0 to 1 (0 % to 100 %), got {show(value)}")
    return float(amount)


def _part(value: object, expected: str) -> Fraction:
    """Return a part of a whole from "0.1 %", "0.001" or 0.001, exactly as written."""
    if isinstance(value, str):
        amount, unit = _split(value, expected)
        if unit not in ("", "%"):
            raise ValueError(f"{expected}, got {show(value)}; {_near_unit(unit, ('%',))}")
        return amount / 100 if unit else amount
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise ValueError(f"{expected}, got {show(value)}")
    return Fraction(Decimal(repr(value)))


def parse_share_ppm(value: object, *, maximum: int = 1) -> int:
    """Return a share from "25 %" or 0.25 in parts per million, of which it must be a whole number;
    ``maximum`` 1 is 100 %."""
    expected = 'expected a share such as "25 %" or 0.25'
    amount = _part(value, expected)
    ppm = amount * 1_000_000
    if not 0 < amount <= maximum:
        raise ValueError(f"{expected}, above 0 and at most {100 * maximum} %, got {show(value)}")
    if ppm.denominator != 1:
        raise ValueError(f"{expected}, a multiple of 0.0001 %, got {show(value)}")
    return int(ppm)


@dataclass(frozen=True, slots=True)
class Buffer:
    """How large a queue is, as written: a multiple of the BDP, packets, or bytes."""

    amount: Fraction
    unit: Literal["BDP", "packets", "bytes"]

    def packets(self, rate_bps: int, rtt_ns: int, packet_bytes: int = 1500) -> int:
        """Return the buffer in packets of ``packet_bytes`` (headers included).

        A BDP is rate × RTT / 8 / packet_bytes, rounded to the nearest packet; bytes are rounded
        down to the packets that fit; 0 when not even one does.
        """
        if self.unit == "packets":
            return int(self.amount)
        if self.unit == "bytes":
            return math.floor(self.amount / packet_bytes)
        bdp_bits = Fraction(rate_bps * rtt_ns, NS_PER_S)
        return round(self.amount * bdp_bits / (8 * packet_bytes))


def parse_buffer(value: object) -> Buffer:
    """Return a buffer from "1.5 BDP", "100 packets" or "256 KiB"; zero passes."""
    amount, unit = _quantity(value, _BUFFER)
    if amount < 0:
        raise ValueError(f"expected a buffer that is not negative, got {show(value)}")
    if unit == "BDP":
        return Buffer(amount, "BDP")
    if unit in ("packet", "packets"):
        return Buffer(Fraction(parse_packets(value)), "packets")
    return Buffer(Fraction(parse_size_bytes(value)), "bytes")


def parse_threshold(value: object) -> Buffer | int:
    """Return a length of a queue: a `Buffer`, or from "5 ms" the time that a packet waits [ns]."""
    amount, unit = _quantity(value, _THRESHOLD)
    if amount < 0:
        raise ValueError(f"expected a threshold that is not negative, got {show(value)}")
    return parse_time_ns(value) if unit in TIME_UNITS else parse_buffer(value)


def format_time(t_ns: int) -> str:
    """Return a time in the largest of s, ms, us, ns that it fills, exactly: "1.5 s"."""
    units = (("s", NS_PER_S), ("ms", NS_PER_MS), ("us", NS_PER_US), ("ns", 1))
    return _format(t_ns, units) if t_ns else "0 s"


def format_rate(rate_bps: int) -> str:
    """Return a rate in decimal prefixes, exactly: "2.5 Gbit/s"."""
    return _format(
        rate_bps, tuple((f"{prefix}bit/s", _DECIMAL[prefix]) for prefix in ("T", "G", "M", "k", ""))
    )


def format_size(size_bytes: int) -> str:
    """Return a size exactly, in binary or decimal prefixes, whichever is shorter: "64 KiB"."""
    decimal = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**4), ("B", 1))
    binary = [
        f"{size_bytes // factor} {prefix}B"
        for prefix, factor in reversed(_BINARY.items())
        if size_bytes and size_bytes % factor == 0
    ]
    return min([*binary, _format(size_bytes, decimal)], key=len)


def format_probability(probability: float) -> str:
    """Return a probability in percent, exactly as its shortest decimal: "0.1 %"."""
    return f"{_plain(Decimal(repr(probability)) * 100)} %"


def _whole(
    value: object, kind: _Kind, base: str, minimum: int, maximum: int, form: Callable[[int], str]
) -> int:
    """Return ``value`` as a whole number of the base unit within the range, or raise ValueError."""
    amount, unit = _quantity(value, kind, minimum)
    scaled = amount * kind.units[unit]
    if scaled < minimum:
        least = "that is not negative" if minimum == 0 else f"of at least {form(minimum)}"
        raise ValueError(f"expected {kind.what} {least}, got {show(value)}")
    if scaled > maximum:
        raise ValueError(f"expected {kind.what} of at most {form(maximum)}, got {show(value)}")
    if scaled.denominator != 1:
        raise ValueError(f"expected {kind.what} in whole {base}, got {show(value)}")
    return int(scaled)


def _quantity(value: object, kind: _Kind, minimum: int = 0) -> tuple[Fraction, str]:
    """Split "40 ms" into 40 and "ms"; ValueError for a bare number or an unknown unit.

    A bare number that is too small in every unit is not told to take one.
    """
    expected = f'expected {kind.what} with a unit such as "{kind.example}"'
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(_bare(expected, value, show(value), kind, minimum))
    if not isinstance(value, str):
        raise ValueError(f"{expected}, got {show(value)}")
    amount, unit = _split(value, expected)
    if not unit:
        raise ValueError(_bare(expected, amount, value.strip(), kind, minimum))
    unit = _unambiguous(unit)
    if unit not in kind.units:
        raise ValueError(f"{expected}, got {show(value)}; {_near_unit(unit, kind.units)}")
    return amount, unit


def _bare(expected: str, amount: float | Fraction, text: str, kind: _Kind, minimum: int) -> str:
    """Say how a number without a unit is to be written."""
    if not _is_finite(amount):
        return f"{expected}, got {text}"
    if amount < 0 or (amount == 0 and minimum > 0):
        least = "that is not negative" if minimum == 0 else "of more than 0"
        return f'expected {kind.what} {least}, with a unit such as "{kind.example}", got {text}'
    first, second = kind.fixes
    return f'{expected}, got {text}; write "{text} {first}" or "{text} {second}"'


def _is_finite(number: float | Fraction) -> bool:
    """Say whether a number is finite; `math.isfinite` overflows on huge integers."""
    return not isinstance(number, float) or math.isfinite(number)


def _split(text: str, expected: str) -> tuple[Fraction, str]:
    """Split a text into its number and what follows it, stripped."""
    match = _QUANTITY.fullmatch(text.strip()) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise ValueError(f"{expected}, got {show(text)}")
    return Fraction(Decimal(match[1])), match[2].strip()


def _unambiguous(unit: str) -> str:
    """Accept the spellings that cannot be misread: iproute2's "mbit", and any capitals in "bdp"."""
    bits = re.fullmatch(r"([kKmMgGtT]?)bit(?:/s)?", unit)
    if bits:
        prefix = bits[1].upper() if bits[1] not in ("k", "K") else "k"
        return f"{prefix}bit/s"
    return {"bdp": "BDP", "Kbps": "kbps", "KB/s": "kB/s"}.get(unit, unit)


def _near_unit(unit: str, known: Mapping[str, int] | tuple[str, ...]) -> str:
    """Suggest the unit that differs in capitals only, else list those there are."""
    same = [name for name in known if name.lower() == unit.lower()]
    if same:
        return "did you mean " + " or ".join(f'"{name}"' for name in same) + "?"
    return "known units: " + ", ".join(name for name in known if name != "μs")


def _format(value: int, units: tuple[tuple[str, int], ...]) -> str:
    """Return ``value`` in the first unit that it fills, as an exact decimal."""
    name, factor = next((unit for unit in units if abs(value) >= unit[1]), units[-1])
    scale = 1000 if name == "kB" else factor
    return f"{_plain(Decimal(value) / scale)} {name}"


def _plain(number: Decimal) -> str:
    """Return a decimal without exponent and without closing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
