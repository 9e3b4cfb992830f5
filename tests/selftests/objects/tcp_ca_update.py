"""Two implementations under one name, one under another and one without a link; all only count."""

from __future__ import annotations

from ccsim.kernel.kfuncs import tcp_reno_ssthresh, tcp_reno_undo_cwnd
from ccsim.kernel.ops import RateSample, TcpCongestionOps
from ccsim.kernel.sock import Sock

bss = {"ca1_cnt": 0, "ca2_cnt": 0, "ca_wrong_cnt": 0, "ca_no_link_cnt": 0}


def count_1(sk: Sock, ack: int, flag: int, rs: RateSample) -> None:
    bss["ca1_cnt"] += 1


def count_2(sk: Sock, ack: int, flag: int, rs: RateSample) -> None:
    bss["ca2_cnt"] += 1


def count_wrong(sk: Sock, ack: int, flag: int, rs: RateSample) -> None:
    bss["ca_wrong_cnt"] += 1


def count_no_link(sk: Sock, ack: int, flag: int, rs: RateSample) -> None:
    bss["ca_no_link_cnt"] += 1


ca_update_1 = TcpCongestionOps(
    name="tcp_ca_update",
    cong_control=count_1,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
)
ca_update_2 = TcpCongestionOps(
    name="tcp_ca_update",
    cong_control=count_2,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
)
ca_wrong = TcpCongestionOps(
    name="tcp_ca_wrong",
    cong_control=count_wrong,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
)
ca_no_link = TcpCongestionOps(
    name="tcp_ca_no_link",
    cong_control=count_no_link,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    link=False,
)
