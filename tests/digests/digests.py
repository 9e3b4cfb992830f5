"""What every kind of simulation leaves, as digests: a change that is to change no behaviour leaves
them all as they are.

``python -m tests.digests.digests`` prints a line for each case, and with ``--write`` writes the
lines down in ``digests.txt``. Whoever means to change a result looks at which lines change.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
STORED = Path(__file__).with_name("digests.txt")
RECORDED = ROOT / "tests" / "verify" / "data"
ALGORITHM = """
name: {name}
duration: 4 s
path: {{rate: 20 Mbit/s, rtt: 20 ms, buffer: 0.5 BDP, loss: 0.2 %}}
flows:
  - {{name: a, congestion: {name}}}
  - {{name: b, congestion: cubic, start: 500 ms, size: 2 MB}}
"""
SLOW = "path.rate=20 Mbit/s"
SHORTER: Mapping[str, list[str]] = {
    "bbr_to_cubic": [SLOW],
    "fairness": [SLOW],
    "link_update": [SLOW],
    "policies": [SLOW],
    "reregister": [SLOW],
    "rollout": [SLOW, "workloads.0.max=60", "workloads.1.max=40"],
    "rollout_reregister": [SLOW, "workloads.0.max=60", "workloads.1.max=40"],
    "staged": [SLOW],
    "sweep": [SLOW],
    "triggers": [SLOW, "swaps.2.when.acked=30 MB"],
}
"""Shipped scenarios that would take too long as they are."""
POINTS = (0, 17, 34, 79, 98)  # of the study swap_matrix
SEEDS = range(90)  # of random scenarios

WAS = {"drop_reason": "drop_random"}
"""Fields that had another name when the digests were written."""

Case = Callable[[], Any]


def plain(value: Any) -> Any:
    """Return a result as JSON can have it, with digests of the bytes of columns.

    A field that still has its default is left out: one that is added later changes nothing where
    it is not used.
    """
    if dataclasses.is_dataclass(value):
        fields = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {
            WAS.get(f.name, f.name): plain(v)
            for f, v in fields
            if type(v) is not type(f.default) or v != f.default
        }
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return repr(value)


def digest(value: Any) -> str:
    """Return the digest of whatever a simulation leaves."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()[:16]


def cases() -> dict[str, Case]:
    """Return what is run, by name; what is quick comes first, so that a difference is soon met."""
    made = (_episodes, _algorithms, _random, _traces, _study_points, _shipped)
    return {name: case for kind in made for name, case in kind()}


def _shipped() -> Iterator[tuple[str, Case]]:
    from ccsim.scenario import load_scenario
    from ccsim.sim import simulate

    for path in sorted((ROOT / "scenarios").glob("*.yaml")):
        scenario = load_scenario(path, SHORTER.get(path.stem, ()))
        yield f"scenario/{path.stem}", partial(simulate, scenario)


def _study_points() -> Iterator[tuple[str, Case]]:
    from ccsim.experiment.study.design import crossed
    from ccsim.experiment.study.plan import scenario_of
    from ccsim.experiment.study.read import read_study
    from ccsim.sim import simulate

    study = read_study(ROOT / "scenarios" / "studies" / "swap_matrix.yaml")
    points = list(crossed(study.factors))
    for point in POINTS:
        scenario = scenario_of(study, points[point], seed=1 + point)
        yield f"study/swap_matrix/{point}", partial(simulate, scenario)


def _algorithms() -> Iterator[tuple[str, Case]]:
    from ccsim.scenario import parse_scenario
    from ccsim.sim import simulate

    for path in sorted((ROOT / "algorithms").glob("*.py")):
        scenario = parse_scenario(ALGORITHM.format(name=path.stem), f"{path.stem}.yaml")
        yield f"algorithm/{path.stem}", partial(simulate, scenario)


def _random() -> Iterator[tuple[str, Case]]:
    from ccsim.scenario import parse_scenario
    from ccsim.sim import simulate
    from ccsim.verify.fuzz.scenarios import TEMPLATE_YAML, RandomDraw, complete, make_example

    template = parse_scenario(TEMPLATE_YAML, "fuzz.yaml").resolved()

    def simulated(seed: int) -> Any:
        return simulate(complete(make_example(RandomDraw(seed)).scenario, template))

    for seed in SEEDS:
        yield f"random/{seed}", partial(simulated, seed)


def _traces() -> Iterator[tuple[str, Case]]:
    from ccsim.verify.trace import load_trace
    from ccsim.verify.trace_simulation import simulate_trace

    def simulated(path: Path) -> Any:
        return simulate_trace(load_trace(path))

    for path in sorted((RECORDED / "traces").glob("*.json")):
        yield f"trace/{path.stem}", partial(simulated, path)


def _episodes() -> Iterator[tuple[str, Case]]:
    from ccsim.verify.episode import load_episode
    from ccsim.verify.episode_comparison import replay_episode

    def play(path: Path) -> Any:
        replay = replay_episode(load_episode(path)).replay
        return [
            [dataclasses.astuple(sent) for sent in replay.transmissions],
            [replay.states, replay.acks, dict(sorted(replay.sk.counters.items()))],
        ]

    for path in sorted((RECORDED / "episodes").glob("*.json")):
        yield f"episode/{path.stem}", partial(play, path)


def line(name: str, result: Any) -> str:
    """Return what is written down of a case: its name, its digest and the swaps in it."""
    swaps = sorted({f"{swap.via}/{swap.state}" for swap in getattr(result, "swaps", ())})
    return " ".join([name, digest(result), *swaps])


def stored() -> dict[str, str]:
    """Return the lines that are written down, by name."""
    lines = STORED.read_text(encoding="utf-8").splitlines()
    return {line.split()[0]: line for line in lines}


def main(write: bool) -> None:
    """Print a line for each case; write them down if that is asked for."""
    lines = []
    for name, case in cases().items():
        lines.append(line(name, case()))
        print(lines[-1], flush=True)
    if write:
        STORED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main("--write" in sys.argv[1:])
