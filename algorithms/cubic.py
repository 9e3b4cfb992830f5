"""CUBIC: grow along a cubic curve of time around the last loss's window.

After a loss the window approaches the old maximum fast, dwells near it, then probes beyond it, on a
curve of real time, so that flows of different RTTs grow alike. Where Reno would by now be faster,
Reno's window is followed.

    W(t) = C (t - K)**3 + W_max                                     (RFC 9438, equation 1)
    K = cbrt((W_max - cwnd_epoch) / C)                              (RFC 9438, equation 2)
    W_est: + alpha per window, alpha = 3 (1 - b) / (1 + b)          (RFC 9438, section 4.3)
    W_max <- cwnd (1 + b) / 2 if the window fell short of W_max     (RFC 9438, section 4.7)

In slow start HyStart looks for the end of free capacity.

Reference: RFC 9438, in the form of Linux 6.18's tcp_cubic.c. Deviations from the RFC, all of them
Linux's: C = 410/1024 and b = 717/1024; the curve is evaluated at t + RTT_min, at most once a tick
and, while the window stands still, every HZ/32 ticks; RTT_min is rounded up to ticks, and takes no
samples in an epoch's first second; growth is at most one packet for two, and until the first loss
at least one for 20; W_est keeps its pace after reaching the old maximum; the cube root is an
integer approximation; an undo restores the window but not W_max; HyStart, not HyStart++ (RFC 9406).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ccsim.cc.fixed_point import U32_MAX, U64_MAX, cubic_root, require_range, s32, usecs_to_jiffies
from ccsim.cc.hystart import (
    HyStart,
    HyStartParams,
    ends_slow_start,
    ends_slow_start_train,
    is_regular_train,
    start_round,
)
from ccsim.cc.model_transfer import export_window, import_ssthresh
from ccsim.cc.row_loops import first_at_least
from ccsim.cc.train import AckTrain, Column
from ccsim.cc.window_laws import acknowledged_before, reaches_clamp, slow_start
from ccsim.kernel.kfuncs import (
    after,
    tcp_cong_avoid_ai,
    tcp_is_cwnd_limited,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import AckSample, CaEvent, CaState, TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = ["Cubic", "Params", "cubic"]

I32_MAX = U32_MAX >> 1
BETA_SCALE = 1024  # unit of the multiplicative decrease
TIME_SHIFT = 10  # the curve's time is in 1/1024 s
CURVE_SHIFT = 10 + 3 * TIME_SHIFT  # C / 1024 * time**3 in packets
NARROW_SPAN = 1 << 17  # a time, 128 s, and C times a time, whose product has less than 64 bits
NARROW_REACH = 1 << 29


@dataclass(frozen=True)
class Params(HyStartParams):
    """Module parameters, named and preset as in Linux.

    beta: the window kept at a loss [1/1024]; bic_scale: C [10/1024]; initial_ssthresh: packets,
    0 for infinite, used without HyStart.
    """

    fast_convergence: int = 1
    beta: int = 717
    initial_ssthresh: int = 0
    bic_scale: int = 41
    tcp_friendliness: int = 1

    def __post_init__(self) -> None:
        HyStartParams.__post_init__(self)
        require_range("cubic: beta", self.beta, 0, BETA_SCALE - 1)
        require_range("cubic: initial_ssthresh", self.initial_ssthresh, 0, I32_MAX)
        require_range("cubic: bic_scale", self.bic_scale, 1, I32_MAX)


@dataclass(slots=True)
class Cubic(HyStart):
    """What CUBIC remembers: packets, ticks (epoch_start, last_time), 1/1024 s (k)."""

    cnt: int = 0  # packets to be acknowledged for one packet of growth
    last_max_cwnd: int = 0  # W_max
    last_cwnd: int = 0  # the window at the last evaluation
    last_time: int = 0  # the tick of the last evaluation
    origin_point: int = 0  # the curve's plateau
    k: int = 0  # time from the epoch's start to the plateau
    epoch_start: int = 0  # 0 for none
    ack_cnt: int = 0  # packets acknowledged, not yet counted in tcp_cwnd
    tcp_cwnd: int = 0  # W_est
    # constants of the parameters and the clock, computed by init
    curve_scale: int = 0  # C in 1/1024
    cube_factor: int = 0  # 1/C in (1/1024 s)**3 a packet
    friendliness: int = 0  # 8 / alpha
    idle_ticks: int = 0  # HZ / 32
    hz: int = 0


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Grow the window for ``acked`` packets: slow start up to ssthresh, then the cubic curve."""
    if not tcp_is_cwnd_limited(sk):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)
        if not acked:
            return
    follow_curve(sk, sk.ca, sk.tcp_jiffies32, acked)


def follow_curve(sk: Sock, ca: Cubic, now: int, acked: int) -> None:
    """Grow the window by one packet for ``cnt`` packets acknowledged, at tick ``now``."""
    ca.ack_cnt += acked
    if ca.last_cwnd != sk.snd_cwnd or s32(now - ca.last_time) > ca.idle_ticks:
        update(sk, ca, now, acked)
    tcp_cong_avoid_ai(sk, ca.cnt, acked)


def update(sk: Sock, ca: Cubic, now: int, acked: int) -> None:
    """Set ``cnt``, how many packets must be acknowledged before the window grows by one."""
    cwnd = sk.snd_cwnd
    if not ca.epoch_start or now != ca.last_time:
        ca.last_cwnd = cwnd
        ca.last_time = now
        if not ca.epoch_start:
            start_epoch(ca, cwnd, now, acked)
        ca.cnt = curve_cnt(ca, cwnd, now)
    if sk.ca_ops.params.tcp_friendliness:
        follow_reno(ca, cwnd)
    ca.cnt = max(ca.cnt, 2)


def start_epoch(ca: Cubic, cwnd: int, now: int, acked: int) -> None:
    """Begin a curve at the present window: its plateau, and the time to reach it (equation 2)."""
    ca.epoch_start = now
    ca.ack_cnt = acked
    ca.tcp_cwnd = cwnd
    ca.k = 0
    ca.origin_point = cwnd
    if ca.last_max_cwnd > cwnd:
        ca.k = time_to_rise(ca.cube_factor, ca.last_max_cwnd - cwnd)
        ca.origin_point = ca.last_max_cwnd


def time_to_rise(cube_factor: int, packets: int) -> int:
    """Return the time in which the curve rises by that many packets to its plateau (equation 2)."""
    return cubic_root(cube_factor * packets & U64_MAX)


def curve_cnt(ca: Cubic, cwnd: int, now: int) -> int:
    """Return the packets per packet of growth that lead from ``cwnd`` to the curve in one RTT."""
    target = curve_target(ca, s32(now - ca.epoch_start))
    cnt = cwnd // (target - cwnd) if target > cwnd else 100 * cwnd
    return 20 if cnt > 20 and not ca.last_max_cwnd else cnt


def curve_target(ca: Cubic, ticks: int) -> int:
    """Return W(t + RTT_min), ``ticks`` after the epoch's start [packets] (equation 1)."""
    t = ((ticks + usecs_to_jiffies(ca.delay_min, ca.hz)) << TIME_SHIFT) // ca.hz
    past = t - ca.k
    span = past if past >= 0 else -past
    reach = ca.curve_scale * span
    if span < NARROW_SPAN and reach < NARROW_REACH:
        distance = reach * span * span >> CURVE_SHIFT
    else:
        distance = wide_distance(ca.curve_scale, span)
    return (ca.origin_point + (distance if past >= 0 else -distance)) & U32_MAX


def wide_distance(scale: int, span: int) -> int:
    """Return how far from its plateau the curve is, where the product may wrap in 64 bits."""
    return (scale * span**3 & U64_MAX) >> CURVE_SHIFT


def follow_reno(ca: Cubic, cwnd: int) -> None:
    """Grow faster where Reno's window, W_est, is ahead (RFC 9438, section 4.3)."""
    per_packet = cwnd * ca.friendliness >> 3
    if ca.ack_cnt > per_packet > 0:
        grown = (ca.ack_cnt - 1) // per_packet
        ca.ack_cnt -= grown * per_packet
        ca.tcp_cwnd += grown
    if ca.tcp_cwnd > cwnd:
        ca.cnt = min(ca.cnt, cwnd // (ca.tcp_cwnd - cwnd))


def ssthresh(sk: Sock) -> int:
    """Return the window after a loss, and remember the window before it as W_max."""
    ca, params, cwnd = sk.ca, sk.ca_ops.params, sk.snd_cwnd
    ca.epoch_start = 0
    if cwnd < ca.last_max_cwnd and params.fast_convergence:
        ca.last_max_cwnd = cwnd * (BETA_SCALE + params.beta) // (2 * BETA_SCALE)
    else:
        ca.last_max_cwnd = cwnd
    return max(cwnd * params.beta // BETA_SCALE, 2)


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take an RTT sample; in slow start, let HyStart look for its end."""
    rtt_us = sample.rtt_us
    if rtt_us < 0:
        return
    ca = sk.ca
    if ca.epoch_start and s32(sk.tcp_jiffies32 - ca.epoch_start) < ca.hz:
        return  # samples right after a recovery mislead
    delay = rtt_us or 1
    if delay < ca.delay_min or not ca.delay_min:
        ca.delay_min = delay
    if sk.snd_cwnd < sk.snd_ssthresh and not ca.found:
        params = sk.ca_ops.params
        if params.hystart and ends_slow_start(sk, ca, params, delay):
            ca.found = True
            sk.snd_ssthresh = sk.snd_cwnd


def train(sk: Sock, acks: AckTrain) -> int:
    """Take a train of ACKs, up to the one at which HyStart ends slow start."""
    if reaches_clamp(sk, acks) or tick(acks, int(acks.t_ns[-1])) >= 1 << 31:
        return 0
    taken = 0
    if sk.snd_cwnd < sk.snd_ssthresh:
        if not is_regular_start(sk, acks):
            return 0
        taken, stopped = slow_start_train(sk, acks)
        if stopped or taken == acks.n:
            return taken
    follow_curve_train(sk, acks, taken)
    return acks.n


def sack_train(sk: Sock, rtt_us: Column) -> bool:
    """Take the RTT samples of a recovery, in which HyStart rests: no curve has begun."""
    ca = sk.ca
    if ca.epoch_start:
        return False
    least = max(int(rtt_us.min()), 1)
    ca.delay_min = min(ca.delay_min or least, least)
    return True


def rtt_floor(sk: Sock) -> int:
    """Return RTT_min: beyond slow start only a smaller sample means anything."""
    return sk.ca.delay_min


def tick(acks: AckTrain, t_ns: int) -> int:
    """Return ``tcp_jiffies32`` at ``t_ns``."""
    return (t_ns + acks.jiffies0_ns) // acks.jiffy_ns


def is_regular_start(sk: Sock, acks: AckTrain) -> bool:
    """Report whether `slow_start_train` covers the train: each ACK has a sample that counts."""
    epoch_start = sk.ca.epoch_start
    if epoch_start and tick(acks, int(acks.t_ns[0])) - epoch_start < sk.ca.hz:
        return False
    return is_regular_train(sk, acks)


def slow_start_train(sk: Sock, acks: AckTrain) -> tuple[int, bool]:
    """Take the ACKs of slow start; return their number, and whether HyStart ended it, or may do so
    at the next."""
    ca, params, cwnd = sk.ca, sk.ca_ops.params, sk.snd_cwnd
    taken, left = slow_start(sk, acks)
    end, found = taken, False
    if params.hystart and not ca.found:
        end, found = ends_slow_start_train(sk, ca, params, acks, cwnd, taken)
    else:
        take_samples(ca, acks, 0, taken)
    stopped = end < taken
    if stopped:
        sk.snd_cwnd = int(acks.cwnd[end - 1]) if end else cwnd
        taken, left = end, 0
    if found:
        taken, left = end + 1, int(acks.acked[end])
        sk.snd_ssthresh = sk.snd_cwnd
        ca.found = True
    if left:
        follow_curve(sk, ca, tick(acks, int(acks.t_ns[taken - 1])), left)
        acks.cwnd[taken - 1] = sk.snd_cwnd
    return taken, stopped


def take_samples(ca: Cubic, acks: AckTrain, start: int, stop: int) -> None:
    """Take the RTT samples of some ACKs, as `pkts_acked` does outside HyStart."""
    if ca.epoch_start:
        first_ns = (ca.epoch_start + ca.hz) * acks.jiffy_ns - acks.jiffies0_ns
        start = max(start, int(acks.t_ns.searchsorted(first_ns)))
    rtts = acks.rtt_us[start:stop]
    rtts = rtts[rtts >= 0]
    if len(rtts):
        least = max(int(rtts.min()), 1)
        ca.delay_min = min(ca.delay_min or least, least)


def follow_curve_train(sk: Sock, acks: AckTrain, i: int) -> None:
    """Take the ACKs from ``i`` on in congestion avoidance, from event to event.

    An event is an ACK at which the window grows, or ``cnt`` is computed anew and may change; the
    others only count. Whatever happens at an event is `follow_curve`'s.
    """
    ca, n = sk.ca, acks.n
    t_ns, una, windows = memoryview(acks.t_ns), memoryview(acks.una), acks.cwnd
    sampled = i  # the RTT samples before this ACK are taken
    if i < n and ca.delay_min and int(acks.rtt_us[i:].min()) >= ca.delay_min:
        sampled = n
    acked_before = una[i - 1] if i else acknowledged_before(acks)
    while i < n:
        if sampled <= i:
            take_samples(ca, acks, sampled, i + 1)
            sampled = i + 1
        now = tick(acks, t_ns[i])
        cwnd = sk.snd_cwnd
        follow_curve(sk, ca, now, una[i] - acked_before)
        event = i + 1
        if sk.snd_cwnd == cwnd:
            event = next_event(sk, ca, acks, una, t_ns, i, now)
        windows[i:event] = sk.snd_cwnd
        first, acked_before = una[i], una[event - 1]
        counted = acked_before - first
        ca.ack_cnt += counted
        sk.snd_cwnd_cnt += counted
        i = event
    if sampled < n:
        take_samples(ca, acks, sampled, n)


def next_event(
    sk: Sock, ca: Cubic, acks: AckTrain, una: memoryview, t_ns: memoryview, i: int, now: int
) -> int:
    """Return the next ACK after ``i`` at which something happens."""
    credit = ca.cnt - sk.snd_cwnd_cnt  # packets to the window's growth
    ticks = ca.last_time + 1
    if ca.last_cwnd == sk.snd_cwnd:
        ticks += ca.idle_ticks
    elif now != ca.last_time:
        return i + 1
    elif sk.ca_ops.params.tcp_friendliness:  # W_est may grow within the tick
        credit = min(credit, (sk.snd_cwnd * ca.friendliness >> 3) - ca.ack_cnt + 1)
    event = first_at_least(una, una[i] + credit, i + 1, acks.n)
    return first_at_least(t_ns, ticks * acks.jiffy_ns - acks.jiffies0_ns, i + 1, event)


def init(sk: Sock) -> None:
    """Compute the constants and start HyStart's first round."""
    ca, params = sk.ca, sk.ca_ops.params
    ca.curve_scale = params.bic_scale * 10
    ca.cube_factor = (1 << CURVE_SHIFT) // ca.curve_scale
    ca.friendliness = 8 * (BETA_SCALE + params.beta) // 3 // (BETA_SCALE - params.beta)
    ca.hz = sk.hz
    ca.idle_ticks = sk.hz // 32
    forget(ca)
    if params.hystart:
        start_round(sk, ca)
    elif params.initial_ssthresh:
        sk.snd_ssthresh = params.initial_ssthresh


def forget(ca: Cubic) -> None:
    """Forget all about the path."""
    ca.cnt = ca.last_max_cwnd = ca.last_cwnd = ca.last_time = 0
    ca.origin_point = ca.k = ca.delay_min = ca.epoch_start = ca.ack_cnt = ca.tcp_cwnd = 0
    ca.found = False


def set_state(sk: Sock, new_state: int) -> None:
    """Start afresh after a timeout."""
    if new_state == CaState.LOSS:
        forget(sk.ca)
        start_round(sk, sk.ca)


def cwnd_event(sk: Sock, event: int) -> None:
    """Shift the curve by the time the sender was idle, lest the window jump."""
    if event != CaEvent.TX_START:
        return
    ca, now = sk.ca, sk.tcp_jiffies32
    idle = s32(now - sk.lsndtime)
    if ca.epoch_start and idle > 0:
        ca.epoch_start = (ca.epoch_start + idle) & U32_MAX
        if after(ca.epoch_start, now):
            ca.epoch_start = now


def export_model(sk: Sock) -> dict[str, int]:
    """Return window, threshold and W_max for the next implementation."""
    return export_window(sk, sk.ca.last_max_cwnd)


def import_model(sk: Sock, model: Mapping[str, int]) -> None:
    """Take over W_max, and where slow start ends."""
    import_ssthresh(sk, model)
    sk.ca.last_max_cwnd = max(model.get("w_max_packets", 0), 0)


cubic = TcpCongestionOps(
    name="cubic",
    params=Params(),
    private=Cubic,
    init=init,
    ssthresh=ssthresh,
    cong_avoid=cong_avoid,
    pkts_acked=pkts_acked,
    set_state=set_state,
    cwnd_event=cwnd_event,
    undo_cwnd=tcp_reno_undo_cwnd,
    train=train,
    sack_train=sack_train,
    rtt_floor=rtt_floor,
    export_model=export_model,
    import_model=import_model,
)
