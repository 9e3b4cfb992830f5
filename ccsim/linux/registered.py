"""The names that a run registers with the kernel: BPF tables behind links, unique to the run.

A registered name is one for the whole machine, so each gets the run's token behind it: two runs do
not meet, and nothing of the host is replaced. Links are held by descriptors, not pinned: they go
with the process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ccsim.linux import bpf_calls

if TYPE_CHECKING:
    from ccsim.linux.kernel_object import KernelObject

__all__ = ["Registered"]

NAME_LETTERS = 15  # TCP_CA_NAME_MAX with its zero


@dataclass
class _Name:
    """A registered name: struct_ops maps by table, the link if it is registered, and which table
    it means."""

    maps: dict[str, int]
    link: int | None = None
    means: str = ""


@dataclass
class Registered:
    """What a run has registered; names of the kernel's own algorithms are what they are."""

    plan: Mapping[str, Any]
    objects: list[KernelObject] = field(default_factory=list)
    names: dict[str, _Name] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.plan["objects"]:  # nor is there anything to be registered
            return
        from ccsim.linux.kernel_object import KernelObject

        self.objects = [
            KernelObject(it["path"], it["set"], self.plan["hz"]) for it in self.plan["objects"]
        ]
        for name, tables in self.plan["registered"].items():
            maps = {table: self._make(table, self.kernel_name(name)) for table in tables}
            self.names[name] = _Name(maps)
            self.register(name, tables[0])

    def kernel_name(self, name: str) -> str:
        """Return how the kernel knows a name of the scenario."""
        if name not in self.plan["registered"]:
            return name
        token = str(self.plan["token"])
        return name[: NAME_LETTERS - len(token)] + token

    def our_name(self, kernel_name: str) -> str:
        """Return how the scenario knows a name of the kernel."""
        known = {self.kernel_name(name): name for name in self.plan["registered"]}
        return known.get(kernel_name, kernel_name)

    def meaning(self, name: str) -> str:
        """Return what serves a socket that chooses a name now."""
        return self.names[name].means if name in self.names else name

    def register(self, name: str, table: str) -> None:
        """Register a table under a name; OSError as ``BPF_LINK_CREATE``."""
        one = self.names[name]
        one.link = bpf_calls.create_link(one.maps[table])
        one.means = table

    def unregister(self, name: str) -> None:
        """Take a name away; sockets that run it keep what they have."""
        one = self.names[name]
        if one.link is not None:
            os.close(one.link)
            one.link = None

    def update(self, name: str, table: str) -> None:
        """Put another table behind a name (``BPF_LINK_UPDATE``); it waits for a grace period."""
        one = self.names[name]
        if one.link is None:
            raise OSError(2, os.strerror(2), name)
        old, one.means = one.means, table
        try:
            bpf_calls.update_link(one.link, one.maps[table])
        except OSError:
            one.means = old
            raise

    def report(self) -> dict[str, dict[str, Any]]:
        """Return the variables of each object as they are now, as a simulated run has them."""
        return {it.name.split(".")[0]: it.variables() for it in self.objects}

    def _make(self, table: str, kernel_name: str) -> int:
        home = next(it for it in self.objects if table in it.tables)
        return home.make_table(table, kernel_name)
