"""Recordings of Linux's queueing disciplines, replayed call by call.

A recording is JSON, one object a line: a header with the parameters and the state after creation,
then each call with its time, its input, what came of it, the random numbers that it used and the
state that it changed. The qdisc here gets the same calls and the same random numbers; every outcome
and every field of its state must agree after every call, and its timer must be due when the
recorded one was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ccsim.net.qdisc.base import NEVER, Packet, Qdisc
from ccsim.net.qdisc.cake_ack_filter import TcpAck
from ccsim.net.qdisc.draws import Draws
from ccsim.net.qdisc.kinds import create_raw
from ccsim.net.qdisc.parameters import QdiscError, check
from ccsim.verify.qdisc_files import QdiscRecording, recording_error

__all__ = ["CallDifference", "RecordedDraws", "Replay", "replay"]

HEADERS_BYTES = 66  # Ethernet 14, IPv4 20, TCP 20, timestamps 12
SACK_BASE_BYTES, SACK_BLOCK_BYTES = 4, 8
Fields = dict[str, Any]


class RecordedDraws(Draws):
    """Random numbers as they were recorded, of any width."""

    __slots__ = ("left", "missing")

    def __init__(self) -> None:
        super().__init__(0)
        self.left: list[int] = []
        self.missing = 0

    def offer(self, numbers: list[int]) -> None:
        """Set the numbers of the next call."""
        self.left = numbers[::-1]
        self.missing = 0

    def u64(self) -> int:
        if self.left:
            return self.left.pop()
        self.missing += 1
        return 0

    u32 = u64
    u16 = u64


@dataclass(frozen=True, slots=True)
class CallDifference:
    """A call that did not go as recorded: its line in the file, the call, and by field what was
    recorded and what came."""

    line: int
    call: Fields
    fields: dict[str, tuple[Any, Any]]

    def __str__(self) -> str:
        given = {k: v for k, v in self.call.items() if k not in ("st", "t", "op")}
        place = f"line {self.line}"
        if "t" in self.call:
            place += f", t {self.call['t']} ns, {self.call['op']}"
        inputs = ", ".join(f"{key} {_short(value)}" for key, value in given.items())
        rows = [
            f"      {name}: recorded {_short(there)}, here {_short(here)}"
            for name, (there, here) in self.fields.items()
        ]
        return "\n".join([f"{place} ({inputs})" if inputs else place, *rows])


@dataclass(slots=True)
class Replay:
    """What a replay showed: calls, how many differ, and the first that does."""

    name: str
    kind: str
    calls: int = 0
    differences: int = 0
    first: CallDifference | None = field(default=None)

    def differs(self, difference: CallDifference) -> None:
        """Count a call that differs; the first is kept."""
        self.differences += 1
        self.first = self.first or difference


def replay(recording: QdiscRecording, *, first_only: bool = False) -> Replay:
    """Replay one recording, with ``first_only`` up to the first difference; RecordingError if it
    cannot be read."""
    outcome = Replay(recording.name, recording.kind)
    try:
        player = _Player(recording)
        for line, call, fields in player.differences(outcome):
            outcome.differs(CallDifference(line, call, fields))
            if first_only:
                break
    except (QdiscError, KeyError, TypeError, ValueError) as error:
        raise recording_error(recording, outcome.calls, error) from error
    return outcome


class _Player:
    """A qdisc under replay, with what the recording says of its state so far."""

    def __init__(self, recording: QdiscRecording) -> None:
        header = recording.header
        self.recording = recording
        self.draws = RecordedDraws()
        self.draws.offer(header.get("rand_init", []))
        self.qdisc: Qdisc = create_raw(
            recording.kind,
            header["params"],
            header["t0"],
            self.draws,
            hz=header["HZ"],
            mtu=header["psched_mtu"],
        )
        self.full: dict[str, int] = dict(header["initial_state"])

    def differences(self, outcome: Replay) -> Iterator[tuple[int, Fields, dict[str, Any]]]:
        """Make all calls; yield the line, the call and the fields of those that differ."""
        fields = {**self._random(), **self._state()}
        if fields:
            yield self.recording.line, {}, fields
        for number, call in enumerate(self.recording.calls, self.recording.line + 1):
            outcome.calls += 1
            self.full.update(call.get("st", {}))
            self.draws.offer(call.get("rand", []))
            fields = self._timer(call)
            fields.update(self._call(call))
            fields.update(self._random())
            fields.update(self._state())
            if fields:
                yield number, call, fields

    def _timer(self, call: Fields) -> dict[str, Any]:
        """Compare when the qdisc's timer is due, before the call, with what was recorded."""
        due = self.qdisc.tick_ns
        if call["op"] == "timer":
            return {} if due == call["t"] else {"timer due [ns]": (call["t"], due)}
        if due != NEVER and due <= call["t"]:
            self.qdisc.tick_ns = NEVER
            return {"timer due [ns]": (None, due)}
        return {}

    def _call(self, call: Fields) -> dict[str, Any]:
        """Make one call; return what of its outcome differs."""
        qdisc, op = self.qdisc, call["op"]
        qdisc.wake_ns = NEVER
        out: Fields = {}
        if op == "enq":
            packet = packet_of(call)
            out["ret"] = qdisc.enqueue(packet, call["t"])
            if packet not in qdisc.dropped:
                out["mark"] = int(packet.marked)
                packet.marked = False
        elif op == "deq":
            left = qdisc.dequeue(call["t"])
            if left is not None:
                out.update(id=left.number, ecn=left.ecn, mark=int(left.marked))
        elif op == "timer":
            qdisc.tick(call["t"])
        elif op == "change":
            qdisc.change(check(qdisc.kind, qdisc.PARAMETERS, call["params"]), call["t"])
        else:
            raise QdiscError(f"expected enq, deq, timer or change as op, got {op!r}")
        out["drop"] = [packet.number for packet in qdisc.dropped]
        out["wd"] = qdisc.wake_ns if qdisc.wake_ns != NEVER else 0
        qdisc.dropped.clear()
        return _apart(call, out, ("id", "ecn") if op == "deq" else ())

    def _random(self) -> dict[str, Any]:
        """Report whether the call used exactly the random numbers that it had used."""
        left, missing = len(self.draws.left), self.draws.missing
        return {"random numbers used": (0, missing - left)} if left or missing else {}

    def _state(self) -> dict[str, Any]:
        """Compare all of the qdisc's state."""
        observed, full = self.qdisc.observe(), self.full
        if observed == full:
            return {}
        return {
            name: (full.get(name, 0), observed.get(name, 0))
            for name in {**full, **observed}
            if full.get(name, 0) != observed.get(name, 0)
        }


def packet_of(call: Mapping[str, Any]) -> Packet:
    """Return the packet of a recorded ``enq``."""
    packet = Packet(
        call["id"],
        call["len"],
        call.get("ecn", 0),
        flow=call.get("flow", 0),
        hash=call.get("hash", 0),
        truesize=call.get("tsz", 0),
    )
    packet.srchost, packet.dsthost = call.get("sh", 0), call.get("dh", 0)
    packet.dscp = call.get("dscp", 0)
    packet.sk = call.get("sk", 0)
    packet.pacing_rate = call.get("rate", 0)
    packet.tstamp = call.get("tstamp", 0)
    packet.priority = call.get("prio", 0)
    if "tcp" in call:
        packet.tcp = _ack_of(call["tcp"], call["len"])
    return packet


def _ack_of(header: Mapping[str, Any], length: int) -> TcpAck:
    """Return a recorded TCP header; what the packet is longer than its headers is data."""
    blocks = tuple((start, end) for start, end in header.get("sack", ()))
    headers = HEADERS_BYTES + (SACK_BASE_BYTES + SACK_BLOCK_BYTES * len(blocks) if blocks else 0)
    return TcpAck(
        header["f"], header["ack"], header["tsval"], header["tsecr"], blocks, length - headers
    )


def _apart(call: Fields, out: Fields, also: tuple[str, ...]) -> dict[str, tuple[Any, Any]]:
    """Return the outcomes that are not those recorded; what is absent is 0, nothing or empty."""
    apart: dict[str, tuple[Any, Any]] = {}
    for name in ("ret", "drop", "mark", "wd", *also):
        there, here = call.get(name) or 0, out.get(name) or 0
        if there != here:
            apart[name] = there, here
    return apart


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"
