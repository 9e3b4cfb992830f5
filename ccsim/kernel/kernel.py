"""The emulated kernel: sockets above, the list of congestion controls beneath, bpf() beside
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ccsim.kernel.bpf import bpf
from ccsim.kernel.errors import (
    EBADF,
    EBUSY,
    EEXIST,
    EINVAL,
    EISCONN,
    ENOENT,
    ENOPROTOOPT,
    ENOTSUPP,
    EPERM,
    KernelError,
)
from ccsim.kernel.kfuncs import TCP_CONGESTION
from ccsim.kernel.maps import StructOpsMap
from ccsim.kernel.objects import BpfFs, FdTable, IdTable, TcpOwner
from ccsim.kernel.ops import TCP_CA_NAME_MAX, TCP_CONG_NON_RESTRICTED, TcpCongestionOps
from ccsim.kernel.profiles import PROFILES, Profile
from ccsim.kernel.sock import TCP_CLOSE, TCP_ESTABLISHED, TCP_SYN_RECV, TCP_SYN_SENT, Sock
from ccsim.kernel.tcp_cong import (
    TCP_LISTEN,
    TCP_RENO,
    Implementation,
    NetNamespace,
    SockData,
    TcpCong,
)

__all__ = ["Kernel"]

TICK_NS = 4_000_000  # one scheduler tick at HZ=250


class Kernel:
    """One kernel: a process's descriptors, the BPF objects, the registered names, namespaces and
    sockets.

    profile: ``linux`` (as merged in 6.4) or ``v2`` (the posted series). builtins: tables registered
    at boot, in this order; reno comes first if it is not among them. default: the initial
    namespace's congestion control. request_module: given a name, returns the table of the module
    file of that name, or None; the autoloader that ``setsockopt`` and the sysctl ask when a name is
    not registered. grace_ns: length of a grace period [ns]; it passes when `advance` moves the
    clock (``v2`` only). guard: given a table that is registered, returns the one that sockets run:
    the same with checks around its hooks.
    """

    def __init__(
        self,
        profile: str = "linux",
        builtins: Iterable[TcpCongestionOps] = (),
        default: str = "reno",
        request_module: Callable[[str], TcpCongestionOps | None] | None = None,
        *,
        grace_ns: int = TICK_NS,
        guard: Callable[[TcpCongestionOps], TcpCongestionOps] | None = None,
    ) -> None:
        if profile not in PROFILES:
            raise ValueError(
                f"kernel: profile: expected one of {', '.join(PROFILES)}, got {profile!r}"
            )
        self.profile: Profile = PROFILES[profile]()
        self.fds = FdTable()
        self.bpffs = BpfFs()
        self.map_ids, self.prog_ids, self.link_ids = IdTable(), IdTable(), IdTable()
        self.tcp_cong = TcpCong(request_module, guard)
        self.now_ns = 0
        self.grace_ns = grace_ns
        self._graces: list[tuple[int, StructOpsMap]] = []
        self._sockets: dict[int, Sock] = {}
        self._opened = 0
        self._boot(list(builtins), default)

    def _boot(self, tables: list[TcpCongestionOps], default: str) -> None:
        """Register the built-in tables and set up the initial namespace (``tcp_sk_init``)."""
        if all(ops.name != "reno" for ops in tables):
            tables.insert(0, TCP_RENO)
        for ops in tables:
            self.tcp_cong.register(Implementation(ops, TcpOwner()))
        reno = self.tcp_cong.find("reno")
        assert reno is not None
        reno.flags |= TCP_CONG_NON_RESTRICTED
        reno.owner.get()
        self.init_net = NetNamespace("init", reno, is_init=True)
        self.namespaces = {"init": self.init_net}
        self.tcp_cong.set_default(self.init_net, default)

    # --- bpf ---

    def bpf(self, cmd: int, attr: Mapping[str, Any]) -> Any:
        """Carry out a command (`ccsim.kernel.bpf.BpfCmd`) with the members of ``union bpf_attr``
        that it takes.
        """
        return bpf(self, cmd, attr)

    def close_fd(self, fd: int) -> None:
        """Close a file descriptor; the object goes with the last descriptor, pin and other
        holder.
        """
        self.fds.close(fd)

    def unlink(self, path: str) -> None:
        """Remove a pin from the BPF file system."""
        self.bpffs.unlink(path)

    # --- grace periods ---

    def last_put(self, map: StructOpsMap) -> None:
        """Let a map go after its last reference: at once, or when a grace period has passed
        (``call_rcu``).
        """
        if not self.profile.has_grace_period:
            return
        map.pending += 1
        self._graces.append((self.now_ns + self.grace_ns, map))

    def next_grace_ns(self) -> int | None:
        """Return when the next grace period ends [ns], None when none is running."""
        return self._graces[0][0] if self._graces else None

    def advance(self, t_ns: int) -> None:
        """Move the clock to ``t_ns`` [ns]; grace periods that end by then take effect."""
        if t_ns < self.now_ns:
            raise ValueError(f"kernel clock: expected at least {self.now_ns} ns, got {t_ns}")
        self.now_ns = t_ns
        while self._graces and self._graces[0][0] <= t_ns:
            _, map = self._graces.pop(0)
            map.pending -= 1
            self.profile.grace_over(map)
            map.release_if_unused()

    def synchronize_rcu(self) -> None:
        """Let one whole grace period pass."""
        self.advance(self.now_ns + self.grace_ns)

    # --- namespaces ---

    def netns_add(self, name: str) -> NetNamespace:
        """Add a network namespace; it starts with the initial one's default (``tcp_sk_init``)."""
        if name in self.namespaces:
            raise KernelError(EEXIST, f"network namespace {name!r} exists already")
        ca = self.init_net.tcp_congestion_control
        ca.owner.get()
        netns = self.namespaces[name] = NetNamespace(name, ca)
        return netns

    def netns_delete(self, name: str) -> None:
        """Delete a namespace without sockets; its default loses a reference (``tcp_sk_exit``)."""
        netns = self.namespaces.get(name)
        if netns is None:
            raise KernelError(ENOENT, f"no network namespace {name!r}")
        if netns.is_init or netns.sockets:
            raise KernelError(EBUSY, f"network namespace {name!r} is in use")
        del self.namespaces[name]
        netns.tcp_congestion_control.owner.put()

    def set_default(self, name: str, netns: NetNamespace | None = None) -> None:
        """Write ``net.ipv4.tcp_congestion_control`` (``proc_tcp_congestion_control``)."""
        self.tcp_cong.set_default(netns or self.init_net, name)

    def get_default(self, netns: NetNamespace | None = None) -> str:
        """Read ``net.ipv4.tcp_congestion_control``."""
        return (netns or self.init_net).tcp_congestion_control.name

    def available(self) -> list[str]:
        """Read ``net.ipv4.tcp_available_congestion_control``: the names in order of
        registration.
        """
        return self.tcp_cong.names()

    # --- sockets ---

    def sockets(self) -> list[Sock]:
        """Return the open sockets, oldest first."""
        return list(self._sockets.values())

    def implementation_of(self, sk: Sock) -> Implementation:
        """Return what serves the socket; EBADF when it is not open."""
        return self._data(sk).implementation

    def _data(self, sk: Sock) -> SockData:
        data = sk.kernel_data
        if data is None:
            raise KernelError(EBADF, "the socket is not open")
        return data

    def _new(self, sk: Sock, netns: NetNamespace) -> SockData:
        if sk.kernel_data is not None:
            raise KernelError(EINVAL, "the socket is open already")
        netns.sockets += 1
        self._sockets[id(sk)] = sk
        data = SockData(self, netns, netns.tcp_congestion_control)
        data.number = self._opened
        self._opened += 1
        return data

    def socket(self, sk: Sock, netns: NetNamespace | None = None) -> None:
        """Open a socket with its namespace's default (``tcp_init_sock``)."""
        data = self._new(sk, netns or self.init_net)
        sk.sk_state = TCP_CLOSE
        self.tcp_cong.assign(sk, data)

    def syn_sent(self, sk: Sock) -> None:
        """Let the SYN of a connection leave, that `connect` will establish (``tcp_v4_connect``).

        An implementation that is chosen from now on begins at once.
        """
        self._data(sk)
        if sk.sk_state != TCP_CLOSE:
            raise KernelError(EISCONN, "connect: the socket is connected or listens")
        sk.sk_state = TCP_SYN_SENT

    def connect(self, sk: Sock) -> None:
        """Establish a connection: the implementation begins, unless it has (``tcp_finish_connect``,
        ``tcp_init_transfer``).
        """
        self._data(sk)
        if sk.sk_state not in (TCP_CLOSE, TCP_SYN_SENT):
            raise KernelError(EISCONN, "connect: the socket is connected or listens")
        self._establish(sk)

    def listen(self, sk: Sock) -> None:
        """Make a socket a listener (``inet_csk_listen_start``)."""
        self._data(sk)
        if sk.sk_state not in (TCP_CLOSE, TCP_LISTEN):
            raise KernelError(EINVAL, "listen: the socket is connected")
        sk.sk_state = TCP_LISTEN

    def would_accept(self, listener: Sock) -> Implementation:
        """Return what a connection would start with if the listener accepted it now
        (``tcp_ca_openreq_child``).
        """
        self._data(listener)
        return self.tcp_cong.inherited(listener)

    def accept(
        self, listener: Sock, sk: Sock, before_init: Callable[[Sock], None] | None = None
    ) -> None:
        """Establish ``sk`` as a connection that came in at the listener
        (``tcp_create_openreq_child``); ``before_init`` is as for `came_in`.
        """
        data = self._data(listener)
        if listener.sk_state != TCP_LISTEN:
            raise KernelError(EINVAL, "accept: the socket does not listen")
        self.tcp_cong.openreq_child(listener, sk, self._new(sk, data.netns))
        self.came_in(sk, before_init)

    def came_in(self, sk: Sock, before_init: Callable[[Sock], None] | None = None) -> None:
        """Establish a connection that another host began: the implementation begins while the
        state still is SYN_RECV (``tcp_rcv_state_process``). ``before_init`` is told of the ACK that
        ends the handshake before that.
        """
        self._data(sk)
        sk.sk_state = TCP_SYN_RECV
        if before_init is not None:
            before_init(sk)
        if not sk.ca_initialized:
            self.tcp_cong.init(sk)
        sk.sk_state = TCP_ESTABLISHED

    def _establish(self, sk: Sock) -> None:
        sk.sk_state = TCP_ESTABLISHED
        if not sk.ca_initialized:
            self.tcp_cong.init(sk)

    def close(self, sk: Sock) -> None:
        """Close a socket: ``release`` if it was initialised, then its reference goes
        (``tcp_v4_destroy_sock``).
        """
        data = self._data(sk)
        sk.sk_state = TCP_CLOSE
        try:
            self.tcp_cong.cleanup(sk)
        finally:
            for forget in data.on_close:
                forget(sk)
            sk.kernel_data = None
            del self._sockets[id(sk)]
            data.netns.sockets -= 1

    def would_change(self, sk: Sock, name: str) -> bool:
        """Report whether ``setsockopt`` of ``TCP_CONGESTION`` would bring another implementation;
        asks for a module as that does.
        """
        ca = self.tcp_cong.find_autoload(name[: TCP_CA_NAME_MAX - 1])
        return ca is not None and ca.ops is not sk.ca_ops

    def setsockopt(self, sk: Sock, optname: int, value: str) -> None:
        """Set ``TCP_CONGESTION`` (``do_tcp_setsockopt``): names longer than 15 characters are cut.

        Raises KernelError: as `ccsim.kernel.tcp_cong.TcpCong.set`; EINVAL for an empty name;
        ENOPROTOOPT for another option; EPERM from within ``release``.
        """
        self._setsockopt(sk, optname, value, load=True)

    def _setsockopt(self, sk: Sock, optname: int, value: str, *, load: bool) -> None:
        data = self._data(sk)
        if optname != TCP_CONGESTION:
            raise KernelError(ENOPROTOOPT, f"expected the option TCP_CONGESTION, got {optname}")
        if not value:
            raise KernelError(EINVAL, "TCP_CONGESTION: the name is empty")
        if data.releasing:
            raise KernelError(EPERM, "TCP_CONGESTION: not from within release")
        self.tcp_cong.set(sk, value[: TCP_CA_NAME_MAX - 1], load=load)

    def getsockopt(self, sk: Sock, optname: int) -> str:
        """Get ``TCP_CONGESTION``: the name, which old and new implementations may share
        (``do_tcp_getsockopt``).
        """
        self._data(sk)
        if optname != TCP_CONGESTION:
            raise KernelError(ENOPROTOOPT, f"expected the option TCP_CONGESTION, got {optname}")
        return sk.ca_ops.name

    def bpf_setsockopt(self, sk: Sock, optname: int, value: str) -> int:
        """Set ``TCP_CONGESTION`` from within a hook; return 0 or minus an errno
        (``sol_tcp_sockopt_congestion``).

        ``cdg`` is refused (ENOTSUPP): it alone keeps a pointer in the private area. A change within
        a change that a hook has begun is refused (EBUSY), so two ``init`` that choose each other
        come to an end. Nothing is refused on the host's own ``setsockopt`` or establishment: an
        ``init`` may choose another algorithm once. Modules are not loaded from a hook. ``release``
        may not change anything: objects whose ``release`` would are refused when they are loaded,
        and what gets through (a module, an indirect call) receives EPERM.
        """
        data = self._data(sk)
        if optname == TCP_CONGESTION and value == "cdg":
            return -ENOTSUPP
        if data.chg_cc_inprogress:
            return -EBUSY
        data.chg_cc_inprogress = True
        before = data.implementation
        try:
            self._setsockopt(sk, optname, value, load=False)
        except KernelError as error:
            return -(error.number)
        finally:
            data.chg_cc_inprogress = False
        if data.on_moved is not None and data.implementation is not before:
            data.on_moved()
        return 0
