"""Two implementations whose release sets a socket option: by the helper, and around it."""

from __future__ import annotations

from ccsim.kernel import TCP_CONGESTION, TCP_RENO
from ccsim.kernel.kfuncs import bpf_setsockopt
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.kernel.sock import Sock

bss: dict[str, list[int]] = {"said": []}


def release_by_helper(sk: Sock) -> None:
    bss["said"].append(bpf_setsockopt(sk, TCP_CONGESTION, "cubic"))


def release_around_it(sk: Sock) -> None:
    helper = getattr(sk.kernel_data.kernel, "bpf_" + "setsockopt")
    bss["said"].append(helper(sk, TCP_CONGESTION, "cubic"))


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Keep the window, in this file so that its globals are found from the table."""


rel_setsockopt = TcpCongestionOps(
    name="rel_setsockopt",
    ssthresh=TCP_RENO.ssthresh,
    undo_cwnd=TCP_RENO.undo_cwnd,
    cong_avoid=cong_avoid,
    release=release_by_helper,
)
rel_indirect = TcpCongestionOps(
    name="rel_indirect",
    ssthresh=TCP_RENO.ssthresh,
    undo_cwnd=TCP_RENO.undo_cwnd,
    cong_avoid=cong_avoid,
    release=release_around_it,
)
