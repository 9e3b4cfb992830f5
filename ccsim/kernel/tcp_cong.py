"""The list of registered congestion controls and how sockets choose from it
(``net/ipv4/tcp_cong.c``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ccsim.kernel.errors import EEXIST, EINVAL, ENOENT, EPERM, KernelError
from ccsim.kernel.kfuncs import (
    tcp_reno_cong_avoid,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
)
from ccsim.kernel.objects import TcpOwner
from ccsim.kernel.ops import (
    TCP_CA_NAME_MAX,
    TCP_CONG_NEEDS_ECN,
    TCP_CONG_NON_RESTRICTED,
    TcpCongestionOps,
)
from ccsim.kernel.sock import TCP_CLOSE

if TYPE_CHECKING:
    from ccsim.kernel.kernel import Kernel
    from ccsim.kernel.sock import Sock

__all__ = [
    "TCP_LISTEN",
    "TCP_RENO",
    "Implementation",
    "NetNamespace",
    "SockData",
    "TcpCong",
    "missing_operations",
    "tcp_validate_congestion_control",
]

TCP_LISTEN = 10
REQUIRED = ("ssthresh", "undo_cwnd", "cong_avoid", "cong_control")  # of the last two, either
TCP_RENO = TcpCongestionOps(
    name="reno",
    flags=TCP_CONG_NON_RESTRICTED,
    ssthresh=tcp_reno_ssthresh,
    cong_avoid=tcp_reno_cong_avoid,
    undo_cwnd=tcp_reno_undo_cwnd,
)
"""What every kernel has (``tcp_reno`` in ``net/ipv4/tcp_cong.c``)."""


def tcp_validate_congestion_control(ops: TcpCongestionOps) -> None:
    """Check that the operations are there which every congestion control must have.

    Raises KernelError EINVAL naming what is missing.
    """
    missing = missing_operations(op for op in REQUIRED if getattr(ops, op) is not None)
    if missing:
        raise KernelError(EINVAL, f"{ops.name}: {missing}")


def missing_operations(there: Iterable[str]) -> str:
    """Say which required operations a table lacks that has those ``there``; empty if none."""
    there = set(there)
    either = REQUIRED[2:]
    missing = [op for op in REQUIRED[:2] if op not in there]
    if not there.intersection(either):
        missing.append(" or ".join(either))
    if not missing:
        return ""
    return f"required operation missing: {', '.join(missing)} is not implemented"


class Implementation:
    """One table of operations in the kernel's memory, with the owner whose reference count keeps
    it.

    ``flags`` starts as the table's and gains TCP_CONG_NON_RESTRICTED when it becomes a default;
    ``map_name`` is the struct_ops map it came from, for a module the table's own name.
    """

    __slots__ = ("flags", "map_name", "name", "ops", "owner")

    def __init__(self, ops: TcpCongestionOps, owner: TcpOwner, map_name: str = "") -> None:
        self.ops = ops
        self.name = ops.name
        self.flags = ops.flags
        self.owner = owner
        self.map_name = map_name or ops.name

    def __repr__(self) -> str:
        return f"<{self.name} from {self.map_name}, {self.owner.refcnt} references>"


class NetNamespace:
    """A network namespace with the implementation that new sockets start with (``struct
    netns_ipv4``).

    It holds an implementation, not a name: what is registered under that name afterwards does not
    matter.
    """

    def __init__(self, name: str, implementation: Implementation, *, is_init: bool = False) -> None:
        self.name = name
        self.is_init = is_init
        self.tcp_congestion_control = implementation
        self.sockets = 0


class SockData:
    """What the kernel keeps about one socket beside its fields: found at ``sk.kernel_data``.

    ``ecn_xmit`` says whether all packets are marked ECN-capable (``INET_ECN_xmit``)
    and ``ect_1`` whether ECT(1) is what they bear;
    ``chg_cc_inprogress`` and ``releasing`` guard against hooks that change the algorithm again
    (``bpf_chg_cc_inprogress``). ``on_close`` is told when the socket is gone: what a map stores
    for it goes, too; ``on_moved`` when a hook has chosen another implementation. ``number`` counts
    the sockets that the kernel has opened.
    """

    __slots__ = (
        "chg_cc_inprogress",
        "ecn_xmit",
        "ect_1",
        "implementation",
        "kernel",
        "netns",
        "number",
        "on_close",
        "on_moved",
        "releasing",
    )

    def __init__(self, kernel: Kernel, netns: NetNamespace, implementation: Implementation) -> None:
        self.kernel = kernel
        self.netns = netns
        self.implementation = implementation
        self.ecn_xmit = False
        self.ect_1 = False
        self.chg_cc_inprogress = False
        self.releasing = False
        self.number = 0  # of the sockets that the kernel has opened
        self.on_close: list[Callable[[Sock], object]] = []
        self.on_moved: Callable[[], object] | None = None


class TcpCong:
    """``tcp_cong_list``: what is registered, in the order of registration, and the rules of
    choosing.
    """

    def __init__(
        self,
        request_module: Callable[[str], TcpCongestionOps | None] | None,
        guard: Callable[[TcpCongestionOps], TcpCongestionOps] | None = None,
    ) -> None:
        self._list: list[Implementation] = []
        self._request_module = request_module
        self._guard = guard

    def names(self) -> list[str]:
        """Return the registered names in order (``tcp_get_available_congestion_control``)."""
        return [ca.name for ca in self._list]

    def implementations(self) -> list[Implementation]:
        """Return what is registered, in order."""
        return list(self._list)

    def find(self, name: str) -> Implementation | None:
        """Return what is registered under the name now (``tcp_ca_find``)."""
        for ca in self._list:
            if ca.name == name:
                return ca
        return None

    def find_autoload(self, name: str) -> Implementation | None:
        """As `find`, but ask for the module when nothing is registered
        (``tcp_ca_find_autoload``).
        """
        ca = self.find(name)
        if ca is not None or self._request_module is None:
            return ca
        ops = self._request_module(name)
        if ops is not None and self.find(ops.name) is None:
            self.register(Implementation(ops, TcpOwner()))
        return self.find(name)

    def register(self, ca: Implementation) -> None:
        """Append to the list (``tcp_register_congestion_control``).

        Raises KernelError: EINVAL for an incomplete table, EEXIST when the name is taken.
        """
        tcp_validate_congestion_control(ca.ops)
        if self.find(ca.name) is not None:
            raise KernelError(EEXIST, f"{ca.name} is registered already")
        self._append(ca)

    def _append(self, ca: Implementation) -> None:
        if self._guard is not None:
            ca.ops = self._guard(ca.ops)
        self._list.append(ca)

    def unregister(self, ca: Implementation) -> None:
        """Take off the list; sockets that run it keep it
        (``tcp_unregister_congestion_control``).
        """
        self._list.remove(ca)

    def update(self, new: Implementation, old: Implementation) -> None:
        """Put ``new`` in the place of ``old`` under the same name
        (``tcp_update_congestion_control``).

        The new entry is appended before the old one goes, so a look-up by name never fails in
        between. Raises KernelError EINVAL: ``new`` is incomplete, ``old`` is not what is
        registered, or the names differ.
        """
        tcp_validate_congestion_control(new.ops)
        existing = self.find(old.name)
        if existing is not old:
            raise KernelError(EINVAL, f"{old.name}: the old implementation is not registered")
        if existing.name != new.name:
            raise KernelError(
                EINVAL, f"update keeps the name: expected {existing.name!r}, got {new.name!r}"
            )
        self._append(new)
        self._list.remove(old)

    def set_default(self, netns: NetNamespace, name: str) -> None:
        """Choose a namespace's default (``tcp_set_default_congestion_control``).

        Raises KernelError: ENOENT for an unknown name; EPERM for a restricted one outside the
        initial namespace. As in Linux, the EPERM case leaks the reference that it has just taken.
        """
        ca = self.find_autoload(name[: TCP_CA_NAME_MAX - 1])
        if ca is None:
            raise KernelError(ENOENT, f"no congestion control {name!r} is registered")
        ca.owner.get()
        if not netns.is_init and not ca.flags & TCP_CONG_NON_RESTRICTED:
            ca.owner.leaked += 1
            raise KernelError(
                EPERM, f"{name} is restricted: only the initial namespace may default to it"
            )
        previous = netns.tcp_congestion_control
        netns.tcp_congestion_control = ca
        previous.owner.put()
        ca.flags |= TCP_CONG_NON_RESTRICTED

    def assign(self, sk: Sock, data: SockData) -> None:
        """Give a new socket its namespace's default (``tcp_assign_congestion_control``)."""
        ca = data.netns.tcp_congestion_control
        ca.owner.get()
        sk.kernel_data = data
        _bind(sk, ca)

    def init(self, sk: Sock) -> None:
        """Let the implementation begin on an established socket
        (``tcp_init_congestion_control``).
        """
        sk.prior_ssthresh = 0
        if sk.ca_ops.init is not None:
            sk.ca_ops.init(sk)
        _mark_ecn(sk)
        sk.ca_initialized = True

    def cleanup(self, sk: Sock) -> None:
        """Let the implementation end and drop its reference (``tcp_cleanup_congestion_control``).

        ``release`` runs only on what was initialised, and is that of the implementation which was.
        """
        data: SockData = sk.kernel_data
        initialized, sk.ca_initialized = sk.ca_initialized, False
        try:
            if initialized and sk.ca_ops.release is not None:
                data.releasing = True
                sk.ca_ops.release(sk)
        finally:
            data.releasing = False
            data.implementation.owner.put()

    def reinit(self, sk: Sock, ca: Implementation) -> None:
        """Move a socket to another implementation (``tcp_reinit_congestion_control``)."""
        try:
            self.cleanup(sk)
        finally:
            _bind(sk, ca)
            sk.ca_setsockopt = True
        if sk.sk_state not in (TCP_CLOSE, TCP_LISTEN):
            self.init(sk)

    def set(self, sk: Sock, name: str, *, load: bool) -> None:
        """Choose by name what the list holds now (``tcp_set_congestion_control``).

        The implementation that the socket runs already is no change: neither ``release`` nor
        ``init`` runs. Raises KernelError ENOENT when the name is not registered (also when the
        socket runs an implementation of that name which no longer is).
        """
        ca = self.find_autoload(name) if load else self.find(name)
        if ca is None:
            raise KernelError(ENOENT, f"no congestion control {name!r} is registered")
        if ca.ops is sk.ca_ops:
            sk.ca_setsockopt = True
            return
        ca.owner.get()
        self.reinit(sk, ca)

    def inherited(self, listener: Sock) -> Implementation:
        """Return what an accepted socket gets: see `openreq_child`."""
        data: SockData = listener.kernel_data
        chosen = listener.ca_setsockopt
        return data.implementation if chosen else data.netns.tcp_congestion_control

    def openreq_child(self, listener: Sock, sk: Sock, data: SockData) -> None:
        """Give an accepted socket its algorithm (``tcp_ca_openreq_child``).

        It is the listener's implementation if that was chosen by ``setsockopt``, else the
        namespace's default.
        """
        sk.ca_setsockopt = listener.ca_setsockopt
        ca = self.inherited(listener)
        ca.owner.get()
        sk.kernel_data = data
        _bind(sk, ca)


def _bind(sk: Sock, ca: Implementation) -> None:
    """Point the socket at the implementation and make its private area afresh."""
    ops = ca.ops
    sk.kernel_data.implementation = ca
    sk.ca_ops = ops
    sk.ca = ops.private() if ops.private is not None else None
    _mark_ecn(sk)


def _mark_ecn(sk: Sock) -> None:
    """Mark packets ECN-capable exactly while the implementation needs it (``INET_ECN_xmit``)."""
    data: SockData = sk.kernel_data
    data.ecn_xmit = bool(sk.ca_ops.flags & TCP_CONG_NEEDS_ECN)
    data.ect_1 = sk.ca_ops.ect_1
