"""Results go into Parquet, CSV and pipes and come back equal, whatever the names are."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.experiment.parquet import TABLES, connect, copy_to_csv, read_result, write_result
from ccsim.jobs.handover import pack, unpack
from ccsim.sim.traces import SimResult
from tests.experiment.synthetic import equal, event, flow, link, result, swap

NASTY = ["a'; DROP TABLE columns; --", 'b"; $file', "ü →\n\t", ""]


def nasty() -> SimResult:
    flows = [
        flow(name, duration_s=1, implementations=("x';--", "y"), implementation=((0.5, 0), (1, 1)))
        for name in NASTY
    ]
    return result(
        *flows,
        flow("late", start_s=2, end_s=1, implementations=("z", "x';--")),  # no sample at all
        links=[link(duration_s=1, drops=[(0.2, 1), (0.3, 4)], name="l'; --")],
        events=[event(0.1, "rto", NASTY[0], why="'\"", numbers=[1, 2.5, None])],
        swaps=[swap(0.5, flows=[NASTY[1]], label="'→\"")],
        duration_s=1,
        failed='my_cc.py:7: "boom"',
    )


def written(folder: Path, what: SimResult) -> Path:
    folder.mkdir(parents=True)
    with connect() as db:
        write_result(db, what, folder)
    return folder


def test_names_with_quotes_and_semicolons_come_back_from_parquet(tmp_path: Path) -> None:
    folder = written(tmp_path / "runs", nasty())
    with connect() as db:
        assert equal(read_result(db, folder), nasty())


def test_folders_with_quotes_and_glob_characters_are_just_folders(tmp_path: Path) -> None:
    folder = written(tmp_path / "a'; --*[x]?{y}", result(duration_s=1))
    with connect() as db:
        assert equal(read_result(db, folder), result(duration_s=1))


def test_a_pipe_hands_over_an_equal_result() -> None:
    assert equal(unpack(pack(nasty())), nasty())


def test_bytes_that_are_no_result_are_refused() -> None:
    with pytest.raises(ValueError, match="pickle"):
        unpack(b"\x80\x04N.")


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "other"):
        folder = written(tmp_path / name, nasty())
        files = sorted(folder.iterdir())
        digests.append([(f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files])
    assert len(digests[0]) == 6
    assert digests[0] == digests[1]


def test_the_parquet_files_are_long_and_speak_in_names(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", nasty())
    with connect() as db:
        rows = db.execute(
            "SELECT flow, count(*), min(ca_state), min(implementation), max(implementation)"
            " FROM read_parquet($file) GROUP BY flow ORDER BY flow",
            {"file": str(folder / "flows.parquet")},
        ).fetchall()
    assert rows == [(name, 101, "Open", "x';--", "y") for name in sorted(NASTY)]


def test_csv_has_a_header_and_the_values(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", nasty())
    with connect() as db:
        for table in TABLES:
            copy_to_csv(db, folder / f"{table}.parquet", folder / f"{table}.csv")
    with (folder / "flows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 101
    # 100 Mbit/s for 1 s, in 100 steps of 125,000 bytes
    assert (rows[100]["t_ns"], rows[100]["delivered_bytes"]) == ("1000000000", "12500000")
    with (folder / "events.csv").open(newline="") as file:
        (only,) = csv.DictReader(file)
    assert json.loads(only["detail"]) == {"why": "'\"", "numbers": [1, 2.5, None]}


def test_a_result_without_drops_events_or_samples_survives(tmp_path: Path) -> None:
    empty = result(flow(start_s=1, end_s=0), links=[link(duration_s=-1)])
    folder = written(tmp_path / "run", empty)
    with connect() as db:
        assert equal(read_result(db, folder), empty)


def test_traces_that_do_not_fit_their_description_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", result(duration_s=1))
    text = (folder / "trace.json").read_text()
    (folder / "trace.json").write_text(text.replace('"samples": 101', '"samples": 102', 1))
    with connect() as db, pytest.raises(ValueError, match="expected 102 samples"):
        read_result(db, folder)


def test_numbers_of_numpy_in_events_become_plain(tmp_path: Path) -> None:
    odd = result(duration_s=1, events=[event(0.1, "loss", packets=np.int64(3))])
    (read,) = unpack(pack(odd)).events
    assert read.detail == {"packets": 3}
    assert type(read.detail["packets"]) is int


@given(st.lists(st.text(max_size=5), max_size=4), st.integers(0, 3))
def test_any_names_survive_the_pipe(names: list[str], implementations: int) -> None:
    served = [f"m{number}" for number in range(implementations + 1)]
    some = result(*(flow(name, duration_s=0.1, implementations=served) for name in names))
    assert equal(unpack(pack(some)), some)
