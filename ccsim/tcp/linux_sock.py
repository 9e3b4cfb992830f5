# mypy: disable-error-code="override"
# The kernel's fields can be set; here those that follow others cannot.
"""What Linux counts in bytes and ticks, of a sender that counts packets and nanoseconds (``struct
tcp_sock``): the fields that follow others, for hooks to read."""

from __future__ import annotations

from ccsim.kernel.sock import Sock
from ccsim.tcp.host import Host

__all__ = ["UNBOUNDED", "LinuxSock"]

UNBOUNDED = 1 << 60  # packets that a bulk source has to send
MAX_WINDOW_BYTES = 1 << 30  # that window scaling can say (RFC 7323 section 2.3)


class LinuxSock(Sock):
    """A socket whose packets are numbered from 0; sequence numbers are bytes from there on.

    ``una`` and ``nxt`` are SND.UNA and SND.NXT as packet numbers, ``write_limit`` is one past the
    last that the application has written, ``rwnd`` the window that the receiver advertises
    [packets]. ``high``, ``tlp_high``, ``undo_from`` (-1: none), ``rtt_nxt``, ``cwnd_usage_nxt`` and
    ``rack_end`` are the packet numbers that Linux keeps as ``high_seq``, ``tlp_high_seq``,
    ``undo_marker``, ``rtt_seq``, ``cwnd_usage_seq`` and ``rack.end_seq``.

    ``lsnd_ns`` is when data was sent last, ``ack_ns`` when the latest ACK came, ``echo_us`` the
    send time that it echoes, ``back_ns`` how long it was under way, ``handshake_segs`` how many
    segments have left that are no data.
    """

    __slots__ = (
        "ack_ns",
        "back_ns",
        "cwnd_usage_nxt",
        "echo_us",
        "handshake_segs",
        "high",
        "host",
        "jiffies0_ns",
        "jiffy_ns",
        "lsnd_ns",
        "nxt",
        "rack_end",
        "rtt_nxt",
        "rwnd",
        "snd_cwnd_stamp_ns",
        "tlp_high",
        "una",
        "undo_from",
        "write_limit",
    )

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host
        self.hz = host.hz
        self.jiffies0_ns = host.jiffies0_ns
        self.jiffy_ns = host.jiffy_ns
        self.mss_cache = host.mss_bytes
        self.una = self.nxt = 0
        self.write_limit = UNBOUNDED
        self.rwnd = UNBOUNDED
        self.high = 0
        self.tlp_high = self.undo_from = -1
        self.rtt_nxt = self.cwnd_usage_nxt = self.rack_end = 0
        self.lsnd_ns = self.snd_cwnd_stamp_ns = 0
        self.ack_ns = self.echo_us = self.back_ns = 0
        self.handshake_segs = 0

    def _init_following(self) -> None:
        """Nothing is to be set: they follow."""

    def _ticks(self) -> int:
        return (self.tcp_clock_cache + self.jiffies0_ns) // self.jiffy_ns

    def _out(self) -> int:
        return self.nxt - self.una

    def _tick(self, t_ns: int) -> int:
        return (t_ns + self.jiffies0_ns) // self.jiffy_ns

    @property
    def snd_una(self) -> int:
        """First unacknowledged byte."""
        return self.una * self.mss_cache

    @property
    def snd_nxt(self) -> int:
        """Next byte to send."""
        return self.nxt * self.mss_cache

    @property
    def write_seq(self) -> int:
        """End of what the application has written; a source that always has more keeps the send
        buffer full."""
        held = self.una + self.host.sndbuf_packets
        return max(self.nxt, min(self.write_limit, held)) * self.mss_cache

    @property
    def packets_out(self) -> int:
        """Packets sent and not yet cumulatively acknowledged."""
        return self.nxt - self.una

    @property
    def high_seq(self) -> int:
        """``snd_nxt`` when the present congestion state began."""
        return self.high * self.mss_cache

    @property
    def tlp_high_seq(self) -> int:
        """``snd_nxt`` when a loss probe was sent that is not answered yet; 0: none."""
        return self.tlp_high * self.mss_cache if self.tlp_high > 0 else 0

    @property
    def undo_marker(self) -> int:
        """``snd_una`` when the reduction began that could be undone; 0: none."""
        return self.undo_from * self.mss_cache if self.undo_from > 0 else 0

    @property
    def rtt_seq(self) -> int:
        """End of the round over which the RTT's deviation is taken."""
        return self.rtt_nxt * self.mss_cache

    @property
    def cwnd_usage_seq(self) -> int:
        """End of the round in which the use of the window is noted."""
        return self.cwnd_usage_nxt * self.mss_cache

    @property
    def rack_end_seq(self) -> int:
        """End of the delivered packet that was sent last."""
        return self.rack_end * self.mss_cache

    @property
    def snd_wnd(self) -> int:
        """Window that the receiver advertises [bytes]; the widest there is where it is no limit."""
        mss = self.mss_cache
        return min(self.rwnd, MAX_WINDOW_BYTES // mss) * mss

    @property
    def bytes_acked(self) -> int:
        """Bytes acknowledged; the SYN counts as one."""
        return self.una * self.mss_cache + (self.handshake_segs > 0)

    @property
    def bytes_sent(self) -> int:
        """Bytes of data that have left, retransmissions included."""
        return self.data_segs_out * self.mss_cache

    @property
    def bytes_retrans(self) -> int:
        """Bytes of data that have left again."""
        return self.total_retrans * self.mss_cache

    @property
    def segs_out(self) -> int:
        """Segments that have left: data, retransmissions, SYN and the handshake's ACK."""
        return self.data_segs_out + self.handshake_segs

    @property
    def advmss(self) -> int:
        """Largest payload announced to the peer, what timestamps take off it already [bytes]."""
        return self.mss_cache

    @property
    def tcp_jiffies32(self) -> int:
        """The tick of the event being processed."""
        return (self.tcp_clock_cache + self.jiffies0_ns) // self.jiffy_ns

    @property
    def lsndtime(self) -> int:
        """The tick of the last transmission of data."""
        return self._tick(self.lsnd_ns)

    @property
    def rcv_tstamp(self) -> int:
        """The tick in which the latest ACK came."""
        return self._tick(self.ack_ns)

    @property
    def snd_cwnd_stamp(self) -> int:
        """The tick in which the window was last adjusted or used up."""
        return self._tick(self.snd_cwnd_stamp_ns)

    @snd_cwnd_stamp.setter
    def snd_cwnd_stamp(self, tick: int) -> None:
        self.snd_cwnd_stamp_ns = tick * self.jiffy_ns - self.jiffies0_ns

    @property
    def rcv_tsval(self) -> int:
        """Timestamp of the latest ACK [ms]: both ends have the clock ``tcp_mstamp``; 0 without
        timestamps."""
        return (self.ack_ns - self.back_ns) // 1_000_000 if self.host.timestamps else 0

    @property
    def rcv_tsecr(self) -> int:
        """Timestamp that the latest ACK echoes [ms of ``tcp_mstamp``]; 0 without timestamps."""
        return self.echo_us // 1000 if self.host.timestamps else 0
