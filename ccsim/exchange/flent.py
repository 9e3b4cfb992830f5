"""A run as a flent data file (version 4 of the format): streams up, and a ping beside them.

It is the test ``tcp_nup`` with a stream for each flow that is recorded, so that flent has plots for
it; cwnd, RTT and pacing rate are values of the streams, as flent keeps what ``ss`` says.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim import __version__
from ccsim.errors import ResultsError
from ccsim.exchange.capture import Selection
from ccsim.exchange.resimulate import scenario_of, stored_result
from ccsim.experiment.metrics import jain_index
from ccsim.experiment.stored import StoredRun
from ccsim.files import to_json, write_whole
from ccsim.net.link import HEADER_BYTES
from ccsim.sim.traces import FlowTrace, LinkTrace, SimResult
from ccsim.spec import Scenario

__all__ = ["write_flent"]

Floats = NDArray[np.float64]
Values = list[float | None]
FORMAT_VERSION = 4
STEP_S = 0.2  # flent's own
START_S = 946_684_800  # 2000-01-01, when all runs begin
START = "2000-01-01T00:00:00.000000Z"
PING = "Ping (ms) ICMP"


def write_flent(
    run: StoredRun,
    target: Path,
    *,
    twin: str = "none",
    wanted: Selection = Selection(),  # noqa: B008
) -> int:
    """Write a run, or a twin of it, for flent; return the size of the file [bytes].

    ResultsError if no flow is recorded, OSError if ``target`` cannot be written.
    """
    result = stored_result(run, twin)
    flows = [
        flow
        for flow in result.flows
        if flow.recorded and len(flow.t_ns) > 1 and wanted.names(flow.name, flow.workload)
    ]
    if not flows:
        raise ResultsError(str(run.path), "expected a flow with samples, got none")
    text = to_json(_document(run, scenario_of(run, twin), result, flows), indent=1)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
        stream.write(text.encode())
    write_whole(target, packed.getvalue())
    return len(packed.getvalue())


def _document(
    run: StoredRun, scenario: Scenario, result: SimResult, flows: Sequence[FlowTrace]
) -> dict[str, Any]:
    step_s = max(STEP_S, scenario.record.interval_ns / 1e9)
    instants = np.arange(step_s, result.duration_ns / 1e9 + step_s / 2, step_s)
    series = [_throughput(flow, instants, step_s, result.duration_ns) for flow in flows]
    ping = _ping(scenario, result, flows)
    results: dict[str, Values] = {
        f"TCP upload::{k}": values for k, values in enumerate(series, start=1)
    }
    rates = list(zip(*series, strict=True))
    results |= {
        "TCP upload avg": [_over(rate, np.mean) for rate in rates],
        "TCP upload sum": [_over(rate, np.sum) for rate in rates],
        "TCP upload fairness": [_over(rate, jain_index) for rate in rates],
        PING: np.interp(instants, *ping).tolist(),
    }
    raw = {f"TCP upload::{k}": _raw(flow) for k, flow in enumerate(flows, start=1)}
    raw[PING] = [_at(t, {"val": ms}) for t, ms in zip(*map(np.ndarray.tolist, ping), strict=True)]
    about = {
        f"TCP upload::{k}": {"CONGESTION": flow.congestion, "FLOW": flow.name, "UNITS": "Mbits/s"}
        for k, flow in enumerate(flows, start=1)
    }
    return {
        "version": FORMAT_VERSION,
        "metadata": _metadata(run, scenario, result, len(flows), step_s) | {"SERIES_META": about},
        "x_values": instants.tolist(),
        "results": results,
        "raw_values": raw,
    }


def _metadata(
    run: StoredRun, scenario: Scenario, result: SimResult, streams: int, step_s: float
) -> dict[str, Any]:
    seconds = result.duration_ns / 1e9
    return {
        "NAME": "tcp_nup",
        "TITLE": run.name,
        "NOTE": f"simulated by ccsim {__version__}, run {run.run_id}, seed {scenario.seed}",
        "HOST": "receiver",
        "HOSTS": ["receiver"],
        "LOCAL_HOST": "sender",
        "TIME": START,
        "T0": START,
        "LENGTH": seconds,
        "TOTAL_LENGTH": seconds,
        "STEP_SIZE": step_s,
        "DATA_FILENAME": f"{run.name}.flent.gz",
        "TEST_PARAMETERS": {"upload_streams": str(streams)},
        "FLENT_VERSION": "2.0.0",
        "IP_VERSION": 4,
        "BATCH_NAME": None,
        "BATCH_TIME": None,
        "BATCH_TITLE": None,
        "BATCH_UUID": None,
    }


def _over(rates: Sequence[float | None], measure: Callable[[list[float]], Any]) -> float | None:
    """Return a measure of the streams that there are at an instant."""
    known = [rate for rate in rates if rate is not None]
    return float(measure(known)) if known else None


def _throughput(flow: FlowTrace, instants: Floats, step_s: float, end_ns: int) -> Values:
    """Return the payload delivered in the step before each instant [Mbit/s]; nothing before the
    flow's first step and after its last."""
    t = flow.t_ns / 1e9
    bits = np.cumsum(flow.throughput_bps * np.diff(t, prepend=flow.start_ns / 1e9))
    so_far = np.interp(instants, t, bits, left=0.0)
    rates = np.diff(so_far, prepend=0.0) / step_s / 1e6
    last_s = (end_ns if flow.end_ns is None else flow.end_ns) / 1e9
    alive = (instants > flow.start_ns / 1e9) & (instants - step_s < last_s)
    return [rate if there else None for rate, there in zip(rates.tolist(), alive, strict=True)]


def _raw(flow: FlowTrace) -> list[dict[str, Any]]:
    """Return a stream's samples."""
    columns = (flow.t_ns, flow.throughput_bps, flow.snd_cwnd, flow.srtt_us, flow.pacing_rate_bps)
    rows = []
    for t, bps, cwnd, srtt_us, pacing_bps in zip(*map(np.ndarray.tolist, columns), strict=True):
        values = {"val": bps / 1e6, "tcp_delivery_rate": bps / 1e6, "tcp_cwnd": cwnd}
        if srtt_us:
            values["tcp_rtt"] = srtt_us / 1000
        if pacing_bps >= 0:
            values["tcp_pacing_rate"] = pacing_bps / 1e6
        rows.append(_at(t / 1e9, values))
    return rows


def _at(t_s: float, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"t": START_S + t_s, **values}


def _ping(
    scenario: Scenario, result: SimResult, flows: Sequence[FlowTrace]
) -> tuple[Floats, Floats]:
    """Return times [s] and what a ping beside the flows would find [ms]: the RTT without load and
    the wait of the one queue; of a path of several hops the least smoothed RTT of the flows."""
    if len(result.links) == 1 and not scenario.hops:
        (link,) = result.links
        base_ms = scenario.path.rtt_ns / 1e6
        full_bits = 8 * (scenario.tcp.mss_bytes + HEADER_BYTES)
        rates, waits = _rates(link), np.zeros(len(link.t_ns))
        np.divide(link.queue_packets * full_bits * 1e3, rates, out=waits, where=rates > 0)
        return link.t_ns / 1e9, base_ms + waits
    t = result.links[0].t_ns
    known = np.full((len(flows), len(t)), np.inf)
    for row, flow in zip(known, flows, strict=True):
        at = np.searchsorted(flow.t_ns, t, side="right") - 1
        rtt = np.where(at >= 0, flow.srtt_us[at], 0)
        row[rtt > 0] = rtt[rtt > 0] / 1000
    least = known.min(axis=0)
    there = np.isfinite(least)
    return t[there] / 1e9, least[there]


def _rates(link: LinkTrace) -> Floats:
    """Return what the line carries at each sample [bit/s]."""
    if not link.rates:
        return np.full(len(link.t_ns), float(link.rate_bps))
    times, rates = np.array(link.rates).T
    return rates[np.maximum(np.searchsorted(times, link.t_ns, side="right") - 1, 0)].astype(float)
