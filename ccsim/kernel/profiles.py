"""Where the two kernels differ: ``linux`` as merged in 6.4, and ``v2`` of the series it came from.

Everything else is common; a profile is one object of a few rules on the state of a struct_ops map's
value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from ccsim.kernel.errors import (
    EBUSY,
    EINPROGRESS,
    EINVAL,
    ENOENT,
    ENOLINK,
    EOPNOTSUPP,
    EPERM,
    KernelError,
)
from ccsim.kernel.maps import StructOpsMap

if TYPE_CHECKING:
    from ccsim.kernel.links import StructOpsLink
    from ccsim.kernel.objects import BpfObject

__all__ = [
    "BPF_F_REPLACE",
    "PROFILES",
    "V2_TRANSITIONS",
    "LinkUpdate",
    "LinuxProfile",
    "LinuxState",
    "Profile",
    "V2Profile",
    "V2State",
]

BPF_F_REPLACE = 4


class LinuxState(IntEnum):
    """``enum bpf_struct_ops_state``."""

    INIT = 0
    INUSE = 1
    TOBEFREE = 2
    READY = 3


class V2State(IntEnum):
    """The states of the posted series, in its order: from INUSE on an element is busy."""

    INIT = 0
    UNREG = 1
    INUSE = 2
    TOBEFREE = 3
    TOBEUNREG = 4


V2_TRANSITIONS = frozenset(
    {
        (V2State.INIT, V2State.INUSE),
        (V2State.INIT, V2State.UNREG),
        (V2State.UNREG, V2State.INUSE),
        (V2State.UNREG, V2State.TOBEFREE),
        (V2State.INUSE, V2State.TOBEFREE),
        (V2State.INUSE, V2State.TOBEUNREG),
        (V2State.TOBEFREE, V2State.INIT),
        (V2State.TOBEUNREG, V2State.UNREG),
    }
)


@dataclass(frozen=True)
class LinkUpdate:
    """The arguments of BPF_LINK_UPDATE, looked up when a profile asks for them, in its own order of
    checks.
    """

    flags: int
    link: Callable[[], StructOpsLink]
    new_map: Callable[[], BpfObject]
    old_map: Callable[[], BpfObject]
    old_map_fd: int


class Profile(Protocol):
    """The rules that differ. A rule that raises KernelError has changed nothing."""

    name: str
    init_state: IntEnum
    validates_prepared: bool
    """Whether writing a map with BPF_F_LINK already checks for the required operations."""
    link_create_fd_errno: int | None
    """What BPF_LINK_CREATE says of a bad map descriptor; None: what the look-up says."""
    has_grace_period: bool
    """Whether what follows the last reference waits for a grace period."""
    element_busy_is_fine: bool
    """Whether libbpf takes EBUSY from writing an element for "written before", and goes on."""
    failed_update_frees_link: bool
    """Whether libbpf frees the caller's link when ``bpf_link__update_map`` fails."""
    detach_deletes_element: bool
    """Whether libbpf deletes the map's element when it detaches a real link, too."""

    def check_update(self, map: StructOpsMap) -> None:
        """May the element be written now?"""

    def prepared(self, map: StructOpsMap) -> None:
        """The element of a map with BPF_F_LINK was written."""

    def registered(self, map: StructOpsMap) -> None:
        """The element of a map without BPF_F_LINK was written and registered."""

    def begin_delete(self, map: StructOpsMap) -> bool:
        """Delete the element; return whether it must be unregistered."""

    def begin_link(self, map: StructOpsMap) -> None:
        """A link is about to register the map: take its reference."""

    def abort_link(self, map: StructOpsMap) -> None:
        """Registering failed."""

    def check_link_update(
        self, args: LinkUpdate
    ) -> tuple[StructOpsLink, StructOpsMap, StructOpsMap]:
        """Return the link, its map and the new map, if the update may be tried."""

    def unlinked(self, map: StructOpsMap) -> None:
        """A link has let go of the map, whose reference is about to be dropped."""

    def grace_over(self, map: StructOpsMap) -> None:
        """The last reference was dropped, and the grace period (if there is one) is over."""


class LinuxProfile:
    """What was merged in Linux 6.4 and runs today (``kernel/bpf/bpf_struct_ops.c``)."""

    name = "linux"
    init_state: IntEnum = LinuxState.INIT
    validates_prepared = True
    link_create_fd_errno: int | None = None
    has_grace_period = False
    element_busy_is_fine = True
    failed_update_frees_link = False
    detach_deletes_element = False

    def check_update(self, map: StructOpsMap) -> None:
        """A value is written once (``bpf_struct_ops_map_update_elem``)."""
        if map.state is not LinuxState.INIT:
            raise KernelError(
                EBUSY, f"{map.name}: the element was written before, it is {map.state.name}"
            )

    def prepared(self, map: StructOpsMap) -> None:
        """The map may now be linked, and stays so for ever."""
        map.state = LinuxState.READY

    def registered(self, map: StructOpsMap) -> None:
        """The registration holds a reference."""
        map.state = LinuxState.INUSE
        map.get()

    def begin_delete(self, map: StructOpsMap) -> bool:
        """Only registered maps without BPF_F_LINK have an element to delete
        (``bpf_struct_ops_map_delete_elem``).
        """
        if map.link:
            raise KernelError(EOPNOTSUPP, f"{map.name}: the element of a map with BPF_F_LINK stays")
        _check_deletable(map, LinuxState.INIT, LinuxState.TOBEFREE)
        map.state = LinuxState.TOBEFREE
        return True

    def begin_link(self, map: StructOpsMap) -> None:
        """Only a READY map can be linked (``bpf_struct_ops_valid_to_reg``)."""
        _check_ready(map, "link create")
        map.get()

    def abort_link(self, map: StructOpsMap) -> None:
        """The map stays READY."""
        map.refcnt -= 1

    def check_link_update(
        self, args: LinkUpdate
    ) -> tuple[StructOpsLink, StructOpsMap, StructOpsMap]:
        """Check in the order of ``link_update`` and ``bpf_struct_ops_map_link_update``."""
        if args.flags & ~BPF_F_REPLACE:
            raise KernelError(
                EINVAL, f"link update: expected flags 0 or BPF_F_REPLACE, got {args.flags:#x}"
            )
        link = args.link()
        new = args.new_map()
        expected = args.old_map() if args.flags & BPF_F_REPLACE else None
        if expected is None and args.old_map_fd:
            raise KernelError(EINVAL, "link update: an old map was given without BPF_F_REPLACE")
        new = _check_ready(new, "link update")
        old = link.map
        if old is None:
            raise KernelError(ENOLINK, "link update: the link is detached, for good")
        if expected is not None and expected is not old:
            raise KernelError(EPERM, f"link update: BPF_F_REPLACE: the link's map is {old.name}")
        if new.st_ops != old.st_ops:
            raise KernelError(EINVAL, f"link update: expected a {old.st_ops}, got a {new.st_ops}")
        if new is old:
            raise KernelError(
                EINVAL,
                f"link update: {new.name} is the link's map already; Linux would corrupt its list "
                "of congestion controls here, so the emulator refuses",
            )
        return link, old, new

    def unlinked(self, map: StructOpsMap) -> None:
        """The map stays READY."""

    def grace_over(self, map: StructOpsMap) -> None:
        """Nothing but the map's life depends on the count."""


class V2Profile:
    """The second version of "Transit between BPF TCP congestion controls" (February 2023)."""

    name = "v2"
    init_state: IntEnum = V2State.INIT
    validates_prepared = False
    link_create_fd_errno: int | None = EINVAL
    has_grace_period = True
    element_busy_is_fine = False
    failed_update_frees_link = True
    detach_deletes_element = True

    def transit(self, map: StructOpsMap, source: V2State, target: V2State) -> V2State:
        """Make one transition if the state is ``source``; return the state that was found.

        Registering (INUSE) sets the reference count to one; UNREG to TOBEFREE goes straight on to
        INIT. Raises KernelError EINVAL for a pair that the state machine does not have.
        """
        if (source, target) not in V2_TRANSITIONS:
            raise KernelError(
                EINVAL, f"{map.name}: no transition from {source.name} to {target.name}"
            )
        found = V2State(map.state)
        if found is not source:
            return found
        map.state = target
        if target is V2State.INUSE:
            map.refcnt = 1
        if (source, target) == (V2State.UNREG, V2State.TOBEFREE):
            self.transit(map, V2State.TOBEFREE, V2State.INIT)
        if map.state is V2State.INIT:
            map.clear()
        return found

    def transit_checked(self, map: StructOpsMap, source: V2State, target: V2State) -> None:
        """As `transit`, but EINVAL when the state was another."""
        found = self.transit(map, source, target)
        if found is not source:
            raise KernelError(
                EINVAL, f"{map.name}: expected the state {source.name}, got {found.name}"
            )

    def check_update(self, map: StructOpsMap) -> None:
        """EBUSY from INUSE on and while sockets run it; EINVAL when the element is prepared
        already.
        """
        if map.state >= V2State.INUSE or map.refcnt:
            raise KernelError(
                EBUSY, f"{map.name}: the element is {map.state.name} with {map.refcnt} references"
            )
        if map.state is not V2State.INIT:
            raise KernelError(EINVAL, f"{map.name}: expected the state INIT, got {map.state.name}")

    def prepared(self, map: StructOpsMap) -> None:
        """INIT to UNREG."""
        self.transit_checked(map, V2State.INIT, V2State.UNREG)

    def registered(self, map: StructOpsMap) -> None:
        """INIT to INUSE, with the registration's reference."""
        self.transit_checked(map, V2State.INIT, V2State.INUSE)

    def begin_delete(self, map: StructOpsMap) -> bool:
        """Unregister without BPF_F_LINK; with it go back to INIT, from where the element can be
        written again.
        """
        if not map.link:
            _check_deletable(map, V2State.INIT, V2State.TOBEFREE)
            self.transit_checked(map, V2State.INUSE, V2State.TOBEFREE)
            return True
        if map.state in (V2State.INUSE, V2State.TOBEUNREG):
            raise KernelError(EBUSY, f"{map.name}: the element is {map.state.name}")
        _check_deletable(map, V2State.INIT, V2State.TOBEFREE)
        self.transit_checked(map, V2State.UNREG, V2State.TOBEFREE)
        return False

    def begin_link(self, map: StructOpsMap) -> None:
        """UNREG to INUSE, with the registration's reference."""
        if not map.link:
            raise KernelError(EINVAL, f"{map.name}: a link needs a map with BPF_F_LINK")
        self.transit_checked(map, V2State.UNREG, V2State.INUSE)

    def abort_link(self, map: StructOpsMap) -> None:
        """Back to UNREG with no references: nobody can have seen it in use."""
        map.state = V2State.UNREG
        map.refcnt = 0

    def check_link_update(
        self, args: LinkUpdate
    ) -> tuple[StructOpsLink, StructOpsMap, StructOpsMap]:
        """All refusals but that of a bad link descriptor are EINVAL."""
        if args.flags:
            raise KernelError(
                EINVAL, f"link update: always replaces: expected flags 0, got {args.flags:#x}"
            )
        link = args.link()
        old = link.map
        if old is None:
            raise KernelError(EINVAL, "link update: the link is detached")
        try:
            new = args.new_map()
        except KernelError as error:
            raise KernelError(EINVAL, error.message) from error
        new = _check_linkable(new, "link update")
        if new.st_ops != old.st_ops:
            raise KernelError(EINVAL, f"link update: expected a {old.st_ops}, got a {new.st_ops}")
        if new.state is not V2State.UNREG:
            raise KernelError(
                EINVAL, f"link update: {new.name}: expected the state UNREG, got {new.state.name}"
            )
        return link, old, new

    def unlinked(self, map: StructOpsMap) -> None:
        """INUSE to TOBEUNREG, until the last socket has left."""
        self.transit(map, V2State.INUSE, V2State.TOBEUNREG)

    def grace_over(self, map: StructOpsMap) -> None:
        """TOBEFREE to INIT, TOBEUNREG to UNREG: the map can be used again."""
        self.transit(map, V2State.TOBEFREE, V2State.INIT)
        self.transit(map, V2State.TOBEUNREG, V2State.UNREG)


def _check_deletable(map: StructOpsMap, init: IntEnum, tobefree: IntEnum) -> None:
    """ENOENT for an element that was never written, EINPROGRESS for one that is being deleted."""
    if map.state is init:
        raise KernelError(ENOENT, f"{map.name}: there is no element")
    if map.state is tobefree:
        raise KernelError(EINPROGRESS, f"{map.name}: the element is being deleted")


def _check_linkable(obj: BpfObject, what: str) -> StructOpsMap:
    """EINVAL unless this is a struct_ops map with BPF_F_LINK."""
    if not isinstance(obj, StructOpsMap) or not obj.link:
        raise KernelError(EINVAL, f"{what}: expected a struct_ops map with BPF_F_LINK")
    return obj


def _check_ready(obj: BpfObject, what: str) -> StructOpsMap:
    """EINVAL unless this is a struct_ops map with BPF_F_LINK whose element was written."""
    map = _check_linkable(obj, what)
    if map.state is not LinuxState.READY:
        raise KernelError(
            EINVAL, f"{what}: {map.name}: expected the state READY, got {map.state.name}"
        )
    return map


class Linux69Profile(LinuxProfile):
    """The same kernel to whom it is the mechanism that matters; BPF objects find the types of
    Linux 6.9, where ``cong_control`` has two arguments."""

    name = "linux-6.9"


PROFILES: dict[str, type[LinuxProfile] | type[V2Profile]] = {
    "linux": LinuxProfile,
    "linux-6.9": Linux69Profile,
    "v2": V2Profile,
}
