"""ACKs of packets that the train itself lets out leave what they leave one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ccsim.ints import Ints
from ccsim.tcp.input import on_ack
from ccsim.tcp.long_train import LongTrain, may_take_long_train
from tests.tcp.tcp_rig import MS, Clocked, connected
from tests.tcp.test_tcp_train import state

GAP_NS = 3_200_000  # 20 of them are a round of 64 ms


def avoiding(congestion: str, cwnd: int = 40) -> Clocked:
    """Return a sender in congestion avoidance whose packets were spread out, RTT 60 ms."""
    sk = connected(congestion, cwnd)
    sk.snd_ssthresh = cwnd
    for k in range(1, cwnd // 2 + 1):
        on_ack(sk, 100 * MS + k * GAP_NS, 2 * k, 40_000)
    sk.out_t, sk.out_seq = Ints(), Ints()
    return sk


def acks(sk: Clocked, count: int, delay_ns: int = 60 * MS) -> tuple[Any, Any]:
    """Return ACKs of two packets each, the first ``delay_ns`` after the last that came."""
    start = sk.tcp_clock_cache + delay_ns
    return start + GAP_NS * np.arange(count), sk.una + 2 * np.arange(1, count + 1)


@pytest.mark.parametrize("congestion", ["reno", "cubic", "bic", "scalable", "highspeed"])
def test_a_train_of_several_rounds_is_its_acks(congestion: str) -> None:
    one, other = avoiding(congestion), avoiding(congestion)
    assert may_take_long_train(other)
    t, una = acks(other, 150)
    samples = [int(t[20]) + 1, int(t[90])]
    train = LongTrain(other, t, una, 20)
    assert train.plan(150) == 150
    outcome = train.take(samples)
    assert outcome is not None
    seen = []
    for at, number in zip(t.tolist(), una.tolist(), strict=True):
        if samples and samples[0] < at:
            seen.append((samples.pop(0), one.snd_cwnd, one.una))
        on_ack(one, at, number, 0)
    assert one.out_t == outcome.sent_ns.tolist()
    assert state(other) == state(one)
    assert [(s[0], s[1], s[6]) for s in outcome.samples] == seen
    assert other.una == 40 + 300


def test_reno_grows_by_a_packet_a_window() -> None:
    """Of 41 packets the 42nd makes 42 and counts once more; so 41 more make 43, 42 more 44."""
    sk = avoiding("reno")
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (41, 0)
    train = LongTrain(sk, *acks(sk, 86), 20)
    train.plan(86)
    assert train.planned.cwnd[[19, 20, 40, 41, 61, 62, 83, 84]].tolist() == [
        41,
        42,
        42,
        43,
        43,
        44,
        44,
        45,
    ]
    assert len(train.planned.sent_ns) == 172 + 4


@pytest.mark.parametrize("congestion", ["reno", "cubic", "bic"])
def test_a_plan_leaves_nothing_behind(congestion: str) -> None:
    sk, other = avoiding(congestion), avoiding(congestion)
    train = LongTrain(sk, *acks(sk, 150), 20)
    train.plan(150)
    assert state(sk) != state(other)
    train.undo()
    assert state(sk) == state(other)
    assert train.plan(30) == 30
    train.undo()
    assert state(sk) == state(other)


@pytest.mark.parametrize("congestion", ["vegas", "hybla", "htcp", "westwood", "copa", "bbr"])
def test_an_algorithm_to_which_rtts_mean_something_takes_none(congestion: str) -> None:
    assert not may_take_long_train(avoiding(congestion))


def test_slow_start_takes_none() -> None:
    sk = avoiding("reno")
    sk.snd_ssthresh = sk.snd_cwnd + 1
    assert not may_take_long_train(sk)


def test_cubic_without_an_rtt_takes_none() -> None:
    sk = avoiding("cubic")
    sk.ca.delay_min = 0
    assert not may_take_long_train(sk)


def test_an_ack_of_nothing_is_no_train() -> None:
    sk = avoiding("reno")
    t, una = acks(sk, 40)
    una[7] = una[6]
    assert LongTrain(sk, t, una, 20).plan(40) == 0


@pytest.mark.parametrize(
    ("name", "value"), [("write_limit", 100), ("rwnd", 41), ("timer_ns", 120 * MS)]
)
def test_what_interferes_prevents_it(name: str, value: int) -> None:
    """Packet 100 is the last; 41 are what the receiver has room for; the timer is over."""
    sk, other = avoiding("reno"), avoiding("reno")
    for one in (sk, other):
        setattr(one, name, value)
    train = LongTrain(sk, *acks(sk, 150), 20)
    assert train.plan(150) == 150
    assert train.take([]) is None
    train.undo()
    assert state(sk) == state(other)


def test_an_rtt_below_the_least_prevents_it() -> None:
    """CUBIC's RTT_min is 63 ms; a second round that takes 60 ms is one too short."""
    for gap_ns, expected in ((GAP_NS, True), (3 * MS, False)):
        sk = avoiding("cubic")
        assert sk.ca.delay_min == 63_200
        t, una = acks(sk, 40)
        train = LongTrain(sk, t[0] + gap_ns * np.arange(40), una, 20)
        assert train.plan(40) == 40
        assert (train.take([]) is not None) is expected
