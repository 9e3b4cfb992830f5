"""A run as a capture: what ``tcpdump`` would have written on the hosts at its ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ccsim import __version__
from ccsim.errors import ResultsError
from ccsim.exchange.header import Endpoints, headers
from ccsim.exchange.pcapng import INBOUND, OUTBOUND, PcapngWriter
from ccsim.exchange.resimulate import scenario_of, simulated_again, stored_result
from ccsim.exchange.segment import Sight
from ccsim.experiment.stored import StoredRun
from ccsim.files import written_whole
from ccsim.sim.hosts import hosts_of_ends, tcp_of_ends
from ccsim.sim.traces import Event
from ccsim.sim.workloads import PlannedFlow, planned_flows
from ccsim.spec import Flow, Scenario
from ccsim.tcp.host import NEVER
from ccsim.tcp.linux_sock import MAX_WINDOW_BYTES
from ccsim.words import did_you_mean

__all__ = [
    "SIDES",
    "Selection",
    "check_named",
    "endpoints",
    "swap_comments",
    "write_capture",
]

SIDES = ("sender", "receiver", "both")
FIRST_EPHEMERAL, EPHEMERAL = 32768, 28232  # Linux's ip_local_port_range
SERVER_PORT = 5201
NETWORK = 10 << 24  # 10.0.0.0/8
RECEIVERS = 1 << 23  # of it the upper half


@dataclass(frozen=True, slots=True)
class Selection:
    """Which packets are wanted: from when to when [ns], of which flows or workloads (empty: all),
    seen where."""

    from_ns: int = 0
    to_ns: int = NEVER
    flows: tuple[str, ...] = ()
    side: str = "sender"

    def names(self, *names: str | None) -> bool:
        """Report whether a flow of one of these names, its own and its workload's, is wanted."""
        return not self.flows or any(name in self.flows for name in names)

    def takes(self, sight: Sight, flow: PlannedFlow) -> bool:
        """Report whether a sight of a packet of a flow is wanted."""
        return (
            self.from_ns <= sight.t_ns < self.to_ns
            and (self.side == "both" or sight.at_sender == (self.side == "sender"))
            and self.names(flow.spec.name, flow.workload)
        )


def _host_names(spec: Flow) -> tuple[str, str]:
    if spec.hosts:
        return spec.hosts[0], spec.hosts[1]
    return f"sender of {spec.name}", f"receiver of {spec.name}"


def endpoints(scenario: Scenario, flows: Sequence[PlannedFlow]) -> list[Endpoints]:
    """Return the addresses of all flows; hosts that a scenario names are shared by flows."""
    hosts: dict[str, bytes] = {}
    counts = [0, 0]
    found = []
    mss = scenario.tcp.mss_bytes
    for index, spec in enumerate(one.spec for one in flows):
        for role, name in enumerate(_host_names(spec)):
            if name not in hosts:
                counts[role] += 1
                hosts[name] = (NETWORK + role * RECEIVERS + counts[role]).to_bytes(4, "big")
        sender, receiver = (hosts[name] for name in _host_names(spec))
        ports = (FIRST_EPHEMERAL + index % EPHEMERAL, SERVER_PORT)
        ports = ports[::-1] if spec.listener else ports
        rwnd = spec.receiver.rwnd_bytes
        window = MAX_WINDOW_BYTES if rwnd is None else rwnd // mss * mss
        host, _ = hosts_of_ends(*tcp_of_ends(spec, scenario), scenario.kernel.hz)
        options = host.sack, host.timestamps
        limit = min(window, MAX_WINDOW_BYTES)
        found.append(Endpoints(sender, receiver, *ports, mss, limit, *options))
    return found


def swap_comments(events: Iterable[Event]) -> list[tuple[int, str, str]]:
    """Return (time [ns], flow or empty for all, text) of all that swaps did, in order of time."""
    comments = []
    for event in events:
        if event.kind == "swap":
            about = event.detail
            change = f"{about.get('from') or 'none'} → {about.get('to')}"
            errno = f", errno {about['errno']}" if about.get("errno") else ""
            whose = f"{event.flow}: " if event.flow else ""
            text = f"swap {about.get('swap', '')}: {whose}{change}, {about.get('via')}{errno}"
            comments.append((event.t_ns, event.flow, f"{text}, at {event.t_ns / 1e9:.9g} s"))
    return comments


def check_named(named: Sequence[str], flows: Sequence[PlannedFlow], run: StoredRun) -> None:
    """Raise ResultsError for a flow that the run has not."""
    known = {name for one in flows for name in (one.spec.name, one.workload) if name}
    for name in named:
        if name not in known:
            near = did_you_mean(name, sorted(known))
            raise ResultsError(str(run.path), f"expected the name of a flow, got {name!r}{near}")


class _Capture:
    """Turns sights into packets of a capture."""

    def __init__(
        self, stream: BinaryIO, run: StoredRun, twin: str, wanted: Selection, snaplen: int
    ):
        scenario = scenario_of(run, twin)
        self.flows = planned_flows(scenario)
        check_named(wanted.flows, self.flows, run)
        self._ends = endpoints(scenario, self.flows)
        self._wanted = wanted
        self._interfaces: dict[bytes, int] = {}
        comments = swap_comments(stored_result(run, twin).events)
        self._comments = [one for one in comments if one[0] < wanted.to_ns]
        about = f"{run.name}, seed {scenario.seed}, run {run.run_id}"
        about += f", twin {twin}" if twin != "none" else ""
        program = f"ccsim {__version__}"
        self._writer = PcapngWriter(stream, program=program, comment=about, snaplen=snaplen)

    def take(self, sight: Sight) -> None:
        """Write a packet as a host sees it, if it is wanted."""
        flow = self.flows[sight.segment.flow]
        if not self._wanted.takes(sight, flow):
            return
        ends, segment = self._ends[sight.segment.flow], sight.segment
        direction = OUTBOUND if sight.leaves else INBOUND
        head = headers(ends, segment, ce=sight.ce)
        self._writer.packet(
            self._interface(ends, flow.spec, sight.at_sender),
            sight.t_ns,
            head,
            segment.length,
            direction,
            self._due(sight.t_ns, flow.spec.name),
        )

    def _interface(self, ends: Endpoints, spec: Flow, at_sender: bool) -> int:
        """Return the number of a host's interface, which its first packet opens."""
        address = ends.sender if at_sender else ends.receiver
        if address not in self._interfaces:
            name = _host_names(spec)[not at_sender]
            self._interfaces[address] = self._writer.interface(name)
        return self._interfaces[address]

    def _due(self, t_ns: int, flow: str) -> list[str]:
        """Return the comments of swaps that this is the first packet after."""
        if not self._comments or self._comments[0][0] > t_ns:
            return []
        due = [one for one in self._comments if one[0] <= t_ns and one[1] in ("", flow)]
        self._comments = [one for one in self._comments if one not in due]
        return [text for _, _, text in due]


def write_capture(
    run: StoredRun,
    target: Path,
    *,
    twin: str = "none",
    wanted: Selection = Selection(),
    snaplen: int = 0,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write a run, or a twin of it, as pcapng; return its size [bytes].

    Of each packet ``snaplen`` bytes are kept (0: all).

    ResultsError as `simulated_again` says; OSError if ``target`` cannot be written.
    """

    def write(aside: Path) -> None:
        with aside.open("wb") as stream:
            capture = _Capture(stream, run, twin, wanted, snaplen)
            simulated_again(run, capture.take, twin=twin, progress=progress)
            sizes.append(stream.tell())

    sizes: list[int] = []
    written_whole(target, write)
    return sizes[-1]
