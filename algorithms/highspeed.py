"""HighSpeed TCP: grow faster and fall less the larger the window is.

Reference: RFC 3649.

Reno needs one loss in 5 billion packets to fill 10 Gbit/s at 100 ms. HighSpeed TCP keeps Reno's
response below a window of 38 packets, and above it increases by a(w) packets per RTT and decreases
by the fraction b(w), so that a window of 83,000 packets goes with one loss in 10 million (section
5):

    b(w) = (0.1 - 0.5) (log w - log 38) / (log 83000 - log 38) + 0.5     (1)
    a(w) = w^2 p(w) 2 b(w) / (2 - b(w)),   p(w) = 0.078 / w^1.2          (2)

a takes whole numbers. The windows up to which it is 1, 2, 3, ... are the RFC's table (appendix B),
and b is computed at each of them, in units of 1/256.

Deviation from the RFC, as in Linux: growth counts ACKs, not packets, so delayed ACKs halve it; the
largest windows of the RFC's table are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

from ccsim.cc.fixed_point import U32_MAX
from ccsim.cc.window_laws import any_rtt, reaches_clamp, slow_start
from ccsim.kernel.kfuncs import tcp_is_cwnd_limited, tcp_reno_undo_cwnd, tcp_slow_start
from ccsim.kernel.ops import TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Highspeed", "highspeed"]

LOW_WINDOW, HIGH_WINDOW = 38, 83_000  # packets
LOW_DECREASE, HIGH_DECREASE = 0.5, 0.1  # b at LOW_WINDOW and at HIGH_WINDOW
DECREASE_SHIFT = 8
CWND_CLAMP = U32_MAX // 128  # packets: window times decrease fits in 32 bits
MIN_CWND = 2  # packets

INCREASE_UP_TO = (
    *(38, 118, 221, 347, 495, 663, 851, 1058, 1284, 1529, 1793, 2076, 2378, 2699, 3039),
    *(3399, 3778, 4177, 4596, 5036, 5497, 5979, 6483, 7009, 7558, 8130, 8726, 9346, 9991),
    *(10661, 11358, 12082, 12834, 13614, 14424, 15265, 16137, 17042, 17981, 18955, 19965),
    *(21013, 22101, 23230, 24402, 25618, 26881, 28193, 29557, 30975, 32450, 33986, 35586),
    *(37253, 38992, 40808, 42707, 44694, 46776, 48961, 51258, 53677, 56230, 58932, 61799),
    *(64851, 68113, 71617, 75401, 79517, 84035, 89053),
)
"""Element i: the largest window that grows by i + 1 packets per RTT; the last is for all above."""


def decrease(window: int) -> int:
    """Return b by (1) [1/256]."""
    place = (log(window) - log(LOW_WINDOW)) / (log(HIGH_WINDOW) - log(LOW_WINDOW))
    return int((LOW_DECREASE + (HIGH_DECREASE - LOW_DECREASE) * place) * (1 << DECREASE_SHIFT))


DECREASE = tuple(map(decrease, INCREASE_UP_TO))
LAST = len(INCREASE_UP_TO) - 1


@dataclass(slots=True)
class Highspeed:
    """What one connection remembers."""

    ai: int = 0  # where in the table it is: a - 1


def init(sk: Sock) -> None:
    """Start as Reno."""
    sk.ca.ai = 0
    sk.snd_cwnd_clamp = min(sk.snd_cwnd_clamp, CWND_CLAMP)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Slow start, then a(w) packets per window of ACKs."""
    if not tcp_is_cwnd_limited(sk):
        return
    cwnd = sk.snd_cwnd
    if cwnd < sk.snd_ssthresh:
        tcp_slow_start(sk, acked)
        return
    ca = sk.ca
    ca.ai = ai = find_increase(cwnd, ca.ai)
    if cwnd < sk.snd_cwnd_clamp:
        sk.snd_cwnd_cnt += ai + 1
        if sk.snd_cwnd_cnt >= cwnd:
            sk.snd_cwnd_cnt -= cwnd
            sk.snd_cwnd = cwnd + 1


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the whole train: slow start, then from one packet of growth to the next."""
    if reaches_clamp(sk, acks):
        return 0
    row, ca = 0, sk.ca
    if sk.snd_cwnd < sk.snd_ssthresh:
        row, _ = slow_start(sk, acks)
    while row < acks.n:
        ca.ai = find_increase(sk.snd_cwnd, ca.ai)
        row = grow_once(sk, acks, row, ca.ai + 1)
    return acks.n


def grow_once(sk: Sock, acks: AckTrain, row: int, increase: int) -> int:
    """Count ``increase`` an ACK up to the one that grows the window; return the row after it."""
    cwnd = sk.snd_cwnd
    needed = max(-(-(cwnd - sk.snd_cwnd_cnt) // increase), 1)  # ACKs, the one that grows included
    stop = min(row + needed, acks.n)
    sk.snd_cwnd_cnt += (stop - row) * increase
    if stop - row == needed:
        sk.snd_cwnd_cnt -= cwnd
        sk.snd_cwnd = cwnd + 1
    acks.cwnd[row:stop] = cwnd
    acks.cwnd[stop - 1] = sk.snd_cwnd
    return stop


def find_increase(cwnd: int, ai: int) -> int:
    """Return the place of ``cwnd`` in the table, starting from the last one: it is rarely far."""
    while ai < LAST and cwnd > INCREASE_UP_TO[ai]:
        ai += 1
    while ai and cwnd <= INCREASE_UP_TO[ai - 1]:
        ai -= 1
    return ai


def ssthresh(sk: Sock) -> int:
    """Decrease by b(w), for the w at which the window last grew."""
    cwnd = sk.snd_cwnd
    return max(cwnd - (cwnd * DECREASE[sk.ca.ai] >> DECREASE_SHIFT), MIN_CWND)


highspeed = TcpCongestionOps(
    name="highspeed",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    private=Highspeed,
    train=train,
    rtt_floor=any_rtt,
)
