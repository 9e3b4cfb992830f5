"""The verb ``advise``: what a swap would cost on a path, and how to make it cost less."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

from ccsim.cli.arguments import add_hook_timeout, positive
from ccsim.cli.progress import ProgressBar
from ccsim.cli.screen import add_wide, screen_of

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``advise`` to the command line's verbs."""
    text = "what a swap would cost on a path, and which policy, moment and mechanism is best"
    advise = verbs.add_parser(
        "advise",
        help=text,
        description=f"Say {text}, from a quick study of its own, which is kept below results.",
        epilog='example: ccsim advise cubic bbr --path "rate=20 Mbit/s,rtt=40 ms,buffer=1 BDP"',
    )
    what = "a name, name(parameter=value), FILE.py or FILE.bpf.o, with :MAP if it has several"
    advise.add_argument("old", metavar="FROM", help=f"what runs now: {what}")
    advise.add_argument("new", metavar="TO", help="what is to run: likewise")
    advise.add_argument(
        "--path",
        required=True,
        metavar="PATH",
        help='a preset such as dsl, "dsl,rtt=60 ms", or "rate=…,rtt=…,buffer=…" and what else a '
        "scenario's path may have; or FILE.yaml, a scenario with its other flows and traffic",
    )
    advise.add_argument(
        "--cross",
        action="append",
        default=[],
        metavar="WHAT",
        help='who else is there, once each: an algorithm, "3 cubic", or "500 kbit/s" of datagrams',
    )
    advise.add_argument(
        "--seeds", type=positive, metavar="N", help="runs of each way; default: 12, which can tell"
    )
    advise.add_argument(
        "--format",
        dest="form",
        choices=["text", "json", "md", "tex"],
        default="text",
        help="text, JSON, or tables for Markdown or LaTeX (booktabs); default: text",
    )
    advise.add_argument("--out", default="results", metavar="DIR", help="default: results")
    advise.add_argument(
        "--workers", type=positive, metavar="N", help="processes; default: one a core"
    )
    add_hook_timeout(advise)
    add_wide(advise)
    advise.set_defaults(func=_advise)


def _advise(args: argparse.Namespace) -> int:
    from ccsim.cli.advice import advice_json, advice_text
    from ccsim.cli.output import print_json
    from ccsim.experiment.advice import advise, asked

    question = asked(args.old, args.new, args.path, args.cross)
    more = {} if args.seeds is None else {"seeds": args.seeds}
    with contextlib.redirect_stdout(sys.stderr), ProgressBar("trying") as bar:
        advice = advise(
            question,
            **more,
            out=args.out,
            workers=args.workers,
            progress=bar.update,
            hook_timeout_s=args.hook_timeout,
            argv=args.argv,
        )
    if args.form == "json":
        print_json(advice_json(advice))
    else:
        print(advice_text(advice, screen_of(args)))
    return 0
