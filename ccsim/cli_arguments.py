"""The numbers that the verbs' options take."""

from __future__ import annotations

import argparse

__all__ = ["natural", "positive"]


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
