"""What Linux calls of an algorithm before ``init``, at the end of the handshake."""

from __future__ import annotations

from ccsim.bpf.memory import PrivateArea
from ccsim.kernel.ops import AckSample, CaState, RateSample
from ccsim.kernel.sock import TCP_SYN_SENT, Sock

__all__ = ["tell_before_accept", "tell_before_init"]

SLOWPATH_AND_UPDATE = 3  # CA_ACK_SLOWPATH | CA_ACK_WIN_UPDATE: what an ACK of a handshake is
SYN_ACK_FLAGS = (
    0x1513  # FLAG_SET_XMIT_TIMER, SND_UNA_ADVANCED, SLOWPATH, SYN_ACKED, WIN_UPDATE, DATA
)
U32 = (1 << 32) - 1


def tell_before_init(sk: Sock) -> None:
    """Call what Linux calls for the SYN-ACK, before ``init``: the hooks of an ACK, on a private
    area of zeros, in the state SYN_SENT. The window is set anew after that (``tcp_init_transfer``).
    """
    if not isinstance(sk.ca, PrivateArea):
        return
    ops, state, cwnd = sk.ca_ops, sk.sk_state, sk.snd_cwnd
    sk.sk_state = TCP_SYN_SENT
    rtt_us = sk.srtt_us >> 3 or -1
    try:
        if ops.pkts_acked is not None:
            ops.pkts_acked(sk, AckSample(1, rtt_us, sk.mss_cache))
        if ops.in_ack_event is not None:
            ops.in_ack_event(sk, SLOWPATH_AND_UPDATE)
        if ops.cong_control is not None:
            sample = RateSample()
            sample.rtt_us, sample.acked_sacked, sample.prior_in_flight = rtt_us, 1, 1
            ops.cong_control(sk, sk.snd_una & U32, SYN_ACK_FLAGS, sample)
    finally:
        sk.sk_state, sk.snd_cwnd = state, cwnd


def tell_before_accept(sk: Sock) -> None:
    """Call what Linux calls on the other side, before ``init``, for the ACK that ends the handshake
    (``tcp_create_openreq_child``, ``tcp_ack``): nothing that was sent is acknowledged by it.
    """
    if not isinstance(sk.ca, PrivateArea):
        return
    ops, cwnd = sk.ca_ops, sk.snd_cwnd
    if ops.set_state is not None:
        ops.set_state(sk, int(CaState.OPEN))
    if ops.in_ack_event is not None:
        ops.in_ack_event(sk, SLOWPATH_AND_UPDATE)
    sk.snd_cwnd = cwnd
