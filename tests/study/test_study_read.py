"""Studies' files: what they mean, and errors with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.errors import ScenarioError
from ccsim.experiment.study.plan import plan_study, scenario_of
from ccsim.experiment.study.read import read_study
from tests.study.study_rig import TINY, write

BASE = """\
base:
  duration: 600 ms
  path: {rate: 5 Mbit/s, rtt: 20 ms}
  flows: [{name: bulk, congestion: cubic}]
  swaps: [{at: 300 ms, via: setsockopt, flows: [bulk], to: reno}]
"""


def points(folder: Path, design: str) -> list[dict[str, object]]:
    """Return the columns of each point of a design over the base."""
    study = read_study(write(folder, BASE + design))
    return [dict(level.columns) for level in plan_study(study).points]


def test_a_grid_is_crossed_and_the_last_factor_varies_fastest(tmp_path: Path) -> None:
    found = points(
        tmp_path,
        "design: {grid: {path.rtt: [10 ms, 20 ms], w: {key: tcp.initial_window, values: [4, 10]}}}",
    )
    assert [(p["path.rtt"], p["tcp.initial_window"]) for p in found] == [
        ("10 ms", 4), ("10 ms", 10), ("20 ms", 4), ("20 ms", 10),
    ]  # fmt: skip


def test_values_tied_together_move_together(tmp_path: Path) -> None:
    design = """\
design:
  grid:
    path:
      keys: [path.rate, path.rtt]
      values: {slow: [1 Mbit/s, 80 ms], fast: [10 Mbit/s, 20 ms]}
"""
    assert points(tmp_path, design) == [
        {"path": "slow", "path.rate": "1 Mbit/s", "path.rtt": "80 ms"},
        {"path": "fast", "path.rate": "10 Mbit/s", "path.rtt": "20 ms"},
    ]


def test_ordered_pairs_are_all_pairs_of_different_values(tmp_path: Path) -> None:
    design = "design: {grid: {p: {keys: [flows.0.congestion, swaps.0.to], ordered_pairs: [reno, cubic, bbr]}}}"  # noqa: E501
    found = [tuple(point.values()) for point in points(tmp_path, design)]
    assert found == [
        ("reno", "cubic"), ("reno", "bbr"), ("cubic", "reno"),
        ("cubic", "bbr"), ("bbr", "reno"), ("bbr", "cubic"),
    ]  # fmt: skip


def test_a_list_gives_points_with_keys_of_their_own(tmp_path: Path) -> None:
    design = (
        "design: {list: [{path.rate: 1 Mbit/s}, {path.rtt: 50 ms, flows.bulk.congestion: bbr}]}"
    )
    assert points(tmp_path, design) == [
        {"path.rate": "1 Mbit/s", "path.rtt": None, "flows.bulk.congestion": None},
        {"path.rate": None, "path.rtt": "50 ms", "flows.bulk.congestion": "bbr"},
    ]


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_a_sample_lies_in_its_ranges(method: str, tmp_path: Path) -> None:
    design = f"design: {{{method}: {{points: 8, over: {{path.rate: [1 Mbit/s, 9 Mbit/s], path.qdisc: {{choice: [fifo]}}}}}}}}"  # noqa: E501
    file = write(tmp_path, BASE + design)
    rates = [run.values["path.rate"] for run in plan_study(read_study(file)).runs]
    assert len(set(rates)) == 8
    scenarios = [scenario_of(read_study(file), p, 1) for p in plan_study(read_study(file)).points]
    strata = sorted((s.path.rate_bps - 1_000_000) // 1_000_000 for s in scenarios)
    assert strata == list(range(8))


def test_a_value_that_is_a_mapping_is_a_label_where_it_has_one_and_json_where_not(
    tmp_path: Path,
) -> None:
    swap = "{at: 0.2 s, via: sweep, flows: [bulk], to: bbr}"
    labelled = points(
        tmp_path, f"design: {{grid: {{how: {{key: swaps.0, values: {{all: {swap}}}}}}}}}"
    )
    bare = points(tmp_path, f"design: {{grid: {{swaps.0: [{swap}]}}}}")
    assert labelled == [{"how": "all"}]
    assert bare == [{"swaps.0": '{"at":"0.2 s","via":"sweep","flows":["bulk"],"to":"bbr"}'}]


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("", (1,)), ("seeds: 3", (1, 2, 3)), ("seeds: [4, 9]", (4, 9)),
     ("seeds: {first: 11, count: 2}", (11, 12))],
)  # fmt: skip
def test_seeds_are_a_count_a_list_or_a_count_from_a_first_one(
    text: str, seeds: tuple[int, ...], tmp_path: Path
) -> None:
    assert read_study(write(tmp_path, BASE + text)).seeds == seeds


def test_the_base_may_be_a_shipped_scenario_or_a_file_beside_the_study(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(BASE.removeprefix("base:\n").replace("\n  ", "\n").strip())
    for base in ("cubic_to_bbr", "mine.yaml"):
        study = read_study(write(tmp_path, f"base: {base}\nseeds: 1"))
        assert len(plan_study(study).runs) == 1


WRONG = [
    ("bass: x", "tiny.yaml:6:1: bass: unknown key 'bass'; did you mean 'base'?"),
    ("base: 3", "tiny.yaml:1:7: base: expected a shipped scenario's name"),
    ("base: cubic_to_bbx", "base: cubic_to_bbx: no file and no shipped scenario of this name; did"),
    ("keep: all", "tiny.yaml:6:7: keep: expected 'metrics' or 'traces', got \"all\""),
    ("seeds: 0", "tiny.yaml:6:8: seeds: expected a count from 1 to 200000, or a list, got 0"),
    ("seeds: [1, 1]", "tiny.yaml:6:12: seeds.1: seed 1 is given twice"),
    ("seeds: [-1]", "tiny.yaml:6:9: seeds.0: expected a whole number from 0 on, got -1"),
    ("seeds: []", "expected at least one seed"),
    ("seeds: {from: 1}", "tiny.yaml:6:9: seeds.from: unknown key 'from'"),
    ("design: {gird: {}}", "tiny.yaml:6:10: design.gird: unknown key 'gird'; did you mean 'grid'?"),
    ("design: {grid: 3}", "tiny.yaml:6:16: design.grid: expected key: [values], got 3"),
    ("design: {grid: {path.rate: []}}", "tiny.yaml:6:28: design.grid.path.rate: expected a list"),
    ("design: {grid: {a: {keys: [x, y], values: [[1]]}}}", "6:44: design.grid.a.values.0: expecte"),
    ("design: {grid: {a: {keys: 1, values: [1]}}}", "expected a list of scenario keys, got 1"),
    ("design: {grid: {path.rtt: [1 ms, 1 ms]}}", "6:34: design.grid.path.rtt.1: value \"1 ms\" is"),
    ("design: {list: []}", "tiny.yaml:6:16: design.list: expected a list of {key: value}"),
    ("design: {list: [3]}", "tiny.yaml:6:17: design.list.0: expected {key: value"),
    ("design: {random: {points: 0, over: {a: [1, 2]}}}", "6:27: design.random.points: expected a"),
    ("design: {random: {points: 1, over: {a: [2, 1]}}}", "6:40: design.random.over.a: expected th"),
    ("design: {random: {points: 1, over: {a: 1}}}", "6:40: design.random.over.a: expected [low, h"),
    ("design: {sobol: {points: 1}}", "design.sobol.over: expected key: [low, high], got null"),
    ("design: {grid: {seed: [1, 2]}}", "'seed' cannot be varied: it is a study's own; replicate i"),
    ("design: {grid: {deficit_s: {key: path.rtt, values: {a: 1 ms}}}}", "'deficit_s' cannot be va"),
    ("design: {grid: {path.rtt: [1 ms]}}\njitter: {path.rtt: [1 ms, 2 ms]}", "'path.rtt' is varie"),
    ("design: {random: {points: 100000, over: {path.rtt: [1 ms, 2 ms]}}}\nseeds: 3", "at most 200"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text[:40] for text, _ in WRONG])
def test_what_is_wrong_with_a_study_is_told_with_its_place(
    text: str, message: str, tmp_path: Path
) -> None:
    whole = text if text.startswith("base") else BASE + text
    with pytest.raises(ScenarioError) as caught:
        read_study(write(tmp_path, whole))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("ordered_pairs: [reno, cubic]", "ordered_pairs: [reno, cubix]",
         ["tiny.yaml:12:74: flows.0.congestion: no algorithm 'cubix'; did you mean 'cubic'?",
          "tiny.yaml:12:74: swaps.0.to: no algorithm 'cubix'; did you mean 'cubic'? (in point 0:"]),
        ("[2 Mbit/s, 5 Mbit/s]", "[2 Mbit/s, 5]", ["tiny.yaml:11:27: path.rate: expected a rate"]),
        ("path.rate: [", "path.rats: [", ["tiny.yaml:11:17: path.rats: unknown key 'rats'"]),
        ("keys: [flows.0", "keys: [flows.7", ["tiny.yaml:12:68: flows.7.congestion: no entry '7'"]),
        ("duration: 600 ms", "duration: 260 ms", ["tiny.yaml:14:15: swaps.0.at: expected a time"]),
        ("rtt: 20 ms", "rtt: 20", ["tiny.yaml:4:31: path.rtt: expected a time with a unit"]),
    ],
    ids=["name", "value", "key", "entry", "drawn", "base"],
)  # fmt: skip
def test_what_is_wrong_with_a_point_is_told_where_the_study_says_it(
    old: str, new: str, messages: list[str], tmp_path: Path
) -> None:
    assert old in TINY
    study = read_study(write(tmp_path, TINY.replace(old, new)))
    with pytest.raises(ScenarioError) as caught:
        plan_study(study)
    for message in messages:
        assert message in str(caught.value)


def test_nothing_is_written_for_a_study_with_an_error(tmp_path: Path) -> None:
    from ccsim.experiment.study.sweep import run_study

    study = read_study(write(tmp_path, TINY.replace("cubic]}", "cubix]}")))
    with pytest.raises(ScenarioError):
        run_study(study, out=tmp_path / "results", workers=1)
    assert not (tmp_path / "results").exists()


def test_an_unknown_study_names_the_nearest_shipped_one() -> None:
    with pytest.raises(ScenarioError, match="did you mean 'swap_matrix'"):
        read_study("swap_matrx")


def test_a_target_with_parameters_is_called_as_in_the_tables_of_a_run(tmp_path: Path) -> None:
    design = (
        "design: {grid: {p: {keys: [flows.0.congestion, swaps.0.to], ordered_pairs: "
        "[cubic, {name: cubic, hystart: false, beta: 800}]}}}"
    )
    own = "cubic(beta=800,hystart=false)"
    assert points(tmp_path, design) == [
        {"flows.0.congestion": "cubic", "swaps.0.to": own},
        {"flows.0.congestion": own, "swaps.0.to": "cubic"},
    ]


def test_a_mapping_that_chooses_no_algorithm_stays_what_it_is(tmp_path: Path) -> None:
    design = "design: {list: [{flows.0: {name: bulk, congestion: {name: bbr}}}]}"
    assert points(tmp_path, design) == [{"flows.0": '{"name":"bulk","congestion":{"name":"bbr"}}'}]
