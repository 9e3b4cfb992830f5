"""The part of a TCP socket that congestion control sees (``struct tcp_sock``, ``struct
inet_connection_sock``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaState

if TYPE_CHECKING:
    from ccsim.kernel.ops import TcpCongestionOps

__all__ = ["PACING_NEEDED", "PACING_NONE", "UNLIMITED_RATE", "RandomSource", "Sock"]

PACING_NONE = 0  # SK_PACING_NONE
PACING_NEEDED = 1  # SK_PACING_NEEDED
UNLIMITED_RATE = (1 << 64) - 1  # ~0UL: the pacing rate of a socket that is not paced
TCP_CLOSE = 7
TCP_ESTABLISHED = 1


class RandomSource(Protocol):
    """Where hooks draw random numbers: one stream a socket (``get_random_u32`` and kin)."""

    def u32(self) -> int:
        """Return a uniform integer in [0, 2**32)."""

    def u32_below(self, bound: int) -> int:
        """Return a uniform integer in [0, bound)."""

    def u8(self) -> int:
        """Return a uniform integer in [0, 256)."""


class Sock:
    """A TCP socket as hooks see it; field names are Linux's, units in brackets.

    The host (a simulated sender, a test, a replay of recordings) sets the fields; hooks write
    ``snd_cwnd``, ``snd_cwnd_cnt``, ``snd_ssthresh``, ``snd_cwnd_clamp``, ``pacing_rate``,
    ``pacing_status``, ``app_limited``, ``ecn_flags`` and their private area ``ca``, and nothing
    else.

    Windows and counts are in packets; ``snd_una`` and ``snd_nxt`` in bytes; ``srtt_us`` is the
    smoothed RTT shifted left by 3 [us]; ``pacing_rate`` is in bytes/s; ``tcp_mstamp`` [us] and
    ``tcp_clock_cache`` [ns] are the clock of the event being processed; ``tcp_jiffies32`` is the
    same clock in ticks of 1/``hz`` s.
    """

    __slots__ = (
        "ack_pending",
        "app_limited",
        "ca",
        "ca_initialized",
        "ca_ops",
        "ca_setsockopt",
        "ca_state",
        "delivered",
        "delivered_ce",
        "delivered_mstamp",
        "ecn_flags",
        "gso_max_size",
        "hz",
        "is_cwnd_limited",
        "kernel_data",
        "lost",
        "lost_out",
        "lsndtime",
        "max_pacing_rate",
        "max_packets_out",
        "mss_cache",
        "pacing_rate",
        "pacing_shift",
        "pacing_status",
        "packets_out",
        "prior_cwnd",
        "prior_ssthresh",
        "random",
        "rcv_nxt",
        "rcv_tsecr",
        "rcv_tsval",
        "retrans_out",
        "rtt_min_us",
        "sacked_out",
        "sk_state",
        "snd_cwnd",
        "snd_cwnd_clamp",
        "snd_cwnd_cnt",
        "snd_nxt",
        "snd_ssthresh",
        "snd_una",
        "srtt_us",
        "tcp_clock_cache",
        "tcp_jiffies32",
        "tcp_mstamp",
        "tcp_wstamp_ns",
    )

    ca_ops: TcpCongestionOps
    random: RandomSource

    def __init__(self) -> None:
        self.ca: Any = None  # the private area (icsk_ca_priv)
        self.ca_initialized = False
        self.ca_setsockopt = False
        self.kernel_data: Any = None  # the kernel's own bookkeeping (implementation, namespace)
        self.ca_state = int(CaState.OPEN)
        self.snd_cwnd = 10
        self.snd_cwnd_cnt = 0
        self.snd_cwnd_clamp = 0xFFFFFFFF
        self.snd_ssthresh = TCP_INFINITE_SSTHRESH
        self.prior_cwnd = 0
        self.prior_ssthresh = 0
        self.is_cwnd_limited = False
        self.max_packets_out = 0
        self.packets_out = 0
        self.sacked_out = 0
        self.lost_out = 0
        self.retrans_out = 0
        self.snd_una = 0
        self.snd_nxt = 0
        self.lsndtime = 0
        self.srtt_us = 0
        self.rtt_min_us = 0xFFFFFFFF
        self.mss_cache = 1448
        self.delivered = 0
        self.delivered_ce = 0
        self.delivered_mstamp = 0
        self.lost = 0
        self.app_limited = 0
        self.tcp_wstamp_ns = 0
        self.tcp_clock_cache = 0
        self.tcp_mstamp = 0
        self.tcp_jiffies32 = 0
        self.hz = 250
        self.pacing_rate = UNLIMITED_RATE
        self.max_pacing_rate = UNLIMITED_RATE
        self.pacing_status = PACING_NONE
        self.pacing_shift = 10
        self.gso_max_size = 65536
        self.ecn_flags = 0
        self.ack_pending = 0
        self.rcv_nxt = 0
        self.rcv_tsval = 0
        self.rcv_tsecr = 0
        self.sk_state = TCP_CLOSE

    def member(self, name: str) -> int:
        """Return a member of ``struct tcp_sock`` that hooks seldom read, by Linux's name and in its
        encoding; a socket without a host has 0 there."""
        return self.rtt_min_us if name.endswith(".v") else 0

    def set_member(self, name: str, value: int) -> None:
        """Write such a member: ``snd_cwnd_stamp`` is the one that hooks may write."""

    def tcp_enter_cwr(self) -> None:
        """Let the host start a window reduction without a loss (``tcp_enter_cwr``); hosts override
        it."""
        raise TypeError("this socket has no host that could enter CWR")

    def tcp_send_ack(self, rcv_nxt: int) -> None:
        """Let the host's receiver send an ACK at once (``__tcp_send_ack``); hosts override it."""
        raise TypeError("this socket has no host that could send an ACK")
