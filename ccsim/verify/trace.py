"""A recorded bulk transfer: its description, its flows sampled every 10 ms, its drops and swaps."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.errors import RecordingError
from ccsim.files import from_json
from ccsim.units import NS_PER_MS, NS_PER_S, NS_PER_US
from ccsim.verify.episode import episode_files

__all__ = ["RecordedFlow", "RecordedSwap", "Trace", "load_trace", "trace_files"]

Column = NDArray[np.int64]
UNLIMITED_RATE = (1 << 64) - 1


@dataclass(frozen=True, eq=False)
class RecordedFlow:
    """One flow's samples; columns as in `ccsim.sim.traces.FlowTrace`, ``acked_bytes``,
    ``retransmissions`` and ``rtos`` (0 where a recording does not say) cumulative."""

    congestion: str
    start_ns: int
    t_ns: Column
    snd_cwnd: Column
    srtt_us: Column
    acked_bytes: Column
    retransmissions: Column
    rtos: Column


@dataclass(frozen=True)
class RecordedSwap:
    """One ``setsockopt``: when, on which flow, to what; (cwnd, ssthresh, pacing rate [bytes/s], -1
    for unlimited) just before and after; ca_state before; and packets delivered by then, SACKed
    ones included."""

    t_ns: int
    flow: int
    to: str
    before: tuple[int, int, int]
    after: tuple[int, int, int]
    ca_state: int
    delivered: int


@dataclass(frozen=True, eq=False)
class Trace:
    """A recording; ``drops`` and ``losses`` hold the times [ns] of overflows and of random
    losses, ``drop_flows`` and ``loss_flows`` whose packets they were."""

    name: str
    meta: dict[str, Any]
    flows: tuple[RecordedFlow, ...]
    swaps: tuple[RecordedSwap, ...]
    drops: Column
    losses: Column
    drop_flows: Column
    loss_flows: Column

    @property
    def path(self) -> str:
        """The path's letter, or its numbers if it is none of the known ones."""
        meta = self.meta
        key = (
            round(meta["rate_bps"] / 1e6),
            meta["rtt_ms"],
            meta["buffer_pkts"],
            meta["loss_prob"] > 0,
        )
        return PATHS.get(key, f"{key[0]}M {key[1]}ms {key[2]}")


PATHS = {
    (10, 40, 33, False): "A",
    (50, 20, 42, False): "B",
    (20, 100, 333, False): "C",
    (20, 40, 67, True): "E",
}


def trace_files(paths: Iterable[str]) -> Iterator[Path]:
    """Return the JSON files of the recordings among ``paths``: files, folders, names without
    suffix; RecordingError if there is nothing."""
    stripped = (path.removesuffix(".gz").removesuffix(".csv") for path in paths)
    for path in stripped:
        for suffix in (".snd", ".emu", ".drops", ".bpf"):
            path = path.removesuffix(suffix)
        yield from episode_files([path], what="a recording")


def load_trace(path: Path) -> Trace:
    """Read NAME.json and the columns beside it; RecordingError if one cannot be read."""
    try:
        meta = from_json(path.read_text(encoding="utf-8"))
        rows = _rows(path.with_name(path.stem + ".snd.csv.gz"))
        drops = _rows(path.with_name(path.stem + ".drops.csv.gz"))
        if not meta["flows"]:
            raise ValueError("no flows")
        return Trace(
            name=meta["name"],
            meta=meta,
            flows=tuple(_flow(k, spec, rows) for k, spec in enumerate(meta["flows"])),
            swaps=tuple(_swaps(meta["swaps"], rows)),
            drops=_dropped(drops, "T", "t_us") * NS_PER_US,
            losses=_dropped(drops, "L", "t_us") * NS_PER_US,
            drop_flows=_dropped(drops, "T", "flow"),
            loss_flows=_dropped(drops, "L", "flow"),
        )
    except RecordingError:
        raise
    except Exception as error:  # whatever damaged data make gzip, csv, json or this module raise
        raise RecordingError(f"{path}: expected a recorded transfer, got {error!r}") from error


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        return list(csv.DictReader(file))


def _flow(index: int, spec: dict[str, Any], rows: list[dict[str, str]]) -> RecordedFlow:
    own = [row for row in rows if int(row["flow"]) == index and not row["event"]]
    if not own:
        raise ValueError(f"flow {index} has no samples")
    return RecordedFlow(
        congestion=spec["cc"],
        start_ns=round(spec["start_s"] * NS_PER_S),
        t_ns=np.array([round(float(row["t_ms"]) * NS_PER_MS) for row in own]),
        snd_cwnd=_column(own, "snd_cwnd"),
        srtt_us=_column(own, "srtt_us"),
        acked_bytes=_column(own, "bytes_acked"),
        retransmissions=_column(own, "total_retrans", missing="0"),
        rtos=_column(own, "total_rto", missing="0"),
    )


def _column(rows: list[dict[str, str]], name: str, missing: str | None = None) -> Column:
    """Return a column; KeyError if there is none of that name, and nothing to take instead."""
    cells = (row[name] if missing is None else row.get(name, missing) for row in rows)
    return np.array([int(cell) for cell in cells], dtype=np.int64)


def _swaps(specs: list[dict[str, Any]], rows: list[dict[str, str]]) -> Iterator[RecordedSwap]:
    """Yield the swaps in order of time; the rows around each are those of its flow."""
    marks = [row for row in rows if row["event"] in ("swap_pre", "swap_post")]
    for spec in sorted(specs, key=lambda spec: float(spec["t_s"])):
        own = [row for row in marks if int(row["flow"]) == spec["flow"]]
        at = min(
            range(0, len(own), 2), key=lambda k: abs(float(own[k]["t_ms"]) - 1e3 * spec["t_s"])
        )
        before, after = own[at], own[at + 1]
        t_ns = round(float(before["t_ms"]) * NS_PER_MS)
        yield RecordedSwap(
            t_ns,
            spec["flow"],
            spec["to"],
            _values(before),
            _values(after),
            ca_state=int(before["ca_state"]),
            delivered=int(before["delivered"]) - 1,  # the kernel counts the SYN too
        )


def _values(row: dict[str, str]) -> tuple[int, int, int]:
    rate = int(row["pacing_rate_Bps"])
    return int(row["snd_cwnd"]), int(row["ssthresh"]), -1 if rate == UNLIMITED_RATE else rate


def _dropped(rows: list[dict[str, str]], kind: str, name: str) -> Column:
    return np.array([int(row[name]) for row in rows if row["kind"] == kind], dtype=np.int64)
