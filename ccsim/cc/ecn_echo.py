"""The receiver of DCTCP: each mark is echoed exactly (RFC 8257 section 3.2, ``tcp_dctcp.h``)."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.kernel.ops import CaEvent
from ccsim.kernel.sock import Sock

__all__ = ["TCP_ECN_AGREED", "ExactEcho", "take_mark"]

TCP_ECN_AGREED = 1 | 16  # sk.ecn_flags: ECN, or Accurate ECN, was negotiated
TCP_ECN_DEMAND_CWR = 4  # sk.ecn_flags: outgoing ACKs carry ECE
ICSK_ACK_TIMER = 2  # sk.ack_pending: a delayed ACK waits for its timer
ICSK_ACK_NOW = 16  # sk.ack_pending: acknowledge at once
ECN_NO_CE, ECN_IS_CE = int(CaEvent.ECN_NO_CE), int(CaEvent.ECN_IS_CE)


@dataclass(slots=True)
class ExactEcho:
    """What a receiver remembers: the next byte expected one packet ago, and whether the last packet
    was marked."""

    prior_rcv_nxt: int = 0
    ce_state: int = 0


def take_mark(sk: Sock, ca: ExactEcho, event: int) -> bool:
    """Take ``cwnd_event``'s news of an arriving packet; report whether it was that.

    What came before a change of marks is acknowledged first, with the echo that it is due.
    """
    if event not in (ECN_IS_CE, ECN_NO_CE):
        return False
    ce_state = int(event == ECN_IS_CE)
    if ca.ce_state != ce_state:
        if sk.ack_pending & ICSK_ACK_TIMER:
            _echo(sk, ca.ce_state)
            sk.tcp_send_ack(ca.prior_rcv_nxt)
        sk.ack_pending |= ICSK_ACK_NOW
    ca.prior_rcv_nxt = sk.rcv_nxt
    ca.ce_state = ce_state
    _echo(sk, ce_state)
    return True


def _echo(sk: Sock, ce_state: int) -> None:
    """Let ACKs carry ECE while the last packet received was marked."""
    if ce_state:
        sk.ecn_flags |= TCP_ECN_DEMAND_CWR
    else:
        sk.ecn_flags &= ~TCP_ECN_DEMAND_CWR
