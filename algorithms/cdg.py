"""CAIA Delay-Gradient: back off when delay grows, the likelier the faster.

Reference: Hayes and Armitage, Networking 2011.

Once per round trip, the changes of the smallest and of the largest RTT are averaged over ``window``
rounds. A gradient g > 0 makes the window back off to beta with probability

    P(back off) = 1 - exp(-g backoff_factor)              (1)

so no threshold on the delay itself is needed. Where backing off has not helped ``use_ineff`` times,
others fill the queue by losses, and CDG stops until a gradient falls. Losses reduce as in Reno, but
from a shadow window, the one that the flow would have if it had not backed off (``use_shadow``), so
that CDG survives beside Reno.

With ``use_tolerance``, a loss while the queue is not full, as the gradients tell, does not reduce
at all: the queue is full when the largest RTT stops growing while the smallest one still does.

Slow start ends early when HyStart finds the ACKs of one train to span half the smallest RTT, or the
RTT of a round to exceed it by an eighth (``hystart_detect``: 1, 2 or 3 for both).

exp is computed as a product of tabulated powers; a gradient of 1 us and a factor of 1 give the
exponent 10^-6.

Deviations from the paper, as in Linux: samples of delayed ACKs are filtered out; the gradient of
the smallest RTT is used if it is positive, and that of the largest otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ccsim.cc.fixed_point import U32_MAX, div_round_closest, div_toward_zero, require_range, s32
from ccsim.cc.window_laws import first_beyond, reaches_clamp, reno_rows
from ccsim.kernel.kfuncs import (
    after,
    before,
    tcp_is_cwnd_limited,
    tcp_reno_cong_avoid,
    tcp_reno_undo_cwnd,
)
from ccsim.kernel.ops import AckSample, CaEvent, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Cdg", "Params", "cdg"]

HYSTART_ACK_TRAIN, HYSTART_DELAY = 1, 2
ACK_TRAIN_GAP_US = 3000  # a longer gap ends a train of ACKs
MIN_TRAIN_US = 125  # trains and delays shorter than this mean nothing
MIN_ROUND_SAMPLES = 8  # ACKs of a round before its smallest RTT is compared
EFFECTUAL_US = 32  # a gradient as far below zero shows that backing off helped
TOLERANCE_US = 64  # gradients smaller than half of it count as zero
MAX_DELAYED_ACKS = 5  # how many samples of single packets are suspect after delayed ACKs
BETA_SCALE = 1024
MIN_CWND = 2  # packets

CWND_RESTART, COMPLETE_CWR = int(CaEvent.CWND_RESTART), int(CaEvent.COMPLETE_CWR)
UNKNOWN, NONFULL, FULL, BACKOFF = range(4)  # the queue's state; BACKOFF: CDG itself reduces

LINEAR_BITS = 8  # exponents below 256 * 10^-6 are linear
EXP_CUTOFF = 1 << 24  # exponents from here on give 0
EXP_TABLE = (
    *(65518, 65501, 65468, 65401, 65267, 65001, 64470, 63422),
    *(61378, 57484, 50423, 38795, 22965, 8047, 987, 14),
)
"""Element i: exp(-256 * 10^-6 * 2^i) [1/65536], less 1."""


@dataclass(frozen=True)
class Params:
    """Module parameters.

    window: rounds over which gradients are averaged, a power of 2; backoff_beta [1/1024];
    backoff_factor in (1); hystart_detect; use_ineff: useless back-offs until CDG stops, 0 for
    never; use_shadow; use_tolerance.
    """

    window: int = 8
    backoff_beta: int = 724
    backoff_factor: int = 42
    hystart_detect: int = HYSTART_ACK_TRAIN | HYSTART_DELAY
    use_ineff: int = 5
    use_shadow: bool = True
    use_tolerance: bool = False

    def __post_init__(self) -> None:
        require_range("cdg: window", self.window, 1, 256)
        if self.window & self.window - 1:
            raise ValueError(f"cdg: window: expected a power of 2, got {self.window}")
        require_range("cdg: backoff_beta", self.backoff_beta, 0, BETA_SCALE)
        require_range("cdg: backoff_factor", self.backoff_factor, 0, U32_MAX)
        require_range("cdg: hystart_detect", self.hystart_detect, 0, 3)
        require_range("cdg: use_ineff", self.use_ineff, 0, U32_MAX)


@dataclass(slots=True)
class Cdg:
    """What one connection remembers; RTTs and gradients in microseconds, 0 for no sample."""

    rtt_min: int = 0  # of this round
    rtt_max: int = 0
    prev_min: int = 0  # of the last round
    prev_max: int = 0
    gradients: list[tuple[int, int]] = field(default_factory=list)  # of min and max, a ring
    tail: int = 0  # where the ring goes on
    sum_min: int = 0  # sums over the ring
    sum_max: int = 0
    filled: bool = False  # the ring is full
    state: int = UNKNOWN
    delack: int = 0  # delayed ACKs seen, less samples rejected for them
    rtt_seq: int = 0  # the round ends when this byte is acknowledged
    shadow_wnd: int = 0  # the window without back-offs [packets]
    backoff_cnt: int = 0  # back-offs in a row that did not help
    sample_cnt: int = 0  # ACKs of this round
    delay_min: int = 0  # smallest RTT of the connection
    last_ack: int = 0  # when the last ACK of the train arrived; 0: no train
    round_start: int = 0  # when the train began


def init(sk: Sock) -> None:
    """Start with an empty ring of gradients; a window of 1 needs none."""
    window = sk.ca_ops.params.window
    gradients = [(0, 0)] * window if window > 1 else []
    sk.ca = Cdg(gradients=gradients, rtt_seq=sk.snd_nxt, shadow_wnd=sk.snd_cwnd)


def cwnd_event(sk: Sock, event: int) -> None:
    """Start over after an idle time; begin a round where a reduction ends."""
    if event == CWND_RESTART:
        init(sk)
    elif event == COMPLETE_CWR:
        sk.ca.state = UNKNOWN
        start_round(sk)


def start_round(sk: Sock) -> None:
    """Let the round end when all that is in flight now is acknowledged."""
    ca = sk.ca
    ca.rtt_seq = sk.snd_nxt
    ca.prev_min, ca.prev_max = ca.rtt_min, ca.rtt_max
    ca.rtt_min = ca.rtt_max = 0


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take an RTT sample, unless a receiver that delays ACKs seems to have prolonged it."""
    rtt_us = sample.rtt_us
    if rtt_us <= 0:
        return
    take_sample(sk.ca, rtt_us, sample.pkts_acked if sk.sacked_out == 0 else 0)


def take_sample(ca: Cdg, rtt_us: int, acked: int) -> None:
    """Take an RTT sample of ``acked`` packets; 0 while SACKs tell that nothing was delayed."""
    if acked == 1 and ca.delack:
        ca.rtt_min = min(ca.rtt_min, rtt_us)
        ca.delack -= 1
        return
    if acked > 1 and ca.delack < MAX_DELAYED_ACKS:
        ca.delack += 1
    ca.rtt_min = min(ca.rtt_min or rtt_us, rtt_us)
    ca.rtt_max = max(ca.rtt_max, rtt_us)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Look at the gradient once per round trip; grow as Reno does unless it says to back off."""
    ca = sk.ca
    if sk.snd_cwnd < sk.snd_ssthresh and sk.ca_ops.params.hystart_detect:
        hystart(sk, ca)
    if after(ack, ca.rtt_seq) and (ca.rtt_min or ca.rtt_max):
        gradient = end_gradient(sk, ca) if ca.prev_min or ca.prev_max else 0
        start_round(sk)
        ca.last_ack = ca.sample_cnt = 0
        if gradient > 0 and back_off(sk, gradient):
            return
    cwnd = sk.snd_cwnd
    if not tcp_is_cwnd_limited(sk):
        ca.shadow_wnd = min(ca.shadow_wnd, cwnd)
        return
    tcp_reno_cong_avoid(sk, ack, acked)
    growth = sk.snd_cwnd - cwnd
    ca.shadow_wnd = max(ca.shadow_wnd, ca.shadow_wnd + growth & U32_MAX)


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the train up to the end of the round; while HyStart looks on, nothing."""
    ca = sk.ca
    if sk.snd_cwnd < sk.snd_ssthresh and sk.ca_ops.params.hystart_detect:
        return 0
    if reaches_clamp(sk, acks):
        return 0
    cwnd = sk.snd_cwnd
    taken = reno_rows(sk, acks, 0, first_beyond(sk, acks, ca.rtt_seq, 0))
    take_rows(ca, acks, taken)
    ca.shadow_wnd = ca.shadow_wnd + sk.snd_cwnd - cwnd
    return taken


def take_rows(ca: Cdg, acks: AckTrain, taken: int) -> None:
    """Take the first samples of a train, as `pkts_acked` does one by one."""
    for rtt_us, acked in zip(
        acks.rtt_us[:taken].tolist(), acks.acked[:taken].tolist(), strict=True
    ):
        if rtt_us > 0:
            take_sample(ca, rtt_us, acked)


def end_gradient(sk: Sock, ca: Cdg) -> int:
    """Return the gradient of the round that ends, summed over the ring [us]."""
    params = sk.ca_ops.params
    g_min, g_max = ca.rtt_min - ca.prev_min, ca.rtt_max - ca.prev_max
    if ca.gradients:
        old_min, old_max = ca.gradients[ca.tail]
        ca.gradients[ca.tail] = g_min, g_max
        ca.tail = ca.tail + 1 & params.window - 1
        g_min = ca.sum_min = ca.sum_min + g_min - old_min
        g_max = ca.sum_max = ca.sum_max + g_max - old_max
    gradient = g_min if g_min > 0 else g_max
    if not ca.filled:
        if ca.tail == 0:
            ca.filled = True
        else:  # as if the missing ones were like those seen
            gradient = div_toward_zero(s32(gradient * params.window), ca.tail)
    if g_min <= -EFFECTUAL_US or g_max <= -EFFECTUAL_US:
        ca.backoff_cnt = 0
    if params.use_tolerance:
        guess_queue(ca, g_min, g_max)
    return gradient


def guess_queue(ca: Cdg, g_min: int, g_max: int) -> None:
    """Tell a full queue, whose largest RTT grows no more, from one that has room."""
    g_min = div_round_closest(g_min, TOLERANCE_US)
    g_max = div_round_closest(g_max, TOLERANCE_US)
    if g_min > 0 and g_max <= 0:
        ca.state = FULL
    elif (g_min > 0 and g_max > 0) or g_max < 0:
        ca.state = NONFULL


def back_off(sk: Sock, gradient: int) -> bool:
    """Back off by chance (1), unless that has not helped lately; report whether it does."""
    ca, params = sk.ca, sk.ca_ops.params
    if sk.random.u32() <= exp_minus(gradient * params.backoff_factor & U32_MAX):
        return False
    if params.use_ineff:
        ca.backoff_cnt = ca.backoff_cnt + 1 & 0xFFFF
        if ca.backoff_cnt > params.use_ineff:
            return False
    ca.shadow_wnd = max(ca.shadow_wnd, sk.snd_cwnd)
    ca.state = BACKOFF
    sk.tcp_enter_cwr()
    return True


def exp_minus(x: int) -> int:
    """Return exp(-x / 10^6) [1/2^32]: linear in the lowest 8 bits, then a factor for each bit."""
    if x >= EXP_CUTOFF:
        return 0
    result = U32_MAX - (x & (1 << LINEAR_BITS) - 1) * (U32_MAX // 1_000_000)
    x >>= LINEAR_BITS
    for factor in EXP_TABLE:
        if x & 1:
            result = result * (factor + 1) >> 16
        x >>= 1
    return result


def hystart(sk: Sock, ca: Cdg) -> None:
    """End slow start when the queue begins to fill."""
    detect = sk.ca_ops.params.hystart_detect
    if ca.rtt_min:
        ca.delay_min = min(ca.delay_min or ca.rtt_min, ca.rtt_min)
    if not ca.delay_min:
        return
    if detect & HYSTART_ACK_TRAIN and long_ack_train(sk, ca):
        sk.snd_ssthresh = sk.snd_cwnd
    elif detect & HYSTART_DELAY:
        if ca.sample_cnt < MIN_ROUND_SAMPLES:
            ca.sample_cnt += 1
        elif ca.rtt_min > max(ca.delay_min + ca.delay_min // 8, MIN_TRAIN_US):
            sk.snd_ssthresh = sk.snd_cwnd


def long_ack_train(sk: Sock, ca: Cdg) -> bool:
    """Report whether ACKs in close succession have come for longer than half the smallest RTT."""
    now = sk.tcp_mstamp & U32_MAX
    if ca.last_ack == 0 or not tcp_is_cwnd_limited(sk):
        ca.last_ack = ca.round_start = now
    elif before(now, ca.last_ack + ACK_TRAIN_GAP_US):
        ca.last_ack = now
        return after(now, ca.round_start + max(ca.delay_min // 2, MIN_TRAIN_US))
    return False


def ssthresh(sk: Sock) -> int:
    """Reduce to beta when CDG backs off, to half of the shadow window after a loss."""
    ca, params, cwnd = sk.ca, sk.ca_ops.params, sk.snd_cwnd
    if ca.state == BACKOFF:
        return max(cwnd * params.backoff_beta >> 10, MIN_CWND)
    if ca.state == NONFULL and params.use_tolerance:
        return cwnd
    ca.shadow_wnd = min(ca.shadow_wnd >> 1, cwnd)
    if params.use_shadow:
        return max(ca.shadow_wnd, cwnd >> 1, MIN_CWND)
    return max(cwnd >> 1, MIN_CWND)


cdg = TcpCongestionOps(
    name="cdg",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    cwnd_event=cwnd_event,
    pkts_acked=pkts_acked,
    private=Cdg,
    params=Params(),
    train=train,
)
