"""Explicit Congestion Notification: what both ends agree on, the sender's CWR and the receiver's
echo (RFC 3168 section 6.1, ``tcp_input.c``; of Accurate ECN `ccsim.tcp.accecn`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ccsim.tcp.sack_blocks import Blocks, EceBlocks
from ccsim.tcp.sock import TcpSock

__all__ = [
    "TCP_ECN_AGREED",
    "TCP_ECN_DEMAND_CWR",
    "TCP_ECN_MODE_ACCECN",
    "TCP_ECN_OK",
    "TCP_ECN_QUEUE_CWR",
    "TCP_ECN_SEEN",
    "EcnEcho",
    "FlagEcho",
    "Wish",
    "agreed_on",
    "queue_cwr",
    "send_cwr",
    "withdraw_cwr",
]

TCP_ECN_OK = 1
TCP_ECN_QUEUE_CWR = 2
TCP_ECN_DEMAND_CWR = 4
TCP_ECN_SEEN = 8
TCP_ECN_MODE_ACCECN = 16
TCP_ECN_AGREED = TCP_ECN_OK | TCP_ECN_MODE_ACCECN
QUICK_AFTER_MARK = 2  # segments acknowledged one by one after a mark


Wish = bool | Literal["accecn", "off"]
"""``net.ipv4.tcp_ecn`` of a host: 1, 2 (it agrees), 3 (Accurate ECN), 0 (it does not agree)."""


def agreed_on(client: Wish, server: Wish, *, needed: bool) -> int:
    """Return what a handshake leads to, as the mode's bit in ``ecn_flags``, or 0; ``needed``: both
    ends run an algorithm that needs ECN (``tcp_ecn_send_syn``, ``tcp_ecn_create_request``)."""
    if client != "accecn" and client is not True and not needed:
        return 0
    if server == "off" and not needed:
        return 0
    return TCP_ECN_MODE_ACCECN if client == server == "accecn" else TCP_ECN_OK


def queue_cwr(sk: TcpSock) -> None:
    """Let the next new packet tell the receiver that the window was reduced
    (``tcp_ecn_queue_cwr``)."""
    if sk.ecn_flags & TCP_ECN_OK:
        sk.ecn_flags |= TCP_ECN_QUEUE_CWR


def withdraw_cwr(sk: TcpSock) -> None:
    """Take that back, as the reduction is undone (``tcp_ecn_withdraw_cwr``)."""
    sk.ecn_flags &= ~TCP_ECN_QUEUE_CWR


def send_cwr(sk: TcpSock, seq: int) -> None:
    """Let packet ``seq``, the first new one, bear the CWR flag if that is due
    (``tcp_ecn_send``)."""
    if sk.ecn_flags & TCP_ECN_QUEUE_CWR:
        sk.ecn_flags &= ~TCP_ECN_QUEUE_CWR
        sk.cwr_seq = seq
        sk.cwr_seqs.append(seq)


class FlagEcho:
    """How a receiver with the flag ECE alone tells of marks."""

    __slots__ = ()

    def bear(self, blocks: Iterable[tuple[int, int]]) -> Blocks:
        """Return what an ACK that bears ECE has as its blocks."""
        return EceBlocks(blocks)

    def saw_ce(self, packets: int) -> None:
        """Count packets that come with CE, whether they are new or not."""


class EcnEcho(FlagEcho):
    """What a receiver echoes: ECE from the first CE until CWR (RFC 3168 section 6.1.3)."""

    __slots__ = ("flags",)

    plain = True  # packets without a mark change nothing but the first time

    def __init__(self) -> None:
        self.flags = TCP_ECN_OK

    @property
    def ece(self) -> bool:
        """Whether the next ACK bears ECE."""
        return bool(self.flags & TCP_ECN_DEMAND_CWR)

    def accept_cwr(self) -> None:
        """Take a packet that bears CWR (``tcp_ecn_accept_cwr``)."""
        self.flags &= ~TCP_ECN_DEMAND_CWR

    def check(self, *, ect: bool, ce: bool) -> int:
        """Take the ECN field of a new packet; return for how many segments ACKs go out at once
        (``tcp_data_ecn_check``)."""
        if ce:
            first = not self.flags & TCP_ECN_DEMAND_CWR
            self.flags |= TCP_ECN_SEEN | TCP_ECN_DEMAND_CWR
            return QUICK_AFTER_MARK if first else 0
        if ect:
            self.flags |= TCP_ECN_SEEN
            return 0
        # Not ECT although others were: most likely a retransmission.
        return QUICK_AFTER_MARK if self.flags & TCP_ECN_SEEN else 0
