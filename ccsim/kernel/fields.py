"""The fields of a socket and of the samples that hooks are told: which of Linux's are kept, under
which name, and why the others are not (``include/linux/tcp.h``, ``include/net/tcp.h``).

`SOCKET`, `RATE_SAMPLE` and `ACK_SAMPLE` list what is kept, `ABSENT` what is not. An algorithm that
asks for anything else is told so when it is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ABSENT", "ACK_SAMPLE", "RATE_SAMPLE", "SOCKET", "WRITABLE", "Field", "advice"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name in ccsim, its place in Linux (from ``struct tcp_sock``), its unit, what
    it holds. ``writable``: hooks may write it, as Linux lets BPF programs."""

    name: str
    linux: str
    unit: str
    what: str
    writable: bool = False


def _fields(text: str, writable: str = "") -> dict[str, Field]:
    """Read rows of name, place in Linux, unit, meaning; a place of ``=`` is the name itself, ``.x``
    is one in ``struct inet_connection_sock``, ``~x`` one in ``struct sock``."""
    found = {}
    for line in text.strip().splitlines():
        name, linux, unit, what = (part.strip() for part in line.split("|"))
        linux = name if linux == "=" else linux
        for mark, prefix in ((".", "inet_conn."), ("~", "inet_conn.icsk_inet.sk.")):
            if linux.startswith(mark):
                linux = prefix + linux[1:]
        found[name] = Field(name, linux, unit, what, name in writable.split())
    return found


WRITABLE = (
    "snd_cwnd snd_cwnd_cnt snd_cwnd_stamp snd_ssthresh pacing_rate pacing_status app_limited"
    " ecn_flags ack_pending"
)

SOCKET = _fields(
    """
    sk_state | ~__sk_common.skc_state | enum | 1 ESTAB, 2 SYN_SENT, 3 SYN_RECV, 7 closed, 10 listens
    ca_state | .icsk_ca_state | enum | 0 Open to 4 Loss; during set_state still the old one
    ca_initialized | .icsk_ca_initialized | flag | init has run
    ca_setsockopt | .icsk_ca_setsockopt | flag | chosen by setsockopt
    ca_ops | .icsk_ca_ops | table | the table of operations in use
    ca | .icsk_ca_priv | area | what the algorithm remembers
    snd_cwnd | = | packets | congestion window
    snd_cwnd_cnt | = | packets | counted towards its next increase
    snd_cwnd_clamp | = | packets | upper bound of the window
    snd_cwnd_used | = | packets | most that was in flight while the window was not the limit
    snd_cwnd_stamp | = | ticks | when the window was last adjusted or used up
    snd_ssthresh | = | packets | slow-start threshold, 2^31 - 1 for none
    prior_cwnd | = | packets | window before the latest reduction
    prior_ssthresh | = | packets | ssthresh that an undo restores; 0 after a swap
    is_cwnd_limited | = | flag | the window held the sender back in this round
    max_packets_out | = | packets | most in flight in this round
    cwnd_usage_seq | = | bytes | end of that round
    packets_out | = | packets | sent and not cumulatively acknowledged
    sacked_out | = | packets | of them SACKed
    lost_out | = | packets | of them marked lost
    retrans_out | = | packets | retransmissions in flight
    snd_una | = | bytes | first unacknowledged byte
    snd_nxt | = | bytes | next byte to send
    write_seq | = | bytes | end of what is written; all packets counted full
    snd_wnd | = | bytes | advertised window; 2^30 where it is no limit
    rcv_nxt | = | bytes | received in order; 0 at an end whose peer sends no data
    mss_cache | = | bytes | payload of a full packet
    advmss | = | bytes | payload announced to the peer
    delivered | = | packets | delivered in all, the SYN included
    delivered_ce | = | packets | of them on ACKs with ECE
    delivered_mstamp | = | us | when delivered last grew
    first_tx_us | first_tx_mstamp | us | when the packet left whose delivery was sampled last
    lost | = | packets | marked lost in all
    app_limited | = | packets | 0, or samples are application-limited up to this delivered
    data_segs_out | = | packets | data sent in all, again or not
    segs_out | = | packets | the same with SYN and the handshake's ACK
    bytes_sent | = | bytes | payload sent in all, all packets counted full
    bytes_retrans | = | bytes | of it retransmissions
    bytes_acked | = | bytes | acknowledged; the SYN counts as one
    total_retrans | = | packets | retransmissions in all, SYNs excluded
    high_seq | = | bytes | snd_nxt when the congestion state began
    prr_delivered | = | packets | delivered since the reduction began
    prr_out | = | packets | sent since then
    undo_marker | = | bytes | snd_una when the reduction began that can be undone; 0: none
    undo_retrans | = | packets | retransmissions to be proved needless for that; -1: none was made
    retrans_stamp_ms | retrans_stamp | ms | of the first retransmission, on a clock of its own
    reordering | = | packets | degree of reordering that is reckoned with
    reord_seen | = | count | how often packets were seen reordered
    dsack_dups | = | packets | reported as duplicates
    frto | = | flag | a timeout is being checked for being needless
    tlp_high_seq | = | bytes | snd_nxt when the unanswered loss probe left; 0: none
    tlp_retrans | = | flag | it was a retransmission
    icsk_retransmits | .icsk_retransmits | count | timeouts since the last progress
    backoff | .icsk_backoff | count | doublings of the timeout
    rto_jiffies | .icsk_rto | ticks | retransmission timeout
    timer_kind | .icsk_pending | enum | timer that runs: 0 none, 1 RTO, 5 loss probe, 6 reordering
    srtt_us | = | us << 3 | smoothed RTT
    mdev_us | = | us << 2 | its mean deviation
    mdev_max_us | = | us << 2 | the largest of the round
    rttvar_us | = | us << 2 | the deviation that the timeout uses
    rtt_seq | = | bytes | end of that round
    rtt_min_us | rtt_min.s[0].v | us | least RTT of the connection; 2^32 - 1 without a sample
    rack_mstamp_us | rack.mstamp | us | when the latest sent of the delivered packets left
    rack_rtt_us | rack.rtt_us | us | its RTT
    rack_end_seq | rack.end_seq | bytes | its end
    rack_advanced | rack.advanced | flag | it has changed since losses were judged
    rack_dsack_seen | rack.dsack_seen | flag | a DSACK came in this round
    rack_last_delivered | rack.last_delivered | packets | delivered when the window was widened last
    rack_reo_wnd_steps | rack.reo_wnd_steps | count | width of the reordering window, in min_rtt/4
    rack_reo_wnd_persist | rack.reo_wnd_persist | count | recoveries for which it stays
    tcp_wstamp_ns | = | ns | when the pacer lets the next packet leave
    tcp_clock_cache | = | ns | clock of the event being processed
    tcp_mstamp | = | us | the same
    tcp_jiffies32 | (tcp_jiffies32) | ticks | the same
    hz | (HZ) | 1/s | ticks in a second
    lsndtime | = | ticks | when data left last
    rcv_tstamp | = | ticks | when the latest ACK came
    rcv_tsval | rx_opt.rcv_tsval | ms | its timestamp, of a clock equal to this host's tcp_mstamp
    rcv_tsecr | rx_opt.rcv_tsecr | ms | the timestamp that it echoes
    pacing_rate | ~sk_pacing_rate | bytes/s | 2^64 - 1: unlimited
    max_pacing_rate | ~sk_max_pacing_rate | bytes/s | its upper bound
    pacing_status | ~sk_pacing_status | enum | 0 none, 1 needed, 2 by fq
    pacing_shift | ~sk_pacing_shift | bits | a burst is pacing_rate >> pacing_shift
    gso_max_size | ~sk_gso_max_size | bytes | most in a burst
    ecn_flags | = | flags | 1 agreed, 2 CWR is due, 4 echo ECE, 8 ECT was seen, 16 AccECN agreed
    ack_pending | .icsk_ack.pending | flags | ACKs that a receiving end owes (ICSK_ACK_*)
    """,
    WRITABLE,
)
"""The fields of a socket, in the order of their subjects."""

RATE_SAMPLE = _fields("""
    prior_mstamp | = | us | delivered_mstamp when the sampled packet left
    prior_delivered | = | packets | delivered when it left; 0: no sample
    prior_delivered_ce | = | packets | delivered_ce when it left
    delivered | = | packets | delivered since it left; -1: no sample
    delivered_ce | = | packets | of them on ACKs with ECE
    interval_us | = | us | the longer of the two below; -1: no sample, or shorter than the least RTT
    snd_interval_us | = | us | over which they were sent
    rcv_interval_us | = | us | over which they were delivered
    rtt_us | = | us | RTT of the latest packet; -1: none
    losses | = | packets | newly marked lost
    acked_sacked | = | packets | newly acknowledged or SACKed
    prior_in_flight | = | packets | in flight before this ACK
    last_end_seq | = | bytes | end of the sampled packet
    is_app_limited | = | flag | it left while the application was the limit
    is_retrans | = | flag | it was a retransmission
    is_ack_delayed | = | flag | maybe a delayed ACK: of a lone short packet
""")
"""``struct rate_sample``: what ``cong_control`` is told."""

ACK_SAMPLE = _fields("""
    pkts_acked | = | packets | cumulatively acknowledged
    rtt_us | = | us | RTT of the latest of them; -1: none
    in_flight | = | bytes | delivered since that one left
""")
"""``struct ack_sample``: what ``pkts_acked`` is told."""

ABSENT = {
    "tcp_header_len": "headers have one size on the link",
    "gso_segs": "bursts are counted where they are made",
    "segs_in": "ACKs that come in are not counted",
    "data_segs_in": "the sender's peer sends no data",
    "bytes_received": "the sender's peer sends no data",
    "copied_seq": "the application reads at once",
    "rcv_wup": "the receive window is fixed",
    "rcv_wnd": "the receive window is fixed",
    "rcv_ssthresh": "the receive window is fixed",
    "window_clamp": "the receive window is fixed",
    "snd_wl1": "the window of an ACK never changes",
    "max_window": "the window of an ACK never changes",
    "pushed_seq": "every write is pushed at once",
    "snd_sml": "there is no Nagle",
    "nonagle": "there is no Nagle",
    "rate_delivered": "the best rate sample is not kept; look at what cong_control is told",
    "rate_interval_us": "the best rate sample is not kept; look at what cong_control is told",
    "rate_app_limited": "the best rate sample is not kept; look at what cong_control is told",
    "last_oow_ack_time": "segments out of the window are not answered",
    "compressed_ack": "ACKs are not compressed",
    "chrono_stat": "what limits a sender is not timed",
    "rcv_rtt_est": "the receive window is fixed",
    "rcvq_space": "the receive window is fixed",
    "mtu_probe": "there is no MTU probing",
    "highest_sack": "the scoreboard is columns, not a queue of skbs",
    "retransmit_skb_hint": "the scoreboard is columns, not a queue of skbs",
    "snd_up": "there is no urgent data",
    "tcp_tx_delay": "delays are the path's",
    "icsk_timeout": "timers are worked out when they are due",
    "icsk_rto_min": "it is the host's setting: tcp.min_rto",
    "icsk_probes_out": "a closed window is not probed",
    "icsk_syn_retries": "SYNs are counted by the flow",
    "icsk_mtup": "there is no MTU probing",
    "sk_wmem_queued": "the send buffer is counted in packets",
    "sk_sndbuf": "the send buffer is counted in packets",
    "sk_rcvbuf": "the receive window is fixed",
    "sk_gso_max_segs": "it is no limit",
    "skc_num": "flows have names, not ports",
    "skc_dport": "flows have names, not ports",
    "skc_daddr": "flows have names, not addresses",
    "skc_rcv_saddr": "flows have names, not addresses",
    "skc_family": "flows have names, not addresses",
    "skc_cookie": "flows have names, not cookies",
    "sk_mark": "nothing classifies packets by it",
    "sk_priority": "nothing classifies packets by it",
}
"""Fields of Linux that are not kept, each with the reason."""


def _names() -> dict[str, str]:
    """Return under which name ccsim keeps what Linux, or its users, call otherwise."""
    found = {}
    for name, field in SOCKET.items():
        for other in (field.linux.rpartition(".")[2], field.linux):
            if other != name:
                found[other] = name
    return found | {
        "rtt_min": "rtt_min_us",
        "tcp_jiffies": "tcp_jiffies32",
        "rcv_tstamp_ms": "rcv_tstamp",
    }


RENAMED = _names()


def advice(name: str) -> str:
    """Say what becomes of a field that a socket does not have under that name."""
    if name in RENAMED:
        return f"ccsim keeps {name} as {RENAMED[name]}"
    if name in ABSENT:
        return f"ccsim does not keep {name}: {ABSENT[name]}"
    return f"ccsim keeps no field {name!r} of a socket; see docs/socket_fields.md"
