"""Traces as Parquet and CSV files through duckdb: the same arrays give the same bytes.

File names and all other names travel as bound parameters, never inside SQL text; one thread, the
given row order and one fixed compression make the files reproducible.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccsim.errors import ResultsError
from ccsim.files import to_json
from ccsim.net.qdisc.base import REASONS
from ccsim.sim.implementation_history import servants
from ccsim.sim.result_tables import describe, from_tables, to_tables
from ccsim.sim.traces import CA_STATE_NAMES, Event, SimResult
from ccsim.spill import BLOCK_ROWS, Spill, release

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "DESCRIPTION",
    "MORE_TABLES",
    "TABLES",
    "connect",
    "copy_to_csv",
    "os_error",
    "parquet",
    "read_result",
    "write_result",
]

TABLES = ("flows", "links", "drops", "marks", "events")
MORE_TABLES = ("gauges", "groups", "completions")  # of runs with hops, or workloads
DESCRIPTION = "trace.json"
PIECE_ROWS = 1 << 19
"""What is read at a time of a long table: 46 MB of a flow's samples."""


def parquet(files: str, options: str = "") -> str:
    """Return the SQL that reads Parquet files: what they hold, and no more.

    ``files`` is a parameter such as ``$file``. A folder called ``key=value`` on their way is a
    folder, not a column.
    """
    return f"read_parquet({files}, hive_partitioning = false{options and f', {options}'})"


_WRITE = {
    "flows": """
        SELECT $flows[flow + 1] AS flow, t_ns, snd_cwnd, ssthresh, srtt_us, in_flight,
            pacing_rate_bps, delivered_bytes, throughput_bps, retransmissions, marks,
            $states[ca_state + 1] AS ca_state, $served[implementation + 1] AS implementation
        FROM columns""",
    "links": """
        SELECT $links[link + 1] AS link, t_ns, queue_packets, drops, losses, marks,
            departed_bytes, utilisation_ppm
        FROM columns""",
    "drops": """
        SELECT $links[link + 1] AS link, t_ns, $flows[flow + 1] AS flow,
            $reasons[reason + 1] AS reason
        FROM columns""",
    "marks": """
        SELECT $links[link + 1] AS link, t_ns, $flows[flow + 1] AS flow
        FROM columns""",
    "events": "SELECT t_ns, kind, flow, detail FROM columns",
    "groups": """
        SELECT $groups[group_index + 1] AS implementation, t_ns, flows, snd_cwnd, in_flight,
            srtt_us, throughput_bps
        FROM columns""",
    "gauges": """
        SELECT $links[link + 1] AS link, $gauges[gauge + 1] AS gauge, t_ns, value
        FROM columns""",
    "completions": """
        SELECT $flows[flow + 1] AS flow, $workloads[flow + 1] AS workload, implementation,
            start_ns, nullif(end_ns, -1) AS end_ns, size_bytes, ideal_ns
        FROM columns""",
}
_READ_RANDOM = f"""
        SELECT t_ns, CAST(list_position($flows, flow) - 1 AS BIGINT) AS flow,
            CAST(random_loss AS BIGINT) AS reason
        FROM {parquet("$file")}"""
"""Of the four reasons random loss has the second place, and what is none overflowed a queue."""
_READ = {
    "flows": f"""
        SELECT t_ns, snd_cwnd, ssthresh, srtt_us, in_flight, pacing_rate_bps, delivered_bytes,
            throughput_bps, retransmissions, marks,
            CAST(list_position($states, ca_state) - 1 AS BIGINT) AS ca_state,
            CAST(list_position($served, implementation) - 1 AS BIGINT) AS implementation
        FROM {parquet("$file")}""",
    "links": f"""
        SELECT t_ns, queue_packets, drops, losses, marks, departed_bytes, utilisation_ppm
        FROM {parquet("$file")}""",
    "drops": f"""
        SELECT t_ns, CAST(list_position($flows, flow) - 1 AS BIGINT) AS flow,
            CAST(list_position($reasons, reason) - 1 AS BIGINT) AS reason
        FROM {parquet("$file")}""",
    "marks": f"""
        SELECT t_ns, CAST(list_position($flows, flow) - 1 AS BIGINT) AS flow
        FROM {parquet("$file")}""",
    "events": f"SELECT t_ns, kind, flow, detail FROM {parquet('$file')}",
    "groups": f"""
        SELECT t_ns, flows, snd_cwnd, in_flight, srtt_us, throughput_bps
        FROM {parquet("$file")}""",
    "gauges": f"SELECT value FROM {parquet('$file')}",
    "completions": f"""
        SELECT CAST(list_position($flows, flow) - 1 AS BIGINT) AS flow, start_ns,
            coalesce(end_ns, -1) AS end_ns, size_bytes, ideal_ns
        FROM {parquet("$file")}""",
}


def connect() -> duckdb.DuckDBPyConnection:
    """Return an in-memory database that works on one thread and so in one order."""
    import duckdb

    return duckdb.connect(":memory:", config={"threads": 1})


def write_result(db: duckdb.DuckDBPyConnection, result: SimResult, folder: Path) -> None:
    """Write one result as ``flows.parquet``, … and ``trace.json`` into an existing folder."""
    description = describe(result)
    names = _names(description)
    spill = Spill(folder)
    tables: dict[str, Mapping[str, Any]] = {
        **to_tables(result, spill),
        "events": _columns(result.events),
    }
    served = _common_implementations(result, description, names["served"], spill)
    tables["flows"] = {**tables["flows"], "implementation": served}
    if "groups" in tables:
        tables["groups"] = {**tables["groups"], "group_index": tables["groups"]["group"]}
    if result.completions is not None:
        tables["completions"] = {**tables["completions"], "implementation": servants(result)}
    for table in tables:
        db.register("columns", dict(tables[table]))
        target = folder / f"{table}.parquet"
        copy = f"COPY ({_WRITE[table]}) TO $file (FORMAT parquet, COMPRESSION zstd)"
        _execute(db, copy, names, target)
        db.unregister("columns")
        release(*tables[table].values())
    text = to_json(description, indent=1)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_result(db: duckdb.DuckDBPyConnection, folder: Path) -> SimResult:
    """Return the result that `write_result` wrote.

    OSError or duckdb.Error if a file cannot be read; KeyError, TypeError, ValueError or IndexError
    if what it holds is not of that form.
    """
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    names = _names(description)
    tables: dict[str, Any] = {}
    for table in (*TABLES, *(table for table in MORE_TABLES if table in description)):
        tables[table] = _read(db, table, names, folder / f"{table}.parquet")
    flows, samples = tables["flows"], [flow["samples"] for flow in description["flows"]]
    if sum(samples) != len(flows["t_ns"]):
        raise ValueError(f"expected {sum(samples)} samples of flows, got {len(flows['t_ns'])}")
    flows["implementation"] = _own_implementations(description, flows["implementation"], names)
    return from_tables(description, tables, _events(tables.pop("events")))


def _read(
    db: duckdb.DuckDBPyConnection, table: str, names: Mapping[str, Any], file: Path
) -> dict[str, Any]:
    """Return a table's columns; those of a long one are read in pieces and lie in a file."""
    _execute(db, f"SELECT count(*) FROM {parquet('$file')}", names, file)
    (n,) = db.fetchone() or (0,)
    if n <= PIECE_ROWS or table == "events":
        _execute(db, _query(db, table, file), names, file)
        return dict(db.fetchnumpy())
    columns: dict[str, Any] = {}
    source = parquet("$file", "file_row_number = true")
    rows = "WHERE file_row_number >= $first AND file_row_number < $end"
    sql = _query(db, table, file).replace(parquet("$file"), f"{source} {rows}")
    for first in range(0, n, PIECE_ROWS):
        _execute(db, sql, {**names, "first": first, "end": first + PIECE_ROWS}, file)
        piece = db.fetchnumpy()
        columns = columns or _room(file.parent, tuple(piece), n)
        for name, values in piece.items():
            columns[name][first : first + PIECE_ROWS] = values
    release(*columns.values())
    return columns


def _query(db: duckdb.DuckDBPyConnection, table: str, file: Path) -> str:
    """Return the SQL that reads a table; drops of runs before 0.5 say only which were random."""
    if table == "drops":
        _execute(db, "SELECT name FROM parquet_schema($file)", {}, file)
        if "random_loss" in {name for (name,) in db.fetchall()}:
            return _READ_RANDOM
    return _READ[table]


def _room(folder: Path, names: tuple[str, ...], n: int) -> dict[str, NDArray[np.int64]]:
    """Return columns to fill: in a file beside the run, or else, where none can be, in memory."""
    try:
        return Spill(folder).columns(names, n)
    except ResultsError:
        return Spill().columns(names, n)


def copy_to_csv(db: duckdb.DuckDBPyConnection, source: Path, target: Path) -> None:
    """Write one Parquet file as CSV with a header line."""
    copy = f"COPY (SELECT * FROM {parquet('$source')}) TO $file (FORMAT csv, HEADER)"
    _execute(db, copy, {"source": str(source.resolve())}, target)


def _execute(db: duckdb.DuckDBPyConnection, sql: str, names: Mapping[str, Any], file: Path) -> None:
    """Run a statement with those parameters that it mentions; OSError if the file is in the way."""
    import duckdb

    values = {**names, "file": str(file.resolve())}
    try:
        db.execute(sql, {name: values[name] for name in sorted(set(re.findall(r"\$(\w+)", sql)))})
    except duckdb.IOException as error:
        raise os_error(error) from error


def os_error(error: Exception) -> OSError:
    """Return what the system said, which duckdb may wrap more than once; or else all it says."""
    number = re.search(r'"errno" *: *"(\d+)"', str(error))
    if number is None:
        return OSError(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])))


def _names(description: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the lists of names into which the tables' indices point; ``served``: of all maps."""
    served = (name for flow in description["flows"] for name in flow["implementations"])
    return {
        "flows": [flow["name"] for flow in description["flows"]],
        "links": [link["name"] for link in description["links"]],
        "states": list(CA_STATE_NAMES),
        "reasons": list(REASONS),
        "gauges": description.get("gauges", []),
        "served": list(dict.fromkeys(served)),
        "groups": [group["implementation"] for group in description.get("groups", ())],
        "workloads": [flow.get("workload", "") for flow in description["flows"]],
    }


def _common_numbers(description: Mapping[str, Any], served: Sequence[str]) -> NDArray[np.int64]:
    """Return [flow, index among its own implementations] -> index into ``served``."""
    flows = [flow["implementations"] for flow in description["flows"]]
    table = np.zeros((len(flows) or 1, max(map(len, flows), default=0) or 1), dtype=np.int64)
    for row, own in zip(table, flows, strict=False):
        row[: len(own)] = [served.index(name) for name in own]
    return table


def _common_implementations(
    result: SimResult, description: Mapping[str, Any], served: Sequence[str], spill: Spill
) -> NDArray[np.int64]:
    """Return the flows' ``implementation`` one below the other, as indices into ``served``."""
    common = _common_numbers(description, served)
    column = spill.columns(("n",), sum(len(flow.t_ns) for flow in result.flows))["n"]
    stop = 0
    for numbers, flow in zip(common, result.flows, strict=False):
        for first in range(0, len(flow.t_ns), BLOCK_ROWS):
            part = flow.implementation[first : first + BLOCK_ROWS]
            start, stop = stop, stop + len(part)
            column[start:stop] = numbers[part]
    return column


def _own_implementations(
    description: Mapping[str, Any], column: NDArray[np.int64], names: Mapping[str, Any]
) -> NDArray[np.int64]:
    """Return the inverse of `_common_implementations`; a column that is not in memory is changed
    where it lies."""
    own = _own_numbers(description, names["served"])
    found = column if len(column) > PIECE_ROWS else np.empty(len(column), dtype=np.int64)
    stop = 0
    for numbers, flow in zip(own, description["flows"], strict=False):
        end = stop + flow["samples"]
        for first in range(stop, end, BLOCK_ROWS):
            rows = slice(first, min(first + BLOCK_ROWS, end))
            found[rows] = numbers[column[rows]]
        stop = end
    return found


def _own_numbers(description: Mapping[str, Any], served: Sequence[str]) -> NDArray[np.int64]:
    """Return [flow, index into ``served``] -> index among its own implementations."""
    flows = [flow["implementations"] for flow in description["flows"]]
    table = np.zeros((len(flows) or 1, len(served) or 1), dtype=np.int64)
    for row, own in zip(table, flows, strict=False):
        row[[served.index(name) for name in own]] = np.arange(len(own))
    return table


def _columns(events: Sequence[Event]) -> dict[str, NDArray[Any]]:
    """Return events as columns; ``detail`` as JSON text with sorted keys."""
    details = [to_json(event.detail, sort_keys=True) for event in events]
    return {
        "t_ns": np.array([event.t_ns for event in events], dtype=np.int64),
        "kind": np.array([event.kind for event in events], dtype=object),
        "flow": np.array([event.flow for event in events], dtype=object),
        "detail": np.array(details, dtype=object),
    }


def _events(columns: Mapping[str, NDArray[Any]]) -> Iterator[Event]:
    rows = zip(*(columns[name] for name in ("t_ns", "kind", "flow", "detail")), strict=True)
    return (Event(int(t), kind, flow, json.loads(detail)) for t, kind, flow, detail in rows)
