"""An object in one kernel: its tables as congestion controls, its variables and maps to be looked
at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ccsim.bpf.elf_file import object_name
from ccsim.bpf.kernel_btf import Target
from ccsim.bpf.memory import U32, BpfFault
from ccsim.bpf.object import LoadedObject, open_object
from ccsim.bpf.runtime import Runtime
from ccsim.kernel.answers import RESULTS
from ccsim.kernel.ops import RateSample, TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = [
    "TARGETS",
    "LiveObject",
    "load_object",
    "loaded_object",
    "target_of",
]

Settings = tuple[tuple[str, Any], ...]
U32_RESULTS = ("ssthresh", "undo_cwnd", "min_tso_segs", "sndbuf_expand")
"""Members that return a ``u32``: the upper half of r0 is nobody's."""
TARGETS: dict[str, tuple[int, int, int]] = {
    "linux": (6, 18, 44),
    "linux-6.9": (6, 9, 0),
    "v2": (6, 2, 0),
}
"""The version of Linux that each profile of the kernel stands for, for objects."""


def target_of(profile: str = "linux", hz: int = 250) -> Target:
    """Return the kernel that a profile stands for, as objects see it."""
    return Target(TARGETS[profile], hz)


def loaded_object(
    content: bytes,
    name: str,
    settings: Mapping[str, Any] | None = None,
    target: Target | None = None,
) -> LoadedObject:
    """Open an object, set its variables, load and verify it; the same one again is not read again.

    ``settings`` are values of ``.rodata``, ``.data`` and ``.bss`` before loading, by variable.
    Raises BpfObjectError with stage, errno and the kernel's sentence; ValueError for a variable
    that cannot be set so.
    """
    plain = tuple((key, _frozen(value)) for key, value in (settings or {}).items())
    return _loaded(content, name, plain, target or Target())


@lru_cache(maxsize=32)
def _loaded(content: bytes, name: str, settings: Settings, target: Target) -> LoadedObject:
    opened = open_object(content, name)
    for variable, value in settings:
        opened.set(variable, _thawed(value))
    return opened.load(target)


def _frozen(value: Any) -> Any:
    """Return a value of YAML as one that can be a key."""
    if isinstance(value, Mapping):
        return ("{}", tuple((key, _frozen(item)) for key, item in value.items()))
    return ("[]", tuple(map(_frozen, value))) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    """Return what `_frozen` was given."""
    if not isinstance(value, tuple):
        return value
    kind, items = value
    if kind == "[]":
        return [_thawed(item) for item in items]
    return {key: _thawed(item) for key, item in items}


class LiveObject:
    """A loaded object at work: ``tables`` are its congestion controls by the names of their maps.

    ``bss``, ``data`` and ``rodata`` are its variables now, ``maps`` the contents of its maps,
    ``trace`` what it has printed.
    """

    def __init__(self, loaded: LoadedObject, form: str | None = None) -> None:
        self.name = object_name(loaded.name)
        self.loaded = loaded
        self.runtime = Runtime(loaded, form=form)
        self.tables: dict[str, TcpCongestionOps] = {
            name: self._table(name) for name in loaded.tables
        }

    def _table(self, name: str) -> TcpCongestionOps:
        table = self.loaded.tables[name]
        hooks: dict[str, Any] = {
            member: self._hook(program, member) for member, program in table.programs.items()
        }
        return TcpCongestionOps(
            name=table.cc_name,
            flags=table.flags,
            link=table.link,
            private=self.runtime.area,
            **hooks,
        )

    def _hook(self, program: str, member: str) -> Callable[..., Any]:
        """Return a program as the kernel calls it."""
        old = member == "cong_control" and self.loaded.target.cong_control_arguments == 2
        run = self.runtime.function(program, "cong_control_2" if old else member)
        hook = run
        if member in U32_RESULTS:
            low, high = RESULTS.get(member, (0, U32))

            def hook(sk: Sock) -> int:
                result = run(sk) & U32
                if not low <= result <= high:
                    wanted = f"expected a number from {low} to {high}"
                    raise BpfFault(f"program {program}: {member}: {wanted}, got {result}")
                return result

        if old:

            def hook(sk: Sock, ack: int, flag: int, rs: RateSample) -> int:
                return run(sk, rs)

        hook.__name__ = hook.__qualname__ = program
        return hook

    def section(self, name: str) -> dict[str, Any]:
        """Return the variables of a section; empty if the object has none of that name."""
        if all(spec.name != name for spec in self.loaded.maps):
            return {}
        return self.loaded.variables(name, bytes(self.runtime.map_named(name).memory.data))

    @property
    def bss(self) -> dict[str, Any]:
        """Variables that begin as 0."""
        return self.section(".bss")

    @property
    def data(self) -> dict[str, Any]:
        """Variables that begin as something else."""
        return self.section(".data")

    @property
    def rodata(self) -> dict[str, Any]:
        """Constants."""
        return self.section(".rodata")

    @property
    def trace(self) -> list[str]:
        """Lines of ``bpf_printk``."""
        return self.runtime.trace

    @property
    def maps(self) -> dict[str, list[list[str]]]:
        """Keys and values of the maps that it declares, in hexadecimal, by their names."""
        return {
            found.name: [[key.hex(), value.hex()] for key, value in found.items()]
            for found, spec in zip(self.runtime.maps, self.loaded.maps, strict=True)
            if spec.data is None
        }

    def values(self) -> dict[str, Any]:
        """Return all that can be read, as plain values for a record of the run."""
        found = {"bss": self.bss, "data": self.data, "maps": self.maps, "trace": self.trace}
        return {key: value for key, value in found.items() if value}


def load_object(
    path: str | Path,
    settings: Mapping[str, Any] | None = None,
    target: Target | None = None,
    form: str | None = None,
) -> LiveObject:
    """Load an object file: its congestion controls are `LiveObject.tables`.

    Raises OSError if it cannot be read; BpfObjectError and ValueError as `loaded_object`.
    """
    path = Path(path)
    return LiveObject(loaded_object(path.read_bytes(), path.name, settings, target), form)
