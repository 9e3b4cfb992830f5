"""The state of a simulated TCP sender: what Linux keeps in ``struct tcp_sock``, counted in
packets."""

from __future__ import annotations

from collections.abc import Callable

from ccsim.kernel.ops import AckSample, RateSample
from ccsim.kernel.sock import Sock
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.members import MEMBERS, set_snd_cwnd_stamp
from ccsim.tcp.packets import PacketColumns

Listener = Callable[["TcpSock", str, dict[str, int]], None]

__all__ = ["TIMER_LOSS_PROBE", "TIMER_NONE", "TIMER_REO", "TIMER_RTO", "UNBOUNDED", "TcpSock"]

TIMER_NONE = 0
TIMER_RTO = 1  # ICSK_TIME_RETRANS
TIMER_LOSS_PROBE = 5  # ICSK_TIME_LOSS_PROBE
TIMER_REO = 6  # ICSK_TIME_REO_TIMEOUT
UNBOUNDED = 1 << 60  # packets that a bulk source has to send
SEGS_NEVER_PACED = 10  # the first segments are not paced (sch_fq's rule, inside TCP)
COUNTERS = (
    *("rtos", "tlps", "recoveries", "undos", "lost_retransmits", "reorderings", "dsacks"),
    *("loss_undos", "partial_undos", "full_undos", "dsack_undos", "spurious_rtos"),
    *("probe_recoveries", "paws"),
)


class TcpSock(Sock):
    """A sender. Packets are numbered from 0; ``una`` and ``nxt`` are SND.UNA and SND.NXT as packet
    numbers.

    ``write_limit`` is the number of packets that the application has written. ``out_t``,
    ``out_seq`` collect what is transmitted (time [ns], packet number) until the flow hands it to
    the link. ``timer_ns``/``timer_kind`` is the one retransmission timer of Linux (RTO, loss probe
    or reordering), ``pacing_ns`` the pacing timer. ``counters`` counts what ``/proc/net/netstat``
    would.

    ``rwnd`` is the window that the receiver advertises, ``nospace`` whether the writer waits for
    room in the send buffer. What is simpler than in Linux stands in `ccsim.tcp`.
    """

    __slots__ = (
        "ack_sample",
        "backoff",
        "counters",
        "cwnd_usage_nxt",
        "cwr_seq",
        "cwr_seqs",
        "data_segs_out",
        "dsack_dups",
        "first_tx_us",
        "frto",
        "high_seq",
        "host",
        "icsk_retransmits",
        "jiffies0_ns",
        "jiffy_ns",
        "last_blocks",
        "lsnd_ns",
        "mdev_max_us",
        "mdev_us",
        "nospace",
        "nxt",
        "on_event",
        "out_seq",
        "out_t",
        "pacing_ns",
        "packets",
        "prr_delivered",
        "prr_out",
        "rack_advanced",
        "rack_cursor",
        "rack_dsack_seen",
        "rack_end",
        "rack_last_delivered",
        "rack_mstamp_us",
        "rack_reo_wnd_persist",
        "rack_reo_wnd_steps",
        "rack_retransmits",
        "rack_rtt_us",
        "rate_sample",
        "reord_seen",
        "reordering",
        "retrans_stamp_ms",
        "rto_jiffies",
        "rtt_nxt",
        "rttvar_us",
        "rtx_queue",
        "rwnd",
        "sack_high",
        "sample_end",
        "snd_cwnd_stamp_ns",
        "snd_cwnd_used",
        "timer_delay_jiffies",
        "timer_delay_us",
        "timer_kind",
        "timer_ns",
        "timer_ran_tick",
        "timer_resend",
        "timer_set_ns",
        "timer_settled",
        "timer_wstamp_ns",
        "tlp_high_seq",
        "tlp_retrans",
        "total_retrans",
        "ts_recent_ms",
        "una",
        "undo_marker",
        "undo_retrans",
        "write_limit",
    )

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host
        self.hz = host.hz
        self.jiffies0_ns = host.jiffies0_ns
        self.jiffy_ns = host.jiffy_ns
        self.mss_cache = host.mss_bytes
        self.snd_cwnd = host.initial_window
        self.packets = PacketColumns()
        self.out_t: list[int] = []
        self.out_seq: list[int] = []
        self.una = 0
        self.nxt = 0
        self.write_limit = UNBOUNDED
        self.rwnd = UNBOUNDED  # the window that the receiver advertises [packets]
        self.nospace = False  # a writer waits for room in the send buffer (SOCK_NOSPACE)
        self.ack_sample = AckSample()
        self.rate_sample = RateSample()
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.on_event: Listener = _ignore
        self._init_rtt()
        self._init_recovery()

    def _init_rtt(self) -> None:
        self.mdev_us = 1_000_000
        self.mdev_max_us = 0
        self.rttvar_us = 0
        self.rtt_nxt = 0
        self.rto_jiffies = self.host.us_to_jiffies(self.host.rto_initial_ns // 1000)
        self.backoff = 0
        self.icsk_retransmits = 0
        self.timer_ns = NEVER
        self.timer_kind = TIMER_NONE
        self.timer_ran_tick = -1  # the tick in which it fired last
        self.timer_settled = (
            True  # False: timer_ns is a lower bound, see ccsim.tcp.xmit_timer.settle_timer
        )
        self.timer_resend = False  # a packet sent since has set it anew
        self.timer_set_ns = 0
        self.timer_delay_us = 0  # of a loss probe
        self.timer_delay_jiffies = 0  # of another
        self.timer_wstamp_ns = 0
        self.lsnd_ns = 0
        self.ts_recent_ms = 0
        self.pacing_ns = NEVER
        self.data_segs_out = 0
        self.delivered = 1  # the SYN
        self.first_tx_us = 0
        self.sample_end = 0  # packet number that bears the rate sample of this ACK
        self.cwnd_usage_nxt = 0
        self.snd_cwnd_used = 0
        self.snd_cwnd_stamp_ns = 0

    def _init_recovery(self) -> None:
        self.high_seq = 0
        self.ecn_flags = int(self.host.ecn)  # TCP_ECN_OK
        self.cwr_seq = -1  # the new packet that bore the CWR flag last
        self.cwr_seqs: list[int] = []  # all that did, until the flow hands them to the link
        self.undo_marker = -1  # -1: none (Linux uses 0, which here is a packet)
        self.undo_retrans = 0
        self.retrans_stamp_ms = 0
        self.prr_delivered = 0
        self.prr_out = 0
        self.frto = False
        self.tlp_high_seq = -1
        self.tlp_retrans = False
        self.total_retrans = 0
        self.dsack_dups = 0
        self.reordering = self.host.reordering
        self.reord_seen = 0
        self.sack_high = 0  # one past the highest SACKed packet
        self.last_blocks: tuple[tuple[int, int], ...] = ()
        self.rtx_queue: list[int] = []  # heap of packets marked lost; some no longer are
        self.rack_cursor = 0  # no first transmission below it is unjudged
        self.rack_retransmits: list[
            tuple[int, int]
        ] = []  # (time [us], packet) in order of retransmission
        self.rack_mstamp_us = 0
        self.rack_end = 0
        self.rack_rtt_us = 0
        self.rack_advanced = False
        self.rack_dsack_seen = False
        self.rack_last_delivered = 0
        self.rack_reo_wnd_steps = 1
        self.rack_reo_wnd_persist = 0

    def set_clock(self, t_ns: int) -> None:
        """Refresh the socket's clocks (``tcp_mstamp_refresh``)."""
        self.tcp_clock_cache = t_ns
        self.tcp_mstamp = t_ns // 1000

    def member(self, name: str) -> int:
        """Return a member that hooks seldom read, by Linux's name and in its encoding."""
        found = MEMBERS.get(name)
        return super().member(name) if found is None else found(self)

    def set_member(self, name: str, value: int) -> None:
        """Write ``snd_cwnd_stamp``, the one of them that hooks may write."""
        if name == "snd_cwnd_stamp":
            set_snd_cwnd_stamp(self, value)

    @property
    def snd_una(self) -> int:
        """First unacknowledged byte."""
        return self.una * self.mss_cache

    @snd_una.setter
    def snd_una(self, value: int) -> None:
        if value:
            raise AttributeError("snd_una follows una, the number of packets acknowledged")

    @property
    def snd_nxt(self) -> int:
        """Next byte to send."""
        return self.nxt * self.mss_cache

    @snd_nxt.setter
    def snd_nxt(self, value: int) -> None:
        if value:
            raise AttributeError("snd_nxt follows nxt, the number of packets sent")

    @property
    def tcp_jiffies32(self) -> int:
        """The tick of the event being processed."""
        return (self.tcp_clock_cache + self.jiffies0_ns) // self.jiffy_ns

    @tcp_jiffies32.setter
    def tcp_jiffies32(self, value: int) -> None:
        if value:
            raise AttributeError("tcp_jiffies32 follows the clock")

    @property
    def lsndtime(self) -> int:
        """The tick of the last transmission of data."""
        return (self.lsnd_ns + self.jiffies0_ns) // self.jiffy_ns

    @lsndtime.setter
    def lsndtime(self, value: int) -> None:
        if value:
            raise AttributeError("lsndtime follows lsnd_ns")

    @property
    def packets_out(self) -> int:
        """Packets sent and not yet cumulatively acknowledged."""
        return self.nxt - self.una

    @packets_out.setter
    def packets_out(self, value: int) -> None:
        if value:
            raise AttributeError("packets_out follows una and nxt")


def _ignore(sk: TcpSock, kind: str, detail: dict[str, int]) -> None:
    """Take an event that nobody listens to."""
