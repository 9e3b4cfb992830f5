"""Tests of the exceptions: what they say, where they point, and that they cross process borders."""

from __future__ import annotations

import pickle

import pytest

from ccsim.errors import AlgorithmError, CcsimError, Problem, ResultsError, ScenarioError

TO = Problem("cubic-to-bbr.yaml", 8, 24, "swaps.0.to", "no algorithm 'brr'; did you mean 'bbr'?")
RATE = Problem("cubic-to-bbr.yaml", 4, 14, "path.rate", "expected a rate")
SEED = Problem("override 'seed=x'", 0, 0, "seed", "expected a whole number")


def test_a_problem_reads_file_line_column_path_and_message() -> None:
    assert str(TO) == (
        "cubic-to-bbr.yaml:8:24: swaps.0.to: no algorithm 'brr'; did you mean 'bbr'?"
    )


def test_a_problem_without_a_place_or_a_path_leaves_them_out() -> None:
    assert str(SEED) == "override 'seed=x': seed: expected a whole number"
    assert str(Problem("x.yaml", 0, 0, "", "no such file")) == "x.yaml: no such file"


def test_several_problems_are_told_one_a_line_in_order_of_position() -> None:
    error = ScenarioError(SEED, TO, RATE)
    assert str(error).splitlines() == [str(RATE), str(TO), str(SEED)]
    assert (error.file, error.line, error.column) == ("cubic-to-bbr.yaml", 4, 14)
    assert (error.path, error.message) == ("path.rate", "expected a rate")


def test_a_problem_found_twice_is_told_once() -> None:
    assert ScenarioError(TO, TO).problems == (TO,)


def test_a_scenario_error_without_a_problem_is_a_mistake_of_its_raiser() -> None:
    with pytest.raises(TypeError, match="expected at least one Problem"):
        ScenarioError()


def test_each_error_is_the_builtin_that_a_caller_would_catch() -> None:
    assert isinstance(ScenarioError(TO), ValueError)
    assert isinstance(AlgorithmError("x"), RuntimeError)
    assert isinstance(ResultsError("results", "read-only file system"), OSError)
    for kind in (ScenarioError, AlgorithmError, ResultsError):
        assert issubclass(kind, CcsimError)


def test_a_results_error_names_the_folder_and_the_reason() -> None:
    error = ResultsError("results/x", "permission denied")
    assert str(error) == "results/x: permission denied"
    assert (error.path, error.reason) == ("results/x", "permission denied")


def test_an_algorithm_error_points_into_the_algorithm_file() -> None:
    source = "def cong_avoid(sk):\n    return window(sk)\ndef window(sk):\n    return 1 // sk\n"
    names: dict[str, object] = {}
    exec(compile(source, "my_cc.py", "exec"), names)
    with pytest.raises(ZeroDivisionError) as caught:
        names["cong_avoid"](0)  # type: ignore[operator]
    error = AlgorithmError.from_exception(caught.value, "my_cc.py", "cong_avoid")
    assert error.line == 4
    assert str(error).startswith("my_cc.py:4: cong_avoid: ZeroDivisionError: ")


def test_an_algorithm_error_from_elsewhere_has_no_line() -> None:
    error = AlgorithmError.from_exception(KeyError(), "my_cc.py")
    assert (error.line, str(error)) == (0, "my_cc.py: KeyError")


@pytest.mark.parametrize(
    "error",
    [
        ScenarioError(TO, RATE),
        AlgorithmError("boom", "my_cc.py", 3, "init"),
        ResultsError("results", "full"),
    ],
)
def test_errors_survive_the_way_between_processes(error: CcsimError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
