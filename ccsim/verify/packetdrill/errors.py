"""What keeps a script from agreeing: it is none, it asks for what is not modelled, it differs."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.errors import CcsimError

__all__ = ["CannotExpress", "Differs", "PktError", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a script; line and column count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class _At(CcsimError, ValueError):
    """Something to be said about a place in a script."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place
        self.message = message


class PktError(_At):
    """A script that is none."""


class CannotExpress(_At):
    """A line that asks for what the emulated stack does not model."""


class Differs(_At):
    """The first line that the emulated stack does not do as the script says."""
