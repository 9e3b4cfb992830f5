"""A train of ACKs taken at once leaves what the hooks leave, called ACK by ACK: every field."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccsim.cc.train import AckTrain
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, AckSample, TcpCongestionOps
from ccsim.kernel.sock import UNLIMITED_RATE, Sock
from ccsim.verify.cc_vectors import load_algorithm

MSS = 1448
RENO, CUBIC = load_algorithm("reno"), load_algorithm("cubic")
FIELDS = [f for f in Sock.__slots__ if f not in {"ca", "ca_ops", "random", "kernel_data"}]
Row = tuple[int, int, int, int]  # t_ns, una, acked, rtt_us


@dataclass
class Path:
    """The ACKs that arrive, and the clocks and the sender's next packet before them."""

    rows: list[Row]
    jiffies0_ns: int
    jiffy_ns: int
    snd_nxt: int

    def set_clock(self, sk: Sock, row: Row) -> None:
        sk.tcp_clock_cache, sk.tcp_mstamp = row[0], row[0] // 1000
        sk.tcp_jiffies32 = (row[0] + self.jiffies0_ns) // self.jiffy_ns
        sk.snd_una = row[1] * MSS


def state(sk: Sock) -> dict[str, Any]:
    fields = {field: copy.copy(getattr(sk, field)) for field in FIELDS}
    return {**fields, "ca": asdict(sk.ca) if sk.ca is not None else None}


def clone(sk: Sock) -> Sock:
    twin = copy.copy(sk)
    twin.ca = copy.copy(sk.ca)
    return twin


def by_hooks(sk: Sock, path: Path, start: int = 0, stop: int | None = None) -> list[int]:
    """The definition: each ACK through the hooks; the sender fills the window after each."""
    windows = []
    for row in path.rows[start:stop]:
        path.set_clock(sk, row)
        sk.snd_nxt = path.snd_nxt * MSS
        if sk.ca_ops.pkts_acked is not None:
            sk.ca_ops.pkts_acked(sk, AckSample(row[2], row[3]))
        assert sk.ca_ops.cong_avoid is not None
        sk.ca_ops.cong_avoid(sk, sk.snd_una, row[2])
        windows.append(sk.snd_cwnd)
        path.snd_nxt = max(path.snd_nxt, row[1] + sk.snd_cwnd)
    sk.snd_nxt = path.snd_nxt * MSS
    return windows


def by_trains(sk: Sock, path: Path, lengths: Iterator[int]) -> tuple[list[int], int]:
    """Trains of the given lengths, and the hooks for an ACK that a train does not take."""
    windows: list[int] = []
    in_trains = 0
    while len(windows) < len(path.rows):
        at = len(windows)
        rows = path.rows[at : at + next(lengths)]
        path.set_clock(sk, rows[0])
        sk.snd_una = (rows[0][1] - rows[0][2]) * MSS
        acks = train_of(rows, path)
        before = state(sk)
        taken = train(sk, acks)
        if not taken:
            assert state(sk) == before
            windows += by_hooks(sk, path, at, at + 1)
            continue
        in_trains += taken
        windows += acks.cwnd[:taken].tolist()
        path.snd_nxt = acks.snd_nxt_before(taken)
        sk.snd_nxt = path.snd_nxt * MSS
        path.set_clock(sk, rows[taken - 1])
    return windows, in_trains


def train(sk: Sock, acks: AckTrain) -> int:
    assert sk.ca_ops.train is not None
    return sk.ca_ops.train(sk, acks)


def init(sk: Sock) -> None:
    assert sk.ca_ops.init is not None
    assert sk.ca_ops.private is not None
    sk.ca = sk.ca_ops.private()
    sk.ca_ops.init(sk)


def train_of(rows: list[Row], path: Path) -> AckTrain:
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    t, una, acked, rtt = columns
    clock: dict[str, Any] = {"jiffies0_ns": path.jiffies0_ns, "jiffy_ns": path.jiffy_ns}
    return AckTrain(t, una, acked, rtt, snd_nxt=path.snd_nxt, mss=MSS, **clock)


def rows_of(rng: random.Random, count: int, una: int, rtt_us: int) -> list[Row]:
    """ACKs with ties, aligned ticks, gaps, bunches; RTTs that are equal, rise or jitter."""
    t = rng.choice([0, rng.randrange(10**10)])
    gap = rng.choice(
        [1000, 120_000, 240_000, 999_000, 1_900_000, 4_000_000, rng.randrange(1, 3_000_000)]
    )
    jitter, most, rise = (
        rng.random() < 0.4,
        rng.choice([1, 2, 2, 5]),
        rng.choice([0, 0, 1, 5, 60, 400]),
    )
    lowest = rng.choice([0, -(rtt_us // 4) - 1])
    unsampled = rng.random() < 0.05
    rows = []
    for k in range(count):
        t += rng.choice([0, gap, gap, 3 * gap, rng.randrange(gap + 1)]) if jitter else gap
        if rng.random() < 0.01:
            t += rng.choice([2_000_000, 2_001_000, 50_000_000])
        acked = rng.randrange(1, most + 1)
        una += acked
        rtt = rtt_us + k * rise + (rng.randrange(lowest, rtt_us // 2 + 1) if jitter else 0)
        rtt = -1 if unsampled and rng.random() < 0.1 else max(0, rtt)
        rows.append((t, una, acked, rtt))
    return rows


def case(ops: TcpCongestionOps, rng: random.Random, slow_start: bool) -> tuple[Sock, Path]:
    """A connection in any state that plain ACKs may find it in, and the ACKs."""
    sk = Sock()
    sk.ca_ops, sk.is_cwnd_limited, sk.hz = ops, True, rng.choice([100, 250, 1000])
    rtt_us = rng.choice([5000, 20_000, 40_000, 200_000] if slow_start else [1, 100, 5000, 40_000])
    una = rng.randrange(1000)
    rows = rows_of(rng, rng.choice([1, 2, 5, 30, 120, 400]), una, rtt_us)
    sk.snd_cwnd = cwnd = rng.choice([2, 4, 10, 15, 16, 40, 100, 300, rng.randrange(2, 500)])
    sk.snd_ssthresh = rng.choice(
        [TCP_INFINITE_SSTHRESH, cwnd + rng.randrange(1, 300)]
        if slow_start
        else [max(2, cwnd - rng.randrange(50)), cwnd]
    )
    sk.snd_cwnd_cnt = rng.choice([0, rng.randrange(2 * cwnd)])
    if rng.random() < 0.05:
        sk.snd_cwnd_clamp = cwnd + rng.randrange(100)
    jiffy_ns = 10**9 // sk.hz
    offset = rng.choice([0, 1, jiffy_ns // 2])
    path = Path(rows, 300 * 10**9 + offset, jiffy_ns, una + cwnd + rng.choice([0, 0, 1]))
    path.set_clock(sk, rows[0])
    sk.snd_una, sk.snd_nxt, sk.srtt_us = una * MSS, path.snd_nxt * MSS, 8 * rtt_us
    sk.pacing_rate = rng.choice(
        [10**7] * 6 + [262_144_000, 262_144_001, 4 * 10**8, 10**9, 3 * 10**9, UNLIMITED_RATE]
    )
    sk.pacing_status = rng.choice([0, 0, 1])
    if ops is not RENO:
        remember(sk, rng, una, rtt_us)
    return sk, path


def remember(sk: Sock, rng: random.Random, una: int, rtt_us: int) -> None:
    """Give CUBIC a past."""
    params = {"hystart": int(rng.random() < 0.9), "hystart_detect": rng.choice([1, 2, 3, 3])}
    params |= {"tcp_friendliness": int(rng.random() < 0.9)}
    sk.ca_ops = replace(CUBIC, params=replace(CUBIC.params, **params))
    init(sk)
    ca = sk.ca
    now, cwnd = sk.tcp_jiffies32, sk.snd_cwnd
    ca.round_start = ca.last_ack = sk.tcp_mstamp - rng.choice([0, 1500, 2000, 2001, 20_000])
    ca.end_seq = rng.choice([una, una + 5, una + cwnd]) * MSS
    ca.found = rng.random() < 0.1
    ca.sample_cnt = rng.choice([0, 3, 7, 8])
    ca.curr_rtt = rng.choice([0xFFFFFFFF, rtt_us + 1, 2 * rtt_us])
    ca.delay_min = rng.choice([0, rtt_us, rtt_us + 500, max(1, rtt_us - 300), 2 * rtt_us])
    ca.last_max_cwnd = rng.choice([0, cwnd + rng.randrange(300), max(0, cwnd - 5)])
    if rng.random() < 0.5:
        return
    ca.epoch_start = now - rng.choice([0, 1, 5, sk.hz - 1, sk.hz, 3 * sk.hz])
    ca.last_time = now - rng.choice([0, 0, 1, sk.hz // 32, sk.hz // 32 + 1, 40])
    ca.last_cwnd = cwnd + rng.choice([0, 0, 1, -1])
    ca.cnt = rng.choice([2, 3, 10, 50, 200, 1000])
    ca.tcp_cwnd = cwnd + rng.choice([-3, 0, 0, 1, 5])
    ca.ack_cnt = rng.randrange(2 * cwnd)
    ca.origin_point = max(ca.last_max_cwnd, cwnd)
    ca.k = rng.choice([0, 0, 500, 3000, 8000])


def lengths(rng: random.Random) -> Iterator[int]:
    longest = rng.choice([1, 3, 40, 400])
    while True:
        yield rng.randrange(1, longest + 1)


def check(ops: TcpCongestionOps, seed: int, slow_start: bool) -> int:
    rng = random.Random(seed)
    sk, path = case(ops, rng, slow_start)
    twin, twin_path = clone(sk), copy.copy(path)
    expected = by_hooks(sk, path)
    windows, in_trains = by_trains(twin, twin_path, lengths(rng))
    assert windows == expected
    assert state(twin) == state(sk)
    return in_trains


fuzz = settings(
    max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@fuzz
@given(st.integers(0, 1 << 48), st.booleans())
def test_reno_by_trains_is_reno_by_hooks(seed: int, slow_start: bool) -> None:
    check(RENO, seed, slow_start)


@fuzz
@given(st.integers(0, 1 << 48))
def test_cubics_curve_by_trains_is_that_by_hooks(seed: int) -> None:
    check(CUBIC, seed, slow_start=False)


@fuzz
@given(st.integers(0, 1 << 48))
def test_hystart_by_trains_is_hystart_by_hooks(seed: int) -> None:
    check(CUBIC, seed, slow_start=True)


@pytest.mark.parametrize(("ops", "share"), [(RENO, 0.9), (CUBIC, 0.7)], ids=["reno", "cubic"])
def test_most_acks_of_the_fuzz_go_through_trains(ops: TcpCongestionOps, share: float) -> None:
    taken = total = 0
    for seed in range(100):
        slow_start = seed % 2 == 0
        taken += check(ops, seed, slow_start)
        total += len(case(ops, random.Random(seed), slow_start)[1].rows)
    assert taken > share * total


def steady(ops: TcpCongestionOps, count: int, rtt_us: int) -> tuple[Sock, Path]:
    """Slow start at 20 packets with a round that began just now; one ACK a millisecond."""
    sk = Sock()
    sk.ca_ops, sk.is_cwnd_limited, sk.snd_cwnd = ops, True, 20
    sk.pacing_rate, sk.srtt_us = 1_000_000, 8 * rtt_us
    rows = [(10**9 + (k + 1) * 10**6, k + 1, 1, rtt_us) for k in range(count)]
    path = Path(rows, 300 * 10**9, 4_000_000, 1000)
    path.set_clock(sk, (10**9, 0, 0, 0))
    sk.snd_nxt = 1000 * MSS
    if ops is CUBIC:
        init(sk)
    return sk, path


def test_a_train_ends_with_the_ack_that_sets_ssthresh() -> None:
    # least RTT 40 ms: a train of more than (40 + 1) / 2 ms, the 21st ACK, ends slow start
    sk, path = steady(CUBIC, 30, 40_000)
    acks = train_of(path.rows, path)
    assert train(sk, acks) == 21
    assert sk.snd_ssthresh == 40  # 20 and the 20 packets acknowledged before
    assert acks.cwnd[:21].tolist() == [*range(21, 41), 40]


def test_reno_grows_by_a_packet_for_each_window_of_a_train() -> None:
    sk, path = steady(RENO, 63, 40_000)
    sk.snd_ssthresh = 20
    acks = train_of(path.rows, path)
    assert train(sk, acks) == 63
    assert acks.cwnd.tolist() == [20] * 19 + [21] * 21 + [22] * 22 + [23]  # 20, 41, 63 acked


def test_without_a_pacing_rate_the_hooks_are_left_to_run() -> None:
    sk, path = steady(CUBIC, 30, 40_000)
    sk.pacing_rate = 0
    assert train(sk, train_of(path.rows, path)) == 0


@pytest.mark.parametrize("rate", [262_144_001, UNLIMITED_RATE])
def test_a_train_that_is_long_at_any_pacing_rate_ends_slow_start(rate: int) -> None:
    # 20 ms are too short, (40 + 0) / 2, and 21 ms are too long, (40 + 1) / 2
    sk, path = steady(CUBIC, 30, 40_000)
    sk.pacing_rate = rate
    assert train(sk, train_of(path.rows, path)) == 21
    assert sk.snd_ssthresh == 40


def test_the_ack_whose_pacing_rate_decides_is_left_to_the_hooks() -> None:
    # 20 ms lie between (39.4 + 0.5) / 2, with four bursts of 64 KiB in 0.5 ms, and (39.4 + 1) / 2
    sk, path = steady(CUBIC, 30, 39_400)
    sk.pacing_rate = 4 * 65_536 * 2000
    acks = train_of(path.rows, path)
    assert train(sk, acks) == 19
    assert acks.cwnd[:19].tolist() == [*range(21, 40)]
    assert (sk.snd_cwnd, sk.snd_ssthresh, sk.ca.delay_min) == (39, TCP_INFINITE_SSTHRESH, 39_400)
    assert train(sk, train_of(path.rows[19:], path)) == 0
    by_hooks(sk, path, 19, 20)
    assert sk.snd_ssthresh == 39


def test_a_pacing_rate_that_grows_within_the_train_counts_from_its_start() -> None:
    # 8 ms are more than (15.8 + 0.1) / 2 and less than (15.8 + 1) / 2: at 20,000 packets per
    # 15.8 ms, doubled, 262,144 bytes take 0.07 ms
    sk, path = steady(CUBIC, 30, 15_800)
    sk.pacing_rate, sk.snd_cwnd = 1_000_000, 20_000
    assert train(sk, train_of(path.rows, path)) == 7
    assert not sk.ca.found


@pytest.mark.parametrize("ops", [RENO, CUBIC], ids=["reno", "cubic"])
def test_a_train_that_might_reach_the_clamp_is_left_to_the_hooks(ops: TcpCongestionOps) -> None:
    sk, path = steady(ops, 30, 40_000)
    sk.snd_cwnd_clamp = 50
    assert train(sk, train_of(path.rows, path)) == 0
