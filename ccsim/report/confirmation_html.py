"""The page of a confirmation: a scenario on a kernel and simulated, both in one picture, and every
metric of every swap with both intervals."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ccsim.experiment.stored_confirmation import (
    StoredConfirmation,
    load_confirmation,
    overlaid,
)
from ccsim.plot import draw_comparison
from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import NONE, count, decimal
from ccsim.report.page import page, section
from ccsim.report.reproduce import from_checkout, manifest_section, scenario_section
from ccsim.report.sortable_tables import Column, number, table, word

__all__ = ["confirmation_page"]

Row = Mapping[str, Any]
WIDTH, HEIGHT = 200, 30
SIDES = ("kernel", "simulated")


def confirmation_page(folder: Path, *, verify: bool = False) -> str:
    """Return the HTML page of a stored confirmation; ResultsError if it cannot be read."""
    found = load_confirmation(folder, verify=verify)
    name = found.simulated.name
    sections = [
        _header(name, found),
        section("summary", "Summary", *_summary(found)),
        section("overlay", "Both overlaid", _picture(found)),
        section("metrics", "Metrics", *_tables(found.told["rows"])),
        section("machine", "Machine", _lateness(found)),
        scenario_section(name, "", found.simulated.scenario),
        section("reproduce", "How to repeat", *_repeat(found)),
        manifest_section(found.kernel[0].manifest) if found.kernel else None,
    ]
    return page(f"{name} confirmed", [one for one in sections if one is not None])


def _header(name: str, found: StoredConfirmation) -> Markup:
    host = found.kernel[0].manifest["host"] if found.kernel else {}
    told = [count(len(found.kernel), "run") + " on the kernel", f"Linux {host.get('kernel', '?')}"]
    names = ("summary", "overlay", "metrics", "machine", "scenario", "reproduce")
    return tag(
        "header",
        tag("h1", f"{name}: kernel and simulation"),
        tag("p", " · ".join(told), class_="facts"),
        tag("nav", *(tag("a", name.capitalize(), href=f"#{name}") for name in names)),
    )


def _summary(found: StoredConfirmation) -> Iterator[Markup]:
    yield tag("p", tag("strong", found.told["sentence"]))
    how = "with hosts as late as measured" if found.told["host_lateness_simulated"] else "without"
    yield tag(
        "p",
        f"The simulation is {how} host lateness. "
        if how == "without"
        else f"Each repetition is simulated {how}. ",
        "Intervals hold the mean with 95 % (BCa bootstrap). Two are apart if they do not overlap "
        "and the means differ by more than a sample or two packets can tell.",
    )
    distances, own = found.told["cwnd_distances"], found.told["cwnd_distance_of_repetitions"]
    if distances:
        words = f"cwnd was apart by {100 * sum(distances) / len(distances):.1f} % on average"
        if own is not None:
            words += f"; from one repetition on the kernel to another by {100 * own:.1f} %"
        yield tag("p", f"{words}.")


def _picture(found: StoredConfirmation) -> Markup:
    """Return the runs overlaid, as an image that the page brings along."""
    runs, labels = overlaid(found.kernel, found.simulated)
    with tempfile.TemporaryDirectory() as folder:
        (path,) = draw_comparison(runs, labels, Path(folder), ("png",))
        data = base64.b64encode(path.read_bytes()).decode()
    source = f"data:image/png;base64,{data}"
    return Markup(f'<img src="{source}" alt="{", ".join(labels)}">')


def _tables(rows: Sequence[Row]) -> Iterator[Markup]:
    """Yield a table for each swap."""
    if not rows:
        yield tag("p", "There is no swap to compare.")
    for swap, of_swap in groupby(rows, key=lambda row: row["swap"]):
        yield tag("h3", swap)
        yield table(_COLUMNS, [_flat(row) for row in of_swap])


def _flat(row: Row) -> Row:
    verdict = "apart" if row["apart"] else "overlap" if row["overlap"] else "too close to tell"
    return {
        "metric": row["metric"],
        "verdict": verdict,
        "row": row,
        **{f"{side}_{key}": row[side][key] for side in SIDES for key in ("mean", "n")},
    }


def _mean(side: str) -> Column:
    def show(row: Row) -> str:
        one = row["row"][side]
        if one["mean"] is None:
            return NONE
        if one["low"] is None or one["high"] is None:
            return f"{_short(one['mean'])} (all {one['n']})"
        return f"{_short(one['mean'])} [{_short(one['low'])}, {_short(one['high'])}]"

    title = "on the kernel" if side == "kernel" else "simulated"
    return Column(title, show, lambda row: row["row"][side]["mean"])


def _short(value: float) -> str:
    return decimal(value, 0) if abs(value) >= 1000 else decimal(value, 3)


def _both(row: Row) -> Markup:
    """Return both intervals as lines, the kernel's above, with a dot at each mean."""
    sides = [row["row"][side] for side in SIDES]
    ends = [one[k] for one in sides for k in ("mean", "low", "high") if one[k] is not None]
    least, most = min(ends), max(ends)

    def x(value: float) -> float:
        return round(6 + (value - least) / ((most - least) or 1.0) * (WIDTH - 12), 1)

    parts = []
    for k, one in enumerate(sides):
        y = HEIGHT * (1 + 2 * k) / 4
        if one["low"] is not None and one["high"] is not None:
            line = {"x1": x(one["low"]), "x2": x(one["high"]), "y1": y, "y2": y}
            parts.append(tag("line", **line, class_="interval-line"))
        if one["mean"] is not None:
            parts.append(tag("circle", cx=x(one["mean"]), cy=y, r=3.5, class_="estimate"))
    size = {"width": WIDTH, "height": HEIGHT, "viewBox": f"0 0 {WIDTH} {HEIGHT}"}
    return tag("svg", *parts, **size, class_="forest", aria_hidden="true")


_COLUMNS = [
    word("metric", "metric"),
    _mean("kernel"),
    number("n", "kernel_n", 0),
    _mean("simulated"),
    number("n", "simulated_n", 0),
    word("intervals", "verdict"),
    Column("kernel above, simulated below", _both),
]


def _lateness(found: StoredConfirmation) -> Markup:
    """Return how late the path of each repetition was, of all its runs the latest."""
    rows = [
        {
            "run": run.run_id,
            "p50": max(one.get("p50", 0.0) for one in run.manifest["lateness_us"]),
            "p99": max(one.get("p99", 0.0) for one in run.manifest["lateness_us"]),
            "max": max(one.get("max", 0.0) for one in run.manifest["lateness_us"]),
            "disturbed": "disturbed" if run.manifest["disturbed"] else "no",
        }
        for run in found.kernel
    ]
    columns = [
        word("run", "run"),
        *(number(f"{key} (µs)", key, 0) for key in ("p50", "p99", "max")),
        word("disturbed", "disturbed"),
    ]
    return table(columns, rows, "How late the emulated path handed packets over")


def _repeat(found: StoredConfirmation) -> Iterator[Markup]:
    argv = [str(part) for part in found.simulated.manifest.get("argv") or ()]
    yield tag("p", "A kernel never does the same twice: what repeats are the intervals.")
    if argv[1:2] == ["confirm"]:
        yield from_checkout([[".venv/bin/ccsim", *argv[1:]]])
