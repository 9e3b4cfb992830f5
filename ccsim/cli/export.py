"""The verb ``export``: a stored run for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_verb, instant, packet_bytes
from ccsim.cli.output import print_paths
from ccsim.cli.progress import ProgressBar
from ccsim.cli.stored import add_results, add_run, add_verify, load
from ccsim.cli.streams import say
from ccsim.errors import CcsimError, ResultsError
from ccsim.words import listed

if TYPE_CHECKING:
    from ccsim.experiment.stored import StoredRun

__all__ = ["add_parser"]

FORMATS = {"csv": "", "pcapng": ".pcapng", "qlog": ".sqlog", "flent": ".flent.gz", "ss": ".ss"}
"""What can be written, and how the name of the one file ends that holds it."""
OPTIONS = {
    "twin": ("pcapng", "qlog", "flent", "ss"),
    "flows": ("pcapng", "qlog", "flent", "ss"),
    "begin": ("pcapng", "qlog", "ss"),
    "end": ("pcapng", "qlog", "ss"),
    "side": ("pcapng",),
    "snaplen": ("pcapng",),
}
"""Which formats an option says something about."""
LARGE_BYTES = 100_000_000


def add_parser(verbs: Any) -> None:
    """Add ``export`` to the command line's verbs."""
    text = "write a stored run for other programs"
    example = "ccsim export cubic_to_bbr --format pcapng"
    export = add_verb(verbs, "export", text, export_verb, example)
    add_run(export)
    export.add_argument("--format", default="csv", choices=list(FORMATS), help="default: csv")
    export.add_argument("--out", metavar="PATH", help="the folder, or the file, to write into")
    export.add_argument(
        "--twin", default="none", choices=["none", "a", "b"], help="a twin instead of the run"
    )
    export.add_argument(
        "--flows", metavar="NAME", nargs="+", default=[], help="these flows or workloads only"
    )
    export.add_argument("--from", dest="begin", type=instant, metavar="T", help="such as '19 s'")
    export.add_argument("--to", dest="end", type=instant, metavar="T", help="such as '24 s'")
    export.add_argument(
        "--side",
        default="sender",
        choices=["sender", "receiver", "both"],
        help="pcapng: the host that captures; default: sender",
    )
    export.add_argument(
        "--snaplen",
        type=packet_bytes,
        default=0,
        metavar="BYTES",
        help="pcapng: kept of each packet",
    )
    add_results(export, "runs")
    add_verify(export)


def export_verb(args: argparse.Namespace) -> int:
    """Write a stored run in the format that is asked for."""
    _check_options(args)
    run = load(args.run, args)
    if args.format == "csv":
        from ccsim.experiment.stored import export

        print_paths(export(run, args.format, args.out))
        return 0
    target = _target(run, args)
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(run, target, args)
    print_paths([target])
    return 0


def _check_options(args: argparse.Namespace) -> None:
    """Refuse an option that says nothing about the format."""
    for name, formats in OPTIONS.items():
        if args.format not in formats and getattr(args, name) != args.parser.get_default(name):
            option = {"begin": "from", "end": "to"}.get(name, name)
            args.parser.error(
                f"--{option}: expected with --format {listed(formats)}, not {args.format}"
            )


def _target(run: StoredRun, args: argparse.Namespace) -> Path:
    """Return the file to write: one that is named, or one in the folder that is."""
    ending = FORMATS[args.format]
    if args.out and args.out.endswith(ending):
        return Path(args.out)
    folder = Path(args.out) if args.out else run.path / args.format
    twin = "" if args.twin == "none" else f"-twin-{args.twin}"
    return folder / f"{run.name}{twin}{ending}"


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Say which file cannot be written, and what to do."""
    try:
        yield
    except ResultsError:
        raise
    except OSError as error:
        reason = f"cannot write: {error.strerror or error}; choose another --out"
        raise ResultsError(str(target), reason) from error


def _write(run: StoredRun, target: Path, args: argparse.Namespace) -> None:
    about: dict[str, Any] = {"twin": args.twin, "wanted": _selection(args, run.result.duration_ns)}
    if args.format == "flent":
        from ccsim.exchange.flent import write_flent

        write_flent(run, target, **about)
        return
    total_ns = run.result.duration_ns
    with ProgressBar(f"{run.name} again") as bar:
        about["progress"] = lambda t_ns: bar.update(t_ns / total_ns)
        if args.format == "qlog":
            from ccsim.exchange.qlog import write_qlog

            write_qlog(run, target, **about)
            return
        if args.format == "ss":
            from ccsim.exchange.ss_out import write_ss

            write_ss(run, target, **about)
            return
        from ccsim.exchange.capture import write_capture

        size = write_capture(run, target, snaplen=args.snaplen, **about)
    if size > LARGE_BYTES and not args.snaplen:
        say(f"{size / 1e6:.0f} MB, most of it payload; --snaplen 96 keeps the headers alone")


def _selection(args: argparse.Namespace, duration_ns: int) -> Any:
    """Return what is wanted; CcsimError if that is nothing of the run."""
    from ccsim.exchange.capture import Selection

    bounds = {"from_ns": args.begin, "to_ns": args.end}
    begin, end = args.begin or 0, duration_ns if args.end is None else args.end
    if not begin < min(end, duration_ns):
        span, got = f"{duration_ns / 1e9:g} s", f"from {begin / 1e9:g} s to {end / 1e9:g} s"
        raise CcsimError(f"export: expected a span of time within the run's {span}, got {got}")
    known = {name: value for name, value in bounds.items() if value is not None}
    return Selection(flows=tuple(args.flows), side=args.side, **known)
