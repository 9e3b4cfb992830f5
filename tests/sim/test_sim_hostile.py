"""Scenarios with one thing or two wrong, by the hundred: each is refused at a place or runs to its
end, and a process that has met them all has kept nothing of them.

``python -m tests.sim.test_sim_hostile 1000`` meets so many and prints what memory grew by.
"""

from __future__ import annotations

import copy
import gc
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ccsim.errors import ScenarioError
from ccsim.experiment.measure import measure
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate

STATM = Path("/proc/self/statm")
BASES: list[dict[str, Any]] = [
    {
        "name": "path",
        "duration": "200 ms",
        "path": {
            "rate": "10 Mbit/s",
            "rtt": "20 ms",
            "buffer": "20 packets",
            "qdisc": {"kind": "fq_codel", "target": "5 ms", "ecn": True, "flows": 64},
            "netem": {"delay": "2 ms", "jitter": "1 ms", "loss": "0.5 %", "duplicate": "1 %"},
        },
        "changes": [
            {"at": "50 ms", "rate": "2 Mbit/s", "lasts": "10 ms", "every": "40 ms"},
            {"at": "60 ms", "rtt": "30 ms"},
            {"at": "70 ms", "outage": "10 ms"},
        ],
        "flows": [
            {"name": "a", "congestion": "cubic", "size": "100 kB", "start": "10 ms"},
            {"name": "b", "congestion": {"name": "bbr"}, "count": 2, "start_every": "20 ms"},
        ],
        "workloads": [
            {
                "name": "w",
                "arrivals": {"poisson": "50 /s"},
                "sizes": {"pareto": {"shape": 1.2, "min": "4 kB", "max": "1 MB"}},
                "max": 9,
            }
        ],
        "swaps": [{"at": "90 ms", "via": "sweep", "flows": ["a", "b"], "to": "reno"}],
        "record": {"interval": "10 ms"},
        "tcp": {"initial_window": 10, "mss": "1448 B"},
    },
    {
        "name": "hops",
        "duration": "200 ms",
        "hops": {
            "core": {"rate": "10 Mbit/s", "delay": "8 ms", "qdisc": {"kind": "cake"}},
            "up": {"rate": "2 Mbit/s", "delay": "10 ms", "loss": "1 %"},
        },
        "routes": {"main": {"out": ["core"], "back": ["up"]}},
        "flows": [{"name": "a", "congestion": "copa", "hosts": ["x", "y"]}],
        "swaps": [{"at": "90 ms", "via": "setsockopt", "flows": ["a"], "to": "bbr3"}],
    },
]
HOSTILE: list[Any] = [
    *(0, -1, 1, 2, 65_536, 2**31, 2**63, 10**30, 1.5, True, None, "", "x", "a" * 999, [], {}, [[]]),
    *("0 ms", "1 ns", "1 us", "1 ms", "1000 years", "-1 ms", "1e400 s"),
    *("1 bit/s", "1 Mbit/s", "1 Tbit/s", "0 Mbit/s", "0 B", "1 B", "1 EB", "0 packets"),
    *("1 packets", "4000000000 packets", "0.001 BDP", "1000000 BDP", "0 %", "100 %", "101 %"),
    *("cubic", "dctcp", "a", "w", "core", "fifo", "pie", "red", {"kind": "tbf"}, "../x", "\u202e"),
    *(float("nan"), float("inf"), "1 /s", "1000000000 /s", "9" * 4301),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of all values below one."""
    below = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in below:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def hostile(seed: int) -> str:
    """Return a scenario, as JSON, which is YAML too, with one or two values that it should not
    have."""
    rng = random.Random(seed)
    scenario: dict[str, Any] = copy.deepcopy(rng.choice(BASES))
    for _ in range(rng.choice((1, 1, 2))):
        *way, last = rng.choice(list(places(scenario)))
        holder: Any = scenario
        for key in way:
            holder = holder[key]
        if rng.random() < 0.1:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(rng.choice(HOSTILE))
    return json.dumps(scenario).replace("NaN", ".nan").replace("Infinity", ".inf")


def met(seed: int) -> str:
    """Return what became of a scenario; whatever else is raised fails the test."""
    try:
        scenario = parse_scenario(hostile(seed), "hostile.yaml")
    except ScenarioError as error:
        return "refused" if str(error).startswith("hostile.yaml:") else "refused nowhere"
    result = simulate(scenario, paranoid=True)
    measure(result, None, None)
    return "failed" if result.failed else "ran"


def resident_kb() -> int:
    """Return the memory that this process has in use."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * 4


@pytest.mark.skipif(not STATM.exists(), reason="needs Linux's /proc")
def test_hostile_scenarios_are_refused_or_run_and_leave_no_memory_behind() -> None:
    for seed in range(40):
        met(seed)  # what is imported and remembered once
    modules, before = set(sys.modules), resident_kb()
    found = Counter(met(seed) for seed in range(40, 160))
    assert found["refused"] > 60
    assert found["ran"] > 5
    assert set(found) <= {"refused", "ran", "failed"}
    assert resident_kb() - before < 10_000
    assert not [name for name in set(sys.modules) - modules if name.startswith("_ccsim_object")]


def main() -> None:
    """Meet so many and print what became of them and of memory."""
    count = int(sys.argv[1])
    for seed in range(100):
        met(seed)
    before = resident_kb()
    found = Counter(met(seed) for seed in range(100, 100 + count))
    print(f"{dict(found)}; memory grew from {before:,} by {resident_kb() - before:,} kB")


if __name__ == "__main__":
    main()
