"""Round-trip time, its windowed minimum, and the retransmission timeout (RFC 6298 as
``tcp_rtt_estimator`` computes it)."""

from __future__ import annotations

from ccsim.tcp.sock import TcpSock

__all__ = [
    "end_of_round",
    "min_rtt_expiry_ns",
    "new_mdev",
    "rtt_estimator",
    "set_rto",
    "update_min_rtt",
    "update_rtt",
]


def rtt_estimator(sk: TcpSock, m: int) -> None:
    """Fold one RTT sample ``m`` [us] into ``srtt_us`` (<< 3) and the deviation, which is raised at
    once and lowered once a round trip."""
    srtt = sk.srtt_us
    if not srtt:
        sk.srtt_us = max(1, m << 3)
        sk.mdev_us = m << 1
        sk.rttvar_us = sk.mdev_max_us = max(sk.mdev_us, sk.host.rto_min_us)
        sk.rtt_nxt = sk.nxt
        return
    m -= srtt >> 3
    sk.srtt_us = srtt + m or 1
    mdev = sk.mdev_us
    if m < 0:
        m = -m - (mdev >> 2)
        if m > 0:
            m >>= 3
    else:
        m -= mdev >> 2
    mdev += m
    sk.mdev_us = mdev
    if mdev > sk.mdev_max_us:
        sk.mdev_max_us = mdev
        if mdev > sk.rttvar_us:
            sk.rttvar_us = mdev
    if sk.una > sk.rtt_nxt:
        end_of_round(sk, sk.nxt)


def new_mdev(mdev: int, m: int) -> int:
    """Return the mean deviation [us << 2] after a sample that is ``m`` [us] above the smoothed RTT:
    an RTT that falls raises it by an eighth as much as one that rises (`rtt_estimator`)."""
    if m < 0:
        m = -m - (mdev >> 2)
        return mdev + (m >> 3 if m > 0 else m)
    return mdev + m - (mdev >> 2)


def end_of_round(sk: TcpSock, nxt: int) -> None:
    """Let the deviation fall towards the largest of the round that has ended; the next ends at
    ``nxt``."""
    if sk.mdev_max_us < sk.rttvar_us:
        sk.rttvar_us -= (sk.rttvar_us - sk.mdev_max_us) >> 2
    sk.rtt_nxt = nxt
    sk.mdev_max_us = sk.host.rto_min_us


def set_rto(sk: TcpSock) -> None:
    """RTO = SRTT + max(G, K·RTTVAR) (RFC 6298 2.3), in ticks, rounded up (``__tcp_set_rto``)."""
    sk.rto_jiffies = -(-((sk.srtt_us >> 3) + sk.rttvar_us) * 1000 // sk.host.jiffy_ns)


def update_rtt(sk: TcpSock, seq_rtt_us: int, ca_rtt_us: int, maybe_delayed: bool = False) -> None:
    """Take an RTT sample: ``seq_rtt_us`` for the estimator, ``ca_rtt_us`` for the minimum
    (``tcp_ack_update_rtt``). One that a delayed ACK may have made longer does not raise that."""
    now_ns = sk.tcp_clock_cache
    if (ca_rtt_us <= sk.min_rtt_3_us or now_ns >= sk.min_rtt_due_ns) and not (
        maybe_delayed and ca_rtt_us > sk.rtt_min_us
    ):
        update_min_rtt(sk, now_ns, ca_rtt_us)
    rtt_estimator(sk, seq_rtt_us)
    sk.rto_jiffies = -(-((sk.srtt_us >> 3) + sk.rttvar_us) * 1000 // sk.host.jiffy_ns)  # set_rto
    sk.backoff = 0


def update_min_rtt(sk: TcpSock, t_ns: int, rtt_us: int) -> None:
    """Fold a sample of ``t_ns`` into the least RTT of the last ``min_rtt_wlen`` seconds
    (``tcp_update_rtt_min``, ``minmax_running_min``).

    The three best samples are kept: of the window, of what came after the first, and of what came
    after the second. A longer sample before ``min_rtt_due_ns`` than the third changes nothing.
    """
    host = sk.host
    rtt_us = rtt_us or host.jiffy_us  # zero counts as one tick
    tick = (t_ns + host.jiffies0_ns) // host.jiffy_ns
    window = host.min_rtt_wlen_s * host.hz
    if rtt_us <= sk.rtt_min_us or tick - sk.min_rtt_3_tick > window:
        sk.rtt_min_us = sk.min_rtt_2_us = sk.min_rtt_3_us = rtt_us
        sk.min_rtt_tick = sk.min_rtt_2_tick = sk.min_rtt_3_tick = tick
    else:
        if rtt_us <= sk.min_rtt_2_us:
            sk.min_rtt_2_us = sk.min_rtt_3_us = rtt_us
            sk.min_rtt_2_tick = sk.min_rtt_3_tick = tick
        elif rtt_us <= sk.min_rtt_3_us:
            sk.min_rtt_3_us, sk.min_rtt_3_tick = rtt_us, tick
        _age_min_rtt(sk, tick, rtt_us, window)
    _set_min_rtt_due(sk, window)


def _age_min_rtt(sk: TcpSock, tick: int, rtt_us: int, window: int) -> None:
    """Let better samples go when their time is over, and see to it that there is one of the last
    three quarters and of the last half of the window (``minmax_subwin_update``)."""
    age = tick - sk.min_rtt_tick
    if age > window:
        _forget_min_rtt(sk, tick, rtt_us)
        if tick - sk.min_rtt_tick > window:
            _forget_min_rtt(sk, tick, rtt_us)
    elif sk.min_rtt_2_tick == sk.min_rtt_tick and age > window // 4:
        sk.min_rtt_2_us = sk.min_rtt_3_us = rtt_us
        sk.min_rtt_2_tick = sk.min_rtt_3_tick = tick
    elif sk.min_rtt_3_tick == sk.min_rtt_2_tick and age > window // 2:
        sk.min_rtt_3_us, sk.min_rtt_3_tick = rtt_us, tick


def _forget_min_rtt(sk: TcpSock, tick: int, rtt_us: int) -> None:
    sk.rtt_min_us, sk.min_rtt_tick = sk.min_rtt_2_us, sk.min_rtt_2_tick
    sk.min_rtt_2_us, sk.min_rtt_2_tick = sk.min_rtt_3_us, sk.min_rtt_3_tick
    sk.min_rtt_3_us, sk.min_rtt_3_tick = rtt_us, tick


def _set_min_rtt_due(sk: TcpSock, window: int) -> None:
    """Note from when on the next sample counts whatever it is."""
    after = window
    if sk.min_rtt_2_tick == sk.min_rtt_tick:
        after = window // 4
    elif sk.min_rtt_3_tick == sk.min_rtt_2_tick:
        after = window // 2
    host = sk.host
    sk.min_rtt_due_ns = (sk.min_rtt_tick + after + 1) * host.jiffy_ns - host.jiffies0_ns


def min_rtt_expiry_ns(sk: TcpSock) -> int:
    """Return the time before which no sample raises the least RTT [ns]."""
    host = sk.host
    ticks = sk.min_rtt_tick + host.min_rtt_wlen_s * host.hz + 1
    return ticks * host.jiffy_ns - host.jiffies0_ns
