"""With get_info, which only modules may implement."""

from __future__ import annotations

from ccsim.kernel import TCP_RENO
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.kernel.sock import Sock


def get_info(sk: Sock) -> dict[str, int]:
    return {"cwnd": sk.snd_cwnd}


unsupp_cong_op = TcpCongestionOps(
    name="bpf_unsupp_op",
    ssthresh=TCP_RENO.ssthresh,
    undo_cwnd=TCP_RENO.undo_cwnd,
    cong_avoid=TCP_RENO.cong_avoid,
    get_info=get_info,
)
