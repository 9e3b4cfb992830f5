"""Objects behind file descriptors: counted by open descriptors and pins, and by one another."""

from __future__ import annotations

from collections.abc import Callable
from posixpath import normpath
from typing import Any

from ccsim.kernel.errors import EBADF, EEXIST, EINVAL, ENOENT, EPERM, KernelError

__all__ = ["BPF_FS", "ArrayMap", "BpfFs", "BpfObject", "FdTable", "IdTable", "Prog", "TcpOwner"]

BPF_FS = "/sys/fs/bpf/"


class TcpOwner:
    """What a table of operations belongs to, and whose count keeps it (``struct module``; for BPF
    the map).

    ``bpf_try_module_get`` and ``bpf_module_put`` (include/linux/bpf.h) work on it. Here taking
    never fails: nothing is half gone between two operations, and what may be taken is registered or
    held. ``leaked`` counts the references that nobody will drop, where Linux leaks them.
    """

    def __init__(self) -> None:
        self.refcnt = 0
        self.leaked = 0

    def get(self) -> None:
        """Take a reference."""
        self.refcnt += 1

    def put(self) -> None:
        """Drop a reference."""
        if self.refcnt <= 0:
            raise AssertionError("reference count of a congestion control fell below zero")
        self.refcnt -= 1


class BpfObject:
    """Something with an id that lives while descriptors, pins or other objects hold it."""

    kind = "object"

    def __init__(self) -> None:
        self.id = 0
        self.users = 0  # open descriptors and pins
        self.freed = False

    def user_get(self) -> None:
        """Count one more descriptor or pin."""
        self.users += 1

    def user_put(self) -> None:
        """Count one descriptor or pin less; the last one lets the object go."""
        self.users -= 1
        self.release_if_unused()

    def held(self) -> bool:
        """Report whether anything but descriptors and pins holds the object."""
        return False

    def release_if_unused(self) -> None:
        """Free the object when nothing holds it any longer."""
        if not self.freed and self.users == 0 and not self.held():
            self.freed = True
            self.on_free()

    def on_free(self) -> None:
        """Let go of what the object itself holds."""


class IdTable:
    """Ids of the objects of one kind, oldest first, of living objects only (``map_idr`` and
    kin).
    """

    def __init__(self) -> None:
        self._objects: dict[int, BpfObject] = {}
        self._next = 1

    def add(self, obj: BpfObject) -> None:
        """Give the object the next id."""
        obj.id = self._next
        self._objects[obj.id] = obj
        self._next += 1

    def living(self) -> list[Any]:
        """Return the objects that have not been freed, by rising id."""
        dead = [i for i, obj in self._objects.items() if obj.freed]
        for i in dead:
            del self._objects[i]
        return list(self._objects.values())

    def get(self, number: int) -> Any:
        """Return the living object with this id; ENOENT without one (``bpf_map_get_fd_by_id``)."""
        obj = self._objects.get(number)
        if obj is None or obj.freed:
            raise KernelError(ENOENT, f"no object has the id {number}")
        return obj

    def after(self, number: int) -> int:
        """Return the smallest id above ``number``; ENOENT at the end (``bpf_obj_get_next_id``)."""
        for obj in self.living():
            if obj.id > number:
                return obj.id
        raise KernelError(ENOENT, f"no object has an id above {number}")


class ArrayMap(BpfObject):
    """A map of type BPF_MAP_TYPE_ARRAY: values by index, nothing to do with struct_ops."""

    kind = "map"

    def __init__(self, name: str, max_entries: int) -> None:
        super().__init__()
        self.name = name
        self.max_entries = max_entries
        self.values: dict[int, Any] = {}


class Prog(BpfObject):
    """A loaded program: one function that may serve as one member of ``struct
    tcp_congestion_ops``.
    """

    kind = "prog"

    def __init__(self, name: str, member: str, func: Callable[..., Any]) -> None:
        super().__init__()
        self.name = name
        self.member = member
        self.func = func
        self.maps = 0  # struct_ops values that contain it

    def held(self) -> bool:
        return self.maps > 0

    def hold(self) -> None:
        """Count one more struct_ops value that contains the program."""
        self.maps += 1

    def drop(self) -> None:
        """Count one such value less."""
        self.maps -= 1
        self.release_if_unused()


class FdTable:
    """Open file descriptors of the one process that there is: the lowest free number is given
    out.
    """

    FIRST = 3  # 0 to 2 are standard input, output and error: open, and no BPF object

    def __init__(self) -> None:
        self._open: dict[int, BpfObject] = {}

    def install(self, obj: BpfObject) -> int:
        """Open a descriptor for the object and return it."""
        fd = self.FIRST
        while fd in self._open:
            fd += 1
        self._open[fd] = obj
        obj.user_get()
        return fd

    def get(self, fd: int, what: str) -> BpfObject:
        """Return what is open under ``fd``; EBADF when nothing is (``fdget``)."""
        obj = self._open.get(fd)
        if obj is None and not 0 <= fd < self.FIRST:
            raise KernelError(EBADF, f"{what}: fd {fd} is not open")
        if obj is None:
            raise KernelError(EINVAL, f"{what}: fd {fd} is open, but no BPF object")
        return obj

    def close(self, fd: int) -> None:
        """Close a descriptor; EBADF when it is not open."""
        obj = self._open.pop(fd, None)
        if obj is None:
            raise KernelError(EBADF, f"close: fd {fd} is not open")
        obj.user_put()

    def items(self) -> list[tuple[int, BpfObject]]:
        """Return the open descriptors with their objects, by number."""
        return sorted(self._open.items())


class BpfFs:
    """The pins: names under ``/sys/fs/bpf/`` that keep objects alive (``kernel/bpf/inode.c``)."""

    def __init__(self) -> None:
        self._pins: dict[str, BpfObject] = {}

    @staticmethod
    def path(name: str) -> str:
        """Return the full path of a pin; a relative name lies under ``/sys/fs/bpf/``.

        Raises KernelError: EINVAL for an empty name, EPERM for a place that is not on the BPF file
        system.
        """
        if not name or "\0" in name:
            raise KernelError(EINVAL, f"pin: expected a path, got {name!r}")
        full = normpath(name if name.startswith("/") else BPF_FS + name)
        if not full.startswith(BPF_FS):
            raise KernelError(EPERM, f"pin: {full} does not lie under {BPF_FS}")
        return full

    def pin(self, name: str, obj: BpfObject) -> None:
        """Pin the object; EEXIST when the path is taken (``bpf_obj_pin_user``)."""
        path = self.path(name)
        if path in self._pins:
            raise KernelError(EEXIST, f"pin: {path} exists already")
        self._pins[path] = obj
        obj.user_get()

    def get(self, name: str) -> BpfObject:
        """Return the pinned object; ENOENT when there is none (``bpf_obj_get_user``)."""
        path = self.path(name)
        if path not in self._pins:
            raise KernelError(ENOENT, f"pin: {path} does not exist")
        return self._pins[path]

    def unlink(self, name: str) -> None:
        """Remove a pin; ENOENT when there is none."""
        obj = self.get(name)
        del self._pins[self.path(name)]
        obj.user_put()

    def items(self) -> list[tuple[str, BpfObject]]:
        """Return the pins with their objects, by path."""
        return sorted(self._pins.items())
