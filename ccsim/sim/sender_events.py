"""The sender's share of a window one event after the other: ACKs, timers and samples in their
order."""

from __future__ import annotations

from typing import Any

from ccsim.kernel.ops import CaState
from ccsim.sim.acks import AcksInColumns, PlainAcks
from ccsim.sim.sampler import Sampler
from ccsim.tcp.ack_rows import AckRow, AckRows
from ccsim.tcp.input import on_ack
from ccsim.tcp.pacer import on_pacing_timer, send_paced
from ccsim.tcp.sender import Sender

__all__ = ["ALL_TAKEN", "SOURCE_FIRST", "WATCHED", "fire_timers", "take_rows"]

OPEN = int(CaState.OPEN)
ALL_TAKEN = 0  # of the ACKs that may be taken now
WATCHED = 1  # the ACK taken last means something to the application
SOURCE_FIRST = 2  # the application writes before the next ACK


def fire_timers(sk: Sender, sampler: Sampler, t_ns: int, write_ns: int) -> None:
    """Let timers fire that are due before ``t_ns`` and not after ``write_ns``, the retransmission
    timer first at a tie, and take the samples before them."""
    while True:
        timer, pace = sk.timer_ns, sk.pacing_ns
        t = pace if pace < timer else timer
        if t >= t_ns or t > write_ns:
            return
        if sampler.next_ns < t:
            sampler.catch_up(sk, t)
        if pace < timer:
            if sk.ca_state == OPEN and send_paced(
                sk, min(t_ns, timer, sampler.next_ns + 1, write_ns + 1)
            ):
                continue
            sk.tcp_clock_cache = pace
            sk.tcp_mstamp = pace // 1000
            on_pacing_timer(sk)
        else:
            sk.fire_timer(timer)


def _catch_up(sk: Sender, sampler: Sampler, t_ns: int, write_ns: int) -> None:
    """Let timers fire and take the samples before an ACK at ``t_ns``."""
    if sk.pacing_ns < t_ns or sk.timer_ns < t_ns:
        fire_timers(sk, sampler, t_ns, write_ns)
    if sampler.next_ns < t_ns:
        sampler.catch_up(sk, t_ns)


def take_rows(
    sk: Sender,
    sampler: Sampler,
    rows: AcksInColumns | AckRows,
    horizon_ns: int,
    watch: int,
    write_ns: int,
) -> int:
    """Process ACKs before the horizon one by one, with the timers and samples between them, and
    move ``rows.at`` on.

    Of a train that was refused only some are taken. Stops after the ACK that acknowledges packet
    number ``watch - 1``, and before one that comes after ``write_ns``. Returns which of the three
    it was.
    """
    stop = len(rows)
    if isinstance(rows, AckRows):
        if isinstance(rows, list):
            return _take_tuples(
                sk, sampler, rows, rows, 0, rows.back_ns, stop, horizon_ns, watch, write_ns
            )
        return _take_cells(sk, sampler, rows, stop, horizon_ns, watch, write_ns)
    if rows.at < rows.retry < stop:
        stop = rows.retry
    if isinstance(rows, PlainAcks):
        t, una, echo_us = memoryview(rows.t), memoryview(rows.numbers), memoryview(rows.echo_us)
        return _take_columns(sk, sampler, rows, t, una, echo_us, stop, horizon_ns, watch, write_ns)
    acks = rows.part(rows.at, stop)
    return _take_tuples(sk, sampler, rows, acks, rows.at, 0, stop, horizon_ns, watch, write_ns)


def _take_columns(
    sk: Sender,
    sampler: Sampler,
    rows: PlainAcks,
    times: memoryview,
    numbers: memoryview,
    echoes: memoryview,
    stop: int,
    horizon_ns: int,
    watch: int,
    write_ns: int,
) -> int:
    """Process plain ACKs, up to number ``stop``, as `take_rows` does."""
    for k in range(rows.at, stop):
        t = times[k]
        if t >= horizon_ns or write_ns < t:
            rows.at = k
            return SOURCE_FIRST if t < horizon_ns else ALL_TAKEN
        if sk.pacing_ns < t or sk.timer_ns < t or sampler.next_ns < t:
            _catch_up(sk, sampler, t, write_ns)
        on_ack(sk, t, numbers[k], echoes[k], None)
        if sk.una >= watch:
            rows.at = k + 1
            return WATCHED
    rows.at = stop
    return ALL_TAKEN


def _take_cells(
    sk: Sender,
    sampler: Sampler,
    rows: Any,
    stop: int,
    horizon_ns: int,
    watch: int,
    write_ns: int,
) -> int:
    """Process ACKs of any kind as machine code keeps them."""
    back_ns = rows.back_ns
    for k in range(rows.at, stop):
        t = rows.cells[k].t + back_ns
        una = rows.cells[k].una
        if t < horizon_ns and una < 0:  # the answer to a SYN sent twice
            continue
        if t >= horizon_ns or write_ns < t:
            rows.at = k
            return SOURCE_FIRST if t < horizon_ns else ALL_TAKEN
        if sk.pacing_ns < t or sk.timer_ns < t or sampler.next_ns < t:
            _catch_up(sk, sampler, t, write_ns)
        on_ack(sk, t, una, rows.cells[k].echo_us, rows.blocks_of(k))
        if sk.una >= watch:
            rows.at = k + 1
            return WATCHED
    rows.at = stop
    return ALL_TAKEN


def _take_tuples(
    sk: Sender,
    sampler: Sampler,
    rows: AcksInColumns | AckRows,
    acks: list[AckRow],
    first: int,
    back_ns: int,
    stop: int,
    horizon_ns: int,
    watch: int,
    write_ns: int,
) -> int:
    """Process ACKs of any kind, of which ``acks`` holds those from number ``first`` on."""
    for k in range(rows.at, stop):
        t, una, echo_us, blocks = acks[k - first]
        t += back_ns
        if t < horizon_ns and una < 0:  # the answer to a SYN sent twice
            continue
        if t >= horizon_ns or write_ns < t:
            rows.at = k
            return SOURCE_FIRST if t < horizon_ns else ALL_TAKEN
        if sk.pacing_ns < t or sk.timer_ns < t or sampler.next_ns < t:
            _catch_up(sk, sampler, t, write_ns)
        on_ack(sk, t, una, echo_us, blocks)
        if sk.una >= watch:
            rows.at = k + 1
            return WATCHED
    rows.at = stop
    return ALL_TAKEN
