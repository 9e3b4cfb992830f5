"""The state of a simulated TCP sender: what Linux keeps in ``struct tcp_sock``, counted in
packets."""

from __future__ import annotations

from collections.abc import Callable

from ccsim.ints import Ints
from ccsim.kernel.ops import AckSample, RateSample
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.linux_sock import UNBOUNDED, LinuxSock
from ccsim.tcp.packets import PacketColumns
from ccsim.tcp.sack_blocks import Blocks, as_blocks

Listener = Callable[["TcpSock", str, dict[str, int]], None]

__all__ = ["TIMER_LOSS_PROBE", "TIMER_NONE", "TIMER_REO", "TIMER_RTO", "UNBOUNDED", "TcpSock"]

TIMER_NONE = 0
TIMER_RTO = 1  # ICSK_TIME_RETRANS
TIMER_LOSS_PROBE = 5  # ICSK_TIME_LOSS_PROBE
TIMER_REO = 6  # ICSK_TIME_REO_TIMEOUT
SEGS_NEVER_PACED = 10  # the first segments are not paced (sch_fq's rule, inside TCP)
COUNTERS = (
    *("rtos", "tlps", "recoveries", "undos", "lost_retransmits", "reorderings", "dsacks"),
    *("loss_undos", "partial_undos", "full_undos", "dsack_undos", "spurious_rtos"),
    *("probe_recoveries", "paws"),
)


class TcpSock(LinuxSock):
    """A sender.

    ``out_t``, ``out_seq`` collect what is transmitted (time [ns], packet number) until the flow
    hands it to the link. ``timer_ns``/``timer_kind`` is the one retransmission timer of Linux (RTO,
    loss probe or reordering), ``pacing_ns`` the pacing timer. ``counters`` counts what
    ``/proc/net/netstat`` would.

    ``nospace``: the writer waits for room in the send buffer. What is simpler than in Linux stands
    in `ccsim.tcp`.
    """

    __slots__ = (
        "ack_sample",
        "ce_changes",
        "counters",
        "cwr_seq",
        "cwr_seqs",
        "delivered_ceb",
        "last_blocks",
        "min_rtt_2_tick",
        "min_rtt_2_us",
        "min_rtt_3_tick",
        "min_rtt_3_us",
        "min_rtt_due_ns",
        "min_rtt_tick",
        "nospace",
        "on_event",
        "out_seq",
        "out_t",
        "pacing_ns",
        "packets",
        "rack_cursor",
        "rack_resent",
        "rack_resent_us",
        "rate_sample",
        "rtx_queue",
        "runts",
        "sack_high",
        "sample_end",
        "timer_delay_jiffies",
        "timer_delay_us",
        "timer_ns",
        "timer_ran_tick",
        "timer_resend",
        "timer_set_ns",
        "timer_settled",
        "timer_wstamp_ns",
        "ts_recent_ms",
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.snd_cwnd = host.initial_window
        self.reordering = host.reordering
        self.rto_jiffies = host.us_to_jiffies(host.rto_initial_ns // 1000)
        self.ecn_flags = int(host.ecn)  # TCP_ECN_OK
        self.delivered = 1  # the SYN
        self.packets = PacketColumns()
        self.out_t = Ints()
        self.out_seq = Ints()
        self.runts: dict[int, int] = {}  # the packets that are not full, which the writer keeps
        self.nospace = False  # a writer waits for room in the send buffer (SOCK_NOSPACE)
        self.ack_sample = AckSample()
        self.rate_sample = RateSample()
        self.sample_end = 0  # packet number that bears the rate sample of this ACK
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.on_event: Listener = _ignore
        self._init_timers()
        self._init_scoreboard()
        # The samples after that of rtt_min_us, when they were taken, and when one must follow.
        self.min_rtt_2_us = self.min_rtt_3_us = self.rtt_min_us
        self.min_rtt_tick = self.min_rtt_2_tick = self.min_rtt_3_tick = 0
        self.min_rtt_due_ns = NEVER

    def _init_timers(self) -> None:
        self.timer_ns = NEVER
        self.timer_ran_tick = -1  # the tick in which it fired last
        self.timer_settled = (
            True  # False: timer_ns is a lower bound, see ccsim.tcp.xmit_timer.settle_timer
        )
        self.timer_resend = False  # a packet sent since has set it anew
        self.timer_set_ns = 0
        self.timer_delay_us = 0  # of a loss probe
        self.timer_delay_jiffies = 0  # of another
        self.timer_wstamp_ns = 0
        self.ts_recent_ms = 0
        self.pacing_ns = NEVER

    def _init_scoreboard(self) -> None:
        self.cwr_seq = -1  # the new packet that bore the CWR flag last
        self.cwr_seqs: list[int] = []  # all that did, until the flow hands them to the link
        self.delivered_ceb = 0  # bytes that came with CE, by the AccECN option
        self.ce_changes: list[tuple[int, int]] = []  # (delivered, delivered_ce), see `rate.note_ce`
        self.sack_high = 0  # one past the highest SACKed packet
        self.last_blocks: Blocks = as_blocks(())  # of the ACK before
        self.rtx_queue = Ints()  # heap of packets marked lost; some no longer are
        self.rack_cursor = 0  # no first transmission below it is unjudged
        self.rack_resent = Ints()  # packets in order of retransmission, and when that was [us]
        self.rack_resent_us = Ints()

    def set_clock(self, t_ns: int) -> None:
        """Refresh the socket's clocks (``tcp_mstamp_refresh``)."""
        self.tcp_clock_cache = t_ns
        self.tcp_mstamp = t_ns // 1000


def _ignore(sk: TcpSock, kind: str, detail: dict[str, int]) -> None:
    """Take an event that nobody listens to."""
