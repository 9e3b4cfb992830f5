"""The window's regime on ACKs that are known before they are sent: of packets that the train itself
lets out.

Where the bottleneck never rests, when ACKs will arrive is known before what they acknowledge is
sent. The windows that the algorithm sets then say when everything leaves, and from that follow the
RTTs. `LongTrain.plan` computes the windows and the departures and changes nothing for good; whoever
knows the path tells how many of the ACKs will come as foreseen, and `LongTrain.take` processes
those.
"""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from ccsim.cc.train import AckTrain
from ccsim.tcp.input import MARKED
from ccsim.tcp.sock import TcpSock
from ccsim.tcp.train import AckColumns, Plan, TrainOutcome, carry_out, timers_keep_still, unmarked
from ccsim.tcp.window_train import WINDOW, as_windows_allow

__all__ = ["LongTrain", "may_take_long_train"]

Column = NDArray[np.int64]


def may_take_long_train(sk: TcpSock) -> bool:
    """Report whether the algorithm's windows follow from the times of ACKs alone: in congestion
    avoidance, RTT samples of at least ``rtt_floor`` mean nothing to it."""
    return sk.snd_cwnd >= sk.snd_ssthresh and WINDOW.eligible(sk) is None and _rtt_floor(sk) > 0


def _rtt_floor(sk: TcpSock) -> int:
    """Return from where on RTT samples leave no trace in the algorithm [us]; 0 if all may."""
    rtt_floor = sk.ca_ops.rtt_floor
    return 0 if rtt_floor is None else rtt_floor(sk)


class LongTrain:
    """ACKs that arrive at ``t`` [ns] and acknowledge ``una`` packets; the first ``known`` of them
    answer packets that have been sent, the others, of which there must be one, do not.

    Until `take` the socket is as it was. ``planned`` is what becomes of the ACKs that can be taken.
    """

    __slots__ = ("_floor", "_saved", "known", "planned", "sk", "t", "una")

    planned: Plan

    def __init__(self, sk: TcpSock, t: Column, una: Column, known: int) -> None:
        self.sk, self.t, self.una, self.known = sk, t, una, known
        self._floor = _rtt_floor(sk)
        ca = sk.snd_cwnd, sk.snd_cwnd_cnt, sk.snd_ssthresh, copy.copy(sk.ca)
        self._saved = ca, sk.tcp_clock_cache

    def plan(self, rows: int) -> int:
        """Let the algorithm take the first ``rows`` ACKs; return how many it took."""
        sk, t, una = self.sk, self.t[:rows], self.una[:rows]
        acked = np.empty_like(una)
        acked[0] = una[0] - sk.una
        np.subtract(una[1:], una[:-1], out=acked[1:])
        if int(acked.min()) < 1 or int(acked.max()) + 2 > sk.snd_cwnd:
            return 0
        sk.set_clock(int(t[0]))
        acks = AckTrain(
            t,
            una,
            acked,
            self._rtts(rows),
            snd_nxt=sk.nxt,
            mss=sk.mss_cache,
            jiffies0_ns=sk.host.jiffies0_ns,
            jiffy_ns=sk.host.jiffy_ns,
        )
        assert sk.ca_ops.train is not None
        count = sk.ca_ops.train(sk, acks)
        self.planned = as_windows_allow(sk.nxt, t[:count], una[:count], acks.cwnd[:count])
        return count

    def _rtts(self, rows: int) -> Column:
        """Return the RTT samples [us] of the ACKs as far as they are known, the others as the least
        that mean nothing."""
        sk, known = self.sk, min(self.known, rows)
        rtts = np.full(rows, self._floor, dtype=np.int64)
        packets = sk.packets
        sent_us = packets.tx_us_np[self.una[:known] - (packets.base + 1)]
        np.subtract(self.t[:known] // 1000, sent_us, out=rtts[:known])
        return rtts

    def undo(self) -> None:
        """Leave the socket as it was before `plan`."""
        sk = self.sk
        (sk.snd_cwnd, sk.snd_cwnd_cnt, sk.snd_ssthresh, ca), clock_ns = self._saved
        sk.ca = copy.copy(ca)
        sk.set_clock(clock_ns)

    def take(self, sample_times: list[int]) -> TrainOutcome | None:
        """Process the ACKs of the plan; None, and nothing changed, if something else than the
        window or a timer would interfere."""
        sk, plan, k = self.sk, self.planned, self.planned.taken
        t, una = self.t[:k], self.una[:k]
        if not self._has_room() or not unmarked(sk.packets, sk.una, sk.nxt, MARKED):
            return None
        self._stamp(plan.sent_ns)
        acks = AckColumns(sk, t, una)
        if acks.least_rtt < max(self._floor, 1) and (
            acks.least_rtt < 1 or int(acks.ca_rtt[self.known :].min()) < self._floor
        ):
            return None
        if not timers_keep_still(sk, acks):
            return None
        return carry_out(sk, WINDOW, acks, plan, self._saved[0][2], sample_times)

    def _has_room(self) -> bool:
        """Report whether neither what is written nor the receiver's window limits what is sent."""
        sk, plan = self.sk, self.planned
        end = sk.nxt + len(plan.sent_ns)
        reach = np.append(plan.nxt[1:], end)  # the next packet number after each ACK
        return end < sk.write_limit and int((reach - self.una[: plan.taken]).max()) < sk.rwnd

    def _stamp(self, sent_ns: Column) -> None:
        """Note when packets leave whose ACKs belong to the same train."""
        packets, nxt, count = self.sk.packets, self.sk.nxt, len(sent_ns)
        if nxt + count - packets.base > packets.capacity:
            packets.make_room(self.sk.una, nxt, count)
        row = nxt - packets.base
        np.floor_divide(sent_ns, 1000, out=packets.tx_us_np[row : row + count])
