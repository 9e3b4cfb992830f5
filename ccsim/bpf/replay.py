"""Replay of recorded calls through an object's programs: everything that a call may have changed is
compared, exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.bpf.bindings import members_of
from ccsim.bpf.helpers import Host
from ccsim.bpf.memory import BpfFault, PrivateArea
from ccsim.bpf.recording import BpfRecordingError, Line, read_recording
from ccsim.bpf.runtime import Runtime
from ccsim.kernel.ops import AckSample, RateSample, TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = ["BpfDifference", "BpfReplay", "Replayed", "replay_recording"]

U32 = (1 << 32) - 1
AREA_BYTES = 104
CYCLE_RAND = 7  # BBR draws ProbeBW's phase out of that many
Runtimes = Callable[[Line], Mapping[str, Runtime]]
_MEMBERS = members_of("tcp_sock")


class ReplayedSock(Sock):
    """A socket whose host is the recording: it keeps all members that were recorded."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, int] = {}
        self.ca_ops = TcpCongestionOps(name="recorded")

    def member(self, name: str) -> int:
        """Return a member that a simulated host would work out."""
        return self.kept.get(name, 0)

    def tcp_send_ack(self, rcv_nxt: int) -> None:
        """Send no ACK: kernel functions do so through the recording's helper."""


class RecordedHost(Host):
    """Answers helpers from the line that is replayed, in order."""

    def __init__(self) -> None:
        self.line: Line = {}
        self.answers: deque[list[Any]] = deque()

    def begin(self, line: Line) -> None:
        """Take the next line."""
        self.line = line
        self.answers = deque(line.get("calls", ()))

    def ktime_ns(self, sk: Sock) -> int:
        return int(self.line.get("ktime_ns", 0))

    def jiffies64(self, sk: Sock) -> int:
        return int(self.line["jiffies"])

    def random(self, sk: Sock) -> int:
        return int(self.line.get("random", 0))

    def send_ack(self, sk: Sock, rcv_nxt: int) -> int:
        self._expect(["bpf_tcp_send_ack", rcv_nxt])
        return 0

    def setsockopt(self, sk: Sock, level: int, name: int, value: bytes) -> int:
        text = value.split(b"\0", 1)[0].decode("ascii", "replace")
        return int(self._expect(["bpf_setsockopt", level, name, text])[-1])

    def getsockopt(self, sk: Sock, level: int, name: int) -> bytes | int:
        answer = self._expect(["bpf_getsockopt", level, name])
        result = int(answer[-1])
        return result if result < 0 else str(answer[3]).encode()

    def _expect(self, call: list[Any]) -> list[Any]:
        """Return the recorded call of a helper, which must be the one that is made now."""
        if not self.answers:
            raise _Differs("calls", None, call)
        answer = self.answers.popleft()
        if answer[: len(call)] != call:
            raise _Differs("calls", answer, call)
        return answer


class _Phase:
    """The random numbers of BBR's ProbeBW, worked out from what the recording shows of it."""

    def __init__(self, replay: BpfReplay) -> None:
        self.replay = replay

    def u32_below(self, bound: int) -> int:
        """Return what leads to the phase that the call was recorded to end in."""
        runs = self.replay.line.get("priv", ())
        area = bytearray(self.replay.flow.area)
        _apply(area, runs)
        phase = int.from_bytes(area[76:80], "little") >> 23 & 7
        return (CYCLE_RAND - (phase - 1)) % 8 if bound == CYCLE_RAND else 0

    def u32(self) -> int:
        return int(self.replay.line.get("random", 0))

    def u8(self) -> int:
        return self.u32() & 0xFF


class _Differs(Exception):
    def __init__(self, what: str, expected: object, got: object) -> None:
        super().__init__(what)
        self.what, self.expected, self.got = what, expected, got


@dataclass(frozen=True)
class BpfDifference:
    """The first value of a recording that differs; ``what`` is the recording's name for it."""

    path: str
    call: int
    program: str
    what: str
    expected: object
    got: object
    line: Line

    def __str__(self) -> str:
        where = f"{self.path}: call {self.call}, {self.program}"
        return f"{where}: {self.what}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True)
class Replayed:
    """One recording in one form: how many calls, how many of them differ, and the first."""

    path: str
    form: str
    calls: int
    differences: int
    first: BpfDifference | None


class _Flow:
    """One socket of a recording, and what it must look like."""

    def __init__(self, hz: int) -> None:
        self.sk = ReplayedSock()
        self.sk.hz = hz
        self.expected: dict[str, int] = {}
        self.area = bytearray(AREA_BYTES)

    def set(self, fields: Mapping[str, int]) -> None:
        """Set socket members to what they are from now on."""
        for name, value in fields.items():
            member = _MEMBERS.get(name)
            if member is not None and member.attribute:
                setattr(self.sk, member.attribute, value)
            else:
                self.sk.kept[name] = value
        self.expected.update(fields)

    def set_area(self, runs: Iterable[tuple[int, str]], kind: type[PrivateArea]) -> None:
        """Change the private area, which is of the kind that the object's programs work on."""
        if type(self.sk.ca) is not kind:
            self.sk.ca = kind()
        elif not runs:
            return
        _apply(self.area, runs)
        if bytes(self.sk.ca.bytes()) != self.area:
            for at in range(0, AREA_BYTES, 8):
                word = int.from_bytes(self.area[at : at + 8], "little")
                self.sk.ca.store(at, 8, word)


def _apply(data: bytearray, runs: Iterable[tuple[int, str]]) -> None:
    for offset, text in runs:
        content = bytes.fromhex(text)
        data[offset : offset + len(content)] = content


_snapshot: Callable[[Any], tuple[int, ...]] = eval(
    f"lambda s: ({', '.join(member.read for member in _MEMBERS.values())},)"
)
_NAMES = tuple(_MEMBERS)


class BpfReplay:
    """Replays one recording's calls in one form of execution."""

    def __init__(self, header: Line, runtimes: Mapping[str, Runtime], form: str) -> None:
        self.header = header
        self.runtimes = runtimes
        self.host = RecordedHost()
        self.flows: dict[int, _Flow] = {}
        self.line: Line = {}
        self.samples = {"pkts_acked": AckSample(), "cong_control": RateSample()}
        self.globals: dict[str, list[tuple[str, memoryview, bytearray]]] = {}
        for name, runtime in runtimes.items():
            runtime.host = self.host
            runtime.form = form
            self._begin_globals(name, runtime)
        self.owner = {
            program: runtime for runtime in runtimes.values() for program in runtime.codes
        }

    def _begin_globals(self, name: str, runtime: Runtime) -> None:
        """Set an object's global variables and maps as they were at the beginning."""
        self.globals[name] = []
        for variable, (section, offset, size, text) in self.header["initial_globals"][name].items():
            view = memoryview(runtime.map_named(section).memory.data)[offset : offset + size]
            view[:] = bytes.fromhex(text)
            self.globals[name].append((variable, view, bytearray(view)))
        for before in self.header.get("maps_before", {}).get(name, ()):
            found = runtime.map_named(before["map"])
            for key, value in before["items"]:
                found.update(bytes.fromhex(key), bytes.fromhex(value))

    def call(self, line: Line) -> None:
        """Make one recorded call and compare everything."""
        flow = self.flows.setdefault(line["flow"], _Flow(self.header["HZ"]))
        self.flow, self.line = flow, line
        runtime = self.owner[line["prog"]]
        flow.set(line["set"])
        flow.set_area(line.get("set_priv", ()), runtime.area)
        self._set_globals(line.get("set_globals", {}))
        flow.sk.tcp_jiffies32 = line["jiffies"] & U32
        flow.sk.random = _Phase(self)
        self.host.begin(line)
        try:
            hook = runtime.function(line["prog"], line["op"])
            result = hook(flow.sk, *self._arguments(line))
            self._compare(line, flow, result)
        except BpfFault as fault:
            raise _Differs("exception", None, str(fault)) from fault
        finally:
            flow.set(line.get("out", {}))
            flow.set_area(line.get("priv", ()), runtime.area)
            flow.set(line.get("host_out", {}))
            flow.set_area(line.get("host_priv", ()), runtime.area)
            self._set_globals(line.get("globals", {}))

    def _set_globals(self, changes: Mapping[str, Any]) -> None:
        """Let globals be what a line says; ``changes`` are of the variables, by name."""
        for variables in self.globals.values():
            for name, view, expected in variables:
                if name in changes:
                    _apply(expected, changes[name])
                    view[:] = expected

    def _arguments(self, line: Line) -> list[Any]:
        """Return the hook's arguments after the socket."""
        op, args = line["op"], line.get("args", {})
        if op == "pkts_acked":
            return [_fill(self.samples[op], args)]
        if op == "cong_control":
            return [args["ack"], args["flag"], _fill(self.samples[op], args["rs"])]
        return list(args.values())

    def _compare(self, line: Line, flow: _Flow, result: int) -> None:
        expected = {**flow.expected, **line.get("out", {})}
        for name, value in zip(_NAMES, _snapshot(flow.sk), strict=True):
            if name in expected and expected[name] != value:
                raise _Differs(name, expected[name], value)
        area = bytearray(flow.area)
        _apply(area, line.get("priv", ()))
        if flow.sk.ca.bytes() != area:
            raise _Differs("priv", area.hex(), bytes(flow.sk.ca.bytes()).hex())
        for variables in self.globals.values():
            for name, view, before in variables:
                after = bytearray(before)
                _apply(after, line.get("globals", {}).get(name, ()))
                if view != after:
                    raise _Differs(f"globals.{name}", after.hex(), bytes(view).hex())
        if "ret" in line and result & U32 != line["ret"]:
            raise _Differs("ret", line["ret"], result & U32)
        if self.host.answers:
            raise _Differs("calls", list(self.host.answers), "no more")

    def maps_differ(self) -> tuple[str, object, object] | None:
        """Return the first map whose contents at the end are not the recorded ones."""
        for name, runtime in self.runtimes.items():
            for after in self.header.get("maps_after", {}).get(name, ()):
                recorded = sorted((key, value) for key, value in after["items"])
                items = runtime.map_named(after["map"]).items()
                got = sorted((key.hex(), value.hex()) for key, value in items)
                if got != recorded:
                    return after["map"], recorded, got
        return None


def _fill(sample: Any, values: Mapping[str, int]) -> Any:
    for name, value in values.items():
        setattr(sample, name, value)
    return sample


def replay_recording(path: Path, runtimes: Runtimes, form: str) -> Replayed:
    """Replay a recording in one form: every call is made, whatever differs before it.

    ``runtimes`` makes the header's objects ready, by their files' names. Raises BpfRecordingError
    for a broken or truncated file.
    """
    header, lines = read_recording(path)
    replay = BpfReplay(header, runtimes(header), form)
    calls = differences = 0
    first: BpfDifference | None = None
    for line in lines:
        calls += 1
        try:
            replay.call(line)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BpfRecordingError(f"{path}: call {calls}: malformed: {error!r}") from error
        except _Differs as wrong:
            differences += 1
            found = (str(path), calls, line["prog"], wrong.what, wrong.expected, wrong.got, line)
            first = first or BpfDifference(*found)
    expected = sum(header["calls"].values())
    if calls != expected:
        raise BpfRecordingError(f"{path}: truncated: expected {expected} calls, got {calls}")
    end = replay.maps_differ()
    if end is not None:
        differences += 1
        first = first or BpfDifference(str(path), calls, "", f"maps_after.{end[0]}", *end[1:], {})
    return Replayed(str(path), form, calls, differences, first)
