"""Borders of the sender's conditions, where one more, one less or the other sign is another matter;
each figure is worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccsim.compiled import in_use

if in_use():
    pytest.skip("reaches into functions that are machine code here", allow_module_level=True)

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaState
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.cwnd import end_cwnd_reduction, may_undo
from ccsim.tcp.ecn_hooks import HookEcho
from ccsim.tcp.host import Host
from ccsim.tcp.input import on_ack
from ccsim.tcp.output import xmit_retransmit_queue
from ccsim.tcp.packets import EVER_RETRANS, LOST, RETRANS, SACKED
from ccsim.tcp.rack import mark_skb_lost
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.recovery_state import AckState, fastretrans_alert
from ccsim.tcp.sack import tag_blocks
from ccsim.tcp.sack_blocks import EceBlocks
from ccsim.tcp.sack_train import _timer_keeps_still
from ccsim.tcp.sock import TIMER_REO, TIMER_RTO
from ccsim.tcp.train import unmarked
from tests.tcp.tcp_rig import MS, T0, Clocked, connected, sent
from tests.tcp.test_tcp_recovery import in_recovery
from tests.tcp.test_tcp_train import ack_train, busy

T1 = T0 + 40 * MS


def two_acks(sk: Clocked) -> Any:
    """Offer ACKs of two packets each: 62 and 64."""
    t = sk.tcp_clock_cache + np.array([MS, 2 * MS])
    return ack_train(sk, t, sk.una + np.array([2, 4]), [])


# --- what a train of ACKs needs ---


def test_a_train_takes_what_is_written_and_wanted_and_no_more() -> None:
    """60 packets are acknowledged, the window is 120. Were it to grow by as many as are
    acknowledged and by one with each of two ACKs, the last would let out 64 + 120 + 4 + 2 = 190."""
    for limit, taken in ((190, True), (189, False)):
        sk = busy("reno", 60, None, 200_000)
        assert (sk.una, sk.nxt, sk.snd_cwnd) == (60, 180, 120)
        sk.write_limit = limit
        assert (two_acks(sk) is not None) is taken
    for rwnd, taken in (
        (126, True),
        (125, False),
    ):  # of which 64 - 60 are acknowledged: 2 + 4 + 120
        sk = busy("reno", 60, None, 200_000)
        sk.rwnd = rwnd
        assert (two_acks(sk) is not None) is taken


@pytest.mark.parametrize("mark", [SACKED, RETRANS, LOST, EVER_RETRANS])
def test_a_train_takes_no_marked_packet_however_much_room_there_is(mark: int) -> None:
    for seq, taken in ((60, False), (63, False), (64, True)):
        sk = busy("reno", 60, None, 200_000)
        sk.packets.flags[seq - sk.packets.base] = mark
        assert (two_acks(sk) is not None) is taken


def test_marks_are_looked_for_from_the_first_to_before_the_last() -> None:
    sk = busy("reno", 60, None, 200_000)
    sk.packets.flags[70 - sk.packets.base] = LOST
    ranges = [(60, 70), (70, 71), (71, 80), (69, 71)]
    assert [unmarked(sk.packets, a, b, LOST) for a, b in ranges] == [True, False, True, False]
    assert unmarked(sk.packets, 60, 80, SACKED)


def test_a_train_of_acks_that_nothing_sent_answers_is_refused() -> None:
    sk = busy("reno", 60, None, 200_000)
    t = sk.tcp_clock_cache + np.array([MS, 2 * MS])
    assert ack_train(sk, t, np.array([62, 181]), []) is None


# --- timers ---


@pytest.mark.parametrize(
    ("times_ms", "timer_ms", "again", "still"),
    [
        ([100, 110], 110, True, True),  # sent after the head was sent again: the timer stays
        ([100, 110], 109, True, False),
        ([100, 110], 100, False, True),  # sent before: each ACK restarts it
        ([100, 110], 99, False, False),
        ([100, 300], 100, False, True),  # 200 ms, the shortest RTO, apart
        ([100, 301], 100, False, False),
        ([100, 110, 311], 100, False, False),  # the longest gap counts, wherever it is
        ([100], 100, False, True),
    ],
)
def test_a_timer_keeps_still_between_acks(
    times_ms: list[int], timer_ms: int, again: bool, still: bool
) -> None:
    sk = connected()
    sk.packets.tx_us[0] = 50_000
    sk.timer_ns = timer_ms * MS
    tx = np.full(len(times_ms), 50_000 if again else 49_999)
    assert _timer_keeps_still(sk, np.array(times_ms) * MS, tx) is still


def test_a_timer_that_is_only_noted_does_not_fire_at_its_lower_bound() -> None:
    """The probe of a window sent at 40 ms: 82 ms later at the earliest, at the tick's end in fact
    (39.5 + 22 * 4 ms)."""
    sk = connected()
    sent(sk)
    assert (sk.timer_settled, sk.timer_ns) == (False, 122 * MS)
    sk.fire_timer(122 * MS)
    assert (sent(sk), sk.timer_settled, sk.timer_ns) == ([], True, 127_500_000)
    sk.fire_timer(127_500_000)
    assert sent(sk) == [10]


@pytest.mark.parametrize(
    ("seq", "kind", "restarted"),
    [(0, TIMER_RTO, True), (0, TIMER_REO, False), (5, TIMER_RTO, False), (5, TIMER_REO, False)],
)
def test_only_the_oldest_packet_sent_again_restarts_the_rto(
    seq: int, kind: int, restarted: bool
) -> None:
    """``tcp_xmit_retransmit_queue``: and not while the reordering timer runs."""
    sk = connected(cwnd=20)
    sent(sk)
    sk.ca_state = int(CaState.RECOVERY)
    mark_skb_lost(sk, seq)
    sk.timer_kind, sk.timer_set_ns = kind, 1
    xmit_retransmit_queue(sk)
    assert sent(sk) == [seq]
    assert (sk.timer_set_ns != 1) is restarted
    assert sk.prr_out == 1


# --- accounts ---


@pytest.mark.parametrize(("acked", "marked"), [(1, 1), (2, 2), (5, 5)])
def test_an_ack_with_ece_counts_what_it_delivers_as_marked(acked: int, marked: int) -> None:
    sk = connected(ecn=True)
    sent(sk)
    on_ack(sk, T1, acked, T0 // 1000, EceBlocks())
    assert (sk.delivered, sk.delivered_ce) == (1 + acked, marked)


def test_an_algorithm_hears_of_an_ack_after_its_marks_were_counted() -> None:
    """``tcp_in_ack_event`` follows ``tcp_clean_rtx_queue``: DCTCP reads both counts there."""
    sk = connected(ecn=True)
    sent(sk)
    heard: list[tuple[int, int]] = []
    hook: Any = lambda sk, flags: heard.append((sk.delivered, sk.delivered_ce))  # noqa: E731
    sk.ca_ops = replace(sk.ca_ops, in_ack_event=hook)
    on_ack(sk, T1, 3, T0 // 1000, EceBlocks())
    assert heard == [(4, 3)]


@pytest.mark.parametrize(("ece", "left"), [(True, 0), (False, 9)])
def test_a_mark_forbids_what_an_undo_would_restore(ece: bool, left: int) -> None:
    sk = in_recovery()
    sk.prior_ssthresh = 9
    fastretrans_alert(sk, sk.una, 0, AckState(1 << 30, ece))
    assert (sk.ca_state, sk.prior_ssthresh) == (CaState.RECOVERY, left)


def test_when_nothing_is_out_nothing_is_sacked() -> None:
    sk = connected()
    sk.una, sk.sacked_out = sk.nxt, 2
    fastretrans_alert(sk, sk.una, 0, AckState(0, False))
    assert sk.sacked_out == 0


@pytest.mark.parametrize(
    ("state", "undo_from", "ssthresh", "cwnd"),
    [
        (CaState.RECOVERY, 0, 7, 7),  # from packet 0 on it could be undone
        (CaState.RECOVERY, -1, 7, 20),  # it has been
        (CaState.CWR, -1, 7, 7),
        (CaState.CWR, 0, TCP_INFINITE_SSTHRESH, 20),
        (CaState.CWR, 0, TCP_INFINITE_SSTHRESH - 1, TCP_INFINITE_SSTHRESH - 1),
    ],
)
def test_a_reduction_ends_at_ssthresh_unless_it_was_undone(
    state: CaState, undo_from: int, ssthresh: int, cwnd: int
) -> None:
    sk = connected(cwnd=20)
    sk.ca_state, sk.undo_from, sk.snd_ssthresh = int(state), undo_from, ssthresh
    end_cwnd_reduction(sk)
    assert sk.snd_cwnd == cwnd


@pytest.mark.parametrize(
    ("undo_from", "undo_retrans", "may"),
    [(0, 0, True), (-1, 0, False), (0, 1, False), (3, 0, True)],
)
def test_a_reduction_from_the_first_packet_on_may_be_undone(
    undo_from: int, undo_retrans: int, may: bool
) -> None:
    sk = connected()
    sk.undo_from, sk.undo_retrans = undo_from, undo_retrans
    sk.retrans_stamp_ms = 5  # and what is echoed is no older
    assert may_undo(sk, 5) is may


@pytest.mark.parametrize(
    ("state", "undo_from", "seen"),
    [(CaState.LOSS, 0, 1), (CaState.LOSS, -1, 0), (CaState.RECOVERY, -1, 1)],
)
def test_a_late_packet_is_reordering_unless_a_timeout_cannot_be_undone(
    state: CaState, undo_from: int, seen: int
) -> None:
    """``tcp_sacktag_write_queue``: packet 2 comes after packet 5, four places late."""
    sk = connected(cwnd=10)
    sk.set_clock(T1)
    tag_blocks(sk, 0, ((5, 6),), 0)
    sk.ca_state, sk.undo_from = int(state), undo_from
    tag_blocks(sk, 0, ((2, 3), (5, 6)), 0)
    assert (sk.reord_seen, sk.reordering) == (seen, 4 if seen else 3)
    assert (sk.sacked_out, sk.sack_high, sk.delivered) == (2, 6, 3)


def test_a_duplicate_is_counted_once() -> None:
    sk = in_recovery()
    tag_blocks(sk, 6, ((0, 1),), 0)
    assert (sk.counters["dsacks"], sk.dsack_dups) == (1, 1)


# --- the receiving end ---


def test_a_receiver_with_hooks_knows_the_handshakes_rtt() -> None:
    """40 ms, which Linux keeps in eighths of microseconds; the SYN-ACK is what it has sent."""
    nobody: Any = None  # whom it would ask for chance
    echo = HookEcho(Host(), nobody, 70 * MS, 40_000)
    assert (echo.srtt_us, echo.rtt_min_us, echo.delivered) == (320_000, 40_000, 1)
    assert (echo.snd_cwnd, echo.tcp_mstamp) == (10, 70_000)


@pytest.mark.parametrize(("tx_us", "echoed"), [(1_500, 2_000), (2_500, 2_500)])
def test_a_duplicate_moves_the_echoed_time_forward_only(tx_us: int, echoed: int) -> None:
    """Packet 4 was the last that came in order; its timestamp is echoed until a later one comes."""
    receiver = Receiver(Host(), 0)
    receiver.rcv_nxt, receiver.unacked, receiver.echo_us = 5, 0, 2_000
    receiver._duplicate(10 * MS, 4, tx_us, AckRows())
    assert receiver.echo_us == echoed
