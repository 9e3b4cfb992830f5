"""DCTCP that falls back to CUBIC in its init when the connection has no ECN."""

from __future__ import annotations

from typing import Any

from ccsim.kernel import TCP_CONGESTION
from ccsim.kernel.errors import EBUSY
from ccsim.kernel.kfuncs import (
    bpf_getsockopt,
    bpf_setsockopt,
    tcp_reno_cong_avoid,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
)
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN, TcpCongestionOps
from ccsim.kernel.sock import Sock

ECN_OK = 1
FALLBACK = "cubic"

bss: dict[str, Any] = {"ebusy_cnt": 0, "cdg_res": 0, "cc_res": ""}


def choose(sk: Sock, name: str) -> None:
    if bpf_setsockopt(sk, TCP_CONGESTION, name) == -EBUSY:
        bss["ebusy_cnt"] += 1


def init(sk: Sock) -> None:
    if sk.ecn_flags & ECN_OK:
        return
    choose(sk, FALLBACK)
    choose(sk, "bpf_dctcp")  # from the outer call this runs init again, in which all are busy
    choose(sk, FALLBACK)
    bss["cdg_res"] = bpf_setsockopt(sk, TCP_CONGESTION, "cdg")
    bss["cc_res"] = bpf_getsockopt(sk, TCP_CONGESTION)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    tcp_reno_cong_avoid(sk, ack, acked)


bpf_dctcp = TcpCongestionOps(
    name="bpf_dctcp",
    flags=TCP_CONG_NEEDS_ECN,
    init=init,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
)
