"""TCP Prague: DCTCP for the Internet, with a queue of less than a millisecond.

Where the network marks packets as soon as a queue forms (L4S, RFC 9330; here a step), the sender
learns from the fraction F of marked packets how much is too much, and reduces in proportion; where
nothing is marked it adds a packet per round. The marks of one round cut the window once:

    alpha <- alpha + g (F - alpha)       per virtual round, g = 1/16               (section 2.4.1)
    cwnd <- cwnd (1 - alpha / 2)         at a mark, once a round                   (section 2.4.2)
    cwnd <- cwnd + a U / cwnd            for U packets acknowledged unmarked       (section 2.4.3)

Short RTTs would take more than their share of a queue that is hardly there; so below 25 ms a flow
behaves as if its RTT were 25 ms: rounds of alpha are that long, and growth is as slow,

    RTT_virt = max(srtt, 25 ms),   a = (srtt / RTT_virt)**2                        (section 2.4.4)

A loss halves the window, as much of that as marks of the same round have left, and so does each
later round of a recovery that loses more (RFC 9331, section 4.3: as Reno would; RFC 5681, section
4.3: what is lost again is a new sign of congestion). Sending is paced at a window per RTT, in slow
start at two.

Reference: draft-briscoe-iccrg-prague-congestion-control-04. Deviations: marks are echoed as by
DCTCP's receiver unless the hosts agree on AccECN; alpha stays at 1, with which it starts, until
slow start ends; RTTs are scaled from the start, not after 500 rounds; no fallback for bottlenecks
with classic marking. Without negotiated ECN a connection is a Reno connection from ``init`` on.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.ecn_echo import TCP_ECN_AGREED, ExactEcho, take_mark
from ccsim.cc.fixed_point import U32_MAX, USEC_PER_MSEC, USEC_PER_SEC, require_range
from ccsim.cc.pacing import start_pacing
from ccsim.kernel.kfuncs import (
    before,
    tcp_is_cwnd_limited,
    tcp_reno_cong_avoid,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
)
from ccsim.kernel.ops import (
    TCP_CONG_NEEDS_ECN,
    CaEvent,
    CaState,
    RateSample,
    TcpCongestionOps,
)
from ccsim.kernel.sock import Sock

__all__ = ["Params", "Prague", "prague"]

SHIFT = 16  # the window is kept in 1/65536 packets
ONE = 1 << SHIFT
ALPHA_BITS = 20
MAX_ALPHA = 1 << ALPHA_BITS  # every packet marked
MIN_CWND = 2
TCP_CLOSE, TCP_LISTEN = 7, 10
RECOVERY = int(CaState.RECOVERY)


@dataclass(frozen=True)
class Params:
    """rtt_target_ms: below which RTTs are scaled, 0: never; shift_g: -log2 of the gain g."""

    rtt_target_ms: int = 25
    shift_g: int = 4

    def __post_init__(self) -> None:
        require_range("prague: rtt_target_ms", self.rtt_target_ms, 0, 1000)
        require_range("prague: shift_g", self.shift_g, 0, ALPHA_BITS)


@dataclass(slots=True)
class Prague(ExactEcho):
    """What one connection remembers, as a sender and as a receiver."""

    cwnd: int = 0  # [1/65536 packets]
    alpha: int = MAX_ALPHA  # marked fraction [1/2**20]
    round_seq: int = 0  # alpha's round ends with this byte,
    round_mstamp: int = 0  # and not before RTT_virt has passed since then [us]
    round_delivered: int = 0  # sk.delivered and sk.delivered_ce at its start
    round_delivered_ce: int = 0
    seen_ce: int = 0  # sk.delivered_ce at the last ACK
    cwr_seq: int = 0  # until this byte is acknowledged, marks have had their effect,
    cwr_delivered: int = 0  # or something is delivered that left when so much had been
    in_cwr: bool = False
    cwnd_before: int = 0  # the last reduction [packets]


def cong_control(sk: Sock, ack: int, flag: int, rs: RateSample) -> None:
    """Take one ACK: growth for what is unmarked, a reduction for marks, alpha, pacing."""
    ca: Prague = sk.ca
    if ca.cwnd >> SHIFT != sk.snd_cwnd:  # the host has changed it
        ca.cwnd = sk.snd_cwnd << SHIFT
    marked = sk.delivered_ce - ca.seen_ce & U32_MAX
    ca.seen_ce = sk.delivered_ce
    if ca.in_cwr and (
        not before(sk.snd_una, ca.cwr_seq) or not before(rs.prior_delivered, ca.cwr_delivered)
    ):
        ca.in_cwr = False
    if rs.losses and sk.ca_state >= RECOVERY and not ca.in_cwr:
        react_to_loss(sk)
    if sk.ca_state != RECOVERY:
        grow(sk, ca, max(rs.acked_sacked - marked, 0))
    if marked and not ca.in_cwr:
        reduce(sk, ca)
    end_round(sk, ca)
    sk.snd_cwnd = min(max(ca.cwnd >> SHIFT, 1), sk.snd_cwnd_clamp)
    ca.cwnd = min(ca.cwnd, (sk.snd_cwnd << SHIFT) | (ONE - 1))
    pace(sk, ca)


def virtual_rtt(sk: Sock) -> int:
    """Return RTT_virt [us]."""
    return max(sk.srtt_us >> 3, sk.ca_ops.params.rtt_target_ms * USEC_PER_MSEC)


def grow(sk: Sock, ca: Prague, acked: int) -> None:
    """Add what is acknowledged in slow start, else ``a`` packets per window."""
    if not acked or not tcp_is_cwnd_limited(sk):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        ca.cwnd = max(ca.cwnd, min(ca.cwnd + (acked << SHIFT), sk.snd_ssthresh << SHIFT))
        return
    srtt_us, virtual_us = max(sk.srtt_us >> 3, 1), max(virtual_rtt(sk), 1)
    ca.cwnd += (acked * srtt_us**2 << 2 * SHIFT) // (ca.cwnd * virtual_us**2)


def reduce(sk: Sock, ca: Prague) -> None:
    """Reduce by alpha / 2, and take no notice of marks for a round."""
    ca.cwnd_before = sk.snd_cwnd
    ca.cwnd = max(ca.cwnd - (ca.cwnd * ca.alpha >> ALPHA_BITS + 1), MIN_CWND << SHIFT)
    begin_cwr(sk, ca)
    sk.snd_ssthresh = ca.cwnd >> SHIFT


def begin_cwr(sk: Sock, ca: Prague) -> None:
    """Begin a round in which the window has been reduced."""
    ca.in_cwr = True
    ca.cwr_seq = sk.snd_nxt
    ca.cwr_delivered = sk.delivered


def end_round(sk: Sock, ca: Prague) -> None:
    """Update alpha at the end of a virtual round."""
    if before(sk.snd_una, ca.round_seq) or sk.tcp_mstamp < ca.round_mstamp + virtual_rtt(sk):
        return
    delivered = sk.delivered - ca.round_delivered & U32_MAX
    marked = sk.delivered_ce - ca.round_delivered_ce & U32_MAX
    fraction = min((marked << ALPHA_BITS) // max(delivered, 1), MAX_ALPHA)
    if sk.snd_cwnd >= sk.snd_ssthresh:
        ca.alpha += (fraction >> sk.ca_ops.params.shift_g) - (ca.alpha >> sk.ca_ops.params.shift_g)
    start_round(sk, ca)


def start_round(sk: Sock, ca: Prague) -> None:
    """Begin a round, which ends when all that is in flight now is acknowledged, or later."""
    ca.round_seq = sk.snd_nxt
    ca.round_mstamp = sk.tcp_mstamp
    ca.round_delivered = sk.delivered
    ca.round_delivered_ce = sk.delivered_ce


def pace(sk: Sock, ca: Prague) -> None:
    """Pace at a window per RTT, in slow start at two."""
    if not sk.srtt_us:
        return
    windows = 2 if sk.snd_cwnd < sk.snd_ssthresh else 1
    rate = windows * ca.cwnd * sk.mss_cache * 8 * USEC_PER_SEC // (sk.srtt_us << SHIFT)
    sk.pacing_rate = min(max(rate, 1), sk.max_pacing_rate)


# --- losses, ECN of the host, the beginning ---


def ssthresh(sk: Sock) -> int:
    """Return what marks leave of the window, as the host enters CWR; `cong_control` reduces it."""
    ca = sk.ca
    if ca.in_cwr:
        return max(sk.snd_ssthresh, MIN_CWND)
    return max(sk.snd_cwnd - (sk.snd_cwnd * ca.alpha >> ALPHA_BITS + 1), MIN_CWND)


def react_to_loss(sk: Sock) -> None:
    """Halve the window of before this round's reduction, if marks have not done as much."""
    ca = sk.ca
    if not ca.in_cwr:
        ca.cwnd_before = sk.snd_cwnd
    half = min(sk.snd_cwnd, max(ca.cwnd_before >> 1, MIN_CWND))
    ca.cwnd = half << SHIFT
    sk.snd_cwnd = sk.snd_ssthresh = half
    begin_cwr(sk, ca)


def set_state(sk: Sock, new_state: int) -> None:
    """Recovery begins with a loss."""
    if new_state == RECOVERY and sk.ca_state != RECOVERY:
        react_to_loss(sk)


def cwnd_event(sk: Sock, event: int) -> None:
    """Follow the marks of arriving packets as their receiver, and timeouts as the sender."""
    if not take_mark(sk, sk.ca, event) and event == CaEvent.LOSS:
        react_to_loss(sk)


def undo_cwnd(sk: Sock) -> int:
    """Return the window before the last reduction."""
    return max(sk.snd_cwnd, sk.ca.cwnd_before)


def init(sk: Sock) -> None:
    """Start with the socket's window, or as Reno if the peer does not speak ECN."""
    if not (sk.ecn_flags & TCP_ECN_AGREED or sk.sk_state in (TCP_CLOSE, TCP_LISTEN)):
        sk.ca_ops = _prague_reno
        return
    ca = sk.ca
    ca.prior_rcv_nxt = sk.rcv_nxt
    ca.cwnd = sk.snd_cwnd << SHIFT
    ca.seen_ce = sk.delivered_ce
    ca.cwr_seq = sk.snd_una
    start_round(sk, ca)
    start_pacing(sk, 2 << 8)


def get_info(sk: Sock) -> dict[str, int]:
    """Return alpha [1/2**20], the window [1/65536 packets], and RTT_virt [us]."""
    return {"alpha": sk.ca.alpha, "frac_cwnd": sk.ca.cwnd, "rtt_virt_us": virtual_rtt(sk)}


_prague_reno = TcpCongestionOps(
    name="prague-reno",
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=tcp_reno_cong_avoid,
)
"""What connections without ECN get; not a struct_ops map of its own."""

prague = TcpCongestionOps(
    name="prague",
    flags=TCP_CONG_NEEDS_ECN,
    params=Params(),
    private=Prague,
    init=init,
    cong_control=cong_control,
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    set_state=set_state,
    cwnd_event=cwnd_event,
    get_info=get_info,
    ect_1=True,
)
