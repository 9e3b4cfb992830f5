"""Words in messages: lists of them, and the nearest to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "listed"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'bbr'?" for the nearest known word, or nothing when none is near."""
    choices = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    return f"; did you mean {choices[near[0]]!r}?" if near else ""


def listed(words: Iterable[str]) -> str:
    """Return words as "'a', 'b' or 'c'"."""
    quoted = [repr(word) for word in words]
    return " or ".join(", ".join(part) for part in (quoted[:-1], quoted[-1:]) if part)
