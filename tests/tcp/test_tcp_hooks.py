"""Which hooks an ACK calls, and that it does not matter of what language they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ccsim.kernel.kfuncs import (
    tcp_cong_avoid_ai,
    tcp_reno_cong_avoid,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
)
from ccsim.kernel.ops import TcpCongestionOps
from tests.tcp.tcp_rig import MS, T0, ack, algorithm, connected

RENO = TcpCongestionOps(
    name="mine",
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=tcp_reno_cong_avoid,
)


def told(calls: list[Any], name: str) -> Any:
    """Return a hook that notes what it is told."""
    return lambda sk, *values: calls.append((name, *values))


def test_a_plain_ack_tells_the_sample_then_the_kind_then_the_growth() -> None:
    calls: list[Any] = []
    ops = replace(
        RENO,
        pkts_acked=lambda sk, sample: calls.append((sample.pkts_acked, sample.rtt_us)),
        in_ack_event=told(calls, "event"),
        cong_avoid=told(calls, "grow"),
    )
    ack(connected(ops), T0 + 40 * MS, 2)
    # 2 packets, 40 ms; CA_ACK_WIN_UPDATE; 2 packets of 1448 bytes are acknowledged in all
    assert calls == [(2, 40_000), ("event", 2), ("grow", 2 * 1448, 2)]


def test_what_replaces_an_algorithm_within_its_hook_serves_from_the_next_ack_on() -> None:
    calls: list[Any] = []
    second = replace(RENO, name="second", cong_avoid=told(calls, "second"))

    def pkts_acked(sk: Any, sample: Any) -> None:
        sk.ca_ops = second

    sk = connected(replace(RENO, pkts_acked=pkts_acked, cong_avoid=told(calls, "first")))
    ack(sk, T0 + 40 * MS, 2)
    ack(sk, T0 + 41 * MS, 4)
    assert calls == [("first", 2 * 1448, 2), ("second", 4 * 1448, 2)]


def test_an_error_in_a_hook_is_not_swallowed() -> None:
    def cong_avoid(sk: Any, ack: int, acked: int) -> None:
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="here"):
        ack(connected(replace(RENO, cong_avoid=cong_avoid)), T0 + 40 * MS, 2)


@pytest.mark.parametrize(
    ("hook", "cwnd"),
    [
        (tcp_reno_cong_avoid, 12),  # slow start: as many as were acknowledged
        (lambda sk, ack, acked: tcp_reno_cong_avoid(sk, ack, acked), 12),
        (tcp_cong_avoid_ai, 10),  # takes the 2896 bytes for a window, of which 2 are counted
        (lambda sk, ack, acked: tcp_cong_avoid_ai(sk, 2, acked), 11),
        (algorithm("reno").cong_avoid, 12),
        (tcp_reno_ssthresh, None),  # takes no bytes, and no packets
    ],
)
def test_a_hook_is_called_by_what_it_takes(hook: Any, cwnd: int | None) -> None:
    sk = connected(replace(RENO, cong_avoid=hook))
    if cwnd is None:
        with pytest.raises(TypeError):
            ack(sk, T0 + 40 * MS, 2)
        return
    ack(sk, T0 + 40 * MS, 2)
    assert sk.snd_cwnd == cwnd
