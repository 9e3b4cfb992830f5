"""Incomplete: neither cong_avoid nor cong_control."""

from __future__ import annotations

from ccsim.kernel.kfuncs import tcp_reno_ssthresh, tcp_reno_undo_cwnd
from ccsim.kernel.ops import TcpCongestionOps

incompl_cong_ops = TcpCongestionOps(
    name="bpf_incompl_ops",
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
)
