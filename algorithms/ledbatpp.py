"""LEDBAT++: take only what nobody else wants, and leave the queue below 60 ms.

For transfers in the background. The delay of the queue is the RTT above its least of ten minutes;
as long as that is below a target the window grows, more slowly than Reno's, and above the target it
shrinks in proportion to the excess, by half at most:

    GAIN = 1 / min(16, ceil(2 target / base))                                  (section 4.2)
    W <- W + GAIN                                        per RTT, below the target
    W <- W + max(GAIN - W (delay / target - 1), -W / 2)  per RTT, above it

Flows that come late take the queue of the others for the path, and would drive them out; so each
flow now and then empties its part of it: a slowdown to two packets for two RTTs, then slow start
back to where it was. The first comes two RTTs after the first slow start, the next when nine times
as long as the last one took has passed, so that it costs a tenth at most.

Slow start too grows by GAIN for each packet acknowledged; the first ends at 3/4 of the target. A
loss halves the window, as Reno's does.

Reference: draft-irtf-iccrg-ledbat-plus-plus-01. Choices that it leaves open: the changes per RTT
are spread over the ACKs of a round; the delay is the least of four samples, as the draft has it,
its base that of ten minutes' minima, as in RFC 6817; slowdowns wait for the state Open.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.fixed_point import U32_MAX, USEC_PER_MSEC, USEC_PER_SEC, require_range
from ccsim.kernel.kfuncs import tcp_is_cwnd_limited, tcp_reno_undo_cwnd
from ccsim.kernel.ops import AckSample, CaState, TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = ["Ledbatpp", "Params", "ledbatpp"]

SHIFT = 16  # growth is counted in 1/65536 packets
ONE = 1 << SHIFT
MIN_CWND = 2
MAX_GAIN_DIVISOR = 16
SAMPLES = 4
BASE_HISTORY = 10  # minutes
MINUTE_US = 60 * USEC_PER_SEC
SLOWDOWN_RTTS = 2
SLOWDOWN_SHARE = 9  # times as long as a slowdown took passes before the next
NO_RTT = U32_MAX
NOW_OR_NEVER = 0
OPEN = int(CaState.OPEN)


@dataclass(frozen=True)
class Params:
    """target_ms: the delay of the queue aimed at [ms]; slowdowns: whether to empty it at times."""

    target_ms: int = 60
    slowdowns: bool = True

    def __post_init__(self) -> None:
        require_range("ledbatpp: target_ms", self.target_ms, 1, 10_000)


@dataclass(slots=True)
class Ledbatpp:
    """What LEDBAT++ remembers: times and delays in us."""

    rtts: tuple[int, ...] = ()  # the last samples
    base_minutes: tuple[int, ...] = ()  # the least of each minute, latest first
    minute: int = 0
    base_us: int = NO_RTT
    credit: int = 0  # growth not yet in the window [1/65536 packets]
    is_first_slow_start: bool = True
    slowdown_mstamp: int = NOW_OR_NEVER  # when the next slowdown begins, 0 for not yet known
    began_mstamp: int = NOW_OR_NEVER  # when this slowdown began, 0 outside one
    window_before: int = 0  # this slowdown


# --- delays ---


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take an RTT sample."""
    rtt_us = sample.rtt_us
    if rtt_us <= 0:
        return
    ca: Ledbatpp = sk.ca
    ca.rtts = (rtt_us, *ca.rtts[: SAMPLES - 1])
    minute = sk.tcp_mstamp // MINUTE_US
    if minute != ca.minute or not ca.base_minutes:
        ca.minute = minute
        ca.base_minutes = (rtt_us, *ca.base_minutes[: BASE_HISTORY - 1])
        ca.base_us = min(ca.base_minutes)
    elif rtt_us < ca.base_minutes[0]:
        ca.base_minutes = (rtt_us, *ca.base_minutes[1:])
        ca.base_us = min(ca.base_us, rtt_us)


def queueing_delay(ca: Ledbatpp) -> int:
    """Return the delay of the queue: the least of the last RTTs above the base [us]."""
    return min(ca.rtts) - ca.base_us if ca.rtts else 0


def target(sk: Sock) -> int:
    """Return the delay aimed at [us]."""
    return sk.ca_ops.params.target_ms * USEC_PER_MSEC


def gain(sk: Sock, ca: Ledbatpp) -> int:
    """Return GAIN: what a window's worth of acknowledgements adds [1/65536 packets]."""
    divisor = -(-2 * target(sk) // ca.base_us)
    return ONE // min(max(divisor, 1), MAX_GAIN_DIVISOR)


# --- the window ---


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Move the window for ``acked`` packets: slowdown, slow start, or towards the target."""
    ca: Ledbatpp = sk.ca
    if not ca.rtts or in_slowdown(sk, ca):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        slow_start(sk, ca, acked)
    else:
        approach_target(sk, ca, acked)


def slow_start(sk: Sock, ca: Ledbatpp, acked: int) -> None:
    """Grow by GAIN for each packet, up to ssthresh, or for the first time to 3/4 of the target."""
    if ca.is_first_slow_start and queueing_delay(ca) * 4 > 3 * target(sk):
        sk.snd_ssthresh = sk.snd_cwnd
    elif tcp_is_cwnd_limited(sk):
        move(sk, ca, acked * gain(sk, ca))
        sk.snd_cwnd = min(sk.snd_cwnd, sk.snd_ssthresh)
    if sk.snd_cwnd >= sk.snd_ssthresh:
        end_slow_start(sk, ca)


def end_slow_start(sk: Sock, ca: Ledbatpp) -> None:
    """Set the time of the next slowdown."""
    now = sk.tcp_mstamp
    if ca.began_mstamp:
        ca.slowdown_mstamp = now + SLOWDOWN_SHARE * (now - ca.began_mstamp)
        ca.began_mstamp = NOW_OR_NEVER
    elif ca.is_first_slow_start:
        ca.slowdown_mstamp = now + SLOWDOWN_RTTS * (sk.srtt_us >> 3)
    ca.is_first_slow_start = False


def approach_target(sk: Sock, ca: Ledbatpp, acked: int) -> None:
    """Grow by GAIN a window below the target, and shrink by the excess of delay above it."""
    if ca.is_first_slow_start:  # a loss has ended it, or another algorithm's window did
        end_slow_start(sk, ca)
    cwnd, delay_us, target_us = sk.snd_cwnd, queueing_delay(ca), target(sk)
    change = gain(sk, ca)
    if delay_us > target_us:
        window = cwnd << SHIFT
        change = max(change - window * (delay_us - target_us) // target_us, -window // 2)
    if change < 0 or tcp_is_cwnd_limited(sk):
        move(sk, ca, acked * change // cwnd)
    sk.snd_ssthresh = min(sk.snd_ssthresh, sk.snd_cwnd)  # to shrink is not to start slowly


def move(sk: Sock, ca: Ledbatpp, change: int) -> None:
    """Let the window follow ``change`` [1/65536 packets], in whole packets, at least two."""
    ca.credit += change
    cwnd = sk.snd_cwnd + (ca.credit >> SHIFT)
    ca.credit &= ONE - 1
    sk.snd_cwnd = min(max(cwnd, MIN_CWND), sk.snd_cwnd_clamp)


def in_slowdown(sk: Sock, ca: Ledbatpp) -> bool:
    """Begin a slowdown when it is due; report whether one holds the window at two packets."""
    now = sk.tcp_mstamp
    if not ca.began_mstamp:
        due = ca.slowdown_mstamp and now >= ca.slowdown_mstamp and sk.ca_state == OPEN
        if not due or not sk.ca_ops.params.slowdowns:
            return False
        ca.began_mstamp, ca.slowdown_mstamp = now, NOW_OR_NEVER
        ca.window_before = sk.snd_ssthresh = sk.snd_cwnd
        sk.snd_cwnd = MIN_CWND
    return now < ca.began_mstamp + SLOWDOWN_RTTS * (sk.srtt_us >> 3)


# --- losses ---


def ssthresh(sk: Sock) -> int:
    """Halve the window, in a slowdown that before it."""
    cwnd = max(sk.snd_cwnd, sk.ca.window_before) if sk.ca.began_mstamp else sk.snd_cwnd
    sk.ca.window_before = cwnd >> 1
    return max(cwnd >> 1, MIN_CWND)


def get_info(sk: Sock) -> dict[str, int]:
    """Return base and queueing delay [us], GAIN [1/65536], and whether a slowdown is on."""
    ca = sk.ca
    return {
        "base_us": ca.base_us,
        "queueing_delay_us": queueing_delay(ca),
        "gain": gain(sk, ca),
        "slowdown": int(ca.began_mstamp > 0),
    }


def phase(sk: Sock) -> str:
    """Return ``Slowdown``, which includes the way back, ``SlowStart`` or ``Avoidance``."""
    if sk.ca.began_mstamp:
        return "Slowdown"
    return "SlowStart" if sk.snd_cwnd < sk.snd_ssthresh else "Avoidance"


ledbatpp = TcpCongestionOps(
    name="ledbatpp",
    params=Params(),
    private=Ledbatpp,
    pkts_acked=pkts_acked,
    cong_avoid=cong_avoid,
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    get_info=get_info,
    phase=phase,
)
