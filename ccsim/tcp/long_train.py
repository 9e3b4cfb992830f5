"""A train longer than a round: ACKs of packets that the train itself lets out.

Where the bottleneck never rests, when ACKs will arrive is known before what they acknowledge is
sent. The windows that the algorithm sets then say when everything leaves, and from that follow the
RTTs. `plan` computes the windows and the departures and changes nothing for good; whoever knows
the path tells how many of the ACKs will come as foreseen, and `take` processes those.
"""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from ccsim.cc.train import AckTrain
from ccsim.tcp.input import MARKED
from ccsim.tcp.sock import TcpSock
from ccsim.tcp.train import (
    AckColumns,
    TrainOutcome,
    leave_as_last_ack,
    may_take_train,
    next_numbers,
    rtt_and_samples,
    timers_keep_still,
    unmarked,
)

__all__ = ["LongTrain", "may_take_long_train"]

Column = NDArray[np.int64]


def may_take_long_train(sk: TcpSock) -> bool:
    """Report whether the algorithm's windows follow from the times of ACKs alone: in congestion
    avoidance, RTT samples of at least ``rtt_floor`` mean nothing to it."""
    return may_take_train(sk) and sk.snd_cwnd >= sk.snd_ssthresh and _rtt_floor(sk) > 0


def _rtt_floor(sk: TcpSock) -> int:
    """Return from where on RTT samples leave no trace in the algorithm [us]; 0 if all may."""
    rtt_floor = sk.ca_ops.rtt_floor
    return 0 if rtt_floor is None else rtt_floor(sk)


class LongTrain:
    """ACKs that arrive at ``t`` [ns] and acknowledge ``una`` packets; the first ``known`` of them
    answer packets that have been sent, the others, of which there must be one, do not.

    Until `take` the socket is as it was. ``cwnd`` is the window after each of the ``count`` ACKs
    that can be taken, ``nxt`` the next packet number before the first and after each of them.
    """

    __slots__ = ("_floor", "_saved", "count", "cwnd", "known", "nxt", "sk", "t", "una")

    def __init__(self, sk: TcpSock, t: Column, una: Column, known: int) -> None:
        self.sk, self.t, self.una, self.known = sk, t, una, known
        self.count = 0
        self._floor = _rtt_floor(sk)
        self.cwnd = self.nxt = np.empty(0, dtype=np.int64)
        ca = sk.snd_cwnd, sk.snd_cwnd_cnt, sk.snd_ssthresh, copy.copy(sk.ca)
        self._saved = ca, sk.tcp_clock_cache

    def plan(self, rows: int) -> int:
        """Let the algorithm take the first ``rows`` ACKs; return how many it took."""
        sk, una = self.sk, self.una[:rows]
        acked = np.empty_like(una)
        acked[0] = una[0] - sk.una
        np.subtract(una[1:], una[:-1], out=acked[1:])
        if int(acked.min()) < 1 or int(acked.max()) + 2 > sk.snd_cwnd:
            return 0
        sk.set_clock(int(self.t[0]))
        acks = AckTrain(
            self.t[:rows],
            una,
            acked,
            self._rtts(rows),
            snd_nxt=sk.nxt,
            mss=sk.mss_cache,
            jiffies0_ns=sk.host.jiffies0_ns,
            jiffy_ns=sk.host.jiffy_ns,
        )
        assert sk.ca_ops.train is not None
        self.count = count = sk.ca_ops.train(sk, acks)
        self.cwnd = acks.cwnd
        if count:
            self.nxt = next_numbers(sk, una[:count], acks.cwnd[:count])
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

    def departures(self) -> Column:
        """Return when each of the packets leaves that the ACKs let out [ns]."""
        nxt = self.nxt
        return self.t[: self.count].repeat(nxt[1:] - nxt[:-1])

    def undo(self) -> None:
        """Leave the socket as it was before `plan`."""
        sk = self.sk
        (sk.snd_cwnd, sk.snd_cwnd_cnt, sk.snd_ssthresh, ca), clock_ns = self._saved
        sk.ca = copy.copy(ca)
        sk.set_clock(clock_ns)

    def take(self, sent_ns: Column, sample_times: list[int]) -> TrainOutcome | None:
        """Process the ACKs of the plan, which let packets out at ``sent_ns`` [ns]; None, and
        nothing changed, if something else than the window or a timer would interfere."""
        sk, count = self.sk, self.count
        ssthresh = self._saved[0][2]
        una, nxt = self.una[:count], self.nxt
        if not self._has_room() or not unmarked(sk.packets, sk.una, sk.nxt, MARKED):
            return None
        self._stamp(sent_ns)
        columns = AckColumns(sk, self.t[:count], una)
        if columns.least_rtt < max(self._floor, 1) and (
            columns.least_rtt < 1 or int(columns.ca_rtt[self.known :].min()) < self._floor
        ):
            return None
        if not timers_keep_still(sk, columns):
            return None
        samples = rtt_and_samples(sk, columns, count, self.cwnd, nxt, ssthresh, sample_times)
        columns.fold_min(sk, count)
        columns.send(sk, nxt)
        leave_as_last_ack(sk, columns, count, nxt)
        return TrainOutcome(count, sent_ns, samples)

    def _has_room(self) -> bool:
        """Report whether neither what is written nor the receiver's window limits what is sent."""
        sk, una, nxt = self.sk, self.una[: self.count], self.nxt
        return int(nxt[-1]) < sk.write_limit and int((nxt[1:] - una).max()) < sk.rwnd

    def _stamp(self, sent_ns: Column) -> None:
        """Note when packets leave whose ACKs belong to the same train."""
        sk = self.sk
        packets, nxt, end = sk.packets, sk.nxt, int(self.nxt[-1])
        if end - packets.base > packets.capacity:
            packets.make_room(sk.una, nxt, end - nxt)
        np.floor_divide(
            sent_ns, 1000, out=packets.tx_us_np[nxt - packets.base : end - packets.base]
        )
