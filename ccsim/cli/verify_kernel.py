"""The verb ``ccsim verify kernel``: recorded sequences of operations against the emulation."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ccsim.cli.kernel import PROFILES

if TYPE_CHECKING:
    from ccsim.verify.conformance import ReplayResult

__all__ = ["add_parser"]

DIFFERENT = 1


def add_parser(subjects: Any) -> None:
    """Add the subject ``kernel`` to the verb ``verify``."""
    parser = subjects.add_parser(
        "kernel",
        help="replay recorded sequences of bpf and socket operations",
        description="Replay sequences recorded on a real kernel and compare every field.",
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="recordings, or folders of them")
    parser.add_argument("--profile", choices=PROFILES, default="linux", help="default: linux")
    parser.set_defaults(func=verify_kernel_verb)


def verify_kernel_verb(args: argparse.Namespace) -> int:
    """Replay recordings; 1 if any differs."""
    from ccsim.verify.conformance import replay_paths

    results = list(replay_paths(args.paths, args.profile))
    for result in results:
        if not result.agrees:
            print(_difference(result))
    agreeing = sum(result.agrees for result in results)
    steps = sum(result.steps for result in results)
    print(f"{agreeing} of {len(results)} sequences agree ({steps} steps, profile {args.profile})")
    return 0 if agreeing == len(results) else DIFFERENT


def _difference(result: ReplayResult) -> str:
    expected, got = (json.dumps(v, ensure_ascii=False) for v in (result.expected, result.got))
    return (
        f"{result.name}: step {result.step}: {result.op}: {result.field}: "
        f"expected {expected}, got {got}"
    )
