"""Every ``train`` hook against the scalar hooks, over connections with a past of ACKs and losses.

    past: ACKs by hooks | a loss, maybe | a train, and in a copy the hooks | and again

The least that a train must take is tested too: a hook that refuses everything is equal as well.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccsim.catalog import algorithm_files
from ccsim.cc.rtt_samples import NO_RTT_US, RttSamples, pkts_acked, take_rows
from ccsim.cc.train import AckTrain, hook_train
from ccsim.cc.window_laws import additive_increase, first_beyond, reno_rows, slow_start
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.verify.cc_vectors import load_algorithm
from ccsim.verify.torture.trains import TrainLife
from tests.algorithms.shipped_rig import HostSock

MSS = 1448
ALL = {name: load_algorithm(name) for name in algorithm_files()}
BY_ACKS = {name: ops for name, ops in ALL.items() if ops.train and ops.cong_avoid}
SHARES = {"cdg": 0.2, "vegas": 0.4, "hybla": 0.6}
"""Rounds of these lives are short: what ends them, and slow start, is left to the hooks."""
BY_HOOKS = {
    f"{name} by hook_train": replace(ALL[name], train=hook_train)
    for name in ("bic", "htcp", "illinois", "vegas", "veno", "yeah")
}
fuzz = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def with_parameters(ops: TcpCongestionOps, draw: st.DataObject) -> TcpCongestionOps:
    """Switch the algorithm's switches, those that are truths, at random."""
    if ops.params is None:
        return ops
    switches = [f.name for f in dataclasses.fields(ops.params) if isinstance(f.default, bool)]
    chosen: dict[str, Any] = {name: draw.draw(st.booleans()) for name in switches}
    return replace(ops, params=replace(ops.params, **chosen))


@pytest.mark.parametrize("name", [*BY_ACKS, *BY_HOOKS])
def test_a_train_leaves_what_the_hooks_leave_ack_by_ack(name: str) -> None:
    ops = {**BY_ACKS, **BY_HOOKS}[name]

    @fuzz
    @given(st.integers(0, 1 << 48), st.data())
    def holds(seed: int, data: st.DataObject) -> None:
        assert TrainLife(with_parameters(ops, data), seed).compare() == ""

    holds()


@pytest.mark.parametrize("name", BY_ACKS)
def test_most_acks_of_these_lives_go_through_trains(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = taken = 0
    ops = BY_ACKS[name]

    def train(sk: Any, acks: AckTrain) -> int:
        nonlocal offered, taken
        assert ops.train is not None
        done = ops.train(sk, acks)
        offered += acks.n if done else 1
        taken += done
        return done

    for seed in range(40):
        assert TrainLife(replace(ops, train=train), seed).compare() == ""
    assert taken > SHARES.get(name, 0.85) * offered


@pytest.mark.parametrize("name", BY_ACKS)
def test_a_train_is_taken_up_to_its_contract(name: str) -> None:
    """Windows never fall within a train, and growth at an ACK is bounded."""
    ops = BY_ACKS[name]

    def train(sk: Any, acks: AckTrain) -> int:
        assert ops.train is not None
        window = sk.snd_cwnd
        done = ops.train(sk, acks)
        if done:
            windows = np.concatenate(([window], acks.cwnd[:done]))
            assert int(windows.min()) == window
            assert np.all(np.diff(windows) <= acks.acked[:done] + 1)
            assert int(windows[-1]) == sk.snd_cwnd
        return done

    for seed in range(30):
        assert TrainLife(replace(ops, train=train), seed).compare() == ""


def test_all_of_linuxs_algorithms_take_trains() -> None:
    linux = "reno bbr bic cdg cubic dctcp highspeed htcp hybla illinois lp nv scalable vegas veno"
    assert {
        name for name in (*linux.split(), "westwood", "yeah") if ALL[name].train is None
    } == set()


# --- the pieces, worked out by hand ---


def rows(*acked: int, rtts: tuple[int, ...] = ()) -> AckTrain:
    una = np.cumsum(acked, dtype=np.int64) + 100
    t = np.arange(1, len(acked) + 1, dtype=np.int64) * 1_000_000
    rtt = np.array(rtts or [40_000] * len(acked), dtype=np.int64)
    column = np.array(acked, dtype=np.int64)
    more = {"snd_nxt": 110, "mss": MSS, "jiffies0_ns": 0, "jiffy_ns": 4_000_000}
    return AckTrain(t, una, column, rtt, **more)  # type: ignore[arg-type]


def sender(**fields: int) -> HostSock:
    sk = HostSock()
    sk.snd_una, sk.snd_nxt = 100 * MSS, 110 * MSS
    for field, value in fields.items():
        setattr(sk, field, value)
    return sk


def test_a_law_of_four_packets_grows_by_one_for_every_four() -> None:
    sk, acks = sender(snd_cwnd=10, snd_cwnd_cnt=1), rows(1, 2, 1, 2, 2, 1)
    assert additive_increase(sk, acks, 0, law=lambda cwnd: 4) == 6
    assert acks.cwnd.tolist() == [10, 11, 11, 11, 12, 12]  # 4 at the second, 8 at the fifth
    assert sk.snd_cwnd_cnt == 2


def test_growth_stops_before_an_ack_of_more_than_the_law() -> None:
    sk, acks = sender(snd_cwnd=10), rows(1, 1, 5, 1)
    assert additive_increase(sk, acks, 0, law=lambda cwnd: 4) == 2
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (10, 2)


def test_rows_between_two_others_are_left_alone() -> None:
    sk, acks = sender(snd_cwnd=10, snd_ssthresh=12), rows(1, 1, 3, 1, 1)
    acks.cwnd[:] = -1
    assert reno_rows(sk, acks, 1, 4) == 4
    assert acks.cwnd.tolist() == [-1, 11, 12, 12, -1]  # 11, then 12 with 2 packets left over
    assert sk.snd_cwnd_cnt == 3


def test_slow_start_of_some_rows_ends_at_ssthresh() -> None:
    sk, acks = sender(snd_cwnd=10, snd_ssthresh=14), rows(1, 2, 2, 2)
    assert slow_start(sk, acks, 1, 3) == (3, 0)
    assert acks.cwnd[1:3].tolist() == [12, 14]
    assert slow_start(sk, acks, 3, 3) == (3, 0)


@pytest.mark.parametrize(("packets", "row"), [(99, 0), (100, 0), (102, 2), (103, 3), (104, 3)])
def test_the_end_of_a_round_is_the_first_ack_beyond_it(packets: int, row: int) -> None:
    sk, acks = sender(), rows(1, 1, 2)  # 101, 102, 104
    assert first_beyond(sk, acks, packets * MSS, 0) == min(row, 3 if packets >= 104 else 2)


def test_the_end_of_a_round_within_a_packet_belongs_to_its_last_byte() -> None:
    sk, acks = sender(), rows(1, 1, 1)
    assert first_beyond(sk, acks, 102 * MSS - 1, 0) == 1  # the ACK of 102 packets
    assert first_beyond(sk, acks, 102 * MSS, 0) == 2


def test_samples_of_a_train_are_those_of_its_acks() -> None:
    acks = rows(1, 1, 1, 1, rtts=(50, -1, 30, 40))
    ca = RttSamples(min_rtt_us=NO_RTT_US, base_rtt_us=36)
    take_rows(ca, acks, 0, 2)
    assert (ca.cnt_rtt, ca.min_rtt_us, ca.base_rtt_us) == (1, 51, 36)
    take_rows(ca, acks, 2, 4)
    assert (ca.cnt_rtt, ca.min_rtt_us, ca.base_rtt_us) == (3, 31, 31)
    take_rows(ca, acks, 1, 2)
    assert ca.cnt_rtt == 3
    ca.start_round()
    assert (ca.cnt_rtt, ca.min_rtt_us, ca.base_rtt_us) == (0, NO_RTT_US, 31)


def test_the_count_of_samples_has_16_bits() -> None:
    ca = RttSamples(cnt_rtt=0xFFFE)
    ca.take(5, 3)
    assert ca.cnt_rtt == 1


def test_an_ack_without_a_sample_is_none() -> None:
    sk = sender()
    sk.ca = RttSamples(min_rtt_us=NO_RTT_US, base_rtt_us=NO_RTT_US)
    sample = type("Sample", (), {"rtt_us": -1})()
    pkts_acked(sk, sample)
    assert sk.ca.cnt_rtt == 0


def test_a_train_that_does_not_know_what_was_in_flight_says_so() -> None:
    with pytest.raises(TypeError, match="in flight"):
        rows(1).in_flight  # noqa: B018


def floor_differs(congestion: str, floor: Any) -> str:
    """Return how the first of some lives shows that RTTs from ``floor(sk)`` on mean something."""
    ops = replace(ALL[congestion], rtt_floor=floor)
    lives = (TrainLife(ops, seed) for seed in range(40))
    return next((wrong for life in lives if (wrong := life.compare())), "")


@pytest.mark.parametrize("congestion", ["reno", "scalable", "highspeed", "bic", "fixed", "dctcp"])
def test_no_rtt_means_anything_to(congestion: str) -> None:
    assert floor_differs(congestion, lambda sk: 1) == ""


@pytest.mark.parametrize(
    "congestion", ["cubic", "vegas", "htcp", "illinois", "westwood", "veno", "yeah", "cdg"]
)
def test_an_rtt_floor_too_low_is_found_in(congestion: str) -> None:
    assert floor_differs(congestion, lambda sk: 1) != ""


def test_the_least_rtt_is_cubics_floor_and_half_of_it_is_not() -> None:
    assert floor_differs("cubic", lambda sk: sk.ca.delay_min) == ""
    assert floor_differs("cubic", lambda sk: max(sk.ca.delay_min // 2, 1)) != ""


def test_a_floor_is_no_promise_of_one_who_asks_what_was_in_flight() -> None:
    with pytest.raises(TypeError, match="does not tell what was in flight"):
        floor_differs("nv", lambda sk: 1)


def test_no_floor_is_no_promise() -> None:
    assert floor_differs("vegas", lambda sk: 0) == ""
