"""Why a program is refused: Linux's errno and its verifier's sentence."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """Raised where the verifier would give up; ``slot`` is the instruction, -1 if it is the one
    being checked.
    """

    def __init__(self, number: int, message: str, slot: int = -1) -> None:
        super().__init__(message)
        self.number = number
        self.message = message
        self.slot = slot
