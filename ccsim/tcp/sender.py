"""A sender as its owner drives it: open, ACKs, timers, close."""

from __future__ import annotations

from ccsim.tcp.ack_rows import AckRow
from ccsim.tcp.cwnd import enter_cwr
from ccsim.tcp.host import Host
from ccsim.tcp.input import on_ack
from ccsim.tcp.output import (
    cwnd_restart_after_idle,
    on_timer,
    settle_timer,
    write_xmit,
)
from ccsim.tcp.pacer import on_pacing_timer
from ccsim.tcp.rate import check_app_limited
from ccsim.tcp.rtt import update_rtt
from ccsim.tcp.sock import TcpSock

__all__ = ["Sender"]


class Sender(TcpSock):
    """A TCP sender; every method that is given a time takes it as the socket's clock [ns]."""

    __slots__ = ()

    def __init__(self, host: Host) -> None:
        super().__init__(host)

    def handshake_done(
        self, t_ns: int, syn_ns: int, *, tries: int = 1, passive: bool = False
    ) -> None:
        """Take the SYN-ACK's RTT sample, unless it is ambiguous after that many ``tries``
        (``tcp_synack_rtt_meas``, RFC 6298 section 3). A ``passive`` socket has sent nothing yet:
        the SYN-ACK is that of the request."""
        self.set_clock(t_ns)
        self.ack_ns, self.echo_us = t_ns, syn_ns // 1000
        self.handshake_segs = 0 if passive else tries + 1
        if tries == 1:
            sample = t_ns // 1000 - syn_ns // 1000
            update_rtt(self, sample, sample)
        self.delivered_mstamp = self.tcp_mstamp
        self.app_limited = 1  # the first write finds nothing in flight
        self.snd_cwnd_stamp_ns = self.lsnd_ns = t_ns

    def write(self, t_ns: int, packets: int) -> None:
        """Let the application write that many packets at ``t_ns`` (``tcp_sendmsg_locked``).

        Each packet is pushed as soon as it is full, and a window that lay idle is restarted before
        the first.
        """
        self.set_clock(t_ns)
        check_app_limited(self)
        for _ in range(packets):
            cwnd_restart_after_idle(self)
            self.write_limit += 1
            write_xmit(self)

    def receive_ack(self, t_ns: int, row: AckRow) -> None:
        """Take an ACK off the wire at ``t_ns``, unless its timestamp shows that a later one came
        before it (PAWS, RFC 7323 section 5.3)."""
        sent_ns, ack, echo_us, blocks = row
        if self.host.timestamps:
            tsval_ms = self.host.timestamp_ms(sent_ns // 1000)
            if tsval_ms < self.ts_recent_ms and ack != self.una:
                self.counters["paws"] += 1
                return
            self.ts_recent_ms = max(self.ts_recent_ms, tsval_ms)
        on_ack(self, t_ns, ack, echo_us, blocks)

    def on_pacing(self, t_ns: int) -> None:
        """Let the pacing timer fire."""
        self.set_clock(t_ns)
        on_pacing_timer(self)

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
