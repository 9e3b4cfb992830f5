"""The user's library: objects, maps and links as libbpf offers them
(``tools/lib/bpf/libbpf.c``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.kernel.bpf import BPF_F_LINK, BPF_STRUCT_OPS, BpfCmd, MapType, ProgType
from ccsim.kernel.errors import EBUSY, EINVAL, KernelError
from ccsim.kernel.loader import ObjectFileError, declared_at, load_tables
from ccsim.kernel.maps import StructOpsValue
from ccsim.kernel.verifier import MEMBERS, UNSUPPORTED

if TYPE_CHECKING:
    from ccsim.kernel.kernel import Kernel
    from ccsim.kernel.ops import TcpCongestionOps
from ccsim.kernel.profiles import BPF_F_REPLACE

__all__ = ["BpfLink", "Map", "Object", "TableError"]


class TableError(KernelError):
    """A table of an algorithm file that the kernel refused; ``place`` is its file and line."""

    def __init__(self, number: int, message: str, place: str = "") -> None:
        super().__init__(number, message)
        self.place = place

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.place, super().__str__())))


class Map:
    """A struct_ops map of an object, loaded or not (``struct bpf_map``).

    ``ops`` may be replaced before the object is loaded, as users edit ``skel->struct_ops.x`` in C.
    ``declared`` is the table as its algorithm file has it, for errors to tell the place.
    """

    def __init__(
        self, name: str, ops: TcpCongestionOps, declared: TcpCongestionOps | None = None
    ) -> None:
        self.name = name
        self.ops = ops
        self.declared = declared
        self.map_flags = BPF_F_LINK if ops.link else 0
        self.fd = -1
        self.kernel: Kernel | None = None
        self.kern_vdata: StructOpsValue | None = None

    def set_map_flags(self, flags: int) -> None:
        """Choose the flags the map is created with; EBUSY once it is
        (``bpf_map__set_map_flags``).
        """
        if self.kernel is not None:
            raise KernelError(EBUSY, f"{self.name}: the map is loaded, its flags are fixed")
        self.map_flags = flags

    def attach_struct_ops(self) -> BpfLink:
        """Write the element and, with BPF_F_LINK, create a link (``bpf_map__attach_struct_ops``).

        Without BPF_F_LINK the element registers by itself, and the link returned stands in for the
        map.
        """
        kernel = self._loaded("attach")
        if not self.map_flags & BPF_F_LINK:
            self.update_elem()
            return BpfLink(kernel, self, self.fd, real=False)
        self.prepare()
        with self.placed():
            fd = kernel.bpf(
                BpfCmd.LINK_CREATE, {"map_fd": self.fd, "attach_type": BPF_STRUCT_OPS, "flags": 0}
            )
        return BpfLink(kernel, self, fd)

    def prepare(self) -> None:
        """Write the element; that it was written before is fine where a value never changes
        (``linux``).
        """
        try:
            self.update_elem()
        except KernelError as error:
            if error.errno != EBUSY or not self._loaded("update").profile.element_busy_is_fine:
                raise

    def update_elem(self) -> None:
        """Write the programs and plain members into the map's element (``bpf_map_update_elem``)."""
        kernel = self._loaded("update element")
        with self.placed():
            kernel.bpf(
                BpfCmd.MAP_UPDATE_ELEM,
                {"map_fd": self.fd, "key": 0, "value": self.kern_vdata, "flags": 0},
            )

    def delete_elem(self) -> None:
        """Delete the element (``bpf_map_delete_elem``)."""
        self._loaded("delete element").bpf(BpfCmd.MAP_DELETE_ELEM, {"map_fd": self.fd, "key": 0})

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Let what the kernel refuses say where the map's table is declared."""
        try:
            yield
        except TableError:
            raise
        except KernelError as error:
            place = "" if self.declared is None else declared_at(self.declared)
            if not place:
                raise
            raise TableError(error.number, error.message, place) from error

    def _loaded(self, what: str) -> Kernel:
        if self.kernel is None:
            raise KernelError(EINVAL, f"{self.name}: {what}: the object is not loaded")
        return self.kernel

    def create(self, kernel: Kernel, progs: dict[str, int]) -> None:
        """Create the map in the kernel and put the programs into the value
        (``bpf_object__create_map``).
        """
        self.fd = kernel.bpf(
            BpfCmd.MAP_CREATE,
            {
                "map_type": MapType.STRUCT_OPS,
                "map_name": self.name[:15],
                "map_flags": self.map_flags,
                "max_entries": 1,
            },
        )
        self.kernel = kernel
        ops = self.ops
        self.kern_vdata = StructOpsValue(
            ops.name,
            ops.flags,
            progs,
            private=ops.private,
            params=ops.params,
            train=ops.train,
            sack_train=ops.sack_train,
            rtt_floor=ops.rtt_floor,
            export_model=ops.export_model,
            import_model=ops.import_model,
            phase=ops.phase,
            ect_1=ops.ect_1,
        )

    def close(self) -> None:
        """Close the map's descriptor; links, sockets and defaults may keep the map itself."""
        if self.kernel is not None and self.fd >= 0:
            self.kernel.close_fd(self.fd)
            self.fd = -1


class BpfLink:
    """A link (``struct bpf_link``), or with ``real`` False the stand-in for a map without
    BPF_F_LINK.

    ``dead`` tells that the handle was freed: every call then fails with EINVAL. ``fd`` stays
    readable.
    """

    def __init__(self, kernel: Kernel, map: Map | None, fd: int, *, real: bool = True) -> None:
        self.kernel = kernel
        self.map = map
        self.fd = fd
        self.real = real
        self.dead = False
        self.pin_path: str | None = None

    @classmethod
    def open(cls, kernel: Kernel, path: str) -> BpfLink:
        """Open a pinned link anew (``bpf_link__open``)."""
        link = cls(kernel, None, kernel.bpf(BpfCmd.OBJ_GET, {"pathname": path}))
        link.pin_path = path
        return link

    def update_map(self, map: Map) -> None:
        """Put another map behind the link (``bpf_link__update_map``): write its element, then
        update the link.

        In profile ``v2`` an element that was written before fails with EINVAL until it is deleted,
        and when anything fails this handle is freed, while the kernel's link stays as it was: the
        message says so. Raises KernelError EINVAL for a stand-in link or a map that is not loaded.
        """
        self._alive("update map")
        if not self.real or map.kernel is None:
            raise KernelError(
                EINVAL, f"update map: {map.name}: expected a real link and a loaded map"
            )
        try:
            map.prepare()
            with map.placed():
                self.kernel.bpf(BpfCmd.LINK_UPDATE, {"link_fd": self.fd, "new_map_fd": map.fd})
        except KernelError as error:
            if not self.kernel.profile.failed_update_frees_link:
                raise
            self.dead = True
            raise KernelError(
                error.number,
                f"{error.message}; this libbpf has freed the link handle, the kernel's link stays",
            ) from error
        self.map = map

    def replace_map(self, old: Map, new: Map) -> None:
        """Put a map behind the link only if ``old`` is behind it now (``bpf_link_update`` with
        BPF_F_REPLACE): EPERM if another is.
        """
        self._alive("replace map")
        if not self.real or new.kernel is None or old.kernel is None:
            names = f"{old.name}, {new.name}"
            raise KernelError(EINVAL, f"replace map: {names}: expected a real link and loaded maps")
        new.prepare()
        attr = {"link_fd": self.fd, "new_map_fd": new.fd, "flags": BPF_F_REPLACE}
        with new.placed():
            self.kernel.bpf(BpfCmd.LINK_UPDATE, {**attr, "old_map_fd": old.fd})
        self.map = new

    def pin(self, path: str) -> None:
        """Pin the link, which then outlives its descriptors; EBUSY if it is pinned already
        (``bpf_link__pin``).
        """
        self._alive("pin")
        if self.pin_path is not None:
            raise KernelError(EBUSY, f"pin: the link is pinned at {self.pin_path} already")
        self.kernel.bpf(BpfCmd.OBJ_PIN, {"bpf_fd": self.fd, "pathname": path})
        self.pin_path = path

    def unpin(self) -> None:
        """Remove the pin; EINVAL if there is none (``bpf_link__unpin``)."""
        self._alive("unpin")
        if self.pin_path is None:
            raise KernelError(EINVAL, "unpin: the link is not pinned")
        self.kernel.unlink(self.pin_path)
        self.pin_path = None

    def detach(self) -> None:
        """Detach in the kernel, for good; the handle stays (``bpf_link__detach``)."""
        self._alive("detach")
        self.kernel.bpf(BpfCmd.LINK_DETACH, {"link_fd": self.fd})

    def destroy(self) -> None:
        """Detach as the library does, and free the handle (``bpf_link__destroy``).

        A stand-in deletes the map's element; a real link closes its descriptor, which detaches
        unless the link is pinned or open elsewhere. In profile ``v2`` both delete the element
        first: on a real link that fails with EBUSY, the handle is freed all the same, and the name
        stays registered until ``fd`` is closed.
        """
        self._alive("destroy")
        self.dead = True
        if self.map is not None and (not self.real or self.kernel.profile.detach_deletes_element):
            self.map.delete_elem()
        if self.real:
            self.kernel.close_fd(self.fd)

    def _alive(self, what: str) -> None:
        if self.dead:
            raise KernelError(EINVAL, f"{what}: this link handle was freed")


class Object:
    """An algorithm file opened as a BPF object (``struct bpf_object``)."""

    def __init__(self, name: str, maps: dict[str, Map]) -> None:
        self.name = name
        self.maps = maps
        self._fds: list[int] = []

    @classmethod
    def open(
        cls,
        source: str | Path | Mapping[str, TcpCongestionOps],
        names: Mapping[str, str] | None = None,
        *,
        strip_get_info: bool = False,
    ) -> Object:
        """Open an algorithm file (or tables) as an object: each module-level table is one
        struct_ops map.

        Opening executes the file's code: open only files you trust. ``names`` gives maps another
        congestion-control name; ``strip_get_info`` leaves out the member that only modules may
        have, so that a file written for both can be loaded.
        Raises ObjectFileError for the file, and for a name of no map.
        """
        tables = source if isinstance(source, Mapping) else load_tables(source)
        name = "tables" if isinstance(source, Mapping) else str(source)
        names = names or {}
        unknown = sorted(set(names) - set(tables))
        if unknown:
            maps = ", ".join(tables)
            raise ObjectFileError(f"{name}: names: expected a map of {maps}, got {unknown[0]!r}")
        stripped: dict[str, Any] = dict.fromkeys(UNSUPPORTED) if strip_get_info else {}
        opened = {}
        for variable, ops in tables.items():
            changes: dict[str, Any] = {**stripped, "name": names.get(variable, ops.name)}
            opened[variable] = Map(variable, replace(ops, **changes), ops)
        return cls(name, opened)

    def load(self, kernel: Kernel) -> None:
        """Load programs and create maps (``bpf_object__load``); if one fails, nothing stays loaded.

        Raises KernelError: EINVAL if the object is loaded already; ENOTSUPP for ``get_info``;
        EINVAL for a function that cannot serve its member. What the table lacks shows when its
        element is written.
        """
        if self._fds:
            raise KernelError(EINVAL, f"{self.name}: the object is loaded already")
        try:
            for map in self.maps.values():
                with map.placed():
                    map.create(kernel, self._load_progs(kernel, map))
                self._fds.append(map.fd)
        except KernelError:
            self.close()
            raise

    def _load_progs(self, kernel: Kernel, map: Map) -> dict[str, int]:
        """Load the functions of one map's table; return their descriptors by member."""
        progs: dict[str, int] = {}
        for member in MEMBERS:
            func = getattr(map.ops, member)
            if func is None:
                continue
            progs[member] = kernel.bpf(
                BpfCmd.PROG_LOAD,
                {
                    "prog_type": ProgType.STRUCT_OPS,
                    "prog_name": getattr(func, "__name__", member)[:15],
                    "attach_member": member,
                    "insns": func,
                },
            )
            self._fds.append(progs[member])
            self._kernel = kernel
        return progs

    def close(self) -> None:
        """Close the object's descriptors (``bpf_object__close``); links and sockets keep what they
        use.
        """
        for map in self.maps.values():
            if map.fd in self._fds:
                self._fds.remove(map.fd)
            map.close()
        for fd in self._fds:
            self._kernel.close_fd(fd)
        self._fds = []
