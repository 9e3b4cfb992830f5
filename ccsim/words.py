"""Words in messages: lists of them, and the nearest to one that is not known; and words for TeX."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "listed", "tex_text"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'bbr'?" for the nearest known word, or nothing when none is near."""
    choices = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    return f"; did you mean {choices[near[0]]!r}?" if near else ""


def listed(words: Iterable[str]) -> str:
    """Return words as "'a', 'b' or 'c'"."""
    quoted = [repr(word) for word in words]
    return " or ".join(", ".join(part) for part in (quoted[:-1], quoted[-1:]) if part)


_TEX = {
    **{c: f"\\{c}" for c in "{}$&#_%"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "→": r"\ensuremath{\rightarrow}",
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    "×": r"\ensuremath{\times}",
    "µ": r"\ensuremath{\mu}",
    "±": r"\ensuremath{\pm}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "…": r"\ldots{}",
    "–": "--",
}
"""What TeX would not set as it stands."""


def tex_text(text: str) -> str:
    """Return a text such that TeX sets just that."""
    return "".join(_TEX.get(c, c) for c in text)
