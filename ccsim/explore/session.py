"""What the page asks for: simulations, pictures, stored runs. One at a time."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsim.errors import ResultsError
from ccsim.experiment.measure import measure
from ccsim.experiment.run import run_scenario
from ccsim.experiment.stored import StoredRun, load_run
from ccsim.explore.knobs import knobs_of
from ccsim.explore.state import State, read_state
from ccsim.jobs.batch import simulate_all
from ccsim.report.prose import run_sentences
from ccsim.report.study_html import study_page
from ccsim.report.swap_table import swap_tables
from ccsim.report.traces import traces_of
from ccsim.scenario.document import parse_document
from ccsim.sim.traces import SimResult
from ccsim.spec import Scenario

__all__ = ["FORMATS", "Session"]

FORMATS = {"png": "image/png", "pdf": "application/pdf", "svg": "image/svg+xml"}
KEPT = 24
"""Results that are remembered: moving a swap changes neither twin."""


class Session:
    """One page's simulations over the scenario file ``file`` and the results folder ``out``."""

    def __init__(self, file: Path, overrides: Sequence[str], out: Path) -> None:
        self.folder = file.resolve().parent
        self.name = file.name
        self.out = out
        pairs = (override.partition("=") for override in overrides)
        self.first = State(
            file.read_text(encoding="utf-8"), tuple((key.strip(), value) for key, _, value in pairs)
        )
        self.lock = threading.Lock()
        self.known: OrderedDict[str, SimResult] = OrderedDict()

    def simulate(self, state: State) -> dict[str, Any]:
        """Return what the page shows of a state: knobs, traces, sentences, tables, the YAML text.

        ScenarioError if the state is none that can be simulated; a run whose algorithm raised is
        shown up to then, with ``failed``.
        """
        scenario, text = read_state(state, self.folder, self.name)
        run = self._run(scenario)
        told = self._told(run)
        knobs = knobs_of(scenario.resolved(), parse_document(text, self.name).data)
        return {**told, "yaml": text, "knobs": knobs}

    def figure(self, state: State, format: str) -> bytes:
        """Return the picture of a state, as `ccsim plot` draws it; ValueError for a format that
        there is not."""
        if format not in FORMATS:
            raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
        scenario, _ = read_state(state, self.folder, self.name)
        image = io.BytesIO()
        self._run(scenario).plot().savefig(image, format=format)
        return image.getvalue()

    def keep(self, state: State) -> str:
        """Store the run of a state, with its twins and picture, and return its folder."""
        scenario, _ = read_state(state, self.folder, self.name)
        with self.lock:
            run = run_scenario(scenario, out=self.out, jobs=1, formats=("png",))
        return str(run.path)

    def stored(self) -> list[dict[str, str]]:
        """Return the stored runs and studies, each with the name by which it is opened."""
        return [{"name": name, "kind": kind} for name, (kind, _) in self._folders().items()]

    def open(self, name: str) -> dict[str, Any]:
        """Return what the page shows of a stored run; ResultsError if none has that name."""
        return self._told(load_run(self._folder(name, "run")))

    def study(self, name: str) -> str:
        """Return the report of a stored study as HTML; ResultsError if none has that name."""
        return study_page(self._folder(name, "study"))

    def _folder(self, name: str, kind: str) -> Path:
        """Return a stored folder by its name, which is looked up and never made a path."""
        found = self._folders()
        if found.get(name, ("",))[0] != kind:
            raise ResultsError(name, f"expected a stored {kind}: {', '.join(found) or 'none yet'}")
        return found[name][1]

    def _folders(self) -> dict[str, tuple[str, Path]]:
        """Return what is stored by its name: its kind and its folder."""
        runs = [("run", path.parent) for path in sorted(self.out.glob("*/[!.]*/manifest.json"))]
        studies = [("study", path.parent) for path in sorted(self.out.glob("[!.]*/manifest.json"))]
        return {
            path.relative_to(self.out).as_posix(): (kind, path) for kind, path in runs + studies
        }

    def _run(self, scenario: Scenario) -> StoredRun:
        """Simulate a scenario and its twins, but for what is known already."""
        variants = {"result": scenario}
        if scenario.twins and scenario.swaps:
            variants |= {"twin_a": scenario.without_swaps(), "twin_b": scenario.with_b_twin()}
        with self.lock:
            results = {key: self._result(one) for key, one in variants.items()}
        result = results.pop("result")
        twins = {key: twin for key, twin in results.items() if not twin.failed}
        metrics = measure(result, twins.get("twin_a"), twins.get("twin_b"))
        manifest = {"failed": result.failed}
        return StoredRun(self.folder, scenario.resolved(), manifest, metrics, result, **twins)

    def _result(self, scenario: Scenario) -> SimResult:
        key = repr(scenario.resolved())
        if key not in self.known:
            (result,) = simulate_all([scenario], 1)
            assert result is not None  # the first is always simulated
            self.known[key] = result
        self.known.move_to_end(key)
        while len(self.known) > KEPT:
            self.known.popitem(last=False)
        return self.known[key]

    def _told(self, run: StoredRun) -> dict[str, Any]:
        sampled = any(len(flow.t_ns) for flow in run.result.flows)
        return {
            "name": run.name,
            "failed": run.failed,
            "traces": traces_of(run) if sampled else None,
            "sentences": [str(one) for one in _sentences(run)],
            "tables": [str(one) for one in swap_tables(run.metrics["swaps"])],
        }


def _sentences(run: StoredRun) -> Sequence[object]:
    connections: Mapping[str, int] = {}
    return run_sentences(run.scenario, run.metrics, run.failed, connections)
