"""Planted bugs: a piece of ccsim's source is replaced, and the tests must notice.

A bug counts as found only by an assertion: results that differ, an invariant that breaks, a test
that fails. One that makes the code stumble over an index or a type was found by accident, and says
nothing about what the tests compare.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

import pytest

__all__ = ["found_by_assertion", "is_difference", "plant", "planted_module"]

INVARIANTS = ("AssertionError", "InvariantError")


def plant(monkeypatch: pytest.MonkeyPatch, function: Any, old: str, new: str) -> None:
    """Replace a piece of a function's source, wherever the function is known in ccsim.

    A planted bug must be planted: the piece must occur exactly once. A function that machine code
    does not show is given by its place, ``module:name``.
    """
    function = inspect.unwrap(resolve_name(function) if isinstance(function, str) else function)
    where = f"<planted in {function.__qualname__}>"
    source = replaced(textwrap.dedent(inspect.getsource(function)), old, new, where)
    namespace: dict[str, Any] = {}
    exec(compile(source, where, "exec"), function.__globals__, namespace)
    planted = namespace[function.__name__]
    for owner in _owners(function):
        monkeypatch.setattr(owner, function.__name__, planted)


@contextmanager
def planted_module(name: str, old: str, new: str) -> Iterator[ModuleType]:
    """Yield a copy of a module of ccsim with a piece of its source replaced; the module itself
    stays as it is."""
    original = import_module(name)
    where = f"<planted in {name}>"
    source = Path(str(original.__file__)).with_suffix(".py").read_text("utf-8")
    module = ModuleType(f"{name}_planted")
    sys.modules[module.__name__] = module
    try:
        exec(compile(replaced(source, old, new, where), where, "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules[module.__name__]


def replaced(source: str, old: str, new: str, where: str) -> str:
    """Return a source with its one ``old`` replaced; AssertionError if there is not one."""
    assert source.count(old) == 1, f"{where}: expected {old!r} once, got {source.count(old)}"
    return source.replace(old, new)


@contextmanager
def found_by_assertion() -> Iterator[None]:
    """Require that what is inside fails by an assertion; other exceptions go through."""
    try:
        yield
    except BaseException as error:
        if not _asserts(error):
            raise
    else:
        pytest.fail("the planted bug was not found")


def is_difference(told: str) -> bool:
    """Report whether `ccsim.verify.fuzz.equality.check` told of results that differ or of a broken
    invariant, not of nothing or of another exception."""
    from ccsim.verify.fuzz.equality import kind_of

    kind = kind_of(told)
    return bool(kind) and (kind in INVARIANTS or not kind.endswith(("Error", "Exception")))


def _asserts(error: BaseException) -> bool:
    """Report whether an error is an assertion's, or a group of which one is."""
    if isinstance(error, BaseExceptionGroup):
        return any(_asserts(one) for one in error.exceptions)
    return isinstance(error, AssertionError)


def _owners(function: Any) -> list[Any]:
    """Return the class or the modules that hold a function under its name."""
    if "." in function.__qualname__:
        module = sys.modules[function.__module__]
        return [getattr(module, function.__qualname__.split(".")[0])]
    name = function.__name__
    modules = [m for key, m in list(sys.modules.items()) if key.startswith("ccsim.")]
    held = [(module, vars(module).get(name)) for module in modules]
    return [module for module, one in held if callable(one) and inspect.unwrap(one) is function]
