"""The part of a TCP socket that congestion control sees (``struct tcp_sock``, ``struct
inet_connection_sock``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaState

if TYPE_CHECKING:
    from ccsim.kernel.ops import TcpCongestionOps

__all__ = ["PACING_FQ", "PACING_NEEDED", "PACING_NONE", "UNLIMITED_RATE", "RandomSource", "Sock"]

PACING_NONE = 0  # SK_PACING_NONE
PACING_NEEDED = 1  # SK_PACING_NEEDED
PACING_FQ = 2  # SK_PACING_FQ
UNLIMITED_RATE = (1 << 64) - 1  # ~0UL: the pacing rate of a socket that is not paced
TCP_ESTABLISHED = 1
TCP_SYN_SENT = 2
TCP_SYN_RECV = 3
TCP_CLOSE = 7
FIRST_PORT, PORTS = 32_768, 28_232  # net.ipv4.ip_local_port_range
PEER_PORT, PEER_ADDRESS = 0x8913, 0x0100000A  # 5001 and 10.0.0.1, in network byte order


class RandomSource(Protocol):
    """Where hooks draw random numbers: one stream a socket (``get_random_u32`` and kin)."""

    def u32(self) -> int:
        """Return a uniform integer in [0, 2**32)."""

    def u32_below(self, bound: int) -> int:
        """Return a uniform integer in [0, bound)."""

    def u8(self) -> int:
        """Return a uniform integer in [0, 256)."""


class Sock:
    """A TCP socket as hooks see it; `ccsim.kernel.fields` lists the fields, with their units and
    Linux's names.

    The host (a simulated sender, a test, a replay of recordings) sets the fields; hooks write those
    that Linux lets them write, and their private area ``ca``.
    """

    __slots__ = (
        "ack_pending",
        "advmss",
        "app_limited",
        "backoff",
        "bytes_acked",
        "bytes_retrans",
        "bytes_sent",
        "ca",
        "ca_initialized",
        "ca_ops",
        "ca_setsockopt",
        "ca_state",
        "cwnd_usage_seq",
        "data_segs_out",
        "delivered",
        "delivered_ce",
        "delivered_mstamp",
        "dsack_dups",
        "ecn_flags",
        "first_tx_us",
        "frto",
        "gso_max_size",
        "high_seq",
        "hz",
        "icsk_retransmits",
        "is_cwnd_limited",
        "kernel_data",
        "lost",
        "lost_out",
        "lsndtime",
        "max_pacing_rate",
        "max_packets_out",
        "mdev_max_us",
        "mdev_us",
        "mss_cache",
        "pacing_rate",
        "pacing_shift",
        "pacing_status",
        "packets_out",
        "prior_cwnd",
        "prior_ssthresh",
        "prr_delivered",
        "prr_out",
        "rack_advanced",
        "rack_dsack_seen",
        "rack_end_seq",
        "rack_last_delivered",
        "rack_mstamp_us",
        "rack_reo_wnd_persist",
        "rack_reo_wnd_steps",
        "rack_rtt_us",
        "random",
        "rcv_nxt",
        "rcv_tsecr",
        "rcv_tstamp",
        "rcv_tsval",
        "reord_seen",
        "reordering",
        "retrans_out",
        "retrans_stamp_ms",
        "rto_jiffies",
        "rtt_min_us",
        "rtt_seq",
        "rttvar_us",
        "sacked_out",
        "segs_out",
        "sk_state",
        "snd_cwnd",
        "snd_cwnd_clamp",
        "snd_cwnd_cnt",
        "snd_cwnd_stamp",
        "snd_cwnd_used",
        "snd_nxt",
        "snd_ssthresh",
        "snd_una",
        "snd_wnd",
        "srtt_us",
        "tcp_clock_cache",
        "tcp_jiffies32",
        "tcp_mstamp",
        "tcp_wstamp_ns",
        "timer_kind",
        "tlp_high_seq",
        "tlp_retrans",
        "total_retrans",
        "undo_marker",
        "undo_retrans",
        "write_seq",
    )

    ca_ops: TcpCongestionOps
    random: RandomSource

    def __init__(self) -> None:
        self.ca: Any = None  # the private area (icsk_ca_priv)
        self.ca_initialized = False
        self.ca_setsockopt = False
        self.kernel_data: Any = None  # the kernel's own bookkeeping (implementation, namespace)
        self.sk_state = TCP_CLOSE
        self.hz = 250
        self._init_window()
        self._init_clocks()
        self._init_recovery()
        self._init_following()

    def _init_window(self) -> None:
        self.ca_state = int(CaState.OPEN)
        self.snd_cwnd = 10
        self.snd_cwnd_cnt = 0
        self.snd_cwnd_clamp = 0xFFFFFFFF
        self.snd_cwnd_used = 0
        self.snd_ssthresh = TCP_INFINITE_SSTHRESH
        self.prior_cwnd = 0
        self.prior_ssthresh = 0
        self.is_cwnd_limited = False
        self.max_packets_out = 0
        self.app_limited = 0
        self.pacing_rate = UNLIMITED_RATE
        self.max_pacing_rate = UNLIMITED_RATE
        self.pacing_status = PACING_NONE
        self.pacing_shift = 10
        self.gso_max_size = 65536
        self.mss_cache = 1448
        self.ecn_flags = 0
        self.ack_pending = 0
        self.rcv_nxt = 0

    def _init_clocks(self) -> None:
        self.tcp_wstamp_ns = 0
        self.tcp_clock_cache = 0
        self.tcp_mstamp = 0
        self.delivered_mstamp = 0
        self.first_tx_us = 0
        self.srtt_us = 0
        self.rtt_min_us = 0xFFFFFFFF
        self.mdev_us = 1_000_000  # TCP_TIMEOUT_INIT, as tcp_init_sock has it
        self.mdev_max_us = 0
        self.rttvar_us = 0
        self.rto_jiffies = 250  # one second
        self.backoff = 0
        self.timer_kind = 0

    def _init_recovery(self) -> None:
        self.sacked_out = 0
        self.lost_out = 0
        self.retrans_out = 0
        self.delivered = 0
        self.delivered_ce = 0
        self.lost = 0
        self.data_segs_out = 0
        self.total_retrans = 0
        self.icsk_retransmits = 0
        self.dsack_dups = 0
        self.reordering = 3
        self.reord_seen = 0
        self.prr_delivered = 0
        self.prr_out = 0
        self.undo_retrans = 0
        self.retrans_stamp_ms = 0
        self.frto = False
        self.tlp_retrans = False
        self.rack_mstamp_us = 0
        self.rack_rtt_us = 0
        self.rack_advanced = False
        self.rack_dsack_seen = False
        self.rack_last_delivered = 0
        self.rack_reo_wnd_steps = 1
        self.rack_reo_wnd_persist = 0

    def _init_following(self) -> None:
        """Set what a simulated sender derives from other fields."""
        self.packets_out = 0
        self.snd_una = self.snd_nxt = self.write_seq = 0
        self.high_seq = self.undo_marker = self.tlp_high_seq = 0
        self.rtt_seq = self.cwnd_usage_seq = self.rack_end_seq = 0
        self.bytes_acked = self.bytes_sent = self.bytes_retrans = self.segs_out = 0
        self.snd_wnd = 0
        self.advmss = 1448
        self.lsndtime = self.tcp_jiffies32 = self.rcv_tstamp = self.snd_cwnd_stamp = 0
        self.rcv_tsval = self.rcv_tsecr = 0

    def _ticks(self) -> int:
        """Return ``tcp_jiffies32``: how machine code reads it (`ccsim.compiled.write_out`)."""
        return self.tcp_jiffies32

    def _out(self) -> int:
        """Return ``packets_out``: how machine code reads it."""
        return self.packets_out

    def member(self, name: str) -> int:
        """Return a member of ``struct tcp_sock`` that is no field of the simulator's: ports and the
        peer's address, which are made up and gone once the socket is closed; 0 for another."""
        if name in ("rtt_min.s[1].v", "rtt_min.s[2].v"):
            return self.rtt_min_us
        if self.sk_state == TCP_CLOSE or self.kernel_data is None:
            return 0
        port = FIRST_PORT + self.kernel_data.number % PORTS
        return {"skc_num": port, "skc_dport": PEER_PORT, "skc_daddr": PEER_ADDRESS}.get(name, 0)

    def tcp_enter_cwr(self) -> None:
        """Let the host start a window reduction without a loss (``tcp_enter_cwr``); hosts override
        it."""
        raise TypeError("this socket has no host that could enter CWR")

    def tcp_send_ack(self, rcv_nxt: int) -> None:
        """Let the host's receiver send an ACK at once (``__tcp_send_ack``); hosts override it."""
        raise TypeError("this socket has no host that could send an ACK")
