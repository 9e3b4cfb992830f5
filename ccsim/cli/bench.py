"""The verb ``bench``: what the simulator costs on this machine, alone and beside others."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ccsim.cli.arguments import positive

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``bench`` to the command line's verbs."""
    parser = verbs.add_parser("bench", help="measure wall time and µs per data packet")
    parser.add_argument("case", nargs="*", help="cases to run (default: all)")
    parser.add_argument(
        "--runs", type=positive, default=5, help="repeats a case; medians are shown"
    )
    parser.add_argument(
        "--peers", action="store_true", help="run the cases in ns-3 and ns.py as well, in turn"
    )
    parser.add_argument(
        "--htsim", metavar="DIR", help="and in htsim, of which this is a checkout; built there"
    )
    parser.add_argument(
        "--peer-seconds", type=positive, default=20, help="simulated time that these are given"
    )
    parser.add_argument(
        "--curves", action="store_true", help="measure and draw cost against rate, flows, …"
    )
    parser.add_argument("--out", default="results", help="where bench/ goes (default: results)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(func=_bench)


def _bench(args: argparse.Namespace) -> int:
    from ccsim.errors import CcsimError
    from ccsim.experiment.bench import measure_curves, run_bench
    from ccsim.experiment.store import explained

    folder = Path(args.out) / "bench" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    runs = max(args.runs, 1)
    tell = _ignore if args.json else _show
    peers, missing = _peers(args)
    for peer in missing if not args.json else []:
        print(f"{peer.name} is not installed here: {peer.install}")
    if not args.json:
        print(f"{'case':30} {'wall (s)':>9} {'packets':>10} {'µs/packet':>10} {'peak (MB)':>10}")
    try:
        found = run_bench(args.case, runs, tell, peers, args.peer_seconds * 1_000_000_000)
    except ValueError as error:
        raise CcsimError(str(error)) from error
    if args.curves:
        found["curves"] = measure_curves(runs, tell)
    with explained(folder):
        _keep(found, folder)
    print(json.dumps(found, indent=2) if args.json else f"kept in {folder}")
    return 0


def _peers(args: argparse.Namespace) -> tuple[dict[Any, list[str]], list[Any]]:
    """Return the peers that take part and what starts each, and those that are not installed."""
    from ccsim.experiment.bench import find_peers
    from ccsim.experiment.peers import HTSIM

    if not args.peers and args.htsim is None:
        return {}, []
    htsim = None if args.htsim is None else Path(args.htsim)
    found, missing = find_peers(Path(args.out) / "bench" / "build", htsim)
    if args.peers:
        return found, missing
    return (
        {peer: start for peer, start in found.items() if peer is HTSIM},
        [peer for peer in missing if peer is HTSIM],
    )


def _keep(found: dict[str, Any], folder: Path) -> None:
    """Write the figures, and the chart if it was measured; each file whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "bench.json.part"
    partial.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / "bench.json")
    if "curves" in found:
        from ccsim.plot import draw_cost

        draw_cost(found["curves"], folder)


def _show(row: dict[str, Any]) -> None:
    peers = "".join(
        f"   {peer} {other['us_per_packet']:.3g} µs ({other['ratio']:.2g} times)"
        for peer, other in row.get("peers", {}).items()
    )
    print(
        f"{row['case']:30} {row['wall_s']:9.3f} {row['packets']:10d} "
        f"{row['us_per_packet']:10.3f} {row['peak_MB']:10.1f}{peers}",
        flush=True,
    )


def _ignore(row: dict[str, Any]) -> None:
    pass
