"""A flow in a running world, as the engine knows it, from its start to its last ACK."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol, TypeVar

import numpy as np
import simpy
from numpy.typing import NDArray

from ccsim.bpf.memory import PrivateArea
from ccsim.net.batch import Batch
from ccsim.net.link import Link
from ccsim.sim.ack_path import make_ack_path
from ccsim.sim.blame import BLAMABLE
from ccsim.sim.flow.application import Application
from ccsim.sim.flow.ends import NO_PACKETS, make_ends, make_recorder
from ccsim.sim.flow.followers import Followers
from ccsim.sim.flow.kernel_socket import KernelSocket
from ccsim.sim.flow.receiving import ReceivingSide, WayBack
from ccsim.sim.flow.sending import SendingSide
from ccsim.sim.foresight import Foreseen, confirm, foresee, may_foresee
from ccsim.sim.traces import FlowTrace
from ccsim.sim.workloads import PlannedFlow
from ccsim.spec import Flow as FlowSpec
from ccsim.tcp.packets import PacketColumns

if TYPE_CHECKING:
    from ccsim.sim.world import World

__all__ = ["Flow", "OnNetwork"]

Process = Generator[simpy.Event, Any, None]
Column = NDArray[np.int64]
Columns = dict[str, Column]
T = TypeVar("T")


class OnNetwork(Protocol):
    """What hops hold of a flow's packets."""

    @property
    def way_back(self) -> WayBack | None:
        """The hops that its ACKs cross, if they do."""

    def inside(self) -> int:
        """Return how many packets are under way."""

    def copies(self) -> int:
        """Return how many copies of packets hops have made."""

    def rests(self) -> bool:
        """Report whether nothing is under way in either direction, or will be."""


class Flow:
    """A connection: a sending side, a receiving side, and an application that writes to it.

    The engine alternates `advance`, which lets the sender do all it does before the horizon, and
    `deliver`, which hands the receiver what the link made of its packets. ``network`` is what is
    under way, where there are hops. The flow is closed (``closed_ns``) when its FIN is
    acknowledged.
    """

    sending_class: ClassVar[type[SendingSide]] = SendingSide
    receiving_class: ClassVar[type[ReceivingSide]] = ReceivingSide

    def __init__(self, world: World, index: int, planned: PlannedFlow) -> None:
        spec = planned.spec
        self.world = world
        self.index = index
        self.planned = planned
        self.path = world.path_of(spec)
        self.passive = bool(spec.listener)
        self.begun = False
        self.closed_ns: int | None = None
        self.followers = Followers()
        ends = make_ends(world, index, planned, self.path)
        self.sk = ends.sk
        self.recorder = make_recorder(world, planned, ends, self.implementation)
        self.socket = KernelSocket(self)
        self.application = Application(
            ends.sk, ends.receiver, self.recorder, ends.source, ends.odd_last, self.close
        )
        late = world.late
        self.sending = self.sending_class(
            index,
            ends.sk,
            self.path,
            self.recorder,
            self.application,
            self,
            vector=world.vector,
            passive=self.passive,
            late=late.handover(ends.late_sender, "acks", index),
        )
        self.network: OnNetwork | None = world.engine.connect(self)
        self.receiving = self.receiving_class(
            ends.receiver,
            self.path,
            self.sending,
            spec.receiver,
            vector=world.vector,
            run_end_ns=world.end_ns,
            late=late.handover(ends.late_receiver, "packets", index),
            ack_path=make_ack_path(world.scenario.path, world.scenario.seed, index),
            way_back=None if self.network is None else self.network.way_back,
        )
        ends.sk.on_event = self._note

    def _note(self, sk: object, kind: str, detail: dict[str, int]) -> None:
        """Write down an event of the socket's."""
        self.world.log(kind, self, self.sk.tcp_clock_cache, dict(detail))

    @property
    def spec(self) -> FlowSpec:
        """What the connection is by the scenario."""
        return self.planned.spec

    @property
    def running(self) -> bool:
        """Whether the flow has a socket that is not closed."""
        return self.socket.running

    def implementation(self) -> str:
        """Return the name of the struct_ops map (or module) that serves the flow now."""
        return self.socket.implementation()

    # --- the engine's member ---

    def start(self) -> None:
        """Begin, in the window that holds the start.

        Neither the world nor that window passes a swap, so the socket is opened on what its name
        means at its start.
        """
        self._guarded(self.begin)

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
            self.sending.syn_timer_ns = start + self.path.back_ns
        else:
            self.socket.open()
            start_event = {"congestion": self.socket.congestion}
            self.sending.syn_timer_ns = start
        self.world.log("start", self, start, start_event)

    def advance(self, horizon_ns: int) -> None:
        """Compute the sender's share of the window."""
        if self.followers.present:
            self.followers.advance(self.sending, horizon_ns)
        self.sending.advance(horizon_ns)

    def failed(self, error: BaseException) -> NoReturn:
        """End the run for what went wrong in the flow's share of a window."""
        self.world.raise_blamed(error)

    def flush_receiver(self, horizon_ns: int) -> None:
        """Send what the receiver owes before the horizon."""
        self.receiving.flush(horizon_ns)

    def collect(self, until_ns: int) -> Batch | None:
        """Return what reaches the queue before ``until_ns``, in order."""
        return self.sending.collect(until_ns)

    def deliver(self, batch: Batch) -> None:
        """Let the receiver take what the link made of a batch."""
        self.receiving.deliver(batch)

    def may_foresee(self, link: Link) -> bool:
        """Report whether `foresee` may be tried: no followers, and nothing in the way; what the
        algorithm raises ends the run."""
        if self.followers.present:
            return False
        return self._guarded(lambda: may_foresee(self.sending, self.receiving, link))

    def foresee(self, link: Link, until_ns: int) -> Foreseen | None:
        """Take ACKs before they are sent, as far as they can be foreseen; what the algorithm raises
        ends the run."""
        return self._guarded(lambda: foresee(self.sending, self.receiving, link, until_ns))

    def confirm(self, foreseen: Foreseen) -> None:
        """Let go of the ACKs that were foreseen, now that they are sent."""
        confirm(self.sending, foreseen)

    def over(self) -> bool:
        """Report whether the flow has closed and nothing of it is left to send."""
        if self.closed_ns is None or self.sending.waiting[0]:
            return False
        return self.network is None or self.network.rests()

    def retire(self) -> None:
        """Give back what a closed flow needs no more."""
        self.sk.packets = NO_PACKETS
        self.recorder.close(self.sk, self.closed_ns or 0)

    def _guarded(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except BLAMABLE as error:
            self.world.raise_blamed(error)

    # --- flows that share something (`in_turn`) ---

    @property
    def takes_turns(self) -> bool:
        """Whether what runs on it shares variables with other connections, or may before long."""
        if not self.sending.connected:
            return True
        private = self.sk.ca_ops.private
        return isinstance(private, type) and issubclass(private, PrivateArea)

    def next_event_ns(self) -> int:
        """Return when the next event is due, or, of a timer that is not settled, may be."""
        return self.sending.next_event_ns()

    # --- its life ---

    def on_syn(self, t_ns: int) -> None:
        """Act on the first SYN's leaving."""
        self.socket.syn_sent()

    def on_connected(self, t_ns: int) -> None:
        """Act on the handshake's end."""
        self.socket.establish(t_ns)

    def close(self, t_ns: int) -> None:
        """End the flow, unless it has: nothing is outstanding."""
        if self.closed_ns is not None:
            return
        self.closed_ns = t_ns
        self.application.closed(t_ns)
        self.sending.close(t_ns)
        self.followers.closed()
        self.socket.close()
        self.world.log("end", self, t_ns, {})
        self.world.engine.closed()

    def stop_at(self, t_ns: int) -> Process:
        """Let the application stop writing at ``t_ns``."""
        yield self.world.engine.instant(t_ns)
        self.world.tick()
        if self.closed_ns is None:
            self.application.stop(t_ns, connected=self.sending.connected)

    # --- what is recorded ---

    def marked_ns(self) -> Column:
        """Return when packets of it were marked [ns]."""
        reception = self.receiving.reception
        return np.array(() if reception is None else reception.marked_ns, dtype=np.int64)

    def trace(
        self, columns: Columns, metered: Columns, marked_ns: Column, end_ns: int
    ) -> FlowTrace:
        """Return what was recorded of it, put into ``columns`` and ``metered``, in a run that ends
        at ``end_ns``."""
        return self.recorder.trace(
            self.sk,
            self.application.source,
            columns,
            metered,
            marked_ns,
            name=self.spec.name,
            congestion=self.socket.congestion,
            start_ns=self.spec.start_ns,
            end_ns=self.application.completed_ns,
            counters=self._counters(end_ns),
            workload=self.planned.workload,
            established_ns=self.sending.established_ns,
        )

    def _counters(self, end_ns: int) -> dict[str, int]:
        """Return what was counted of it up to the run's end."""
        network, sending, receiving = self.network, self.sending, self.receiving
        inside = 0 if network is None else network.inside()
        counters = {
            "packets_sent": sending.sent,
            "packets_delivered": receiving.delivered,
            "packets_dropped": receiving.dropped,
            "packets_in_flight": receiving.arriving + len(sending.waiting[0]) + inside,
            "retransmissions": self.sk.total_retrans,
            **self.sk.counters,
        }
        if network is not None and network.copies():
            counters["packets_duplicated"] = network.copies()
        if receiving.reception is not None and sending.codepoints is not None:
            counters["packets_marked"] = len(receiving.reception.marked_ns)
        if receiving.ack_path is not None:
            until = end_ns if self.closed_ns is None else self.closed_ns
            counters["acks_lost"] = receiving.ack_path.lost_before(until - self.path.back_ns)
        return counters
