"""A study's folder: what is done stays done, whatever is killed, and nothing is half-written.

``parts/<run id>.parquet`` holds one finished run each, renamed into place before the run counts as
done; now and then many small parts become one. A part that is not what its seal says is removed by
the next sweep, which computes its runs anew. The lock is held by the sweep and inherited by its
workers, so that a new sweep begins only once the last worker of a killed one has gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ccsim.errors import ResultsError
from ccsim.experiment.integrity import MANIFEST, SEAL, hashes_of, is_broken, sha256_of
from ccsim.experiment.parquet import connect, os_error, parquet
from ccsim.experiment.store import explained, folder_for
from ccsim.experiment.study.work import durably
from ccsim.files import open_here, to_json
from ccsim.jobs.processes import is_alive

__all__ = ["MANIFEST", "MANY", "PLAN", "RUNS", "Fact", "Result", "StudyFolder", "drawn", "is_held"]

PLAN = "plan.json"
LOG = "log.jsonl"
LOCK = ".lock"
PARTS = "parts"
TWINS = ".twins"
RUNS = "runs"
MANY = 512
"""How many small parts are merged into one."""
ORPHANS_S = 60.0
"""How long to wait for the workers of a killed sweep: each ends with its simulation at the latest,
and within moments as a rule."""
_AT_ONCE = 1000
"""How many metrics documents are in memory at once."""

Result = Mapping[str, Any]
"""What a run came to: ``status``, ``error``, ``metrics`` (a document of JSON, or None)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a finished run came to: what it drew from its seed, and a digest of its metrics.

    ``drew`` is None where it was not noted.
    """

    drew: str | None
    outcome: str


class StudyFolder:
    """``results/<study>/``; ResultsError where it cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock_fd: int | None = None

    @classmethod
    def of(cls, out: Path, study: str) -> StudyFolder:
        """Return the folder of a study below ``out``."""
        return cls(folder_for(out, study, "x").parent)

    # --- one sweep at a time ------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; ResultsError if another sweep that is alive does."""
        with explained(self.path):
            (self.path / PARTS).mkdir(parents=True, exist_ok=True)
            (self.path / TWINS).mkdir(exist_ok=True)
            self.lock_fd = self._acquire()
        try:
            self._sweep_up()
            yield
        finally:
            self._sweep_up()
            if self.lock_fd is not None:
                os.close(self.lock_fd)
                self.lock_fd = None

    def _acquire(self) -> int | None:
        try:
            import fcntl
        except ImportError:  # Windows has no such locks
            return None
        fd = open_here(self.path / LOCK, os.O_RDWR | os.O_CREAT)
        end = time.monotonic() + ORPHANS_S
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                self._wait_for(fd, end)
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        return fd

    def _wait_for(self, fd: int, end: float) -> None:
        """Wait a moment if the lock's holder is dead and only its workers live; else give up."""
        owner = os.pread(fd, 20, 0).decode(errors="replace")
        alive = owner.isdigit() and is_alive(int(owner))
        if alive or time.monotonic() > end:
            os.close(fd)
            reason = f"another sweep (process {owner or 'unknown'}) is running this study"
            raise ResultsError(str(self.path), f"{reason}; wait for it, or choose another --out")
        time.sleep(0.05)

    def _sweep_up(self) -> None:
        """Remove what killed writers left aside; with the lock held no process is writing."""
        for place in (self.path, self.path / PARTS, self.path / TWINS):
            for left in place.glob(".tmp-*"):
                with suppress(OSError):
                    left.unlink()
        for seal in (self.path / PARTS).glob(f"*{SEAL}"):
            if not seal.with_suffix(".parquet").exists():
                seal.unlink(missing_ok=True)

    def drop_broken(self) -> int:
        """Remove parts that are not what was written, and return how many there were."""
        with explained(self.path):
            broken = [part for part in self._parts() if is_broken(part)]
            for part in broken:
                part.unlink()
                self.log("damaged", part=part.name)
        return len(broken)

    # --- finished runs ------------------------------------------------------------------------

    def done(self) -> set[str]:
        """Return the ids of all finished runs."""
        return set(self.facts())

    def facts(self) -> dict[str, Fact]:
        """Return of each finished run what tells it from others."""
        files = [str(path) for path in self._parts()]
        if not files:
            return {}
        with self._database() as db:
            known = db.execute(_DESCRIBE, {"files": files}).fetchall()
            noted = {"drew", "outcome"} <= {row[0] for row in known}
            sql = _FACTS if noted else _FACTS_OF_OLD
            rows = db.execute(sql, {"files": files}).fetchall()
        return {str(run_id): Fact(drew, outcome or "") for run_id, drew, outcome in rows}

    def add(self, run_id: str, result: Result) -> None:
        """Store one finished run; when this returns, it is done."""
        with explained(self.path):
            self._write_part(run_id, [(run_id, result)])

    def results(self, run_ids: Sequence[str]) -> Iterator[tuple[str, Result]]:
        """Yield finished runs in the order asked for, each id once; missing ones are left out."""
        files = [str(path) for path in self._parts()]
        if not files:
            return
        asked = list(dict.fromkeys(run_ids))
        with self._database() as db:
            for first in range(0, len(asked), _AT_ONCE):
                ids = asked[first : first + _AT_ONCE]
                for run_id, status, error, text in db.execute(
                    _RESULTS, {"files": files, "ids": ids}
                ).fetchall():
                    try:
                        metrics = json.loads(text) if text else None
                    except ValueError as damage:
                        reason = f"the study is damaged: run {run_id}: {damage}"
                        raise ResultsError(str(self.path), reason) from damage
                    yield run_id, {"status": status, "error": error, "metrics": metrics}

    def compact(self, at_least: int = 2) -> None:
        """Make small parts one if there are many; a crash in between leaves rows twice, which
        `results` reads once."""
        small = sorted(path for path in self._parts() if "-" not in path.stem)
        if len(small) < at_least:
            return
        rows = list(self.results([path.stem for path in small]))
        number = sum("-" in path.stem for path in self._parts())
        with explained(self.path):
            self._write_part(f"part-{number:05d}-{small[0].stem}", rows)
            for path in small:
                path.unlink()
                path.with_suffix(SEAL).unlink(missing_ok=True)

    def _parts(self) -> list[Path]:
        return sorted((self.path / PARTS).glob("[!.]*.parquet"))

    def _write_part(self, name: str, rows: Sequence[tuple[str, Result]]) -> None:
        import numpy as np

        columns = {
            "run_id": [run_id for run_id, _ in rows],
            "status": [result["status"] for _, result in rows],
            "error": [result["error"] or "" for _, result in rows],
            "metrics": [
                to_json(result["metrics"]) if result["metrics"] is not None else ""
                for _, result in rows
            ],
        }
        columns["drew"] = [_text(drawn(result)) for _, result in rows]
        columns["outcome"] = [
            hashlib.sha256(f"{error}{metrics}".encode()).hexdigest()[:16]
            for error, metrics in zip(columns["error"], columns["metrics"], strict=True)
        ]
        final = self.path / PARTS / f"{name}.parquet"
        aside = final.with_name(f".tmp-{final.name}")
        aside.unlink(missing_ok=True)  # a link put there would be followed
        with self._database() as db:
            db.register("columns", {k: np.array(v, dtype=object) for k, v in columns.items()})
            db.execute(_WRITE, {"file": str(aside)})
        with aside.open("rb") as stream:
            os.fsync(stream.fileno())
        durably(final.with_suffix(SEAL), f"{sha256_of(aside)}\n".encode())
        aside.replace(final)

    @contextmanager
    def _database(self) -> Iterator[Any]:
        import duckdb

        try:
            with connect() as db:
                yield db
        except duckdb.IOException as error:
            raise os_error(error) from error
        except duckdb.Error as error:
            raise ResultsError(str(self.path), f"cannot read the study: {error}") from error

    # --- twins --------------------------------------------------------------------------------

    def twin(self, run_id: str) -> Path:
        """Return the file of a twin's traces."""
        return self.path / TWINS / f"{run_id}.npz"

    def drop_twins(self, run_ids: Iterable[str]) -> None:
        """Remove twins that no run needs any more."""
        for run_id in run_ids:
            with suppress(OSError):
                self.twin(run_id).unlink()

    # --- small files --------------------------------------------------------------------------

    def write_json(self, name: str, value: Any) -> None:
        """Replace a JSON document of the folder."""
        with explained(self.path):
            durably(self.path / name, (to_json(value, indent=1) + "\n").encode())

    def write_text(self, name: str, text: str) -> None:
        """Replace a text of the folder."""
        with explained(self.path):
            durably(self.path / name, text.encode())

    def read_json(self, name: str) -> Any:
        """Return a JSON document of the folder."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResultsError(str(self.path / name), f"cannot read: {error}") from error

    def hashes(self) -> dict[str, Any]:
        """Return what a manifest says of what is stored: the documents, tables and finished
        runs."""
        files = [path for path in self.path.iterdir() if path.suffix in (".json", ".parquet")]
        files += self.path.glob("*.yaml")
        kept = [path for path in files if path.name != MANIFEST and path.is_file()]
        return hashes_of(self.path, [*kept, *self._parts()])

    def log(self, event: str, **facts: Any) -> None:
        """Add a line to the log, whole or not at all."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = to_json({"t": now, "pid": os.getpid(), "event": event, **facts}) + "\n"
        with explained(self.path):
            fd = open_here(self.path / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                os.write(fd, line.encode())
            finally:
                os.close(fd)

    def clean(self) -> None:
        """Remove what only a study under way needs."""
        shutil.rmtree(self.path / TWINS, ignore_errors=True)


def drawn(result: Result) -> list[str] | None:
    """Return what a run and its twins drew from the seed; None where it was not noted."""
    found: list[str] | None = (result["metrics"] or {}).get("random")
    return found


def _text(drew: list[str] | None) -> str:
    return "unknown" if drew is None else ", ".join(drew)


_FILES = parquet("$files", "union_by_name = true")
_DESCRIBE = f"DESCRIBE SELECT * FROM {_FILES}"
_FACTS = f"SELECT run_id, drew, outcome FROM {_FILES}"
_FACTS_OF_OLD = f"SELECT run_id, NULL, NULL FROM {_FILES}"
_WRITE = """
    COPY (SELECT run_id, status, error, metrics, drew, outcome FROM columns)
    TO $file (FORMAT parquet, COMPRESSION zstd)"""
_RESULTS = f"""
    SELECT run_id, any_value(status), any_value(nullif(error, '')), any_value(metrics)
    FROM {_FILES} JOIN (
        SELECT unnest($ids) AS run_id, generate_subscripts($ids, 1) AS number
    ) AS asked USING (run_id)
    GROUP BY run_id, number ORDER BY number"""


def is_held(path: Path) -> bool:
    """Report whether a sweep, or a worker of one, holds a study's folder."""
    try:
        import fcntl

        fd = open_here(path / LOCK, os.O_RDONLY)
    except (ImportError, OSError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
