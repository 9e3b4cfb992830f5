"""What hooks hear of an ACK: its flags and its rate sample, each worked out from the kernel's rules
(``tcp_input.c``, ``tcp_rate.c``)."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.kernel.kfuncs import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd
from ccsim.kernel.ops import RateSample, TcpCongestionOps
from ccsim.tcp import input as input_module
from ccsim.tcp.input import on_ack
from ccsim.tcp.rate import CE_KEPT
from ccsim.tcp.sack_blocks import EceBlocks
from tests.tcp.tcp_rig import MS, T0, Clocked, ack, connected

Seen = list[dict[str, Any]]


def probe(needed: bool = True) -> tuple[TcpCongestionOps, Seen]:
    """Return an algorithm that keeps its window and notes what it is told."""
    seen: Seen = []

    def cong_control(sk: Any, ack: int, flag: int, rs: RateSample) -> None:
        sample = {name: getattr(rs, name) for name in RateSample.__slots__}
        seen.append({**sample, "flag": flag, "ack": ack})

    def in_ack_event(sk: Any, flags: int) -> None:
        seen.append({"event": flags})

    ops = TcpCongestionOps(
        name="probe",
        ssthresh=tcp_reno_ssthresh,
        undo_cwnd=tcp_reno_undo_cwnd,
        cong_control=cong_control if needed else None,
        cong_avoid=tcp_reno_cong_avoid,
        in_ack_event=None if needed else in_ack_event,
    )
    return ops, seen


def marked(sk: Clocked, t_ns: int, number: int, *blocks: tuple[int, int]) -> None:
    """Let an ACK come that bears ECE."""
    on_ack(sk, t_ns, number, T0 // 1000, EceBlocks(blocks))


@pytest.fixture(params=["short paths", "the whole path"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take the short paths away, or leave them: what is heard is the same."""
    if request.param == "the whole path":
        for name in ("_plain_ack", "usual_sack"):
            monkeypatch.setattr(input_module, name, lambda *arguments: False)
    return str(request.param)


pure = pytest.mark.pure


@pure
def test_the_flags_are_those_that_linux_passes(path: str) -> None:
    # WIN_UPDATE 2, DATA_ACKED 4, RETRANS_DATA_ACKED 8, DATA_SACKED 0x20, SLOWPATH 0x100,
    # ORIG_SACK_ACKED 0x200, SND_UNA_ADVANCED 0x400, DSACKING_ACK 0x800, SET_XMIT_TIMER 0x1000,
    # UPDATE_TS_RECENT 0x4000
    ops, seen = probe()
    sk = connected(ops, cwnd=20)
    ack(sk, T0 + 40 * MS, 2)  # progress on the fast path
    ack(sk, T0 + 41 * MS, 2, (3, 6))  # a loss: packets sent when high_seq was 0
    ack(sk, T0 + 42 * MS, 2, (3, 7))  # in Recovery high_seq lies above; the head was sent again
    ack(sk, T0 + 82 * MS, 7)  # by the retransmission of 2, without blocks on the fast path
    ack(sk, T0 + 83 * MS, 7, (2, 3))  # and by a DSACK for it
    assert [hex(rs["flag"]) for rs in seen] == ["0x1406", "0x4120", "0x5320", "0x140e", "0x4900"]
    assert [rs["ack"] for rs in seen] == [2 * 1448, 2 * 1448, 2 * 1448, 7 * 1448, 7 * 1448]


@pure
def test_an_ack_in_open_of_what_was_sent_before_an_undo_is_of_originals(path: str) -> None:
    # Disorder ends with high_seq = snd_nxt: what is acknowledged then lies below it.
    ops, seen = probe()
    sk = connected(ops, cwnd=20)
    ack(sk, T0 + 40 * MS, 0, (1, 2))
    ack(sk, T0 + 40 * MS + 1, 2)  # it was reordered
    ack(sk, T0 + 41 * MS, 3)
    assert seen[-1]["flag"] == 0x1606
    ack(sk, T0 + 80 * MS, sk.high + 1)
    assert seen[-1]["flag"] == 0x1606  # its first packet lies below
    ack(sk, T0 + 81 * MS, sk.una + 1)
    assert seen[-1]["flag"] == 0x1406


@pure
def test_what_an_ack_event_says(path: str) -> None:
    # CA_ACK_SLOWPATH 1, CA_ACK_WIN_UPDATE 2, CA_ACK_ECE 4
    ops, seen = probe(needed=False)
    sk = connected(ops, cwnd=20, ecn=True)
    ack(sk, T0 + 40 * MS, 2)
    ack(sk, T0 + 41 * MS, 2)  # a duplicate without blocks stays on the fast path
    ack(sk, T0 + 42 * MS, 2, (3, 4))
    ack(sk, T0 + 43 * MS, 4, (5, 6))
    marked(sk, T0 + 44 * MS, 6)
    marked(sk, T0 + 45 * MS, 6)
    assert [heard["event"] for heard in seen] == [2, 0, 1, 3, 7, 5]


def test_an_ack_event_comes_when_nothing_is_outstanding_too() -> None:
    ops, seen = probe(needed=False)
    sk = connected(ops, cwnd=20, limit=2)
    ack(sk, T0 + 40 * MS, 2)
    ack(sk, T0 + 41 * MS, 2, (1, 2))  # a DSACK of the last packet
    assert [heard["event"] for heard in seen] == [2, 1]


@pure
def test_a_sample_says_how_many_of_its_packets_came_back_marked(path: str) -> None:
    #  t 40 ms: 0…9     80: ACK 2 with ECE, 10 and 11 leave     84: ACK 4     120: ACK 12
    ops, seen = probe()
    sk = connected(ops, cwnd=10, ecn=True)
    marked(sk, T0 + 40 * MS, 2)
    ack(sk, T0 + 44 * MS, 4)
    ack(sk, T0 + 80 * MS, 12)
    assert [hex(rs["flag"]) for rs in seen] == ["0x5546", "0x1606", "0x1606"]
    # 10 and 11 left when 3 had been delivered (SYN, 0, 1), two of them marked; 10 more since then
    assert [rs["delivered"] for rs in seen] == [2, 4, 10]
    assert [rs["prior_delivered_ce"] for rs in seen] == [0, 0, 2]
    assert [rs["delivered_ce"] for rs in seen] == [2, 2, 0]


def test_marks_far_back_are_forgotten_and_those_that_packets_bear_are_not() -> None:
    ops, seen = probe()
    sk = connected(ops, cwnd=10, ecn=True)
    for k in range(1, 4 * CE_KEPT):
        marked(sk, T0 + 40 * MS + k * MS, k)
    # The window is 10: packet k - 1 left with ACK k - 10, when k - 10 packets had been marked.
    assert seen[-1]["prior_delivered_ce"] == 4 * CE_KEPT - 1 - 10
    assert seen[-1]["delivered_ce"] == 10
    assert len(sk.ce_changes) <= CE_KEPT + 1


@pure
def test_both_intervals_are_in_the_sample(path: str) -> None:
    # 12 and 13 leave at 88 ms, when 0 … 3, which left at 40 ms, have been acknowledged: 48 ms of
    # sending; their ACK at 129 ms ends 41 ms of acknowledging.
    ops, seen = probe()
    sk = connected(ops, cwnd=10)
    ack(sk, T0 + 40 * MS, 2)
    ack(sk, T0 + 48 * MS, 4)
    ack(sk, T0 + 89 * MS, 14)
    assert seen[-1]["snd_interval_us"] == 48_000
    assert seen[-1]["rcv_interval_us"] == 41_000
    assert seen[-1]["last_end_seq"] == 14 * 1448


def test_without_a_sample_the_intervals_are_zero() -> None:
    ops, seen = probe()
    sk = connected(ops, cwnd=20)
    ack(sk, T0 + 40 * MS, 2, (3, 4))
    ack(sk, T0 + 41 * MS, 2, (3, 4))  # nothing new
    assert (seen[-1]["delivered"], seen[-1]["interval_us"]) == (-1, -1)
    assert (seen[-1]["snd_interval_us"], seen[-1]["rcv_interval_us"]) == (0, 0)
    assert (seen[-1]["last_end_seq"], seen[-1]["delivered_ce"]) == (0, 0)


@pure
@pytest.mark.parametrize(
    ("limit", "runts", "delayed"),
    [
        (1, {0: 100}, True),  # a lone runt over the round trip
        (1, {}, False),  # a full packet
        (2, {0: 100, 1: 100}, False),  # another is under way
    ],
)
def test_the_ack_of_a_lone_runt_may_have_been_delayed(
    path: str, limit: int, runts: dict[int, int], delayed: bool
) -> None:
    ops, seen = probe()
    sk = connected(ops, limit=limit)
    sk.runts = runts
    ack(sk, T0 + 80 * MS, limit)
    assert seen[-1]["is_ack_delayed"] is delayed
    assert seen[-1]["flag"] == (0x11406 if delayed else 0x1406)


def test_the_ack_of_a_lone_runt_with_a_mark_was_not_delayed() -> None:
    ops, seen = probe()
    sk = connected(ops, limit=1, ecn=True)
    sk.runts = {0: 100}
    marked(sk, T0 + 80 * MS, 1)
    assert not seen[-1]["is_ack_delayed"]
