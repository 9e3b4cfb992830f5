"""A run as repeated ``ss -tin`` on its sending hosts would have shown it.

Windows, rates and names are the run's samples; round trips, bytes and segments are counted from its
packets, which are simulated again. ``Time:`` with seconds follows each output, as in flent's
script. What is lost is told less what of it has been sent again (``lost``), or the other way round
(``retrans``), so that ``unacked - sacked - lost + retrans`` is what is in flight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ccsim.exchange.capture import Selection, check_named, endpoints
from ccsim.exchange.header import Endpoints
from ccsim.exchange.resimulate import scenario_of, simulated_again, stored_result
from ccsim.exchange.segment import FIN, SYN, Sight
from ccsim.exchange.sending import Sending
from ccsim.experiment.stored import StoredRun
from ccsim.files import written_whole
from ccsim.net.link import HEADER_BYTES
from ccsim.sim.traces import FlowTrace
from ccsim.sim.workloads import planned_flows

__all__ = ["write_ss"]

HEAD = f"State Recv-Q Send-Q {'Local Address:Port':>22} {'Peer Address:Port':>22} Process\n"
INFINITE = 0x7FFF_FFFF


@dataclass(slots=True)
class _Socket:
    """One flow's sender: its samples, its packets so far."""

    trace: FlowTrace
    ends: Endpoints
    times: Mapping[int, int]  # the row of each sample's instant
    sending: Sending | None = None
    out: int = 0
    came: int = 0
    answered: bool = False  # the handshake is over
    ended: bool = False  # the FIN is acknowledged

    def take(self, sight: Sight) -> None:
        """Take a packet that the sender sends or gets."""
        one = sight.segment
        if one.from_sender:
            if self.sending is None:
                self.sending = Sending(one.seq, sight.t_ns)
            self.out += 1
            if one.length or one.flags & (SYN | FIN):
                fin = bool(one.flags & (SYN | FIN))
                self.sending.sent(sight.t_ns, one.seq, one.length, fin=fin)
            return
        self.came += 1
        if self.sending is not None and one.ack is not None:
            self.answered = True
            self.sending.acked(sight.t_ns, one.ack, one.blocks)
            finished = self.trace.end_ns is not None and self.sending.fin
            self.ended = bool(finished and self.sending.una == self.sending.nxt)

    def text(self, t_ns: int) -> str:
        """Return what ss says of the socket at an instant; nothing if there is none."""
        row, way = self.times.get(t_ns), self.sending
        if row is None or way is None or not self.answered or self.ended:
            return ""
        ends, trace = self.ends, self.trace
        here = f"{ip_address(ends.sender)}:{ends.sender_port}"
        there = f"{ip_address(ends.receiver)}:{ends.receiver_port}"
        queued = way.nxt - way.una
        words = " ".join(_words(trace, row, way, self, ends.scale))
        return f"ESTAB 0      {queued:<6} {here:>22} {there:>22}\n\t {words}\n"


def _words(trace: FlowTrace, row: int, way: Sending, socket: _Socket, scale: int) -> list[str]:
    """Return the fields in the order of iproute2's ``ss``."""
    mss, cwnd = trace.mss_bytes, int(trace.snd_cwnd[row])
    unacked = -(-(way.nxt - way.una) // mss)
    sacked = min(way.sacked_bytes // mss, unacked)
    apart = unacked - sacked - int(trace.in_flight[row])
    name = trace.implementations[int(trace.implementation[row])]
    words = ["ts", "sack", name, f"wscale:{scale},{scale}"]
    if way.srtt_ns:
        words.append(f"rtt:{way.srtt_ns / 1e6:.3f}/{way.rttvar_ns / 1e6:.3f}")
    words += [f"mss:{mss}", f"pmtu:{mss + HEADER_BYTES}", f"advmss:{mss}", f"cwnd:{cwnd}"]
    words += _known(ssthresh=int(trace.ssthresh[row]) % INFINITE)
    words.append(f"bytes_sent:{way.payload_bytes}")
    words += _known(bytes_retrans=way.payload_again_bytes)
    words.append(f"bytes_acked:{int(trace.delivered_bytes[row])}")
    words += [f"segs_out:{socket.out}", f"segs_in:{socket.came}", f"data_segs_out:{way.packets}"]
    if way.srtt_ns:
        words.append(f"send {_bps(8 * cwnd * mss / way.srtt_ns * 1e9)}")
    for what, rate in (("pacing", trace.pacing_rate_bps), ("delivery", trace.throughput_bps)):
        words += [f"{what}_rate {_bps(float(rate[row]))}"] if rate[row] > 0 else []
    words.append(f"delivered:{way.delivered_bytes // mss + 1}")
    words += _known(unacked=unacked)
    if way.retransmissions:
        words.append(f"retrans:{max(-apart, 0)}/{way.retransmissions}")
    words += _known(lost=max(apart, 0), sacked=sacked)
    return [*words, *([f"minrtt:{way.least_rtt_ns / 1e6:.3f}"] if way.srtt_ns else [])]


def _known(**fields: int) -> list[str]:
    """Return those fields that are not 0, which ss leaves out."""
    return [f"{name}:{number}" for name, number in fields.items() if number]


def _bps(rate: float) -> str:
    """Return a rate as ss prints it."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if rate >= size:
            return f"{rate / size:.2f}{unit}bps"
    return f"{rate:.0f}bps"


class _Log:
    """Writes an output for each instant at which the run was sampled."""

    def __init__(self, stream: TextIO, run: StoredRun, twin: str, wanted: Selection) -> None:
        self._stream = stream
        self._wanted = wanted
        scenario = scenario_of(run, twin)
        flows = planned_flows(scenario)
        check_named(wanted.flows, flows, run)
        ends = endpoints(scenario, flows)
        self._sockets: dict[int, _Socket] = {}
        instants: set[int] = set()
        for index, trace in enumerate(stored_result(run, twin).flows):
            if trace.recorded and wanted.names(trace.name, trace.workload):
                times = {int(t): row for row, t in enumerate(trace.t_ns)}
                self._sockets[index] = _Socket(trace, ends[index], times)
                instants.update(times)
        kept = np.array(sorted(instants), dtype=np.int64)
        kept = kept[(kept >= wanted.from_ns) & (kept < wanted.to_ns)]
        self._instants: list[int] = kept.tolist()
        self._at = 0

    def take(self, sight: Sight) -> None:
        """Take a packet, after the outputs that are due before it."""
        if not sight.at_sender:
            return
        self.before(sight.t_ns)
        socket = self._sockets.get(sight.segment.flow)
        if socket is not None:
            socket.take(sight)

    def before(self, t_ns: int) -> None:
        """Write the outputs of all instants before ``t_ns``; what happens at one is told by it."""
        while self._at < len(self._instants) and self._instants[self._at] < t_ns:
            instant = self._instants[self._at]
            self._at += 1
            texts = [text for one in self._sockets.values() if (text := one.text(instant))]
            if texts:
                stamp = f"Time: {instant // 10**9}.{instant % 10**9:09d}"
                self._stream.write(f"{HEAD}{''.join(texts)}\n{stamp}\n---\n")


def write_ss(
    run: StoredRun,
    target: Path,
    *,
    twin: str = "none",
    wanted: Selection = Selection(),  # noqa: B008
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write what ``ss -tin`` would have told of a run, or a twin of it, at each instant at which it
    was sampled; return the size of the file [bytes].

    ResultsError as `simulated_again` says; OSError if ``target`` cannot be written.
    """

    def write(aside: Path) -> None:
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            log = _Log(stream, run, twin, wanted)
            result: Any = simulated_again(run, log.take, twin=twin, progress=progress)
            log.before(result.duration_ns + 1)
            sizes.append(stream.tell())

    sizes: list[int] = []
    written_whole(target, write)
    return sizes[-1]
