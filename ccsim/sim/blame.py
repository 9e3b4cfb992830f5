"""Whose fault an error is: a loaded algorithm file's, with its line and hook, or ccsim's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import CodeType, TracebackType
from typing import Any

from ccsim.bpf.memory import BpfFault
from ccsim.errors import AlgorithmError, HookTimeout, InvariantError
from ccsim.kernel.answers import HookValueError
from ccsim.kernel.fields import advice
from ccsim.kernel.loader import loaded_file
from ccsim.kernel.sock import Sock

__all__ = ["BLAMABLE", "blame"]

BLAMABLE = (Exception, SystemExit, GeneratorExit, HookTimeout)
"""What the code of an algorithm may raise: `sys.exit` too, which must not end the process."""
Place = tuple[str, int, str]  # file, line, function


def blame(error: BaseException, files: Collection[str]) -> BaseException:
    """Return an AlgorithmError if an error arose in one of the files, else the error itself.

    The line is the innermost one of the file, the hook its outermost function.
    """
    if isinstance(error, AlgorithmError | InvariantError):
        return error
    if isinstance(error, BpfFault):
        return AlgorithmError(str(error))
    places = [place for place in _places(error) if place[0] in files]
    if not places:
        return error
    file, line, _ = places[-1]
    hook = next(function for one, _, function in places if one == file)
    if isinstance(error, HookValueError | HookTimeout):
        return AlgorithmError(f"{hook} {error}", file, line)
    failed = AlgorithmError.from_exception(error, "")
    why = ""
    if isinstance(error, AttributeError) and isinstance(error.obj, Sock):
        why = f"; {advice(str(error.name))}"
    return AlgorithmError(f"{failed.message} (in {hook}){why}", file, line)


def _places(error: BaseException) -> Iterator[Place]:
    """Yield where an error passed, the outermost place first; a hook that returned what it must not
    is where it begins."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        # compiled, a function bears its module's name in front of its own
        yield loaded_file(code.co_filename), trace.tb_lineno, code.co_name.rpartition(".")[2]
        trace = trace.tb_next
    hook: Any = getattr(error, "hook", None)
    while hasattr(hook, "__wrapped__"):
        hook = hook.__wrapped__
    own = getattr(hook, "__code__", None)
    if isinstance(own, CodeType):
        yield loaded_file(own.co_filename), own.co_firstlineno, own.co_name
