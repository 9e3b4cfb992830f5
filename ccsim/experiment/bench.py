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
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["CASES", "measure_case", "run_bench", "run_once"]

CASES: dict[str, dict[str, Any]] = {
    "cubic-100M": {"rate": "100 Mbit/s", "congestion": ["cubic"]},
    "reno-100M": {"rate": "100 Mbit/s", "congestion": ["reno"]},
    "bbr-100M": {"rate": "100 Mbit/s", "congestion": ["bbr"]},
    "cubic-1G": {"rate": "1 Gbit/s", "congestion": ["cubic"]},
    "cubic-10G": {"rate": "10 Gbit/s", "congestion": ["cubic"], "duration": "30 s"},
    "cubic-10-flows": {"rate": "100 Mbit/s", "congestion": ["cubic"] * 10},
    "mixed-100-flows": {"rate": "1 Gbit/s", "congestion": ["reno", "cubic", "bbr"] * 33 + ["reno"]},
    "reno-loss-0.1%": {"rate": "100 Mbit/s", "congestion": ["reno"], "loss": "0.1 %"},
    "reno-50M-loss-1%": {"rate": "50 Mbit/s", "congestion": ["reno"], "loss": "1 %"},
    "scalar-only-100M": {"rate": "100 Mbit/s", "congestion": ["vegas"]},
}
"""What runs: 40 ms, a buffer of one BDP, 60 s unless said otherwise, traces every 10 ms."""


def scenario_text(case: dict[str, Any]) -> str:
    """Return the case as a scenario; several flows start 100 ms apart."""
    flows = "\n".join(
        f"  - {{name: f{k}, congestion: {congestion}, start: {100 * k} ms}}"
        for k, congestion in enumerate(case["congestion"])
    )
    path = f"rate: {case['rate']}, rtt: 40 ms, buffer: 1 BDP, loss: {case.get('loss', '0 %')}"
    duration = case.get("duration", "60 s")
    return f"name: bench\nduration: {duration}\npath: {{{path}}}\nflows:\n{flows}\n"


def run_once(name: str) -> dict[str, float]:
    """Simulate a case in this process; return seconds, data packets and peak memory [bytes].

    The seconds are the simulation's own: what it imports is imported before, its algorithm files
    are loaded within, as in every run.
    """
    from ccsim.scenario import parse_scenario
    from ccsim.sim import simulate

    for module in ("ccsim.sim.world", "numpy.random"):
        import_module(module)  # before the clock starts: importing is not simulating
    resolved = parse_scenario(scenario_text(CASES[name]), name).resolved()
    start = time.perf_counter()
    result = simulate(resolved)
    wall_s = time.perf_counter() - start
    packets = sum(flow.counters["packets_sent"] for flow in result.flows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if _mac() else 1024)
    return {"wall_s": wall_s, "packets": packets, "peak_bytes": peak}


def _mac() -> bool:
    return platform.system() == "Darwin"  # where ru_maxrss is in bytes


def measure_case(name: str, runs: int) -> dict[str, Any]:
    """Return the medians over ``runs`` processes; ValueError for an unknown case."""
    if name not in CASES:
        raise ValueError(f"bench: expected one of {', '.join(CASES)}, got {name!r}")
    code = (
        "import json; from ccsim.experiment.bench import run_once; "
        f"print(json.dumps(run_once({name!r})))"
    )
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    rows = []
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
        rows.append(json.loads(done.stdout))
    wall_s = statistics.median(row["wall_s"] for row in rows)
    return {
        "case": name,
        "wall_s": round(wall_s, 4),
        "fastest_s": round(min(row["wall_s"] for row in rows), 4),
        "packets": rows[0]["packets"],
        "us_per_packet": round(wall_s / rows[0]["packets"] * 1e6, 4),
        "peak_MB": round(max(row["peak_bytes"] for row in rows) / 1e6, 1),
    }


def run_bench(
    names: list[str], runs: int, tell: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Measure the cases (all when ``names`` is empty), telling each row as it comes."""
    from ccsim import __version__

    rows = []
    for name in names or CASES:
        rows.append(measure_case(name, runs))
        tell(rows[-1])
    machine = {
        "ccsim": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
    }
    return {"machine": machine, "runs": runs, "cases": rows}
