"""The verb ``compile``: builds machine code of the scalar path, and removes it."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ccsim.cli.arguments import positive

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``compile``."""
    parser = verbs.add_parser(
        "compile",
        help="compile the scalar path (needs a C compiler)",
        description="Compile the scalar path of the simulator and the shipped algorithms to "
        "machine code, into the user's cache. Results of algorithms that pass ccsim check have the "
        "same bytes, sooner. CCSIM_PURE=1 in the environment runs without it; a change of the "
        "sources does, too, until they are compiled again. An algorithm file of one's own, or a "
        "shipped one that was edited, runs as it is. Where there was a C compiler, an "
        "installed ccsim has all that already.",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--status", action="store_true", help="only say whether it is in use")
    group.add_argument("--remove", action="store_true", help="remove everything compiled")
    parser.add_argument(
        "--jobs", type=positive, metavar="N", help="files compiled at once; default: cores"
    )
    parser.set_defaults(func=_compile)


def _compile(args: argparse.Namespace) -> int:
    from ccsim.compiled.build import compile_modules, remove_compiled
    from ccsim.jobs.batch import default_jobs

    if args.status:
        print(_status())
        return 0
    if args.remove:
        print(f"removed     {remove_compiled()}")
        return 0
    start = time.perf_counter()
    folder, new = compile_modules(args.jobs or default_jobs())
    took = f" in {time.perf_counter() - start:.0f} s" if new else ", was there already"
    print(f"compiled    {folder}{took}")
    return 0


def _status() -> str:
    from ccsim.compiled import compiled_folder, folder_in_use, packaged_folder

    used = folder_in_use()
    if used is not None:
        return f"in use {used}"
    there = [folder for folder in (compiled_folder(), packaged_folder()) if folder.is_dir()]
    return f"there, not used {there[0]}" if there else "not compiled"
