"""When a receiver's ACK may wait, and for how long: quick ACKs, the timeout that adapts to the gaps
between packets, ping-pong mode (``tcp_event_data_recv``, ``tcp_send_delayed_ack``,
``tcp_delack_timer_handler``).

Times are counted in the host's ticks, as Linux counts them; the timer fires where its wheel has it
fire.
"""

from __future__ import annotations

from ccsim.tcp.host import NEVER, Host

__all__ = ["MAX_QUICKACKS", "DelayedAck", "Exchange"]

MAX_QUICKACKS = 16  # TCP_MAX_QUICKACKS
ATO_MIN_PARTS = 25  # TCP_ATO_MIN and TCP_DELACK_MIN are HZ/25: 40 ms
DELACK_MAX_PARTS = 5  # TCP_DELACK_MAX is HZ/5: 200 ms
ATO_BITS = 255  # that Linux has for it
NO_DATA = -1


class Exchange:
    """What a client does with a response: once it has read ``packets`` packets in all it thinks for
    ``think_ns`` and sends its next request, which leaves at ``asked_ns``."""

    __slots__ = ("asked_ns", "packets", "think_ns")

    def __init__(self) -> None:
        self.packets = NEVER
        self.think_ns = 0
        self.asked_ns = NEVER


class DelayedAck:
    """The delayed-ACK machine of one receiver.

    ``quick``: that many ACKs are still sent at once, one a packet; ``pingpong``: how often data was
    answered by data so soon that an ACK could ride on it, which overrules ``quick``. ``ato`` is the
    timeout [ticks], ``lrcv_ns`` when data last came in order. ``delack_ns`` is when the ACK is due
    that waits: when the timer fires, or, if ``rides``, when the application's data leaves.
    ``rto_jiffies`` is the receiver's own retransmission timeout and ``rtt_jiffies`` its round trip,
    both of the handshake; 0: not measured.

    While packets come closer than ``near_ns`` and ``ato`` is ``ato_min``, nothing changes.
    """

    __slots__ = (
        *("ato", "ato_min", "delack_ns", "host", "lrcv_ns", "near_ns", "pingpong", "quick"),
        *("quick_most", "rides", "rto_jiffies", "rtt_jiffies"),
    )

    def __init__(self, host: Host, quickacks: int) -> None:
        self.host = host
        self.quick = quickacks
        self.quick_most = MAX_QUICKACKS
        self.pingpong = 0
        self.ato_min = max(host.hz // ATO_MIN_PARTS, 1)
        self.ato = self.ato_min
        self.near_ns = max(self.ato_min // 2, 1) * host.jiffy_ns
        self.lrcv_ns = NO_DATA
        self.rto_jiffies = host.us_to_jiffies(host.rto_initial_ns // 1000)
        self.rtt_jiffies = 0
        self.delack_ns = NEVER
        self.rides = False

    def measured(self, rtt_us: int, rwnd_packets: int) -> None:
        """Take the RTT of the handshake [us] (RFC 6298 section 2.2, ``tcp_synack_rtt_meas``) and
        the window that is advertised."""
        host = self.host
        rto_us = rtt_us + max(2 * rtt_us, host.rto_min_us)
        self.rto_jiffies = host.us_to_jiffies(rto_us)
        self.rtt_jiffies = host.us_to_jiffies(rtt_us)
        # tcp_incr_quickack: at most half of the window's packets, and two if that is none
        self.quick_most = min(MAX_QUICKACKS, rwnd_packets // 2 or 2)

    def is_settled(self) -> bool:
        """Report whether packets that come close to each other leave all but ``quick`` as it is."""
        return self.ato == self.ato_min and not self.pingpong

    def adapt(self, t_ns: int) -> None:
        """Take data in order that comes at ``t_ns`` (``tcp_event_data_recv``)."""
        last_ns, self.lrcv_ns = self.lrcv_ns, t_ns
        if last_ns == NO_DATA:
            return
        host, half = self.host, self.ato_min // 2
        gap = host.jiffies(t_ns) - host.jiffies(last_ns)
        if gap <= half:
            self.ato = (self.ato >> 1) + half
        elif gap < self.ato:
            self.ato = min((self.ato >> 1) + gap, self.rto_jiffies)
        elif gap > self.rto_jiffies:
            # The sender has failed to restart its window: tell it soon how it stands.
            self.quick = max(self.quick, self.quick_most)

    def come_close(self, packets: int, acks: int) -> None:
        """Take ``packets`` more in order, each within ``near_ns`` of the one before, of which
        ``acks`` are acknowledged as they come."""
        if 0 < self.quick <= acks:
            self.ato = self.ato_min
        self.quick = max(0, self.quick - acks)
        while packets and self.ato != self.ato_min:
            self.ato = (self.ato >> 1) + self.ato_min // 2
            packets -= 1

    def go_quick(self, acks: int) -> None:
        """Send the next ``acks`` ACKs at once (``tcp_enter_quickack_mode``)."""
        self.quick = max(self.quick, min(acks, self.quick_most))
        self.pingpong = 0
        self.ato = self.ato_min

    def count_quick(self) -> None:
        """Count an ACK of new data that is sent (``tcp_dec_quickack_mode``)."""
        if self.quick:
            self.quick -= 1
            if not self.quick:
                self.ato = self.ato_min

    def expiry(self, t_ns: int) -> int:
        """Return when the timer of an ACK fires that is delayed from ``t_ns`` on
        (``tcp_send_delayed_ack``)."""
        hz, ato = self.host.hz, self.ato
        if self.rtt_jiffies:
            ato = min(ato, max(self.rtt_jiffies, self.ato_min))
        return self.host.expiry_ns(t_ns, min(ato, hz // DELACK_MAX_PARTS))

    def missed(self) -> None:
        """Note that the timer has fired (``tcp_delack_timer_handler``)."""
        if self.pingpong:
            self.pingpong = 0
            self.ato = self.ato_min
        else:
            self.ato = min(self.ato << 1, self.rto_jiffies, ATO_BITS)

    def answer(self, t_ns: int) -> None:
        """Take data that the application sends at ``t_ns`` (``tcp_event_data_sent``)."""
        host = self.host
        if host.jiffies(t_ns) - host.jiffies(self.lrcv_ns) < self.ato:
            self.pingpong = min(self.pingpong + 1, ATO_BITS)
