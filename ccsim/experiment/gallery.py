"""Every algorithm alone on the same path: the runs behind the page of small multiples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ccsim.bpf.elf_file import is_object
from ccsim.catalog import Tables, algorithm_files, tables_in
from ccsim.errors import CcsimError
from ccsim.jobs.batch import simulate_all
from ccsim.kernel.errors import KernelError
from ccsim.kernel.tcp_cong import REQUIRED, missing_operations
from ccsim.scenario import Scenario, parse_scenario
from ccsim.scenario.bpf_objects import needs_ecn, tables_of
from ccsim.scenario.vocabulary import did_you_mean
from ccsim.sim.traces import SimResult

__all__ = ["DEFAULT_PATH", "GalleryError", "GalleryRun", "gallery_scenarios", "run_gallery"]

DEFAULT_PATH = {"rate": "50 Mbit/s", "rtt": "40 ms", "buffer": "1 BDP"}
DEFAULT_DURATION = "40 s"
MARK_ABOVE_NS = 5_000_000
"""From what queueing delay on packets are marked for algorithms that are made for marks."""
_NEEDS_ECN = "TCP_CONG_NEEDS_ECN"


class GalleryError(CcsimError, ValueError):
    """A name that is no algorithm, or a file of algorithms that cannot be read."""


@dataclass(frozen=True)
class GalleryRun:
    """One algorithm's run: what pictures need (`ccsim.plot.PlottableRun`), and its name."""

    name: str
    scenario: Mapping[str, Any]
    result: SimResult
    twin_a: SimResult | None = None
    twin_b: SimResult | None = None

    @property
    def label(self) -> str:
        """Its name, and from when on its queue marks, if it does."""
        wait_ns = self.scenario["path"]["ecn_mark_ns"]
        return f"{self.name} (marks > {wait_ns / 1e6:g} ms)" if wait_ns else self.name


def gallery_scenarios(
    names: Sequence[str] = (),
    path: Mapping[str, str] | None = None,
    duration: str = DEFAULT_DURATION,
    seed: int = 1,
) -> dict[str, Scenario]:
    """Return a scenario for each algorithm: one bulk flow on the path, by the algorithm's name.

    ``names`` are shipped algorithms, and files ending in ``.py`` whose tables all count; none means
    all that are shipped. ``path`` holds keys of a scenario's ``path`` instead of the default's.
    Algorithms that need ECN, which are Reno without it, get a queue that marks at 5 ms, unless
    ``path`` says how it marks. Raises GalleryError for a name, ScenarioError for the path or the
    duration.
    """
    known = algorithm_files()
    wanted: dict[str, str] = {}
    for name in names or known:
        wanted |= _tables_of(name) if name.endswith((".py", ".o")) else _shipped(name, known)
    files = dict.fromkeys(file for file in wanted.values() if file)
    text = _text({**DEFAULT_PATH, **(path or {})}, duration, seed)
    together = parse_scenario(text + _flows(wanted) + _objects(files), "gallery")
    found = {
        flow.congestion: _alone(together, k, wanted[flow.congestion])
        for k, flow in enumerate(together.flows)
    }
    if "ecn" in (path or {}):
        return found
    return {
        name: _marked(one) if _needs_ecn(wanted[name] or known[name]) else one
        for name, one in found.items()
    }


def _needs_ecn(file: str | Path) -> bool:
    """Report whether a file's tables bear the flag of algorithms that need ECN."""
    if is_object(file):
        return needs_ecn(Path(file).read_bytes(), Path(file).name)
    return _NEEDS_ECN in Path(file).read_text(encoding="utf-8")


def _marked(scenario: Scenario) -> Scenario:
    """Return the scenario with a queue that marks."""
    path = replace(scenario.path, ecn_mark_ns=MARK_ABOVE_NS)
    return replace(scenario, path=path)


def _alone(together: Scenario, index: int, file: str) -> Scenario:
    """Return the scenario with one of its flows, and the file that this one needs."""
    flow = replace(together.flows[index], name="bulk")
    kept = [k for k, path in enumerate(together.objects) if path == file]
    objects = tuple(together.objects[k] for k in kept)
    hashes = tuple(together.objects_sha256[k] for k in kept)
    return replace(together, flows=(flow,), objects=objects, objects_sha256=hashes)


def _shipped(name: str, known: Mapping[str, Path]) -> dict[str, str]:
    if name not in known:
        hint = did_you_mean(name, known) or "; a user's own file ends in .py or .o"
        raise GalleryError(f"gallery: no algorithm {name!r}{hint}")
    return {name: ""}


def _declared(path: Path) -> Tables:
    """Return the tables of an algorithm file, or of a compiled object."""
    if is_object(path):
        return tables_of(path.read_bytes(), path.name, {}, "linux", 250)
    return tables_in(path)


def _tables_of(file: str) -> dict[str, str]:
    """Return the names that a user's file registers, and its absolute path with each."""
    try:
        tables = _declared(Path(file)).found
    except (OSError, SyntaxError, UnicodeDecodeError, KernelError) as error:
        raise GalleryError(f"gallery: {file}: {error}") from error
    names = [
        table.name
        for table in tables
        if table.name and table.map[0] != "_" and not missing_operations(table.members or REQUIRED)
    ]
    if not names:
        raise GalleryError(f"gallery: {file}: expected a table of operations with a name, got none")
    return dict.fromkeys(names, str(Path(file).resolve()))


def _text(path: Mapping[str, str], duration: str, seed: int) -> str:
    """Return the part of the scenario that all have in common; values are quoted, unless they are
    YAML's lists or mappings.
    """
    written = (
        f"  {key}: {value if value[:1] in ('{', '[') else json.dumps(value)}\n"
        for key, value in path.items()
    )
    return f"duration: {json.dumps(duration)}\nseed: {seed}\npath:\n{''.join(written)}"


def _flows(names: Iterable[str]) -> str:
    entries = (f"  - {{congestion: {json.dumps(name)}}}\n" for name in names)
    return f"flows:\n{''.join(entries)}"


def _objects(files: Iterable[str]) -> str:
    return f"objects: [{', '.join(map(json.dumps, files))}]\n"


def run_gallery(
    scenarios: Mapping[str, Scenario],
    jobs: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[GalleryRun]:
    """Run the scenarios, ``jobs`` at once (None: one a core); return the runs in their order.

    A run whose algorithm raised is among them, with its traces up to then (``result.failed``); it
    stops no other.
    """
    names = list(scenarios)
    wanted = [scenarios[name] for name in names]
    runs: list[GalleryRun] = []
    while len(runs) < len(names):
        done = len(runs)
        share = _share_of(progress, done, len(names))
        results = simulate_all(wanted[done:], jobs, share)
        for result in results:  # a failed first one leaves the others undone
            if result is None:
                break
            runs.append(GalleryRun(names[len(runs)], wanted[len(runs)].resolved(), result))
    return runs


def _share_of(
    progress: Callable[[float], None] | None, done: int, total: int
) -> Callable[[float], None] | None:
    """Return what turns progress of the runs that are left into that of all."""
    if progress is None:
        return None
    return lambda share: progress((done + share * (total - done)) / total)
