"""The search for the worst instant: deterministic, resumable, with twins once, and repeatable."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ccsim.cli import main
from ccsim.errors import CcsimError, ResultsError
from ccsim.experiment.search import Found, Search, SearchError, instants, search_worst_swap
from ccsim.experiment.search.objective import Objective, metric_of
from ccsim.experiment.search.space import SearchRange, parse_range
from ccsim.scenario import Scenario, load_scenario
from ccsim.sim.traces import SimResult
from tests.experiment import synthetic

pytest.importorskip("optuna", reason="pip install 'ccsim[search]' brings it")

SCENARIO = """
name: tiny
description: Whatever.
duration: 40 s
path: {rate: 2 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
flows:
  - {name: bulk, congestion: cubic}
  - {name: other, congestion: reno, start: 39 s}
swaps:
  - {at: 20 s, via: setsockopt, flows: [bulk], to: reno}
  - {at: 39.5 s, via: setsockopt, flows: [bulk], to: cubic}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    return file


class Peak(Objective):
    """A metric with one peak: at 12.3 s and, where the buffer varies, at 1 BDP."""

    def __init__(self, interrupt_after: int = 10**9) -> None:
        super().__init__("deficit_s", 0)
        self.calls = 0
        self.interrupt_after = interrupt_after

    def __call__(self, scenarios: Sequence[Scenario]) -> list[float | None]:
        self.calls += 1
        if self.calls > self.interrupt_after:
            raise KeyboardInterrupt
        return [self.cost(scenario) for scenario in scenarios]

    def cost(self, scenario: Scenario) -> float | None:
        at_s = scenario.swaps[self.swap].at_ns / 1e9
        bdp = 2_000_000 * 0.020 / 8 / 1500
        return 1 - abs(at_s - 12.3) / 40 - abs(scenario.path.buffer_packets / bdp - 1) / 10


def search(file: Path, trials: int = 40, **more: Any) -> Search:
    scenario = load_scenario(file)
    also = more.pop("also", ())
    return Search(scenario, (instants(scenario, 0), *also), trials=trials, **more)


def journal(found: Found) -> str:
    return (found.file.parent / "trials.jsonl").read_text(encoding="utf-8")


def test_it_closes_in_on_the_worst_instant(file: Path, tmp_path: Path) -> None:
    found = search_worst_swap(search(file), out=tmp_path, objective=Peak())
    assert found.complete
    assert found.trials == 40
    assert found.numbers["swaps.0.at"] == pytest.approx(12_300, abs=400)
    assert found.given == pytest.approx(1 - 7.7 / 40 - abs(3 / (5 / 1.5 / 1) - 1) / 10, abs=0.03)


def test_the_same_search_gives_the_same_trials_and_another_seed_others(
    file: Path, tmp_path: Path
) -> None:
    one, same, other = (
        search_worst_swap(search(file, 16, seed=seed), out=tmp_path / name, objective=Peak())
        for seed, name in ((1, "a"), (1, "b"), (2, "c"))
    )
    assert journal(one) == journal(same)
    assert one.file.read_bytes() == same.file.read_bytes()
    assert journal(one) != journal(other)


def test_an_interrupted_search_keeps_what_it_found_and_goes_on_as_if_nothing_happened(
    file: Path, tmp_path: Path
) -> None:
    whole = search_worst_swap(search(file, 24), out=tmp_path / "a", objective=Peak())
    part = search_worst_swap(search(file, 24), out=tmp_path / "b", objective=Peak(3))
    assert not part.complete
    assert part.trials == 12
    assert load_scenario(part.file).swaps[0].at_ns == part.numbers["swaps.0.at"] * 1e6
    rest = Peak()
    again = search_worst_swap(search(file, 24), out=tmp_path / "b", objective=rest)
    assert journal(again) == journal(whole)
    assert again.file.read_bytes() == whole.file.read_bytes()
    assert rest.calls < 3 + 16  # three rounds, and the cuts


def test_an_interruption_before_the_first_answer_is_passed_on(file: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search_worst_swap(search(file), out=tmp_path, objective=Peak(0))


def test_a_line_that_a_killed_search_left_unfinished_is_dropped(file: Path, tmp_path: Path) -> None:
    whole = search_worst_swap(search(file, 12), out=tmp_path / "a", objective=Peak())
    part = search_worst_swap(search(file, 12), out=tmp_path / "b", objective=Peak(2))
    with (part.file.parent / "trials.jsonl").open("a") as stream:
        stream.write('{"params": {"swaps.0.a')
    again = search_worst_swap(search(file, 12), out=tmp_path / "b", objective=Peak())
    assert journal(again) == journal(whole)


def test_a_damaged_journal_is_refused_with_its_place(file: Path, tmp_path: Path) -> None:
    found = search_worst_swap(search(file, 4), out=tmp_path, objective=Peak())
    (found.file.parent / "trials.jsonl").write_text("nonsense\n")
    with pytest.raises(ResultsError, match=r"trials\.jsonl: cannot read the search"):
        search_worst_swap(search(file, 8), out=tmp_path, objective=Peak())


def test_more_trials_go_on_from_fewer(file: Path, tmp_path: Path) -> None:
    few = search_worst_swap(search(file, 8), out=tmp_path, objective=Peak())
    before = journal(few)
    more = search_worst_swap(search(file, 16), out=tmp_path, objective=Peak())
    assert more.file.parent == few.file.parent
    assert journal(more).startswith(before)
    assert more.trials == 16


def test_path_parameters_are_searched_beside_the_instant(file: Path, tmp_path: Path) -> None:
    also = (parse_range("path.buffer=0.5..4 BDP"),)
    found = search_worst_swap(search(file, 24, also=also), out=tmp_path, objective=Peak())
    again = load_scenario(found.file)
    assert "path.buffer from 0.5 BDP to 4 BDP, found" in found.file.read_text()
    assert Peak().cost(again) == found.value
    assert found.given is None  # the buffer as given was no candidate


def test_the_file_holds_the_smallest_scenario_that_costs_the_same(
    file: Path, tmp_path: Path
) -> None:
    found = search_worst_swap(search(file), out=tmp_path, objective=Peak())
    again = load_scenario(found.file)
    assert again.name == "tiny-worst"
    assert [flow.name for flow in again.flows] == ["bulk"]
    assert len(again.swaps) == 1
    assert again.description == ""
    at_s = again.swaps[0].at_ns / 1e9
    assert again.duration_ns == -(-(at_s + 10) // 1) * 10**9
    text = found.file.read_text()
    assert text.startswith("# The worst of 40 trials for swap 0 of tiny:\n# deficit_s = ")
    assert "# Searched: swaps.0.at from 1 ms to 30 s, found" in text


def test_a_cut_that_changes_the_metric_is_not_made(file: Path, tmp_path: Path) -> None:
    class Both(Peak):
        def cost(self, scenario: Scenario) -> float | None:
            return (super().cost(scenario) or 0) + len(scenario.flows)

    found = search_worst_swap(search(file, 8), out=tmp_path, objective=Both())
    assert len(load_scenario(found.file).flows) == 2


def test_candidates_without_the_metric_are_passed_over(file: Path, tmp_path: Path) -> None:
    class Partly(Peak):
        def cost(self, scenario: Scenario) -> float | None:
            late = scenario.swaps[self.swap].at_ns > 12 * 10**9
            return None if late else super().cost(scenario)

    found = search_worst_swap(search(file, 24), out=tmp_path, objective=Partly())
    assert found.numbers["swaps.0.at"] <= 12_000
    assert '"value": null' in journal(found)


def test_a_search_without_any_answer_says_why(file: Path, tmp_path: Path) -> None:
    class Never(Peak):
        def cost(self, scenario: Scenario) -> float | None:
            return None

    with pytest.raises(SearchError, match="got none in 4 trials: it reached no running flow"):
        search_worst_swap(search(file, 4), out=tmp_path, objective=Never())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"metric": "speed"}, "expected a metric such as deficit_s"),
        ({"trials": 0}, "expected 1 trial or more, got 0"),
        ({"also": (SearchRange("swaps.0.at", 1, 2),)}, "expected each key once"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused(
    file: Path, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(SearchError, match=message):
        search(file, **more)


# --- what a candidate costs ---------------------------------------------------------------------


class Counting:
    """Stands for the simulator: the flow stands still for a second from the swap on."""

    def __init__(self, fail: str = "") -> None:
        self.batches: list[list[int]] = []
        self.fail = fail

    def __call__(self, batch: Sequence[Scenario]) -> list[SimResult | None]:
        self.batches.append([len(one.swaps) for one in batch])
        results: list[SimResult | None] = [self.simulate(one) for one in batch]
        if results[0] and results[0].failed:
            return [results[0], *[None] * (len(batch) - 1)]
        return results

    def simulate(self, scenario: Scenario) -> SimResult:
        if not scenario.swaps:
            return synthetic.result(synthetic.flow(mbit=[(60, 10)]))
        at_s = scenario.swaps[0].at_ns / 1e9
        if self.fail and at_s == 7.0:
            return synthetic.result(synthetic.flow(), failed=self.fail)
        flow = synthetic.flow(mbit=[(at_s, 10), (at_s + 1, 0), (60, 10)])
        swap = synthetic.swap(at_s)
        return synthetic.result(flow, swaps=[swap])


def at(file: Path, *instants_s: float) -> list[Scenario]:
    return [load_scenario(file, [f"swaps.0.at={t} s"]) for t in instants_s]


def test_the_a_twin_is_simulated_once_for_all_instants(file: Path) -> None:
    simulate = Counting()
    objective = Objective("deficit_s", 0, simulate=simulate)
    # a second of 10 Mbit/s is missing, of 10 s: one second of the twin's goodput
    assert objective(at(file, 5, 6)) == pytest.approx([1.0, 1.0])
    assert objective(at(file, 8)) == pytest.approx([1.0])
    assert simulate.batches == [[0, 2, 2], [2]]
    assert objective.simulations == 4


def test_the_b_twin_is_simulated_only_for_the_metric_that_needs_it(file: Path) -> None:
    simulate = Counting()
    one = [load_scenario(file, ["swaps.1.to=bbr", f"swaps.0.at={t} s"]) for t in (5, 6)]
    Objective("time_to_b_twin_s", 0, simulate=simulate)(one)
    assert simulate.batches == [[0, 0, 2, 2]]
    Objective("deficit_s", 0, simulate=simulate)(one)
    assert simulate.batches[1:] == [[0, 2, 2]]


def test_a_b_twin_that_is_the_a_twin_is_not_simulated_again(file: Path) -> None:
    simulate = Counting()
    Objective("time_to_b_twin_s", 0, simulate=simulate)(at(file, 5, 6))  # swapped back at 39.5 s
    assert simulate.batches == [[0, 2, 2]]


def test_another_path_has_another_twin(file: Path) -> None:
    simulate = Counting()
    scenarios = [load_scenario(file, [f"path.buffer={n} BDP"]) for n in (1, 2)]
    Objective("deficit_s", 0, simulate=simulate)(scenarios)
    assert simulate.batches == [[0, 0, 2, 2]]


def test_a_candidate_whose_algorithm_raises_has_no_metric_and_spares_the_others(file: Path) -> None:
    objective = Objective("deficit_s", 0, simulate=Counting(fail="boom"))
    objective(at(file, 5))
    assert objective(at(file, 7, 6)) == [None, pytest.approx(1.0)]


def test_a_twin_that_fails_ends_the_search(file: Path) -> None:
    class Broken(Counting):
        def simulate(self, scenario: Scenario) -> SimResult:
            return synthetic.result(synthetic.flow(), failed="boom")

    with pytest.raises(SearchError, match="a twin failed: boom"):
        Objective("deficit_s", 0, simulate=Broken())(at(file, 5))


def test_of_several_flows_the_one_hit_hardest_counts_and_censored_times_as_observed() -> None:
    rows = [{"x": 1.0}, {"x": {"censored": True, "at_least_s": 9.0}}, {"x": None}]
    assert metric_of({"flows": rows}, "x") == 9.0
    assert metric_of({"flows": rows[2:]}, "x") is None
    assert metric_of({"flows": []}, "x") is None


# --- the command --------------------------------------------------------------------------------


def test_the_command_finds_writes_and_repeats_a_real_one(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["search", "worst-swap", str(file), "--trials", "3", "--metric", "deficit_peak_bytes"]
    argv += ["duration=14 s", "swaps=[{at: 3 s, via: setsockopt, flows: [bulk], to: bbr}]"]
    argv += ["flows=[{name: bulk, congestion: cubic}]", "--jobs", "1", "--out", str(tmp_path / "r")]
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "worst of 3: deficit_peak_bytes = " in said
    assert "as searched" in said
    assert "  as given: " in said
    written = next(line for line in said.splitlines() if line.startswith("scenario"))
    worst = load_scenario(written.split(maxsplit=1)[1])
    assert worst.flows[0].name == "bulk"
    (manifest,) = (tmp_path / "r" / "tiny-worst").glob("*/manifest.json")
    assert json.loads(manifest.read_text())["status"] == "complete"


@pytest.mark.parametrize("option", ["--jobs", "--trials"])
def test_numbers_below_one_are_refused(
    file: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["search", "worst-swap", str(file), option, "0"])
    assert "expected a whole number from 1 to 1000000, got '0'" in capsys.readouterr().err


def test_an_object_file_travels_with_the_scenario(file: Path, tmp_path: Path) -> None:
    code = (Path(__file__).resolve().parents[2] / "algorithms" / "reno.py").read_text()
    (tmp_path / "mine.py").write_text(code.replace('name="reno"', 'name="mine"'))
    found_in = load_scenario(file, ["objects=[mine.py]"])
    wanted = Search(found_in, (instants(found_in, 0),), trials=2, overrides=("objects=[mine.py]",))
    found = search_worst_swap(wanted, out=tmp_path / "r", objective=Peak())
    assert (found.file.parent / "mine.py").is_file()
    assert load_scenario(found.file).objects == (str(found.file.parent.resolve() / "mine.py"),)


def test_without_optuna_it_says_how_to_get_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(CcsimError, match=r"pip install 'ccsim\[search\]'"):
        search_worst_swap(search(file), out=tmp_path, objective=Peak())


def test_a_range_of_a_key_that_does_not_exist_is_refused_before_any_simulation(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["search", "worst-swap", str(file), "--also", "path.bufer=1..2 BDP"]
    assert main([*argv, "--out", str(tmp_path)]) == 2
    assert "bufer" in capsys.readouterr().err


def test_a_short_search_begins_with_the_given_instant_and_the_middles_of_three_parts(
    file: Path,
) -> None:
    # from 1 ms to 30 s; a search of 12 trials begins with four parts
    assert search(file, trials=3).first_instants() == [20_000, 5_001, 15_000, 25_000]
    assert search(file, trials=12).first_instants() == [20_000, 3_751, 11_251, 18_750, 26_250]
