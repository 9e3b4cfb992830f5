"""Clocks and settings of a sending host: ticks, the timer wheel, TCP timestamps and ``tcp_*``
sysctls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ccsim.units import NS_PER_MS

__all__ = ["NEVER", "RACK_NO_DUPTHRESH", "RACK_STATIC_REO_WND", "Host", "wheel_jiffies"]

NEVER = 1 << 62  # a time that no run reaches [ns]
TIMEOUT_MIN_US = 2_000  # TCP_TIMEOUT_MIN_US
RACK_STATIC_REO_WND = 0x2  # tcp_recovery: DSACKs do not widen RACK's window
RACK_NO_DUPTHRESH = 0x4  # tcp_recovery: three SACKed packets do not close it

NEAR = 63  # delays that the timer wheel's first level does not hold [ticks]
# Its other levels: (first delay that belongs to the next level [ticks], shift of the level's grid).
WHEEL_LEVELS = ((504, 3), (4032, 6), (32256, 9), (258048, 12))
WHEEL_TOP_SHIFT = 15


def wheel_jiffies(now: int, delay: int, clk: int | None = None) -> int:
    """Return the tick at which a timer set ``delay`` ticks ahead at tick ``now`` fires
    (``calc_wheel_index``).

    The wheel never fires early: near timers fire one tick late, farther ones on the next line of a
    grid of 8, 64, … ticks. ``clk`` is the wheel's own clock, if it is not at ``now``: once timers
    have run in a tick, it is one ahead.
    """
    return _wheel_tick(now + delay, delay if clk is None else now + delay - clk)


def _wheel_tick(tick: int, delta: int) -> int:
    """Return when a timer for ``tick`` fires, ``delta`` ticks ahead of the wheel's clock."""
    if delta < NEAR:
        return tick + 1
    for limit, shift in WHEEL_LEVELS:
        if delta < limit:
            return ((tick + (1 << shift)) >> shift) << shift
    return ((tick + (1 << WHEEL_TOP_SHIFT)) >> WHEEL_TOP_SHIFT) << WHEEL_TOP_SHIFT


@dataclass(frozen=True)
class Host:
    """Settings that all sockets of a host share, with Linux's defaults.

    ``jiffies0_ns`` places the ticks: tick number = (t + jiffies0_ns) // jiffy. The default puts
    ticks at 3.5 + 4k ms and the wheel's 32 ms lines at 15.5 + 32k ms, where the recorded episodes
    have them, and keeps ticks far from 0.
    """

    hz: int = 250
    jiffies0_ns: int = 307_248_500_000
    initial_window: int = 10
    mss_bytes: int = 1448
    rto_min_us: int = 200_000
    rto_max_ns: int = 120_000_000_000
    rto_initial_ns: int = 1_000_000_000
    min_rtt_wlen_s: int = 300  # over which the least RTT is taken
    reordering: int = 3
    max_reordering: int = 300
    early_retrans: bool = True  # tcp_early_retrans = 3: tail loss probes
    frto: bool = True
    timestamps: bool = True
    sack: bool = True
    dsack: bool = True
    ecn: bool = False
    tso: bool = False  # new data leaves in bursts, which the pacer keeps apart
    min_tso_segs: int = 2
    tso_rtt_log: int = 9  # the shorter the minimum RTT, the longer the bursts
    sndbuf_packets: int = 1840  # 4 MiB of full packets with what the kernel adds to each
    recovery: int = 1  # tcp_recovery: bits RACK_*
    notsent_lowat_bytes: int = 0  # written and not sent, above which nothing more is; 0: never
    slow_start_after_idle: bool = True
    pacing_ss_ratio: int = 200
    pacing_ca_ratio: int = 120
    awake_ns: Callable[[int], int] | None = None  # when it sees to a timer due at t; None: at once
    jiffy_ns: int = field(init=False, default=0)
    jiffy_us: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        # Loss probes need SACK to learn what became of them.
        object.__setattr__(self, "early_retrans", self.early_retrans and self.sack)
        object.__setattr__(self, "jiffy_ns", 1_000_000_000 // self.hz)
        object.__setattr__(self, "jiffy_us", 1_000_000 // self.hz)

    def jiffies(self, t_ns: int) -> int:
        """Return the tick number at ``t_ns``."""
        return (t_ns + self.jiffies0_ns) // self.jiffy_ns

    def us_to_jiffies(self, us: int) -> int:
        """Round microseconds up to ticks (``usecs_to_jiffies``)."""
        return -(-us * 1000 // self.jiffy_ns)

    def expiry_ns(self, now_ns: int, delay_jiffies: int, ran_tick: int = -1) -> int:
        """Return when a timer set ``delay_jiffies`` ticks ahead at ``now_ns`` fires [ns].

        ``ran_tick`` is the tick in which timers ran last.
        """
        now = (now_ns + self.jiffies0_ns) // self.jiffy_ns
        ahead = delay_jiffies - 1 if ran_tick == now else delay_jiffies
        tick = _wheel_tick(now + delay_jiffies, ahead)
        due_ns = tick * self.jiffy_ns - self.jiffies0_ns
        return due_ns if self.awake_ns is None else self.awake_ns(due_ns)

    def timestamp_ms(self, t_us: int) -> int:
        """Return the TCP timestamp clock at ``t_us`` [ms]."""
        return (t_us * 1000 + self.jiffies0_ns) // NS_PER_MS
