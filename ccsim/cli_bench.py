"""The verb ``bench``: what the simulator costs on this machine."""

from __future__ import annotations

import argparse
import json
from typing import Any

__all__ = ["add_parsers"]


def add_parsers(verbs: Any) -> None:
    """Add ``bench`` to the command line's verbs."""
    parser = verbs.add_parser("bench", help="measure wall time and µs per data packet")
    parser.add_argument("case", nargs="*", help="cases to run (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="repeats a case; medians are shown")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(func=_bench)


def _bench(args: argparse.Namespace) -> int:
    from ccsim.errors import CcsimError
    from ccsim.experiment.bench import run_bench

    if not args.json:
        print(f"{'case':18} {'wall (s)':>9} {'packets':>10} {'µs/packet':>10} {'peak (MB)':>10}")
    try:
        found = run_bench(args.case, max(args.runs, 1), _ignore if args.json else _show)
    except ValueError as error:
        raise CcsimError(str(error)) from error
    if args.json:
        print(json.dumps(found, indent=2))
    return 0


def _show(row: dict[str, Any]) -> None:
    print(
        f"{row['case']:18} {row['wall_s']:9.3f} {row['packets']:10d} "
        f"{row['us_per_packet']:10.3f} {row['peak_MB']:10.1f}",
        flush=True,
    )


def _ignore(row: dict[str, Any]) -> None:
    pass
