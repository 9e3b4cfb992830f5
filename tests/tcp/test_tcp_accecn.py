"""Accurate ECN by hand (RFC 9768): what is agreed on, what ACKs bear, what a sender reads of them.

Counts begin at 5, and the ACE field holds three bits; full packets have 1448 bytes.
"""

from __future__ import annotations

import pickle

import pytest

from ccsim.tcp.accecn import AccurateEcho, accecn_process
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.ecn import Wish, agreed_on
from ccsim.tcp.host import Host
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.sack_blocks import AceBlocks, EceBlocks
from ccsim.tcp.sender import Sender

MS = 1_000_000
MSS = 1448
ECN, ACCECN = 1, 16


@pytest.mark.parametrize(
    ("client", "server", "needed", "mode"),
    [
        ("accecn", "accecn", False, ACCECN),
        ("accecn", "accecn", True, ACCECN),
        ("accecn", True, False, ECN),  # a server that knows RFC 3168 alone
        ("accecn", False, False, ECN),
        ("accecn", "off", False, 0),
        (True, "accecn", False, ECN),
        (True, False, False, ECN),
        (True, "off", False, 0),
        (False, "accecn", False, 0),
        (False, False, True, ECN),  # dctcp asks, and dctcp answers
        ("off", "off", True, ECN),
        ("off", True, False, 0),
    ],
)
def test_what_is_agreed_on(client: Wish, server: Wish, needed: bool, mode: int) -> None:
    assert agreed_on(client, server, needed=needed) == mode


def receiver(*, timestamps: bool = True) -> Receiver:
    made = Receiver(Host(timestamps=timestamps), 0)
    made.ecn = AccurateEcho(made.host)
    return made


def counters(taker: Receiver, *packets: tuple[int, bool]) -> list[tuple[int, int, int]]:
    """Return (packets, ACE, CE bytes) of the ACKs that packets (number, marked) elicit, a
    millisecond apart; -1, -1 where nothing is said."""
    acks = AckRows()
    for k, (seq, ce) in enumerate(packets):
        taker.see_ecn(seq, ect=True, ce=ce, cwr=False)
        taker.receive((k * MS,), (seq,), (k * 1000,), acks)
    found = []
    for _, una, _, blocks in acks:
        said = (blocks.ace, blocks.ceb) if isinstance(blocks, AceBlocks) else (-1, -1)
        found.append((una, *said))
    return found


def test_acks_say_how_many_packets_and_bytes_have_come_marked() -> None:
    marked = {2, 3, 5}
    found = counters(receiver(), *((k, k in marked) for k in range(10)))
    assert found == [
        (2, -1, -1),
        (4, 7, 2 * MSS),
        (6, 0, 3 * MSS),
        (8, 0, 3 * MSS),
        (10, 0, 3 * MSS),
    ]


def test_the_field_wraps_after_eight() -> None:
    found = counters(receiver(), *((k, True) for k in range(10)))
    assert [ace for _, ace, _ in found] == [7, 1, 3, 5, 7]
    assert found[-1][2] == 10 * MSS


def test_duplicates_count_too() -> None:
    found = counters(receiver(), (0, True), (1, False), (0, True))
    assert found == [(2, 6, MSS), (2, 7, 2 * MSS)]


@pytest.mark.parametrize(("timestamps", "blocks"), [(True, 2), (False, 3)])
def test_the_byte_counter_goes_where_the_header_has_room(timestamps: bool, blocks: int) -> None:
    """40 bytes: 12 of timestamps, 4 and 8 a block, 8 of the option."""
    seqs = [0, 1, 3, 5, 7, 9]
    found = counters(receiver(timestamps=timestamps), *((seq, seq == 0) for seq in seqs))
    assert [ceb for _, _, ceb in found[1:]] == [MSS if k < blocks else -1 for k in range(4)]
    assert {ace for _, ace, _ in found} == {6}


def test_what_an_ack_bears_is_kept_in_processes() -> None:
    made = AceBlocks.of(((3, 5),), 6, 2896)
    again = pickle.loads(pickle.dumps(made))
    assert (list(again), again.ace, again.ceb) == ([(3, 5)], 6, 2896)
    assert isinstance(again, EceBlocks)


def more_ce(packets: int, ace: int, ceb: int = -1, *, known: int = 0, **sock: int) -> int:
    sk = Sender(Host())
    sk.delivered_ce = known
    for name, value in sock.items():
        setattr(sk, name, value)
    found = accecn_process(sk, AceBlocks.of((), ace, ceb), packets)
    assert sk.delivered_ce == known + found
    return found


@pytest.mark.parametrize(
    ("known", "ace", "found"), [(0, 5, 0), (0, 6, 1), (0, 0, 3), (0, 4, 7), (6, 5, 2), (8, 5, 0)]
)
def test_a_sender_reads_the_difference_modulo_eight(known: int, ace: int, found: int) -> None:
    assert more_ce(2, ace, known=known) == found


def test_of_an_ack_for_many_packets_as_many_are_marked_as_may_be() -> None:
    """10 packets, 2 more modulo 8: 2 or 10."""
    assert more_ce(10, 7) == 10
    assert more_ce(9, 7) == 2
    assert more_ce(18, 7) == 18


def test_bytes_tell_how_often_the_field_has_wrapped() -> None:
    assert more_ce(10, 7, 2 * MSS) == 2
    assert more_ce(10, 7, 10 * MSS) == 10
    assert more_ce(10, 7, 0) == 2
    # 20 packets, 4 more modulo 8: 4, 12 or 20
    assert more_ce(20, 1, 4 * MSS) == 4
    assert more_ce(20, 1, 12 * MSS) == 12
    assert more_ce(20, 1, 20 * MSS) == 20


def test_the_byte_counter_has_24_bits() -> None:
    sk = Sender(Host())
    sk.delivered_ceb = (1 << 24) - MSS
    assert accecn_process(sk, AceBlocks.of((), 7, MSS), 10) == 2
    assert sk.delivered_ceb == (1 << 24) + MSS
