"""Triggers: a swap that waits for a state of one flow, seen at the very ACK or timer that makes it
so.

A ``setsockopt`` on that flow alone acts there and then, after what the event has let out. Whatever
reaches further acts a fixed delay later: other flows may have computed beyond the event already. So
while such a trigger waits no window is longer than its delay, and the instant at which it acts lies
in a later window, however windows are cut.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from ccsim.sim.traces import CA_STATE_NAMES
from ccsim.spec import Swap, Trigger
from ccsim.tcp.sock import TcpSock

if TYPE_CHECKING:
    from ccsim.sim.world import World

__all__ = ["Reactions", "arm", "is_in_state", "trigger_text"]

Act = Callable[["World", int, Swap, int], Generator[Any, Any, None] | None]


def trigger_text(trigger: Trigger | None) -> str:
    """Return a few words that say what a trigger waits for; empty for none."""
    if trigger is None:
        return ""
    if trigger.state:
        return f"in {trigger.state}"
    if trigger.loss:
        return f"at loss {trigger.loss}"
    if trigger.acked_bytes:
        return f"after {trigger.acked_bytes / 1e6:g} MB"
    return f"cwnd > {trigger.cwnd_above}"


def is_in_state(sk: TcpSock, state: str) -> bool:
    """Report whether a connection is in a state: of TCP, of its application, or its algorithm's
    phase."""
    if state in CA_STATE_NAMES:
        return CA_STATE_NAMES[sk.ca_state] == state
    if state == "app-limited":
        return sk.app_limited != 0
    if state == "slow-start":
        return sk.snd_cwnd < sk.snd_ssthresh
    hook = sk.ca_ops.phase
    phase = "" if hook is None else hook(sk)
    return phase == state or phase.startswith(f"{state}_")  # ProbeBW is all of ProbeBW_UP and kin


def _losses(sk: TcpSock) -> int:
    """Return the loss events so far: fast recoveries and retransmission timeouts."""
    return sk.counters["recoveries"] + sk.counters["rtos"]


class _Watch:
    """One trigger that waits, following its flow."""

    def __init__(self, world: World, index: int, swap: Swap, trigger: Trigger, act: Act) -> None:
        self.world = world
        self.index = index
        self.swap = swap
        self.act = act
        self.trigger = trigger
        self.flow = world.flow(self.trigger.flow)
        self.losses = _losses(self.flow.sk)
        own = list(swap.flows) == [self.trigger.flow] and not swap.listeners
        self.is_local = swap.via == "setsockopt" and own

    def after_event(self, t_ns: int) -> bool:
        """Fire if the condition holds now."""
        if not self.holds():
            return True
        self._fire(t_ns)
        return False

    def closed(self) -> None:
        """Wait in vain from now on, without cutting windows."""
        self.world.engine.reactions_ns.pop(self.index, None)

    def holds(self) -> bool:
        """Report whether the flow lives and is in the state that the trigger waits for."""
        flow, sk, trigger = self.flow, self.flow.sk, self.trigger
        if not flow.sending.connected or not flow.running:
            return False
        if trigger.state:
            return is_in_state(sk, trigger.state)
        if trigger.loss:
            return _losses(sk) - self.losses >= trigger.loss
        if trigger.acked_bytes:
            return sk.una * sk.mss_cache >= trigger.acked_bytes
        return bool(sk.snd_cwnd > trigger.cwnd_above)

    def _fire(self, t_ns: int) -> None:
        world, index = self.world, self.index
        world.reactions.disarm(index)
        acts_ns = t_ns if self.is_local else t_ns + self.trigger.delay_ns
        detail = {"swap": index, "when": trigger_text(self.trigger), "acts_ns": acts_ns}
        world.log("trigger", self.flow, t_ns, detail)
        if self.is_local:
            self.act(world, index, self.swap, t_ns)
        elif acts_ns < world.end_ns:
            world.reactions.at(acts_ns, index, self.swap, self.act)


def arm(world: World, index: int, swap: Swap, trigger: Trigger, act: Act) -> None:
    """Let a swap's trigger wait from now on; it fires at once if what it waits for is so
    already."""
    watch = _Watch(world, index, swap, trigger, act)
    world.reactions.arm(index, 0 if watch.is_local else watch.trigger.delay_ns)
    if watch.after_event(int(world.env.now)):
        watch.flow.followers.add(watch)


class Reactions:
    """What triggers set off: they act in order of time, then of the scenario."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting: set[int] = set()
        self._due: list[tuple[int, int, Swap, Act]] = []

    def arm(self, index: int, delay_ns: int) -> None:
        """Note that a trigger waits, and that windows may not be longer than its delay."""
        self.waiting.add(index)
        if delay_ns:
            self.world.engine.reactions_ns[index] = delay_ns

    def disarm(self, index: int) -> None:
        """Note that a trigger has fired."""
        self.waiting.discard(index)
        self.world.engine.reactions_ns.pop(index, None)

    def at(self, t_ns: int, index: int, swap: Swap, act: Act) -> None:
        """Let a swap act at ``t_ns``, which no window reaches yet."""
        heapq.heappush(self._due, (t_ns, index, swap, act))
        event = self.world.engine.instant(t_ns)
        assert event.callbacks is not None
        event.callbacks.append(lambda _: self._act())

    def _act(self) -> None:
        """Start what is due; SimPy starts a process before anything else of the same instant."""
        world = self.world
        while self._due and self._due[0][0] <= world.env.now:
            t_ns, index, swap, act = heapq.heappop(self._due)
            world.env.process(_start(world, index, swap, t_ns, act))


def _start(world: World, index: int, swap: Swap, t_ns: int, act: Act) -> Generator[Any, Any, None]:
    world.tick()
    world.border(t_ns)
    steps = act(world, index, swap, t_ns)
    if steps is not None:
        yield from steps
