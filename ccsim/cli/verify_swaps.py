"""The verb ``ccsim verify swaps``: what recorded swaps cost on a kernel, and simulated."""

from __future__ import annotations

import argparse
import csv
import io
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import natural, positive
from ccsim.cli.progress import ProgressBar

if TYPE_CHECKING:
    from ccsim.experiment.estimates import Estimate
    from ccsim.experiment.recorded_swaps import Agreement, RecordedCell
    from ccsim.plot.agreement import AgreementPoint

__all__ = ["add_parser", "agreement_text"]

DIFFERENT = 1
COLUMN = 28
LABELS = {
    "deficit_s": "deficit (s)",
    "deficit_peak_bytes": "greatest deficit (MB)",
    "dip_worst_ratio": "worst 200 ms (share of before)",
    "extra_drops": "extra drops (packets)",
    "queue_excess_ms": "queueing excess (ms)",
    "rtt_p99_ms": "99th percentile of srtt (ms)",
    "longest_stall_s": "longest stall (s)",
    "neighbour_harm": "harm to the neighbour (share)",
    "jain_index": "Jain's index",
}
"""The metrics that are drawn; the rest say the same."""
LINEAR = {"deficit_s": 0.1, "deficit_peak_bytes": 0.1, "extra_drops": 10}
"""Beyond these the axes are logarithmic."""


def add_parser(verify_subparsers: Any) -> None:
    """Add the subject ``swaps`` to the verb ``verify``."""
    parser = verify_subparsers.add_parser(
        "swaps",
        help="compare what recorded swaps cost with what is simulated",
        description="Simulate recorded swaps and their twins, with exact and with late hosts, "
        "measure recordings and simulations alike, and print each metric of each pair and path "
        "with its interval, whether they part, and rank correlations. Exit status 1 if more cells "
        "part with late hosts than --allow.",
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a recording NAME.json, or a folder of them"
    )
    parser.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="seeds for each swap; default: 1"
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help="default: one a core")
    parser.add_argument(
        "--allow", type=natural, default=0, metavar="N", help="cells that may part; default: 0"
    )
    parser.add_argument("--csv", metavar="FILE", help="write all cells as a table, too")
    parser.add_argument("--plot", metavar="FILE", help="draw kernel against simulation, too")
    parser.set_defaults(func=verify_swaps_verb)


def verify_swaps_verb(args: argparse.Namespace) -> int:
    """Compare recorded swaps; return 1 if more cells part than may."""
    from ccsim.experiment.recorded_swaps import compare_swaps
    from ccsim.verify.trace import load_trace, trace_files

    files = dict.fromkeys(path.resolve() for path in trace_files(args.paths))
    traces = [load_trace(path) for path in files]
    with ProgressBar("simulated") as bar:
        found = compare_swaps(traces, args.seeds, args.jobs, bar.update)
    print(agreement_text(found))
    if args.csv is not None:
        _write(Path(args.csv), cells_csv(found))
    if args.plot is not None:
        print(_plot(found, Path(args.plot)))
    return DIFFERENT if len(found.apart("late")) > args.allow else 0


def _write(path: Path, text: str) -> None:
    from ccsim.experiment.store import explained

    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _plot(found: Agreement, out: Path) -> Path:
    from ccsim.experiment.store import explained
    from ccsim.plot.agreement import AgreementPanel, draw_agreement

    panels = [
        AgreementPanel(
            label,
            [_point(cell) for cell in found.cells if cell.metric == metric],
            f"rank correlation {_rank(found.by_cell(metric, 'late'))}",
            LINEAR.get(metric),
        )
        for metric, label in LABELS.items()
        if any(cell.metric == metric for cell in found.cells)
    ]
    with explained(out):
        return draw_agreement(panels, out)


def _point(cell: RecordedCell) -> AgreementPoint:
    from ccsim.plot.agreement import AgreementPoint

    scale = 1e-6 if cell.metric == "deficit_peak_bytes" else 1.0
    kernel, simulated = (_spread(e, scale) for e in (cell.kernel, cell.simulated["late"]))
    return AgreementPoint(f"{cell.series}: {cell.path}", kernel, simulated, cell.apart("late"))


def _spread(estimate: Estimate, scale: float) -> tuple[float, float, float]:
    value = estimate.value if estimate.value is not None else math.nan
    low = value if estimate.low is None else estimate.low
    high = value if estimate.high is None else estimate.high
    return scale * value, scale * low, scale * high


def agreement_text(found: Agreement) -> str:
    """Return the cells by path and pair, what parts, and the rank correlations."""
    lines = [*_cell_lines(found), ""]
    for hosts in ("exact", "late"):
        n = len(found.cells)
        lines.append(f"{hosts} hosts: apart in {len(found.apart(hosts))} of {n} cells")
    return "\n".join([*lines, "", *_rank_lines(found)])


def _cell_lines(found: Agreement) -> Iterator[str]:
    head = "".join(f"{name:<{COLUMN}}" for name in ("", "kernel", "exact hosts", "late hosts"))
    yield f"{head.rstrip()}   (mean [95 % interval]; !: apart)"
    group = None
    for cell in found.cells:
        if (cell.series, cell.path, cell.swap) != group:
            group = cell.series, cell.path, cell.swap
            cases = [case for case in found.cases if (case.series, case.path, case.swap) == group]
            yield ""
            yield f"{cell.series}: {cell.swap}, {cell.path} (n = {len(cases)})"
        texts = [_text(cell.kernel), *(_marked(cell, hosts) for hosts in ("exact", "late"))]
        yield "".join(f"{text:<{COLUMN}}" for text in (f"  {cell.metric}", *texts)).rstrip()


def _marked(cell: RecordedCell, hosts: str) -> str:
    return ("! " if cell.apart(hosts) else "") + _text(cell.simulated[hosts])


def _text(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return _number(estimate.value)
    return f"{_number(estimate.value)} [{_number(estimate.low)}, {_number(estimate.high)}]"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _rank_lines(found: Agreement) -> Iterator[str]:
    cells = len({(cell.series, cell.path, cell.swap) for cell in found.cells})
    yield f"rank correlation with the kernel, of exact and of late hosts, over {cells} pairs and"
    yield f"paths, and over {len(found.cases)} single swaps:"
    for metric in dict.fromkeys(cell.metric for cell in found.cells):
        both = [
            f"{_rank(of(metric, 'exact'))}, {_rank(of(metric, 'late'))}"
            for of in (found.by_cell, found.by_swap)
        ]
        yield f"  {metric:<{COLUMN - 2}}" + "".join(f"{text:<{COLUMN}}" for text in both).rstrip()


def _rank(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def cells_csv(found: Agreement) -> str:
    """Return all cells as CSV: the kernel's mean, interval and n, and those of each kind of
    hosts."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_rows(found))
    return text.getvalue()


def _rows(found: Agreement) -> Iterator[Iterable[object]]:
    names = ("kernel", "exact", "late")
    ends = ("mean", "low", "high", "n")
    yield ["series", "path", "swap", "metric", *(f"{a}_{b}" for a in names for b in ends)]
    for cell in found.cells:
        estimates = (cell.kernel, cell.simulated["exact"], cell.simulated["late"])
        numbers = [x for e in estimates for x in (e.value, e.low, e.high, e.n)]
        yield [cell.series, cell.path, cell.swap, cell.metric, *numbers]
