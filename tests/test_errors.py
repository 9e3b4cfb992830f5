"""Tests of the exceptions: what they say, where they point, and that they cross process borders."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from ccsim.errors import AlgorithmError, CcsimError, Problem, ResultsError, ScenarioError
from ccsim.kernel import TCP_RENO, load_tables
from ccsim.kernel.errors import EINVAL
from ccsim.kernel.libbpf import TableError
from ccsim.kernel.loader import declared_at

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


# --- tables of algorithm files --------------------------------------------------------------------

TABLES = """\
from dataclasses import replace

from ccsim.kernel import TCP_RENO, TcpCongestionOps

one = replace(TCP_RENO, name="one")
two: TcpCongestionOps = replace(
    TCP_RENO, name="two"
)
for three in [replace(TCP_RENO, name="three")]:
    pass
"""


def test_a_loaded_table_knows_the_line_of_its_declaration(tmp_path: Path) -> None:
    file = tmp_path / "tables.py"
    file.write_text(TABLES)
    tables = load_tables(file)
    assert declared_at(tables["one"]) == f"{file}:5"
    assert declared_at(tables["two"]) == f"{file}:6"
    assert declared_at(tables["three"]) == str(file)  # no statement of its own assigns it


@pytest.mark.parametrize("text", ["one = (", "\0", None], ids=["syntax", "a NUL", "gone"])
def test_of_a_file_that_has_changed_since_it_was_loaded_the_name_is_known(
    tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "tables.py"
    file.write_text(TABLES)
    tables = load_tables(file)
    file.unlink()
    if text is not None:
        file.write_text(text)
    assert declared_at(tables["one"]) == str(file)


def test_a_table_that_no_file_declares_has_no_place() -> None:
    assert declared_at(replace(TCP_RENO, name="mine")) == ""


def test_the_place_of_a_refused_table_stands_first_and_is_no_part_of_the_message() -> None:
    error = TableError(EINVAL, "x: required operation missing", "my_cc.py:7")
    assert str(error) == "my_cc.py:7: EINVAL: x: required operation missing"
    assert (error.errno, error.message) == (22, "x: required operation missing")
    assert str(TableError(EINVAL, "x")) == "EINVAL: x"
