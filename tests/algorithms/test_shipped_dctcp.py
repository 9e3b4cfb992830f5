"""DCTCP by hand: alpha and the reduction of RFC 8257, exact echo, and Reno where ECN is missing."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaEvent, CaState
from tests.algorithms.shipped_rig import HostSock, connect, shipped

ECN = {"ecn_flags": 1}


def window_ends(sk: HostSock, packets: int, marked: int) -> int:
    """Acknowledge one window of ``packets``, ``marked`` of them with ECE; return alpha."""
    sk.delivered += packets
    sk.delivered_ce += marked
    sk.snd_una = sk.snd_nxt
    shipped("dctcp").in_ack_event(sk, 0)
    return sk.ca.alpha


def test_alpha_falls_by_a_sixteenth_in_a_window_without_marks() -> None:
    sk = connect("dctcp", **ECN)
    assert [window_ends(sk, 10, 0) for _ in range(3)] == [960, 900, 844]  # 900 - 56


def test_alpha_gains_a_sixteenth_of_the_marked_fraction() -> None:
    sk = connect("dctcp", {"dctcp_alpha_on_init": 0}, **ECN)
    assert window_ends(sk, 20, 10) == 32  # 1024 / 16 / 2
    assert window_ends(sk, 20, 20) == 94  # 32 - 2 + 64


def test_alpha_stays_at_one_while_everything_is_marked() -> None:
    sk = connect("dctcp", **ECN)
    assert window_ends(sk, 10, 10) == 1024


@pytest.mark.parametrize(("alpha", "then"), [(17, 16), (16, 15), (15, 0), (1, 0), (0, 0)])
def test_a_small_alpha_falls_to_zero_at_once(alpha: int, then: int) -> None:
    assert window_ends(connect("dctcp", {"dctcp_alpha_on_init": alpha}, **ECN), 10, 0) == then


def test_alpha_is_not_touched_within_a_window() -> None:
    sk = connect("dctcp", **ECN, snd_nxt=14481)
    shipped("dctcp").in_ack_event(sk, 0)
    assert sk.ca.alpha == 1024


@pytest.mark.parametrize(
    ("alpha", "cwnd", "reduced"), [(1024, 100, 50), (512, 100, 75), (10, 100, 100), (1024, 3, 2)]
)
def test_a_mark_takes_half_of_alpha_of_the_window(alpha: int, cwnd: int, reduced: int) -> None:
    sk = connect("dctcp", {"dctcp_alpha_on_init": alpha}, **ECN, snd_cwnd=cwnd)
    assert shipped("dctcp").ssthresh(sk) == reduced
    sk.snd_cwnd = reduced
    assert shipped("dctcp").undo_cwnd(sk) == cwnd


def test_a_loss_halves_the_window_whatever_alpha_says() -> None:
    sk = connect("dctcp", {"dctcp_alpha_on_init": 0}, **ECN, snd_cwnd=100, snd_ssthresh=100)
    shipped("dctcp").set_state(sk, CaState.RECOVERY)
    assert sk.snd_ssthresh == 50
    sk.snd_cwnd = 30
    shipped("dctcp").cwnd_event(sk, CaEvent.LOSS)
    assert sk.snd_ssthresh == 15


def test_a_change_of_marks_first_acknowledges_what_came_before_with_the_old_echo() -> None:
    sk = connect("dctcp", **ECN, rcv_nxt=1000)
    sk.ack_pending = 1 | 2  # a delayed ACK waits for its timer
    sk.rcv_nxt = 2448
    shipped("dctcp").cwnd_event(sk, CaEvent.ECN_IS_CE)
    assert sk.host_calls == [(1000, 1)]
    assert (sk.ecn_flags, sk.ack_pending) == (1 | 4, 1 | 2 | 16)
    sk.rcv_nxt = 3896
    shipped("dctcp").cwnd_event(sk, CaEvent.ECN_NO_CE)
    assert sk.host_calls[1:] == [(2448, 1 | 4)]
    assert sk.ecn_flags == 1


def test_packets_with_the_same_mark_send_nothing_ahead() -> None:
    sk = connect("dctcp", **ECN, ack_pending=2)
    shipped("dctcp").cwnd_event(sk, CaEvent.ECN_NO_CE)
    assert sk.host_calls == []
    assert sk.ack_pending == 2


def test_without_ecn_a_connection_is_reno() -> None:
    sk = connect("dctcp", snd_cwnd=40)
    ops = sk.ca_ops
    assert ops.name == "dctcp-reno"
    assert (ops.set_state, ops.cwnd_event, ops.in_ack_event) == (None, None, None)
    assert ops.ssthresh is not None
    assert ops.ssthresh(sk) == 20
    assert ops.get_info is not None
    assert set(ops.get_info(sk).values()) == {0}


def test_a_closed_socket_keeps_dctcp_because_ecn_is_not_negotiated_yet() -> None:
    assert connect("dctcp", sk_state=7).ca_ops.name == "dctcp"
