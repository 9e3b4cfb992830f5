"""Which files are compiled objects, and what they are called."""

from __future__ import annotations

from pathlib import Path

from ccsim.files import read_bounded

__all__ = ["ELF", "is_object", "object_name"]

ELF = b"\x7fELF"


def is_object(path: str | Path) -> bool:
    """Report whether a file is a compiled object: it begins as ELF files do."""
    try:
        return read_bounded(path, len(ELF) - 1) == ELF
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False


def object_name(path: str | Path) -> str:
    """Return the name of an object, its file's without the endings: ``my_cc`` of
    ``my_cc.bpf.o``."""
    return Path(path).name.removesuffix(".o").removesuffix(".bpf")
