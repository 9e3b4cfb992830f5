"""What a package knows and does not change."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pkgutil import walk_packages

__all__ = ["changeable"]


def changeable(package: str) -> set[str]:
    """Return the names of a package's dataclasses whose objects' fields can be set anew."""
    root = import_module(package)
    modules = [import_module(one.name) for one in walk_packages(root.__path__, f"{package}.")]
    return {
        name
        for module in modules
        for name, found in vars(module).items()
        if dataclasses.is_dataclass(found)
        and isinstance(found, type)
        and found.__module__ == module.__name__
        and not found.__dataclass_params__.frozen  # type: ignore[attr-defined]
    }
