"""The bulk writer: where its writes end, worked out by hand from the accounting of send buffers.

A full packet is charged 1448 + 832 = 2280 bytes, the buffer holds 4,194,304:

    written  1 MiB  2 MiB            then 1/3 of the buffer at a time
    packets  724.2  1448.3 = 1449    1449 + 614 = 2063, 2677, 3291, 3905, ...
    charged  1.65   3.30 M           4.20 M
    free?    yes    no               from 2.80 M charged on
"""

from __future__ import annotations

import pytest

from ccsim.tcp.writer import SKB_OVERHEAD_BYTES, BulkWriter


def ends(writer: BulkWriter, acks: list[int]) -> list[int]:
    """Return how many packets each write completes, for ACKs of so many packets."""
    pushed: set[int] = set()
    for packets in acks:
        writer.acknowledged(packets, pushed)
    return sorted(seq + 1 for seq in pushed)


def test_a_packet_is_charged_its_payload_and_832_bytes() -> None:
    # 256 bytes of head room, 320 of skb_shared_info, 256 of sk_buff
    assert SKB_OVERHEAD_BYTES == 832


def test_the_first_filling_is_two_writes_of_a_mebibyte() -> None:
    assert ends(BulkWriter(), [1]) == [1449]  # 2,097,152 / 1448 = 1448.3


@pytest.mark.parametrize(("acked", "completed"), [(222, [1449]), (223, [2063])])
def test_the_writer_wakes_when_a_third_is_free(acked: int, completed: list[int]) -> None:
    # charged at first 1449 * 832 + 2,097,152 = 3,302,720; 222 packets less: 2,796,560, of which
    # half, 1,398,280, is more than the 1,397,744 that are free; one packet later it is not
    assert ends(BulkWriter(), [1, acked]) == completed


def test_the_packet_that_a_write_fills_up_no_longer_ends_one() -> None:
    # 1449 held 448 bytes of 1448: the next write begins there
    assert ends(BulkWriter(), [1, 223]) == [2063]


def test_each_further_write_lets_in_614_packets() -> None:
    assert ends(BulkWriter(), list(range(1, 2100)))[:4] == [2063, 2677, 3291, 3905]


def test_an_ack_of_many_packets_lets_in_as_many_more() -> None:
    # 60 packets beyond the 223 are free as well, so the write ends 60 later
    assert ends(BulkWriter(), [1, 283]) == [2063 + 60]


def test_small_writes_are_repeated_while_the_socket_is_writable() -> None:
    # 64 KiB = 45.3 packets; writable up to 2,796,202 bytes charged: 27 writes make 2,787,424
    # (1223 packets), the 28th 2,891,264
    writer = BulkWriter(write_bytes=1 << 16)
    assert ends(writer, [0]) == [-(-28 * (1 << 16) // 1448)]


def test_nothing_is_written_while_the_buffer_is_full() -> None:
    writer = BulkWriter()
    pushed: set[int] = set()
    writer.acknowledged(1, pushed)
    written = writer.written
    writer.acknowledged(100, pushed)
    assert writer.written == written == 2 << 20
