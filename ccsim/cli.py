"""The command line ``ccsim``: verbs, exit statuses, signals.

Exit status 0: fine; 1: a run failed or a difference was found; 2: wrong input; 130: Ctrl-C; 141:
nobody reads the output any more; 143: terminated.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any

from ccsim import __version__
from ccsim.cli_arguments import formats, positive
from ccsim.errors import CcsimError, InvariantError
from ccsim.sim import patient_collector

__all__ = ["build_parser", "main"]

RUN_FAILED = 1
WRONG_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
AGAIN_S = 0.02
LEAN = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""What spares a short run time, if the environment does not say otherwise: threads for matrices,
of which there are none, and a search through all installed packages."""
_LISTS = ["scenarios", "studies", "algorithms", "qdiscs", "mechanisms", "policies"]
Verbs = Any  # argparse's sub-parsers, whose class is private


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
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        args.overrides = [*args.overrides, *rest]
    return args


def build_parser(verb: str = "") -> argparse.ArgumentParser:
    """Return the parser of all verbs; each sets ``func``, which takes the arguments.

    For the ``verb`` run it knows that one alone: the modules of the others are not imported.
    """
    parser = argparse.ArgumentParser(
        prog="ccsim",
        description="What it costs to hot-swap TCP congestion control while traffic runs.",
        epilog="exit status: 0 fine, 1 a run failed or a difference was found, 2 wrong input",
    )
    parser.add_argument("--version", action="version", version=f"ccsim {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_run(verbs)
    if verb != "run":
        _add_scenario_verbs(verbs)
        _add_result_verbs(verbs)
        _add_other_verbs(verbs)
    return parser


def _verb(verbs: Verbs, name: str, text: str, **more: Any) -> argparse.ArgumentParser:
    """Add a verb that the function of its name in `ccsim.cli_verbs` carries out."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", **more
    )
    parser.set_defaults(func=_lazily(name))
    return parser


def _lazily(name: str) -> Callable[[argparse.Namespace], int]:
    """Return a function that imports the verb's own when it is called: help stays quick."""

    def func(args: argparse.Namespace) -> int:
        status: int = getattr(import_module("ccsim.cli_verbs"), f"{name}_verb")(args)
        return status

    return func


def _add_run(verbs: Verbs) -> None:
    run = _verb(verbs, "run", "run a scenario and its twins, print what the swaps cost, draw it")
    run.add_argument("scenario", metavar="SCENARIO", help="a YAML file or a shipped one's name")
    run.add_argument(
        "overrides",
        metavar="key=value",
        nargs="*",
        help="such as duration='10 s' path.rate=1Gbit/s",
    )
    run.add_argument("--seed", type=int, metavar="N", help="instead of the scenario's")
    run.add_argument("--out", default="results", metavar="DIR", help="default: results")
    run.add_argument("--json", action="store_true", help="print the metrics as JSON, nothing else")
    run.add_argument("--no-twins", action="store_true", help="run without the twins")
    run.add_argument("--no-plot", action="store_true", help="draw no picture")
    run.add_argument(
        "--paranoid", action="store_true", help="check invariants after every window and hook"
    )
    run.add_argument(
        "--jobs", type=positive, metavar="N", help="simulations at once; default: cores"
    )


def _add_scenario_verbs(verbs: Verbs) -> None:
    import_module("ccsim.cli_author").add_parsers(verbs)
    _verb(verbs, "schema", "print the JSON schema of scenarios, for editors")
    what = _verb(verbs, "list", "list what there is")
    what.add_argument("what", choices=_LISTS)


def _add_result_verbs(verbs: Verbs) -> None:
    show = _verb(verbs, "show", "print the tables of a stored run again, or what a study found")
    show.add_argument("--json", action="store_true", help="print the metrics as JSON, nothing else")
    show.add_argument("--metric", default="deficit_s", help="of a study; default: deficit_s")
    show.add_argument(
        "--detect", type=float, metavar="X", help="of a study: how many seeds a difference X takes"
    )
    plot = _verb(verbs, "plot", "draw a stored run again")
    compare = _verb(verbs, "compare", "overlay stored runs in one picture")
    export = _verb(verbs, "export", "write the traces of a stored run in another format")
    for parser in (show, plot, export):
        parser.add_argument("run", metavar="RUN", help="a folder, a run id or a scenario's name")
    compare.add_argument(
        "runs", metavar="RUN", nargs="+", help="folders, run ids, scenarios' names"
    )
    for parser in (plot, compare):
        parser.add_argument(
            "--format",
            type=formats,
            default=("png", "pdf"),
            help="one or more of png, pdf, svg with commas between; default: png,pdf",
        )
    export.add_argument("--format", default="csv", choices=["csv"], help="default: csv")
    for parser in (plot, compare, export):
        parser.add_argument("--out", metavar="DIR", help="the folder to write into")
    for parser in (show, plot, compare, export):
        parser.add_argument(
            "--results", default="results", metavar="DIR", help="where runs are; default: results"
        )


def _add_other_verbs(verbs: Verbs) -> None:
    """Add the verbs of the emulated kernel, of verification, fuzzing and benchmarks."""
    verify = verbs.add_parser("verify", help="compare with recordings of a real Linux kernel")
    subjects = verify.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    for module, function, target in (
        ("ccsim.cli_kernel", "add_parsers", verbs),
        ("ccsim.cli_kernel", "add_verify_kernel", subjects),
        ("ccsim.cli_vectors", "add_verify_algorithm", subjects),
        ("ccsim.cli_verify", "add_verify_episode", subjects),
        ("ccsim.cli_verify", "add_verify_trace", subjects),
        ("ccsim.cli_fuzz", "add_parsers", verbs),
        ("ccsim.cli_bench", "add_parsers", verbs),
        ("ccsim.cli_compile", "add_parsers", verbs),
        ("ccsim.cli_study", "add_parsers", verbs),
        ("ccsim.cli_report", "add_parsers", verbs),
        ("ccsim.cli_search", "add_parsers", verbs),
        ("ccsim.cli_gallery", "add_parsers", verbs),
    ):
        getattr(import_module(module), function)(target)
