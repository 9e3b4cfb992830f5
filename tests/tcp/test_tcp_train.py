"""A train of ACKs leaves the sender exactly as its ACKs leave it one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ccsim.ints import Ints
from ccsim.tcp.input import on_ack
from ccsim.tcp.refusal import Refusal
from ccsim.tcp.train import AckColumns, TrainOutcome, take_train
from ccsim.tcp.window_train import WINDOW
from tests.tcp.tcp_rig import MS, Clocked, connected


def ack_train(sk: Clocked, t: Any, una: Any, samples: list[int]) -> TrainOutcome | None:
    """Return what a train of plain ACKs did, None if it was refused."""
    outcome = take_train(sk, WINDOW, t, una, samples)
    return None if isinstance(outcome, Refusal) else outcome


def may_take_train(sk: Clocked) -> bool:
    return WINDOW.eligible(sk) is None


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


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    congestion=st.sampled_from(["reno", "cubic"]),
    cwnd=st.integers(12, 200),
    ssthresh=st.sampled_from([None, 10, 150]),
    acks=st.lists(st.tuples(gaps, st.sampled_from([1, 2, 2, 2])), min_size=2, max_size=80),
    delay_ms=st.sampled_from([0, 20, 45]),
    min_rto_us=st.sampled_from([200_000, 40_000]),
)
def test_a_train_is_its_acks(
    congestion: str,
    cwnd: int,
    ssthresh: int | None,
    acks: list[tuple[int, int]],
    delay_ms: int,
    min_rto_us: int,
) -> None:
    one, other = (busy(congestion, cwnd, ssthresh, min_rto_us) for _ in "ab")
    assert state(one) == state(other)
    assume(may_take_train(other))
    t = one.tcp_clock_cache + delay_ms * MS + np.cumsum([gap for gap, _ in acks])
    una = one.una + np.cumsum([acked for _, acked in acks])
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


def test_an_ack_that_brings_nothing_new_is_no_train() -> None:
    sk = busy("reno", 60, None, 200_000)
    t = sk.tcp_clock_cache + np.array([MS, 2 * MS])
    assert take_train(sk, WINDOW, t, sk.una + np.array([2, 2]), []) is Refusal.NOTHING_NEW


@pytest.mark.parametrize("step", [1, 2, 3])
def test_what_acks_bring_is_read_from_the_first_and_the_last_packet_of_each(step: int) -> None:
    """The last of ten ACKs acknowledges one packet more than the others."""
    sk = busy("reno", 60, None, 200_000)
    una = sk.una + step * np.arange(1, 11) + (np.arange(10) == 9)
    t = sk.tcp_clock_cache + 40 * MS + np.arange(10)
    acks = AckColumns(sk, t, una)
    stamps = sk.packets.tx_us_np[sk.una - sk.packets.base :].tolist()
    last = [*(stamps[step * k + step - 1] for k in range(9)), stamps[10 * step]]
    now_us = int(t[0]) // 1000
    assert acks.last_tx.tolist() == last
    assert acks.ca_rtt.tolist() == [now_us - tx for tx in last]
    assert acks.acked.tolist() == [*[step] * 9, step + 1]
    assert (acks.least_rtt, acks.most_rtt) == (now_us - last[9], now_us - stamps[0])
    assert (acks.least_acked, acks.most_acked) == (step, step + 1)
    assert acks.delivered.tolist() == (una + (sk.delivered - sk.una)).tolist()


def test_what_acks_bring_outlives_the_move_of_the_packets_rows() -> None:
    sk = busy("reno", 60, 10, 200_000)
    una = sk.una + 2 * np.arange(1, 11)
    acks = AckColumns(sk, sk.tcp_clock_cache + 40 * MS + np.arange(10), una)
    before = acks.last_tx.tolist()
    sk.packets.tx_us_np[:] = 0
    assert acks.last_tx.tolist() == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ca_state": 3}, Refusal.NOT_OPEN),
        ({"sacked_out": 1}, Refusal.HOLES),
        ({"lost_out": 1}, Refusal.HOLES),
        ({"retrans_out": 1}, Refusal.HOLES),
        ({"pacing_status": 1}, Refusal.PACER),
        ({"is_cwnd_limited": False}, Refusal.NOT_WINDOW_LIMITED),
        ({"app_limited": 7}, Refusal.APP_LIMITED),
        ({"tlp_high": 90}, Refusal.LOSS_PROBE),
        ({"reord_seen": 1}, Refusal.REORDERING),
    ],
)
def test_no_train_is_taken_out_of_plain_order(change: dict[str, int], why: Refusal) -> None:
    sk = busy("reno", 60, None, 200_000)
    assert may_take_train(sk)
    for name, value in change.items():
        setattr(sk, name, value)
    assert WINDOW.eligible(sk) is why


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
