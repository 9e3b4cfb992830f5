"""Arguments of system calls and their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ccsim.verify.packetdrill.errors import CannotExpress
from ccsim.verify.packetdrill.script import Call

__all__ = ["SIZE_MOST", "Result", "fail", "number", "ok", "symbols"]

SIZE_MOST = 1 << 30


@dataclass(frozen=True, slots=True)
class Result:
    """What a call returns; ``errno`` if it fails, ``out`` what it puts into its argument."""

    value: int
    errno: str | None = None
    out: Any = None

    def __str__(self) -> str:
        return f"{self.value} {self.errno}" if self.errno else str(self.value)


def ok(value: int, out: Any = None) -> Result:
    """Return a result."""
    return Result(value, None, out)


def fail(errno: str) -> Result:
    """Return -1 and an errno."""
    return Result(-1, errno)


def number(call: Call, at: int) -> int:
    """Return an argument that has to be a number of a sane size."""
    value = call.args[at]
    if not isinstance(value, int) or not -1 <= value <= SIZE_MOST:
        raise CannotExpress(call.place, f"argument {at + 1} of {call.name}: {value!r}")
    return value


def symbols(value: Any) -> set[str]:
    """Return the symbols that are joined by ``|``; 0 is none."""
    found = {part.strip() for part in str(value).split("|")}
    return found - {"0"}
