"""The engine: it owns the horizon and announces windows of time in which everything is already
decided.

A packet that is not yet known at T reaches the queue at Q = T + (shortest delay before the queue)
at the earliest, leaves it after everything that is queued, and its ACK comes back no sooner than

    H = max(Q, last departure) + shortest service + shortest delay after the queue and back.

So each flow can compute all of [T, H) on its own; then the link takes what was sent, and the window
is over. Whatever acts on others at once — a swap, an application that stops — is an *instant*: the
horizon never passes one. A flow's start is not one: its first packet is sent at a time known long
before. A flow takes part in the windows from the one that holds its start to the one in which it
closes, so a thousand connections that come and go cost no more than those that are open.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Generator
from operator import attrgetter
from typing import Any, NoReturn, Protocol

import simpy

from ccsim.net.batch import Batch
from ccsim.net.link import ACK_BYTES, Link
from ccsim.sim.blame import BLAMABLE
from ccsim.sim.flow.path import FlowPath
from ccsim.sim.foresight import Foreseen

__all__ = ["Engine", "Member"]

PROGRESS_WINDOWS = 64  # how often progress is told
LEAST_LEAP = 3  # windows: to foresee fewer is not worth while
WINDOWS_BETWEEN_LEAPS = 4  # after one that failed, or could not be tried

Process = Generator[simpy.Event, Any, None]


class Member(Protocol):
    """A flow as the engine knows it: ``index`` is its place among packets of one instant."""

    index: int
    path: FlowPath
    closed_ns: int | None

    def start(self) -> None:
        """Begin, in the window that holds the start."""

    def advance(self, horizon_ns: int) -> None:
        """Compute the sender's share of the window."""

    def failed(self, error: BaseException) -> NoReturn:
        """End the run for what went wrong in that."""

    def flush_receiver(self, horizon_ns: int) -> None:
        """Send what the receiver owes before the horizon."""

    def collect(self, until_ns: int) -> Batch | None:
        """Return what reaches the queue before ``until_ns``."""

    def may_foresee(self, link: Link) -> bool:
        """Report whether windows beyond the horizon may be tried."""

    def foresee(self, link: Link, until_ns: int) -> Foreseen | None:
        """Compute windows beyond the horizon, up to ``until_ns`` at most, if that can be."""

    def confirm(self, foreseen: Foreseen) -> None:
        """Take note that what was foreseen has happened."""

    def deliver(self, batch: Batch) -> None:
        """Take what the link made of a batch."""

    def over(self) -> bool:
        """Report whether the flow has closed and nothing of it is left to send."""

    def retire(self) -> None:
        """Give back what a closed flow needs no more."""


class Engine:
    """Runs flows over one link until ``end_ns``; `ccsim.sim.hop_engine` has hops instead of it.

    ``lookahead_ns`` cuts windows shorter than the horizon would allow, which changes nothing but
    the time it takes; ``check`` is called after every window (invariants).
    """

    def __init__(
        self,
        env: simpy.Environment,
        link: Link | None,
        end_ns: int,
        *,
        lookahead_ns: int | None = None,
        progress: Callable[[int], None] | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        self.env = env
        self.link = link
        self.end_ns = end_ns
        self.flows: list[Member] = []  # all
        self.live: list[Member] = []  # those of the present window, in order of index
        self.windows = 0
        self._lookahead_ns = lookahead_ns
        self._progress = progress
        self._check = check
        self.turns: Callable[[int], None] | None = None  # lets those act first who take turns
        self.reactions_ns: dict[int, int] = {}  # of armed triggers: no window is longer
        self._instants: list[int] = []
        self._access_ns = 0
        self._return_ns = 0
        self._to_come: list[tuple[int, int]] = []  # start [ns] and index of flows, as a heap
        self._some_closed = False
        self._foreseen: Foreseen | None = None  # of the present window, what was done beyond it
        self._next_leap = 0  # the window in which that is tried again

    def add(self, flow: Member, start_ns: int) -> None:
        """Let a flow take part from the window on that holds its start; to be called before
        `start`, in the order of the flows' indices."""
        heapq.heappush(self._to_come, (start_ns, len(self.flows)))
        self.flows.append(flow)

    def closed(self) -> None:
        """Take note that a flow has closed: after this window the engine asks which are over."""
        self._some_closed = True

    def connect(self, flow: Any) -> Any:
        """Return what is under way of a flow that is being made, where there are hops; None."""
        return None

    def start(self) -> None:
        """Start the engine's process; instants that are known must have been announced before."""
        paths = [flow.path for flow in self.flows]
        self._access_ns = min(path.access_ns for path in paths)
        self._return_ns = min(path.out_ns + path.back_ns for path in paths)
        self.env.process(self._run())

    def instant(self, t_ns: int) -> simpy.Event:
        """Announce that something happens at ``t_ns``, and return the event of its coming.

        When it comes, everything before it has been computed and nothing at or after it has.
        """
        heapq.heappush(self._instants, t_ns)
        return self.env.timeout(t_ns - self.env.now)

    def known_ns(self, t_ns: int) -> int:
        """Return the time before which all ACKs that reach a sender are known, if the window begins
        at ``t_ns``."""
        assert self.link is not None
        fifo = self.link.fifo
        queue = max(t_ns + self._access_ns, fifo.last_ns)
        return queue + fifo.service_ns(ACK_BYTES) + self._return_ns

    def horizon(self, t_ns: int) -> int:
        """Return the end of the window that begins at ``t_ns`` [ns]."""
        horizon = self.known_ns(t_ns)
        if self._lookahead_ns is not None:
            horizon = min(horizon, t_ns + self._lookahead_ns)
        if self.reactions_ns:
            horizon = min(horizon, t_ns + min(self.reactions_ns.values()))
        while self._instants and self._instants[0] <= t_ns:
            heapq.heappop(self._instants)
        if self._instants:
            horizon = min(horizon, self._instants[0])
        return min(max(horizon, t_ns + 1), self.end_ns)

    def _run(self) -> Process:
        env = self.env
        yield env.timeout(0)  # what is due at the very beginning comes before the first window
        while env.now < self.end_ns:
            now = int(env.now)
            horizon = self._open(now)
            if env.peek() <= now:
                yield env.timeout(0)  # what is due now comes before the window
            self._compute(now, horizon)
            if env.peek() <= horizon:
                yield env.timeout(horizon - now)
            else:
                env._now = horizon  # nothing else is due till then, so nobody need be woken

    def _open(self, t_ns: int) -> int:
        """Return the end of the window that begins at ``t_ns`` [ns], with the receivers' share of
        it done and the flows begun that start in it."""
        horizon = self._leap(t_ns, self.horizon(t_ns))
        if self._foreseen is None:
            flush_all(self.live, horizon)
        if self._to_come:
            self._begin(horizon)
        return horizon

    def _compute(self, t_ns: int, horizon_ns: int) -> None:
        """Compute the window from ``t_ns`` to the horizon."""
        if self.turns is not None:
            self.turns(horizon_ns)
        advance_all(self.live, horizon_ns)
        self._carry(horizon_ns)
        self.windows += 1
        if self._check is not None:
            self._check()
        if self._progress is not None and self.windows % PROGRESS_WINDOWS == 0:
            self._progress(t_ns)

    def _leap(self, t_ns: int, horizon_ns: int) -> int:
        """Let a flow that is alone go beyond the horizon, if it can foresee what becomes of its
        packets; return how far it went. No delayed ACK is due before that."""
        self._foreseen = None
        link = self.link
        if (
            link is None
            or len(self.live) != 1
            or self._lookahead_ns is not None
            or self.reactions_ns
        ):
            return horizon_ns
        if self.windows < self._next_leap:
            return horizon_ns
        until = self.end_ns
        if self._instants:
            until = min(until, self._instants[0])
        if self._to_come:
            until = min(until, self._to_come[0][0])
        flow = self.live[0]
        if until - t_ns < LEAST_LEAP * (horizon_ns - t_ns):
            return horizon_ns
        if flow.may_foresee(link):
            self._foreseen = flow.foresee(link, until)
        if self._foreseen is None:
            self._next_leap = self.windows + WINDOWS_BETWEEN_LEAPS
            return horizon_ns
        return self._foreseen.horizon_ns

    def _begin(self, horizon_ns: int) -> None:
        """Let the flows take part that start before the horizon."""
        while self._to_come and self._to_come[0][0] < horizon_ns:
            flow = self.flows[heapq.heappop(self._to_come)[1]]
            insort(self.live, flow, key=attrgetter("index"))
            self.join(flow)
            flow.start()

    def join(self, flow: Member) -> None:
        """Act on a flow's taking part from now on; a link need not know of it."""

    def _carry(self, horizon_ns: int) -> None:
        """Take what all flows have sent in the window, and let the receivers have it."""
        self.transmit(horizon_ns)
        if self._foreseen is not None:
            self.live[0].confirm(self._foreseen)
        if self._some_closed:
            self._let_go()

    def transmit(self, horizon_ns: int) -> None:
        """Hand what the flows have sent to the link, and what it made of that to the receivers."""
        assert self.link is not None
        until = horizon_ns + self._access_ns
        batches = collect_all(self.live, until)
        self.link.transmit(batches, until)
        deliver_all(self.flows, batches)

    def retire(self, flow: Member) -> None:
        """Let go of a flow that is over."""
        flow.retire()

    def _let_go(self) -> None:
        """Take flows that are over out of the windows."""
        for flow in self.live:
            if flow.over():
                self.retire(flow)
        self.live = [flow for flow in self.live if not flow.over()]
        self._some_closed = any(flow.closed_ns is not None for flow in self.live)


def flush_all(flows: list[Member], horizon_ns: int) -> None:
    """Let all receivers send what they owe before the horizon."""
    for flow in flows:
        flow.flush_receiver(horizon_ns)


def advance_all(flows: list[Member], horizon_ns: int) -> None:
    """Let all flows compute their senders' shares of a window."""
    for flow in flows:
        try:
            if flow.closed_ns is None:
                flow.advance(horizon_ns)
        except BLAMABLE as error:
            flow.failed(error)


def collect_all(flows: list[Member], until_ns: int) -> list[Batch]:
    """Return what reaches the queue before ``until_ns``, in order of flow."""
    batches = []
    for flow in flows:
        batch = flow.collect(until_ns)
        if batch is not None:
            batches.append(batch)
    return batches


def deliver_all(flows: list[Member], batches: list[Batch]) -> None:
    """Let receivers take what the link made of batches."""
    for batch in batches:
        flows[batch.flow].deliver(batch)
