"""The code that a run depends on, by its content: ccsim's own modules and the algorithms it
uses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import ccsim
from ccsim.catalog import algorithms_dir

__all__ = ["code_sha256", "files_sha256"]

_APART = ("__pycache__", "algorithms", "scenarios")
"""Folders of the package that are no code of its own: a wheel ships the last two inside it."""
_ALWAYS = "reno"
"""The kernel's own, whatever the scenario names."""


def code_sha256(identity: Mapping[str, Any], package: Path | None = None) -> str:
    """Return the SHA-256 of the package's modules and of the shipped algorithms that a scenario can
    reach.

    Those are the algorithms that it names anywhere, and all of them if it has object files of its
    own: their code may choose any name (``bpf_setsockopt``). Equal files give equal hashes,
    wherever the package is installed; within a process its modules are read once.
    """
    folder = algorithms_dir()
    named = {_ALWAYS, *_words(identity)}
    shipped = sorted(folder.glob("*.py"))
    used = [path for path in shipped if identity.get("objects") or path.stem in named]
    facts = ((path, path.stat()) for path in used)
    stamped = tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in facts)
    parts = (
        _package_sha256(package or Path(ccsim.__file__).parent),
        _algorithms_sha256(folder, stamped),
    )
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def files_sha256(folder: Path, files: Iterable[Path]) -> str:
    """Return the SHA-256 of files: their names relative to a folder, their lengths, their bytes."""
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in files):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


@lru_cache(maxsize=256)  # a study asks thousands of times
def _algorithms_sha256(folder: Path, stamped: tuple[tuple[Path, int, int], ...]) -> str:
    return files_sha256(folder, [path for path, *_ in stamped])


@cache
def _package_sha256(package: Path) -> str:
    return files_sha256(package, _modules(package))


def _modules(package: Path) -> Iterator[Path]:
    """Yield the package's own Python files."""
    for folder, below, names in os.walk(package):
        below[:] = [name for name in below if name not in _APART]
        yield from (Path(folder, name) for name in names if name.endswith(".py"))


def _words(value: object) -> Iterator[str]:
    """Yield every text in a value of JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from value
        for item in value.values():
            yield from _words(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _words(item)
