"""Reno: add a packet per round trip, halve the window at a loss.

In slow start the window grows by what is acknowledged, so it doubles each round; from ssthresh on
it grows by one packet for each full window acknowledged:

    W <- W + 1 after W packets                  (RFC 5681, section 3.1, equation 3, in packets)
    ssthresh = max(W / 2, 2)                    (RFC 5681, section 3.1, equation 4)

Reference: RFC 5681, in the form of Linux's tcp_cong.c. Deviations from the RFC, all Linux's: the
window at a loss stands for the FlightSize of equation 4; slow start is not limited to one packet an
ACK (RFC 3465, L without limit), and what it does not use counts for congestion avoidance; nothing
grows while something else limits the sender.
"""

from __future__ import annotations

from ccsim.cc.model_transfer import export_window, import_ssthresh
from ccsim.cc.train import AckTrain
from ccsim.cc.window_laws import any_rtt, reno_train
from ccsim.kernel.kfuncs import (
    tcp_cong_avoid_ai,
    tcp_is_cwnd_limited,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import TCP_CONG_NON_RESTRICTED, TCP_INFINITE_SSTHRESH, TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = ["reno"]


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Grow the window for ``acked`` packets: slow start up to ssthresh, then equation 3."""
    if not tcp_is_cwnd_limited(sk):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)
        if not acked:
            return
    tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked)


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the whole train: `cong_avoid` for each ACK, at once."""
    return reno_train(sk, acks)


def export_model(sk: Sock) -> dict[str, int]:
    """Return window and threshold, and by equation 4 the window before the last loss."""
    lost = sk.snd_ssthresh < TCP_INFINITE_SSTHRESH
    return export_window(sk, 2 * sk.snd_ssthresh if lost else 0)


reno = TcpCongestionOps(
    name="reno",
    flags=TCP_CONG_NON_RESTRICTED,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    train=train,
    rtt_floor=any_rtt,
    export_model=export_model,
    import_model=import_ssthresh,
)
