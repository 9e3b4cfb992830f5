"""The verb ``kernel``: an interactive shell on the emulated kernel."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_hook_timeout

if TYPE_CHECKING:
    from pathlib import Path

    from ccsim.cli.shell import Shell


__all__ = ["PROFILES", "add_parser"]

DIFFERENT = 1
MAX_SCRIPT_BYTES = 1 << 20
PROFILES = ("linux", "linux-6.9", "v2")


def add_parser(verbs: Any) -> None:
    """Add the verb ``kernel``."""
    parser = verbs.add_parser(
        "kernel",
        help="an interactive shell on the emulated kernel",
        description="A shell on the emulated kernel; `help` in it lists its commands. In a script, "
        "`!command` must fail, and the first unexpected error ends it with status 1.",
    )
    parser.add_argument("script", metavar="SCRIPT", nargs="?", help="run this file; - for stdin")
    parser.add_argument("--profile", choices=PROFILES, default="linux", help="default: linux")
    add_hook_timeout(parser)
    parser.set_defaults(func=kernel_verb)


def kernel_verb(args: argparse.Namespace) -> int:
    """Run a script, or read commands until the end of input."""
    from ccsim.cli.shell import Shell
    from ccsim.ending import no_exits
    from ccsim.jobs.onlooker import Onlooker
    from ccsim.kernel import Kernel
    from ccsim.sim.watchdog import hooks_watched

    kernel = Kernel(args.profile, request_module=_request_module)
    onlooker = Onlooker(args.hook_timeout)
    shell = Shell(kernel, lambda name: onlooker.mind(_algorithm_file(name)))
    with closing(onlooker), no_exits(), hooks_watched(args.hook_timeout):
        if args.script in (None, "-") and sys.stdin.isatty():
            from ccsim.cli.shell_session import interactive

            return interactive(shell)
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


def _text_of(script: str) -> str:
    """Return what a script holds, which may be a device without an end; ShellError."""
    from ccsim.cli.shell import ShellError
    from ccsim.files import read_bounded

    try:
        if script != "-":
            content: bytes | str = read_bounded(script, MAX_SCRIPT_BYTES)
        else:
            content = getattr(sys.stdin, "buffer", sys.stdin).read(MAX_SCRIPT_BYTES + 1)
        text = content if isinstance(content, str) else content.decode("utf-8")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8; a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ShellError(f"{script}: cannot be read: {reason}") from error
    if len(content) > MAX_SCRIPT_BYTES:
        raise ShellError(f"{script}: expected at most {MAX_SCRIPT_BYTES // 1024} KiB, got more")
    return text


def _script(shell: Shell, script: str) -> int:
    """Echo and run each line; the first unexpected error ends the script."""
    from ccsim.errors import CcsimError

    text = _text_of(script)
    for number, line in enumerate(text.splitlines(), 1):
        if shell.done:
            break
        if not line.strip():
            continue
        print(f"> {line}", flush=True)  # whatever ends the process meanwhile
        try:
            said = shell.execute(line)
        except CcsimError as error:
            print(f"{script}:{number}: {error}", file=sys.stderr)
            return DIFFERENT
        if said:
            print(said)
    return 0
