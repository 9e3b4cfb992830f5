"""Compiled BPF objects among a scenario's ``objects``: loaded and verified, and not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccsim import catalog
from ccsim.bpf.elf_file import ELF
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN, TCP_CONG_NON_RESTRICTED

__all__ = ["ELF", "MAX_BPF_OBJECT_BYTES", "needs_ecn", "tables_of"]

MAX_BPF_OBJECT_BYTES = 16 * 1024 * 1024


def tables_of(
    content: bytes, name: str, settings: Mapping[str, Any], profile: str, hz: int
) -> catalog.Tables:
    """Return the tables of a compiled object, which is loaded for that: what libbpf or the kernel
    refuses is refused here.

    Raises BpfObjectError with stage and errno; ValueError for a variable that cannot be set.
    """
    from ccsim.bpf.live import loaded_object, target_of

    loaded = loaded_object(content, name, settings, target_of(profile, hz))
    found = tuple(
        catalog.Table(
            table.name,
            table.cc_name,
            0,
            not table.flags & TCP_CONG_NON_RESTRICTED,
            frozenset(table.programs),
        )
        for table in loaded.tables.values()
    )
    return catalog.Tables(found, complete=True)


def needs_ecn(content: bytes, name: str) -> bool:
    """Report whether a compiled object has a table that needs ECN; it is loaded for that."""
    from ccsim.bpf.live import loaded_object

    tables = loaded_object(content, name).tables.values()
    return any(table.flags & TCP_CONG_NEEDS_ECN for table in tables)
