"""The retransmission timer: RTO, loss probe or reordering window (RFC 6298, RFC 8985 section 7.2,
``tcp_reset_xmit_timer``).
"""

from __future__ import annotations

from ccsim.kernel.ops import CaState
from ccsim.tcp.host import NEVER, TIMEOUT_MIN_US
from ccsim.tcp.sock import TIMER_LOSS_PROBE, TIMER_NONE, TIMER_REO, TIMER_RTO, TcpSock

__all__ = ["arm", "rearm_rto", "schedule_loss_probe", "set_xmit_timer", "settle_timer"]

OPEN, CWR = int(CaState.OPEN), int(CaState.CWR)


def arm(sk: TcpSock, kind: int, delay_jiffies: int, pace: bool = True) -> None:
    """Set the retransmission timer (``tcp_reset_xmit_timer``).

    Nearly every such timer is set anew before it is due. So what it depends on is noted,
    ``timer_ns`` becomes a lower bound, and `settle_timer` works the tick out when that is reached.
    """
    sk.timer_kind = kind
    sk.timer_set_ns = clock = sk.tcp_clock_cache
    sk.timer_delay_jiffies = delay_jiffies
    sk.timer_wstamp_ns = sk.tcp_wstamp_ns if pace else 0
    delay_ns = delay_jiffies * sk.host.jiffy_ns
    sk.timer_ns = clock + (delay_ns if delay_ns < sk.host.rto_max_ns else sk.host.rto_max_ns)
    sk.timer_settled = sk.timer_resend = False


def settle_timer(sk: TcpSock) -> None:
    """Work out when a timer is due that was only noted by `arm` or `schedule_loss_probe`, or marked
    to be set anew from the last packet sent."""
    host = sk.host
    if sk.timer_resend:
        clock = sk.tcp_clock_cache
        sk.set_clock(sk.lsnd_ns)
        schedule_loss_probe(sk, advancing_rto=False)
        sk.set_clock(clock)
    delay = sk.timer_delay_jiffies
    if sk.timer_kind == TIMER_LOSS_PROBE:
        delay = host.us_to_jiffies(sk.timer_delay_us)
    if sk.timer_wstamp_ns > sk.timer_set_ns:
        delay += (sk.timer_wstamp_ns - sk.timer_set_ns) // host.jiffy_ns
    sk.timer_ns = host.expiry_ns(
        sk.timer_set_ns, min(delay, host.rto_max_ns // host.jiffy_ns), sk.timer_ran_tick
    )
    sk.timer_settled = True


def _rto_delta_us(sk: TcpSock) -> int:
    """Return how far ahead the RTO of the oldest packet lies [us], negative if overdue
    (``tcp_rto_delta_us``)."""
    sent_us = sk.packets.tx_us[sk.una - sk.packets.base]
    return sent_us + sk.rto_jiffies * sk.host.jiffy_us - sk.tcp_mstamp


def rearm_rto(sk: TcpSock) -> None:
    """Restart the RTO, or stop it when nothing is outstanding (``tcp_rearm_rto``)."""
    if sk.nxt == sk.una:
        sk.timer_kind = TIMER_NONE
        sk.timer_ns = NEVER
        sk.timer_settled = True
        return
    rto = sk.rto_jiffies
    if sk.timer_kind in (TIMER_REO, TIMER_LOSS_PROBE):
        rto = sk.host.us_to_jiffies(max(_rto_delta_us(sk), 1))
    arm(sk, TIMER_RTO, rto)


def schedule_loss_probe(sk: TcpSock, advancing_rto: bool) -> bool:
    """Set the probe timer to two round trips, unless the RTO comes first (RFC 8985 section 7.2,
    ``tcp_schedule_loss_probe``).

    As in `arm`, the tick is worked out when the lower bound in ``timer_ns`` is reached.
    """
    una = sk.una
    out = sk.nxt - una
    host = sk.host
    state = sk.ca_state
    if not out or state not in (OPEN, CWR) or not host.early_retrans:
        return False
    srtt = sk.srtt_us
    if not srtt:
        timeout_us = host.rto_initial_ns // 1000
    else:
        timeout_us = (srtt >> 2) + (TIMEOUT_MIN_US if out > 1 else host.rto_min_us)
    rto_us = sk.rto_jiffies * host.jiffy_us
    if not advancing_rto:
        rto_us += sk.packets.tx_us[una - sk.packets.base] - sk.tcp_mstamp
    if 0 < rto_us < timeout_us:
        timeout_us = rto_us
    sk.timer_kind = TIMER_LOSS_PROBE
    sk.timer_set_ns = clock = sk.tcp_clock_cache
    sk.timer_delay_us = timeout_us
    sk.timer_wstamp_ns = sk.tcp_wstamp_ns
    sk.timer_ns = clock + timeout_us * 1000
    sk.timer_settled = sk.timer_resend = False
    return True


def set_xmit_timer(sk: TcpSock) -> None:
    """After an ACK: the loss probe if it may be, else the RTO (``tcp_set_xmit_timer``)."""
    if not schedule_loss_probe(sk, advancing_rto=True):
        rearm_rto(sk)
