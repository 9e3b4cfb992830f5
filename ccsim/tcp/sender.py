"""A sender as its owner drives it: open, ACKs, timers, close."""

from __future__ import annotations

from ccsim.tcp.cwnd import enter_cwr
from ccsim.tcp.host import Host
from ccsim.tcp.output import on_timer, settle_timer, write_xmit
from ccsim.tcp.rtt import update_rtt
from ccsim.tcp.sock import TcpSock

__all__ = ["Sender"]


class Sender(TcpSock):
    """A TCP sender; every method that is given a time takes it as the socket's clock [ns]."""

    __slots__ = ()

    def __init__(self, host: Host) -> None:
        super().__init__(host)

    def handshake_done(self, t_ns: int, syn_ns: int, *, syn_retransmitted: bool) -> None:
        """Take the SYN-ACK's RTT sample, unless it is ambiguous (``tcp_synack_rtt_meas``, RFC 6298
        section 3)."""
        self.set_clock(t_ns)
        if not syn_retransmitted:
            sample = t_ns // 1000 - syn_ns // 1000
            update_rtt(self, sample, sample)
        self.delivered_mstamp = self.tcp_mstamp
        self.app_limited = 1  # the first write finds nothing in flight
        self.snd_cwnd_stamp_ns = self.lsnd_ns = t_ns

    def begin(self) -> None:
        """Send the first window, at the time of the handshake's end."""
        write_xmit(self)

    def fire_timer(self, t_ns: int) -> None:
        """Let the retransmission timer fire, if ``t_ns`` is when it is due and not a lower bound of
        that."""
        if not self.timer_settled:
            settle_timer(self)
            if self.timer_ns > t_ns:
                return
        self.set_clock(t_ns)
        on_timer(self)

    def tcp_enter_cwr(self) -> None:
        """Start a window reduction without a loss (``tcp_enter_cwr``)."""
        enter_cwr(self)
