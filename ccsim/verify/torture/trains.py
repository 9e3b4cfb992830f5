"""Trains against hooks: what `AckTrain` promises, on connections with a past.

The scalar hooks define; a ``train`` hook has to leave the same socket, private area and windows.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from ccsim.cc.train import AckTrain
from ccsim.kernel import Sock, TcpCongestionOps
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN, AckSample, CaEvent, CaState
from ccsim.kernel.sock import TCP_ESTABLISHED
from ccsim.sim.blame import BLAMABLE
from ccsim.sim.streams import FlowRandom
from ccsim.verify.torture.loading import place_of
from ccsim.verify.torture.report import AlgorithmReport, Finding

__all__ = ["TrainLife", "compare_trains"]

LIVES = 80
MSS = 1448
JIFFIES0_NS = 300_000_000_000
FIELDS = [
    field
    for field in Sock.__slots__
    if field not in {"ca", "ca_ops", "random", "kernel_data", "snd_nxt", "max_packets_out"}
]
Row = tuple[int, int, int, int, int]
"""Time [ns], packets acknowledged, of them by this ACK, RTT [us], bytes in flight."""


class _Sock(Sock):
    """A socket whose host does nothing when a hook asks it to."""

    __slots__ = ()

    def tcp_enter_cwr(self) -> None:
        """Note nothing."""

    def tcp_send_ack(self, rcv_nxt: int) -> None:
        """Note nothing."""


def compare_trains(ops: TcpCongestionOps, report: AlgorithmReport) -> None:
    """Note the first life in which trains and hooks differ; nothing without hooks for trains."""
    if ops.cong_avoid is None or (ops.train is None and ops.sack_train is None):
        return
    for seed in range(LIVES):
        life = TrainLife(ops, seed)
        try:
            wrong = life.compare()
        except BLAMABLE as error:
            wrong = f"{type(error).__name__}: {error}"
        report.trains += life.trains
        if wrong:
            message = f"{life.hook} differs from the hooks: {wrong}"
            place, name = place_of(getattr(ops, life.hook), ops), f"trains, life {seed}"
            report.add(Finding("train", place, message, ops.name, "", life.hook, name))
            return


class TrainLife:
    """A socket whose ACKs come by hooks at first and then, in a copy, by trains too."""

    def __init__(self, ops: TcpCongestionOps, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.trains = 0
        self.hook = "train"  # the one that is compared
        self.flight_known = True  # or else trains do not tell what was in flight
        self.hz = rng.choice([100, 250, 1000])
        self.jiffy_ns = 10**9 // self.hz
        self.t_ns = 10**9 + rng.randrange(10**9)
        self.rtt_us = rng.choice([500, 5000, 40_000, 200_000])
        self.una = rng.randrange(1, 1000)
        self.sk = sk = _Sock()
        sk.ca_ops, sk.random, sk.hz = ops, FlowRandom(seed), self.hz
        sk.is_cwnd_limited, sk.sk_state = True, TCP_ESTABLISHED
        sk.ecn_flags = int(bool(ops.flags & TCP_CONG_NEEDS_ECN))
        sk.snd_cwnd = rng.choice([2, 10, 10, 40, 200])
        sk.srtt_us, sk.pacing_rate = 8 * self.rtt_us, 10**7
        self.set_clock((self.t_ns, self.una, 0, self.rtt_us, 0))
        self.nxt = self.una + sk.snd_cwnd
        sk.snd_nxt = self.nxt * MSS
        sk.ca = ops.private() if ops.private is not None else None
        if ops.init is not None:
            ops.init(sk)

    def compare(self) -> str:
        """Let the life pass; return how trains differ from hooks, empty if they do not."""
        for _ in range(self.rng.choice([1, 2, 4])):
            self.by_hooks(self.rows(self.rng.choice([0, 3, 40, 120])))
            if self.rng.random() < 0.7 and (wrong := self.lose()):
                return wrong
            if self.sk.ca_ops.train is None:
                continue
            self.hook = "train"
            if wrong := self.trains_differ(self.rows(self.rng.choice([20, 60, 200]))):
                return wrong
        return ""

    def set_clock(self, row: Row) -> None:
        """Set the clocks, and what is acknowledged, to those of a row."""
        sk = self.sk
        sk.tcp_clock_cache, sk.tcp_mstamp = row[0], row[0] // 1000
        sk.tcp_jiffies32 = (row[0] + JIFFIES0_NS) // self.jiffy_ns
        sk.snd_una = row[1] * MSS

    def rows(self, count: int) -> list[Row]:
        """Make ACKs: steady, bunched or with gaps; RTTs that stay, rise or jitter."""
        rng, rows = self.rng, list[Row]()
        window = max(self.sk.snd_cwnd, 4)
        gap = max(self.rtt_us * 1000 // window, 1000)
        most, rise, jitter = rng.choice([1, 2, 2]), rng.choice([0, 0, 3, 60]), rng.random() < 0.4
        for k in range(count):
            self.t_ns += rng.choice([0, gap, 3 * gap]) if jitter else gap
            acked = rng.randrange(1, most + 1)
            self.una += acked
            rtt = self.rtt_us + k * rise + (rng.randrange(self.rtt_us // 2) if jitter else 0)
            flight = MSS * rng.randrange(window // 2, window + 1)
            rows.append((self.t_ns, self.una, acked, rtt, flight))
        return rows

    def lose(self) -> str:
        """Go through a recovery: back to Open, at ssthresh; return how ``sack_train`` differs from
        the hooks, empty if it does not."""
        sk, ops = self.sk, self.sk.ca_ops
        assert ops.ssthresh is not None
        sk.prior_cwnd, sk.snd_cwnd_cnt = sk.snd_cwnd, 0
        sk.snd_ssthresh = ops.ssthresh(sk)
        self.enter(CaState.RECOVERY)
        wrong = ""
        if ops.sack_train is not None and sk.snd_cwnd >= sk.snd_ssthresh:
            self.hook = "sack_train"
            wrong = self.sack_train_differs(self.rows(20))
        sk.snd_cwnd = min(sk.snd_ssthresh, 0xFFFF)
        if ops.cwnd_event is not None:
            ops.cwnd_event(sk, int(CaEvent.COMPLETE_CWR))
        self.enter(CaState.OPEN)
        return wrong

    def sack_train_differs(self, rows: list[Row]) -> str:
        """Take the RTT samples of ACKs that only SACK at once on a copy, by hooks here; return the
        first difference."""
        rows = [(row[0], rows[0][1] - rows[0][2], 0, *row[3:]) for row in rows]
        self.una = rows[0][1]
        self.set_clock(rows[0])
        twin = self._twin()
        sk, ops = self.sk, self.sk.ca_ops
        assert ops.sack_train is not None
        if ops.sack_train(twin.sk, np.array([row[3] for row in rows], dtype=np.int64)):
            self.trains += 1
            twin.set_clock(rows[-1])
            for row in rows:
                self.set_clock(row)
                if ops.pkts_acked is not None:
                    ops.pkts_acked(sk, AckSample(row[2], row[3], row[4]))
                if ops.in_ack_event is not None:
                    ops.in_ack_event(sk, 1)
        return next(self._different_state(twin.sk), "")

    def _twin(self) -> TrainLife:
        twin = copy.copy(self)
        twin.sk = copy.copy(self.sk)
        twin.sk.ca, twin.sk.random = copy.deepcopy((self.sk.ca, self.sk.random))
        return twin

    def enter(self, state: CaState) -> None:
        """Enter a state, as TCP does: the hook first."""
        if self.sk.ca_ops.set_state is not None:
            self.sk.ca_ops.set_state(self.sk, int(state))
        self.sk.ca_state = int(state)

    def by_hooks(self, rows: list[Row]) -> list[int]:
        """Take ACKs one by one, the window filled after each; return the windows."""
        sk, ops = self.sk, self.sk.ca_ops
        windows = []
        assert ops.cong_avoid is not None
        for row in rows:
            self.set_clock(row)
            sk.snd_nxt = self.nxt * MSS
            sk.delivered += row[2]
            if ops.pkts_acked is not None:
                ops.pkts_acked(sk, AckSample(row[2], row[3], row[4]))
            if ops.in_ack_event is not None:
                ops.in_ack_event(sk, 0)
            ops.cong_avoid(sk, sk.snd_una, row[2])
            windows.append(sk.snd_cwnd)
            self.nxt = max(self.nxt, row[1] + sk.snd_cwnd)
        sk.snd_nxt = self.nxt * MSS
        return windows

    def trains_differ(self, rows: list[Row]) -> str:
        """Take the ACKs by trains on a copy, by hooks here; return the first difference."""
        twin = self._twin()
        windows = twin.by_trains(rows)
        self.trains += twin.trains
        floor, other = self.rtt_floor(), self._twin()
        expected = self.by_hooks(rows)
        wrong = self._difference(expected, windows, twin.sk)
        if wrong or not floor:
            return wrong
        self.hook = "rtt_floor"
        other.flight_known = False
        windows = other.by_trains([other.with_another_rtt(row, floor) for row in rows])
        return self._difference(expected, windows, other.sk)

    def rtt_floor(self) -> int:
        """Return from where on RTT samples are said to mean nothing [us]; 0 if all may."""
        sk = self.sk
        if sk.ca_ops.rtt_floor is None or sk.snd_cwnd < sk.snd_ssthresh:
            return 0
        return sk.ca_ops.rtt_floor(sk)

    def with_another_rtt(self, row: Row, floor: int) -> Row:
        """Return an ACK with another RTT sample if that is to mean nothing."""
        rtt = row[3] if row[3] < floor else floor + self.rng.randrange(2 * self.rtt_us)
        return (*row[:3], rtt, row[4])

    def _difference(self, expected: list[int], windows: list[int], sk: Sock) -> str:
        """Return the first difference of windows, else of what is left in another socket."""
        for k, (ours, theirs) in enumerate(zip(expected, windows, strict=True)):
            if ours != theirs:
                return (
                    f"snd_cwnd after ACK {k + 1} of {len(windows)}: expected {ours}, got {theirs}"
                )
        return next(self._different_state(sk), "")

    def _different_state(self, other: Sock) -> Iterator[str]:
        for field in FIELDS:
            ours, theirs = getattr(self.sk, field), getattr(other, field)
            if ours != theirs:
                yield f"{field} after the train: expected {ours}, got {theirs}"
        if _plain(self.sk.ca) != _plain(other.ca):
            yield f"sk.ca after the train: expected {self.sk.ca}, got {other.ca}"

    def by_trains(self, rows: list[Row]) -> list[int]:
        """Offer the ACKs as trains; one that is refused goes through the hooks."""
        sk, windows = self.sk, list[int]()
        self.trains = 0
        assert sk.ca_ops.train is not None
        while len(windows) < len(rows):
            at = len(windows)
            part = rows[at : at + self.rng.choice([1, 7, 60, 400])]
            self.set_clock(part[0])
            sk.snd_una = (part[0][1] - part[0][2]) * MSS
            acks = self._train_of(part)
            taken = sk.ca_ops.train(sk, acks)
            if not taken:
                windows += self.by_hooks(part[:1])
                continue
            self.trains += 1
            windows += acks.cwnd[:taken].tolist()
            self.nxt = acks.snd_nxt_before(taken)
            sk.snd_nxt = self.nxt * MSS
            sk.delivered += sum(row[2] for row in part[:taken])
            self.set_clock(part[taken - 1])
        return windows

    def _train_of(self, rows: list[Row]) -> AckTrain:
        t, una, acked, rtt, flight = (
            np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)
        )
        return AckTrain(
            t,
            una,
            acked,
            rtt,
            snd_nxt=self.nxt,
            mss=MSS,
            jiffies0_ns=JIFFIES0_NS,
            jiffy_ns=self.jiffy_ns,
            in_flight=(lambda: flight) if self.flight_known else None,
        )


def _plain(value: Any) -> Any:
    """Return a private area as plain values, so that two can be compared."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if hasattr(value, "__dict__"):
        return {name: _plain(inner) for name, inner in vars(value).items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value
