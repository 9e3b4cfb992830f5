"""Traces as data frames: the same numbers, where possible in the same place in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ccsim
from ccsim.errors import CcsimError, ResultsError, ScenarioError
from ccsim.frames import Frame

SCENARIO = {
    "name": "mine",
    "duration": "500 ms",
    "path": {"rate": "5 Mbit/s", "rtt": "20 ms"},
    "flows": [{"name": "bulk", "congestion": "cubic"}],
    "swaps": [
        {"at": "200 ms", "via": "setsockopt", "flows": ["bulk"], "to": "reno"},
        {"at": "300 ms", "via": "setsockopt", "flows": ["bulk"], "to": "cubic"},
    ],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ccsim.Run:
    return ccsim.run(SCENARIO, out=tmp_path_factory.mktemp("frames"), jobs=1)


def address(column: Any) -> int:
    found: int = column.to_numpy().__array_interface__["data"][0]
    return found


def test_pandas_has_a_row_a_sample_and_names_as_categories(run: ccsim.Run) -> None:
    pytest.importorskip("pandas")
    flow = run.flows["bulk"]
    frame = flow.to_pandas()
    assert len(frame) == 51  # every 10 ms from 0 to 500 ms
    assert list(frame["t_ns"].iloc[[0, -1]]) == [0, 500_000_000]
    assert frame["snd_cwnd"].sum() == flow.snd_cwnd.sum()
    named = frame["implementation"]
    assert list(named.cat.categories) == ["cubic", "reno"]  # cubic served twice
    assert [named.iloc[k] for k in (0, 25, 50)] == ["cubic", "reno", "cubic"]


def test_polars_has_the_same_and_names_as_text(run: ccsim.Run) -> None:
    pytest.importorskip("polars")
    frame = run.flows["bulk"].to_polars()
    assert frame.shape == (51, 12)
    assert frame["implementation"][25] == "reno"
    assert frame["delivered_bytes"][-1] == run.flows["bulk"].delivered_bytes[-1]


def test_an_arrow_stream_is_taken_without_a_copy(run: ccsim.Run) -> None:
    pytest.importorskip("nanoarrow")
    polars = pytest.importorskip("polars")
    flow = run.flows["bulk"]
    frame = polars.DataFrame(flow)
    assert address(frame["snd_cwnd"]) == flow.snd_cwnd.__array_interface__["data"][0]
    assert frame["snd_cwnd"].to_list() == flow.snd_cwnd.tolist()


def test_duckdb_queries_links_by_their_arrow_stream(run: ccsim.Run) -> None:
    pytest.importorskip("nanoarrow")
    duckdb = pytest.importorskip("duckdb")
    link = run.links["bottleneck"]
    (row,) = duckdb.sql("SELECT max(queue_packets), count(*) FROM link").fetchall()
    assert row == (link.queue_packets.max(), 51)


def test_a_stream_outlives_the_run_it_is_of() -> None:
    pytest.importorskip("nanoarrow")
    polars = pytest.importorskip("polars")

    class Short(Frame):
        def columns(self) -> dict[str, np.ndarray[Any, np.dtype[np.int64]]]:
            return {"x": np.arange(1000) * 3}

    assert polars.DataFrame(Short())["x"].sum() == 3 * 499_500


def test_columns_are_those_of_the_samples(run: ccsim.Run) -> None:
    assert list(run.links["bottleneck"].columns())[:2] == ["t_ns", "queue_packets"]
    assert "drop_t_ns" not in run.links["bottleneck"].columns()  # which has rows of its own
    assert {len(column) for column in run.flows["bulk"].columns().values()} == {51}


def test_twins_are_accessed_as_runs_are(run: ccsim.Run) -> None:
    assert run.twin_a is not None
    assert run.twin_b is not None
    assert run.twin_a.flows["bulk"] is run.twin_a.flows[0]
    assert run.twin_b.flows["bulk"].implementations == ("cubic",)
    assert run.twin_a.flows["bulk"].columns().keys() == run.flows["bulk"].columns().keys()
    with pytest.raises(KeyError, match="expected a flow's name, got 'bulc'; did you mean 'bulk'"):
        run.twin_a.flows["bulc"]
    with pytest.raises(IndexError):
        run.twin_a.flows[1]


# --- scenarios as dicts, stored runs and studies by name ------------------------------------------


def test_a_dict_is_the_scenario_that_its_file_would_be(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\nduration: 500 ms\npath: {rate: 5 Mbit/s, rtt: 20 ms}\n"
        "flows: [{name: bulk, congestion: cubic}]\n"
        "swaps: [{at: 200 ms, via: setsockopt, flows: [bulk], to: reno},\n"
        "  {at: 300 ms, via: setsockopt, flows: [bulk], to: cubic}]\n"
    )
    assert ccsim.load(SCENARIO).identity() == ccsim.load(file).identity()
    assert ccsim.load(SCENARIO, "path.rate=1 Gbit/s", seed=4).path.rate_bps == 10**9


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"duration": "3 parsec"}, "parsec"),
        ({"flow": []}, "flow"),
        ({"flows": object()}, "expected plain data, got object"),
    ],
)
def test_a_wrong_dict_is_a_scenario_error(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ccsim.ScenarioError, match=told):
        ccsim.load({**SCENARIO, **keys})


def test_a_stored_run_is_loaded_by_its_name_or_its_id(run: ccsim.Run) -> None:
    results = run.path.parents[1]
    assert ccsim.load_run("mine", results).run_id == run.run_id
    assert ccsim.load_run(run.run_id[:6], results).path == run.path
    with pytest.raises(ResultsError, match="expected a run's folder"):
        ccsim.load_run("nobody", results)


def test_without_a_file_a_picture_is_a_figure(run: ccsim.Run, tmp_path: Path) -> None:
    figure = run.plot()
    assert len(figure.axes) >= 4  # throughput, cwnd, RTT, queue
    figure.savefig(tmp_path / "mine.png")
    assert (tmp_path / "mine.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> ccsim.StoredStudy:
    folder = tmp_path_factory.mktemp("study")
    file = folder / "rates.yaml"
    file.write_text(
        "name: rates\n"
        "base: {duration: 500 ms, path: {rate: 5 Mbit/s, rtt: 20 ms},"
        " flows: [{name: bulk, congestion: cubic}],"
        " swaps: [{at: 200 ms, via: setsockopt, flows: [bulk], to: reno}]}\n"
        "design: {grid: {path.rate: [4 Mbit/s, 8 Mbit/s]}}\n"
    )
    return ccsim.sweep(file, out=folder / "results", workers=1)


def test_a_study_is_run_and_loaded_by_name(study: ccsim.StoredStudy) -> None:
    assert repr(study) == f"<StoredStudy rates (complete): 2 runs; {study.path}>"
    again = ccsim.load_study("rates", study.path.parent)
    assert (again.path, again.status) == (study.path, "complete")
    assert "<table>" in again._repr_html_()
    assert len(again.summary("deficit_s").points) == 2
    with pytest.raises(ResultsError, match="expected a study's name or folder"):
        ccsim.load_study("rate", study.path.parent)


def test_a_studys_tables_are_data_frames(study: ccsim.StoredStudy) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    runs = study.to_pandas()
    assert list(runs["path.rate"]) == ["4 Mbit/s", "8 Mbit/s"]
    flows = study.to_polars("flows")
    assert set(flows["flow"]) == {"bulk"}
    (answer,) = study.query("SELECT count(*) FROM runs").rows
    assert answer == (2,)
    with pytest.raises(CcsimError, match=r"table: expected 'runs', .* got 'run'"):
        study.to_pandas("run")


def test_a_dict_is_the_study_that_its_file_would_be(study: ccsim.StoredStudy) -> None:
    base = {key: value for key, value in SCENARIO.items() if key != "name"}
    base["swaps"] = [{"at": "200 ms", "via": "setsockopt", "flows": ["bulk"], "to": "reno"}]
    keys = {
        "name": "rates",
        "base": base,
        "design": {"grid": {"path.rate": ["4 Mbit/s", "8 Mbit/s"]}},
    }
    ids = [row[0] for row in study.query("SELECT run_id FROM runs").rows]
    again = ccsim.sweep(keys, out=study.path.parent, workers=1)
    assert again.path == study.path
    assert [row[0] for row in again.query("SELECT run_id FROM runs").rows] == ids
    with pytest.raises(ScenarioError, match="<dict>:2:7: base: expected a shipped scenario's"):
        ccsim.sweep({"base": None})


def test_a_studys_picture_is_a_figure_and_in_its_page(study: ccsim.StoredStudy) -> None:
    (axes,) = study.plot("extra_drops").axes
    assert axes.get_xlabel() == "rate (Mbit/s)"
    assert "data:image/png;base64," in study._repr_html_()
    with pytest.raises(CcsimError, match=r"plot: expected 'deficit_s', .* got 'deficit'"):
        study.plot("deficit")
