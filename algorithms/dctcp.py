"""DCTCP: cut the window in proportion to how much of it was marked.

Reference: RFC 8257; Alizadeh et al., SIGCOMM 2010.

Switches mark every packet that finds more than a few packets queued, and the receiver echoes each
mark exactly. The sender keeps a moving average alpha of the fraction F of marked packets, updated
once per window of data, and an echoed mark reduces the window by as much as alpha says, at most
once per window:

    alpha <- (1 - g) alpha + g F          (1)  RFC 8257, section 3.3
    cwnd  <- cwnd (1 - alpha / 2)         (2)  RFC 8257, section 3.3

So a long queue, which marks everything, halves the window as Reno does, and a short one hardly
touches it. Growth is Reno's.

alpha counts in units of 1/1024 and g is 2^-dctcp_shift_g.

Deviations from RFC 8257, as in Linux: F counts packets, not bytes; an alpha below 2^dctcp_shift_g
falls to zero at once; a loss halves the window (section 3.5) whatever alpha says. Without
negotiated ECN a connection is a Reno connection from ``init`` on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccsim.cc.ecn_echo import TCP_ECN_AGREED, ExactEcho, take_mark
from ccsim.cc.fixed_point import U32_MAX, require_range
from ccsim.cc.window_laws import acknowledged_before, first_beyond, reno_train, snd_nxt_at
from ccsim.kernel.kfuncs import (
    before,
    tcp_reno_cong_avoid,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
)
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN, CaEvent, CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Dctcp", "Params", "dctcp"]

ALPHA_BITS = 10
MAX_ALPHA = 1 << ALPHA_BITS  # every packet marked

TCP_CLOSE, TCP_LISTEN = 7, 10
RECOVERY = int(CaState.RECOVERY)
LOSS = int(CaEvent.LOSS)


@dataclass(frozen=True)
class Params:
    """Module parameters: dctcp_shift_g: -log2 of the gain g; dctcp_alpha_on_init [1/1024]."""

    dctcp_shift_g: int = 4
    dctcp_alpha_on_init: int = MAX_ALPHA

    def __post_init__(self) -> None:
        require_range("dctcp: dctcp_shift_g", self.dctcp_shift_g, 0, ALPHA_BITS)
        require_range("dctcp: dctcp_alpha_on_init", self.dctcp_alpha_on_init, 0, U32_MAX)


@dataclass(slots=True)
class Dctcp(ExactEcho):
    """What one connection remembers, as a sender and as a receiver."""

    alpha: int = 0  # marked fraction [1/1024]
    next_seq: int = 0  # end of the observation window [byte sequence]
    old_delivered: int = 0  # sk.delivered when the window began [packets]
    old_delivered_ce: int = 0
    loss_cwnd: int = 0  # window before the last reduction [packets]


def init(sk: Sock) -> None:
    """Start with ``dctcp_alpha_on_init``, or as Reno if the peer does not speak ECN."""
    if not (sk.ecn_flags & TCP_ECN_AGREED or sk.sk_state in (TCP_CLOSE, TCP_LISTEN)):
        sk.ca_ops = _dctcp_reno
        return
    ca = sk.ca
    ca.prior_rcv_nxt = sk.rcv_nxt
    ca.alpha = min(sk.ca_ops.params.dctcp_alpha_on_init, MAX_ALPHA)
    ca.loss_cwnd = ca.ce_state = 0
    start_observation(sk)


def start_observation(sk: Sock) -> None:
    """Begin a new observation window, which ends when all that is in flight now is acknowledged."""
    ca = sk.ca
    ca.next_seq = sk.snd_nxt
    ca.old_delivered = sk.delivered
    ca.old_delivered_ce = sk.delivered_ce


def in_ack_event(sk: Sock, flags: int) -> None:
    """Update alpha by (1) at the end of an observation window."""
    if not before(sk.snd_una, sk.ca.next_seq):
        update_alpha(sk, sk.delivered)
        start_observation(sk)


def update_alpha(sk: Sock, delivered: int) -> None:
    """Compute (1) over the window at whose end ``delivered`` packets were delivered in all."""
    ca, shift_g = sk.ca, sk.ca_ops.params.dctcp_shift_g
    alpha = ca.alpha
    alpha -= alpha >> shift_g or alpha
    marked = sk.delivered_ce - ca.old_delivered_ce & U32_MAX
    if marked:
        of_them = delivered - ca.old_delivered & U32_MAX
        alpha += (marked << ALPHA_BITS - shift_g & U32_MAX) // max(1, of_them)
    ca.alpha = min(alpha, MAX_ALPHA)


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the whole train: growth is Reno's, and alpha follows window by window."""
    taken = reno_train(sk, acks)
    observe(sk, acks, taken)
    return taken


def observe(sk: Sock, acks: AckTrain, taken: int) -> None:
    """Update alpha where observation windows end within the first ``taken`` ACKs."""
    ca = sk.ca
    before_train = sk.delivered - acknowledged_before(acks)
    row = first_beyond(sk, acks, ca.next_seq - 1, 0)
    while row < taken:
        delivered = before_train + int(acks.una[row])
        update_alpha(sk, delivered)
        ca.next_seq = snd_nxt_at(sk, acks, row)
        ca.old_delivered, ca.old_delivered_ce = delivered, sk.delivered_ce
        row += 1
        if row < taken:
            row = first_beyond(sk, acks, ca.next_seq - 1, row)


def ssthresh(sk: Sock) -> int:
    """Reduce by (2), to 2 packets at least."""
    ca = sk.ca
    cwnd = ca.loss_cwnd = sk.snd_cwnd
    return max(cwnd - (cwnd * ca.alpha >> ALPHA_BITS + 1), 2)


def react_to_loss(sk: Sock) -> None:
    """Halve, as Reno does: something was lost and not just marked (RFC 8257, section 3.5)."""
    sk.ca.loss_cwnd = sk.snd_cwnd
    sk.snd_ssthresh = tcp_reno_ssthresh(sk)


def undo_cwnd(sk: Sock) -> int:
    """Return the window before the last reduction."""
    return max(sk.snd_cwnd, sk.ca.loss_cwnd)


def set_state(sk: Sock, new_state: int) -> None:
    """Recovery begins with a loss."""
    if new_state == RECOVERY and sk.ca_state != RECOVERY:
        react_to_loss(sk)


def cwnd_event(sk: Sock, event: int) -> None:
    """Follow the marks of arriving packets as their receiver, and timeouts as the sender."""
    if not take_mark(sk, sk.ca, event) and event == LOSS:
        react_to_loss(sk)


def get_info(sk: Sock) -> dict[str, int]:
    """Return ``struct tcp_dctcp_info``: alpha [1/1024], this window's bytes marked and in all."""
    ca = sk.ca
    return {
        "enabled": 1,
        "ce_state": ca.ce_state,
        "alpha": ca.alpha,
        "ab_ecn": sk.mss_cache * (sk.delivered_ce - ca.old_delivered_ce) & U32_MAX,
        "ab_tot": sk.mss_cache * (sk.delivered - ca.old_delivered) & U32_MAX,
    }


def get_fallback_info(sk: Sock) -> dict[str, int]:
    """Return ``struct tcp_dctcp_info`` of a connection that runs Reno: all zero."""
    return {"enabled": 0, "ce_state": 0, "alpha": 0, "ab_ecn": 0, "ab_tot": 0}


_dctcp_reno = TcpCongestionOps(
    name="dctcp-reno",
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=tcp_reno_cong_avoid,
    get_info=get_fallback_info,
    train=reno_train,
)
"""What connections without ECN get; not a struct_ops map of its own."""

dctcp = TcpCongestionOps(
    name="dctcp",
    flags=TCP_CONG_NEEDS_ECN,
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    cong_avoid=tcp_reno_cong_avoid,
    set_state=set_state,
    cwnd_event=cwnd_event,
    in_ack_event=in_ack_event,
    get_info=get_info,
    private=Dctcp,
    params=Params(),
    train=train,
)
