"""The SACK scoreboard: what an ACK's blocks say of each packet (RFC 2018, RFC 2883,
``tcp_sacktag_write_queue``)."""

from __future__ import annotations

from ccsim.tcp.packets import EVER_RETRANS, LOST, RETRANS, SACKED
from ccsim.tcp.rack import rack_advance
from ccsim.tcp.rate import skb_delivered
from ccsim.tcp.sack_blocks import Blocks, begins_with_duplicate, trailing, untagged
from ccsim.tcp.sock import TcpSock

__all__ = ["SackResult", "check_sack_reordering", "tag_blocks"]


class SackResult:
    """What tagging found out: send times of newly SACKed packets that were never retransmitted, and
    flags."""

    __slots__ = ("data_sacked", "dsack", "dsack_tlp", "first_us", "last_us", "orig_sacked", "reord")

    def __init__(self, nxt: int) -> None:
        self.first_us = -1
        self.last_us = -1
        self.reord = nxt  # lowest packet that filled a hole without a retransmission
        self.data_sacked = False  # FLAG_DATA_SACKED
        self.orig_sacked = False  # FLAG_ORIG_SACK_ACKED
        self.dsack = False  # FLAG_DSACKING_ACK
        self.dsack_tlp = False  # FLAG_DSACK_TLP


def tag_blocks(sk: TcpSock, ack: int, blocks: Blocks, prior_una: int) -> SackResult:
    """Mark what ``blocks`` report; ``ack`` is the ACK's cumulative number, ``prior_una`` SND.UNA
    before it."""
    result = SackResult(sk.nxt)
    if not sk.sacked_out:
        sk.sack_high = 0  # nothing is SACKed: the forward-most SACK starts anew
    first = 0
    if begins_with_duplicate(blocks, ack):
        first = 1
        _dsack_seen(sk, blocks[0], prior_una, result)
    edges = untagged(blocks, first, sk.last_blocks)
    cells = edges.cells
    for k in range(0, len(edges), 2):
        _tag_range(sk, max(cells[k], sk.una), min(cells[k + 1], sk.nxt), result)
    sk.last_blocks = trailing(blocks, first)
    if result.reord < sk.sack_high and (sk.ca_state != 4 or sk.undo_from >= 0):
        check_sack_reordering(sk, result.reord)
    return result


def _dsack_seen(sk: TcpSock, block: tuple[int, int], prior_una: int, result: SackResult) -> None:
    """Account a duplicate report (``tcp_check_dsack``, ``tcp_dsack_seen``)."""
    start, end = block
    count = end - start
    sk.dsack_dups += count
    if sk.dsack_dups > sk.total_retrans:
        return  # more duplicates than retransmissions: the network made them, no evidence
    result.dsack = True
    if count == 1 and sk.tlp_high == end:
        result.dsack_tlp = True
    sk.counters["dsacks"] += 1
    # Without reordering, or for a loss probe, RACK was not what caused the duplicate.
    if sk.reord_seen and not result.dsack_tlp:
        sk.rack_dsack_seen = True
    sk.delivered += count  # a needless retransmission was delivered, too
    if end <= prior_una and sk.undo_from >= 0 and sk.undo_retrans > 0 and end > sk.undo_from:
        sk.undo_retrans = max(0, sk.undo_retrans - count)
    for seq in range(max(start, sk.una), min(end, sk.nxt)):
        _tag_duplicate(sk, seq)


def _tag_duplicate(sk: TcpSock, seq: int) -> None:
    """Take back a retransmission that arrived although the original had, too."""
    flags = sk.packets.flags
    i = seq - sk.packets.base
    state = flags[i]
    if (
        state & (RETRANS | EVER_RETRANS)
        and sk.undo_from >= 0
        and sk.undo_retrans > 0
        and seq >= sk.undo_from
    ):
        sk.undo_retrans -= 1
    if state & RETRANS and state & SACKED:
        flags[i] = state & ~RETRANS
        sk.retrans_out -= 1


def _tag_range(sk: TcpSock, start: int, end: int, result: SackResult) -> None:
    flags, base = sk.packets.flags, sk.packets.base
    for seq in range(start, end):
        if not flags[seq - base] & SACKED:
            _tag_one(sk, seq, result)


def _tag_one(sk: TcpSock, seq: int, result: SackResult) -> None:
    """Mark one packet SACKed (``tcp_sacktag_one``)."""
    packets = sk.packets
    i = seq - packets.base
    state = packets.flags[i]
    tx_us = packets.tx_us[i]
    rack_advance(sk, state, seq + 1, tx_us)
    if state & RETRANS:
        if state & LOST:
            state &= ~(LOST | RETRANS)
            sk.lost_out -= 1
            sk.retrans_out -= 1
    else:
        if not state & EVER_RETRANS:
            if seq < sk.sack_high and seq < result.reord:
                result.reord = seq
            if seq < sk.high:
                result.orig_sacked = True
            if result.first_us < 0:
                result.first_us = tx_us
            result.last_us = tx_us
        if state & LOST:
            state &= ~LOST
            sk.lost_out -= 1
    packets.flags[i] = state | SACKED
    result.data_sacked = True
    sk.sacked_out += 1
    sk.delivered += 1
    if seq >= sk.sack_high:
        sk.sack_high = seq + 1
    skb_delivered(sk, i, sk.rate_sample)


def check_sack_reordering(sk: TcpSock, low: int) -> None:
    """Learn the extent of reordering from a packet that came late
    (``tcp_check_sack_reordering``)."""
    metric = sk.sack_high - low
    if metric <= 0:
        return
    sk.reordering = min(max(sk.reordering, metric), sk.host.max_reordering)
    sk.reord_seen += 1
    sk.counters["reorderings"] += 1
