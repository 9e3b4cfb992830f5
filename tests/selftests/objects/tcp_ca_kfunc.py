"""Reno put together from the kernel's functions, and with a window of slow start of its own."""

from __future__ import annotations

from ccsim.kernel.kfuncs import (
    tcp_cong_avoid_ai,
    tcp_in_slow_start,
    tcp_is_cwnd_limited,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.kernel.sock import Sock

bss = {"slow_start": 0, "avoidance": 0, "ssthresh": 0}


def ssthresh(sk: Sock) -> int:
    bss["ssthresh"] += 1
    return tcp_reno_ssthresh(sk)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    if not tcp_is_cwnd_limited(sk):
        return
    if tcp_in_slow_start(sk):
        bss["slow_start"] += 1
        acked = tcp_slow_start(sk, acked)
        if not acked:
            return
    bss["avoidance"] += 1
    tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked)


tcp_ca_kfunc = TcpCongestionOps(
    name="tcp_ca_kfunc",
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
)
