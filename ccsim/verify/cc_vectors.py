"""Replay of recorded calls of Linux's own congestion-control modules against an algorithm's table.

A recording (format ccvec-1) is JSON lines, compressed with gzip or xz: a header with the socket's
initial state, then one line a call with the clock, what the host changed on the socket, the
arguments, the random numbers drawn, and the socket afterwards.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.catalog import algorithm_files
from ccsim.errors import CcsimError
from ccsim.files import json_lines
from ccsim.kernel.loader import load_tables
from ccsim.kernel.ops import AckSample, CaEvent, RateSample, TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = [
    "FileResult",
    "RecordedRandom",
    "ReplaySock",
    "VectorDifference",
    "VectorError",
    "load_algorithm",
    "replay",
    "vector_files",
]

FORMAT = "ccvec-1"
SUFFIXES = (".jsonl.gz", ".jsonl.xz", ".jsonl")
U32 = 0xFFFFFFFF

RENAMED = {  # the recordings' name of a socket field -> Linux's
    "cwnd": "snd_cwnd",
    "cwnd_cnt": "snd_cwnd_cnt",
    "ssthresh": "snd_ssthresh",
    "cwnd_clamp": "snd_cwnd_clamp",
    "wstamp_ns": "tcp_wstamp_ns",
}


class VectorError(CcsimError, ValueError):
    """A file that is no complete ccvec-1 recording, or an algorithm that cannot be found."""


class _Mismatch(Exception):
    """One value differs from the recording."""

    def __init__(self, field: str, expected: object, got: object) -> None:
        super().__init__(field, expected, got)
        self.field = field
        self.expected = expected
        self.got = got


@dataclass(frozen=True)
class VectorDifference:
    """The first value of a file that differs.

    ``call`` counts from 1; ``field`` is the recording's name for it.
    """

    path: str
    call: int
    op: str
    field: str
    expected: object
    got: object

    def __str__(self) -> str:
        where = f"{self.path}: call {self.call}, {self.op}"
        return f"{where}: {self.field}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True)
class FileResult:
    """One replayed file: ``agreed`` of its ``calls`` agree before the first difference."""

    path: str
    algorithm: str
    kind: str
    calls: int
    agreed: int
    difference: VectorDifference | None


class RecordedRandom:
    """A `RandomSource` that answers with the recorded draws and objects to any other draw."""

    def __init__(self) -> None:
        self.draws: deque[list[Any]] = deque()

    def u32(self) -> int:
        """Return the next recorded 32 bits."""
        return self._next("u32", 0)

    def u32_below(self, bound: int) -> int:
        """Return the next recorded number below ``bound``."""
        return self._next("u32_below", bound)

    def u8(self) -> int:
        """Return the next recorded 8 bits."""
        return self._next("u8", 0)

    def _next(self, kind: str, bound: int) -> int:
        if not self.draws:
            raise _Mismatch("rand", "no more draws", [kind, bound])
        recorded_kind, recorded_bound, value = self.draws.popleft()
        if recorded_kind != kind or (kind == "u32_below" and recorded_bound != bound):
            raise _Mismatch("rand", [recorded_kind, recorded_bound], [kind, bound])
        return int(value)


class ReplaySock(Sock):
    """A socket whose host is the recording.

    ``bpf_base_rtt`` is the answer to the base-RTT query that nv makes in ``init`` [us], -1 for
    none; ``host_calls`` are the calls that the current hook made back into the host.
    """

    __slots__ = ("bpf_base_rtt", "host_calls")

    def __init__(self, bpf_base_rtt: int = -1) -> None:
        super().__init__()
        self.bpf_base_rtt = bpf_base_rtt
        self.host_calls: list[dict[str, Any]] = []

    def tcp_enter_cwr(self) -> None:
        """Enter CWR unless a reduction is under way, as the recording's host does."""
        call: dict[str, Any] = {
            "fn": "enter_cwr",
            "effective": int(self.ca_state < 2),
            "ssthresh_ret": 0,
            "cwnd_at": self.snd_cwnd,
        }
        if call["effective"] and self.ca_ops.ssthresh is not None:
            self.snd_cwnd_cnt = 0
            self.prior_cwnd = self.snd_cwnd
            self.snd_ssthresh = call["ssthresh_ret"] = self.ca_ops.ssthresh(self)
            call["cwnd_at"] = self.snd_cwnd
            self.ca_state = 2
        self.host_calls.append(call)

    def tcp_send_ack(self, rcv_nxt: int) -> None:
        """Note the ACK that the receiver's side sends, with the ECN flags of that moment."""
        self.host_calls.append({"fn": "send_ack", "rcv_nxt": rcv_nxt, "ecn_flags": self.ecn_flags})


# --- reading ---


def vector_files(paths: Iterable[str | Path]) -> list[Path]:
    """Return the vector files named by ``paths``, folders searched in depth, in order.

    Raises VectorError for a path that does not exist and for a folder without vectors.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise VectorError(f"{path}: expected a vector file or a folder of them, got nothing")
        inside = [path] if path.is_file() else sorted(filter(_is_vector, path.rglob("*")))
        if not inside:
            raise VectorError(f"{path}: expected files named *{', *'.join(SUFFIXES)}, got none")
        found += inside
    return found


def _is_vector(path: Path) -> bool:
    return path.is_file() and path.name.endswith(SUFFIXES)


def _header(path: Path, lines: Iterator[dict[str, Any]]) -> dict[str, Any]:
    header = next(lines, None)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        got = header.get("format") if isinstance(header, dict) else header
        raise VectorError(f"{path}: line 1: format: expected {FORMAT!r}, got {got!r}")
    return header


# --- replaying ---


def replay(path: str | Path, ops: TcpCongestionOps) -> FileResult:
    """Replay one file against ``ops``, up to the first difference.

    Raises VectorError for a broken or truncated file.
    """
    path = Path(path)
    lines = json_lines(path, VectorError)
    header = _header(path, lines)
    run = _Replay(header, ops)
    agreed, difference = 0, None
    for line in lines:
        try:
            run.call(line)
        except (KeyError, TypeError) as error:
            raise VectorError(f"{path}: call {agreed + 1}: malformed: {error!r}") from error
        except _Mismatch as wrong:
            where = (str(path), agreed + 1, line["op"])
            difference = VectorDifference(*where, wrong.field, wrong.expected, wrong.got)
            break
        agreed += 1
    if not header["calls"]:
        raise VectorError(f"{path}: expected recorded calls, got none")
    if difference is None and agreed != header["calls"]:
        raise VectorError(f"{path}: truncated: expected {header['calls']} calls, got {agreed}")
    return FileResult(
        str(path), header["algorithm"], header["kind"], header["calls"], agreed, difference
    )


def with_params(ops: TcpCongestionOps, params: Mapping[str, int]) -> TcpCongestionOps:
    """Return ``ops`` with the given module parameters, as far as it has them."""
    if ops.params is None:
        return ops
    known = {field.name for field in dataclasses.fields(ops.params)}
    values = {name: value for name, value in params.items() if name in known}
    return dataclasses.replace(ops, params=dataclasses.replace(ops.params, **values))


class _Replay:
    """One file's replay: the socket, what it must look like, and the recorded random source."""

    def __init__(self, header: dict[str, Any], ops: TcpCongestionOps) -> None:
        self.sk = sk = ReplaySock(header.get("bpf_base_rtt", -1))
        self.jiffies0 = header["jiffies0"]
        self.random = sk.random = RecordedRandom()
        self.sample = AckSample()
        self.rate_sample = RateSample()
        self.expected: dict[str, Any] = {}
        self.info: dict[str, int] = {}
        sk.hz = header["HZ"]
        sk.ca_ops = with_params(ops, header["module_params"])
        sk.ca = ops.private() if ops.private is not None else None
        self._set(header["initial_state"])

    def _set(self, fields: dict[str, Any]) -> None:
        for key, value in fields.items():
            setattr(self.sk, RENAMED.get(key, key), value)
        self.expected.update(fields)

    def call(self, line: dict[str, Any]) -> None:
        """Make one recorded call and compare all that it may have changed."""
        sk = self.sk
        sk.tcp_mstamp = line["t_us"]
        sk.tcp_clock_cache = line["t_us"] * 1000
        sk.tcp_jiffies32 = (self.jiffies0 + line["t_us"] // 1000) & U32
        self._set(line.get("set", {}))
        self.random.draws.extend(line.get("rand", ()))
        sk.host_calls.clear()
        ret = self._invoke(line["op"], line.get("args", {}))
        self._compare(line, ret)

    def _invoke(self, op: str, args: dict[str, Any]) -> int | None:
        hook = getattr(self.sk.ca_ops, op)
        if hook is None:
            return None
        try:
            return hook(self.sk, *self._arguments(op, args))
        except _Mismatch:
            raise
        except Exception as error:
            raise _Mismatch("exception", "none", f"{type(error).__name__}: {error}") from error

    def _arguments(self, op: str, args: dict[str, Any]) -> tuple[Any, ...]:
        """Return the hook's arguments after the socket."""
        if op == "cong_avoid":
            return args["ack"], args["acked"]
        if op == "pkts_acked":
            return (_fill(self.sample, args),)
        if op == "cong_control":
            return self.sk.snd_una, 0, _fill(self.rate_sample, args)
        if op == "cwnd_event":
            return (int(CaEvent[args["ev"]]),)
        return tuple(args[name] for name in ("new", "flags") if name in args)

    def _compare(self, line: dict[str, Any], ret: int | None) -> None:
        out = line["out"]
        if "ret" in out and ret != out["ret"]:
            raise _Mismatch("ret", out["ret"], ret)
        self.expected.update((k, v) for k, v in out.items() if k != "ret")
        for field, value in self.expected.items():
            got = getattr(self.sk, RENAMED.get(field, field))
            if got != value:
                raise _Mismatch(field, value, got)
        if self.random.draws:
            raise _Mismatch("rand", list(self.random.draws), "draws left over")
        if self.sk.host_calls != line.get("host", []):
            raise _Mismatch("host", line.get("host", []), self.sk.host_calls)
        self._compare_info(line.get("info", {}))

    def _compare_info(self, changed: dict[str, int]) -> None:
        self.info.update(changed)
        if self.sk.ca_ops.get_info is None:
            return
        got = self.sk.ca_ops.get_info(self.sk)
        for field, value in self.info.items():
            if got.get(field) != value:
                raise _Mismatch(f"info.{field}", value, got.get(field))


def _fill(record: Any, args: dict[str, Any]) -> Any:
    for key, value in args.items():
        setattr(record, key, value)
    return record


# --- algorithms ---


def load_algorithm(name: str) -> TcpCongestionOps:
    """Return the table of the shipped algorithm ``name``, or of the algorithm file ``name``.

    Raises VectorError when there is no such algorithm, and ObjectFileError for a file that cannot
    be loaded.
    """
    path = Path(name) if name.endswith(".py") else _shipped(name)
    tables = load_tables(path)
    return tables.get(path.stem) or next(iter(tables.values()))


def _shipped(name: str) -> Path:
    known = algorithm_files()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "a user's own file ends in .py"
        raise VectorError(
            f"no algorithm {name!r}: expected one of {', '.join(sorted(known))}; hint: {hint}"
        )
    return known[name]
