"""Benchmarks of the simulator: wall time, cost per data packet and peak memory of standard cases.

Each repeat runs in a process of its own, so that memory is that case's alone and nothing is warm.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ccsim.compiled import in_use
from ccsim.experiment.peers import PEERS, Peer, PeerCase, command, run_peer
from ccsim.words import did_you_mean, listed

if TYPE_CHECKING:
    from ccsim.scenario import Scenario

__all__ = [
    "CASES",
    "CURVES",
    "PEER_NS",
    "find_peers",
    "measure_case",
    "measure_curves",
    "run_bench",
    "run_case",
]

SCALAR_RENO = """\
from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_cong_avoid_ai, tcp_slow_start


def ssthresh(sk):
    return max(sk.snd_cwnd >> 1, 2)


def undo_cwnd(sk):
    return max(sk.snd_cwnd, sk.prior_cwnd)


def cong_avoid(sk, ack, acked):
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)
    tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked)


scalar_reno = TcpCongestionOps(
    name="scalar_reno", ssthresh=ssthresh, undo_cwnd=undo_cwnd, cong_avoid=cong_avoid
)
"""
"""An algorithm as users write them: its hooks see one ACK at a time."""

CASES: dict[str, dict[str, Any]] = {
    "cubic-100M": {"rate": "100 Mbit/s", "congestion": ["cubic"]},
    "reno-100M": {"rate": "100 Mbit/s", "congestion": ["reno"]},
    "bbr-100M": {"rate": "100 Mbit/s", "congestion": ["bbr"]},
    "cubic-1G": {"rate": "1 Gbit/s", "congestion": ["cubic"]},
    "cubic-10G": {"rate": "10 Gbit/s", "congestion": ["cubic"], "duration": "30 s"},
    "cubic-10-flows": {"rate": "100 Mbit/s", "congestion": ["cubic"] * 10},
    "mixed-100-flows": {"rate": "1 Gbit/s", "congestion": ["reno", "cubic", "bbr"] * 33 + ["reno"]},
    "cubic-1000-flows": {
        "rate": "10 Gbit/s",
        "congestion": ["cubic"] * 1000,
        "apart": "1 ms",
        "duration": "5 s",
    },
    "reno-loss-0.1%": {"rate": "100 Mbit/s", "congestion": ["reno"], "loss": "0.1 %"},
    "reno-50M-loss-1%": {"rate": "50 Mbit/s", "congestion": ["reno"], "loss": "1 %"},
    "scalar-only-100M": {"rate": "100 Mbit/s", "congestion": ["scalar_reno"]},
    "rollout-1000": {"scenario": "rollout"},
    "rollout-10000": {
        "scenario": "rollout",
        "set": [
            "path.rate=3 Gbit/s",
            *("workloads.0.arrivals.poisson=103 /s", "workloads.0.max=6000"),
            *("workloads.1.arrivals.poisson=70 /s", "workloads.1.max=4000"),
        ],
    },
}
"""What runs: 40 ms, a buffer of one BDP, 60 s unless said otherwise, traces every 10 ms; or a
shipped scenario, with what is set in it."""

CURVES: dict[str, dict[str, list[tuple[float, dict[str, Any]]]]] = {
    "rate (Mbit/s)": {
        algorithm: [
            (rate, {"rate": f"{rate} Mbit/s", "congestion": [algorithm], "duration": duration})
            for rate, duration in ((10, "60 s"), (100, "60 s"), (1000, "30 s"), (10000, "15 s"))
        ]
        for algorithm in ("cubic", "bbr")
    },
    "flows": {
        algorithm: [
            (n, {"rate": "100 Mbit/s", "congestion": [algorithm] * n, "duration": "30 s"})
            for n in (1, 3, 10, 30, 100)
        ]
        for algorithm in ("cubic", "bbr")
    },
    "RTT (ms)": {
        algorithm: [
            (rtt, {"rate": "100 Mbit/s", "rtt": f"{rtt} ms", "congestion": [algorithm]})
            for rtt in (1, 4, 10, 40, 160)
        ]
        for algorithm in ("cubic", "bbr")
    },
    "random loss (%)": {
        algorithm: [
            (loss, {"rate": "100 Mbit/s", "loss": f"{loss} %", "congestion": [algorithm]})
            for loss in (0.001, 0.01, 0.1, 1)
        ]
        for algorithm in ("cubic", "bbr")
    },
    "duration (s)": {
        algorithm: [
            (s, {"rate": "100 Mbit/s", "congestion": [algorithm], "duration": f"{s} s"})
            for s in (10, 30, 100, 300)
        ]
        for algorithm in ("cubic", "bbr")
    },
}
"""What the cost chart measures: axis, then algorithm, then position and case."""

PEER_NS = 20_000_000_000  # simulated time that other simulators are given


def scenario_of(case: dict[str, Any], folder: Path) -> Scenario:
    """Return what a case simulates; an algorithm that is not shipped is written into ``folder``."""
    from ccsim.scenario import load_scenario, parse_scenario

    if "scenario" in case:
        return load_scenario(case["scenario"], case.get("set", ()))
    return parse_scenario(scenario_text(case, folder), "bench")


def scenario_text(case: dict[str, Any], folder: Path) -> str:
    """Return the case as a scenario; several flows start 100 ms apart, unless it says how far.

    An algorithm that is not shipped is written into ``folder``, an absolute path.
    """
    objects = ""
    if "scalar_reno" in case["congestion"]:
        (folder / "scalar_reno.py").write_text(SCALAR_RENO, encoding="utf-8")
        objects = f"objects: [{json.dumps(str(folder / 'scalar_reno.py'))}]\n"
    step_ms = _apart_ms(case)
    flows = "\n".join(
        f"  - {{name: f{k}, congestion: {congestion}, start: {step_ms * k} ms}}"
        for k, congestion in enumerate(case["congestion"])
    )
    rtt, loss = case.get("rtt", "40 ms"), case.get("loss", "0 %")
    path = f"rate: {case['rate']}, rtt: {rtt}, buffer: 1 BDP, loss: {loss}"
    duration = case.get("duration", "60 s")
    return f"name: bench\nduration: {duration}\npath: {{{path}}}\n{objects}flows:\n{flows}\n"


def _apart_ms(case: Mapping[str, Any]) -> int:
    return int(case.get("apart", "100 ms").removesuffix(" ms"))


def run_case(case: dict[str, Any]) -> dict[str, float]:
    """Simulate a case in this process; return seconds, data packets and peak memory [bytes].

    The seconds are the simulation's own: what it imports is imported before, its algorithm files
    are loaded within, as in every run.
    """
    from ccsim.sim import simulate

    for module in ("ccsim.sim.world", "numpy.random"):
        import_module(module)  # before the clock starts: importing is not simulating
    with TemporaryDirectory() as folder:
        scenario = scenario_of(case, Path(folder))
        start = time.perf_counter()
        result = simulate(scenario)
        wall_s = time.perf_counter() - start
    packets = sum(flow.counters["packets_sent"] for flow in result.flows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if _mac() else 1024)
    return {"wall_s": wall_s, "packets": packets, "peak_bytes": peak}


def _mac() -> bool:
    return platform.system() == "Darwin"  # where ru_maxrss is in bytes


def peer_case(name: str, longest_ns: int) -> PeerCase:
    """Return a case as other simulators take it, cut to ``longest_ns`` of simulated time."""
    with TemporaryDirectory() as folder:
        scenario = scenario_of(CASES[name], Path(folder))
    path = scenario.path
    return PeerCase(
        rate_bps=path.rate_bps,
        rtt_ns=path.rtt_ns,
        buffer_packets=path.buffer_packets,
        loss=path.loss_probability,
        duration_ns=min(scenario.duration_ns, longest_ns),
        sample_ns=scenario.record.interval_ns,
        flows=tuple(flow.congestion for flow in scenario.flows),
        apart_ns=1_000_000 * _apart_ms(CASES[name]),
    )


def measure_case(
    name: str,
    runs: int,
    peers: Mapping[Peer, Sequence[str]] | None = None,
    peer_ns: int = PEER_NS,
) -> dict[str, Any]:
    """Return the medians over ``runs`` processes; ValueError for an unknown case.

    ``peers`` (and what starts each) run the case in turn with ccsim, for at most ``peer_ns`` of
    simulated time: ``peers`` in the row has µs per packet and how many times ccsim's that is, the
    median of the rounds' ratios.
    """
    _require_cases([name])
    rows, others = [], []
    case = peer_case(name, peer_ns) if peers else None
    for _ in range(runs):
        rows.append(_in_a_process(CASES[name]))
        if peers and case is not None:
            found = {peer.name: run_peer(peer, start, case) for peer, start in peers.items()}
            others.append({peer: row for peer, row in found.items() if row is not None})
    row = {"case": name, **_medians(rows)}
    if peers:
        row["peers"] = {peer: _compare(peer, rows, others) for peer in others[0]}
    return row


def _require_cases(names: Sequence[str]) -> None:
    for name in names:
        if name not in CASES:
            near = did_you_mean(name, CASES) or f"; expected {listed(CASES)}"
            raise ValueError(f"bench: no case {name!r}{near}")


def _medians(rows: list[dict[str, Any]]) -> dict[str, Any]:
    wall_s = statistics.median(row["wall_s"] for row in rows)
    return {
        "wall_s": round(wall_s, 4),
        "fastest_s": round(min(row["wall_s"] for row in rows), 4),
        "packets": rows[0]["packets"],
        "us_per_packet": round(wall_s / rows[0]["packets"] * 1e6, 4),
        "peak_MB": round(max(row["peak_bytes"] for row in rows) / 1e6, 1),
    }


def measure_curves(
    runs: int, tell: Callable[[dict[str, Any]], None], axes: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Measure the points of the cost chart (of all axes when ``axes`` is empty); each row has
    ``axis``, ``algorithm`` and ``at`` beside the medians."""
    rows = []
    for axis in axes or CURVES:
        for algorithm, points in CURVES[axis].items():
            for at, case in points:
                found = _medians([_in_a_process(case) for _ in range(runs)])
                rows.append({"axis": axis, "algorithm": algorithm, "at": at, **found})
                tell({"case": f"{algorithm}, {axis}: {at:g}", **found})
    return rows


def _compare(peer: str, rows: list[dict[str, Any]], others: list[Any]) -> dict[str, float]:
    theirs = [_us_per_packet(other[peer]) for other in others]
    ratios = [them / _us_per_packet(we) for them, we in zip(theirs, rows, strict=True)]
    return {
        "us_per_packet": round(statistics.median(theirs), 3),
        "ratio": round(statistics.median(ratios), 2),
    }


def _us_per_packet(row: Mapping[str, Any]) -> float:
    return row["wall_s"] / row["packets"] * 1e6


def _in_a_process(case: dict[str, Any]) -> dict[str, Any]:
    """Run a case once in a fresh process."""
    code = (
        "import json, sys; from ccsim.experiment.bench import run_case; "
        "print(json.dumps(run_case(json.loads(sys.argv[1]))))"
    )
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, json.dumps(case)],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def find_peers(build: Path, htsim: Path | None = None) -> tuple[dict[Peer, list[str]], list[Peer]]:
    """Return the peers that are installed, with what starts each, and those that are not. ``htsim``
    is the folder of its checkout."""
    found = {peer: command(peer, build, htsim) for peer in PEERS}
    ready = {peer: start for peer, start in found.items() if start is not None}
    return ready, [peer for peer, start in found.items() if start is None]


def run_bench(
    names: Sequence[str],
    runs: int,
    tell: Callable[[dict[str, Any]], None],
    peers: Mapping[Peer, Sequence[str]] | None = None,
    peer_ns: int = PEER_NS,
) -> dict[str, Any]:
    """Measure the cases (all of the table when ``names`` is empty), telling each row as it comes;
    ValueError, before anything runs, for an unknown one."""
    from ccsim import __version__

    _require_cases(names)
    rows = []
    for name in names or CASES:
        rows.append(measure_case(name, runs, peers, peer_ns))
        tell(rows[-1])
    machine = {
        "ccsim": __version__,
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "machine": platform.machine(),
        "compiled": in_use(),
        "processor": _processor(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
    }
    return {"machine": machine, "runs": runs, "cases": rows}


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
