"""Tables whose hooks are watched: after each call the socket must still be one that can send.

The rules are those that a kernel relies on and does not check: a hook that breaks one takes the
connection, or the machine, down later and elsewhere.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any

from ccsim.cc.fixed_point import U32_MAX
from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.loader import declared_at
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH
from ccsim.kernel.sock import UNLIMITED_RATE
from ccsim.kernel.verifier import MEMBERS
from ccsim.sim.blame import BLAMABLE
from ccsim.tcp.sender import Sender
from ccsim.verify.torture.loading import place_of
from ccsim.verify.torture.report import AlgorithmReport, Finding
from ccsim.verify.torture.shared import shared_parts

__all__ = ["Broken", "Probe", "TortureSock"]

Row = tuple[str, int, int, int, int, int, object]
"""One call in a socket's log: hook, clock [us], cwnd, its count, ssthresh, pacing rate, result."""

RESULTS: dict[str, tuple[int, int]] = {
    "ssthresh": (2, TCP_INFINITE_SSTHRESH),  # RFC 5681, equation 4: two segments at least
    "undo_cwnd": (1, U32_MAX),
    "min_tso_segs": (1, U32_MAX),
    "sndbuf_expand": (1, U32_MAX),
}
"""The hooks that return a number, and what it may be [packets]."""

FIELDS: dict[str, tuple[str, int, int]] = {
    "snd_cwnd": ("cwnd", 1, U32_MAX),
    "snd_cwnd_cnt": ("cwnd", 0, U32_MAX),
    "snd_cwnd_clamp": ("cwnd", 1, U32_MAX),
    "snd_ssthresh": ("ssthresh", 1, TCP_INFINITE_SSTHRESH),
    "pacing_rate": ("pacing", 1, UNLIMITED_RATE),
    "pacing_status": ("pacing", 0, 2),
}
"""The fields that hooks write: the rule each stands for, and what they may be."""

HOSTS = (
    *("una", "nxt", "srtt_us", "rtt_min_us", "ca_state", "delivered", "lost", "sacked_out"),
    *("lost_out", "retrans_out", "mss_cache", "prior_cwnd", "high_seq", "tcp_clock_cache"),
)
"""Fields that are the host's alone (`ccsim.kernel.sock.Sock`)."""

SELDOM = ("init", "set_state", "ssthresh")
"""Hooks that run now and then: often enough to look for what two sockets share."""

PURE = ("get_info", "export_model", "phase")
"""Questions: nothing changes by asking them."""

_written = attrgetter(*FIELDS)
_hosts = attrgetter(*HOSTS)


class Broken(Exception):
    """A rule is broken, and is in the report: the episode ends here."""


class TortureSock(Sender):
    """A sender that notes when a hook has its host act, which changes the host's fields."""

    __slots__ = ("acted", "index", "log", "serving")

    index: int
    log: list[Row]
    serving: str  # "": not under test; "live" from init on; "released"
    acted: bool

    def tcp_enter_cwr(self) -> None:
        """Start a window reduction without a loss, on behalf of a hook or of the network."""
        self.acted = True
        super().tcp_enter_cwr()

    def tcp_send_ack(self, rcv_nxt: int) -> None:
        """Let the receiver beside this sender acknowledge at once: nobody waits for it here."""
        self.acted = True


class Probe:
    """Watches the tables of one algorithm through one episode."""

    def __init__(self, ops: TcpCongestionOps, report: AlgorithmReport, episode: str) -> None:
        self.ops = ops
        self.report = report
        self.episode = episode
        self.sockets: list[TortureSock] = []
        self.table = self.instrument(ops)
        self._tables: list[TcpCongestionOps] = [self.table]
        self._depth = 0

    def adopt(self, table: TcpCongestionOps) -> None:
        """Take the kernel's copy of the watched table as the one that sockets are bound to."""
        self.table = table
        self._tables.append(table)

    def instrument(self, ops: TcpCongestionOps) -> TcpCongestionOps:
        """Return the table with its hooks watched; trains are compared elsewhere."""
        hooks: dict[str, Any] = {
            member: self._watched(member, getattr(ops, member))
            for member in MEMBERS
            if getattr(ops, member) is not None
        }
        return replace(ops, **hooks, train=None, sack_train=None, rtt_floor=None)

    def _watched(self, member: str, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def hook(sk: TortureSock, *arguments: Any) -> Any:
            return self.call(member, func, sk, arguments)

        return hook

    def call(
        self, member: str, func: Callable[..., Any], sk: TortureSock, arguments: tuple[Any, ...]
    ) -> Any:
        """Call a hook and hold what it does against the rules; Broken if one does not hold."""
        self.report.calls += 1
        self._begin(member, func, sk)
        host, others = _hosts(sk), [_written(other) for other in self.sockets if other is not sk]
        written = _written(sk)
        outermost, self._depth = not self._depth, self._depth + 1
        if outermost:
            sk.acted = False
        implementation = sk.kernel_data.implementation
        try:
            result = func(sk, *arguments)
        except Broken:
            raise
        except BLAMABLE as error:
            raise self._blame(member, func, sk, error) from error
        finally:
            self._depth -= 1
        if member == "release":
            sk.serving = "released"
        self._check_result(member, func, sk, result)
        self._check_socket(member, func, sk)
        if member in PURE and _written(sk) != written:
            self.fail(
                "pure", member, func, sk, "it changed the socket, which it is only asked about"
            )
        if not sk.acted and sk.kernel_data.implementation is implementation:
            self._check_hosts(member, func, sk, host)
        self._check_others(member, func, sk, others)
        self._follow(sk)
        after = _written(sk)
        sk.log.append((member, sk.tcp_mstamp, *after[:2], *after[3:5], result))
        return result

    # --- rules ---

    def _begin(self, member: str, func: Callable[..., Any], sk: TortureSock) -> None:
        if member == "init":
            sk.serving = "live"
        elif sk.serving != "live":
            when = "after release" if sk.serving == "released" else "before init"
            self.fail("release", member, func, sk, f"called {when}")

    def _check_result(
        self, member: str, func: Callable[..., Any], sk: TortureSock, result: Any
    ) -> None:
        if member in RESULTS:
            low, high = RESULTS[member]
            rule = "ssthresh" if member == "ssthresh" else "cwnd"
            if wrong := _wrong(result, low, high):
                rule = "integer" if type(result) is not int else rule
                self.fail(rule, member, func, sk, f"result: {wrong}")
        elif member in ("get_info", "export_model") and not _is_info(result):
            text = f"result: expected a dict of names and integers, got {result!r}"
            self.fail("integer", member, func, sk, text)
        elif member == "phase" and not isinstance(result, str):
            self.fail("phase", member, func, sk, f"result: expected a name, got {result!r}")

    def _check_socket(self, member: str, func: Callable[..., Any] | None, sk: TortureSock) -> None:
        for field, value in zip(FIELDS, _written(sk), strict=True):
            rule, low, high = FIELDS[field]
            if type(value) is not int or not low <= value <= high:
                wrong = _wrong(value, low, high)
                rule = "integer" if type(value) is not int else rule
                self.fail(rule, member, func, sk, f"{field}: {wrong}")

    def _check_hosts(
        self, member: str, func: Callable[..., Any], sk: TortureSock, before: tuple[Any, ...]
    ) -> None:
        for field, old, new in zip(HOSTS, before, _hosts(sk), strict=True):
            if old != new:
                text = f"{field} is the host's to write: expected {old!r} still, got {new!r}"
                self.fail("host", member, func, sk, text)

    def _check_others(
        self, member: str, func: Callable[..., Any], sk: TortureSock, before: list[tuple[Any, ...]]
    ) -> None:
        """No hook may reach a socket that it was not called for, least of all a released one."""
        others = [other for other in self.sockets if other is not sk]
        for other, old in zip(others, before, strict=True):
            if _written(other) != old:
                gone = ", which it had been released from" if other.serving == "released" else ""
                rule = "release" if gone else "shared"
                text = f"it changed another socket than the one it was called for{gone}"
                self.fail(rule, member, func, sk, text)
            elif member in SELDOM and (found := shared_parts(sk.ca, other.ca)) is not None:
                text = f"two sockets share what sk.ca{found} refers to"
                self.fail("shared", member, func, sk, text)

    def after_event(self, sk: TortureSock) -> None:
        """Check the socket after its host has acted too."""
        if sk.serving == "live":
            self._check_socket("", None, sk)

    def _follow(self, sk: TortureSock) -> None:
        """Watch a table that a hook has put in the place of its own, as dctcp does without ECN."""
        if sk.kernel_data.implementation.ops is self.table and not any(
            sk.ca_ops is known for known in self._tables
        ):
            sk.ca_ops = self.instrument(sk.ca_ops)
            self._tables.append(sk.ca_ops)

    # --- findings ---

    def fail(
        self,
        rule: str,
        member: str,
        func: Callable[..., Any] | None,
        sk: TortureSock | None,
        message: str,
    ) -> None:
        """Note a finding at the hook, or at the table without one, and end the episode."""
        place = place_of(func, self.ops)
        self.note(rule, place, member, sk, message)
        raise Broken

    def note(
        self, rule: str, place: str, member: str, sk: TortureSock | None, message: str
    ) -> None:
        """Note a finding."""
        t_s = None if sk is None else sk.tcp_clock_cache / 1e9
        self.report.add(Finding(rule, place, message, self.ops.name, "", member, self.episode, t_s))

    def _blame(
        self, member: str, func: Callable[..., Any], sk: TortureSock, error: BaseException
    ) -> Broken:
        """Note what a hook raised, at the innermost line of the algorithm's file."""
        file = declared_at(self.ops).rpartition(":")[0]
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == file]
        place = f"{file}:{lines[-1]}" if lines else place_of(func, self.ops)
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self.note("exception", place, member, sk, text)
        return Broken()


def _wrong(value: Any, low: int, high: int) -> str:
    """Say what is wrong with a number; nothing if it is an integer in the range."""
    if type(value) is not int:
        return f"expected an integer, got {value!r} ({type(value).__name__})"
    if value < low:
        return f"expected at least {low}, got {value}"
    return f"expected at most {high}, got {value}" if value > high else ""


def _is_info(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(key, str) and isinstance(number, int) for key, number in value.items()
    )
