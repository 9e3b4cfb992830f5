"""A train of ACKs leaves the sender exactly as its ACKs leave it one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ccsim.ints import Ints
from ccsim.tcp import train
from ccsim.tcp.input import on_ack
from ccsim.tcp.train import AckColumns, ack_train, may_take_train
from tests.tcp.tcp_rig import MS, Clocked, connected

SCRATCH = {
    "ack_sample",
    "echo_us",  # the flow sets it after a train
    "rcv_tsecr",  # follows it
    "ca",
    "ca_ops",
    "heard",
    "host",
    "kernel_data",
    "on_event",
    "out_seq",
    "out_t",
    "packets",
    "random",
    "rate_sample",
}


def state(sk: Clocked) -> dict[str, Any]:
    """Return all that a sender remembers, its private area and its packets' stamps included."""
    names = {name for kind in type(sk).__mro__ for name in getattr(kind, "__slots__", ())}
    known = {name: getattr(sk, name) for name in names - SCRATCH if hasattr(sk, name)}
    packets = sk.packets
    rows = slice(sk.una - packets.base, sk.nxt - packets.base)
    for name in ("tx_us", "delivered", "delivered_us", "first_tx_us", "flags"):
        known[name] = list(getattr(packets, name)[rows])
    return {**known, "ca": repr(sk.ca)}


def busy(congestion: str, cwnd: int, ssthresh: int | None, min_rto_us: int) -> Clocked:
    """Return a bulk sender after a round in which its packets were spread out."""
    sk = connected(congestion, cwnd, rto_min_us=min_rto_us)
    if ssthresh is not None:
        sk.snd_ssthresh = ssthresh
    t = 80 * MS
    for k in range(1, cwnd // 2 + 1):
        t += 100_000
        on_ack(sk, t, 2 * k, 40_000)
    sk.out_t, sk.out_seq = Ints(), Ints()
    return sk


gaps = st.one_of(st.integers(1, 900_000), st.just(240_000), st.sampled_from([4 * MS, 9 * MS]))


@pytest.mark.pure
@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    congestion=st.sampled_from(["reno", "cubic"]),
    cwnd=st.integers(12, 200),
    ssthresh=st.sampled_from([None, 10, 150]),
    acks=st.lists(st.tuples(gaps, st.sampled_from([1, 2, 2, 2])), min_size=2, max_size=80),
    delay_ms=st.sampled_from([0, 20, 45]),
    min_rto_us=st.sampled_from([200_000, 40_000]),
    by_rows=st.booleans(),
)
def test_a_train_is_its_acks(
    congestion: str,
    cwnd: int,
    ssthresh: int | None,
    acks: list[tuple[int, int]],
    delay_ms: int,
    min_rto_us: int,
    by_rows: bool,
) -> None:
    one, other = (busy(congestion, cwnd, ssthresh, min_rto_us) for _ in "ab")
    assert state(one) == state(other)
    assume(may_take_train(other))
    t = one.tcp_clock_cache + delay_ms * MS + np.cumsum([gap for gap, _ in acks])
    una = one.una + np.cumsum([acked for _, acked in acks])
    with patch.object(train, "COMPILED", by_rows):
        outcome = ack_train(other, t, una, [])
    assume(outcome is not None)
    assert outcome is not None
    for at, number in zip(t[: outcome.taken].tolist(), una[: outcome.taken].tolist(), strict=True):
        on_ack(one, at, number, 0)
    assert one.out_t == outcome.sent_ns.tolist()
    assert one.out_seq == list(range(other.nxt - len(one.out_seq), other.nxt))
    assert state(other) == state(one)


def test_samples_between_acks_see_the_state_after_the_last_one_before_them() -> None:
    one, other = (busy("reno", 60, None, 200_000) for _ in "ab")
    t0 = one.tcp_clock_cache
    t = t0 + np.arange(1, 31) * MS
    una = one.una + 2 * np.arange(1, 31)
    instants = [int(t[4]) + 1, int(t[9]), int(t[20]) - 1]
    outcome = ack_train(other, t, una, instants)
    assert outcome is not None
    assert outcome.taken == 30
    expected = []
    for at, number in zip(t.tolist(), una.tolist(), strict=True):
        on_ack(one, at, number, 0)
        if at in (int(t[4]), int(t[9]), int(t[19])):
            flight = one.nxt - one.una
            expected.append((one.snd_cwnd, one.snd_ssthresh, one.srtt_us, flight, one.una))
    got = [
        (cwnd, thresh, srtt, flight, a)
        for _, cwnd, thresh, srtt, flight, _, a, _ in outcome.samples
    ]
    assert got == expected
    assert [sample[0] for sample in outcome.samples] == instants


@pytest.mark.pure
def test_an_ack_that_brings_nothing_new_is_no_train() -> None:
    sk = busy("reno", 60, None, 200_000)
    t = sk.tcp_clock_cache + np.array([MS, 2 * MS])
    for by_rows in (False, True):
        with patch.object(train, "COMPILED", by_rows):
            assert ack_train(sk, t, sk.una + np.array([2, 2]), []) is None


@pytest.mark.pure
@pytest.mark.parametrize("step", [1, 2, 3])
def test_what_acks_bring_is_the_same_in_slices_and_row_by_row(step: int) -> None:
    """As many packets by each ACK are read as a slice; one that acknowledges another number makes
    all of them be looked up."""
    sk = busy("reno", 60, None, 200_000)
    una = sk.una + step * np.arange(1, 11)
    t = sk.tcp_clock_cache + 40 * MS + np.arange(10)
    regular, odd = AckColumns(sk, t, una), AckColumns(sk, t, una + (np.arange(10) == 9))
    with patch.object(train, "COMPILED", True):
        looped = AckColumns(sk, t, una + (np.arange(10) == 9))
    assert isinstance(regular.last_rows, slice)
    assert not isinstance(odd.last_rows, slice)
    stamps = sk.packets.tx_us[sk.una - sk.packets.base :].tolist()
    last = [stamps[step * k + step - 1] for k in range(10)]
    assert regular.last_tx.tolist() == last
    assert odd.last_tx.tolist() == [*last[:-1], stamps[10 * step]]
    now_us = int(t[0]) // 1000
    assert regular.least_rtt == now_us - last[9]
    assert regular.most_rtt == odd.most_rtt == now_us - stamps[0]
    for name in ("t_us", "acked", "ca_rtt", "last_rows", "last_tx"):
        assert getattr(looped, name).tolist() == getattr(odd, name).tolist(), name
    for name in ("least_acked", "most_acked", "least_rtt", "most_rtt"):
        assert getattr(looped, name) == getattr(odd, name), name
    assert (regular.least_acked, regular.most_acked) == (step, step)
    assert (odd.least_acked, odd.most_acked) == (step, step + 1)


def test_what_acks_bring_outlives_the_move_of_the_packets_rows() -> None:
    sk = busy("reno", 60, 10, 200_000)
    while sk.nxt - sk.packets.base < sk.packets.capacity - 20:
        on_ack(sk, sk.tcp_clock_cache + MS, sk.una + 2, 0)
    una = sk.una + 2 * np.arange(1, 11)
    columns = AckColumns(sk, sk.tcp_clock_cache + 40 * MS + np.arange(10), una)
    before, base, capacity = columns.last_tx.tolist(), sk.packets.base, sk.packets.capacity
    columns.make_room(sk, 21)
    assert (sk.packets.base > base, sk.packets.capacity) == (True, capacity)  # moved in place
    sk.packets.tx_us_np[:] = 0
    assert columns.last_tx.tolist() == before


@pytest.mark.parametrize(
    "change",
    [
        {"ca_state": 3},
        {"sacked_out": 1},
        {"lost_out": 1},
        {"retrans_out": 1},
        {"pacing_status": 1},
        {"is_cwnd_limited": False},
        {"app_limited": 7},
        {"tlp_high": 90},
        {"reord_seen": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_no_train_is_taken_out_of_plain_order(change: dict[str, int]) -> None:
    sk = busy("reno", 60, None, 200_000)
    assert may_take_train(sk)
    for name, value in change.items():
        setattr(sk, name, value)
    assert not may_take_train(sk)


def test_an_algorithm_without_a_train_hook_goes_row_by_row() -> None:
    sk = busy("vegas", 60, None, 200_000)
    assert may_take_train(sk)
    sk.ca_ops = replace(sk.ca_ops, train=None)
    assert not may_take_train(sk)


def test_a_train_is_refused_when_a_timer_might_fire_within_it() -> None:
    sk = busy("reno", 60, None, 200_000)
    t = sk.tcp_clock_cache + np.array([MS, 400 * MS])
    assert ack_train(sk, t, sk.una + np.array([2, 4]), []) is None


def test_a_train_is_refused_near_the_end_of_a_finite_flow() -> None:
    sk = busy("reno", 60, None, 200_000)
    sk.write_limit = sk.nxt + 3
    t = sk.tcp_clock_cache + np.array([MS, 2 * MS])
    assert ack_train(sk, t, sk.una + np.array([2, 4]), []) is None
