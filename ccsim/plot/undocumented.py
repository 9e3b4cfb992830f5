"""matplotlib for a process that does nothing but draw: without its documentation."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

__all__ = ["import_undocumented"]

_MODULES = (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "ccsim.plot.render",
    "ccsim.plot.chosen",
    "ccsim.plot.draw",
)
_SOLID = "mpl_toolkits.mplot3d"
"""Axes in three dimensions, which matplotlib does without where it cannot import them."""


def import_undocumented() -> None:
    """Import what draws a run as PNG, in two thirds of the time that it takes in full.

    For a process of its own, in which nobody asks matplotlib what properties its objects have: the
    lists of them, in docstrings and signatures, are left empty. What is drawn is the same.
    """
    with _undocumented(), _without_solids():
        for module in _MODULES:
            import_module(module)


@contextmanager
def _undocumented() -> Iterator[None]:
    """Let matplotlib describe no properties, for whose lists it inspects every class."""
    artist: Any = import_module("matplotlib.artist")
    inspector = artist.ArtistInspector
    before = artist.kwdoc, inspector.get_setters
    artist.kwdoc, inspector.get_setters = lambda artist: "", lambda self: []
    try:
        yield
    finally:
        artist.kwdoc, inspector.get_setters = before


@contextmanager
def _without_solids() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unable to import Axes3D")
        unknown = _SOLID not in sys.modules
        if unknown:
            sys.modules[_SOLID] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            if unknown:
                del sys.modules[_SOLID]
