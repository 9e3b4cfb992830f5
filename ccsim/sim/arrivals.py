"""Packets that arrive at a receiver as columns: at once where they come in plain order, or beyond
one gap; else one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ccsim.compiled import in_use
from ccsim.ints import as_ints
from ccsim.sim.acks import AckTrainRows, SackTrainRows
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.receiver_train import plain_prefix, receive_train

if TYPE_CHECKING:
    from ccsim.sim.delivering import Delivering

__all__ = ["SACK_ROWS", "TRAIN_ROWS", "Runs", "receive_columns"]

Column = NDArray[np.int64]

TRAIN_ROWS = 256 if in_use() else 12  # shorter trains cost more than their packets one by one
SACK_ROWS = 256 if in_use() else 16  # of packets beyond a gap
ROWS_ONE_BY_ONE = 1024 if in_use() else 48  # before a train is tried again


def receive_columns(flow: Delivering, times: Column, seqs: Column, sent_ns: Column) -> None:
    """Give packets that arrive at ``times`` [ns] and left at ``sent_ns`` [ns] to the flow's
    receiver, and let its ACKs set out."""
    receiver = flow.receiver
    alone = flow.ack_path is None and flow.returns is None
    by_runs = flow.vector and alone and receiver.sacks_alone
    runs: Runs | None = None
    done, n = 0, len(times)
    while done < n:
        acks = AckRows()
        receiver.flush(int(times[done]) + 1, acks)
        flow.send_acks(acks)
        count = plain_prefix(receiver, times[done:], seqs[done:]) if flow.vector else 0
        if count >= TRAIN_ROWS:
            stop = done + count
            _receive_plain(flow, times[done:stop], sent_ns[done:stop])
            done = stop
            continue
        stop = min(n, done + max(count, ROWS_ONE_BY_ONE))
        if by_runs and count < n - done:
            runs = runs or Runs(seqs)
            end = runs.end(done)
            if end - done >= SACK_ROWS and receiver.extends_sack(int(seqs[done])):
                _receive_sacked(flow, times[done:end], seqs[done:end])
                done = end
                continue
            stop = max(done + count, runs.short_until(done, ROWS_ONE_BY_ONE))
        acks = AckRows()
        sent_us = as_ints(sent_ns[done:stop] // 1000)
        receiver.receive(as_ints(times[done:stop]), as_ints(seqs[done:stop]), sent_us, acks)
        flow.send_acks(acks)
        done = stop


def _receive_plain(flow: Delivering, times: Column, sent_ns: Column) -> None:
    at, numbers, echoes = receive_train(flow.receiver, times, sent_ns)
    if flow.ack_path is not None:
        at, numbers, echoes = flow.ack_path.train(at, numbers, echoes)
    if flow.returns_train is not None:
        if len(at):
            flow.returns_train(at, numbers, echoes)
        return
    if len(at) and flow.closed_ns is None:
        flow.hear_train(AckTrainRows(at + flow.path.back_ns, numbers, echoes))


def _receive_sacked(flow: Delivering, times: Column, seqs: Column) -> None:
    """Take packets beyond a gap, each of which the receiver SACKs beyond the one before."""
    known, rest, echo_us = flow.receiver.receive_sacked(len(seqs))
    if flow.closed_ns is None:
        at = times + flow.path.back_ns
        flow.hear_train(SackTrainRows(at, seqs + 1, known, rest, echo_us))


class Runs:
    """The runs of consecutive numbers among packets."""

    __slots__ = ("ends",)

    def __init__(self, seqs: Column) -> None:
        breaks = np.flatnonzero(seqs[1:] - seqs[:-1] != 1) + 1
        self.ends: list[int] = [*breaks.tolist(), len(seqs)]

    def end(self, k: int) -> int:
        """Return where the run of packet ``k`` ends."""
        return self.ends[bisect_right(self.ends, k)]

    def short_until(self, k: int, most: int) -> int:
        """Return up to where packets from ``k`` on go one by one: the first of a long run by
        itself, as it may only open a gap; short runs up to the next long one, about ``most``
        packets."""
        ends = self.ends
        at = bisect_right(ends, k)
        if ends[at] - k > SACK_ROWS:
            return k + 1
        while at + 1 < len(ends) and ends[at] < k + most and ends[at + 1] - ends[at] <= SACK_ROWS:
            at += 1
        return ends[at]
