"""The verb ``record``: a scenario on this machine's kernel, stored as a recording."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_verb, positive
from ccsim.cli.progress import ProgressBar
from ccsim.errors import CcsimError

if TYPE_CHECKING:
    from ccsim.scenario import Scenario

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``record`` to the command line's verbs."""
    record = add_verb(
        verbs, "record", "run a scenario on this machine's kernel as a recording", record_verb
    )
    record.add_argument("scenario", metavar="SCENARIO", help="a YAML file or a shipped one's name")
    record.add_argument("overrides", metavar="key=value", nargs="*", help="as for ccsim run")
    record.add_argument("--seed", type=int, metavar="N", help="instead of the scenario's")
    record.add_argument("--repeat", type=positive, default=1, metavar="N", help="how often")
    record.add_argument(
        "--out", default="results/recordings", metavar="DIR", help="default: results/recordings"
    )


def record_verb(args: argparse.Namespace) -> int:
    """Record a scenario; `ccsim verify trace DIR` compares the simulator with it."""
    from ccsim.linux.recording import why_no_recording
    from ccsim.scenario import load_scenario

    scenario = load_scenario(args.scenario, args.overrides, args.seed)
    reason = why_no_recording(scenario)
    if reason:
        raise CcsimError(f"{scenario.name}: {reason}")
    for number in range(1, args.repeat + 1):
        name = f"{scenario.name}_{number}" if args.repeat > 1 else scenario.name
        print(_record(scenario, name, Path(args.out)))
    return 0


def _record(scenario: Scenario, name: str, out: Path) -> str:
    """Run a scenario once and write its recording; return a line about it."""
    from ccsim.linux.recording import write_recording
    from ccsim.linux.run import run_on_linux

    with contextlib.redirect_stdout(sys.stderr), ProgressBar(name) as bar:
        measured = run_on_linux(scenario, lambda t: bar.update(t / scenario.duration_ns))
    path = write_recording(out, name, scenario, measured)
    late = measured.lateness
    state = "disturbed" if late["disturbed"] else "undisturbed"
    return f"{path}  {state}: late by {late['p99']:.0f} µs (p99), {late['max']:.0f} µs at most"
