"""The process of a command: exit statuses, signals, environment.

Exit status 0: fine; 1: a run failed or a difference was found; 2: wrong input; 130: Ctrl-C; 141:
nobody reads the output any more; 143: terminated.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ccsim import __version__
from ccsim.cli.parser import build_parser
from ccsim.cli.signals import Terminated, signals_minded
from ccsim.cli.streams import abandon_output, make_usable, say
from ccsim.errors import CcsimError, InvariantError

__all__ = ["LEAN", "main"]

RUN_FAILED = 1
WRONG_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
LEAN = {"OPENBLAS_NUM_THREADS": "1"}
"""Set if the environment does not say otherwise: there are no large matrices, and a process that
has threads cannot be forked."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; results go to stdout, trouble to stderr.

    Without ``argv`` it is the process's own, which does nothing else and ends with it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        make_usable()
    try:
        with signals_minded(), _lean():
            _check_encoding(arguments)
            args = _parse(arguments)
            args.argv, args.own_process = ["ccsim", *arguments], argv is None
            status = int(args.func(args) or 0)
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        say("ccsim: interrupted; nothing half-written was kept")
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    except BrokenPipeError:
        abandon_output()  # which is flushed at exit
        return BROKEN_PIPE
    except Exception as error:
        if isinstance(error, CcsimError) or _from_kernel(error):
            say(str(error))
            return RUN_FAILED if isinstance(error, InvariantError) else WRONG_INPUT
        if argv is not None:
            raise
        return _told(error)


def _told(error: Exception) -> int:
    """Report what is not a fault of the input: the machine's limits in a line, a defect in full."""
    if isinstance(error, MemoryError):
        say("ccsim: out of memory; a shorter run or fewer samples (record.interval) need less")
    elif isinstance(error, OSError):
        what = str(error.filename or "standard output")
        say(f"ccsim: {what}: {error.strerror or error}")
        abandon_output()
    else:
        traceback.print_exception(error)
        say(
            f"This is a defect of ccsim {__version__}, not of your input. Please report it where "
            "you have ccsim from, with the command and the lines above."
        )
    return RUN_FAILED


def _check_encoding(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no text: they could be neither printed nor stored."""
    named = [(f"argument {n}", text) for n, text in enumerate(arguments, start=1)]
    with suppress(OSError):  # it has been removed
        named.append(("the working directory", os.getcwd()))
    for name, text in named:
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                byte = ord(text[error.start]) & 0xFF
                shown = text.encode(errors="replace").decode()
                message = f"ccsim: {name}: expected UTF-8 text, got byte 0x{byte:02x} in {shown!r}"
                raise CcsimError(message) from None


@contextmanager
def _lean() -> Iterator[None]:
    """Set `LEAN` for what is imported and started meanwhile."""
    new = {name: value for name, value in LEAN.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


def _from_kernel(error: Exception) -> bool:
    """Report whether the emulated kernel refused something, without importing it."""
    kernel = sys.modules.get("ccsim.kernel.errors")
    return kernel is not None and isinstance(error, kernel.KernelError)


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Parse; overrides may stand after options too, which argparse alone does not allow."""
    parser = build_parser(arguments[0] if arguments else "")
    args, rest = parser.parse_known_args(arguments)
    late = [text for text in rest if "=" in text and not text.startswith("-")]
    if rest and (late != rest or not hasattr(args, "overrides")):
        wrong = [text for text in rest if text not in late or not hasattr(args, "overrides")]
        args.parser.error(f"unrecognized arguments: {' '.join(wrong)}")
    if rest:
        args.overrides = [*args.overrides, *rest]
    return args
