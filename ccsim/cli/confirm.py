"""The verb ``confirm``: a scenario simulated and on this machine's kernel, side by side."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_formats, add_verb, natural, positive
from ccsim.cli.output import print_json, print_paths
from ccsim.cli.progress import ProgressBar

if TYPE_CHECKING:
    from ccsim.experiment.confirm import Confirmation
    from ccsim.experiment.estimates import Estimate

__all__ = ["add_parser", "confirmation_text"]


def add_parser(verbs: Any) -> None:
    """Add ``confirm`` to the command line's verbs."""
    verb = add_verb(
        verbs, "confirm", "simulate a scenario, run it on this kernel, and compare", confirm_verb
    )
    verb.add_argument("scenario", metavar="SCENARIO", help="a YAML file or a shipped one's name")
    verb.add_argument("overrides", metavar="key=value", nargs="*", help="as for ccsim run")
    verb.add_argument("--seed", type=int, metavar="N", help="instead of the scenario's")
    verb.add_argument(
        "--repeat", type=positive, default=6, metavar="N", help="runs on the kernel; default: 6"
    )
    verb.add_argument(
        "--retry", type=natural, default=0, metavar="N", help="repeat what the machine disturbed"
    )
    verb.add_argument("--out", default="results", metavar="DIR", help="default: results")
    verb.add_argument("--json", action="store_true", help="print the rows as JSON, nothing else")
    add_formats(verb)


def confirm_verb(args: argparse.Namespace) -> int:
    """Compare; 1 if a metric parts."""
    from ccsim.experiment.confirm import confirm
    from ccsim.experiment.store import explained
    from ccsim.experiment.stored_confirmation import overlaid, store_confirmation
    from ccsim.plot import draw_comparison
    from ccsim.scenario import load_scenario

    scenario = load_scenario(args.scenario, args.overrides, args.seed)
    with contextlib.redirect_stdout(sys.stderr), ProgressBar(scenario.name) as bar:
        found = confirm(
            scenario,
            repeat=args.repeat,
            retry=args.retry,
            out=args.out,
            progress=bar.update,
            argv=args.argv,
        )
    with explained(Path(args.out)):
        folder = store_confirmation(found.plain(), Path(args.out))
    if args.json:
        print_json(found.plain())
    else:
        print(confirmation_text(found))
        runs, labels = overlaid(found.repetitions, found.simulated)
        with explained(folder):
            print_paths(draw_comparison(runs, labels, folder, args.format))
        print(f"ccsim report {folder}")
    return int(any(row.apart for row in found.rows))


def confirmation_text(found: Confirmation) -> str:
    """Return a table of both, with intervals, and the sentence."""
    lines, swap = [], None
    for row in found.rows:
        if row.swap != swap:
            swap = row.swap
            lines += ["", swap, f"{'metric':<23}{'kernel':<34}{'simulated':<34}".rstrip()]
        name = ("! " if row.apart else "") + row.metric
        line = f"{name:<23}{_text(row.kernel):<34}{_text(row.simulated):<34}"
        lines.append(line.rstrip())
    if found.distances:
        shares = ", ".join(f"{100 * distance:.1f} %" for distance in found.distances)
        lines += ["", f"cwnd apart on average, by repetition: {shares}"]
        if found.own is not None:
            lines.append(f"cwnd of one repetition apart from another's: {100 * found.own:.1f} %")
    how = "with hosts as late as measured" if found.late else "without host lateness"
    lines += ["", f"simulated {how}; mean [95 % interval]; !: apart", found.sentence]
    return "\n".join(lines).lstrip("\n")


def _text(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{_number(estimate.value)} (all {estimate.n})"
    return f"{_number(estimate.value)} [{_number(estimate.low)}, {_number(estimate.high)}]"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
