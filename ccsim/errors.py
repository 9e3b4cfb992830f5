"""The exceptions of ccsim: each is a `CcsimError` and the builtin that a caller would catch."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AlgorithmError",
    "CcsimError",
    "HookTimeout",
    "InvariantError",
    "Problem",
    "RecordingError",
    "ResultsError",
    "ScenarioError",
]


class CcsimError(Exception):
    """Whatever ccsim reports to its user rather than to its developer."""


class RecordingError(CcsimError, ValueError):
    """A recording that is missing, cannot be read, or is none; the message begins with its path."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one scenario.

    ``line`` and ``column`` count from 1, as editors do; 0 says that the place has none (an
    override, a whole file).
    ``path`` is dotted: ``swaps.0.to``; empty for the whole document.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ScenarioError(CcsimError, ValueError):
    """A scenario that cannot be run; lists every problem found, in order of position.

    ``file``, ``line``, ``column``, ``path`` and ``message`` are those of the first problem.
    """

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise TypeError("ScenarioError: expected at least one Problem, got none")
        self.problems: tuple[Problem, ...] = _in_order(problems)
        super().__init__(*self.problems)
        first = self.problems[0]
        self.file, self.line, self.column = first.file, first.line, first.column
        self.path, self.message = first.path, first.message

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Drop repeats and sort by position; what has no position (overrides) comes last."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (not p.line, p.line, p.column)))


class AlgorithmError(CcsimError, RuntimeError):
    """An algorithm's own code failed: where, in which hook, and why."""

    def __init__(self, message: str, file: str = "", line: int = 0, hook: str = "") -> None:
        super().__init__(message, file, line, hook)
        self.message = message
        self.file = file
        self.line = line
        self.hook = hook

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.hook, self.message) if part)

    @classmethod
    def from_exception(cls, error: BaseException, file: str, hook: str = "") -> AlgorithmError:
        """Wrap what a hook raised; the line is the innermost one inside ``file`` (0: none is)."""
        lines = [
            line
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename == file
        ]
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return cls(text, file, lines[-1] if lines else 0, hook)


class HookTimeout(BaseException):
    """A hook does not return. Not an Exception, which the hook itself might catch."""


class InvariantError(CcsimError, AssertionError):
    """Something that must hold throughout a run did not: a fault of ccsim or of an algorithm."""


class ResultsError(CcsimError, OSError):
    """A results folder that cannot be written or read: ``path`` and the reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.args = (path, reason)  # SimPy makes what a process raised again, of its arguments
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError pickles its own arguments, of which there is one: worker processes need both
        return type(self), (self.path, self.reason)
