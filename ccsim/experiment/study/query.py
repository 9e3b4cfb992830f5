"""SQL over the tables of a study or a run: read-only, and shut off from everything else.

The tables are copied into a database in memory, which then loses its access to files and networks;
only a SELECT is carried out. So a query can neither change results nor read anything but results.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.errors import CcsimError
from ccsim.experiment.integrity import check_run, check_study
from ccsim.experiment.parquet import TABLES as RUN_TABLES
from ccsim.experiment.parquet import connect, parquet
from ccsim.experiment.store import TWIN_FOLDERS
from ccsim.experiment.stored import find_run
from ccsim.experiment.study.columns import COMMON, TABLES
from ccsim.experiment.study.folder import RUNS, StudyFolder
from ccsim.experiment.study.listing import find_study_folder
from ccsim.experiment.study.repeats import mark_repeats
from ccsim.experiment.study.tables import fill_table, quoted
from ccsim.notebook import html_table, plural
from ccsim.words import did_you_mean

if TYPE_CHECKING:
    import duckdb

__all__ = ["Answer", "as_csv", "as_json", "as_text", "query", "study_database"]


_MISSING = re.compile(r"Table with name (\S+) does not exist")


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows that a SELECT returned, and their columns' names."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def __repr__(self) -> str:
        return f"<Answer: {plural(len(self.rows), 'row')} of {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        """Return the rows as a notebook shows them."""
        return html_table("", self.columns, self.rows)


def query(name: str, sql: str, results: Path, *, verify: bool = False) -> Answer:
    """Return what a SELECT gives over a study's tables, or over the traces of a run.

    A study has ``runs``, ``flows``, ``links``, ``totals`` and ``metrics``, which is ``runs`` with
    one row a metric; with ``keep: traces`` also ``traces``, the flows' samples of all runs. A run
    has ``flows``, ``links``, ``drops``, ``marks``, ``events``; ``twin`` is empty, ``a`` or ``b``.
    CcsimError for anything but one SELECT and for what the database says of it; ResultsError if
    there is nothing of that name, or it is not what was written (``verify``: large files are read
    whole).
    """
    import duckdb

    study = find_study_folder(name, results)
    with connect() as db:
        if study is not None:
            traces = bool(re.search(r"\btraces\b", sql))
            study_database(db, study, traces=traces, verify=verify)
        else:
            run = find_run(name, results)
            check_run(run, verify=verify)
            _run_tables(db, run)
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        try:
            _check(db, sql)
            found = db.execute(sql)
            columns = [column[0] for column in found.description or ()]
            return Answer(columns, found.fetchall())
        except duckdb.CatalogException as error:
            raise CcsimError(f"query: {_no_table(db, name, error)}") from error
        except duckdb.Error as error:
            raise CcsimError(f"query: {error}") from error


def _no_table(db: duckdb.DuckDBPyConnection, name: str, error: Exception) -> str:
    """Say which tables there are, where one is missing; else what the database says."""
    missing = _MISSING.search(str(error))
    if missing is None:
        return str(error)
    tables = [row[0] for row in db.execute("SHOW TABLES").fetchall()]
    near = did_you_mean(missing[1], tables)
    return f"{name} has no table {missing[1]!r}{near}; its tables are {', '.join(tables)}"


def study_database(
    db: duckdb.DuckDBPyConnection, study: Path, *, traces: bool = False, verify: bool = False
) -> None:
    """Fill a database with a study's tables: as they were written, or of what is finished so
    far."""
    folder = StudyFolder(study)
    manifest, plan = check_study(study, verify=verify)
    whole = manifest["status"] == "complete"
    if not whole:
        plan = mark_repeats(plan, folder.facts())
    for table in TABLES:
        file = study / f"{table}.parquet"
        if whole and file.is_file():
            _load(db, table, [file])
        else:
            fill_table(db, table, folder, plan)
    _make_metrics(db, plan)
    if traces:
        files = sorted((study / RUNS).glob("*/flows.parquet"))
        if not files:
            reason = "no traces were kept; say `keep: traces` in the study and run it again"
            raise CcsimError(f"query: {study}: {reason}")
        _load(db, "traces", files, "parse_path(filename)[-2] AS run_id, * EXCLUDE filename")


def as_csv(answer: Answer) -> str:
    """Return an answer as CSV with a header line; what is missing is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in answer.rows)
    return stream.getvalue()


def as_json(answer: Answer) -> str:
    """Return an answer as a JSON list of objects; numbers that JSON has no word for are null."""
    rows = [
        {name: _plain(cell) for name, cell in zip(answer.columns, row, strict=True)}
        for row in answer.rows
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False, default=str)


def as_text(cell: Any) -> str:
    """Return one cell for a table: numbers with six digits, a dash for what is missing."""
    if cell is None:
        return "–"
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def _plain(cell: Any) -> Any:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _check(db: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse all but one statement that only reads."""
    import duckdb

    statements = db.extract_statements(sql)
    kinds = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    if len(statements) != 1 or statements[0].type not in kinds:
        got = f"{len(statements)} statements" if len(statements) != 1 else sql.split()[0]
        raise CcsimError(f"query: expected one SELECT, got {got}; results are only read")


def _run_tables(db: duckdb.DuckDBPyConnection, run: Path) -> None:
    """Fill a database with a run's traces and its twins'."""
    for table in RUN_TABLES:
        parts = []
        values: dict[str, str] = {}
        for key, folder in {"": "", **TWIN_FOLDERS}.items():
            file = run / folder / f"{table}.parquet"
            if file.is_file():
                mark = key.removeprefix("twin_")
                values[f"file{mark}"] = str(file.resolve())
                parts.append(f"SELECT '{mark}' AS twin, * FROM {parquet(f'$file{mark}')}")
        if parts:
            db.execute(f"CREATE TABLE {table} AS {' UNION ALL '.join(parts)}", values)


def _load(db: duckdb.DuckDBPyConnection, table: str, files: list[Path], columns: str = "*") -> None:
    source = parquet("$files", "union_by_name = true, filename = $name")
    db.execute(
        f"CREATE TABLE {table} AS SELECT {columns} FROM {source}",
        {"files": [str(file.resolve()) for file in files], "name": columns != "*"},
    )


def _make_metrics(db: duckdb.DuckDBPyConnection, plan: dict[str, Any]) -> None:
    """Make ``metrics``: a row for each number of ``runs``, with what identifies it beside it."""
    described = db.execute("DESCRIBE runs").fetchall()
    varied = [column["name"] for column in plan["columns"]]
    keys = ["study", "point", *varied, *COMMON, "swap", "via", "old", "new", "flow"]
    keys = [name for name in keys if name != "error"]
    fixed = {*keys, "swap_t_s", "errno", "at_s", "window_s"}
    names = [row[0] for row in described if row[1] == "DOUBLE" and row[0] not in fixed]
    db.execute(
        f"CREATE VIEW metrics AS SELECT {', '.join(map(quoted, keys))}, metric, value FROM runs "
        f"UNPIVOT (value FOR metric IN ({', '.join(map(quoted, names))}))"
    )
