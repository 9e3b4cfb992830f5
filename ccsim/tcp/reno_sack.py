"""Without SACK: each duplicate ACK counts as one packet SACKed somewhere (RFC 6582,
``tcp_add_reno_sack``)."""

from __future__ import annotations

from ccsim.kernel.ops import CaState
from ccsim.tcp.packets import LOST
from ccsim.tcp.rack import mark_skb_lost
from ccsim.tcp.sock import TcpSock

__all__ = ["add_reno_sack", "newreno_mark_lost", "remove_reno_sacks", "reset_reno_sack"]

RECOVERY = int(CaState.RECOVERY)


def add_reno_sack(sk: TcpSock, num_dupack: int) -> None:
    """Count duplicate ACKs (``tcp_add_reno_sack``)."""
    if not num_dupack:
        return
    prior = sk.sacked_out
    sk.sacked_out += num_dupack
    _check_reno_reordering(sk, 0)
    sk.delivered += max(0, sk.sacked_out - prior)


def remove_reno_sacks(sk: TcpSock, acked: int) -> None:
    """Count ``acked`` packets off: one filled the hole, the rest had sent duplicate ACKs
    (``tcp_remove_reno_sacks``)."""
    if acked > 0:
        sk.delivered += max(acked - sk.sacked_out, 1)
        sk.sacked_out = max(0, sk.sacked_out - (acked - 1))
    _check_reno_reordering(sk, acked)


def reset_reno_sack(sk: TcpSock) -> None:
    """Forget all duplicate ACKs (``tcp_reset_reno_sack``)."""
    sk.sacked_out = 0


def newreno_mark_lost(sk: TcpSock, *, una_advanced: bool) -> None:
    """Mark the head lost at the third duplicate ACK, and at each partial ACK of a recovery
    (``tcp_newreno_mark_lost``)."""
    entering = sk.ca_state < RECOVERY and sk.sacked_out >= sk.reordering
    going_on = sk.ca_state == RECOVERY and una_advanced
    lost = sk.packets.flags[sk.una - sk.packets.base] & LOST
    if (entering or going_on) and not lost:
        mark_skb_lost(sk, sk.una)


def _check_reno_reordering(sk: TcpSock, addend: int) -> None:
    """Learn of reordering when more duplicates come than packets are out
    (``tcp_check_reno_reordering``)."""
    out = sk.nxt - sk.una
    holes = min(max(sk.lost_out, 1), out)
    if sk.sacked_out + holes > out:
        sk.sacked_out = out - holes
        sk.reordering = min(out + addend, sk.host.max_reordering)
        sk.reord_seen += 1
        sk.counters["reorderings"] += 1
