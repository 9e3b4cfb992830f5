"""The process of a command: exit statuses, signals, environment.

Exit status 0: fine; 1: a run failed or a difference was found; 2: wrong input; 130: Ctrl-C; 141:
nobody reads the output any more; 143: terminated.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from ccsim.cli.parser import build_parser
from ccsim.errors import CcsimError, InvariantError
from ccsim.sim import patient_collector

__all__ = ["LEAN", "main"]

RUN_FAILED = 1
WRONG_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
AGAIN_S = 0.02
LEAN = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""What spares a short run time, if the environment does not say otherwise: threads for matrices,
of which there are none, and a search through all installed packages."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; results go to stdout, trouble to stderr.

    Without ``argv`` it is the process's own, which does nothing else and ends with it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with _terminable(), _lean(), patient_collector():
            args = _parse(arguments)
            args.argv, args.own_process = ["ccsim", *arguments], argv is None
            status = int(args.func(args) or 0)
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        print("ccsim: interrupted; nothing half-written was kept", file=sys.stderr)
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return BROKEN_PIPE
    except Exception as error:
        if not isinstance(error, CcsimError) and not _from_kernel(error):
            raise
        print(error, file=sys.stderr)
        return RUN_FAILED if isinstance(error, InvariantError) else WRONG_INPUT


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
    """Tell whether the emulated kernel refused something, without importing it."""
    kernel = sys.modules.get("ccsim.kernel.errors")
    return kernel is not None and isinstance(error, kernel.KernelError)


class _terminable:
    """Turns SIGTERM into an orderly exit, so that what is half-written goes."""

    def __enter__(self) -> None:
        try:
            self.before = signal.signal(signal.SIGTERM, _terminate)
        except ValueError:  # not on the main thread: signals belong to somebody else
            self.before = None

    def __exit__(self, *_: object) -> None:
        if self.before is not None:
            signal.signal(signal.SIGTERM, self.before)


class _Terminated(BaseException):
    """SIGTERM came. Not SystemExit, which an algorithm file that calls `sys.exit` raises too."""


def _terminate(number: int, frame: FrameType | None) -> None:
    """Raise, but from inside the import machinery come again soon: in its callbacks, what is raised
    is lost, and the run would go on."""
    if frame is None or not frame.f_code.co_filename.startswith("<frozen importlib"):
        raise _Terminated
    again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


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
