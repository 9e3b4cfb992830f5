"""What the verbs' options take: numbers, and formats of pictures."""

from __future__ import annotations

import argparse

__all__ = ["formats", "natural", "positive"]


def formats(text: str) -> tuple[str, ...]:
    """Return the formats in a list with commas, each once."""
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in named:
        if name not in ("png", "pdf", "svg"):
            raise argparse.ArgumentTypeError(f"expected png, pdf or svg, got {name!r}")
    return named


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """Return a whole number from 0 on."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        message = f"expected a whole number from {least} on, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
