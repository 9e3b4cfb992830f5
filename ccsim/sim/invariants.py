"""What must hold at every moment of a run, checked while it goes: ``--paranoid``.

After every window: conservation (each packet sent is delivered, dropped or under way); every socket
runs the implementation that it holds; each implementation is held exactly as often as sockets,
namespaces and registrations hold it; nothing freed is held. After every hook: cwnd is at least 1.
Before every hook: the implementation that is called serves the connection and has not been
released, and an undo takes back nothing but what the same implementation, since the same ``init``,
has reduced. A pacing rate of 0 is none: it means unpaced, and BBR has it where less than a byte a
second is left (``bbr_init_pacing_rate_from_rtt``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn

from ccsim.errors import InvariantError
from ccsim.kernel import Implementation, Kernel, StructOpsMap, TcpCongestionOps
from ccsim.kernel.sock import TCP_SYN_RECV, TCP_SYN_SENT, Sock
from ccsim.kernel.verifier import MEMBERS
from ccsim.tcp.ecn_hooks import HookEcho

if TYPE_CHECKING:
    from ccsim.sim.flow.flow import Flow
    from ccsim.sim.world import World

__all__ = ["Watchman", "check_world"]

Hook = Callable[..., Any]
BEFORE_INIT = ("get_info", "sndbuf_expand", "min_tso_segs", "cwnd_event", "set_state", "init")
"""Hooks that the kernel may call on a connection that is not established."""


class Watchman:
    """Stands at the hooks of every table of a run."""

    def __init__(self) -> None:
        self._tables: dict[int, TcpCongestionOps] = {}
        self._epochs: dict[int, int] = {}  # how often an implementation began on a socket
        self._reduced: dict[int, int] = {}  # the epoch in which its window was reduced last

    def guarded(self, ops: TcpCongestionOps) -> TcpCongestionOps:
        """Return a table that does the same, with a check before and after each hook.

        One that is registered again, as a map that comes back behind its link, is guarded already.
        """
        if id(ops) in self._tables:
            return ops
        hooks: dict[str, Any] = {
            field.name: self._guard(ops, field.name, hook)
            for field in fields(ops)
            if field.name in (*MEMBERS, "train", "sack_train")
            and (hook := getattr(ops, field.name)) is not None
        }
        table = replace(ops, **hooks)
        self._tables[id(table)] = table
        return table

    def _guard(self, ops: TcpCongestionOps, member: str, hook: Hook) -> Hook:
        @wraps(hook)
        def guarded(sk: Sock, *args: Any) -> Any:
            if isinstance(sk, HookEcho):  # the receiving host has a kernel of its own
                return hook(sk, *args)
            self._before(ops, member, guarded, sk)
            result = hook(sk, *args)
            self._after(ops, member, sk)
            return result

        return guarded

    def _before(self, ops: TcpCongestionOps, member: str, hook: Hook, sk: Sock) -> None:
        if isinstance(sk, HookEcho):
            return  # the receiving host's end, which a kernel of its own holds
        data = sk.kernel_data
        if data is None and id(sk) not in self._epochs:
            return  # a receiver's side, which the kernel has never opened
        if data is None or getattr(data.implementation.ops, member) is not hook:
            serves = "closed" if data is None else f"served by {data.implementation.map_name}"
            _violated(f"{ops.name}: {member} is called after release: the socket is {serves}")
        # an object sees the ACK that ends the handshake before init
        connecting = sk.sk_state in (TCP_SYN_SENT, TCP_SYN_RECV)
        early = not (sk.ca_initialized or data.releasing or connecting)
        if early and member not in BEFORE_INIT:
            _violated(f"{ops.name}: {member} is called before init or after release")
        if member == "init":
            self._epochs[id(sk)] = self._epochs.get(id(sk), 0) + 1
        elif member == "undo_cwnd" and self._reduced.get(id(sk)) != self._epoch(sk):
            _violated(f"{ops.name}: an undo crosses a swap: it has reduced nothing since init")

    def _epoch(self, sk: Sock) -> int:
        return self._epochs.get(id(sk), 0)

    def _after(self, ops: TcpCongestionOps, member: str, sk: Sock) -> None:
        if member == "ssthresh":
            self._reduced[id(sk)] = self._epoch(sk)
        if sk.snd_cwnd < 1:
            _violated(f"{ops.name}: {member}: expected cwnd of at least 1, got {sk.snd_cwnd}")


def _violated(message: str) -> NoReturn:
    raise InvariantError(f"invariant violated: {message}")


def check_world(world: World) -> None:
    """Check what must hold between windows; InvariantError says what does not."""
    holders = _holders(world.registry.kernel)
    if world.network is not None:
        world.network.check()
    for flow in world.flows:
        _check_conservation(flow)
        if flow.running:
            _check_socket(flow, holders)
    for ca, held in holders.items():
        if ca.owner.refcnt - ca.owner.leaked != held:
            counts = f"expected a reference for each of {held} holders, got {ca.owner.refcnt}"
            _violated(f"{ca.map_name}: {counts}")
        if held and getattr(ca.owner, "freed", False):
            _violated(f"{ca.map_name}: it was freed with {held} holders")


def _check_conservation(flow: Flow) -> None:
    sending, receiving = flow.sending, flow.receiving
    waiting = len(sending.waiting[0])
    if flow.network is not None:
        waiting += flow.network.inside() - flow.network.copies()
    accounted = receiving.delivered + receiving.arriving + receiving.dropped + waiting
    if accounted != sending.sent:
        name = flow.spec.name
        _violated(f"{name}: expected {sending.sent} packets sent, got {accounted} accounted for")


def _check_socket(flow: Flow, holders: Iterable[Implementation]) -> None:
    sk, name = flow.sk, flow.spec.name
    own = sk.kernel_data.implementation
    # An implementation may give the socket another table of its own file, as DCTCP without ECN.
    if sk.ca_ops is not own.ops and any(sk.ca_ops is ca.ops for ca in holders):
        _violated(f"{name}: it holds {own.map_name}, got {sk.ca_ops.name} running")
    if sk.snd_cwnd < 1:
        _violated(f"{name}: expected cwnd of at least 1, got {sk.snd_cwnd}")


def _holders(kernel: Kernel) -> Counter[Implementation]:
    """Count the holders of each implementation: sockets, namespaces, and for maps registrations."""
    registered = kernel.tcp_cong.implementations()
    held = Counter(dict.fromkeys(registered, 0))
    held.update(kernel.implementation_of(sk) for sk in kernel.sockets())
    held.update(netns.tcp_congestion_control for netns in kernel.namespaces.values())
    held.update(ca for ca in registered if isinstance(ca.owner, StructOpsMap))
    return held
