"""Trains of the other algorithms leave what their hooks leave, called ACK by ACK: every field."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, TcpCongestionOps
from ccsim.kernel.sock import Sock
from ccsim.kernel.vectors import load_algorithm
from ccsim.sim.fuzz import check as check_scenario
from ccsim.sim.fuzz_scenarios import Example
from tests.algorithms.test_trains import (
    MSS,
    Path,
    by_hooks,
    by_trains,
    clone,
    lengths,
    rows_of,
    state,
    train,
    train_of,
)
from tests.sim.sim_rig import MS, resolved

OPS = {
    name: load_algorithm(name)
    for name in (
        *("bic", "fixed", "highspeed", "htcp", "hybla"),
        *("illinois", "scalable", "vegas", "veno", "yeah"),
    )
}
RTTS_US = [1000, 20_000, 40_000, 200_000, 600_000]


def case(ops: TcpCongestionOps, rng: random.Random) -> tuple[Sock, Path]:
    """A connection that has run for a while, and the ACKs that come next."""
    sk = Sock()
    sk.ca_ops, sk.is_cwnd_limited, sk.hz = ops, True, rng.choice([100, 250, 1000])
    rtt_us, una = rng.choice(RTTS_US), rng.randrange(1000)
    sk.snd_cwnd = cwnd = rng.choice([2, 4, 10, 15, 40, 100, 101, 300, 2000, rng.randrange(2, 500)])
    sk.snd_ssthresh = rng.choice(
        [TCP_INFINITE_SSTHRESH, cwnd + rng.randrange(300), max(2, cwnd - rng.randrange(50))]
    )
    if rng.random() < 0.1:
        sk.snd_cwnd_clamp = cwnd + rng.randrange(100)
    jiffy_ns = 10**9 // sk.hz
    rows = rows_of(rng, rng.choice([2, 30, 120, 400]), una, rtt_us)
    path = Path(rows, 300 * 10**9 + rng.choice([0, 1]), jiffy_ns, una + cwnd)
    path.set_clock(sk, rows[0])
    sk.snd_una, sk.snd_nxt, sk.srtt_us = una * MSS, path.snd_nxt * MSS, 8 * rtt_us
    sk.ca = ops.private() if ops.private else None
    if ops.init is not None:
        ops.init(sk)
    path.snd_nxt = una + max(sk.snd_cwnd, cwnd)
    live(sk, path, rng)
    return sk, path


def live(sk: Sock, path: Path, rng: random.Random) -> None:
    """Let the first ACKs, and maybe a loss, give the private area a past."""
    past = min(rng.choice([0, 0, 10, len(path.rows) // 2]), len(path.rows) - 1)
    by_hooks(sk, path, 0, past)
    if past and rng.random() < 0.5:
        assert sk.ca_ops.ssthresh is not None
        sk.snd_ssthresh = sk.ca_ops.ssthresh(sk)
        sk.snd_cwnd, sk.snd_cwnd_cnt = max(sk.snd_ssthresh, 2), 0
    if sk.ca_ops.name != "hybla":  # whose hooks may keep it above the window
        sk.snd_cwnd_cnt = rng.choice([sk.snd_cwnd_cnt, 0, rng.randrange(2 * sk.snd_cwnd)])
    if past:
        path.rows = path.rows[past:]
    path.snd_nxt = max(path.snd_nxt, path.rows[0][1] - path.rows[0][2] + sk.snd_cwnd)


def check(ops: TcpCongestionOps, seed: int) -> tuple[int, int]:
    rng = random.Random(seed)
    sk, path = case(ops, rng)
    twin, twin_path = clone(sk), copy.copy(path)
    expected = by_hooks(sk, path)
    windows, in_trains = by_trains(twin, twin_path, lengths(rng))
    assert windows == expected
    assert state(twin) == state(sk)
    return in_trains, len(windows)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.integers(0, 1 << 48))
@pytest.mark.parametrize("name", OPS)
def test_trains_are_what_the_hooks_make_of_their_acks(name: str, seed: int) -> None:
    check(OPS[name], seed)


@pytest.mark.parametrize(
    ("name", "share"), [*((name, 0.6) for name in OPS if name != "hybla"), ("hybla", 0.3)]
)
def test_most_acks_of_the_fuzz_go_through_trains(name: str, share: float) -> None:
    taken = total = 0
    for seed in range(40):
        in_trains, acks = check(OPS[name], seed)
        taken += in_trains
        total += acks
    assert taken > share * total


def steady(name: str, cwnd: int, count: int, **fields: Any) -> tuple[Sock, Path]:
    """A window in congestion avoidance; one ACK a millisecond, whose RTT is 40 ms."""
    sk = Sock()
    ops = OPS[name]
    sk.ca_ops, sk.is_cwnd_limited, sk.snd_cwnd, sk.snd_ssthresh = ops, True, cwnd, 2
    sk.srtt_us = 40_000 << 3
    rows = [(10**9 + (k + 1) * 10**6, k + 1, 1, 40_000) for k in range(count)]
    path = Path(rows, 300 * 10**9, 4_000_000, cwnd)
    path.set_clock(sk, (10**9, 0, 0, 0))
    sk.snd_nxt = cwnd * MSS
    sk.ca = ops.private() if ops.private else None
    if ops.init is not None:
        ops.init(sk)
    sk.snd_cwnd = cwnd
    for field, value in fields.items():
        setattr(sk, field, value)
    return sk, path


def test_scalable_adds_a_packet_for_each_hundred() -> None:
    sk, path = steady("scalable", 300, 250)
    acks = train_of(path.rows, path)
    assert train(sk, acks) == 250
    assert acks.cwnd.tolist() == [300] * 99 + [301] * 100 + [302] * 51
    assert sk.snd_cwnd_cnt == 50


def test_highspeed_adds_two_packets_for_a_window_of_a_hundred() -> None:
    sk, path = steady("highspeed", 100, 120)
    acks = train_of(path.rows, path)
    assert train(sk, acks) == 120
    assert acks.cwnd[[48, 49, 99, 100, 119]].tolist() == [100, 101, 101, 102, 102]
    assert OPS["highspeed"].params is None


def test_hybla_adds_rho_squared_packets_a_window() -> None:
    # srtt 40 ms: rho = 320 / 25 = 12/8 in eighths, rho^2 = 2.25: 288/128; of a window of 96: 3/128
    sk, path = steady("hybla", 96, 43)
    acks = train_of(path.rows, path)
    assert train(sk, acks) == 43
    assert acks.cwnd.tolist() == [96] * 42 + [97]  # 43 * 3 = 129
    assert sk.ca.cents == 1


def test_hybla_leaves_a_falling_rtt_and_whole_packets_to_the_hooks() -> None:
    sk, path = steady("hybla", 96, 20)
    path.rows[7] = (*path.rows[7][:3], 39_999)
    assert train(sk, train_of(path.rows, path)) == 0
    sk, path = steady("hybla", 2, 20)  # 288/2 = 144/128
    assert train(sk, train_of(path.rows, path)) == 0


def test_a_train_of_hooks_stops_before_a_window_below_its_first() -> None:
    # Vegas at 40 ms base, 60 ms now: 40 (60 - 40) / 40 = 20 packets queued, so it takes one away
    sk, path = steady("vegas", 40, 60)
    sk.ca.base_rtt_us, sk.ca.beg_snd_nxt = 40_001, 30 * MSS
    path.rows = [(t, una, acked, 60_000) for t, una, acked, _ in path.rows]
    before = state(sk)
    acks = train_of(path.rows, path)
    assert train(sk, acks) == 30
    assert acks.cwnd[:30].tolist() == [40] * 30
    assert sk.ca.cnt_rtt == 30
    assert {**state(sk), "ca": None} == {**before, "ca": None}


@pytest.mark.parametrize("name", OPS)
def test_cuts_and_vector_paths_do_not_show_in_transfers(name: str) -> None:
    scenario = resolved(
        "duration: 1500 ms\npath: {rate: 30 Mbit/s, rtt: 30 ms, buffer: 60 packets}\nflows:\n"
        f"  - {{name: a, congestion: {name}}}\n"
        f"  - {{name: b, congestion: {name}, start: 300 ms, rtt: 47 ms}}\n"
    )
    assert check_scenario(Example(scenario, (9 * MS,)), scenario) == ""
