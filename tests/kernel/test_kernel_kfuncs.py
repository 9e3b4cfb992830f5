"""The window arithmetic that Linux offers to congestion controls, by numbers worked out by hand."""

from __future__ import annotations

import pytest

from ccsim.kernel.kfuncs import (
    after,
    before,
    tcp_cong_avoid_ai,
    tcp_in_slow_start,
    tcp_is_cwnd_limited,
    tcp_packets_in_flight,
    tcp_reno_cong_avoid,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.sock import Sock


def sock(**fields: int) -> Sock:
    sk = Sock()
    for name, value in fields.items():
        setattr(sk, name, value)
    return sk


@pytest.mark.parametrize(
    ("cwnd", "ssthresh", "clamp", "acked", "left", "then"),
    [
        (10, 100, 1000, 3, 0, 13),
        (10, 12, 1000, 3, 1, 12),
        (10, 12, 1000, 2, 0, 12),
        (10, 100, 11, 5, 0, 11),  # the clamp does not give packets back
        (10, 100, 1000, 0, 0, 10),
    ],
)
def test_slow_start_grows_by_what_is_acked_up_to_ssthresh(cwnd, ssthresh, clamp, acked, left, then):
    sk = sock(snd_cwnd=cwnd, snd_ssthresh=ssthresh, snd_cwnd_clamp=clamp)
    assert tcp_slow_start(sk, acked) == left
    assert sk.snd_cwnd == then


@pytest.mark.parametrize(
    ("cwnd", "count", "w", "acked", "clamp", "then"),
    [
        (10, 0, 10, 1, 99, (10, 1)),
        (10, 9, 10, 1, 99, (11, 0)),
        (10, 9, 10, 3, 99, (11, 2)),
        (10, 25, 10, 1, 99, (11, 1)),  # an excess in the counter is worth one packet only
        (10, 5, 2, 5, 99, (13, 1)),  # 1 for the full counter, 5 // 2 for the rest
        (10, 0, 10, 35, 99, (13, 5)),
        (10, 9, 10, 1, 10, (10, 0)),
    ],
)
def test_additive_increase_counts_acks_to_w(cwnd, count, w, acked, clamp, then):
    sk = sock(snd_cwnd=cwnd, snd_cwnd_cnt=count, snd_cwnd_clamp=clamp)
    tcp_cong_avoid_ai(sk, w, acked)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == then


@pytest.mark.parametrize(
    ("limited", "cwnd", "ssthresh", "out", "expected"),
    [
        (True, 10, 5, 0, True),
        (False, 10, 20, 6, True),
        (False, 10, 20, 5, False),  # 10 < 2 × 5 does not hold
        (False, 20, 20, 19, False),  # not in slow start
    ],
)
def test_cwnd_limited(limited, cwnd, ssthresh, out, expected):
    sk = sock(is_cwnd_limited=limited, snd_cwnd=cwnd, snd_ssthresh=ssthresh, max_packets_out=out)
    assert tcp_is_cwnd_limited(sk) is expected


@pytest.mark.parametrize(
    ("cwnd", "ssthresh", "limited", "acked", "then"),
    [
        (10, 20, 0, 4, (10, 0)),
        (10, 20, 1, 4, (14, 0)),
        (10, 12, 1, 4, (12, 2)),  # two packets of slow start, two into the counter
        (12, 12, 1, 12, (13, 0)),
    ],
)
def test_reno_grows_only_when_the_window_is_the_limit(cwnd, ssthresh, limited, acked, then):
    sk = sock(snd_cwnd=cwnd, snd_ssthresh=ssthresh, is_cwnd_limited=limited)
    tcp_reno_cong_avoid(sk, 0, acked)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == then


@pytest.mark.parametrize(("cwnd", "half"), [(67, 33), (5, 2), (4, 2), (3, 2), (1, 2)])
def test_reno_halves_but_keeps_two(cwnd, half):
    assert tcp_reno_ssthresh(sock(snd_cwnd=cwnd)) == half


def test_reno_undoes_to_the_larger_window():
    assert tcp_reno_undo_cwnd(sock(snd_cwnd=10, prior_cwnd=30)) == 30
    assert tcp_reno_undo_cwnd(sock(snd_cwnd=40, prior_cwnd=30)) == 40


def test_in_flight_is_out_less_sacked_less_lost_plus_retransmitted():
    sk = sock(packets_out=20, sacked_out=5, lost_out=3, retrans_out=2)
    assert tcp_packets_in_flight(sk) == 14
    assert tcp_in_slow_start(sock(snd_cwnd=9, snd_ssthresh=10))
    assert not tcp_in_slow_start(sock(snd_cwnd=10, snd_ssthresh=10))


@pytest.mark.parametrize(
    ("a", "b", "is_before"),
    [
        (1, 2, True),
        (2, 1, False),
        (7, 7, False),
        (0xFFFFFFFF, 0, True),  # over the wrap
        (0, 0xFFFFFFFF, False),
        (10**12, 10**12 + 1, True),  # numbers that never wrapped
        (0, 0x7FFFFFFF, True),
    ],
)
def test_sequence_numbers_compare_by_the_sign_of_their_difference(a, b, is_before):
    assert before(a, b) is is_before
    assert after(b, a) is is_before
