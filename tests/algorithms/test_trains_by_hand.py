"""Trains of algorithms whose growth is worked out by hand."""

from __future__ import annotations

from ccsim.kernel.sock import Sock
from ccsim.verify.cc_vectors import load_algorithm
from tests.algorithms.test_trains import MSS, Path, train, train_of


def steady(name: str, cwnd: int, count: int) -> tuple[Sock, Path]:
    """A window in congestion avoidance; one ACK a millisecond, whose RTT is 40 ms."""
    sk = Sock()
    ops = load_algorithm(name)
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


def test_hybla_leaves_slow_starts_of_two_packets_an_ack_to_the_hooks() -> None:
    # srtt 40 ms: 2^1.5 - 1 = 1.83 packets an ACK, in 1/128: 234; at 50 ms 2^2 - 1 = 3
    sk, path = steady("hybla", 10, 30)
    sk.snd_ssthresh = 1000
    acks = train_of(path.rows, path)
    assert train(sk, acks) == 30
    assert sk.snd_cwnd == 10 + 30 * 234 // 128
    sk, path = steady("hybla", 10, 30)
    sk.ca.rho_3ls, sk.snd_ssthresh = 16, 1000
    assert train(sk, train_of(path.rows, path)) == 0
    assert sk.snd_cwnd == 10
