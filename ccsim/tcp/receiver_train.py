"""The receiver's closed forms: the ACKs that a train of packets in order elicits, as columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.tcp.host import NEVER
from ccsim.tcp.receiver import Receiver

__all__ = ["elicits", "plain_prefix", "receive_train"]

Column = NDArray[np.int64]


def plain_prefix(receiver: Receiver, times: Column, seqs: Column) -> int:
    """Return how many leading packets `receive_train` can take: consecutive, and after the first
    so close that no timer fires, nor changes anything while ``quick`` lasts."""
    n = len(times)
    if receiver.pushed:
        n = min(n, receiver.before_push())
    if receiver.starts or receiver.writer or receiver.pingpong:
        return 0
    if not n or receiver.delack_ns <= times[0]:
        return 0
    if receiver.ecn is not None and not (receiver.ecn.plain and not receiver.ecn.ece):
        return 0
    n = min(n, max(receiver.fin - receiver.rcv_nxt, 0))
    near_ns = receiver.near_ns if receiver.quick else receiver.ato_min * receiver.host.jiffy_ns
    shift = seqs[:n] - np.arange(receiver.rcv_nxt, receiver.rcv_nxt + n)
    if shift.any():
        n = int(shift.nonzero()[0][0])
    late = _late(times[:n], near_ns)
    return late[0] if late else n


def _late(times: Column, near_ns: int) -> list[int]:
    """Return which packets come ``near_ns`` [ns] or more after the one before."""
    if not len(times) or times[-1] - times[0] < near_ns:
        return []
    late: list[int] = ((times[1:] - times[:-1] >= near_ns).nonzero()[0] + 1).tolist()
    return late


def _adapt(receiver: Receiver, times: Column) -> int:
    """Let the delayed-ACK timeout adapt to the first packet and to each that is late; return how
    many follow the last of these."""
    last = 0
    receiver.adapt(int(times[0]))
    for k in _late(times, receiver.near_ns):
        receiver.come_close(k - last - 1, 0)
        receiver.lrcv_ns = int(times[k - 1])
        receiver.adapt(int(times[k]))
        last = k
    return len(times) - last - 1


def elicits(receiver: Receiver, n: int) -> Column:
    """Return which of the next ``n`` packets are acknowledged at once if all are in order and
    none is late: while ``quick`` lasts all, afterwards every second."""
    if not receiver.delayed:
        return np.arange(n)
    if not receiver.quick:
        return np.arange(1 - receiver.unacked, n, 2)
    # A packet that waited when the quick phase begins is covered by its first ACK.
    quick = min(receiver.quick, n)
    return np.concatenate((np.arange(quick), np.arange(quick + 1, n, 2)))


def receive_train(
    receiver: Receiver, times: Column, tx_ns: Column
) -> tuple[Column, Column, Column]:
    """Take consecutive packets, sent at ``tx_ns`` [ns], at once (see `plain_prefix`); return
    the ACKs' times [ns], numbers and echoes [us].

    While ``quick`` lasts every packet is acknowledged; afterwards every second, counted from
    the last ACK.
    """
    n = len(times)
    close = _adapt(receiver, times)
    pending = receiver.unacked
    at = elicits(receiver, n)
    sent = len(at)
    numbers = at + (receiver.rcv_nxt + 1)
    first = np.empty(sent, dtype=np.int64)  # the packet that each ACK echoes
    if sent:
        first[0] = 0
        first[1:] = at[:-1] + 1
    echoes = tx_ns.take(first) // 1000
    if sent and pending:
        echoes[0] = receiver.echo_us
    _after_train(receiver, times, tx_ns, close, echoes, int(at[-1]) if sent else -1)
    return times.take(at), numbers, echoes


def _after_train(
    receiver: Receiver, times: Column, tx_ns: Column, close: int, echoes: Column, last: int
) -> None:
    """Note what a train leaves, whose last ``close`` packets came close to each other, after ACKs
    with these ``echoes``, the last elicited by packet ``last``."""
    n, sent = len(times), len(echoes)
    receiver.rcv_nxt += n
    receiver.lrcv_ns = int(times[-1])
    receiver.come_close(close, sent)
    if sent:
        receiver.unacked = n - 1 - last
        receiver.echo_us = int(echoes[-1])
        receiver.delack_ns = NEVER
        waiting = last + 1
    else:
        waiting = 0 if not receiver.unacked else -1
        receiver.unacked += n
    if receiver.unacked and waiting >= 0 and n > waiting:
        receiver.echo_us = int(tx_ns[waiting]) // 1000
        receiver.delack_ns = receiver.expiry(int(times[waiting]))
