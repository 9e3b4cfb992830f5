"""The receiver of an algorithm that needs ECN: its own hooks decide what is echoed (RFC 8257
section 3.2, ``tcp_dctcp.c``).

Which end runs what: the receiving host runs the same algorithm as the sender began with, as where
both hosts have it as their default. A swap at the sender leaves the receiver alone.
"""

from __future__ import annotations

from collections.abc import Callable

from ccsim.kernel.ops import CaEvent, TcpCongestionOps
from ccsim.kernel.sock import TCP_ESTABLISHED, Sock
from ccsim.tcp.ecn import TCP_ECN_DEMAND_CWR, TCP_ECN_OK, TCP_ECN_SEEN

__all__ = ["HookEcho"]

ICSK_ACK_TIMER = 2  # the delayed ACK waits for its timer
ICSK_ACK_NOW = 16  # acknowledge at once
QUICK_AFTER_MARK = 2  # segments acknowledged one by one after a mark


class HookEcho(Sock):
    """A receiving socket so far as ``cwnd_event`` sees it, in place of `ccsim.tcp.ecn.EcnEcho`.

    Before each packet the owner calls `at`; ``send_ack`` is then what `tcp_send_ack` uses.
    """

    __slots__ = ("_send_ack",)

    plain = False  # every packet is told to the hook

    def __init__(self, ops: TcpCongestionOps, mss_bytes: int) -> None:
        super().__init__()
        self.mss_cache = mss_bytes
        self.ecn_flags = TCP_ECN_OK
        self.sk_state = TCP_ESTABLISHED
        self.ca_ops = ops
        self.ca = ops.private() if ops.private is not None else None
        self._send_ack: Callable[[int], None] = _nobody
        if ops.init is not None:
            ops.init(self)

    @property
    def ece(self) -> bool:
        """Whether the next ACK bears ECE."""
        return bool(self.ecn_flags & TCP_ECN_DEMAND_CWR)

    def at(self, packets: int, *, ack_delayed: bool, send_ack: Callable[[int], None]) -> None:
        """Set the scene for one packet: ``packets`` received in order with it, whether a delayed
        ACK waits, and who sends an ACK for so many packets at once."""
        self.rcv_nxt = packets * self.mss_cache
        self.ack_pending = ICSK_ACK_TIMER if ack_delayed else 0
        self._send_ack = send_ack

    def accept_cwr(self) -> None:
        """Take a packet that bears CWR (``tcp_ecn_accept_cwr``)."""
        self.ecn_flags &= ~TCP_ECN_DEMAND_CWR

    def check(self, *, ect: bool, ce: bool) -> int:
        """Take the ECN field of a new packet; return for how many segments ACKs go out at once
        (``tcp_data_ecn_check``)."""
        if not ect:
            return QUICK_AFTER_MARK if self.ecn_flags & TCP_ECN_SEEN else 0
        hook = self.ca_ops.cwnd_event
        if hook is not None:
            hook(self, int(CaEvent.ECN_IS_CE if ce else CaEvent.ECN_NO_CE))
        quick = 1 if self.ack_pending & ICSK_ACK_NOW else 0
        if ce and not self.ece:
            quick = QUICK_AFTER_MARK
            self.ecn_flags |= TCP_ECN_DEMAND_CWR
        self.ecn_flags |= TCP_ECN_SEEN
        return quick

    def tcp_send_ack(self, rcv_nxt: int) -> None:
        """Acknowledge up to byte ``rcv_nxt`` at once (``__tcp_send_ack``)."""
        self._send_ack(rcv_nxt // self.mss_cache)


def _nobody(packets: int) -> None:
    """Send no ACK: nothing has been received."""
