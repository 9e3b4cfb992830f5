"""The connections in a capture, as their sending hosts saw them."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import numpy as np

from ccsim.exchange.blocks import Frame, frames
from ccsim.exchange.dissect import Endpoint, TcpPacket, dissected
from ccsim.exchange.errors import ImportedFileError
from ccsim.exchange.measured import Imported, Measured
from ccsim.exchange.segment import ECE, FIN, SYN
from ccsim.exchange.sending import INTERVAL_NS, Sending

__all__ = ["CapturedConnection", "captured", "imported_capture"]

MOST_CONNECTIONS = 10_000
MOST_ROWS = 10_000_000
"""Of all connections together: half a gigabyte."""
CHECKED_EVERY = 65_536
TIMESTAMP_BYTES = 12
Key = tuple[int, Endpoint, Endpoint]  # interface, lower and higher end


class CapturedConnection:
    """Both directions of a connection on one interface; ``sender`` is the end that sent most.

    ``handshake_ns`` is the round trip of the SYN or of the SYN-ACK, whichever is longer: the other
    is what the host itself takes. 0: not captured.
    """

    def __init__(self, first: TcpPacket) -> None:
        self.ends = (first.source, first.target)
        self.ways: dict[Endpoint, Sending] = {}
        self._syn_ns: dict[Endpoint, int] = {}
        self._again: set[Endpoint] = set()
        self.mss: dict[Endpoint, int] = {}
        self.handshake_ns = 0
        self.ect = False
        self.header_bytes = 0  # of a full packet

    def take(self, packet: TcpPacket) -> None:
        """Take the next packet of either direction."""
        source, target = packet.source, packet.target
        syn, fin = bool(packet.flags & SYN), bool(packet.flags & FIN)
        if syn:
            self._again |= {source} if source in self._syn_ns else set()
            self._syn_ns[source] = packet.t_ns
            self.mss[source] = packet.mss
        way = self.ways.get(source)
        if way is None:
            way = self.ways[source] = Sending(packet.seq, packet.t_ns)
        other = self.ways.get(target)
        if other is not None and packet.flags & 16:
            self._measure_handshake(packet, other)
            pure = not (packet.length or syn or fin)
            ece = bool(packet.flags & ECE) and not syn
            other.acked(packet.t_ns, packet.ack, packet.blocks, pure=pure, marked=ece)
        if packet.length or syn or fin:
            agreed = self._agreed()
            way.mss = agreed
            way.sent(packet.t_ns, packet.seq, packet.length, fin=fin or syn)
            way.fin = way.fin and not syn
        if packet.length:
            self.ect = self.ect or packet.ecn in (1, 2)
            self.header_bytes = self.header_bytes or packet.size - packet.length

    def _agreed(self) -> int:
        """Return the payload of a full packet with timestamps; 0 without the handshake."""
        said = [mss for mss in self.mss.values() if mss]
        return max(min(said) - TIMESTAMP_BYTES, 0) if len(said) == 2 else 0

    def _measure_handshake(self, packet: TcpPacket, other: Sending) -> None:
        sent = self._syn_ns.pop(packet.target, None)
        if sent is not None and packet.target not in self._again:
            self.handshake_ns = max(self.handshake_ns, packet.t_ns - sent)

    @property
    def sender(self) -> Endpoint:
        """The end that data comes from."""
        return max(self.ways, key=lambda end: self.ways[end].delivered_bytes)

    @property
    def sending(self) -> Sending:
        """The direction of the data."""
        return self.ways[self.sender]

    @property
    def name(self) -> str:
        """Both ends, as ``10.0.0.1:32768 → 10.128.0.1:5201``."""
        sender = self.sender
        (receiver,) = [end for end in self.ends if end != sender] or [sender]
        return f"{_text(sender)} → {_text(receiver)}"

    @property
    def is_from_receiver(self) -> bool:
        """Whether it was captured where data arrives: it is acknowledged at once, long before a
        round trip is over."""
        least = self.sending.least_rtt_ns
        return 0 <= 2 * least < self.handshake_ns


def _text(end: Endpoint) -> str:
    address, port = ip_address(end[0]), end[1]
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def captured(path: Path) -> tuple[list[CapturedConnection], int, list[str]]:
    """Return the connections of a capture that carried data, in order of their start, the time of
    its first packet [ns], and notes.

    Of a connection that was captured on several interfaces the one counts whose round trips are
    longest: the sender's. ImportedFileError if it is no capture or has no such connection; OSError.
    """
    found: dict[Key, CapturedConnection] = {}
    first_ns: int | None = None
    passed = 0
    for count, frame in enumerate(frames(path)):
        if count % CHECKED_EVERY == 0:
            _check_rows(path, frame, found)
        first_ns = frame.t_ns if first_ns is None else min(first_ns, frame.t_ns)
        packet = dissected(frame)
        if packet is None:
            passed += 1
            continue
        ends = sorted((packet.source, packet.target))
        key = (packet.interface, ends[0], ends[1])
        one = found.get(key)
        if one is None:
            if len(found) >= MOST_CONNECTIONS:
                reason = f"expected up to {MOST_CONNECTIONS} connections, got more"
                raise ImportedFileError(str(path), f"byte {frame.offset}", reason)
            one = found[key] = CapturedConnection(packet)
        one.take(packet)
    notes = [f"{passed} packets that are not TCP, or were not kept, are left out"] if passed else []
    chosen = _at_senders(found)
    if not chosen:
        raise ImportedFileError(str(path), "", "expected TCP connections that carry data, got none")
    for one in chosen:
        if one.is_from_receiver:
            notes.append(
                f"{one.name}: captured at the receiver, where data is acknowledged at once: round "
                "trips and data in flight are not those of the sender"
            )
    return sorted(chosen, key=lambda one: one.sending.start_ns), first_ns or 0, notes


def _check_rows(path: Path, frame: Frame, found: dict[Key, CapturedConnection]) -> None:
    """Refuse a capture whose connections would take too much memory."""
    ways = (way for one in found.values() for way in one.ways.values())
    if sum(len(way.columns["t_ns"]) for way in ways) > MOST_ROWS:
        reason = f"expected up to {MOST_ROWS} times 10 ms of all connections, got more"
        raise ImportedFileError(str(path), f"byte {frame.offset}", reason)


def _at_senders(found: dict[Key, CapturedConnection]) -> list[CapturedConnection]:
    """Return each connection that carried data once."""
    best: dict[tuple[Endpoint, Endpoint], CapturedConnection] = {}
    for (_, low, high), one in found.items():
        if one.sending.data_ns is None:
            continue
        other = best.get((low, high))
        if other is None or one.sending.least_rtt_ns > other.sending.least_rtt_ns:
            best[low, high] = one
    return list(best.values())


def imported_capture(path: Path) -> Imported:
    """Return what a capture says of its connections; errors as `captured`."""
    connections, first_ns, notes = captured(path)
    measured = tuple(_measured(one, first_ns) for one in connections)
    return Imported(str(path), "capture", measured, tuple(notes))


def _rtts(one: CapturedConnection) -> dict[str, float]:
    """Return the round trips that were measured [ms]."""
    known = {
        "handshake RTT (ms)": one.handshake_ns or -1,
        "least RTT (ms)": one.sending.least_rtt_ns,
        "largest RTT (ms)": one.sending.most_rtt_ns,
    }
    return {name: ns / 1e6 for name, ns in known.items() if ns >= 0}


def _measured(one: CapturedConnection, first_ns: int) -> Measured:
    sending = one.sending
    sending.flush()
    columns = {name: np.array(values) for name, values in sending.columns.items()}
    t = (columns["t_ns"] - first_ns) / 1e9
    delivered = np.maximum(columns["delivered_bytes"] - 1, 0)  # without the SYN
    spans = np.diff(columns["t_ns"], prepend=columns["t_ns"][0] - INTERVAL_NS) / 1e9
    full = sending.full_bytes or 1
    return Measured(
        name=one.name,
        congestion="",
        start_s=(sending.start_ns - first_ns) / 1e9,
        end_s=(sending.last_ns - first_ns) / 1e9,
        mss_bytes=sending.full_bytes,
        bytes_delivered=max(int(delivered[-1]) - sending.fin, 0),
        t_s=t,
        columns={
            "throughput_bps": 8 * np.diff(delivered, prepend=0) / spans,
            "rtt_ms": np.where(columns["srtt_us"] > 0, columns["srtt_us"] / 1e3, np.nan),
            "in_flight_packets": columns["in_flight_bytes"] // full,
            "retransmissions": columns["retransmissions"].astype(np.float64),
        },
        facts={
            **_rtts(one),
            "duplicate ACKs": sending.duplicate_acks,
            "ACKs with ECE": sending.marks,
        },
    )
