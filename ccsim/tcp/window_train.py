"""The regime of a bulk sender whose window alone limits what it sends: each ACK lets out at once
what its window allows."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ccsim.cc.train import AckTrain
from ccsim.kernel.sock import PACING_NONE
from ccsim.tcp.input import MARKED
from ccsim.tcp.output import schedule_loss_probe
from ccsim.tcp.refusal import Refusal
from ccsim.tcp.sock import TcpSock
from ccsim.tcp.train import (
    AckColumns,
    Plan,
    acknowledge,
    out_of_order,
    timers_keep_still,
    unmarked,
    use_window,
)

__all__ = ["WINDOW", "WindowRegime", "as_windows_allow"]

Column = NDArray[np.int64]


class WindowRegime:
    """Plain order, and the window is used up."""

    name = "window"

    def eligible(self, sk: TcpSock) -> Refusal | None:
        """Return what is in the way of a train now; None if nothing is."""
        if sk.ca_ops.cong_control is not None:
            return Refusal.NO_HOOK
        if sk.pacing_status != PACING_NONE:
            return Refusal.PACER
        return out_of_order(sk) or (None if sk.is_cwnd_limited else Refusal.NOT_WINDOW_LIMITED)

    def plan(self, sk: TcpSock, t: Column, una: Column) -> tuple[AckColumns, Plan] | Refusal:
        """Let the algorithm take a prefix of the ACKs."""
        last, nxt = int(una[-1]), sk.nxt
        if last > nxt or int(una[0]) + 2 > nxt:
            return Refusal.NOT_IN_FLIGHT
        if not _has_room(sk, last, len(una)):
            return Refusal.DATA_ENDS
        if not unmarked(sk.packets, sk.una, last, MARKED):
            return Refusal.MARKED_PACKETS
        acks = AckColumns(sk, t, una)
        if acks.least_acked < 1:
            return Refusal.NOTHING_NEW
        # Something stays in flight at every ACK, as the window never falls within a train.
        if acks.most_acked + 2 > sk.snd_cwnd:
            return Refusal.SMALL_WINDOW
        if acks.least_rtt < 1:
            return Refusal.SHORT_RTT
        if not timers_keep_still(sk, acks):
            return Refusal.TIMER
        sk.set_clock(int(t[0]))
        train = _ack_train(sk, acks)
        hook = sk.ca_ops.train
        assert hook is not None
        k = hook(sk, train)
        if not k:
            return Refusal.DECLINED
        return acks, as_windows_allow(sk.nxt, t[:k], una[:k], train.cwnd[:k])

    def settle(self, sk: TcpSock, acks: AckColumns, plan: Plan) -> None:
        """Leave what is this regime's own as the last ACK taken leaves it."""
        acknowledge(sk)
        use_window(sk, plan)
        schedule_loss_probe(sk, advancing_rto=sk.nxt == int(plan.nxt[-1]))


WINDOW = WindowRegime()


def as_windows_allow(nxt: int, t: Column, una: Column, cwnd: Column) -> Plan:
    """Return what leaves with ACKs at ``t`` [ns], from packet ``nxt`` on, where the windows
    ``cwnd`` are the only limit."""
    reach = np.empty(len(una) + 1, dtype=np.int64)
    reach[0] = nxt
    np.add(una, cwnd, out=reach[1:])
    np.maximum.accumulate(reach, out=reach)
    rows = np.arange(len(una)).repeat(reach[1:] - reach[:-1])
    return Plan(cwnd, reach[:-1], rows, t.take(rows))


def _has_room(sk: TcpSock, last: int, n: int) -> bool:
    """Report whether whatever the window grows to by ``n`` ACKs up to packet ``last`` lets out
    nothing that is not written or not wanted."""
    una = sk.una
    return (
        2 * last + n + sk.snd_cwnd - una <= sk.write_limit
        and last + n - una + sk.snd_cwnd <= sk.rwnd
    )


def _ack_train(sk: TcpSock, acks: AckColumns) -> AckTrain:
    """Return the ACKs as the algorithm's ``train`` hook receives them."""
    host = sk.host
    return AckTrain(
        acks.t,
        acks.una,
        acks.acked,
        acks.ca_rtt,
        snd_nxt=sk.nxt,
        mss=sk.mss_cache,
        jiffies0_ns=host.jiffies0_ns,
        jiffy_ns=host.jiffy_ns,
        in_flight=partial(_in_flight, sk, acks),
    )


def _in_flight(sk: TcpSock, acks: AckColumns) -> Column:
    """Return the bytes in flight when the newest packet of each ACK was sent, before the train."""
    return (acks.delivered - sk.packets.delivered_np[acks.last_rows]) * sk.mss_cache
