"""Which fields of a socket or a sample the functions of an algorithm read and write, as far as
their code tells: what Linux checks against the kernel's types when it loads a program
(``bpf_tcp_ca_btf_struct_access``).
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

__all__ = ["Access", "accesses", "reached"]

ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR")
GLOBALS_AND_ATTRIBUTES = ("LOAD_GLOBAL", "LOAD_ATTR", "LOAD_METHOD")


class Access(NamedTuple):
    """One use of a field: the parameter that it is a field of, its name, and the line."""

    of: str
    name: str
    line: int
    writes: bool


def reached(func: Callable[..., Any]) -> set[Any]:
    """Return the functions that a function can reach through global names, attributes of modules
    and variables around it; of compiled ones not those that they call in turn."""
    found: set[Any] = set()
    todo: list[Any] = [func]
    while todo:
        here = todo.pop()
        if not callable(here) or isinstance(here, type) or not _is_hashable(here) or here in found:
            continue
        found.add(here)
        if isinstance(here, FunctionType):
            todo.extend(_named(here))
        else:
            todo.extend(getattr(here, name, None) for name in ("__func__", "__wrapped__", "func"))
    return found


def _is_hashable(thing: Any) -> bool:
    with suppress(TypeError):
        hash(thing)
        return True
    return False


def _named(func: FunctionType) -> Iterator[Any]:
    """Yield what the names in a function's code stand for."""
    names = set(_names(func.__code__))
    values = [func.__globals__.get(name) for kind, name in names if kind == "LOAD_GLOBAL"]
    yield from values
    for module in values:
        if isinstance(module, ModuleType):
            yield from (
                getattr(module, name, None) for kind, name in names if kind != "LOAD_GLOBAL"
            )
    for cell in func.__closure__ or ():
        with suppress(ValueError):  # a variable that is not bound yet
            yield cell.cell_contents


def _names(code: CodeType) -> Iterator[tuple[str, str]]:
    """Yield the kind and name of each global and attribute that a code object reads."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in GLOBALS_AND_ATTRIBUTES:
            yield instruction.opname, instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def accesses(func: Callable[..., Any], parameters: Mapping[str, Any]) -> Iterator[Access]:
    """Yield what a Python function does with the fields of those of its parameters that are named;
    nothing of one that is compiled.

    A field that the function asks for by ``hasattr`` or ``getattr`` with a default is left out: it
    knows that it may be missing.
    """
    if isinstance(func, FunctionType):
        code = func.__code__
        own = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]) & set(parameters)
        if own:
            yield from _in_code(code, own)


def _in_code(code: CodeType, names: set[str]) -> Iterator[Access]:
    """Yield the uses in a code object and in those within it, for which the names are free."""
    asked = {constant for constant in code.co_consts if isinstance(constant, str)}
    of, augmented, line = "", False, code.co_firstlineno
    for instruction in dis.get_instructions(code):
        kind, value = instruction.opname, instruction.argval
        line = (instruction.positions.lineno if instruction.positions else None) or line
        if kind in ATTRIBUTES and of and value not in asked:
            writes = augmented or kind in ("STORE_ATTR", "DELETE_ATTR")
            yield Access(of, value, line, writes)
        if kind == "COPY" and of:  # `sk.field += 1` reads and writes
            augmented = True
            continue
        loaded = value[-1] if isinstance(value, tuple) and value else value
        is_load = kind.startswith(("LOAD_FAST", "LOAD_DEREF")) or kind.endswith("LOAD_FAST")
        of, augmented = (loaded if is_load and loaded in names else ""), False
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            free = names & set(constant.co_freevars)
            if free:
                yield from _in_code(constant, free)
