"""A train of ACKs that SACK one packet more leaves the sender as its ACKs leave it one by one."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ccsim.ints import Ints
from ccsim.kernel.ops import CaState
from ccsim.kernel.sock import PACING_NEEDED
from ccsim.tcp import sack_train as module
from ccsim.tcp import train
from ccsim.tcp.cwnd import in_flight
from ccsim.tcp.input import on_ack
from ccsim.tcp.refusal import Refusal
from ccsim.tcp.sack_train import SackRegime
from ccsim.tcp.sock import TIMER_REO
from ccsim.tcp.train import take_train
from tests.planting import found_by_assertion, plant
from tests.tcp.tcp_rig import MS, Clocked, connected, sent
from tests.tcp.test_tcp_train import state


def recovering(congestion: str, cwnd: int, holes: int, before: int, **host: int) -> Clocked:
    """Return a sender in recovery that has lost packet 20 and each tenth after it, and has heard of
    ``before`` packets more."""
    sk = connected(congestion, cwnd, **host)
    t = 80 * MS
    for k in range(1, 11):
        t += 100_000
        on_ack(sk, t, 2 * k, 40_000)
    blocks: tuple[tuple[int, int], ...] = ()
    lost = {20 + 10 * k for k in range(holes)}
    for seq in range(21, 21 + 10 * (holes - 1) + before):
        t += 50_000
        if seq in lost:
            continue
        if blocks and blocks[0][1] == seq:
            blocks = ((blocks[0][0], seq + 1), *blocks[1:])
        else:
            blocks = ((seq, seq + 1), *blocks[:2])
        on_ack(sk, t, 20, 40_000, blocks)
    sent(sk)
    return sk


def may_take_sack_train(sk: Clocked) -> bool:
    return SackRegime((0, 0), ()).eligible(sk) is None


def near(sk: Clocked, ssthresh: int) -> None:
    """Let the reduction end at another window, as if it had been so from its beginning."""
    sk.snd_ssthresh = ssthresh
    sk.prr_out = max(-(-ssthresh * sk.prr_delivered // sk.prior_cwnd), 1)


def take(sk: Clocked, times: list[int]) -> tuple[int, list[int], list[int]]:
    """Offer a train; return how many ACKs it took, when packets left, and which."""
    start, end = sk.last_blocks[0]
    ends = end + 1 + np.arange(len(times))
    first = sk.nxt
    known, rest = (sk.una, start), sk.last_blocks[1:]
    outcome = take_train(sk, SackRegime(known, rest), np.array(times), ends, [])
    if isinstance(outcome, Refusal):
        return 0, [], []
    return outcome.taken, outcome.sent_ns.tolist(), list(range(first, sk.nxt))


def test_samples_between_the_acks_are_what_each_ack_leaves() -> None:
    one, other = (recovering("cubic", 100, 1, 4) for _ in "ab")
    for sk in (one, other):
        near(sk, in_flight(sk) - 3)
    times = [one.tcp_clock_cache + 50_000 * (k + 1) for k in range(30)]
    start, end = other.last_blocks[0]
    known, rest = (other.una, start), other.last_blocks[1:]
    ends = np.arange(end + 1, end + 31)
    outcome = take_train(other, SackRegime(known, rest), np.array(times), ends, times[:-1])
    assert not isinstance(outcome, Refusal)
    expected = []
    for t in times[:-1]:
        one_by_one(one, [t])
        flight, rate = in_flight(one), one.pacing_rate
        window = (one.snd_cwnd, one.snd_ssthresh, one.srtt_us, flight, rate)
        expected.append((t, *window, one.una, one.delivered))
    assert outcome.samples == expected


def one_by_one(sk: Clocked, times: list[int]) -> None:
    for t in times:
        (start, end), *rest = sk.last_blocks
        on_ack(sk, t, sk.una, 40_000, ((start, end + 1), *rest))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    congestion=st.sampled_from(["reno", "cubic"]),
    cwnd=st.integers(40, 200),
    holes=st.integers(1, 3),
    before=st.integers(4, 30),
    count=st.integers(1, 160),
    longest_ns=st.sampled_from([50_000, 900_000, 9 * MS]),
    delay_ms=st.sampled_from([0, 20]),
    min_rto_us=st.sampled_from([200_000, 40_000, 5_000]),
    above=st.one_of(st.none(), st.integers(0, 8)),
)
def test_a_train_is_its_acks(
    congestion: str,
    cwnd: int,
    holes: int,
    before: int,
    count: int,
    longest_ns: int,
    delay_ms: int,
    min_rto_us: int,
    above: int | None,
) -> None:
    one, other = (recovering(congestion, cwnd, holes, before, rto_min_us=min_rto_us) for _ in "ab")
    assert one.ca_state == CaState.RECOVERY
    if above is not None:
        near(one, in_flight(one) - above)
        near(other, in_flight(other) - above)
    assert state(one) == state(other)
    assume(may_take_sack_train(other))
    random = Random(count)
    gaps = [random.choice([50_000, random.randint(1, longest_ns)]) for _ in range(count)]
    times = (one.tcp_clock_cache + delay_ms * MS + np.cumsum(gaps)).tolist()
    taken, left, seqs = take(other, times)
    assume(taken)
    one_by_one(one, times[:taken])
    assert one.out_t == left
    assert one.out_seq == seqs
    assert state(other) == state(one)


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        (module._prr_sends, "left > 1", "left > 0"),
        (module._prr_sends, "sends[reaches] = 0", "sends[reaches] = 1"),
        (train.use_window, "int(plan.nxt[-1])", "sk.nxt + len(plan.sent_ns)"),
        (
            module.SackedColumns.__init__,
            "sk.delivered + 1, sk.delivered + n + 1",
            "sk.delivered, sk.delivered + n",
        ),
        (module.SackRegime.settle, "rearm_rto(sk)", "pass"),
    ],
)
def test_a_train_that_differs_would_be_noticed(
    function: object, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, function, old, new)
    with found_by_assertion():
        test_a_train_is_its_acks()


def test_in_flight_falls_to_ssthresh_and_then_a_packet_leaves_for_each_that_arrives() -> None:
    """Five more are in flight than ssthresh: five of the ACKs let nothing out, the others one."""
    sk = recovering("reno", 100, 1, 4)
    flight = in_flight(sk)
    near(sk, flight - 5)
    times = [sk.tcp_clock_cache + 50_000 * (k + 1) for k in range(90)]
    taken, left, _ = take(sk, times)
    assert taken == 90
    assert len(left) == 90 - 5
    assert left[-20:] == times[-20:]
    assert sk.snd_cwnd == in_flight(sk) == flight - 5


@pytest.mark.parametrize(
    "change",
    [
        {"ca_state": int(CaState.DISORDER)},
        {"reord_seen": 1},
        {"undo_retrans": 0},
        {"tlp_high": 30},
        {"app_limited": 7},
        {"prr_out": 0},
        {"snd_ssthresh": 0x7FFF},
        {"prior_cwnd": 2},
        {"snd_ssthresh": 9_000, "snd_cwnd": 9_001, "prior_cwnd": 9_002},  # below ssthresh
        {"rtt_nxt": 19},  # the next RTT sample ends a round
        {"lost_out": 9},  # something is still to be sent again
        {"timer_kind": TIMER_REO},
        {"pacing_status": PACING_NEEDED},
        {"rack_dsack_seen": True},
        {"ecn_flags": 1},
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_the_acks(change: dict[str, int]) -> None:
    sk = recovering("reno", 100, 1, 4)
    assert may_take_sack_train(sk)
    for name, value in change.items():
        setattr(sk, name, value)
    assert not may_take_sack_train(sk)


@pytest.mark.parametrize("hook", ["pkts_acked", "in_ack_event"])
def test_an_algorithm_that_looks_at_each_ack_takes_trains_only_if_it_says_so(hook: str) -> None:
    sk = recovering("reno", 100, 1, 4)
    hooks: dict[str, Any] = {hook: lambda sk, seen: None}
    sk.ca_ops = replace(sk.ca_ops, **hooks)
    assert not may_take_sack_train(sk)
    sk.ca_ops = replace(sk.ca_ops, sack_train=lambda sk, rtt_us: False)
    assert may_take_sack_train(sk)
    before = state(sk)
    assert take(sk, [sk.tcp_clock_cache + 50_000 * (k + 1) for k in range(20)])[0] == 0
    assert state(sk) == before


def test_a_train_that_lets_out_more_than_there_is_is_left_to_the_acks() -> None:
    for room, taken in ((20, 20), (19, 0)):
        sk = recovering("reno", 100, 1, 4)
        near(sk, in_flight(sk))
        sk.write_limit = sk.nxt + room
        times = [sk.tcp_clock_cache + 50_000 * (k + 1) for k in range(20)]
        assert take(sk, times)[0] == taken


def test_a_train_in_which_the_timer_may_fire_is_left_to_the_acks() -> None:
    for late_ns, taken in ((0, 20), (1, 0)):
        sk = recovering("reno", 100, 1, 4)
        times = [sk.tcp_clock_cache + 50_000 * (k + 1) for k in range(20)]
        sk.timer_ns = times[0] - late_ns
        assert take(sk, times)[0] == taken


def test_a_train_ends_where_rack_would_judge_a_retransmission() -> None:
    """The fifth ACK answers a packet that was sent when the retransmission was."""
    sk = recovering("reno", 100, 1, 4)
    row = sk.sack_high + 4 - sk.packets.base
    sk.packets.tx_us_np[row:] += 1
    sk.rack_resent, sk.rack_resent_us = Ints([20]), Ints([sk.packets.tx_us[row]])
    assert take(sk, [sk.tcp_clock_cache + 50_000 * (k + 1) for k in range(20)])[0] == 4


def test_blocks_that_do_not_continue_the_last_are_left_to_the_acks() -> None:
    sk = recovering("reno", 100, 1, 4)
    (start, end), *rest = sk.last_blocks
    t = np.array([sk.tcp_clock_cache + 50_000])
    before = state(sk)
    for ends, known in (([end + 2], (sk.una, start)), ([end + 1], (sk.una + 1, start))):
        regime = SackRegime(known, tuple(rest))
        assert take_train(sk, regime, t, np.array(ends), []) is Refusal.OUT_OF_ORDER
    assert state(sk) == before
