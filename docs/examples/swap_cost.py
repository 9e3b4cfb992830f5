"""What a swap costs on a scenario of one's own: the public API, with every type spelled out."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ccsim

SCENARIO: dict[str, object] = {
    "name": "example",
    "duration": "4 s",
    "path": {"rate": "20 Mbit/s", "rtt": "40 ms", "buffer": "1 BDP"},
    "flows": [{"name": "bulk", "congestion": "cubic"}],
    "swaps": [{"at": "2 s", "via": "setsockopt", "flows": ["bulk"], "to": "bbr"}],
}


def in_flight_after(run: ccsim.Run, t_s: float) -> NDArray[np.int64]:
    """Return the packets in flight from an instant on."""
    bulk = run.flows["bulk"]
    return bulk.in_flight[bulk.t_ns >= t_s * 1e9]


def behind_bytes(run: ccsim.Run) -> int:
    """Return what the run has delivered less than its A-twin at the end."""
    if run.twin_a is None:
        return 0
    twin = run.twin_a.flows["bulk"]
    return int(twin.delivered_bytes[-1] - run.flows["bulk"].delivered_bytes[-1])


def pictures(run: ccsim.Run, folder: Path) -> tuple[Path, Figure]:
    """Write the picture of a run; return its file, and a figure of two panels."""
    whole: Path = run.plot(folder / "run.svg")
    part: Figure = run.plot(start="1 s", end="3 s", panels=("cwnd", "rtt"), width="2col")
    return whole, part


def cost_by_buffer(results: Path) -> dict[str, float]:
    """Return what the swap costs [s] at two buffers."""
    study: ccsim.StoredStudy = ccsim.sweep(
        {
            "name": "example-buffers",
            "base": {key: value for key, value in SCENARIO.items() if key != "name"},
            "design": {"grid": {"path.buffer": ["0.5 BDP", "2 BDP"]}},
        },
        out=results,
        workers=1,
    )
    assert ccsim.load_study(study.name, results).status == "complete"
    return {str(p.values["path.buffer"]): p.mean.estimate for p in study.summary().points}


def main(results: Path) -> None:
    """Run, look, draw and vary."""
    try:
        ccsim.load({**SCENARIO, "duration": "soon"})
    except ccsim.ScenarioError as error:
        print(f"refused: {error}")
    scenario: ccsim.Scenario = ccsim.load(SCENARIO, "path.rate=10 Mbit/s", seed=7)
    run: ccsim.Run = ccsim.run(scenario, out=results, jobs=1)
    print(run)
    print(f"{behind_bytes(run)} bytes behind, at most {in_flight_after(run, 2.0).max()} in flight")
    file, figure = pictures(run, results)
    print(f"{file.name}, and {len(figure.axes)} panels")
    again = ccsim.load_run("example", results)
    print(again.run_id == run.run_id, sorted(again.links))
    for buffer, cost_s in cost_by_buffer(results).items():
        print(f"{buffer}: {cost_s:.3f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
