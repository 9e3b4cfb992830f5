"""The verb ``ccsim fuzz``: random scenarios, each run every way there is, until two runs differ."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import natural, positive

if TYPE_CHECKING:
    from ccsim.verify.fuzz.equality import Failure

__all__ = ["add_parser", "fuzz_verb"]

DIFFERENT = 1


def add_parser(subparsers: Any) -> None:
    """Add the verb ``fuzz``."""
    parser = subparsers.add_parser(
        "fuzz",
        help="look for a scenario whose result depends on how it is computed",
        description="Run random scenarios with vector paths and without, in windows of several "
        "lengths, and compare every byte of the results. Seeds are tried in turn; at the first "
        "difference the scenario is made as small as it gets and printed.",
    )
    parser.add_argument("--seconds", type=positive, default=60, metavar="N", help="default: 60")
    parser.add_argument(
        "--seed", type=natural, metavar="N", help="the first seed; default: from the clock"
    )
    parser.add_argument(
        "--pure-vs-compiled",
        action="store_true",
        help="compare instead what machine code makes of each with what Python does",
    )
    parser.set_defaults(func=fuzz_verb)


def fuzz_verb(args: argparse.Namespace) -> int:
    """Fuzz for a time; return 1 if a difference was found."""
    import time

    from ccsim.scenario import parse_scenario
    from ccsim.verify.fuzz.equality import fuzz
    from ccsim.verify.fuzz.scenarios import TEMPLATE_YAML

    seed = int(time.time()) * 1000 if args.seed is None else args.seed
    print(f"fuzz: first seed {seed}, {args.seconds} s", flush=True)
    watched = _tell if sys.stderr.isatty() else None
    template = parse_scenario(TEMPLATE_YAML, "fuzz.yaml").resolved()
    with _check(args.pure_vs_compiled) as check:
        report = fuzz(seed, template, seconds=args.seconds, progress=watched, check=check)
    if watched is not None:
        print(file=sys.stderr)
    packets = f"about {report.packets:,} packets"
    if report.failure is None:
        print(f"fuzz: {report.examples} scenarios, {packets}: no difference")
        return 0
    print(f"fuzz: {report.examples} scenarios, {packets}")
    print(_account(report.failure))
    return DIFFERENT


@contextmanager
def _check(pure_vs_compiled: bool) -> Iterator[Callable[[Any, Any], str]]:
    """Provide what each scenario is put to."""
    if pure_vs_compiled:
        from ccsim.jobs.pure_form import PureForm

        with PureForm() as pure:
            yield pure.difference
    else:
        from ccsim.verify.fuzz.equality import check

        yield check


def _account(failure: Failure) -> str:
    """Tell which seed failed, how, and with which scenario."""
    from ccsim.verify.fuzz.scenarios import to_yaml

    cuts = ", ".join(f"{cut} ns" for cut in failure.smallest.cuts)
    return (
        f"seed {failure.seed}: {failure.difference}\n"
        f"smallest scenario found, lookaheads {cuts}:\n\n{to_yaml(failure.smallest.scenario)}"
    )


def _tell(done: int) -> None:
    print(f"\rfuzz: {done} scenarios", end="", file=sys.stderr, flush=True)
