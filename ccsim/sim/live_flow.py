"""A flow in a running world: its SimPy process, its socket in the kernel, its events."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

import numpy as np
import simpy
from numpy.typing import NDArray

from ccsim.bpf.handshake import tell_before_init
from ccsim.bpf.memory import PrivateArea
from ccsim.catalog import labelled
from ccsim.kernel import TCP_CONGESTION, KernelError
from ccsim.kernel.errors import ENOENT
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN, TcpCongestionOps
from ccsim.net.link import Link
from ccsim.sim.blame import BLAMABLE
from ccsim.sim.followed import FollowedFlow
from ccsim.sim.foresight import Foreseen
from ccsim.sim.reception import begin_ecn
from ccsim.sim.traces import FlowTrace
from ccsim.sim.workloads import Connection
from ccsim.spec import Flow as FlowSpec
from ccsim.tcp.ecn import TCP_ECN_OK, EcnEcho
from ccsim.tcp.ecn_hooks import HookEcho
from ccsim.tcp.packets import PacketColumns

if TYPE_CHECKING:
    from ccsim.sim.world import World

__all__ = ["NO_PACKETS", "LiveFlow"]

Process = Generator[simpy.Event, Any, None]
Column = NDArray[np.int64]
Columns = dict[str, Column]
T = TypeVar("T")
NO_PACKETS = PacketColumns()  # of all flows that have not begun or have closed


class OnNetwork(Protocol):
    """What hops hold of a flow's packets."""

    def inside(self) -> int:
        """Return how many packets are under way."""

    def copies(self) -> int:
        """Return how many copies of packets hops have made."""

    def rests(self) -> bool:
        """Report whether nothing is under way in either direction, or will be."""


class LiveFlow(FollowedFlow):
    """A flow in a world: its process, its place in the kernel, its events."""

    world: World
    connection: Connection

    congestion: str = ""  # the name it began with, as getsockopt says it
    begun: bool = False
    first_ops: TcpCongestionOps  # when the SYN left
    peer: HookEcho | None = None  # the receiving end, if hooks of its own run there
    network: OnNetwork | None = None  # what is under way, where there are hops
    hosts: tuple[int, int] = (0, 0)  # hashes of the sending and the receiving host

    def open(self) -> None:
        """Open the socket and choose its congestion control, as the application does before
        ``connect``."""
        missing = False
        try:
            self.world.registry.open_socket(self.sk, self.spec)
        except KernelError as error:
            if error.errno != ENOENT:
                raise
            missing = True
        self._began(missing=missing)

    def _began(self, *, missing: bool = False) -> None:
        """Note what the socket begins with; ``missing``: not with what it asked for (ENOENT)."""
        kernel = self.world.registry.kernel
        wanted, got = self.spec.congestion, kernel.getsockopt(self.sk, TCP_CONGESTION)
        chosen = labelled(wanted, self.spec.congestion_params)
        registry = self.world.registry
        self.congestion = chosen if wanted and not missing else registry.shown(got)
        self.recorder.implementation_changed()
        if missing:
            detail = {"wanted": wanted, "got": got, "errno": ENOENT}
            self.world.log("fallback", self, self.sk.tcp_clock_cache, detail)

    @property
    def spec(self) -> FlowSpec:
        """What the connection is by the scenario."""
        return self.connection.spec

    @property
    def running(self) -> bool:
        """Whether the flow has a socket that is not closed."""
        return self.sk.kernel_data is not None

    def on_connected(self, t_ns: int) -> None:
        """Let the kernel establish the connection: the implementation's ``init`` runs."""
        registry, sk = self.world.registry, self.sk
        if sk.ecn_flags & TCP_ECN_OK:
            self._agree_on_ecn(t_ns)
        sk.snd_cwnd = sk.host.initial_window  # whatever a hook or policy set it to before
        if not self.passive:
            self._watch()
            tell_before_init(sk)
            registry.kernel.connect(sk)
            self.moved()
            return
        registry.accept(sk, self.spec)
        self._watch()
        self._began()
        self.moved()
        self.world.log("accept", self, t_ns, {"congestion": self.congestion})

    def _watch(self) -> None:
        """Note when a hook moves the connection to another implementation."""
        self.sk.kernel_data.on_moved = self.moved

    def moved(self) -> None:
        """Note that another implementation may serve from now on."""
        self.recorder.implementation_changed()
        if self.reception is not None:
            self.reception.note_algorithm()

    def on_syn(self, t_ns: int) -> None:
        """Let the SYN ask for ECN if the flow wants it, or else if its host does or the algorithm
        that it has now needs it (``tcp_ecn_send_syn``); one that is chosen later begins at once."""
        world = self.world
        ops = self.first_ops = world.registry.first_ops(self.sk, self.spec)
        by_default = world.scenario.tcp.ecn or bool(ops.flags & TCP_CONG_NEEDS_ECN)
        if by_default if self.spec.ecn is None else self.spec.ecn:
            self.sk.ecn_flags = TCP_ECN_OK
        if not self.passive:
            world.registry.kernel.syn_sent(self.sk)

    def _agree_on_ecn(self, t_ns: int) -> None:
        """Use ECN, unless it was a SYN sent again that was answered: such a one does not ask for it
        (``tcp_ecn_clear_syn``, RFC 3168 section 6.1.1.1)."""
        if not (self.first_syn_answered or self.passive):
            self.sk.ecn_flags &= ~TCP_ECN_OK
            return
        if not self.first_ops.flags & TCP_CONG_NEEDS_ECN:
            begin_ecn(self, EcnEcho())
            return
        world, path = self.world, self.path
        rtt_us = path.rtt_ns // 1000
        random = world.random("peer", self.index)
        self.peer = HookEcho(self.host, random, t_ns, rtt_us)
        world.registry.open_peer(self.peer, self.first_ops)
        begin_ecn(self, self.peer)

    def settle(self) -> None:
        """Let a flow that was never accepted bear what its listener would have given it."""
        if self.passive and not self.recorder.implementations:
            registry, chosen = self.world.registry, self.spec.congestion
            self.congestion = (
                labelled(chosen, self.spec.congestion_params)
                if chosen
                else registry.shown(registry.inherited(self.spec).name)
            )
            self.recorder.implementation_changed()

    def on_closed(self, t_ns: int) -> None:
        """Close the socket: the implementation is released and loses a reference."""
        super().on_closed(t_ns)
        if self.running:
            self.world.registry.kernel.close(self.sk)
        if self.peer is not None:
            self.world.registry.close_peer(self.peer)
        self.world.log("end", self, t_ns, {})
        self.world.engine.closed()

    def start(self) -> None:
        """Begin, in the window that holds the start.

        Neither the world nor that window passes a swap, so the socket is opened on what its name
        means at its start.
        """
        self._guarded(self.begin)

    def failed(self, error: BaseException) -> NoReturn:
        """End the run for what went wrong in the flow's share of a window."""
        self.world.raise_blamed(error)

    @property
    def takes_turns(self) -> bool:
        """Whether what runs on it shares variables with other connections, or may before long."""
        if not self.connected:
            return True
        private = self.sk.ca_ops.private
        return isinstance(private, type) and issubclass(private, PrivateArea)

    def may_foresee(self, link: Link) -> bool:
        """Report whether `foresee` may be tried; what the algorithm raises ends the run."""
        return self._guarded(lambda: super(LiveFlow, self).may_foresee(link))

    def foresee(self, link: Link, until_ns: int) -> Foreseen | None:
        """Take ACKs before they are sent; what the algorithm raises ends the run."""
        return self._guarded(lambda: super(LiveFlow, self).foresee(link, until_ns))

    def begin(self) -> None:
        """Open the socket at the flow's start, unless it has begun, and make the SYN due.

        The life of an accepted one starts with the client's SYN, which is on its way to the server
        for one return delay.
        """
        if self.begun:
            return
        self.begun = True
        start = self.spec.start_ns
        self.sk.packets = PacketColumns()
        self.sk.set_clock(start)
        self.recorder.start(start)
        if self.passive:
            start_event = {"listener": self.spec.listener}
            self.syn_timer_ns = start + self.path.back_ns
        else:
            self.open()
            start_event = {"congestion": self.congestion}
            self.syn_timer_ns = start
        self.world.log("start", self, start, start_event)

    def over(self) -> bool:
        """Report whether the flow has closed and nothing of it is left to send."""
        if self.closed_ns is None or self.waiting[0]:
            return False
        return self.network is None or self.network.rests()

    def retire(self) -> None:
        """Give back what a closed flow needs no more."""
        self.sk.packets = NO_PACKETS
        self.recorder.close(self.sk, self.closed_ns or 0)

    def marked_ns(self) -> Column:
        """Return when packets of it were marked [ns]."""
        marked = self.reception.marked_ns if self.reception is not None else ()
        return np.array(marked, dtype=np.int64)

    def trace(
        self, columns: Columns, metered: Columns, marked_ns: Column, end_ns: int
    ) -> FlowTrace:
        """Return what was recorded of it, put into ``columns`` and ``metered``, in a run that ends
        at ``end_ns``."""
        return self.recorder.trace(
            self.sk,
            self.source,
            columns,
            metered,
            marked_ns,
            name=self.spec.name,
            congestion=self.congestion,
            start_ns=self.spec.start_ns,
            end_ns=self.completed_ns,
            counters=self._counters(end_ns),
            workload=self.connection.workload,
            established_ns=self.established_ns,
        )

    def _counters(self, end_ns: int) -> dict[str, int]:
        """Return what was counted of it up to the run's end."""
        network, sk = self.network, self.sk
        inside = 0 if network is None else network.inside()
        counters = {
            "packets_sent": self.sent,
            "packets_delivered": self.delivered,
            "packets_dropped": self.dropped,
            "packets_in_flight": self.arriving + len(self.waiting[0]) + inside,
            "retransmissions": sk.total_retrans,
            **sk.counters,
        }
        if network is not None and network.copies():
            counters["packets_duplicated"] = network.copies()
        if self.reception is not None and self.reception.ecn:
            counters["packets_marked"] = len(self.reception.marked_ns)
        if self.ack_path is not None:
            until = end_ns if self.closed_ns is None else self.closed_ns
            counters["acks_lost"] = self.ack_path.lost_before(until - self.path.back_ns)
        return counters

    def stop_at(self, t_ns: int) -> Process:
        """Let the application stop writing at ``t_ns``."""
        yield self.world.engine.instant(t_ns)
        self.world.tick()
        if self.closed_ns is None:
            self.stop_writing(t_ns)

    def _guarded(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except BLAMABLE as error:
            self.world.raise_blamed(error)
