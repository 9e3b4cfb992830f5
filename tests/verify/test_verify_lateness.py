"""How late the hosts and the path of a recording are: the drawn lateness has the stated
quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ccsim.kernel import Kernel
from ccsim.kernel.sock import PACING_NEEDED
from ccsim.tcp.host import Host
from ccsim.tcp.pacing import pacing_due
from ccsim.tcp.receiver import AckRow, Receiver
from ccsim.tcp.sender import Sender
from ccsim.verify.lateness import Lateness, LateReceiver, stall_lengths_us, stall_rate_per_s

MS = 1_000_000


def meta(duration_s: int = 400) -> dict[str, Any]:
    """A path of whose packets 1 % are late by 50 us, 0.1 % by 2 ms, one by 8 ms."""
    lateness = {"p50": 1, "p99": 50, "p999": 2000, "max": 8000.0}
    return {"duration_s": duration_s, "emulator": {"fwd_lateness_us": lateness}}


class Exact(Lateness):
    """Stalls where a test wants them, hosts that take no time."""

    def __init__(self, *stalls: tuple[int, int]) -> None:
        self.starts = [start for start, _ in stalls]
        self.ends = [end for _, end in stalls]
        self._host = [0] * 4096


def test_the_shares_of_late_packets_are_those_stated() -> None:
    one = Lateness(meta(), np.random.default_rng(1))
    times = np.arange(0, 400_000 * MS, 400_000)
    late = np.array([one.handed_over(int(t), k) - int(t) for k, t in enumerate(times)])
    assert (late > 80_000).mean() == pytest.approx(0.0075, rel=0.15)  # 0.01 * (80 / 50) ** -0.624
    assert (late > 2_000_000).mean() == pytest.approx(0.001, rel=0.5)
    assert late.max() < 8_100_000


def test_hosts_that_wait_to_be_woken_take_nearly_always_the_same() -> None:
    one = Lateness(meta(1), np.random.default_rng(2))
    one.starts = one.ends = []
    took = np.array([one.handed_over(0, k) for k in range(4096)])
    assert took.mean() == pytest.approx(15_000, rel=0.03)
    assert np.median(np.abs(took - np.median(took))) < 2_000
    assert took.min() < 1_000


def test_stalls_are_as_many_and_as_long_as_the_quantiles_ask() -> None:
    # rate of stalls beyond x: power * S(x) / x, power = ln 10 / ln 40 = 0.624
    assert stall_rate_per_s(50, 2000) == pytest.approx(0.624 * 0.01 / 50e-6, rel=0.001)
    # share beyond 2 ms: 0.624 * 0.001 / 2e-3 / 124.8 = 0.0025; from there it falls to 0 at 8 ms as
    # (1 - (x - 2 ms) / 6 ms) ** 0.872, so that its integral is 0.001: at 3 ms it is 0.00213
    lengths = stall_lengths_us(np.array([1.0, 0.0025, 0.00213, 0.0]), 50, 2000, 8000)
    assert lengths[0] == 50
    assert lengths[1:3].tolist() == pytest.approx([2000, 3000], rel=0.01)
    assert lengths[3] == pytest.approx(8000, rel=0.01)


def test_a_longest_stall_no_longer_than_the_99_9th_percentile_bounds_all() -> None:
    assert stall_lengths_us(np.array([1e-9]), 50, 2000, 2000).tolist() == [2000]


@pytest.mark.parametrize(
    "told", [{}, {"fwd_lateness_us": {"p99": 0, "p999": 0, "max": 0}}], ids=["nothing", "zeros"]
)
def test_a_path_of_which_no_lateness_is_told_is_next_to_never_late(told: dict[str, Any]) -> None:
    one = Lateness({"duration_s": 2, "emulator": told}, np.random.default_rng(3))
    late = np.array([one.handed_over(k * MS, k) - k * MS for k in range(2000)])
    assert late.max() < 40_000


def test_the_same_seed_draws_the_same() -> None:
    one, two = (Lateness(meta(5), np.random.default_rng(7)) for _ in range(2))
    other = Lateness(meta(5), np.random.default_rng(8))
    assert one.starts == two.starts
    assert one.starts != other.starts


def test_what_falls_due_in_a_stall_comes_at_its_end_and_in_order() -> None:
    one = LateReceiver(Host(), 16, Exact((10 * MS, 14 * MS)))
    acks: list[AckRow] = []
    one.receive([9 * MS, 11 * MS, 13 * MS, 15 * MS], [0, 1, 2, 3], [0, 0, 0, 0], acks)
    assert [(t, una) for t, una, _, _ in acks] == [
        (9 * MS, 1),
        (14 * MS, 2),
        (14 * MS, 3),
        (15 * MS, 4),
    ]


def test_an_ack_waits_for_a_stall_too() -> None:
    one = LateReceiver(Host(), 0, Exact((20 * MS, 90 * MS)))
    acks: list[AckRow] = []
    one.receive([19 * MS], [0], [0], acks)
    assert acks == []
    due = one.delack_ns
    assert 20 * MS < due < 90 * MS
    one.flush(due + 1, acks)
    assert [(t, una) for t, una, _, _ in acks] == [(90 * MS, 1)]


def test_without_stalls_it_acknowledges_as_any_receiver() -> None:
    times = [k * MS for k in range(40)]
    late, plain = LateReceiver(Host(), 4, Exact()), Receiver(Host(), 4)
    rows: list[list[AckRow]] = [[], []]
    for receiver, acks in zip((late, plain), rows, strict=True):
        receiver.receive(times, [*range(20), *range(21, 41)], [0] * 40, acks)
    assert rows[0] == rows[1]


def test_a_pacing_timer_that_falls_due_in_a_stall_runs_at_its_end() -> None:
    late = Exact((10 * MS, 14 * MS))
    for host, runs in ((Host(), 12 * MS), (Host(awake_ns=late.awake), 14 * MS)):
        sk = Sender(host)
        sk.tcp_wstamp_ns = 12 * MS
        assert pacing_due(sk) == runs


def test_a_stall_costs_a_paced_sender_all_of_it_but_half_a_gap() -> None:
    """At 1448 kB/s a packet leaves each ms; those due at 11 to 15 ms wait for 15.2 ms. The pacer
    makes up for half a gap, so the next leaves 0.5 ms later and the others 1 ms apart."""
    sk = Sender(Host(awake_ns=Exact((10_500_000, 15_200_000)).awake))
    sk.set_clock(0)
    Kernel(profile="linux", default="reno").socket(sk)
    sk.handshake_done(0, -40 * MS)
    sk.pacing_status, sk.pacing_rate, sk.snd_cwnd = PACING_NEEDED, 1_448_000, 100
    sk.data_segs_out = 10  # the first ten are never paced
    sk.begin()
    while sk.pacing_ns < 20 * MS:
        t = sk.pacing_ns
        sk.set_clock(t)
        sk.on_pacing(t)
    sent = [t / MS for t in sk.out_t]
    assert sent[:11] == pytest.approx(range(11))
    assert sent[11:15] == pytest.approx([15.2, 15.7, 16.7, 17.7])


def late_acks(*batches: list[int]) -> list[tuple[int, int]]:
    """Return when each ACK comes and what it acknowledges, of packets received in these batches."""
    acks: list[AckRow] = []
    receiver = LateReceiver(Host(), 1000, Lateness(meta(5), np.random.default_rng(7)))
    seq = 0
    for times in batches:
        seqs = list(range(seq, seq + len(times)))
        receiver.receive(times, seqs, [t // 1000 for t in times], acks)
        seq += len(times)
    return [row[:2] for row in acks]


def test_how_many_packets_are_received_in_one_go_does_not_matter() -> None:
    times = [k * MS for k in range(400)]
    one_by_one = late_acks(*([t] for t in times))
    assert len(one_by_one) == 400
    assert late_acks(times) == late_acks(times[:3], times[3:250], times[250:]) == one_by_one
