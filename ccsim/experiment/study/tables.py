"""A study's results as Parquet tables: the same plan and results give the same bytes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ccsim.experiment.parquet import connect
from ccsim.experiment.study.columns import COMMON, TABLES, rows_of
from ccsim.experiment.study.folder import PLAN, StudyFolder
from ccsim.experiment.study.repeats import repeated

if TYPE_CHECKING:
    import duckdb

__all__ = ["copy_table", "fill_table", "insert_rows", "quoted", "write_tables"]

ROWS = 5000
"""How many rows are held as Python values at once."""
_ARRAYS = {"BIGINT": np.int64, "DOUBLE": np.float64, "BOOLEAN": np.bool_}
Row = Mapping[str, Any]


def write_tables(folder: StudyFolder) -> list[Path]:
    """Write ``runs.parquet``, … of all runs that are planned and finished; return the files.

    ResultsError or OSError if that is not possible; a file is there whole or as it was before.
    """
    plan = folder.read_json(PLAN)
    written = []
    with connect() as db:
        for table in TABLES:
            final = folder.path / f"{table}.parquet"
            aside = final.with_name(f".tmp-{final.name}-{os.getpid()}")
            aside.unlink(missing_ok=True)  # a link put there would be followed
            fill_table(db, table, folder, plan)
            copy_table(db, table, aside)
            db.execute(f"DROP TABLE {table}")
            aside.replace(final)
            written.append(final)
    return written


def fill_table(
    db: duckdb.DuckDBPyConnection, table: str, folder: StudyFolder, plan: Mapping[str, Any]
) -> None:
    """Make one table in a database, in the plan's order. Runs that are not finished are missing,
    and so are those that repeat another: no number is there twice."""
    columns = {
        "study": "VARCHAR",
        "point": "BIGINT",
        **{column["name"]: column["type"] for column in plan["columns"]},
        **COMMON,
        **TABLES[table],
        **_beyond(table, folder, plan),
    }
    spelled = ", ".join(f"{quoted(name)} {type_}" for name, type_ in columns.items())
    db.execute(f"CREATE TABLE {table} ({spelled})")
    rows = _rows(table, folder, plan)
    while chunk := list(itertools.islice(rows, ROWS)):
        insert_rows(db, table, columns, chunk)


def quoted(name: str) -> str:
    """Return a name as SQL quotes identifiers."""
    return '"' + name.replace('"', '""') + '"'


def _rows(table: str, folder: StudyFolder, plan: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of all finished runs; a run that stands at two points has them twice."""
    planned = [run for run in plan["runs"] if not repeated(run)]
    for first in range(0, len(planned), 1000):
        some = planned[first : first + 1000]
        results = dict(folder.results([run["run_id"] for run in some]))
        for run in some:
            result = results.get(run["run_id"])
            if result is None:
                continue
            common = {
                "study": plan["study"],
                "point": run["point"],
                **run["values"],
                "seed": run["seed"],
                "run_id": run["run_id"],
                "status": result["status"],
                "error": result["error"],
            }
            for row in rows_of(table, result):
                yield {**row, **common}


def _beyond(table: str, folder: StudyFolder, plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of numbers that metrics have beyond those known, in order of name."""
    if table != "runs":
        return {}
    known = {*TABLES[table], *COMMON, "study", "point"}
    known |= {column["name"] for column in plan["columns"]}
    found: dict[str, str] = {}
    for row in _rows(table, folder, plan):
        for name, value in row.items():
            if name not in known and isinstance(value, bool | int | float):
                found[name] = "BOOLEAN" if isinstance(value, bool) else "DOUBLE"
    return dict(sorted(found.items()))


def insert_rows(
    db: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], rows: Sequence[Row]
) -> None:
    """Append rows: each column travels as an array and a mask of what is missing."""
    arrays: dict[str, Any] = {}
    for number, (name, type_) in enumerate(columns.items()):
        values = [row.get(name) for row in rows]
        missing = np.array([value is None for value in values], dtype=np.bool_)
        dtype: Any = _ARRAYS.get(type_, object)
        empty = "" if dtype is object else dtype(0)
        filled = [empty if value is None else value for value in values]
        arrays[f"v{number}"] = np.array(filled, dtype=dtype)
        arrays[f"m{number}"] = missing
    cells = ", ".join(
        f"CASE WHEN m{number} THEN NULL ELSE v{number} END" for number in range(len(columns))
    )
    db.register("arrays", arrays)
    db.execute(f"INSERT INTO {table} SELECT {cells} FROM arrays")
    db.unregister("arrays")


def copy_table(db: duckdb.DuckDBPyConnection, table: str, file: Path) -> None:
    """Write a table of a database as a Parquet file."""
    copy = f"COPY {table} TO $file (FORMAT parquet, COMPRESSION zstd)"
    db.execute(copy, {"file": str(file.resolve())})
