"""Both ends of a flow as its scenario has them: the sender, the receiver, and the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccsim.net.link import HEADER_BYTES
from ccsim.sim.applications import Peer, make_talk
from ccsim.sim.flow.path import FlowPath
from ccsim.sim.hosts import hosts_of_ends, late_host, sending_host, set_pacing, tcp_of_ends
from ccsim.sim.lateness import LateHost
from ccsim.sim.recorder import FlowRecorder
from ccsim.sim.source import Source, make_source
from ccsim.sim.streams import stream_seed
from ccsim.sim.workloads import PlannedFlow
from ccsim.spec import Flow as FlowSpec
from ccsim.tcp.checked import CheckedSender
from ccsim.tcp.delack import Exchange
from ccsim.tcp.packets import PacketColumns
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.sender import Sender

if TYPE_CHECKING:
    from ccsim.sim.world import World

__all__ = ["NO_PACKETS", "Ends", "make_ends", "make_recorder"]

NO_PACKETS = PacketColumns()  # of all flows that have not begun or have closed


@dataclass(frozen=True, slots=True)
class Ends:
    """A sender and a receiver, their hosts if those are late, and the source, if there is one;
    ``odd_last`` is the wire size of a finite flow's last packet, if that is short [bytes]."""

    sk: Sender
    receiver: Receiver
    late_sender: LateHost | None
    late_receiver: LateHost | None
    source: Source | None
    odd_last: dict[int, int]


def make_ends(world: World, index: int, planned: PlannedFlow, path: FlowPath) -> Ends:
    """Return the ends of a connection, flow number ``index`` of a world, before it begins."""
    spec = planned.spec
    tcp, peer_tcp = tcp_of_ends(spec, world.scenario)
    host, peer = hosts_of_ends(tcp, peer_tcp, world.scenario.kernel.hz)
    late_sender, late_receiver = world.late.of(planned, index)
    kind = CheckedSender if world.registry.has_python_objects else Sender
    sk = kind(sending_host(host, spec, late_sender))
    sk.random = world.random("flow", index)
    sk.packets = NO_PACKETS
    set_pacing(sk, spec, tcp)
    sk.back_ns = path.back_ns
    if spec.receiver.rwnd_bytes is not None:
        sk.rwnd = spec.receiver.rwnd_bytes // tcp.mss_bytes
    receiver = Receiver(
        late_host(peer, late_receiver), peer_tcp.quickack_packets, delayed=peer_tcp.delayed_ack
    )
    source = _make_source(world.scenario.seed, planned, sk, receiver)
    odd_last: dict[int, int] = {}
    if source is not None:
        source.pushed = receiver.pushed
        sk.runts = source.short
    else:
        odd_last = sk.runts = _limit_writing(sk, spec)
        if planned.workload:
            receiver.pushed.add(sk.write_limit - 1)  # its reader empties the queue at it
    return Ends(sk, receiver, late_sender, late_receiver, source, odd_last)


def _make_source(seed: int, planned: PlannedFlow, sk: Sender, receiver: Receiver) -> Source | None:
    """Return what writes to a flow: its application, if it has one."""
    spec, workload = planned.spec, planned.workload
    if planned.talk is None:
        return make_source(sk, spec)
    drawn = stream_seed(seed, f"workload/{workload}", planned.number)
    receiver.exchange = exchange = Exchange()
    peer = Peer(spec.rtt_ns, sk.back_ns, bool(spec.listener), exchange)
    return make_talk(sk, planned.talk, drawn, planned.life_ns, peer)


def _limit_writing(sk: Sender, spec: FlowSpec) -> dict[int, int]:
    """Write all that a flow carries, and return the wire size of its last packet, if short."""
    size_bytes = spec.size_bytes
    if size_bytes is None:
        return {}
    sk.write_limit = -(-size_bytes // sk.mss_cache)
    short = size_bytes - (sk.write_limit - 1) * sk.mss_cache
    return {sk.write_limit - 1: short + HEADER_BYTES} if short < sk.mss_cache else {}


def make_recorder(
    world: World, planned: PlannedFlow, ends: Ends, implementation: Callable[[], str]
) -> FlowRecorder:
    """Return a recorder that keeps of a flow what the scenario asks for."""
    spec, record, sk = planned.spec, world.scenario.record, ends.sk
    wanted = record.flows
    named = not isinstance(wanted, str)
    return FlowRecorder(
        record.interval_ns,
        implementation,
        lambda: sk.tcp_clock_cache,
        source=ends.source,
        sampled=wanted != "none",
        kept=wanted == "all" or (named and (spec.name in wanted or planned.workload in wanted)),
        groups=world.groups,
        workload=planned.workload,
        size_bytes=spec.size_bytes,
        spill=world.spill,
    )
