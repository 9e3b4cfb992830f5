"""Copa: aim at the rate that a wanted queueing delay allows.

From the RTT a sender reads how long packets wait in queues, dq = RTTstanding - RTTmin, and moves
its window, a little with each ACK, towards the rate that is best for throughput over delay:

    target = 1 / (delta dq)   packets per second                             (section 2, equation 1)
    cwnd <- cwnd +- v / (delta cwnd)   per packet acknowledged, up if cwnd / RTTstanding <= target

In equilibrium a flow of rate r so keeps 1/delta packets queued: dq = 1 / (delta r); flows with the
same delta see the same dq, so they get the same rate. The velocity v doubles each RTT once the
window has moved the same way for three, and falls to 1 when it turns. The window then swings around
its aim, and empties the queue every five RTTs; when the queue no longer empties, somebody else
fills it, and Copa competes: 1/delta then grows by 1 each RTT and halves at a loss, as Reno's
window does.

RTTmin is the least RTT of 10 s, RTTstanding that of the last half srtt, so that bunched ACKs do not
matter. Sending is paced at 2 cwnd / RTTstanding.

Reference: Arun and Balakrishnan: "Copa: Practical Delay-Based Congestion Control for the Internet",
NSDI 2018. Deviation: the queue counts as nearly empty below a quarter of how much the RTT has
varied in four RTTs, not a tenth, which for a few packets queued is less than one of them. What the
paper leaves open: velocity falls to 1 with the first ACK that asks to turn; the window moves by no
more than the packets acknowledged; a loss ends slow start; a round that lost more than a tenth of
its packets halves the window in either mode (where the buffer holds less than 1/delta packets,
delays alone would never stop it); after a timeout slow start leads to the window before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.fixed_point import USEC_PER_SEC
from ccsim.cc.minmax import Samples, no_samples, running_max
from ccsim.cc.pacing import start_pacing
from ccsim.kernel.kfuncs import before, tcp_is_cwnd_limited, tcp_reno_undo_cwnd
from ccsim.kernel.ops import CaEvent, RateSample, TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = ["Copa", "Params", "copa"]

SHIFT = 16  # windows and 1/delta are in 1/65536
ONE = 1 << SHIFT
MIN_CWND = 2
MIN_RTT_WINDOW_US = 10 * USEC_PER_SEC
MAX_RTT_ROUNDS = 4
NEARLY_EMPTY = 4
EMPTY_ROUNDS = 5  # how often the queue empties while all flows are Copa's
SAME_ROUNDS = 3  # in one direction before the velocity doubles
LOSSY = 10  # a round that lost a tenth
PACING_GAIN = 2


@dataclass(frozen=True)
class Params:
    """delta: the reciprocal of the packets to keep queued; competitive: whether to compete with
    flows that fill the queue."""

    delta: float = 0.5
    competitive: bool = True

    def __post_init__(self) -> None:
        if not 0.001 <= self.delta <= 1:
            raise ValueError(f"copa: delta: expected 0.001 to 1, got {self.delta}")


@dataclass(slots=True)
class Copa:
    """What Copa remembers: times in us; RTT filters of least values hold their negatives."""

    cwnd: int = 0  # [1/65536 packets]
    inv_delta: int = 0  # 1/delta [1/65536 packets]
    velocity: int = 1
    direction: int = 0  # 1 up, -1 down
    same_direction: int = 0  # rounds
    cwnd_before: int = 0  # when the packets now acknowledged were sent
    next_round_delivered: int = 0
    round_delivered: int = 0  # sk.delivered and sk.lost at the round's start
    round_lost: int = 0
    least: Samples = ((0, 0), (0, 0), (0, 0))
    standing: Samples = ((0, 0), (0, 0), (0, 0))
    greatest: Samples = ((0, 0), (0, 0), (0, 0))
    has_rtt: bool = False
    is_competitive: bool = False
    empty_mstamp: int = 0  # when the queue was nearly empty last


def cong_control(sk: Sock, ack: int, flag: int, rs: RateSample) -> None:
    """Take one ACK: RTT, mode, velocity, then window and pacing rate."""
    ca: Copa = sk.ca
    if rs.rtt_us > 0:
        take_rtt(sk, ca, rs.rtt_us)
    if ca.cwnd >> SHIFT != sk.snd_cwnd:  # the host has changed it
        ca.cwnd = sk.snd_cwnd << SHIFT
    if not ca.has_rtt or rs.acked_sacked <= 0:
        return
    choose_mode(sk, ca)
    if rs.delivered >= 0 and not before(rs.prior_delivered, ca.next_round_delivered):
        end_round(sk, ca)
    move_window(sk, ca, rs.acked_sacked)
    sk.snd_cwnd = min(ca.cwnd >> SHIFT, sk.snd_cwnd_clamp)
    ca.cwnd = min(ca.cwnd, (sk.snd_cwnd << SHIFT) | (ONE - 1))
    rate = PACING_GAIN * ca.cwnd * sk.mss_cache * USEC_PER_SEC // (standing_rtt(ca) << SHIFT)
    sk.pacing_rate = min(max(rate, 1), sk.max_pacing_rate)


# --- RTTs ---


def take_rtt(sk: Sock, ca: Copa, rtt_us: int) -> None:
    """Feed an RTT sample to the filters: least of 10 s and of half a srtt, greatest of 4 RTTs."""
    now = sk.tcp_mstamp
    if not ca.has_rtt:
        ca.has_rtt = True
        ca.least = ca.standing = no_samples(now, -rtt_us)
        ca.greatest = no_samples(now, rtt_us)
        return
    srtt_us = sk.srtt_us >> 3
    ca.least = running_max(ca.least, MIN_RTT_WINDOW_US, now, -rtt_us)
    ca.standing = running_max(ca.standing, srtt_us // 2, now, -rtt_us)
    ca.greatest = running_max(ca.greatest, MAX_RTT_ROUNDS * srtt_us, now, rtt_us)


def standing_rtt(ca: Copa) -> int:
    """Return RTTstanding [us]."""
    return -ca.standing[0][1]


def queueing_delay(ca: Copa) -> int:
    """Return dq = RTTstanding - RTTmin [us]."""
    return max(ca.least[0][1] - ca.standing[0][1], 0)


def choose_mode(sk: Sock, ca: Copa) -> None:
    """Compete while the queue has not been nearly empty for five RTTs (section 2.2)."""
    now = sk.tcp_mstamp
    varied_us = ca.greatest[0][1] + ca.least[0][1]
    if queueing_delay(ca) * NEARLY_EMPTY <= varied_us or sk.snd_cwnd < sk.snd_ssthresh:
        ca.empty_mstamp = now
    competes = now - ca.empty_mstamp > EMPTY_ROUNDS * (sk.srtt_us >> 3)
    if ca.is_competitive and not competes:
        ca.inv_delta = default_inv_delta(sk)
    ca.is_competitive = competes and sk.ca_ops.params.competitive


def default_inv_delta(sk: Sock) -> int:
    """Return 1/delta as the parameters have it [1/65536 packets]."""
    return round(ONE / sk.ca_ops.params.delta)


# --- once a round ---


def end_round(sk: Sock, ca: Copa) -> None:
    """Set the velocity for the round that begins, and in competitive mode delta."""
    ca.next_round_delivered = sk.delivered
    lost = sk.lost - ca.round_lost
    delivered = sk.delivered - ca.round_delivered
    ca.round_lost, ca.round_delivered = sk.lost, sk.delivered
    if ca.is_competitive:
        adapt_delta(sk, ca, lost > 0)
    if lost * LOSSY > lost + delivered:
        ca.cwnd = max(ca.cwnd // 2, MIN_CWND << SHIFT)
        turn(ca, -1)
    else:
        set_velocity(ca)
    ca.cwnd_before = ca.cwnd


def adapt_delta(sk: Sock, ca: Copa, lost: bool) -> None:
    """Let 1/delta grow by 1, or halve after a loss, but not below the default (section 2.2)."""
    if lost:
        ca.inv_delta = max(ca.inv_delta // 2, default_inv_delta(sk))
    else:
        ca.inv_delta += ONE


def set_velocity(ca: Copa) -> None:
    """Double the velocity once the window has moved the same way for three rounds."""
    direction = 1 if ca.cwnd > ca.cwnd_before else -1
    if direction != ca.direction:
        turn(ca, direction)
        return
    ca.same_direction += 1
    if ca.same_direction >= SAME_ROUNDS:
        ca.velocity *= 2


def turn(ca: Copa, direction: int) -> None:
    """Move the other way, slowly at first."""
    ca.direction = direction
    ca.same_direction = 0
    ca.velocity = 1


# --- with each ACK ---


def move_window(sk: Sock, ca: Copa, acked: int) -> None:
    """Move the window towards the target rate by v / (delta cwnd) for each packet acknowledged.

    cwnd / RTTstanding <= 1 / (delta dq), without a division: cwnd dq <= RTTstanding / delta
    """
    below = ca.cwnd * queueing_delay(ca) <= standing_rtt(ca) * ca.inv_delta
    if sk.snd_cwnd < sk.snd_ssthresh:
        if below:
            if tcp_is_cwnd_limited(sk):
                ca.cwnd += acked << SHIFT
            return
        sk.snd_ssthresh = sk.snd_cwnd
    if ca.velocity > 1 and below != (ca.direction > 0):
        turn(ca, -ca.direction)
    step = min((acked * ca.velocity * ca.inv_delta << SHIFT) // ca.cwnd, acked << SHIFT)
    if not below:
        ca.cwnd = max(ca.cwnd - step, MIN_CWND << SHIFT)
    elif tcp_is_cwnd_limited(sk):
        ca.cwnd += step


# --- losses, idle times, the beginning ---


def ssthresh(sk: Sock) -> int:
    """Keep the window: a loss ends slow start, and after a timeout it leads back here."""
    return max(sk.snd_cwnd, MIN_CWND)


def cwnd_event(sk: Sock, event: int) -> None:
    """After an idle time or a timeout begin a round without velocity."""
    if event in (CaEvent.TX_START, CaEvent.LOSS):
        turn(sk.ca, 0)
        sk.ca.empty_mstamp = sk.tcp_mstamp


def init(sk: Sock) -> None:
    """Start with the socket's window, in slow start if the socket is."""
    ca = sk.ca
    ca.cwnd = ca.cwnd_before = sk.snd_cwnd << SHIFT
    ca.inv_delta = default_inv_delta(sk)
    ca.next_round_delivered = ca.round_delivered = sk.delivered
    ca.round_lost = sk.lost
    ca.empty_mstamp = sk.tcp_mstamp
    start_pacing(sk, PACING_GAIN << 8)


def get_info(sk: Sock) -> dict[str, int]:
    """Return mode, velocity, 1/delta [packets], queueing delay and least RTT [us]."""
    ca = sk.ca
    return {
        "competitive": int(ca.is_competitive),
        "velocity": ca.velocity,
        "inv_delta": ca.inv_delta >> SHIFT,
        "queueing_delay_us": queueing_delay(ca),
        "min_rtt_us": -ca.least[0][1],
    }


def phase(sk: Sock) -> str:
    """Return ``SlowStart``, or the mode: ``Default`` or ``Competitive``."""
    if sk.snd_cwnd < sk.snd_ssthresh:
        return "SlowStart"
    return "Competitive" if sk.ca.is_competitive else "Default"


copa = TcpCongestionOps(
    name="copa",
    params=Params(),
    private=Copa,
    init=init,
    cong_control=cong_control,
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cwnd_event=cwnd_event,
    get_info=get_info,
    phase=phase,
)
