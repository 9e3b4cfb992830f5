"""What verbs have in common: how they are added, and what their options take."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

__all__ = [
    "add_formats",
    "add_hook_timeout",
    "add_verb",
    "formats",
    "instant",
    "magnitude",
    "natural",
    "packet_bytes",
    "port",
    "positive",
]

Function = Callable[[argparse.Namespace], int]


def add_verb(
    verbs: Any, name: str, text: str, func: Function, example: str = ""
) -> argparse.ArgumentParser:
    """Add a verb whose help is one line and an example, and the function that carries it out."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example: {example}" if example else None,
    )
    parser.set_defaults(func=func)
    return parser


def add_formats(parser: argparse.ArgumentParser) -> None:
    """Add the option for the formats of pictures."""
    parser.add_argument(
        "--format",
        type=formats,
        default=("png", "pdf"),
        help="one or more of png, pdf, svg, pgf with commas between; default: png,pdf",
    )


def add_hook_timeout(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how long an algorithm's hook may take."""
    parser.add_argument(
        "--hook-timeout",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="CPU that one call of a hook may take before it is ended; default: 10 s",
    )


def _seconds(text: str) -> float:
    """Return a time in seconds, from a millisecond to a day."""
    try:
        seconds = float(text.strip().removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 0.001 <= seconds <= 86_400:
        message = f"expected seconds from 0.001 to 86400, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return seconds


def formats(text: str) -> tuple[str, ...]:
    """Return the formats in a list with commas, each once."""
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in named:
        if name not in ("png", "pdf", "svg", "pgf"):
            raise argparse.ArgumentTypeError(f"expected png, pdf, svg or pgf, got {name!r}")
    return named


def instant(text: str) -> int:
    """Return an instant of a run, such as "19 s" [ns]."""
    from ccsim.units import parse_time_ns

    try:
        return parse_time_ns(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """Return a whole number from 1 to a million: processes, repeats, seconds."""
    return _within(1, 1_000_000, text)


def natural(text: str) -> int:
    """Return a whole number from 0 on, such as a seed, of 63 bits at most."""
    return _within(0, 2**63 - 1, text)


def magnitude(text: str) -> float:
    """Return a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


def packet_bytes(text: str) -> int:
    """Return how much of a packet is kept; 0 for all of it."""
    return _within(0, 65_535, text)


def port(text: str) -> int:
    """Return the number of a TCP port; 0 for a free one."""
    return _within(0, 65_535, text)


def _within(least: int, most: int, text: str) -> int:
    digits = text.isascii() and text.isdecimal()
    if not digits or len(text) > 40 or not least <= int(text) <= most:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        message = f"expected a whole number from {least} to {most}, got {shown!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
