"""Loss recovery of one sender, ACK by ACK: PRR, RACK, loss probes, timeouts, undo, F-RTO.

The handshake takes 40 ms, and the first window leaves at 40 ms:

    t   0        40 ms                 80 ms
        SYN      packets 0 … cwnd-1    their first ACKs
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaState
from ccsim.tcp.cwnd import in_flight
from ccsim.tcp.sock import TIMER_LOSS_PROBE, TIMER_REO, TIMER_RTO
from tests.tcp.tcp_rig import MS, T0, Clocked, ack, connected, due, fire, sent

T1 = T0 + 40 * MS  # when the first ACKs come


def in_recovery(cwnd: int = 20) -> Clocked:
    """Return a sender that has lost packet 0, learnt it from three SACKs and sent it again."""
    sk = connected(cwnd=cwnd)
    sent(sk)
    for k in range(3):
        ack(sk, T1 + k * MS, 0, (1, 2 + k))
    assert sk.ca_state == CaState.RECOVERY
    return sk


def events(sk: Clocked, kind: str) -> list[tuple[int, dict[str, int]]]:
    return [(t, detail) for t, heard, detail in sk.heard if heard == kind]


# --- the window ---


def test_the_initial_window_is_ten_packets() -> None:
    sk = connected()
    assert sent(sk) == list(range(10))
    assert sk.snd_cwnd == 10


def test_slow_start_lets_out_two_packets_for_one() -> None:
    sk = connected()
    sent(sk)
    assert ack(sk, T1, 1) == [10, 11]
    assert ack(sk, T1 + 1, 3) == [12, 13, 14, 15]
    assert sk.snd_cwnd == 13


def test_an_old_ack_changes_nothing() -> None:
    sk = connected()
    sent(sk)
    ack(sk, T1, 5)
    before = (sk.snd_cwnd, sk.una, sk.nxt, sk.delivered)
    assert ack(sk, T1 + 1, 3) == []
    assert (sk.snd_cwnd, sk.una, sk.nxt, sk.delivered) == before


# --- limited transmit and PRR ---


def test_prr_sends_one_packet_for_two_as_in_rfc_6937() -> None:
    """RFC 6937, section 4, one loss in a window of 20, halved to 10:

        ack#   1  2  3  4  5  6  7 …  17 18 19
        sent   N  N  R     N     N …   N

    Two new packets by limited transmit; at the third SACK the lost one; then one for two, until
    what is in flight has come down to ssthresh.
    """
    sk = connected(cwnd=20)
    assert len(sent(sk)) == 20
    sent_at = [ack(sk, T1 + k * MS // 10, 0, (1, k + 1)) for k in range(1, 20)]
    assert sent_at[:3] == [[20], [21], [0]]
    assert sent_at[3:18] == [[] if k % 2 == 0 else [22 + k // 2] for k in range(15)]
    assert sent_at[18] == []
    assert in_flight(sk) == 10
    assert sk.snd_ssthresh == 10


def test_recovery_ends_at_ssthresh() -> None:
    sk = in_recovery()
    for k in range(3, 19):
        ack(sk, T1 + k * MS, 0, (1, 2 + k))
    ack(sk, T1 + 40 * MS, 22, echo_ns=T1 + 2 * MS)  # all that was sent up to the recovery
    assert sk.ca_state == CaState.OPEN
    assert sk.snd_cwnd == sk.snd_ssthresh == 10
    assert [detail["to"] for _, detail in events(sk, "ca_state")] == [1, 3, 0]


def test_two_sacks_are_disorder_only() -> None:
    sk = connected(cwnd=20)
    sent(sk)
    ack(sk, T1, 0, (1, 3))
    assert sk.ca_state == CaState.DISORDER
    assert sk.lost_out == 0


def test_a_filled_hole_returns_to_open_without_a_loss() -> None:
    sk = connected(cwnd=20)
    sent(sk)
    ack(sk, T1, 0, (1, 3))
    ack(sk, T1 + MS, 3)
    assert sk.ca_state == CaState.OPEN
    assert sk.snd_ssthresh == TCP_INFINITE_SSTHRESH
    assert sk.total_retrans == 0


def test_what_is_in_flight_is_sent_less_sacked_and_lost_plus_retransmitted() -> None:
    # 20 + 2 (limited transmit) - 3 SACKed - 1 lost + 1 retransmitted
    assert in_flight(in_recovery()) == 19


# --- RACK (RFC 8985) ---


def test_a_hole_that_is_a_quarter_of_the_rtt_overdue_is_lost() -> None:
    # one SACK only: the reordering window is min_rtt / 4 = 10 ms; srtt 40 ms; the timer is set
    # to what remains of it plus 2 ms, in ticks: 12 ms are 3 ticks, and one
    sk = connected(cwnd=3)
    sent(sk)
    ack(sk, T1, 0, (1, 2))
    assert sk.timer_kind == TIMER_REO
    assert due(sk) == 95_500_000  # 80 lies in the tick [79.5, 83.5): 79.5 + 4 * 4
    fire(sk)
    assert sk.ca_state == CaState.RECOVERY
    assert sent(sk) == [0]


def test_the_hole_may_still_be_filled_within_the_reordering_window() -> None:
    sk = connected(cwnd=3)
    sent(sk)
    ack(sk, T1, 0, (1, 2))
    ack(sk, T1 + 9 * MS, 2)
    assert sk.ca_state == CaState.OPEN
    assert sk.timer_kind == TIMER_LOSS_PROBE
    assert sk.total_retrans == 0


def test_a_lost_retransmission_is_found_and_sent_again() -> None:
    # packet 0 went again at 82 ms; new packets sent after it are SACKed a round later
    sk = in_recovery()
    for k in range(3, 19):
        ack(sk, T1 + k * MS, 0, (1, 2 + k))
    newest = sk.nxt
    # the ACK of a packet sent later than the retransmission, more than a quarter RTT later
    out = ack(sk, T1 + 60 * MS, 0, (1, newest), echo_ns=T1 + 18 * MS)
    assert 0 in out
    assert sk.counters["lost_retransmits"] == 1


# --- tail loss probe ---


def test_a_probe_is_sent_two_rtts_after_the_tail() -> None:
    # 2 * 40 + 2 ms = 82 ms: 21 ticks; 80 ms lies in the tick [79.5, 83.5): 79.5 + 22 * 4
    sk = connected(cwnd=10, limit=10)
    sent(sk)
    ack(sk, T1, 7)
    assert sk.timer_kind == TIMER_LOSS_PROBE
    assert fire(sk) == 167_500_000
    assert sent(sk) == [9]  # nothing new to send: the last packet again
    assert events(sk, "tlp") == [(167_500_000, {"new_data": 0})]


def test_the_probe_is_new_data_if_there_is_some() -> None:
    sk = connected(cwnd=10)
    sent(sk)
    fire(sk)
    assert sent(sk) == [10]
    assert events(sk, "tlp")[0][1] == {"new_data": 1}
    assert sk.snd_cwnd == 10


def test_a_lone_packet_is_probed_no_later_than_its_rto() -> None:
    # one packet out: 2 * 40 + 200 ms = 280 ms, but the RTO of 240 ms (60 ticks) comes first:
    # it is set at 40 ms, in the tick [39.5, 43.5): 39.5 + 61 * 4 = 283.5
    sk = connected(cwnd=1, limit=1)
    sent(sk)
    assert due(sk) == 283_500_000


def test_a_probe_that_repaired_the_tail_halves_the_window() -> None:
    # RFC 8985 7.4.2: once an ACK passes the probe, and no DSACK said that both came, one was lost
    sk = connected(cwnd=10, limit=10)
    sent(sk)
    ack(sk, T1, 9)
    t = fire(sk)
    assert sent(sk) == [9]
    ack(sk, t + 40 * MS, 10, echo_ns=t)
    assert events(sk, "ca_state") == []
    sk.write(t + 41 * MS, 30)
    sent(sk)
    window = sk.snd_cwnd
    ack(sk, t + 81 * MS, 12, echo_ns=t + 41 * MS)
    assert [detail["to"] for _, detail in events(sk, "ca_state")] == [CaState.CWR, CaState.OPEN]
    assert sk.snd_ssthresh == window // 2


def test_a_probe_that_was_not_needed_costs_nothing() -> None:
    # 7.4.1: a DSACK for the probe: the original had only been late
    sk = connected(cwnd=10, limit=10)
    sent(sk)
    ack(sk, T1, 9)
    t = fire(sk)
    sent(sk)
    ack(sk, t + MS, 10, echo_ns=T0)
    ack(sk, t + 40 * MS, 10, (9, 10), echo_ns=t)
    assert sk.tlp_high == -1
    sk.write(t + 41 * MS, 30)
    ack(sk, t + 81 * MS, 12, echo_ns=t + 41 * MS)
    assert events(sk, "ca_state") == []
    assert sk.snd_ssthresh == TCP_INFINITE_SSTHRESH


# --- timeouts (RFC 6298 section 5) ---


def all_lost(cwnd: int = 10) -> Clocked:
    """Return a sender none of whose packets are answered, after its probe."""
    sk = connected(cwnd=cwnd, limit=cwnd)
    sent(sk)
    fire(sk)
    sent(sk)
    assert sk.timer_kind == TIMER_RTO
    return sk


def test_a_timeout_starts_over_with_one_packet() -> None:
    sk = all_lost()
    fire(sk)
    assert sent(sk) == [0]
    assert sk.ca_state == CaState.LOSS
    assert sk.snd_cwnd == 1
    assert sk.snd_ssthresh == 5
    assert sk.lost_out == 10


def test_each_timeout_doubles_the_next() -> None:
    # RTO 240 ms: then 480, 960, 1920, 3840, each late by its grid: a tick, 8 ticks, 64 ticks
    sk = all_lost()
    times = [fire(sk) for _ in range(5)]
    for k, (early, late) in enumerate(pairwise(times)):
        rto_ms = 240 << (k + 1)
        grid_ms = 32 if rto_ms < 2016 else 256
        assert rto_ms <= (late - early) / MS <= rto_ms + grid_ms
    assert sent(sk) == [0] * 5
    assert [detail["backoff"] for _, detail in events(sk, "rto")] == [0, 1, 2, 3, 4]
    assert sk.snd_ssthresh == 5  # the window was halved once, not five times


def test_the_rto_does_not_grow_beyond_two_minutes() -> None:
    sk = all_lost()
    for _ in range(14):
        last = fire(sk)
    assert sk.rto_jiffies == 120 * 250
    assert due(sk) - last <= 121 * 1000 * MS + 8 * 256 * MS


def test_an_answer_ends_the_backoff() -> None:
    sk = all_lost()
    fire(sk)
    t = fire(sk)
    sent(sk)
    assert sk.backoff == 2
    ack(sk, t + 40 * MS, 1, echo_ns=t)
    assert sk.backoff == 0
    assert sk.rto_jiffies <= 61  # a fresh sample of 40 ms


def test_after_a_timeout_slow_start_retransmits() -> None:
    sk = all_lost()
    t = fire(sk)
    sent(sk)
    assert ack(sk, t + 40 * MS, 1, echo_ns=t) == [1, 2]
    assert ack(sk, t + 80 * MS, 3, echo_ns=t + 40 * MS) == [3, 4, 5, 6]


# --- undo ---


def test_an_ack_of_the_original_undoes_the_reduction() -> None:
    # Eifel (RFC 3522): the echo is older than the retransmission
    sk = in_recovery()
    assert sk.snd_ssthresh == 10
    ack(sk, T1 + 5 * MS, 4, echo_ns=T0)
    assert sk.counters["undos"] == 1
    assert sk.snd_cwnd >= 20
    assert sk.snd_ssthresh == TCP_INFINITE_SSTHRESH


def test_an_ack_of_the_retransmission_undoes_nothing() -> None:
    sk = in_recovery()
    ack(sk, T1 + 42 * MS, 4, echo_ns=T1 + 2 * MS)
    assert sk.counters["undos"] == 0
    assert sk.snd_ssthresh == 10


def test_a_dsack_of_every_retransmission_undoes_the_reduction() -> None:
    sk = in_recovery()
    # the original filled the hole unseen; the retransmission is reported as a duplicate
    ack(sk, T1 + 42 * MS, 6, (0, 1), echo_ns=T1 + 2 * MS)
    assert sk.counters["dsacks"] == 1
    ack(sk, T1 + 43 * MS, 22, (0, 1), echo_ns=T1 + 2 * MS)
    assert sk.counters["undos"] == 1
    assert sk.snd_ssthresh == TCP_INFINITE_SSTHRESH


def test_nothing_is_undone_across_a_swap() -> None:
    sk = in_recovery()
    sk.prior_ssthresh = 0  # what setsockopt leaves
    window = sk.snd_cwnd
    ack(sk, T1 + 5 * MS, 4, echo_ns=T0)
    assert sk.snd_ssthresh == 10
    assert sk.snd_cwnd <= window + 4


def test_a_spurious_timeout_is_undone_by_an_ack_of_the_original() -> None:
    sk = all_lost()
    t = fire(sk)
    sent(sk)
    ack(sk, t + MS, 3, echo_ns=T0)
    assert sk.ca_state == CaState.OPEN
    assert sk.snd_cwnd >= 10
    assert sk.lost_out == 0
    assert sk.counters["undos"] == 1


def test_f_rto_sends_new_data_before_it_retransmits() -> None:
    # RFC 5682 section 3.1, step 2.b: the first ACK after the timeout advances, new data goes out
    sk = all_lost()
    sk.write_limit = 100
    t = fire(sk)
    sent(sk)
    assert ack(sk, t + 40 * MS, 1, echo_ns=t) == [10, 11]
    # step 3.b: the next acknowledges what was never sent again: the timeout was spurious
    ack(sk, t + 41 * MS, 2, echo_ns=t)
    assert sk.counters["undos"] == 1
    assert sk.ca_state == CaState.OPEN


def test_f_rto_gives_up_when_the_ack_repeats_itself() -> None:
    # step 3.a: a duplicate ACK: the loss was genuine
    sk = all_lost()
    sk.write_limit = 100
    t = fire(sk)
    sent(sk)
    ack(sk, t + 40 * MS, 1, echo_ns=t)
    out = ack(sk, t + 80 * MS, 1, (10, 11), echo_ns=t)
    assert sk.ca_state == CaState.LOSS
    assert out[:1] == [1]


@pytest.mark.parametrize("frto", [True, False])
def test_without_f_rto_a_timeout_always_retransmits(frto: bool) -> None:
    sk = connected(cwnd=10, limit=10, frto=frto)
    sent(sk)
    fire(sk)
    t = fire(sk)
    sent(sk)
    sk.write_limit = 100
    out = ack(sk, t + 40 * MS, 1, echo_ns=t)
    assert out == ([10, 11] if frto else [1, 2])
