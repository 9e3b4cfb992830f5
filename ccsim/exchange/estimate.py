"""What path a capture was taken on: rate, base RTT, buffer, loss, as the senders' packets tell.

The one bottleneck is modelled as ccsim's path is: a line behind a queue. Its rate is what is
delivered while packets wait for it; the base RTT is the least round trip less what the packet takes
on the line; the buffer is the wait just when packets were lost; losses that fall where the queue
was short are random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ccsim.exchange.connections import CapturedConnection, captured
from ccsim.exchange.errors import ImportedFileError
from ccsim.exchange.sending import INTERVAL_NS

__all__ = ["Estimate", "FlowEstimate", "Known", "estimated"]

Floats = NDArray[np.float64]
MOST_INTERVALS = 10_000_000  # 28 hours
HEADER_BYTES, SYN_BYTES = 52, 60
WINDOW_PACKETS = 200
WINDOW_S = 0.25
NEAR_MOST = 0.97
FULL = 0.7  # of the largest wait at a loss: the queue was full
NEAR_LARGEST = 0.9
CLOSE = 0.02
FEW_LOSSES = 5
FEW_EARLY = 0.2


@dataclass(frozen=True, slots=True)
class Known:
    """A number, how it was estimated, and how sure it is."""

    value: float
    how: str
    sure: str


@dataclass(frozen=True, slots=True)
class FlowEstimate:
    """One connection: start [s], payload [bytes] if it was seen to end, base RTT [s]."""

    name: str
    start_s: float
    size_bytes: int | None
    base_rtt_s: float
    ecn: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a capture tells of its path; ``rate`` [bit/s], ``rtt`` [s], ``buffer`` [packets]."""

    file: str
    duration_s: float
    mss_bytes: int
    initial_window: int
    rate: Known
    rtt: Known
    buffer: Known
    loss: Known
    flows: tuple[FlowEstimate, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """What packets take on the line: a full one ``service_s``; ``filled``: its rate was seen."""

    rate_bps: float
    full_bytes: int
    filled: bool

    @property
    def service_s(self) -> float:
        return 8 * self.full_bytes / self.rate_bps


def estimated(path: Path) -> Estimate:
    """Return what a capture tells of its path; ImportedFileError if it is none, or too short to
    tell, or from the receiver's side; OSError."""
    connections, first_ns, notes = captured(path)
    for one in connections:
        if one.is_from_receiver:
            reason = f"expected a capture from the sender's side, got {one.name} at the receiver"
            raise ImportedFileError(str(path), "", reason)
        one.sending.flush()
    measured = [one for one in connections if one.sending.least_rtt_ns > 0]
    if not measured:
        raise ImportedFileError(str(path), "", "expected ACKs of data, to measure round trips by")
    longest = max(connections, key=lambda one: one.sending.delivered_bytes)
    mss = longest.sending.full_bytes
    full = mss + (longest.header_bytes or HEADER_BYTES)
    last_ns = max(one.sending.last_ns for one in connections)
    rate, filled = _rate(measured, full, mss, str(path))
    line = _Line(rate.value, full, filled)
    bases = {one.name: _base_s(one, line) for one in measured}
    rtt = _rtt(longest if longest in measured else measured[0], bases, line)
    waits = [
        (rtt_ns / 1e9 - bases[one.name]) / line.service_s
        for one in measured
        for _, rtt_ns in one.sending.losses
        if rtt_ns
    ]
    flows = tuple(
        FlowEstimate(
            one.name,
            (one.sending.start_ns - first_ns) / 1e9,
            _size(one) if one.sending.fin else None,
            bases.get(one.name, rtt.value),
            one.ect,
        )
        for one in connections
    )
    return Estimate(
        str(path),
        (last_ns - first_ns) / 1e9,
        mss,
        max(1, round(longest.sending.first_flight_bytes / mss)),
        rate,
        rtt,
        _buffer(measured, waits, bases, line),
        _loss(measured, waits),
        flows,
        tuple(notes),
    )


def _size(one: CapturedConnection) -> int:
    return max(one.sending.nxt - 2, 1)  # SYN and FIN count as one byte each


# --- the rate ---


def _rate(
    measured: Sequence[CapturedConnection], full: int, mss: int, file: str
) -> tuple[Known, bool]:
    """Return the line's rate [bit/s], headers included, and whether it was seen filled; full
    packets have ``full`` bytes, ``mss`` of payload."""
    start = min(int(one.sending.columns["t_ns"][0]) for one in measured) // INTERVAL_NS
    stop = max(int(one.sending.columns["t_ns"][-1]) for one in measured) // INTERVAL_NS + 1
    if stop - start > MOST_INTERVALS:
        reason = f"expected at most {MOST_INTERVALS // 360_000} hours, got {stop - start} x 10 ms"
        raise ImportedFileError(file, "", reason)
    delivered = np.zeros(stop - start)
    busy = np.zeros(stop - start, dtype=bool)
    for one in measured:
        rows, numbers, rtts = _filled(one, start, stop)
        delivered += numbers
        least_us = one.sending.least_rtt_ns / 1000
        # a packet that waits for two others at least has found the line busy
        busy[rows] |= rtts > least_us * 1.02 + 0.05 * (one.sending.most_rtt_ns / 1000 - least_us)
    rates = _while_busy(delivered, busy, longest_bits=8 * full * WINDOW_PACKETS)
    if len(rates):
        seconds = busy.sum() * INTERVAL_NS / 1e9
        low, high = np.quantile(rates, (0.25, 0.75))
        middle = float(rates[(rates >= low) & (rates <= high)].mean())
        how = f"delivered while round trips tell of a queue, {seconds:.1f} s in all, with headers"
        half = f"{_share(low, middle)} to {_share(high, middle)}"
        close = high < 1.02 * low
        sure = "within a percent or so" if close else f"doubtful: half of it varies from {half}"
        return Known(middle * full / mss, how, sure), True
    return _fastest(delivered, full / mss, file), False


def _filled(one: CapturedConnection, start: int, stop: int) -> tuple[slice, Floats, Floats]:
    """Return the intervals from a connection's first to its last, what it had delivered in each
    interval of all [bytes], and its latest RTT in its own [us]."""
    columns = one.sending.columns
    at = np.array(columns["t_ns"]) // INTERVAL_NS - start
    numbers, rtts = (np.array(columns[name], dtype=float) for name in ("delivered_bytes", "rtt_us"))
    last = np.searchsorted(at, np.arange(stop - start), side="right") - 1
    filled = np.where(last >= 0, numbers[np.maximum(last, 0)], 0.0)
    rows = slice(int(at[0]), int(at[-1]) + 1)
    return rows, filled, rtts[last[rows]]


def _while_busy(delivered: Floats, busy: NDArray[np.bool_], longest_bits: int) -> Floats:
    """Return the rates over windows in which the line was busy throughout: a quarter of a second,
    or longer where it takes longer for that many bits, as a window has whole packets."""
    width = round(WINDOW_S * 1e9 / INTERVAL_NS)
    if not busy.any():
        return np.empty(0)
    guess_bps = 8 * (delivered[-1] - delivered[0]) / max(int(busy.sum()), 1) * 1e9 / INTERVAL_NS
    if guess_bps > 0:
        width = max(width, round(longest_bits / guess_bps * 1e9 / INTERVAL_NS))
    if width >= len(busy):
        return np.empty(0)
    so_far = np.concatenate(([0], np.cumsum(busy)))
    inside = so_far[width + 1 :] - so_far[: -width - 1] == width + 1
    rates = 8 * (delivered[width:] - delivered[:-width]) / (width * INTERVAL_NS / 1e9)
    found: Floats = rates[inside]
    return found


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}"


def _fastest(delivered: Floats, overhead: float, file: str) -> Known:
    """Return the fastest that was delivered over a quarter of a second."""
    width = min(round(WINDOW_S * 1e9 / INTERVAL_NS), len(delivered) - 1)
    if width < 1:
        raise ImportedFileError(file, "", "expected 20 ms of traffic at least, got less")
    rates = 8 * (delivered[width:] - delivered[:-width]) / (width * INTERVAL_NS / 1e9)
    most = float(np.median(rates[rates >= NEAR_MOST * rates.max()]))
    if most <= 0:
        raise ImportedFileError(file, "", "expected data that is acknowledged, got none")
    how = "the most that was delivered in a quarter of a second, with headers"
    return Known(most * overhead, how, "at least this: no queue was seen for long, it may be more")


# --- the base RTT ---


def _base_s(one: CapturedConnection, line: _Line) -> float:
    """Return a connection's round trip without its packet's time on the line [s]."""
    least_s, shake_s = one.sending.least_rtt_ns / 1e9, one.handshake_ns / 1e9
    if line.filled:
        least_s -= line.service_s
        shake_s -= 8 * SYN_BYTES / line.rate_bps
    return max(min(least_s, shake_s) if shake_s > 0 else least_s, 1e-6)


def _rtt(one: CapturedConnection, bases: dict[str, float], line: _Line) -> Known:
    how = "the least round trip of data or handshake, less the packet's own time on the line"
    if not one.handshake_ns:
        sure = "at most this: without the handshake a standing queue looks like distance"
        return Known(bases[one.name], how, sure)
    spread = one.sending.least_rtt_ns / 1e9 - line.service_s - bases[one.name]
    if abs(spread) < CLOSE * bases[one.name]:
        return Known(bases[one.name], how, "within a percent or so: handshake and data agree")
    return Known(bases[one.name], how, "rests on the handshake: data never found the queue empty")


# --- the buffer, and losses ---


def _buffer(
    measured: Sequence[CapturedConnection],
    waits: Sequence[float],
    bases: dict[str, float],
    line: _Line,
) -> Known:
    """Return the queue's limit [packets]."""
    largest = max((_long_rtt_s(one) - bases[one.name]) / line.service_s for one in measured)
    if not waits:
        how = "twice the longest wait that was seen, as nothing was lost"
        return Known(max(2 * largest, 10.0), how, "a guess: it was never full")
    most = float(np.quantile(waits, 0.9))
    full = [wait for wait in waits if wait >= FULL * most]
    limit = max(float(np.median(full)), 1.0)
    how = f"the wait of packets that left when others were lost, over {len(full)} losses"
    if limit < NEAR_LARGEST * largest:
        how = f"the longest wait that was seen; losses came at {limit:.0f} packets"
        return Known(largest, how, "at least this: losses that come earlier tell nothing of it")
    return Known(limit, how, "within a tenth" if len(full) > FEW_LOSSES else "rough: few losses")


def _long_rtt_s(one: CapturedConnection) -> float:
    """Return a round trip that few are longer than, as those of late ACKs are [s]."""
    rtts = np.array(one.sending.columns["rtt_us"], dtype=float)
    return float(np.quantile(rtts[rtts > 0], 0.99)) / 1e6 if (rtts > 0).any() else 0.0


def _loss(measured: Sequence[CapturedConnection], waits: Sequence[float]) -> Known:
    """Return the probability of a random loss."""
    packets = sum(one.sending.packets for one in measured)
    if not waits:
        return Known(0.0, f"nothing was sent again, of {packets} packets", "sure")
    most = float(np.quantile(waits, 0.9))
    early = sum(wait < FULL * most for wait in waits)
    how = f"{early} of {len(waits)} packets were sent again while the queue was short"
    if early <= FEW_LOSSES or early < FEW_EARLY * len(waits):
        return Known(0.0, f"{how}: so few may be late ones of a full queue", "fairly sure")
    return Known(early / packets, f"{how}, of {packets}", "rough: spurious ones count, too")
