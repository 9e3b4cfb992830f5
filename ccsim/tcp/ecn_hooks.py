"""The receiver of an algorithm that needs ECN: its own hooks decide what is echoed (RFC 8257
section 3.2, ``tcp_dctcp.c``).

Which end runs what: the receiving host runs the same algorithm as the sender had when the SYN left,
as where both hosts have it as their default. A swap at the sender leaves the receiver alone.
"""

from __future__ import annotations

from collections.abc import Callable

from ccsim.kernel.ops import CaEvent
from ccsim.kernel.sock import RandomSource, Sock
from ccsim.tcp.ecn import TCP_ECN_DEMAND_CWR, TCP_ECN_OK, TCP_ECN_SEEN, FlagEcho
from ccsim.tcp.host import Host

__all__ = ["HookEcho"]

ICSK_ACK_TIMER = 2  # the delayed ACK waits for its timer
ICSK_ACK_NOW = 16  # acknowledge at once
QUICK_AFTER_MARK = 2  # segments acknowledged one by one after a mark


class HookEcho(FlagEcho, Sock):
    """The receiving end as a socket of its host, instead of `ccsim.tcp.ecn.EcnEcho`: it has sent a
    SYN-ACK and nothing else. Its owner opens it in a kernel, where its hooks find all they need.

    Before each packet the owner calls `at`; ``send_ack`` is then what `tcp_send_ack` uses.
    """

    __slots__ = ("_host", "_send_ack")

    plain = False  # every packet is told to the hook

    def __init__(self, host: Host, random: RandomSource, t_ns: int, rtt_us: int) -> None:
        super().__init__()
        self._host = host
        self.random = random
        self.hz = host.hz
        self.mss_cache = self.advmss = host.mss_bytes
        self.snd_cwnd = host.initial_window
        self.delivered = 1  # the SYN-ACK
        self.srtt_us, self.rtt_min_us = rtt_us << 3, rtt_us
        self.ecn_flags = TCP_ECN_OK
        self._send_ack: Callable[[int], None] = _nobody
        self.set_clock(t_ns)

    def set_clock(self, t_ns: int) -> None:
        """Refresh the socket's clocks (``tcp_mstamp_refresh``)."""
        self.tcp_clock_cache = t_ns
        self.tcp_mstamp = t_ns // 1000
        self.tcp_jiffies32 = self._host.jiffies(t_ns)

    @property
    def ece(self) -> bool:
        """Whether the next ACK bears ECE."""
        return bool(self.ecn_flags & TCP_ECN_DEMAND_CWR)

    def at(
        self, t_ns: int, packets: int, *, ack_delayed: bool, send_ack: Callable[[int], None]
    ) -> None:
        """Set the scene for one packet that comes at ``t_ns``: ``packets`` received in order with
        it, whether a delayed ACK waits, and who sends an ACK for that many packets at once."""
        self.set_clock(t_ns)
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
