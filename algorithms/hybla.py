"""TCP Hybla: on a long path, grow as fast as a short one would.

Reference: Caini and Firrincieli, IJSCN 2004.

Reno's window gains a packet per round trip, so a satellite link of 600 ms gains one where a
terrestrial one gains 24. Hybla removes the RTT from the law. With rho = RTT / RTT0 (25 ms), at
least 1, each ACK adds

    2^rho - 1          in slow start                    (1)
    rho^2 / cwnd       in congestion avoidance          (2)

rho counts in units of 1/8, increments in units of 1/128.

Deviations from the paper, as in Linux: growth counts ACKs, not packets; the initial window is rho;
rho follows the smoothed RTT only downwards; an increment that rounds to nothing becomes one packet
per window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccsim.cc.fixed_point import U32_MAX, USEC_PER_MSEC, require_range
from ccsim.cc.window_laws import increase_each
from ccsim.kernel.kfuncs import (
    tcp_is_cwnd_limited,
    tcp_reno_cong_avoid,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
)
from ccsim.kernel.ops import CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Hybla", "Params", "hybla"]

RHO_SHIFT = 3
RHO_MIN = 1 << RHO_SHIFT  # rho = 1 [1/8]
RHO_MAX_EXPONENT = 16  # larger whole parts of rho count as this one in (1)
INCREMENT_SHIFT = 7
PACKET = 1 << INCREMENT_SHIFT  # one packet [1/128]
MOST_INCREMENT = 2 * PACKET  # of an ACK of one packet within a train (`AckTrain`)
POWERS_OF_2 = (128, 139, 152, 165, 181, 197, 215, 234)  # 128 * 2^(i / 8)
CWND_CLAMP = 65_535  # packets

OPEN = int(CaState.OPEN)


@dataclass(frozen=True)
class Params:
    """Module parameter: ``rtt0`` is the RTT of the connection to be imitated [ms]."""

    rtt0: int = 25

    def __post_init__(self) -> None:
        require_range("hybla: rtt0", self.rtt0, 1, (U32_MAX >> 1) // USEC_PER_MSEC)


@dataclass(slots=True)
class Hybla:
    """What one connection remembers."""

    hybla_en: bool = False  # False: growth is Reno's, while a loss is repaired
    cents: int = 0  # fraction of a packet that the window has gained [1/128]
    rho_3ls: int = 0  # rho [1/8]
    rho2_7ls: int = 0  # rho^2 [1/128]
    min_srtt_us: int = 0  # smallest smoothed RTT [1/8 us]


def init(sk: Sock) -> None:
    """Measure the path by the handshake; the initial window is rho."""
    ca = sk.ca
    ca.hybla_en = True
    ca.cents = 0
    sk.snd_cwnd_clamp = CWND_CLAMP
    measure_rho(sk)
    sk.snd_cwnd = ca.rho_3ls >> RHO_SHIFT


def measure_rho(sk: Sock) -> None:
    """Compute rho; the smoothed RTT comes in units of 1/8, as rho does."""
    ca = sk.ca
    ca.min_srtt_us = sk.srtt_us
    ca.rho_3ls = max(sk.srtt_us // (sk.ca_ops.params.rtt0 * USEC_PER_MSEC), RHO_MIN)
    ca.rho2_7ls = ca.rho_3ls * ca.rho_3ls << 1 & U32_MAX


def set_state(sk: Sock, new_state: int) -> None:
    """Be Hybla while nothing is lost."""
    sk.ca.hybla_en = new_state == OPEN


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Grow by (1) or (2)."""
    ca = sk.ca
    if sk.srtt_us < ca.min_srtt_us:
        measure_rho(sk)
    if not tcp_is_cwnd_limited(sk):
        return
    if not ca.hybla_en:
        tcp_reno_cong_avoid(sk, ack, acked)
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        add(sk, slow_start_increment(ca.rho_3ls))
        sk.snd_cwnd = min(sk.snd_cwnd, sk.snd_ssthresh)
    else:
        increment = ca.rho2_7ls // sk.snd_cwnd
        if increment < PACKET:
            sk.snd_cwnd_cnt += 1
        add(sk, increment)
    sk.snd_cwnd = min(sk.snd_cwnd, sk.snd_cwnd_clamp)


def slow_start_increment(rho_3ls: int) -> int:
    """Return (1) [1/128 packet]: 2 to the whole part of rho, times a power for the eighths."""
    whole, eighths = rho_3ls >> RHO_SHIFT, rho_3ls & RHO_MIN - 1
    return (POWERS_OF_2[eighths] << min(whole, RHO_MAX_EXPONENT)) - PACKET


def add(sk: Sock, increment: int) -> None:
    """Grow by ``increment`` [1/128 packet], keeping the fraction for later."""
    ca = sk.ca
    cwnd = sk.snd_cwnd + (increment >> INCREMENT_SHIFT)
    ca.cents += increment & PACKET - 1
    if ca.cents >= PACKET:
        ca.cents -= PACKET
        cwnd += 1
        sk.snd_cwnd_cnt = 0
    if increment == 0 and sk.snd_cwnd_cnt >= cwnd:
        cwnd += 1
        sk.snd_cwnd_cnt = 0
    sk.snd_cwnd = cwnd


def train(sk: Sock, acks: AckTrain) -> int:
    """Take a train of ACKs, if rho is sure to stay; ACKs that bring whole packets go by the hooks.

    A smoothed RTT not below the least so far stays so, while no sample is below it.
    """
    ca = sk.ca
    lowest = min(sk.srtt_us, int(acks.rtt_us.min()) << 3)
    if lowest < ca.min_srtt_us or not ca.hybla_en:
        return 0
    taken = 0
    if sk.snd_cwnd < sk.snd_ssthresh:
        if slow_start_increment(ca.rho_3ls) > MOST_INCREMENT:
            return 0
        taken = slow_start_train(sk, acks)
    while taken < acks.n and sk.snd_cwnd >= sk.snd_ssthresh:
        window = avoid_until_growth(sk, acks, taken)
        if not window:
            break
        taken += window
    return taken


def slow_start_train(sk: Sock, acks: AckTrain) -> int:
    """Take the ACKs of slow start: (1) for each, up to ssthresh; none if each brings two packets or
    more, which is not for trains, or at the clamp."""
    ca = sk.ca
    increment = slow_start_increment(ca.rho_3ls)
    if increment >= 2 * PACKET:
        return 0
    windows = increase_each(acks, sk.snd_cwnd, ca.cents, increment, INCREMENT_SHIFT)
    taken = min(int(windows.searchsorted(sk.snd_ssthresh)) + 1, acks.n)
    if int(windows[taken - 1]) > sk.snd_cwnd_clamp:
        return 0
    acks.cwnd[:taken] = windows[:taken].clip(max=sk.snd_ssthresh)
    sk.snd_cwnd = int(acks.cwnd[taken - 1])
    if ca.cents + (increment & PACKET - 1) * taken >= PACKET:
        sk.snd_cwnd_cnt = 0
    ca.cents = ca.cents + increment * taken & PACKET - 1
    return taken


def avoid_until_growth(sk: Sock, acks: AckTrain, first: int) -> int:
    """Take the ACKs from ``first`` to the one at which the window grows by a packet, in (2); none
    if each brings more than that, or at the clamp."""
    ca, cwnd = sk.ca, sk.snd_cwnd
    increment = ca.rho2_7ls // cwnd
    if increment >= PACKET or cwnd >= sk.snd_cwnd_clamp:
        return 0
    missing = -(-(PACKET - ca.cents) // increment) if increment else cwnd - sk.snd_cwnd_cnt
    needed = max(missing, 1)
    count = min(needed, acks.n - first)
    acks.cwnd[first : first + count] = cwnd
    ca.cents += increment * count
    sk.snd_cwnd_cnt += count
    if count == needed:
        acks.cwnd[first + count - 1] = sk.snd_cwnd = cwnd + 1
        ca.cents &= PACKET - 1
        sk.snd_cwnd_cnt = 0
    return count


hybla = TcpCongestionOps(
    name="hybla",
    init=init,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    set_state=set_state,
    train=train,
    private=Hybla,
    params=Params(),
)
