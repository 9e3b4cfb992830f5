"""The verb ``verify``: comparison with recordings of a real Linux kernel."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["add_parser"]

SUBJECTS = ("kernel", "algorithm", "episode", "trace", "swaps", "qdisc", "packetdrill", "bpf")


def add_parser(verbs: Any) -> None:
    """Add ``verify`` to the command line's verbs, and its subjects."""
    verify = verbs.add_parser("verify", help="compare with recordings of a real Linux kernel")
    subjects = verify.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    for subject in SUBJECTS:
        import_module(f"ccsim.cli.verify_{subject}").add_parser(subjects)
