"""Lines of the sender that random changes would slip by, each worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.compiled import in_use

if in_use():
    pytest.skip("reaches into functions that are machine code here", allow_module_level=True)

from ccsim.tcp.cwnd import cwnd_reduction
from ccsim.tcp.host import Host
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.sack import SackResult, _dsack_seen
from ccsim.tcp.sender import Sender


def reducing(in_flight: int, ssthresh: int, prr_out: int = 0) -> Sender:
    """Return a sender whose window of 20 is being reduced."""
    sk = Sender(Host())
    sk.una, sk.nxt = 100, 100 + in_flight
    sk.snd_ssthresh, sk.prior_cwnd, sk.prr_delivered, sk.prr_out = ssthresh, 20, 0, prr_out
    return sk


@pytest.mark.parametrize(
    ("in_flight", "prr_out", "lost", "advanced", "cwnd"),
    [
        (10, 0, 0, True, 11),  # at ssthresh: one, so that the fast retransmission goes out
        (10, 1, 0, True, 10),  # it is out
        (5, 0, 0, True, 7),  # below ssthresh: what was delivered, and one more
        (5, 0, 1, True, 6),  # no more while packets are lost
        (5, 0, 0, False, 6),  # nor without progress
        (9, 0, 0, True, 10),  # not beyond ssthresh
        (20, 0, 0, True, 21),  # above: ceil(10 * 1 / 20) - 0 = 1
        (20, 1, 0, True, 20),  # ceil(10 * 1 / 20) - 1 = 0
    ],
)
def test_proportional_rate_reduction_lets_out_as_many(
    in_flight: int, prr_out: int, lost: int, advanced: bool, cwnd: int
) -> None:
    """RFC 6937 section 3.1 with ssthresh 10, one packet newly delivered."""
    sk = reducing(in_flight, 10, prr_out)
    cwnd_reduction(sk, 1, lost, advanced)
    assert sk.snd_cwnd == cwnd


def test_an_ack_that_delivers_nothing_changes_no_window() -> None:
    sk = reducing(5, 10)
    before = sk.snd_cwnd
    cwnd_reduction(sk, 0, 0, True)
    assert (sk.snd_cwnd, sk.prr_delivered) == (before, 0)


@pytest.mark.parametrize(
    ("reordering_seen", "probe_end", "raised"),
    [(1, -1, True), (1, 103, False), (0, -1, False), (0, 103, False)],
)
def test_a_duplicate_widens_racks_window_unless_a_probe_made_it(
    reordering_seen: int, probe_end: int, raised: bool
) -> None:
    """``tcp_dsack_seen``: a loss probe is sent again on purpose, whether or not it was lost."""
    sk = Sender(Host())
    sk.packets.make_room(0, 0, 200)
    sk.una, sk.nxt, sk.total_retrans = 105, 110, 5
    sk.reord_seen, sk.tlp_high = reordering_seen, probe_end
    result = SackResult(sk.nxt)
    _dsack_seen(sk, (102, 103), 104, result)
    assert (sk.rack_dsack_seen, result.dsack, result.dsack_tlp) == (raised, True, probe_end == 103)


class _Echo:
    """An end that notices ECN marks and wants so many ACKs at once."""

    def __init__(self, quick: int) -> None:
        self.quick = quick

    def accept_cwr(self) -> None:
        """Note nothing."""

    def check(self, **_: Any) -> int:
        return self.quick


@pytest.mark.parametrize(
    ("had", "wanted", "cwr", "has", "now"),
    [
        (5, 0, False, 5, False),
        (1, 2, False, 2, True),
        (0, 0, True, 0, True),  # ICSK_ACK_NOW (tcp_ecn_accept_cwr), which is no quick ACK
        (5, 2, True, 5, True),
    ],
)
def test_quick_acks_are_never_taken_back_by_a_mark(
    had: int, wanted: int, cwr: bool, has: int, now: bool
) -> None:
    receiver = Receiver(Host(), had)
    echo: Any = _Echo(wanted)
    receiver.ecn = echo
    receiver.see_ecn(0, ect=True, ce=False, cwr=cwr)
    assert (receiver.quick, receiver.now) == (has, now)
