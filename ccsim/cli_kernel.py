"""The verbs of the emulated kernel: ``ccsim kernel`` and ``ccsim verify kernel``."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from ccsim.kernel.replay import ReplayResult
    from ccsim.kernel.shell import Shell

__all__ = ["add_parsers", "add_verify_kernel"]

DIFFERENT = 1
PROFILES = ("linux", "v2")


def add_parsers(verbs: Any) -> None:
    """Add the verb ``kernel``."""
    parser = verbs.add_parser(
        "kernel",
        help="an interactive shell on the emulated kernel",
        description="A shell on the emulated kernel; `help` in it lists its commands. In a script, "
        "`!command` must fail, and the first unexpected error ends it with status 1.",
    )
    parser.add_argument("script", metavar="SCRIPT", nargs="?", help="run this file; - for stdin")
    parser.add_argument("--profile", choices=PROFILES, default="linux", help="default: linux")
    parser.set_defaults(func=kernel_verb)


def add_verify_kernel(subjects: Any) -> None:
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
    from ccsim.kernel.replay import replay_paths

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


def kernel_verb(args: argparse.Namespace) -> int:
    """Run a script, or read commands until the end of input."""
    from ccsim.kernel import Kernel
    from ccsim.kernel.shell import Shell

    kernel = Kernel(args.profile, request_module=_request_module)
    shell = Shell(kernel, _algorithm_file)
    if args.script in (None, "-") and sys.stdin.isatty():
        return _interactive(shell)
    return _script(shell, args.script or "-")


def _algorithm_file(name: str) -> Path:
    """Return the path that a name after ``open`` means: a file, or a shipped algorithm."""
    from pathlib import Path

    from ccsim.catalog import algorithm_files

    path = Path(name)
    return path if path.exists() else algorithm_files().get(name, path)


def _request_module(name: str) -> Any:
    """Return the table that the shipped algorithm file of this name registers, or None."""
    from ccsim.catalog import algorithm_files
    from ccsim.kernel.loader import load_tables

    path = algorithm_files().get(name)
    if path is None:
        return None
    return next((ops for ops in load_tables(path).values() if ops.name == name), None)


def _interactive(shell: Shell) -> int:
    from ccsim.errors import CcsimError

    print("ccsim kernel: type help for the commands, quit to leave")
    while not shell.done:
        try:
            text = shell.execute(input("> "))
        except EOFError:
            print()
            break
        except CcsimError as error:
            text = str(error)
        if text:
            print(text)
    return 0


def _script(shell: Shell, script: str) -> int:
    """Echo and run each line; the first unexpected error ends the script."""
    from pathlib import Path

    from ccsim.errors import CcsimError
    from ccsim.kernel.shell import ShellError

    try:
        text = sys.stdin.read() if script == "-" else Path(script).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ShellError(f"{script}: cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if shell.done:
            break
        if not line.strip():
            continue
        print(f"> {line}")
        try:
            said = shell.execute(line)
        except CcsimError as error:
            print(f"{script}:{number}: {error}", file=sys.stderr)
            return DIFFERENT
        if said:
            print(said)
    return 0
