"""A study's folder made by hand: what each swap cost is chosen, so that a page can be checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

SEEDS = 10
ALGORITHMS = ("reno", "cubic", "bbr")
TYPES = {
    "study": "VARCHAR",
    "point": "BIGINT",
    "flows.0.congestion": "VARCHAR",
    "swaps.0.to": "VARCHAR",
    "swaps.0.state": "VARCHAR",
    "path": "VARCHAR",
    "seed": "BIGINT",
    "status": "VARCHAR",
    "swap": "BIGINT",
    "via": "VARCHAR",
    "old": "VARCHAR",
    "new": "VARCHAR",
    "flow": "VARCHAR",
    "deficit_s": "DOUBLE",
    "dip_recovery_s": "DOUBLE",
    "dip_recovery_censored": "BOOLEAN",
    "extra_drops": "DOUBLE",
    "rtt_p99_ms": "DOUBLE",
}
VARIED = ("flows.0.congestion", "swaps.0.to", "swaps.0.state", "path")
Row = Mapping[str, Any]


def row(old: str, new: str, seed: int, **given: Any) -> dict[str, Any]:
    """Return a row: one flow, swapped by setsockopt, one second of goodput lost."""
    usual = {
        "study": "made",
        "point": 0,
        "flows.0.congestion": old,
        "swaps.0.to": new,
        "swaps.0.state": "linux",
        "path": "deep",
        "seed": seed,
        "status": "complete",
        "swap": 0,
        "via": "setsockopt",
        "old": old,
        "new": new,
        "flow": "bulk",
        "deficit_s": 1.0,
        "dip_recovery_s": 2.0,
        "dip_recovery_censored": False,
        "extra_drops": 10.0,
        "rtt_p99_ms": 80.0,
    }
    return {**usual, **given}


def matrix_rows() -> Iterator[dict[str, Any]]:
    """Yield 6 pairs × 2 policies × 2 paths × 10 seeds; into bbr costs, out of bbr gains.

    bbr → reno never recovers within 8 s.
    """
    point = 0
    for old in ALGORITHMS:
        for new in ALGORITHMS:
            if old == new:
                continue
            for state in ("linux", "cold"):
                for path in ("shallow", "deep"):
                    cost = {"bbr": 2.0, "cubic": 0.1, "reno": -0.3}[new] * (1 + (path == "deep"))
                    lost = (old, new) == ("bbr", "reno")
                    for seed in range(1, SEEDS + 1):
                        yield row(
                            old,
                            new,
                            seed,
                            point=point,
                            path=path,
                            deficit_s=cost + 0.01 * (seed - 5.5),
                            extra_drops=10.0 + seed % 3,
                            rtt_p99_ms=80.0 + 0.1 * seed,
                            dip_recovery_s=8.0 if lost else 0.2 * seed,
                            dip_recovery_censored=lost,
                            **{"swaps.0.state": state},
                        )
                    point += 1


def write_study(folder: Path, rows: Iterable[Row], text: str = "name: made\n") -> Path:
    """Write the files of a study that pages read."""
    folder.mkdir(parents=True)
    spelled = ", ".join(f'"{name}" {kind}' for name, kind in TYPES.items())
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE runs ({spelled})")
        marks = ", ".join("?" * len(TYPES))
        values = [[one.get(name) for name in TYPES] for one in rows]
        if values:
            db.executemany(f"INSERT INTO runs VALUES ({marks})", values)
        db.execute(f"COPY runs TO '{folder / 'runs.parquet'}' (FORMAT parquet)")
    columns = [{"name": name, "role": "varied", "type": TYPES[name], "of": ""} for name in VARIED]
    plan = {"study": "made", "description": "x", "columns": columns, "runs": []}
    manifest = {
        "kind": "study",
        "study": "made",
        "description": "<b>x</b>",
        "status": "complete",
        "argv": ["ccsim", "sweep", "made.yaml"],
        "versions": {"ccsim": "0.1.0"},
    }
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    return folder


def changed(
    rows: Iterable[dict[str, Any]], change: Callable[[dict[str, Any]], None]
) -> list[dict[str, Any]]:
    """Return rows after a change of each."""
    found = list(rows)
    for one in found:
        change(one)
    return found
