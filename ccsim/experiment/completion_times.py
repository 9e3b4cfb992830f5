"""How long what workloads carry took: by workload, implementation and size, with slowdowns.

A completion time runs from a connection's first packet, or from a response's being written, to the
last byte's ACK; the slowdown is that over the time at line rate on an empty path (Alizadeh et al.,
pFabric, SIGCOMM 2013, section 5). What had not ended by the end of the run is counted and left out
of the means, which are therefore too low where much is unfinished.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.implementation_history import servants
from ccsim.sim.traces import SimResult
from ccsim.units import NS_PER_S

__all__ = ["SIZE_BINS", "completion_rows", "size_bin"]

KB = 1000
SIZE_BINS: Sequence[tuple[str, int]] = (
    ("up to 10 kB", 10 * KB),
    ("10 to 100 kB", 100 * KB),
    ("100 kB to 1 MB", 1_000 * KB),
    ("1 to 10 MB", 10_000 * KB),
    ("above 10 MB", 1 << 62),
)
"""Name and largest size [bytes] of each bin."""
ALL = "all"
Span = tuple[int, int]
Mask = NDArray[np.bool_]


def size_bin(size_bytes: int) -> str:
    """Return the bin of a size."""
    return next(name for name, top in SIZE_BINS if size_bytes <= top)


def completion_rows(result: SimResult, spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Return a row for each workload, implementation and size bin, "all" among the latter two, and
    for each phase in ``spans`` that something started in, of all sizes and implementations.

    ``implementation`` is what served the connection while it carried that, such as ``cubic`` or, if
    it was swapped meanwhile, ``cubic → bbr``.
    """
    found = result.completions
    if found is None:
        return []
    rows = []
    for workload, within in _workloads(result):
        parts = list(_parts(result, within, spans))
        rows += [
            {"workload": workload, **key, **_statistics(result, mask)}
            for key, mask in parts
            if mask.any()
        ]
    return rows


def _workloads(result: SimResult) -> Iterator[tuple[str, Mask]]:
    """Yield each workload, and which completions are its."""
    assert result.completions is not None
    of_flow = [flow.workload for flow in result.flows]
    own = np.array([of_flow[k] for k in result.completions.flow.tolist()], dtype=object)
    for name in dict.fromkeys(name for name in of_flow if name):
        yield name, np.asarray(own == name, dtype=bool)


def _parts(
    result: SimResult, within: Mask, spans: Sequence[Span]
) -> Iterator[tuple[dict[str, Any], Mask]]:
    """Yield the rows' keys and which completions of a workload each counts."""
    found = result.completions
    assert found is not None
    served = servants(result)
    bins = np.array([size_bin(size) for size in found.size_bytes.tolist()], dtype=object)
    names = [ALL, *sorted(set(served[within].tolist()))]
    for name in names if len(names) != 2 else names[1:]:
        by_name = within & ((served == name) if name != ALL else True)
        for label in (ALL, *(label for label, _ in SIZE_BINS)):
            key = {"implementation": name, "sizes": label, "phase": None}
            yield key, by_name & ((bins == label) if label != ALL else True)
    for number, (t0, t1) in enumerate(spans if len(spans) > 1 else ()):
        key = {"implementation": ALL, "sizes": ALL, "phase": number}
        yield key, within & (found.start_ns >= t0) & (found.start_ns < t1)


def _statistics(result: SimResult, mask: Mask) -> dict[str, Any]:
    """Return number, mean and quantiles (linear between order statistics)."""
    found = result.completions
    assert found is not None
    done = mask & (found.end_ns >= 0)
    times = (found.end_ns - found.start_ns)[done]
    return {
        "completed": int(done.sum()),
        "unfinished": int((mask & ~done).sum()),
        "payload_bytes": int(found.size_bytes[done].sum()),
        **_summary("s", times / NS_PER_S),
        **_summary("slowdown", times / found.ideal_ns[done]),
    }


def _summary(unit: str, values: NDArray[np.float64]) -> dict[str, float]:
    names = [f"{name}_{unit}" for name in ("mean", "p50", "p95", "p99")]
    if not len(values):
        return dict.fromkeys(names, math.nan)
    numbers = [float(values.mean()), *map(float, np.percentile(values, [50, 95, 99]))]
    return dict(zip(names, numbers, strict=True))
