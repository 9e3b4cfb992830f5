"""Tests of finding shipped files and of reading what they declare without running them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim import catalog
from ccsim.catalog import Table, Tables, find_scenario, read_tables, registered_names
from ccsim.errors import ScenarioError


def test_shipped_folders_are_found_from_a_checkout_and_from_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "ccsim"
    package.mkdir()
    monkeypatch.setattr(catalog, "_PACKAGE", package)
    assert catalog.scenarios_dir() == tmp_path / "scenarios"
    (package / "scenarios").mkdir()
    assert catalog.scenarios_dir() == package / "scenarios"


def test_folders_that_are_missing_hold_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_PACKAGE", tmp_path / "ccsim")
    assert catalog.algorithm_files() == {}
    assert catalog.scenario_files() == {}


@pytest.mark.usefixtures("three_algorithms")
def test_algorithms_are_listed_by_the_names_that_they_register(three_algorithms: Path) -> None:
    (three_algorithms / "two.py").write_text(
        'b = TcpCongestionOps(name="two-b")\na: T = ops.TcpCongestionOps(name="two-a")\n'
        '_own = TcpCongestionOps(name="two-own")\n'
    )
    (three_algorithms / "_shared.py").write_text('x = TcpCongestionOps(name="x")\n')
    assert list(catalog.algorithm_files()) == ["bbr", "cubic", "reno", "two-a", "two-b"]


@pytest.mark.parametrize(
    "path", sorted(catalog.algorithms_dir().glob("*.py")), ids=lambda p: p.stem
)
def test_the_names_in_a_shipped_file_are_those_of_its_tables(path: Path) -> None:
    tables = read_tables(path.read_text(encoding="utf-8")).found
    names = [table.name for table in tables if not table.map.startswith("_")]
    assert registered_names(path.read_text(encoding="utf-8")) == names
    assert None not in names


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('a = TcpCongestionOps(\n    name="a",\n)\nb = TcpCongestionOps(\n    name="b"\n)\n', "ab"),
        (
            '"""So::\n\n    x = TcpCongestionOps(\n"""\na = ops.TcpCongestionOps(name="a")\n',
            "a",
        ),
        ('NAME = "c"\nc = TcpCongestionOps(\n    name=NAME\n)\n', "c"),
        ('_own = TcpCongestionOps(\n    name="a"\n)\n', ""),
        ("a = TcpCongestionOps(\n    name=str(1)\n)\n", ""),
        ("", ""),
    ],
)
def test_names_are_found_in_plain_and_in_unusual_declarations(source: str, names: str) -> None:
    assert registered_names(source) == list(names)


@pytest.mark.usefixtures("three_algorithms")
def test_a_summary_is_the_first_line_of_docstring_or_comment(
    three_algorithms: Path, tmp_path: Path
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("#\n# What it is.\n# More.\nname: x\n")
    assert catalog.summary(file) == "What it is."
    assert catalog.summary(three_algorithms / "bbr.py") == "bbr: a stand-in."
    file.write_text("name: x\n")
    assert catalog.summary(file) == ""


def test_names_may_come_from_a_constant_of_the_module() -> None:
    members = frozenset({"flags", "name"})
    source = 'NAME = "my_cc"\nops = TcpCongestionOps(flags=0, name=NAME)\n'
    assert read_tables(source) == Tables(
        (Table("ops", "my_cc", 2, members=members),), complete=True
    )


@pytest.mark.parametrize(
    "source",
    [
        "ops = TcpCongestionOps(name=make())",
        "ops = TcpCongestionOps(**members)",
        'a = TcpCongestionOps(name="a")\nb = dataclasses.replace(a, name="b")',
        'a = TcpCongestionOps(name="a")\nfor n in "bc":\n    tables[n] = TcpCongestionOps(name=n)',
        "x = 1",
    ],
)
def test_what_only_running_would_tell_makes_the_list_incomplete(source: str) -> None:
    assert not read_tables(source).complete


def test_a_shipped_scenario_is_found_by_its_bare_name() -> None:
    assert find_scenario("cubic_to_bbr") == catalog.scenarios_dir() / "cubic_to_bbr.yaml"


def test_a_file_of_ones_own_goes_before_a_shipped_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fairness").write_text("")
    (tmp_path / "sweep").mkdir()
    assert find_scenario("fairness") == Path("fairness")
    assert find_scenario("sweep") == catalog.scenarios_dir() / "sweep.yaml"


@pytest.mark.parametrize(
    ("arg", "message"),
    [
        (
            "cubic-to-bbr",
            "cubic-to-bbr: no file and no shipped scenario of this name; did you mean "
            "'cubic_to_bbr'?",
        ),
        ("x/fairnes.yaml", "x/fairnes.yaml: no such file; did you mean 'fairness'?"),
        (
            "zzz",
            "zzz: no file and no shipped scenario of this name; shipped are a, b",
        ),
    ],
)
def test_a_miss_suggests_what_there_is(
    arg: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if arg == "zzz":
        monkeypatch.setattr(catalog, "scenario_files", lambda: {"a": Path(), "b": Path()})
    with pytest.raises(ScenarioError) as caught:
        find_scenario(arg)
    assert str(caught.value) == message
