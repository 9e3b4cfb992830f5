"""Fixed window: keep a number of packets in flight, whatever the network says.

No congestion control at all, for teaching and as a yardstick. With W packets in flight on a path of
bandwidth B and round-trip time RTT the sender is limited by its window or by the link:

    throughput = min(W / RTT, B)                                          (Little's law)
    queue = max(W - B RTT, 0)

so a window below the BDP leaves the link idle, one above it only makes a queue, and one above BDP
and buffer loses packets for ever. Everything that other algorithms do is a search for W.

A loss changes nothing: its repair (PRR, RFC 6937) aims at W again. A timeout restarts from one
packet, as the host has it, and the first acknowledgement restores W.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.fixed_point import require_range
from ccsim.cc.train import AckTrain
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = ["Params", "fixed"]

MAX_CWND = 1 << 24  # packets


@dataclass(frozen=True)
class Params:
    """cwnd: the window [packets]."""

    cwnd: int = 10

    def __post_init__(self) -> None:
        require_range("fixed: cwnd", self.cwnd, 1, MAX_CWND)


def window(sk: Sock) -> int:
    """Return W, as far as the socket allows it [packets]."""
    return min(sk.ca_ops.params.cwnd, sk.snd_cwnd_clamp)


def init(sk: Sock) -> None:
    """Take the window at once, and leave nothing to slow start."""
    sk.snd_cwnd = sk.snd_ssthresh = window(sk)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Restore the window, which only a timeout or an idle time changes."""
    sk.snd_cwnd = window(sk)


def ssthresh(sk: Sock) -> int:
    """Aim at the same window after a loss."""
    return window(sk)


def undo_cwnd(sk: Sock) -> int:
    """Return the same window after a loss that was none."""
    return window(sk)


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the whole train: `cong_avoid` for each ACK, at once."""
    if sk.snd_cwnd > window(sk):
        return 0
    acks.cwnd[:] = sk.snd_cwnd = window(sk)
    return acks.n


fixed = TcpCongestionOps(
    name="fixed",
    params=Params(),
    init=init,
    cong_avoid=cong_avoid,
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    train=train,
)
