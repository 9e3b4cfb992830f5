"""``TCP_CONGESTION`` on one connection or listener, with the state policy of the swap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ccsim.kernel import TCP_CONGESTION, KernelError
from ccsim.kernel.errors import EBADF
from ccsim.kernel.policy import StatePolicy
from ccsim.sim.blame import BLAMABLE
from ccsim.spec import Swap
from ccsim.tcp.path_sample import path_sample
from ccsim.tcp.sock import TcpSock

if TYPE_CHECKING:
    from ccsim.sim.flow.flow import Flow
    from ccsim.sim.world import World

__all__ = ["Change", "PolicyPhase", "change_flow", "change_listener"]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one flow or listener: its old and new implementation, and the errno."""

    name: str
    old: str
    new: str
    errno: int

    @property
    def is_done(self) -> bool:
        """Whether another implementation serves now."""
        return not self.errno and self.old != self.new


class PolicyPhase:
    """A state policy that follows its flow."""

    def __init__(self, flow: Flow, policy: StatePolicy) -> None:
        self.flow = flow
        self.policy = policy

    def after_event(self, t_ns: int) -> bool:
        """Let the policy act; at the end of its phase it takes back what it has set."""
        sk = self.flow.sk
        if not self.flow.running:
            return False
        if self.policy.on_ack(sk):
            return True
        self.policy.end(sk)
        return False

    def closed(self) -> None:
        """Let the policy go with its socket."""


def change_flow(
    world: World, name: str, about_swap: Swap, t_ns: int, to: str = "", **more: Any
) -> Change:
    """Set the option on one flow to the name ``to``, else to what the swap says; ``more`` goes
    into the event's detail."""
    flow, registry = world.flow(name), world.registry
    to = to or registry.registered(about_swap.to, about_swap.to_params)
    about = {"via": about_swap.via, "state": about_swap.state, **more}
    if not flow.running:
        shown = registry.shown(to)
        world.log("swap", flow, t_ns, {**about, "to": shown, "errno": EBADF})
        return Change(name, "", shown, EBADF)
    old = flow.implementation()
    before = _windows(flow.sk)
    flow.recorder.border(flow.sk, t_ns)
    flow.sk.set_clock(t_ns)
    errno = 0
    try:
        _set(world, flow, to, registry.new_policy(about_swap.state))
    except KernelError as error:
        errno = error.errno or 0
    except BLAMABLE as error:
        world.raise_blamed(error)
    flow.socket.moved()
    new = flow.implementation()
    detail = {**about, "from": old, "to": new, "before": before, "after": _windows(flow.sk)}
    world.log("swap", flow, t_ns, {**detail, "errno": errno})
    return Change(name, old, new, errno)


def _windows(sk: TcpSock) -> dict[str, int]:
    return {"snd_cwnd": sk.snd_cwnd, "ssthresh": sk.snd_ssthresh, "pacing_rate": sk.pacing_rate}


def _set(world: World, flow: Flow, to: str, policy: StatePolicy) -> None:
    """Call setsockopt; the policy acts around it if that will change something."""
    kernel, sk = world.registry.kernel, flow.sk
    if not kernel.would_change(sk, to):
        kernel.setsockopt(sk, TCP_CONGESTION, to)
        return
    _end_phases(flow)

    def tell(name: str, phase: str, detail: dict[str, int]) -> None:
        about = {"policy": name, "phase": phase, **detail}
        world.log("policy", flow, sk.tcp_clock_cache, about)

    policy.tell = tell
    policy.before(sk, path_sample(sk))
    kernel.setsockopt(sk, TCP_CONGESTION, to)
    if policy.after(sk):
        flow.followers.add(PolicyPhase(flow, policy))


def _end_phases(flow: Flow) -> None:
    """Cut short what an earlier swap has begun."""
    for follower in list(flow.followers.present):
        if isinstance(follower, PolicyPhase):
            follower.policy.end(flow.sk)
            flow.followers.remove(follower)


def change_listener(world: World, name: str, to: str, via: str, t_ns: int, **more: Any) -> Change:
    """Set the option on a listener; what it accepted before stays as it is."""
    registry = world.registry
    sk = registry.listeners[name]
    old = registry.label(registry.kernel.would_accept(sk))
    errno = 0
    try:
        registry.kernel.setsockopt(sk, TCP_CONGESTION, to)
    except KernelError as error:
        errno = error.errno or 0
    new = registry.shown(to) if errno else registry.label(registry.kernel.would_accept(sk))
    detail = {"via": via, "listener": name, "from": old, "to": new, "errno": errno}
    world.log("swap", None, t_ns, {**detail, **more})
    return Change(name, old, new, errno)
